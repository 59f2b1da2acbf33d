package secret_test

import (
	"bytes"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"text/template"

	"go.yaml.in/yaml/v3"

	"azure-partner-connector/connector/secret"
)

const canary = "canary-4711"

// holders returns values that hold a secret in every way that a program may hold one.
func holders() map[string]any {
	text := secret.New(canary)
	type exported struct {
		Name string
		Text secret.Text
	}
	type unexported struct {
		name string
		text secret.Text
	}
	type nested struct {
		in  unexported
		out *unexported
		any any
	}
	type list struct {
		texts   []secret.Text
		byName  map[string]secret.Text
		byText  map[secret.Text]string
		array   [2]secret.Text
		pointer *secret.Text
	}
	type embedding struct{ secret.Text }
	return map[string]any{
		"value":              text,
		"pointer":            &text,
		"exported":           exported{"n", text},
		"unexported":         unexported{"n", text},
		"pointer to struct":  &unexported{"n", text},
		"nested":             nested{unexported{"n", text}, &unexported{"n", text}, text},
		"pointer to nested":  &nested{unexported{"n", text}, &unexported{"n", text}, unexported{"n", text}},
		"slice":              []secret.Text{text},
		"slice of pointers":  []*secret.Text{&text},
		"slice of structs":   []unexported{{"n", text}},
		"map of values":      map[string]secret.Text{"k": text},
		"map of keys":        map[secret.Text]string{text: "v"},
		"map of structs":     map[string]unexported{"k": {"n", text}},
		"map by structs":     map[unexported]bool{{"n", text}: true},
		"unexported lists":   list{[]secret.Text{text}, map[string]secret.Text{"k": text}, map[secret.Text]string{text: "v"}, [2]secret.Text{text, text}, &text},
		"embedded":           embedding{text},
		"pointer, embedded":  &embedding{text},
		"error":              fmt.Errorf("failing with %v: %w", text, errors.ErrUnsupported),
		"error of a struct":  fmt.Errorf("failing with %+v and %d", unexported{"n", text}, text),
		"function's closure": func() secret.Text { return text },
	}
}

// check checks that printed shows the secret in no form that fmt knows.
func check(t *testing.T, how, printed string) {
	t.Helper()
	folded := strings.ToLower(strings.ReplaceAll(printed, "0x", ""))
	numbers := strings.Trim(fmt.Sprintf("%d", []byte(canary)), "[]")
	spaced := fmt.Sprintf("% x", canary)
	for _, form := range []string{canary, hex.EncodeToString([]byte(canary)), spaced, strings.ReplaceAll(spaced, " ", ", "), numbers} {
		if strings.Contains(folded, form) {
			t.Errorf("%s prints %s, want no secret in it", how, printed)
		}
	}
}

func TestText_PrintsInNoFormat(t *testing.T) {
	for name, holder := range holders() {
		for verb := 'A'; verb <= 'z'; verb++ {
			for _, flags := range []string{"", "+", "#", "-", " ", "0", "+#", "# ", "20", ".3"} {
				format := "%" + flags + string(verb)
				check(t, name+" by "+format, fmt.Sprintf(format, holder))
			}
		}
		check(t, name+" by Sprint", fmt.Sprint(holder, holder))
		check(t, name+" by Sprintln", fmt.Sprintln(holder))
		check(t, name+" with a wrong number of arguments", fmt.Sprintf("%s", []any{holder, holder}...))
		check(t, name+" as a width", fmt.Sprintf("%*d", []any{holder, 1}...))
	}
}

func TestText_IsLoggedInNoFormat(t *testing.T) {
	for name, holder := range holders() {
		for handler, record := range map[string]func(*bytes.Buffer) slog.Handler{
			"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
			"JSON": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
		} {
			var log bytes.Buffer
			slog.New(record(&log)).With("holder", holder).WithGroup("g").Info("m", "holder", holder, slog.Group("g", slog.Any("h", holder)))
			if !strings.Contains(log.String(), "holder") {
				t.Errorf("the %s log of %s is %s, want a record", handler, name, log.String())
			}
			check(t, name+" in a log of "+handler, log.String())
		}
	}
}

// TestText_IsEncodedInNoFormat encodes; an encoder may refuse a holder, with an error that shows nothing either.
func TestText_IsEncodedInNoFormat(t *testing.T) {
	for name, holder := range holders() {
		for encoding, encode := range map[string]func(*bytes.Buffer) error{
			"JSON":     func(b *bytes.Buffer) error { return json.NewEncoder(b).Encode(holder) },
			"XML":      func(b *bytes.Buffer) error { return xml.NewEncoder(b).Encode(holder) },
			"gob":      func(b *bytes.Buffer) error { return gob.NewEncoder(b).Encode(holder) },
			"template": func(b *bytes.Buffer) error { return template.Must(template.New("").Parse("{{.}}")).Execute(b, holder) },
			"YAML": func(b *bytes.Buffer) (err error) {
				defer func() {
					if r := recover(); r != nil { // for a function
						err = fmt.Errorf("%v", r)
					}
				}()
				return yaml.NewEncoder(b).Encode(holder)
			},
		} {
			var encoded bytes.Buffer
			err := encode(&encoded)
			check(t, name+" in "+encoding, encoded.String())
			check(t, name+"'s error in "+encoding, fmt.Sprint(err))
			if name == "exported" && (err != nil || !strings.Contains(encoded.String(), "[redacted]")) {
				t.Errorf("%s of %s = %q, %v, want [redacted] in it", encoding, name, encoded.String(), err)
			}
		}
	}
}

func TestText_PrintsRedacted(t *testing.T) {
	text := secret.New(canary)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(format, text); got != "[redacted]" {
			t.Errorf("Sprintf(%q) = %s, want [redacted]", format, got)
		}
	}
}

func TestText_Reveal(t *testing.T) {
	if got := secret.New(canary).Reveal(); got != canary {
		t.Errorf("Reveal() = %q, want %q", got, canary)
	}
	var text secret.Text
	if !text.Empty() || text.Reveal() != "" || secret.New("") != text {
		t.Error("the zero Text is not the empty one")
	}
	if err := text.UnmarshalText([]byte(canary)); err != nil || text.Reveal() != canary || text.Empty() {
		t.Errorf("Reveal() after UnmarshalText() = %q, %v, want %q", text.Reveal(), err, canary)
	}
	if text != secret.New(canary) || text == secret.New(canary+"x") {
		t.Error("Texts are equal although their values differ, or the other way round")
	}
	if err := text.UnmarshalText(nil); err != nil || !text.Empty() {
		t.Errorf("Empty() after UnmarshalText(nil) = %v, %v, want true", text.Empty(), err)
	}
}
