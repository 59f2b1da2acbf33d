package xmlrpc_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/platform/register/xmlrpc"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestDecode_Refuses(t *testing.T) {
	value := func(v string) string {
		return "<methodResponse><params><param><value>" + v + "</value></param></params></methodResponse>"
	}
	for name, message := range map[string]string{
		"nothing":         "",
		"no XML":          "<methodResponse>",
		"something else":  "<html></html>",
		"a call":          "<methodCall><methodName>x</methodName></methodCall>",
		"document type":   "<!DOCTYPE x><methodResponse/>",
		"empty":           "<methodResponse/>",
		"two parameters":  "<methodResponse><params><param><value/></param><param><value/></param></params></methodResponse>",
		"no value":        "<methodResponse><params><param/></params></methodResponse>",
		"empty fault":     "<methodResponse><fault/></methodResponse>",
		"two elements":    value("<int>1</int><int>2</int>"),
		"unknown type":    value("<integer>1</integer>"),
		"no number":       value("<int>one</int>"),
		"number overflow": value("<i8>99999999999999999999</i8>"),
		"no boolean":      value("<boolean>yes</boolean>"),
		"no base64":       value("<base64>*</base64>"),
		"no time":         value("<dateTime.iso8601>2026-11-23</dateTime.iso8601>"),
		"elements inside": value("<int><b/></int>"),
		"array no data":   value("<array><value/></array>"),
		"data no value":   value("<array><data><int>1</int></data></array>"),
		"member twice":    value("<struct><member><name>a</name><value/></member><member><name>a</name><value/></member></struct>"),
		"unnamed member":  value("<struct><member><value/></member></struct>"),
		"deep":            value(strings.Repeat("<array><data><value>", 64) + strings.Repeat("</value></data></array>", 64)),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := xmlrpc.DecodeAnswer([]byte(message))
			if _, fault := errors.AsType[*xmlrpc.Fault](err); err == nil || fault {
				t.Errorf("DecodeAnswer(%q) = %v, %v, want an error", message, got, err)
			}
		})
	}
	for name, message := range map[string]string{
		"an answer": value("1"),
		"no method": "<methodCall><params/></methodCall>",
		"no value":  "<methodCall><methodName>x</methodName><params><param/></params></methodCall>",
	} {
		t.Run(name, func(t *testing.T) {
			if method, params, err := xmlrpc.DecodeCall([]byte(message)); err == nil {
				t.Errorf("DecodeCall(%q) = %q, %v, want an error", message, method, params)
			}
		})
	}
}

func TestEncode_Refuses(t *testing.T) {
	var nested any = "x"
	for range 64 {
		nested = []any{nested}
	}
	for name, value := range map[string]any{
		"control character": "a\x00b",
		"not UTF-8":         "\xff",
		"member name":       map[string]any{"\x01": "x"},
		"a struct":          struct{}{},
		"deep":              nested,
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := xmlrpc.EncodeCall("m", value); err == nil {
				t.Errorf("EncodeCall(%v) = %s, want an error", value, got)
			}
			if got, err := xmlrpc.EncodeAnswer(value); err == nil {
				t.Errorf("EncodeAnswer(%v) = %s, want an error", value, got)
			}
		})
	}
}

// DecodeAnswer reads what other encoders write: blanks, untyped strings and broken lines.
func TestDecode_ToleratesOtherEncoders(t *testing.T) {
	message := `<?xml version='1.0'?>
<methodResponse>
 <params>
  <param>
   <value><struct>
    <member><name>status</name><value><i4> 0 </i4></value></member>
    <member><name>bare</name><value>text &amp; more</value></member>
    <member><name>flag</name><value><boolean>1</boolean></value></member>
    <member><name>body</name><value><base64>
      aGVs
      bG8=
    </base64></value></member>
    <member><name>list</name><value><array><data></data></array></value></member>
   </struct></value>
  </param>
 </params>
</methodResponse>`
	got, err := xmlrpc.DecodeAnswer([]byte(message))
	want := map[string]any{"status": 0, "bare": "text & more", "flag": true, "body": []byte("hello"), "list": []any{}}
	if diff := cmp.Diff(any(want), got); err != nil || diff != "" {
		t.Errorf("DecodeAnswer() = %v (-want +got):\n%s", err, diff)
	}
}

func TestDecodeAnswer_Fault(t *testing.T) {
	message, err := xmlrpc.EncodeFault(&xmlrpc.Fault{Code: 4, Message: "no <method>"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = xmlrpc.DecodeAnswer(message)
	fault, ok := errors.AsType[*xmlrpc.Fault](err)
	if !ok || *fault != (xmlrpc.Fault{Code: 4, Message: "no <method>"}) {
		t.Errorf("DecodeAnswer() = %v, want the fault", err)
	}
	if got, want := err.Error(), "XML-RPC fault 4: no <method>"; got != want {
		t.Errorf("Error() = %s, want %s", got, want)
	}
}

// text draws characters that XML keeps unchanged; it would turn a carriage return into a line feed.
func text() *rapid.Generator[string] {
	return rapid.StringOf(rapid.RuneFrom([]rune("ab <>&\"'\t\nüß漢𝄞]]")))
}

func values() *rapid.Generator[any] {
	scalar := rapid.OneOf(
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.Int().AsAny(), text().AsAny(),
		rapid.Float64Range(-1e15, 1e15).AsAny(),
		rapid.SliceOf(rapid.Byte()).AsAny(),
		rapid.Custom(func(t *rapid.T) any {
			return time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "seconds"), 0).UTC()
		}),
	)
	return rapid.OneOf(scalar,
		rapid.SliceOfN(scalar, 0, 4).AsAny(),
		rapid.MapOfN(text(), rapid.OneOf(scalar, rapid.MapOfN(text(), scalar, 0, 3).AsAny()), 0, 4).AsAny())
}

func TestDecode_ReversesEncode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		method := rapid.StringMatching(`[a-z]+(\.[A-Za-z]+)*`).Draw(t, "method")
		want := rapid.SliceOfN(values(), 0, 3).Draw(t, "params")
		message, err := xmlrpc.EncodeCall(method, want...)
		if err != nil {
			t.Fatalf("EncodeCall(%v) = %v", want, err)
		}
		gotMethod, got, err := xmlrpc.DecodeCall(message)
		if diff := cmp.Diff(want, got); err != nil || gotMethod != method || diff != "" {
			t.Fatalf("DecodeCall() = %s, %v (-want +got):\n%s", gotMethod, err, diff)
		}
		value := rapid.SampledFrom(append(want, nil)).Draw(t, "answer")
		if message, err = xmlrpc.EncodeAnswer(value); err != nil {
			t.Fatalf("EncodeAnswer(%v) = %v", value, err)
		}
		answer, err := xmlrpc.DecodeAnswer(message)
		if diff := cmp.Diff(value, answer); err != nil || diff != "" {
			t.Fatalf("DecodeAnswer() = %v (-want +got):\n%s", err, diff)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("<methodCall><methodName>a.b</methodName><params><param><value><int>1</int></value></param></params></methodCall>"))
	f.Add([]byte("<methodResponse><fault><value><struct/></value></fault></methodResponse>"))
	f.Fuzz(func(t *testing.T, message []byte) {
		if method, params, err := xmlrpc.DecodeCall(message); err == nil && (method == "" || params == nil) {
			t.Errorf("DecodeCall(%q) = %q, %v, want a method and parameters", message, method, params)
		}
		if _, err := xmlrpc.DecodeAnswer(message); err != nil && err.Error() == "" {
			t.Errorf("DecodeAnswer(%q) = an error without text", message)
		}
	})
}
