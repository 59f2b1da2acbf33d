package consent_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

const (
	directoryID   = "11111111-aaaa-4aaa-8aaa-111111111111"
	applicationID = "33333333-cccc-4ccc-8ccc-333333333333"
	instanceKey   = "key-1"
	tenantID      = "tenant-1"
	otherTenantID = "tenant-2"
	browser       = "cookie-of-this-browser"
	panelOrigin   = "https://panel.example"
	publicURL     = "https://onboarding.example"
)

var (
	reseller = audit.Actor{Kind: audit.User, ID: "user-1", Name: "Rita Reseller"}
	person   = token.Person{ObjectID: "oid-1", Username: "admin@partner.example", Name: "Ada Admin"}
)

// A fakeMicrosoft puts its parameters into the address of the sign-in page, as Microsoft does, and knows one domain.
type fakeMicrosoft struct{}

func (fakeMicrosoft) AuthorizeURL(c tenant.Client, r consent.AuthorizeRequest) (string, error) {
	q := url.Values{"claims": {c.MFARequest}, "state": {r.State}, "nonce": {r.Nonce}, "prompt": {r.Prompt}, "redirect_uri": {r.RedirectURI}}
	return "https://login.example/authorize?" + q.Encode(), nil
}

func (fakeMicrosoft) Permissions(tenant.Client) ([]consent.Permission, error) {
	return []consent.Permission{{Scope: "openid"}, {API: token.Graph, Scope: "https://graph.microsoft.com/User.Read"}}, nil
}

func (fakeMicrosoft) ResolveDirectory(_ context.Context, _, directory string) (string, error) {
	if directory == "partner.example" {
		return directoryID, nil
	}
	return "", failure.New(failure.DirectoryUnknown, "directory", directory)
}

func (fakeMicrosoft) CallbackError(e consent.CallbackError) *failure.Error {
	if e.Error == "invalid_request" {
		return failure.New(failure.MicrosoftRequest)
	}
	return failure.New(failure.ConsentDeclined)
}

// A fakeTokens is a token.Service with another Exchange, which fails with the error of a function that a test sets.
type fakeTokens struct {
	*token.Service
	now      func() time.Time
	exchange func(token.CodeExchange) error        // nil: succeeds
	person   token.Person                          // who consents
	personOf func(token.CodeExchange) token.Person // the same, if it is set

	mu        sync.Mutex // guards exchanges
	exchanges []token.CodeExchange
}

func (f *fakeTokens) Exchange(_ context.Context, x token.CodeExchange) (token.Grant, error) {
	f.mu.Lock()
	f.exchanges = append(f.exchanges, x)
	f.mu.Unlock()
	if f.exchange != nil {
		if err := f.exchange(x); err != nil {
			return token.Grant{}, err
		}
	}
	by := f.person
	if f.personOf != nil {
		by = f.personOf(x)
	}
	return token.Grant{
		TenantID: x.TenantID, RefreshToken: secret.New("refresh-of-" + x.Code.Code.Reveal()), IssuedAt: f.now(),
		DirectoryID: directoryID, ApplicationID: applicationID, Procedure: x.Procedure, ConsentID: x.ConsentID,
		ConsentedAt: f.now(), ConsentedBy: by, AskedBy: x.AskedBy,
	}, nil
}

// noMicrosoft panics when it is called: no test redeems or renews a token.
type noMicrosoft struct{ token.Microsoft }

// A hasher counts the hashes of each purpose. A claim code is hashed to be compared.
type hasher struct {
	mu     sync.Mutex // guards hashes
	hashes map[string]int
}

func (h *hasher) Hash(purpose, value string) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hashes[purpose]++
	sum := sha256.Sum256([]byte(purpose + ":" + value))
	return base64.RawURLEncoding.EncodeToString(sum[:]), nil
}

func (h *hasher) count(purpose string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.hashes[purpose]
}

// A harness runs the procedures on a real store, with a clock that the test moves.
type harness struct {
	*testing.T
	consents *consent.Service
	refusals []string // of claim codes
	tokens   *fakeTokens
	hasher   *hasher
	db       *storetest.Database
	store    *store.Store

	mu    sync.Mutex // guards clock
	clock time.Time
}

func (h *harness) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.clock
}

func (h *harness) advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock = h.clock.Add(d)
}

// TestMain starts a database server, because SQLite lets only one caller write at a time.
func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

func newHarness(t *testing.T) *harness {
	t.Helper()
	return newHarnessOn(t, storetest.Any(t))
}

func newHarnessOn(t *testing.T, db *storetest.Database) *harness {
	t.Helper()
	h := &harness{T: t, db: db, hasher: &hasher{hashes: map[string]int{}}, store: db.Open(t), clock: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)}
	tokens, err := token.New(token.Config{Store: h.store, Microsoft: noMicrosoft{}, Now: h.now})
	h.must(err)
	h.tokens = &fakeTokens{Service: tokens, now: h.now, person: person}
	h.consents, err = consent.New(consent.Config{
		Store: h.store, Tokens: h.tokens, Microsoft: fakeMicrosoft{}, Hasher: h.hasher, PublicURL: publicURL, Now: h.now,
		PanelOrigins: map[string][]string{instanceKey: {panelOrigin}},
	})
	h.must(err)
	h.settings(func(*tenant.Settings) {})
	for id, directory := range map[string]string{tenantID: directoryID, otherTenantID: "22222222-bbbb-4bbb-8bbb-222222222222"} {
		h.must(h.store.SaveTenant(t.Context(), &tenant.Tenant{
			ID: id, InstanceKey: instanceKey, Name: "Alpine Cloud", Marketplace: "Marketplace One",
			Directory: directory, DirectoryID: directory, CreatedAt: h.clock, UpdatedAt: h.clock,
		}))
	}
	return h
}

// settings changes the instance's settings.
func (h *harness) settings(change func(*tenant.Settings)) {
	h.Helper()
	in, err := h.store.Instance(h.Context(), instanceKey)
	if err != nil {
		in = tenant.Instance{Key: instanceKey, ID: "aps-1", RootID: "root-1", CreatedAt: h.now(), Settings: tenant.Settings{
			Cloud: "global", Application: tenant.Application{ID: applicationID, Secret: tenant.Credential{Value: secret.New("app-secret")}},
		}}
	}
	change(&in.Settings)
	in.UpdatedAt = h.now()
	h.must(h.store.SaveInstance(h.Context(), &in))
}

func (h *harness) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// begin begins an automatic consent in a panel of this browser.
func (h *harness) begin() consent.Begun {
	h.Helper()
	begun, err := h.consents.Begin(h.Context(), tenantID, consent.Request{Browser: h.panelBrowser(browser)}, reseller)
	h.must(err)
	return begun
}

// panelBrowser returns what the start page tells a panel about the browser with a cookie.
func (h *harness) panelBrowser(cookie string) string {
	h.Helper()
	_, name, _ := strings.Cut(h.consents.StartURL(instanceKey), "/start/")
	start, err := h.consents.Start(h.Context(), name, cookie)
	h.must(err)
	return start.Browser
}

func (h *harness) link() consent.Begun {
	h.Helper()
	begun, err := h.consents.Link(h.Context(), tenantID, reseller)
	h.must(err)
	return begun
}

func linkOf(b consent.Begun) string { return strings.TrimPrefix(b.URL, publicURL+"/consent/") }

// open opens a link in this browser and returns the state that Microsoft would send back.
func (h *harness) open(b consent.Begun) string {
	h.Helper()
	address, err := h.consents.Authorize(h.Context(), linkOf(b), consent.Visit{Browser: browser})
	h.must(err)
	return stateOf(h.T, address)
}

func stateOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatalf("address %q: %v", address, err)
	}
	return u.Query().Get("state")
}

func (h *harness) complete(state, code string) (consent.Outcome, error) {
	return h.consents.Complete(h.Context(), consent.Callback{State: state, Browser: browser, Code: secret.New(code)})
}

func (h *harness) checkFailure(call string, err error, code failure.Code) {
	h.Helper()
	if !failure.Is(err, code) {
		h.Errorf("%s = %v, want the failure %s", call, err, code)
	}
}

// checkGrants asserts from which code the active grant was obtained, "" for no grant, and whether there is a pending one.
func (h *harness) checkGrants(active string, pending bool) {
	h.Helper()
	g, err := h.store.Grant(h.Context(), tenantID, token.Active)
	got := ""
	if err == nil {
		got = strings.TrimPrefix(g.RefreshToken.Reveal(), "refresh-of-")
	}
	_, pendingErr := h.store.Grant(h.Context(), tenantID, token.Pending)
	if got != active || (pendingErr == nil) != pending {
		h.Errorf("grants: active from %q, pending %v; want %q, %v", got, pendingErr == nil, active, pending)
	}
}

func (h *harness) checkConsent(id string, status consent.Status, code failure.Code) {
	h.Helper()
	c, err := h.consents.Find(h.Context(), tenantID, id)
	h.must(err)
	var got failure.Code
	if c.Failure != nil {
		got = c.Failure.Code
	}
	if c.Status != status || got != code {
		h.Errorf("Find = %s because of %q, want %s because of %q", c.Status, got, status, code)
	}
}
