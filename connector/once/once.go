// Package once reads what a request may contain only once: a header, a name of a JSON object. A repetition is refused, because a
// proxy, or another program that reads the request, may take the other value.
package once

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"azure-partner-connector/connector/failure"
)

// Header returns the value of a header, and whether it was sent. One that is repeated or empty is the failure bad_request.
func Header(h http.Header, name string) (value string, sent bool, err error) {
	values := h.Values(name)
	if len(values) == 0 {
		return "", false, nil
	}
	value = strings.TrimSpace(values[0])
	switch {
	case len(values) > 1:
		return "", true, failure.New(failure.BadRequest, "reason", "the header "+name+" is repeated")
	case value == "":
		return "", true, failure.New(failure.BadRequest, "reason", "the header "+name+" is empty")
	}
	return value, true, nil
}

// What Names returns. Neither quotes the text, which may have secrets.
var (
	ErrNotJSON  = errors.New("this is not JSON")
	ErrRepeated = errors.New("an object in it has a name twice")
)

// Names returns ErrRepeated for JSON with an object that has a name twice. Names are the same when spelled makes them so.
func Names(text []byte, spelled func(name string) string) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	type level struct {
		names map[string]bool // nil in an array
		value bool            // the next token is the value of a name
	}
	levels := []level{{}}
	for {
		token, err := decoder.Token()
		switch {
		case errors.Is(err, io.EOF) && len(levels) == 1:
			return nil
		case err != nil:
			return ErrNotJSON
		}
		in := &levels[len(levels)-1]
		if name, ok := token.(string); ok && in.names != nil && !in.value {
			if name = spelled(name); in.names[name] {
				return ErrRepeated
			}
			in.names[name], in.value = true, true
			continue
		}
		in.value = false
		switch token {
		case json.Delim('{'):
			levels = append(levels, level{names: map[string]bool{}})
		case json.Delim('['):
			levels = append(levels, level{})
		case json.Delim('}'), json.Delim(']'):
			levels = levels[:len(levels)-1]
		}
	}
}
