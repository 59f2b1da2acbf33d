package consent

import (
	"fmt"
	"log/slog"

	"azure-partner-connector/connector/secret"
)

// Format implements fmt.Formatter: the state and the browser's cookie are printed by no verb.
func (Callback) Format(f fmt.State, _ rune) { secret.Redact(f) }

// LogValue implements slog.LogValuer.
func (Callback) LogValue() slog.Value { return secret.Redacted() }

// Format implements fmt.Formatter: the browser's cookie is printed by no verb.
func (Visit) Format(f fmt.State, _ rune) { secret.Redact(f) }

// LogValue implements slog.LogValuer.
func (Visit) LogValue() slog.Value { return secret.Redacted() }

// Format implements fmt.Formatter: the claim code and the address with a state are printed by no verb.
func (Outcome) Format(f fmt.State, _ rune) { secret.Redact(f) }

// LogValue implements slog.LogValuer.
func (Outcome) LogValue() slog.Value { return secret.Redacted() }

// Format implements fmt.Formatter: the state and the nonce are printed by no verb.
func (AuthorizeRequest) Format(f fmt.State, _ rune) { secret.Redact(f) }

// LogValue implements slog.LogValuer.
func (AuthorizeRequest) LogValue() slog.Value { return secret.Redacted() }

// Format implements fmt.Formatter: the address with the link is printed by no verb.
func (Begun) Format(f fmt.State, _ rune) { secret.Redact(f) }

// LogValue implements slog.LogValuer.
func (Begun) LogValue() slog.Value { return secret.Redacted() }

// Format implements fmt.Formatter: the address with the link is printed by no verb.
func (Current) Format(f fmt.State, _ rune) { secret.Redact(f) }

// LogValue implements slog.LogValuer.
func (Current) LogValue() slog.Value { return secret.Redacted() }
