package doctor

import (
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/token"
)

// A claimsRecorder is a client of Microsoft that keeps the claims of the last access token that was read: custody stores only
// what it concludes from them. It is for one goroutine.
type claimsRecorder struct {
	token.Microsoft
	claims token.AccessTokenClaims
}

// wrap is for app.Options.
func (r *claimsRecorder) wrap(ms token.Microsoft) token.Microsoft {
	r.Microsoft = ms
	return r
}

// Claims implements token.Microsoft.
func (r *claimsRecorder) Claims(accessToken secret.Text) token.AccessTokenClaims {
	r.claims = r.Microsoft.Claims(accessToken)
	return r.claims
}
