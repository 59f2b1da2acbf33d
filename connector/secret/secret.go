// Package secret holds values that are never printed: refresh tokens, access tokens, codes, client secrets.
package secret

import (
	"fmt"
	"io"
	"log/slog"
	"unique"
)

const redacted = "[redacted]"

// Text is a secret string. Printing, logging or encoding it in any way yields "[redacted]", or at most the address of the
// value. Only Reveal returns the value, so that a search for its name finds each place that uses one. The zero Text is
// empty. Texts with the same value are equal.
type Text struct {
	// value is behind a handle because printing methods are not enough: package fmt calls none on an unexported field of
	// a struct, and prints what is in it. It does not follow a handle. The zero handle stands for the empty value.
	value unique.Handle[string]
}

// New wraps value.
func New(value string) Text {
	if value == "" {
		return Text{}
	}
	return Text{unique.Make(value)}
}

// Reveal returns the value, for the call that sends or seals it.
func (t Text) Reveal() string {
	if t.Empty() {
		return ""
	}
	return t.value.Value()
}

// Empty reports whether the value is empty.
func (t Text) Empty() bool { return t == Text{} }

// Format implements fmt.Formatter, for all verbs.
func (t Text) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String implements fmt.Stringer.
func (t Text) String() string { return redacted }

// LogValue implements slog.LogValuer.
func (t Text) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON implements json.Marshaler; a secret leaves the process only where Reveal is called.
func (t Text) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText implements encoding.TextMarshaler, for YAML, XML and map keys.
func (t Text) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalBinary implements encoding.BinaryMarshaler, for gob.
func (t Text) MarshalBinary() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText implements encoding.TextUnmarshaler, for settings in YAML.
func (t *Text) UnmarshalText(b []byte) error {
	*t = New(string(b))
	return nil
}

// Redact prints "[redacted]", for the Format methods of types that hold a secret in a form that others need, such as the fields of
// a JSON document. A field that need not have such a form is a Text.
func Redact(f fmt.State) { _, _ = io.WriteString(f, redacted) }

// Redacted is what logs show of a value of such a type.
func Redacted() slog.Value { return slog.StringValue(redacted) }
