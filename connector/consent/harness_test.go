package consent_test

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
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
	publicURL     = "https://onboarding.example"
)

var (
	reseller = audit.Actor{Kind: audit.User, ID: "user-1", Name: "Rita Reseller"}
	person   = token.Person{ObjectID: "oid-1", Username: "admin@partner.example", Name: "Ada Admin"}
)

// microsoft shows the state in its address, as the real one does, and knows one domain.
type microsoft struct{}

func (microsoft) AuthorizeURL(c tenant.Client, r consent.AuthorizeRequest) (string, error) {
	q := url.Values{"claims": {c.MFARequest}, "state": {r.State}, "nonce": {r.Nonce}, "prompt": {r.Prompt}, "redirect_uri": {r.RedirectURI}}
	return "https://login.example/authorize?" + q.Encode(), nil
}

func (microsoft) ResolveDirectory(_ context.Context, _, directory string) (string, error) {
	if directory == "partner.example" {
		return directoryID, nil
	}
	return "", failure.New(failure.DirectoryUnknown, "directory", directory)
}

func (microsoft) CallbackError(e consent.CallbackError) *failure.Error {
	if e.Error == "invalid_request" {
		return failure.New(failure.MicrosoftRequest)
	}
	return failure.New(failure.ConsentDeclined)
}

// A custody is a real one whose exchanges are scripted: exchange decides whether Microsoft and the checks agree.
type custody struct {
	*token.Service
	now      func() time.Time
	exchange func(token.CodeExchange) error

	mu        sync.Mutex // guards exchanges
	exchanges []token.CodeExchange
}

func (c *custody) Exchange(_ context.Context, o token.CodeExchange) (token.Grant, error) {
	c.mu.Lock()
	c.exchanges = append(c.exchanges, o)
	c.mu.Unlock()
	if c.exchange != nil {
		if err := c.exchange(o); err != nil {
			return token.Grant{}, err
		}
	}
	return token.Grant{
		TenantID: o.TenantID, RefreshToken: secret.New("refresh-of-" + o.Code.Code.Reveal()), IssuedAt: c.now(),
		DirectoryID: directoryID, ApplicationID: applicationID, Procedure: o.Procedure, ConsentID: o.ConsentID,
		ConsentedAt: c.now(), ConsentedBy: person, AskedBy: o.AskedBy,
	}, nil
}

// noMicrosoft is never asked: acquisition is scripted and nothing is renewed here.
type noMicrosoft struct{ token.Microsoft }

type hasher struct{}

func (hasher) Hash(purpose, value string) (string, error) { return purpose + ":" + value, nil }

type world struct {
	*testing.T
	consents *consent.Service
	custody  *custody
	store    *store.Store

	mu    sync.Mutex // guards clock
	clock time.Time
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, store: openStore(t), clock: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)}
	tokens, err := token.New(token.Config{Store: w.store, Microsoft: noMicrosoft{}, Now: w.now})
	w.must(err)
	w.custody = &custody{Service: tokens, now: w.now}
	w.consents, err = consent.New(consent.Config{
		Store: w.store, Tokens: w.custody, Microsoft: microsoft{}, Hasher: hasher{}, PublicURL: publicURL, Now: w.now,
	})
	w.must(err)
	w.settings(func(*tenant.Settings) {})
	for id, directory := range map[string]string{tenantID: directoryID, otherTenantID: "22222222-bbbb-4bbb-8bbb-222222222222"} {
		w.must(w.store.SaveTenant(t.Context(), &tenant.Tenant{
			ID: id, InstanceKey: instanceKey, Name: "Alpine Cloud", Marketplace: "Marketplace One",
			Directory: directory, DirectoryID: directory, CreatedAt: w.clock, UpdatedAt: w.clock,
		}))
	}
	return w
}

// settings changes the instance's settings.
func (w *world) settings(change func(*tenant.Settings)) {
	w.Helper()
	in, err := w.store.Instance(w.Context(), instanceKey)
	if err != nil {
		in = tenant.Instance{Key: instanceKey, ID: "aps-1", RootID: "root-1", CreatedAt: w.now(), Settings: tenant.Settings{
			Cloud: "global", Application: tenant.Application{ID: applicationID, Secret: tenant.Credential{Value: secret.New("app-secret")}},
		}}
	}
	change(&in.Settings)
	in.UpdatedAt = w.now()
	w.must(w.store.SaveInstance(w.Context(), &in))
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) begin() consent.Begun {
	w.Helper()
	begun, err := w.consents.Begin(w.Context(), tenantID, reseller)
	w.must(err)
	return begun
}

func (w *world) link() consent.Begun {
	w.Helper()
	begun, err := w.consents.Link(w.Context(), tenantID, reseller)
	w.must(err)
	return begun
}

func linkOf(b consent.Begun) string { return strings.TrimPrefix(b.URL, publicURL+"/consent/") }

// open opens a link in this browser and returns the state that Microsoft would send back.
func (w *world) open(b consent.Begun) string {
	w.Helper()
	address, err := w.consents.Authorize(w.Context(), linkOf(b), browser, "")
	w.must(err)
	return stateOf(w.T, address)
}

func stateOf(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatalf("address %q: %v", address, err)
	}
	return u.Query().Get("state")
}

func (w *world) complete(state, code string) (consent.Outcome, error) {
	return w.consents.Complete(w.Context(), consent.Callback{State: state, Browser: browser, Code: secret.New(code)})
}

func (w *world) checkFailure(call string, err error, code failure.Code) {
	w.Helper()
	if !failure.Is(err, code) {
		w.Errorf("%s = %v, want the failure %s", call, err, code)
	}
}

// checkGrants asserts which slots hold a grant, and from which code the active one came.
func (w *world) checkGrants(active string, pending bool) {
	w.Helper()
	g, err := w.store.Grant(w.Context(), tenantID, token.Active)
	got := ""
	if err == nil {
		got = strings.TrimPrefix(g.RefreshToken.Reveal(), "refresh-of-")
	}
	_, pendingErr := w.store.Grant(w.Context(), tenantID, token.Pending)
	if got != active || (pendingErr == nil) != pending {
		w.Errorf("grants: active from %q, pending %v; want %q, %v", got, pendingErr == nil, active, pending)
	}
}

func (w *world) checkConsent(id string, status consent.Status, code failure.Code) {
	w.Helper()
	c, err := w.consents.Find(w.Context(), tenantID, id)
	w.must(err)
	var got failure.Code
	if c.Failure != nil {
		got = c.Failure.Code
	}
	if c.Status != status || got != code {
		w.Errorf("Find = %s because of %q, want %s because of %q", c.Status, got, status, code)
	}
}
