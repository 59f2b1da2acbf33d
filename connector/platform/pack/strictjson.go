package pack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// strictJSON reads text into v and refuses what a plain JSON parser would read in more than one way: a key that
// stands twice, something after the end, bytes that are not UTF-8.
func strictJSON(text []byte, v any) error {
	if !utf8.Valid(text) {
		return errors.New("is not UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if err := checkKeys(decoder, 0); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something stands after the end")
	}
	return json.Unmarshal(text, v)
}

// checkKeys consumes one value.
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
				return fmt.Errorf("the key %q stands twice", printable(name))
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
