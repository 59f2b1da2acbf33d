package pack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

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
