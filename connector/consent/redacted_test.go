package consent_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"azure-partner-connector/connector/consent"
)

func TestPrinting_ShowsNoSecret(t *testing.T) {
	const canary = "canary-4711"
	for _, value := range []any{
		consent.Callback{State: canary, Browser: canary},
		consent.Outcome{ClaimCode: canary, SignInAgain: canary},
		consent.AuthorizeRequest{State: canary, Nonce: canary},
		consent.Visit{Browser: canary},
		consent.Begun{URL: canary},
		consent.OpenLink{Begun: consent.Begun{URL: canary}},
		consent.Current{Link: &consent.OpenLink{Begun: consent.Begun{URL: canary}}},
	} {
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "value", value)
		slog.New(slog.NewTextHandler(&log, nil)).Info("m", "value", value)
		text := log.String() + fmt.Sprintf("%v %+v %#v %s %q %x %d", value, value, value, value, value, value, value) + fmt.Sprint([]any{value})
		if strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) {
			t.Errorf("%T is printed as %s", value, text)
		}
	}
}
