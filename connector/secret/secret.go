// Package secret holds values that are never printed: refresh tokens, access tokens, codes, client secrets.
package secret

import "log/slog"

const redacted = "[redacted]"

// Text is a secret string. Printing, logging or encoding it in any way yields "[redacted]". Only Reveal returns the
// value, so that a search for its name finds each place that uses one. The zero Text is empty.
type Text struct{ value string }

// New wraps value.
func New(value string) Text { return Text{value} }

// Reveal returns the value, for the call that sends or seals it.
func (t Text) Reveal() string { return t.value }

// Empty reports whether the value is empty.
func (t Text) Empty() bool { return t.value == "" }

// String implements fmt.Stringer.
func (t Text) String() string { return redacted }

// GoString implements fmt.GoStringer.
func (t Text) GoString() string { return redacted }

// LogValue implements slog.LogValuer.
func (t Text) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON implements json.Marshaler; a secret leaves the process only where Reveal is called.
func (t Text) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText implements encoding.TextMarshaler, for YAML and map keys.
func (t Text) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText implements encoding.TextUnmarshaler, for settings in YAML.
func (t *Text) UnmarshalText(b []byte) error {
	t.value = string(b)
	return nil
}
