package microsoft

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// redeemCode checks an authorization code against everything it is bound to (docs/reference/microsoft-identity.md §2.3).
func (st *state) redeemCode(f tokenForm, app *application, d *directory) (proof, *refusal) {
	value, redirectURI := f.values.Get("code"), f.values.Get("redirect_uri")
	switch {
	case value == "":
		return proof{}, missing("code")
	case redirectURI == "":
		return proof{}, missing("redirect_uri")
	}
	c := st.codes[digestOf(value)]
	switch {
	case c == nil:
		return proof{}, refuse(70000).about("The authorization code is not known or malformed.")
	case c.app != app.ID:
		return proof{}, refuse(700007)
	case c.redeemed:
		return proof{}, refuse(54005)
	}
	c.redeemed = true // whatever the result is: a code is checked only once
	u := st.user(c.user)
	switch {
	case f.now.Sub(c.issued) > codeLifetime:
		return proof{}, refuse(70008)
	case d != nil && d.ID != c.directory:
		return proof{}, refuse(700005)
	case redirectURI != c.redirectURI:
		return proof{}, refuse(500112)
	case !c.verifies(f.values.Get("code_verifier")):
		return proof{}, refuse(501481)
	case u == nil:
		return proof{}, refuse(50034)
	case c.auth.revocations != u.revocations:
		return proof{}, refuse(50173)
	}
	return proof{
		user: u, directory: st.directories[c.directory], auth: c.auth, scopes: c.scopes, nonce: c.nonce, spa: c.spa,
	}, u.refusal()
}

// verifies compares a PKCE verifier. MSAL sends an empty one if it does not use PKCE.
func (c *code) verifies(verifier string) bool {
	switch {
	case c.challenge == "":
		return verifier == ""
	case len(verifier) < 43 || len(verifier) > 128: // RFC 7636 §4.1
		return false
	case c.challengeMethod == "S256":
		sum := sha256.Sum256([]byte(verifier))
		verifier = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return subtle.ConstantTimeCompare([]byte(verifier), []byte(c.challenge)) == 1
}

// redeemRefreshToken checks a refresh token. A redemption does not invalidate it: each value lives for ninety days
// (docs/reference/microsoft-identity.md §3.4).
func (st *state) redeemRefreshToken(f tokenForm, app *application, d *directory) (proof, *refusal) {
	value := f.values.Get("refresh_token")
	if value == "" {
		return proof{}, missing("refresh_token")
	}
	t := st.refresh[digestOf(value)]
	if t == nil {
		return proof{}, refuse(70000).about("The refresh token is not known or malformed.")
	}
	if t.app != app.ID {
		return proof{}, refuse(700007)
	}
	u := st.users[t.user]
	if refused := t.alive(u, f.now); refused != nil {
		return proof{}, refused
	}
	if d == nil {
		d = st.directories[t.directory]
	}
	if d.ID != t.directory && !st.reaches(u.DirectoryID, d.ID, f.now) {
		return proof{}, refuse(50020)
	}
	return proof{user: u, directory: d, auth: t.auth, scopes: t.scopes, spa: t.spa, device: t.device}, nil
}

// alive returns why a refresh token is no longer valid; nil if it is.
func (t *refreshToken) alive(u *user, now time.Time) *refusal {
	switch {
	case u == nil:
		return refuse(50034)
	case t.auth.revocations != u.revocations:
		return refuse(50173).about("The grant was revoked. It was issued on " + t.issued.Format(time.RFC3339Nano) +
			", and TokensValidFrom of the account is " + u.tokensValidFrom.Format(time.RFC3339Nano) + ".")
	case t.spa && now.Sub(t.auth.at) >= spaTokenLifetime:
		return refuse(700084)
	case now.Sub(t.issued) >= refreshTokenLifetime:
		return refuse(700082).about("The refresh token was issued on " + t.issued.Format(time.RFC3339Nano) +
			" and has been inactive for 90 days.")
	}
	return u.refusal()
}

// refusal returns why the account cannot be used at all; nil if it can.
func (u *user) refusal() *refusal {
	switch {
	case u.Disabled:
		return refuse(50057)
	case u.refused != 0:
		return refuse(u.refused)
	}
	return nil
}

// redemption evaluates the policy at a redemption, for one API. Only the authentication itself is remembered from the
// sign-in (docs/reference/microsoft-identity.md §6.1).
func (p Policy) redemption(by proof, host Host, now time.Time) *refusal {
	if by.user.MFA == MFARequired && !by.auth.strong() {
		return refuse(50076).with(policyClaims(by.directory))
	}
	if !p.covers(host) {
		return nil
	}
	switch {
	case p.Block, p.BlockServers, p.BlockDeviceCode && by.device:
		return refuse(53003).with(policyClaims(by.directory))
	case p.RequireMFA && !by.auth.strong() && by.user.MFA == MFANone:
		return refuse(50079).with(policyClaims(by.directory))
	case p.RequireMFA && !by.auth.strong():
		return refuse(50076).with(policyClaims(by.directory))
	case p.SignInFrequency > 0 && now.Sub(by.auth.at) >= p.SignInFrequency:
		return refuse(70043).about("The sign-in of " + by.auth.at.Format(time.RFC3339Nano) + " is older than the sign-in frequency of " +
			strconv.Itoa(int(p.SignInFrequency/time.Second)) + " seconds allows.")
	case p.RememberMFA > 0 && now.Sub(by.auth.mfaAt) >= p.RememberMFA:
		return refuse(50078).with(policyClaims(by.directory))
	}
	return nil
}

func (r *refusal) with(claims string) *refusal {
	r.claims = claims
	return r
}

// policyClaims is the claims challenge of a policy's refusal: JSON in a string, with the policy's ID
// (docs/reference/microsoft-identity.md §3.5).
func policyClaims(d *directory) string {
	policy := uuid.NewSHA1(uuid.MustParse(d.ID), []byte("policy")).String()
	b, _ := json.Marshal(map[string]any{"access_token": map[string]any{
		"capolids": map[string]any{"essential": true, "values": []string{policy}},
	}})
	return string(b)
}

const (
	loopWindow = 5 * time.Minute
	loopLimit  = 15      // identical requests within the window
	maxRecent  = 1 << 16 // distinct requests counted
)

// looping counts identical token requests; the 15th within five minutes is refused
// (docs/reference/microsoft-identity.md §3.4).
func (st *state) looping(f tokenForm) bool {
	values := make([]string, 0, len(f.values))
	for name := range f.values {
		if name != "client_assertion" {
			values = append(values, name+"="+f.values.Get(name))
		}
	}
	slices.Sort(values)
	key := digestOf(f.endpoint + "\n" + strings.Join(values, "\n"))
	recent, _ := st.recent.Get(key)
	recent = append(slices.DeleteFunc(recent, func(at time.Time) bool { return f.now.Sub(at) >= loopWindow }), f.now)
	st.recent.Add(key, recent)
	return len(recent) >= loopLimit
}

// A RefreshToken describes a refresh token to issue without the pages.
type RefreshToken struct {
	UPN, ApplicationID string
	// AMR are the methods of authentication. Default: pwd and mfa.
	AMR []string
	// IssuedAt is the time of issue. Default: now.
	IssuedAt time.Time
	// DeviceCode says that the token comes from the device code flow.
	DeviceCode bool
	// RedirectType is the type of the redirect URI of the flow. Default: Web.
	RedirectType RedirectType
	// Value is the token itself, for one that was issued by an earlier simulator. Default: random.
	Value string
}

// IssueRefreshToken issues a refresh token as after a sign-in. It does not consent; see GrantConsent.
func (s *Simulator) IssueRefreshToken(r RefreshToken) (string, error) {
	if r.IssuedAt.IsZero() {
		r.IssuedAt = s.now()
	}
	if len(r.AMR) == 0 {
		r.AMR = []string{"pwd", "mfa"}
	}
	var value string
	err := s.onUser(r.UPN, func(u *user) {
		auth := authentication{amr: r.AMR, at: r.IssuedAt, revocations: u.revocations}
		if auth.mfa() {
			auth.mfaAt = r.IssuedAt
		}
		value = s.state.addRefreshToken(cmp.Or(r.Value, newRefreshToken()), refreshToken{
			app: strings.ToLower(r.ApplicationID), user: strings.ToLower(u.UPN), directory: u.DirectoryID,
			auth: auth, spa: r.RedirectType == SPA, device: r.DeviceCode, issued: r.IssuedAt,
		})
	})
	return value, err
}

// IssuedAt returns when a refresh token was issued; known is false for one that was not.
func (s *Simulator) IssuedAt(refreshToken string) (at time.Time, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.state.refresh[digestOf(refreshToken)]
	if t == nil {
		return time.Time{}, false
	}
	return t.issued, true
}

// WouldAccept reports whether a redemption of this refresh token for Partner Center would succeed now. It does not
// redeem the token and is not logged.
func (s *Simulator) WouldAccept(refreshToken string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.state.refresh[digestOf(refreshToken)]
	if t == nil {
		return false
	}
	app, u, d := s.state.app(t.app), s.state.users[t.user], s.state.directories[t.directory]
	if app == nil || app.Disabled || d == nil || t.alive(u, s.now()) != nil {
		return false
	}
	if len(s.state.consented(d.ID, app.ID, u.UPN, PartnerCenter)) == 0 {
		return false
	}
	return d.policy.redemption(proof{user: u, directory: d, auth: t.auth, device: t.device}, PartnerCenter, s.now()) == nil
}
