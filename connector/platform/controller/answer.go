package controller

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"unicode"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
)

// maxReason is how many characters of the platform's message are logged at most.
const maxReason = 200

// staleTransaction begins the platform's message about a finished transaction (docs/reference/aps-protocol.md §5.6).
const staleTransaction = "Transaction not found by"

type answer struct {
	status int
	body   []byte
}

func (a answer) ok() bool { return a.status >= 200 && a.status <= 299 }

// unauthorized reports whether the platform could not verify the signature.
func (a answer) unauthorized() bool { return a.status == http.StatusUnauthorized }

func (a answer) stale() bool {
	return !a.ok() && strings.HasPrefix(a.message(), staleTransaction)
}

// message returns the platform's message about a refusal, or "" without a readable one.
func (a answer) message() string {
	var body struct {
		Error   string `json:"error"`
		Message string `json:"message"`
	}
	if json.Unmarshal(a.body, &body) != nil {
		return ""
	}
	if body.Message == "" {
		return body.Error
	}
	return body.Message
}

// failure returns the failure that a reports; nil for a success. What the platform says is for the log only: whoever makes
// us call an address must not read there what it answers.
func (a answer) failure(r Request, secrets []secret.Text) error {
	if a.ok() && len(a.body) <= maxAnswer {
		return nil
	}
	status := fmt.Sprintf("HTTP status %d", a.status)
	cause := fmt.Errorf("calling platform: %s %s: %s%s", r.Method, r.Path, status, a.said(secrets))
	switch {
	case a.ok():
		return failure.Wrap(cause, failure.PlatformRefused, "reason", "its answer is too large")
	case a.status == http.StatusNotFound:
		return failure.Wrap(cause, failure.NotFound)
	case a.status >= 500, a.status == http.StatusRequestTimeout, a.status == http.StatusTooManyRequests:
		return failure.Wrap(cause, failure.PlatformUnavailable)
	}
	return failure.Wrap(cause, failure.PlatformRefused, "reason", status)
}

// said returns the platform's message for the log, shortened and on one line, or "" when it is empty or quotes our signature
// or a secret.
func (a answer) said(secrets []secret.Text) string {
	message := a.message()
	if message == "" || a.ok() || strings.Contains(message, "oauth_") {
		return ""
	}
	for _, s := range secrets {
		if !s.Empty() && strings.Contains(message, s.Reveal()) {
			return ""
		}
	}
	var shown []rune
	for _, c := range message {
		if unicode.IsControl(c) {
			c = ' '
		}
		if shown = append(shown, c); len(shown) == maxReason {
			shown = append(shown, '…')
			break
		}
	}
	return fmt.Sprintf(": %q", strings.TrimSpace(string(shown)))
}
