package token

import "time"

// Properties returns the read-only properties of the tenant resource that show s at the platform. The hooks answer with
// them, and notify pushes them.
func (s Status) Properties() map[string]any {
	reason, expires := "", ""
	if s.Failure != nil {
		reason = string(s.Failure.Code)
	}
	if !s.ExpiresAt.IsZero() {
		expires = s.ExpiresAt.UTC().Format(time.RFC3339)
	}
	return map[string]any{"tokenStatus": string(s.State), "tokenExpiresAt": expires, "tokenReason": reason}
}
