package hooks_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/platform/oauth1"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/hooks"
)

// Two instances; in the first, a provider P above a reseller R1 above the resellers R2 and R3, and a customer of R2.
// R2 owns the tenant.
const (
	keyA, keyB       = "key-a", "key-b"
	secretA, secretB = "s3cr3t-of-instance-a", "s3cr3t-of-instance-b"

	instanceA = "a0000000-0000-4000-8000-00000000000a"
	instanceB = "b0000000-0000-4000-8000-00000000000b"
	rootA     = "a1000000-0000-4000-8000-00000000000a"
	rootB     = "b1000000-0000-4000-8000-00000000000b"
	tenantA   = "a2000000-0000-4000-8000-00000000000a"
	tenantB   = "b2000000-0000-4000-8000-00000000000b"
	unknownID = "ffffffff-0000-4000-8000-00000000000f"

	accountP  = "c0000000-0000-4000-8000-000000000000"
	accountR1 = "c1000000-0000-4000-8000-000000000001"
	accountR2 = "c2000000-0000-4000-8000-000000000002"
	accountR3 = "c3000000-0000-4000-8000-000000000003"
	accountC  = "c4000000-0000-4000-8000-000000000004"

	userP  = "d0000000-0000-4000-8000-000000000000"
	userR1 = "d1000000-0000-4000-8000-000000000001"
	userR2 = "d2000000-0000-4000-8000-000000000002"
	userR3 = "d3000000-0000-4000-8000-000000000003"
	userC  = "d4000000-0000-4000-8000-000000000004"

	borrower      = "e0000000-0000-4000-8000-000000000000"
	otherBorrower = "e1000000-0000-4000-8000-000000000001"

	appType    = "http://aps.example.com/azure-partner-connector/app/2.0"
	tenantType = "http://aps.example.com/azure-partner-connector/tenant/2.0"

	controllerURI = "https://apsc.example.net:6308/"
)

// A harness is a handler behind a real server, with fakes of everything that it calls.
type harness struct {
	t        *testing.T
	url      string // of the handler, as the platform signs it
	handler  *hooks.Handler
	mu       sync.Mutex
	now      time.Time // guarded by mu
	tenants  *fakeTenants
	tokens   *fakeTokens
	consents *fakeConsents
	accounts *fakeAccounts
	nonces   *fakeNonces
	log      *syncBuffer
}

// newHarness starts a handler below /aps. edit may change its configuration.
func newHarness(t *testing.T, edit ...func(*hooks.Config)) *harness {
	t.Helper()
	h := &harness{t: t, now: time.Date(2026, 11, 23, 8, 20, 0, 0, time.UTC), log: &syncBuffer{}}
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { handler.ServeHTTP(rw, r) }))
	t.Cleanup(server.Close)
	h.url = server.URL + "/aps"
	h.tenants, h.tokens, h.consents = newFakeTenants(), newFakeTokens(), &fakeConsents{}
	h.tokens.tenants = h.tenants
	h.accounts, h.nonces = newFakeAccounts(), &fakeNonces{seen: map[string]bool{}}
	cfg := hooks.Config{
		PublicURL: h.url,
		Credentials: func(key string) ([]secret.Text, bool) {
			s, ok := map[string]secret.Text{keyA: secret.New(secretA), keyB: secret.New(secretB)}[key]
			return []secret.Text{s}, ok
		},
		Tenants: h.tenants, Tokens: h.tokens, Consents: h.consents, Accounts: h.accounts, Nonces: h.nonces, Reminders: h.tenants, Clients: h.tenants,
		Now: h.clock, Log: slog.New(slog.NewJSONHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, e := range edit {
		e(&cfg)
	}
	made, err := hooks.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	handler, h.handler = made, made
	return h
}

// installed returns a harness in which both instances and their tenants exist.
func installed(t *testing.T, edit ...func(*hooks.Config)) *harness {
	h := newHarness(t, edit...)
	h.tenants.instances[keyA] = tenant.Instance{
		Key: keyA, ID: instanceA, RootID: rootA, ControllerURI: controllerURI, PackageVersion: "2-1",
		Settings: tenant.Settings{
			Cloud: "global", MFARequest: "amr", Borrowers: []tenant.Borrower{tenant.NewBorrower(borrower)},
			Application: tenant.Application{ID: unknownID, Secret: tenant.Credential{Value: secret.New("c4n4ry-stored")}},
		},
	}
	h.tenants.instances[keyB] = tenant.Instance{Key: keyB, ID: instanceB, RootID: rootB, ControllerURI: controllerURI, PackageVersion: "2-1"}
	h.tenants.tenants[tenantA] = tenant.Tenant{ID: tenantA, InstanceKey: keyA, AccountID: accountR2, Name: "Fabrikam", Marketplace: "Cloud Market", Directory: "fabrikam.onmicrosoft.com"}
	h.tenants.tenants[tenantB] = tenant.Tenant{ID: tenantB, InstanceKey: keyB, AccountID: accountR2, Directory: "contoso.onmicrosoft.com"}
	return h
}

func (h *harness) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *harness) advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

// changes returns every change that the handler made through the domain.
func (h *harness) changes() string {
	return strings.Join(append(append(h.tenants.changes(), h.tokens.changes()...), h.consents.changes()...), "\n")
}

// A request is a hook to send. A field that is zero is left out.
type request struct {
	method, path, body string
	chunked            bool // without the length of the body
	identity           string
	application        string
	header             map[string]string
	values             map[string][]string // replaces the values of headers
	key, secret        string              // default: of instance A
	at                 time.Time           // of the signature; default: now
	nonce              string              // default: fresh
	sign               func(*http.Request) // replaces signing
}

type answer struct {
	status int
	header http.Header
	text   string
}

func (h *harness) send(r request) answer {
	h.t.Helper()
	var body io.Reader = strings.NewReader(r.body)
	if r.chunked {
		body = io.MultiReader(body)
	}
	req, err := http.NewRequestWithContext(h.t.Context(), r.method, h.url+r.path, body)
	if err != nil {
		h.t.Fatal(err)
	}
	if r.key == "" {
		r.key, r.secret = keyA, secretA
	}
	instance := instanceA
	if r.key == keyB {
		instance = instanceB
	}
	for name, value := range map[string]string{
		"APS-Instance-ID": instance, "APS-Controller-URI": controllerURI, "APS-Transaction-ID": "41873-2207", "APS-Version": "21.0.0",
		"APS-Request-Phase": "sync", "APS-Identity-ID": r.identity, "APS-Application-ID": r.application, "Content-Type": "application/json",
	} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	for name, value := range r.header {
		if req.Header.Del(name); value != "" {
			req.Header.Set(name, value)
		}
	}
	for name, values := range r.values {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	if r.at.IsZero() {
		r.at = h.clock()
	}
	if r.nonce == "" {
		r.nonce = oauth1.NewNonce()
	}
	if r.sign == nil {
		r.sign = func(req *http.Request) {
			if err := oauth1.Sign(req, oauth1.Credentials{Key: r.key, Secret: secret.New(r.secret)}, r.at, r.nonce); err != nil {
				h.t.Fatal(err)
			}
		}
	}
	r.sign(req)
	resp, err := http.DefaultTransport.RoundTrip(req) // no redirect is followed
	if err != nil {
		h.t.Fatalf("%s %s: %v", r.method, r.path, err)
	}
	return read(h.t, resp)
}

func read(t *testing.T, resp *http.Response) answer {
	t.Helper()
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal([]byte(a.text), &out); err != nil {
		t.Fatalf("answer %d %q is not a JSON object: %v", a.status, a.text, err)
	}
	return out
}

// refused checks that r is refused with code, in the common form of errors, and changes nothing.
func (h *harness) refused(r request, code failure.Code) answer {
	h.t.Helper()
	before := h.changes()
	what := fmt.Sprintf("%s %s", r.method, r.path)
	a := h.refusal(h.send(r), what, code)
	if after := h.changes(); after != before {
		h.t.Errorf("%s was refused but changed:\n%s", what, strings.TrimPrefix(after, before))
	}
	return a
}

// refusal checks that a refuses what was sent with code, in the common form of errors.
func (h *harness) refusal(a answer, what string, code failure.Code) answer {
	h.t.Helper()
	f := failure.New(code)
	if a.status != f.Status() {
		h.t.Fatalf("%s = %d %s, want %d %s", what, a.status, a.text, f.Status(), code)
	}
	var shape struct {
		Code    int
		Error   string
		Message string
		Details struct {
			Code, Kind, Text, Message, Advice, AdviceText, Reference string
			Params                                                   map[string]string
			Microsoft                                                *failure.Evidence
		}
	}
	decoder := json.NewDecoder(strings.NewReader(a.text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&shape); err != nil {
		h.t.Fatalf("%s = %s, which doesn't have the form of an error: %v", what, a.text, err)
	}
	d := shape.Details
	sentence, advice := code.Template()
	if shape.Code != a.status || d.Code != string(code) || d.Kind != string(f.Kind()) || d.Text != sentence || d.AdviceText != advice {
		h.t.Errorf("%s = %s, want %s", what, a.text, code)
	}
	if shape.Error != "AzurePartner::"+strings.ReplaceAll(title(string(code)), " ", "") {
		h.t.Errorf("%s = error %s, want the name of %s", what, shape.Error, code)
	}
	if shape.Message == "" || shape.Message != d.Message || strings.Contains(shape.Message, "__") || d.Params == nil {
		h.t.Errorf("%s = %s, want a filled sentence", what, a.text)
	}
	if d.Reference == "" || d.Reference != a.header.Get("X-Reference") || !strings.Contains(h.log.String(), d.Reference) {
		h.t.Errorf("%s = reference %q, want the one of the header and of the log", what, d.Reference)
	}
	return a
}

// accepted checks that r is answered with status.
func (h *harness) accepted(r request, status int) answer {
	h.t.Helper()
	a := h.send(r)
	if a.status != status {
		h.t.Fatalf("%s %s = %d %s, want %d", r.method, r.path, a.status, a.text, status)
	}
	return a
}

func title(code string) string {
	words := strings.Split(code, "_")
	for i, word := range words {
		words[i] = strings.ToUpper(word[:1]) + word[1:]
	}
	return strings.Join(words, " ")
}

// syncBuffer is a log that may be read while requests write it.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// fakeNonces keeps nonces forever.
type fakeNonces struct {
	mu   sync.Mutex
	seen map[string]bool // guarded by mu
	err  error
}

func (f *fakeNonces) RememberNonce(_ context.Context, key, nonce string, _, _ time.Time) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return false, f.err
	}
	fresh := !f.seen[key+" "+nonce]
	f.seen[key+" "+nonce] = true
	return fresh, nil
}

func (f *fakeNonces) ForgetNonce(_ context.Context, key, nonce string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.seen, key+" "+nonce)
	return f.err
}

// fakeAccounts is the platform's directory of users and accounts.
type fakeAccounts struct {
	mu       sync.Mutex
	accounts map[string]tenant.Account
	users    map[string]string // user → account
	err      error             // instead of an answer
	calls    int               // guarded by mu
	asked    []string          // the controller of each call; guarded by mu
	// forgotten is a root that the platform no longer has, and for which it refuses calls.
	forgotten string
}

func newFakeAccounts() *fakeAccounts {
	return &fakeAccounts{
		accounts: map[string]tenant.Account{
			accountP:  {ID: accountP, Type: tenant.ProviderAccount, Name: "Cloud Market"},
			accountR1: {ID: accountR1, Type: tenant.ResellerAccount, ParentID: accountP, Name: "Distributor"},
			accountR2: {ID: accountR2, Type: tenant.ResellerAccount, ParentID: accountR1, Name: "Fabrikam"},
			accountR3: {ID: accountR3, Type: tenant.ResellerAccount, ParentID: accountR1, Name: "Contoso"},
			accountC:  {ID: accountC, Type: tenant.CustomerAccount, ParentID: accountR2, Name: "Customer"},
		},
		users: map[string]string{userP: accountP, userR1: accountR1, userR2: accountR2, userR3: accountR3, userC: accountC},
	}
}

func (f *fakeAccounts) UserAccount(ctx context.Context, in tenant.Instance, identity string) (tenant.Account, error) {
	if account, ok := f.users[identity]; ok {
		identity = account
	}
	return f.Account(ctx, in, identity)
}

func (f *fakeAccounts) Account(_ context.Context, in tenant.Instance, id string) (tenant.Account, error) {
	f.mu.Lock()
	f.calls++
	f.asked = append(f.asked, in.ControllerURI)
	f.mu.Unlock()
	if f.err != nil {
		return tenant.Account{}, f.err
	}
	if f.forgotten != "" && in.RootID == f.forgotten {
		return tenant.Account{}, failure.New(failure.PlatformRefused, "reason", "HTTP status 403")
	}
	account, ok := f.accounts[id]
	if !ok {
		return tenant.Account{}, failure.New(failure.NotFound)
	}
	return account, nil
}

func trust(prefix string) func(*hooks.Config) {
	return func(cfg *hooks.Config) { cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix(prefix)} }
}
