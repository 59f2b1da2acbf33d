// Package xmlrpc encodes and decodes the XML-RPC messages of the platform's operations API
// (docs/reference/aps-protocol.md §7.1).
//
// Values are nil, bool, int, float64, string, []byte, time.Time, []any and map[string]any. Integers are
// decoded as int.
package xmlrpc

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A Fault is an answer that the call did not reach its method.
type Fault struct {
	Code    int
	Message string
}

// Error implements error.
func (f *Fault) Error() string { return fmt.Sprintf("XML-RPC fault %d: %s", f.Code, f.Message) }

// timeLayout is the form of time in XML-RPC. It has no zone; this package uses UTC.
const timeLayout = "20060102T15:04:05"

const head = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

// EncodeCall returns a call of method. It returns an error for values that the format can't represent.
func EncodeCall(method string, params ...any) ([]byte, error) {
	var w writer
	w.out.WriteString(head + "<methodCall><methodName>")
	if err := w.text(method); err != nil {
		return nil, err
	}
	w.out.WriteString("</methodName><params>")
	for _, p := range params {
		w.out.WriteString("<param>")
		if err := w.value(p, 0); err != nil {
			return nil, err
		}
		w.out.WriteString("</param>")
	}
	w.out.WriteString("</params></methodCall>\n")
	return w.out.Bytes(), nil
}

// EncodeAnswer returns the answer with one value.
func EncodeAnswer(value any) ([]byte, error) {
	var w writer
	w.out.WriteString(head + "<methodResponse><params><param>")
	if err := w.value(value, 0); err != nil {
		return nil, err
	}
	w.out.WriteString("</param></params></methodResponse>\n")
	return w.out.Bytes(), nil
}

// EncodeFault returns the answer with f.
func EncodeFault(f *Fault) ([]byte, error) {
	var w writer
	w.out.WriteString(head + "<methodResponse><fault>")
	if err := w.value(map[string]any{"faultCode": f.Code, "faultString": f.Message}, 0); err != nil {
		return nil, err
	}
	w.out.WriteString("</fault></methodResponse>\n")
	return w.out.Bytes(), nil
}

// maxDepth is how deep values may nest when encoded or decoded.
const maxDepth = 32

type writer struct{ out bytes.Buffer }

// text writes text, and refuses characters that XML can't represent.
func (w *writer) text(text string) error {
	if !utf8.ValidString(text) || strings.ContainsFunc(text, unwritable) {
		return errors.New("encoding XML-RPC: the text has characters that XML can't represent")
	}
	return xml.EscapeText(&w.out, []byte(text))
}

func unwritable(r rune) bool {
	return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff
}

func (w *writer) value(value any, depth int) error {
	if depth > maxDepth {
		return errors.New("encoding XML-RPC: the value nests too deep")
	}
	w.out.WriteString("<value>")
	switch v := value.(type) {
	case nil:
		w.out.WriteString("<nil/>")
	case bool:
		flag := 0
		if v {
			flag = 1
		}
		fmt.Fprintf(&w.out, "<boolean>%d</boolean>", flag)
	case int:
		// Plain XML-RPC has 32 bits only; the platform's own answers use i8 for larger numbers.
		if v < math.MinInt32 || v > math.MaxInt32 {
			fmt.Fprintf(&w.out, "<i8>%d</i8>", v)
		} else {
			fmt.Fprintf(&w.out, "<int>%d</int>", v)
		}
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return errors.New("encoding XML-RPC: not a number")
		}
		fmt.Fprintf(&w.out, "<double>%s</double>", strconv.FormatFloat(v, 'f', -1, 64))
	case string:
		w.out.WriteString("<string>")
		if err := w.text(v); err != nil {
			return err
		}
		w.out.WriteString("</string>")
	case []byte:
		fmt.Fprintf(&w.out, "<base64>%s</base64>", base64.StdEncoding.EncodeToString(v))
	case time.Time:
		fmt.Fprintf(&w.out, "<dateTime.iso8601>%s</dateTime.iso8601>", v.UTC().Format(timeLayout))
	case []any:
		w.out.WriteString("<array><data>")
		for _, item := range v {
			if err := w.value(item, depth+1); err != nil {
				return err
			}
		}
		w.out.WriteString("</data></array>")
	case map[string]any:
		if err := w.structure(v, depth); err != nil {
			return err
		}
	default:
		return fmt.Errorf("encoding XML-RPC: no encoding of %T", value)
	}
	w.out.WriteString("</value>")
	return nil
}

func (w *writer) structure(members map[string]any, depth int) error {
	w.out.WriteString("<struct>")
	for _, name := range slices.Sorted(maps.Keys(members)) {
		w.out.WriteString("<member><name>")
		if err := w.text(name); err != nil {
			return err
		}
		w.out.WriteString("</name>")
		if err := w.value(members[name], depth+1); err != nil {
			return err
		}
		w.out.WriteString("</member>")
	}
	w.out.WriteString("</struct>")
	return nil
}
