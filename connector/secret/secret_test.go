package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"azure-partner-connector/connector/secret"
)

const canary = "canary-4711"

func TestText_PrintsRedacted(t *testing.T) {
	text := secret.New(canary)
	type holder struct {
		Name string
		Text secret.Text
		Any  any
	}
	h := holder{"x", text, text}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "text", text, "holder", h)
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "text", text, "holder", h)
	encoded, err := json.Marshal(map[string]any{"h": h, "t": &text})
	if err != nil {
		t.Fatalf("json.Marshal = %v", err)
	}
	for name, printed := range map[string]string{
		"%v":    fmt.Sprintf("%v %v", text, h),
		"%+v":   fmt.Sprintf("%+v %+v", text, &h),
		"%#v":   fmt.Sprintf("%#v", text),
		"%s":    fmt.Sprintf("%s", h),
		"%q":    fmt.Sprintf("%q", text),
		"error": fmt.Errorf("failing with %v", text).Error(),
		"slog":  log.String(),
		"json":  string(encoded),
	} {
		if strings.Contains(printed, canary) {
			t.Errorf("%s = %s, want no secret in it", name, printed)
		}
	}
}

func TestText_Reveal(t *testing.T) {
	if got := secret.New(canary).Reveal(); got != canary {
		t.Errorf("Reveal() = %q, want %q", got, canary)
	}
	var text secret.Text
	if !text.Empty() {
		t.Error("Text{}.Empty() = false, want true")
	}
	if err := text.UnmarshalText([]byte(canary)); err != nil || text.Reveal() != canary {
		t.Errorf("Reveal() after UnmarshalText() = %q, %v, want %q", text.Reveal(), err, canary)
	}
}
