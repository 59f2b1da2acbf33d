package microsoft

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
)

// A caller is the application and the user of an access token.
type caller struct {
	claims    map[string]any
	user      *user
	directory *directory
	app       string
	scopes    []string
}

func (c *caller) mfa() bool {
	switch amr := c.claims["amr"].(type) {
	case []any:
		return slices.Contains(amr, any("mfa")) || slices.Contains(amr, any(passkey))
	case []string:
		return authentication{amr: amr}.mfa()
	}
	return false
}

func (c *caller) may(scope ...string) bool {
	return slices.ContainsFunc(scope, func(s string) bool { return slices.Contains(c.scopes, s) })
}

// A tokenFault says why an API refuses an access token.
type tokenFault string

const (
	tokenGood     tokenFault = ""
	tokenMissing  tokenFault = "missing"
	tokenInvalid  tokenFault = "invalid"
	tokenExpired  tokenFault = "expired"
	tokenAudience tokenFault = "audience"
)

// authorizeCall checks the bearer token of a request to an API. Access tokens live until they expire, whatever happens
// to the refresh token (docs/reference/microsoft-identity.md §6.1). s.mu must be held.
func (s *Simulator) authorizeCall(r *http.Request, host Host) (*caller, tokenFault) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || token == "" {
		return nil, tokenMissing
	}
	claims := s.state.opaque[digestOf(token)]
	if claims == nil {
		var err error
		if claims, err = s.state.keys.verify(token); err != nil {
			return nil, tokenInvalid
		}
	}
	text := func(name string) string {
		value, _ := claims[name].(string)
		return value
	}
	if s.now().Unix() >= number(claims["exp"]) {
		return nil, tokenExpired
	}
	resource := s.cfg.Cloud.resource(host)
	if !slices.Contains(resource.Audiences, text("aud")) && text("aud") != resource.AppID {
		return nil, tokenAudience
	}
	u, d := s.state.user(text("upn")), s.state.directory(text("tid"))
	if u == nil || d == nil || text("iss") != s.cfg.Cloud.Issuer+"/"+d.ID+"/" {
		return nil, tokenInvalid
	}
	return &caller{claims: claims, user: u, directory: d, app: text("appid"), scopes: strings.Fields(text("scp"))}, tokenGood
}

// number reads a claim, which is an int64 or comes from JSON.
func number(v any) int64 {
	switch n := v.(type) {
	case int64:
		return n
	case float64:
		return int64(n)
	}
	return 0
}

// encodeClaims encodes a claims challenge for WWW-Authenticate.
func encodeClaims(claims string) string { return base64.StdEncoding.EncodeToString([]byte(claims)) }
