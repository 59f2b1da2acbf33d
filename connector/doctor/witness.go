package doctor

import (
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/token"
)

// A witness stands between custody and Microsoft and keeps what the last access token of Partner Center claimed:
// custody itself keeps only what it concluded. It is for one goroutine.
type witness struct {
	token.Microsoft
	claims token.AccessTokenClaims
}

// watch is for app.Options.
func (w *witness) watch(ms token.Microsoft) token.Microsoft {
	w.Microsoft = ms
	return w
}

// Claims implements token.Microsoft.
func (w *witness) Claims(accessToken secret.Text) token.AccessTokenClaims {
	w.claims = w.Microsoft.Claims(accessToken)
	return w.claims
}
