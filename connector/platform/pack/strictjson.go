package pack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// SchemaJSON returns the JSON of a schema. Generated schemas (*.schema.gen) may contain comments
// (docs/reference/aps-protocol.md §6.8); others are returned unchanged.
func SchemaJSON(name string, content []byte) []byte {
	if !strings.HasSuffix(name, ".gen") {
		return content
	}
	out := make([]byte, 0, len(content))
	quoted := false
	for i := 0; i < len(content); i++ {
		b := content[i]
		switch {
		case quoted && b == '\\' && i+1 < len(content):
			out = append(out, b)
			i++
			b = content[i]
		case b == '"':
			quoted = !quoted
		case !quoted && bytes.HasPrefix(content[i:], []byte("//")):
			for i+1 < len(content) && content[i+1] != '\n' {
				i++
			}
			continue
		}
		out = append(out, b)
	}
	return out
}

// strictJSON reads text into v and refuses what JSON parsers interpret differently: repeated keys, text after the end,
// and bytes that are not UTF-8.
func strictJSON(text []byte, v any) error {
	if !utf8.Valid(text) {
		return errors.New("is not UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if err := checkKeys(decoder, 0); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("has text after the end")
	}
	return json.Unmarshal(text, v)
}

// checkKeys reads one value and refuses repeated keys.
func checkKeys(decoder *json.Decoder, depth int) error {
	if depth > maxDepth {
		return errors.New("nests too deep")
	}
	token, err := decoder.Token()
	if err != nil {
		return err
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	keys := make(map[string]bool)
	for decoder.More() {
		if delim == '{' {
			key, err := decoder.Token()
			if err != nil {
				return err
			}
			name, _ := key.(string)
			if keys[name] {
				return fmt.Errorf("the key %q is repeated", printable(name))
			}
			keys[name] = true
		}
		if err := checkKeys(decoder, depth+1); err != nil {
			return err
		}
	}
	_, err = decoder.Token() // the closing bracket
	return err
}
