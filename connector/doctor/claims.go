package doctor

import (
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/token"
)

// A claimsRecorder is a token.Microsoft that keeps the claims of the last access token that was read, because token.Service
// stores only its conclusions from them. It is not safe for concurrent use.
type claimsRecorder struct {
	token.Microsoft
	claims token.AccessTokenClaims
}

// wrap makes r record the claims that ms reads, and returns r, for app.Options.
func (r *claimsRecorder) wrap(ms token.Microsoft) token.Microsoft {
	r.Microsoft = ms
	return r
}

// Claims implements token.Microsoft.
func (r *claimsRecorder) Claims(accessToken secret.Text) token.AccessTokenClaims {
	r.claims = r.Microsoft.Claims(accessToken)
	return r.claims
}
