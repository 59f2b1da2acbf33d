package microsoft_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"azure-partner-connector/sandbox/microsoft"
)

// Names in the seed of newWorld.
const (
	contoso  = "11111111-1111-4111-8111-111111111111"
	fabrikam = "22222222-2222-4222-8222-222222222222"
	customer = "33333333-3333-4333-8333-333333333333"
	appID    = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
	appValue = "value~of.the-secret_1"
	admin    = "admin@contoso.example"
	clerk    = "clerk@contoso.example"
	password = "correct horse"
	callback = "https://gateway.example.net/callback"

	partnerCenterScope = "https://api.partnercenter.microsoft.com/user_impersonation"
	armScope           = "https://management.azure.com/user_impersonation"
	graphScope         = "https://graph.microsoft.com/User.Read"
	oidcScopes         = "openid profile offline_access"
	allScopes          = oidcScopes + " " + partnerCenterScope + " " + graphScope + " https://graph.microsoft.com/Directory.Read.All " + armScope
)

var epoch = time.Date(2026, 11, 23, 10, 15, 2, 0, time.UTC)

// A world is a simulator with a seed, and a clock that tests advance.
type world struct {
	*microsoft.Simulator
	t   testing.TB
	mu  sync.Mutex // guards now
	now time.Time
}

func newWorld(t testing.TB, change ...func(*microsoft.Config)) *world {
	t.Helper()
	w := &world{t: t, now: epoch}
	cfg := microsoft.Config{Now: w.Now, Advance: w.Advance}
	for _, c := range change {
		c(&cfg)
	}
	sim, err := microsoft.Start(cfg)
	if err != nil {
		t.Fatalf("Start() = %v", err)
	}
	w.Simulator = sim
	t.Cleanup(func() {
		if err := sim.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	w.must(sim.AddDirectory(microsoft.Directory{ID: contoso, Domain: "contoso.example", Name: "Contoso"}))
	w.must(sim.AddDirectory(microsoft.Directory{ID: fabrikam, Domain: "fabrikam.example", Name: "Fabrikam"}))
	w.must(sim.AddDirectory(microsoft.Directory{ID: customer, Domain: "customer.example", Name: "A customer", CustomerOf: contoso}))
	w.must(sim.SetRelationship(microsoft.Relationship{Partner: contoso, Customer: customer}))
	w.must(sim.AddUser(microsoft.User{
		UPN: admin, Password: password, Name: "Ada Admin", DirectoryID: contoso, MFA: microsoft.MFARequired, GlobalAdmin: true, AdminAgent: true,
	}))
	w.must(sim.AddUser(microsoft.User{UPN: clerk, Password: password, Name: "Carl Clerk", DirectoryID: contoso}))
	w.must(sim.AddUser(microsoft.User{UPN: "fay@fabrikam.example", Password: password, DirectoryID: fabrikam, GlobalAdmin: true}))
	w.must(sim.AddApplication(w.application()))
	return w
}

func (w *world) application() microsoft.Application {
	return microsoft.Application{
		ID: appID, Name: "Azure CSP application", DirectoryID: contoso, Secrets: []microsoft.Secret{{Value: appValue}},
		RedirectURIs: []microsoft.RedirectURI{{URI: callback}},
	}
}

func (w *world) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) Advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// days returns n days.
func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }

// A browser is a client with cookies.
func (w *world) browser() *http.Client {
	jar, err := cookiejar.New(nil)
	w.must(err)
	client := w.Client()
	client.Jar = jar
	w.t.Cleanup(client.CloseIdleConnections)
	return client
}

// willing returns a visitor who approves everything.
func willing(upn string) microsoft.Visitor {
	return microsoft.Visitor{UPN: upn, Password: password, ApproveMFA: true, Accept: true}
}

// authorizeURL builds an authorize request; edits are name=value; a name alone removes the parameter.
func (w *world) authorizeURL(edits ...string) string {
	query := url.Values{
		"client_id": {appID}, "response_type": {"code"}, "redirect_uri": {callback}, "scope": {allScopes}, "state": {"state-1"},
		"nonce": {"nonce-1"},
	}
	tenant := contoso
	for _, edit := range edits {
		name, value, found := strings.Cut(edit, "=")
		switch {
		case name == "tenant":
			tenant = value
		case found:
			query.Set(name, value)
		default:
			query.Del(name)
		}
	}
	return w.LoginURL() + "/" + tenant + "/oauth2/v2.0/authorize?" + query.Encode()
}

// signIn goes through the pages and returns the address of the redirect.
func (w *world) signIn(v microsoft.Visitor, edits ...string) (*url.URL, error) {
	return microsoft.SignIn(w.t.Context(), w.browser(), w.authorizeURL(edits...), v)
}

// arrive is signIn for a sign-in that must reach the redirect URI. It returns the parameters.
func (w *world) arrive(v microsoft.Visitor, edits ...string) url.Values {
	w.t.Helper()
	back, err := w.signIn(v, edits...)
	if err != nil {
		w.t.Fatalf("SignIn(%q) = %v", v.UPN, err)
	}
	return back.Query()
}

func (w *world) code(v microsoft.Visitor, edits ...string) string {
	w.t.Helper()
	values := w.arrive(v, edits...)
	if values.Get("code") == "" {
		w.t.Fatalf("SignIn(%q) = %v, want a code", v.UPN, values)
	}
	return values.Get("code")
}

// An answer is an answer of the token endpoint or of an API.
type answer struct {
	status int
	header http.Header
	raw    string
	body   map[string]any
}

func (a answer) text(name string) string {
	s, _ := a.body[name].(string)
	return s
}

// refusedWith returns the AADSTS code of an answer; 0: none.
func (a answer) refusedWith() int {
	codes, _ := a.body["error_codes"].([]any)
	if len(codes) != 1 {
		return 0
	}
	code, _ := codes[0].(float64)
	return int(code)
}

func (w *world) do(r *http.Request) answer {
	w.t.Helper()
	got, err := w.try(r)
	if err != nil {
		w.t.Fatalf("%s %s = %v", r.Method, r.URL.Path, err)
	}
	return got
}

func (w *world) try(r *http.Request) (answer, error) {
	client := w.Client()
	defer client.CloseIdleConnections()
	response, err := client.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	got := answer{status: response.StatusCode, header: response.Header, raw: string(raw)}
	if err := json.Unmarshal(raw, &got.body); err != nil {
		got.body = nil
	}
	return got, nil
}

func (w *world) get(address string, headers ...string) answer {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, address, nil)
	w.must(err)
	for pair := range slices.Chunk(headers, 2) {
		r.Header.Set(pair[0], pair[1])
	}
	return w.do(r)
}

// tokenRequest builds a token request; edits are as in authorizeURL.
func (w *world) tokenRequest(form url.Values, edits ...string) *http.Request {
	w.t.Helper()
	form = maps.Clone(form)
	path := "/" + contoso + "/oauth2/v2.0/token"
	for _, edit := range edits {
		name, value, found := strings.Cut(edit, "=")
		switch {
		case name == "tenant":
			path = "/" + value + "/oauth2/v2.0/token"
		case name == "v1":
			path = "/" + contoso + "/oauth2/token"
		case found:
			form.Set(name, value)
		default:
			form.Del(name)
		}
	}
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.LoginURL()+path, strings.NewReader(form.Encode()))
	w.must(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func codeForm(code string) url.Values {
	return url.Values{
		"client_id": {appID}, "client_secret": {appValue}, "grant_type": {"authorization_code"}, "code": {code},
		"redirect_uri": {callback}, "scope": {oidcScopes + " " + partnerCenterScope},
	}
}

func refreshForm(token string) url.Values {
	return url.Values{
		"client_id": {appID}, "client_secret": {appValue}, "grant_type": {"refresh_token"}, "refresh_token": {token},
		"scope": {"openid offline_access " + partnerCenterScope},
	}
}

func (w *world) redeem(code string, edits ...string) answer {
	w.t.Helper()
	return w.do(w.tokenRequest(codeForm(code), edits...))
}

func (w *world) renew(token string, edits ...string) answer {
	w.t.Helper()
	return w.do(w.tokenRequest(refreshForm(token), edits...))
}

// grant signs admin in and returns the answer with all tokens.
func (w *world) grant(edits ...string) answer {
	w.t.Helper()
	got := w.redeem(w.code(willing(admin), edits...))
	if got.status != http.StatusOK {
		w.t.Fatalf("redeeming a code = %d %s", got.status, got.raw)
	}
	return got
}

// access redeems a refresh token and returns the access token.
func (w *world) access(refreshToken, scope string) string {
	w.t.Helper()
	got := w.renew(refreshToken, "scope="+scope)
	if got.status != http.StatusOK {
		w.t.Fatalf("renewing for %s = %d %s", scope, got.status, got.raw)
	}
	return got.text("access_token")
}

// claims decodes a JWT's payload.
func (w *world) claims(token string) map[string]any {
	w.t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		w.t.Fatalf("the token has %d parts, want 3", len(parts))
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	w.must(err)
	claims := make(map[string]any)
	w.must(json.Unmarshal(payload, &claims))
	return claims
}

// checkRefused asserts an answer of the token endpoint: status, error and AADSTS code.
func (w *world) checkRefused(what string, got answer, status int, wantError string, code int) {
	w.t.Helper()
	if got.status != status || got.text("error") != wantError || got.refusedWith() != code {
		w.t.Errorf("%s = %d %s AADSTS%d, want %d %s AADSTS%d; %s", what, got.status, got.text("error"), got.refusedWith(), status, wantError, code, got.raw)
	}
}

// checkPage asserts that a sign-in ended on a page that shows an AADSTS code.
func (w *world) checkPage(what string, err error, code int) {
	w.t.Helper()
	var stays *microsoft.PageError
	if !errors.As(err, &stays) || !strings.Contains(stays.Alert, "AADSTS"+strconv.Itoa(code)+":") {
		w.t.Errorf("%s = %v, want a page with AADSTS%d", what, err, code)
	}
}

func (w *world) checkOK(what string, got answer) {
	w.t.Helper()
	if got.status != http.StatusOK {
		w.t.Errorf("%s = %d %s, want 200", what, got.status, got.raw)
	}
}

// pkce returns a verifier and its S256 challenge.
func pkce() (verifier, challenge string) {
	b := make([]byte, 32)
	rand.Read(b)
	verifier = base64.RawURLEncoding.EncodeToString(b)
	sum := sha256.Sum256([]byte(verifier))
	return verifier, base64.RawURLEncoding.EncodeToString(sum[:])
}

// openPage fetches a page without following redirects.
func (w *world) openPage(client *http.Client, address string) (int, http.Header, string) {
	w.t.Helper()
	copied := *client
	copied.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r, err := http.NewRequestWithContext(context.WithoutCancel(w.t.Context()), http.MethodGet, address, nil)
	w.must(err)
	response, err := copied.Do(r)
	w.must(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	w.must(err)
	return response.StatusCode, response.Header, string(body)
}
