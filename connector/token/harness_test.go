package token_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

func openStore(t *testing.T) *store.Store {
	t.Helper()
	return storetest.New(t)
}

const (
	directoryID   = "11111111-aaaa-4aaa-8aaa-111111111111"
	otherID       = "22222222-bbbb-4bbb-8bbb-222222222222"
	applicationID = "33333333-cccc-4ccc-8ccc-333333333333"
	borrowerID    = "44444444-dddd-4ddd-8ddd-444444444444"
	tenantID      = "55555555-eeee-4eee-8eee-555555555555"
	instanceKey   = "key-1"
)

var (
	owner    = audit.Actor{Kind: audit.User, ID: "user-1", Name: "Rita Reseller"}
	borrower = audit.Actor{Kind: audit.Application, ID: borrowerID}
)

// A fakeMicrosoft answers without failures, except for the functions that a test sets.
type fakeMicrosoft struct {
	now func() time.Time

	redeem   func() (token.Redemption, error)
	renew    func(refreshToken string, api token.API) error // nil: succeeds
	identity func() (token.Identity, error)
	claims   func() token.AccessTokenClaims
	probe    func(api token.API) token.Probe
	roles    func() (globalAdmin, adminAgent token.Answer)
	subject  func(api token.API) token.Subject // nil: unknown

	renewFor      func(c tenant.Client, api token.API) error // as renew, with the directory
	resolve       func(directory string) (string, error)
	customers     func() ([]token.Customer, error)
	relationships func() ([]token.Relationship, error)

	answer func(redeemed *token.Redemption) // changes every answer

	scopes       map[token.API][]string // of consents in customer directories
	addFails     error                  // of making such a consent
	consentFails error                  // of such a consent

	mu     sync.Mutex // guards the fields below
	ends   map[string]time.Time
	issued int
	asked  []string // refresh tokens presented, in order
	calls  []call   // of Renew and Probe, in order
	in     []string // directory IDs of redemptions in customer directories, in order

	consents []string // calls about consents in customer directories, in order
}

// A call is one call of Renew or Probe.
type call struct {
	Method  string
	API     token.API
	Retries bool // the client may retry it
}

func (m *fakeMicrosoft) successor(api token.API) token.Redemption {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.issued++
	var subject token.Subject
	if m.subject != nil {
		subject = m.subject(api)
	}
	redeemed := token.Redemption{
		Subject: subject,
		API:     api, AccessToken: secret.New(fmt.Sprintf("access-%d", m.issued)), RefreshToken: secret.New(fmt.Sprintf("refresh-%d", m.issued)),
		IDToken: secret.New("id"), IssuedAt: m.now(), ExpiresAt: m.now().Add(time.Hour), Scopes: []string{string(api)},
	}
	if m.answer != nil {
		m.answer(&redeemed)
	}
	return redeemed
}

func (m *fakeMicrosoft) presented() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.asked...)
}

func (m *fakeMicrosoft) Redeem(context.Context, tenant.Client, token.AuthorizationCode) (token.Redemption, error) {
	if m.redeem != nil {
		return m.redeem()
	}
	return m.successor(token.PartnerCenter), nil
}

func (m *fakeMicrosoft) Renew(ctx context.Context, c tenant.Client, refreshToken secret.Text, api token.API) (token.Redemption, error) {
	m.mu.Lock()
	m.asked = append(m.asked, refreshToken.Reveal())
	m.calls = append(m.calls, call{"Renew", api, token.RetriesAllowed(ctx)})
	if c.Customer {
		m.in = append(m.in, c.DirectoryID)
	}
	m.mu.Unlock()
	if m.renewFor != nil {
		if err := m.renewFor(c, api); err != nil {
			return token.Redemption{}, err
		}
	}
	if m.renew != nil {
		if err := m.renew(refreshToken.Reveal(), api); err != nil {
			return token.Redemption{}, err
		}
	}
	return m.successor(api), nil
}

// inCustomers returns the customer directories in which was redeemed, in order.
func (m *fakeMicrosoft) inCustomers() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.in...)
}

func (m *fakeMicrosoft) ResolveDirectory(_ context.Context, _, directory string) (string, error) {
	if m.resolve != nil {
		return m.resolve(directory)
	}
	return directory, nil
}

func (m *fakeMicrosoft) Customers(context.Context, tenant.Client, secret.Text) ([]token.Customer, error) {
	if m.customers != nil {
		return m.customers()
	}
	return nil, nil
}

func (m *fakeMicrosoft) Relationships(context.Context, tenant.Client, secret.Text) ([]token.Relationship, error) {
	if m.relationships != nil {
		return m.relationships()
	}
	return nil, nil
}

func (m *fakeMicrosoft) CustomerScopes(tenant.Client) map[token.API][]string { return m.scopes }

func (m *fakeMicrosoft) AddCustomerConsent(_ context.Context, _ tenant.Client, _ string, api token.API, _ secret.Text) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.consents = append(m.consents, "consent "+string(api))
	return cmp.Or(m.addFails, m.consentFails)
}

func (m *fakeMicrosoft) RemoveCustomerConsent(context.Context, tenant.Client, string, secret.Text) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.consents = append(m.consents, "withdraw")
	return m.consentFails
}

func (m *fakeMicrosoft) Identity(context.Context, tenant.Client, secret.Text, string) (token.Identity, error) {
	if m.identity != nil {
		return m.identity()
	}
	return token.Identity{DirectoryID: directoryID, Person: person}, nil
}

func (m *fakeMicrosoft) Claims(secret.Text) token.AccessTokenClaims {
	if m.claims != nil {
		return m.claims()
	}
	return token.AccessTokenClaims{Readable: true, DirectoryID: directoryID, ApplicationID: applicationID, MFA: token.Yes}
}

func (m *fakeMicrosoft) Probe(ctx context.Context, _ tenant.Client, api token.API, _ secret.Text) token.Probe {
	m.mu.Lock()
	m.calls = append(m.calls, call{"Probe", api, token.RetriesAllowed(ctx)})
	m.mu.Unlock()
	if m.probe != nil {
		return m.probe(api)
	}
	return token.Probe{Works: token.Yes, At: m.now(), MFA: token.Yes}
}

func (m *fakeMicrosoft) CredentialEnds(context.Context, tenant.Client, secret.Text) map[string]time.Time {
	return m.ends
}

func (m *fakeMicrosoft) Roles(context.Context, tenant.Client, secret.Text) (globalAdmin, adminAgent token.Answer) {
	if m.roles != nil {
		return m.roles()
	}
	return token.Yes, token.Yes
}

var person = token.Person{ObjectID: "oid-1", Username: "admin@partner.example", Name: "Ada Admin"}

// A harness is a token service with one tenant, and a clock that the test moves.
type harness struct {
	*testing.T
	tokens    *token.Service
	store     *store.Store
	microsoft *fakeMicrosoft

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

func newHarness(t *testing.T, st *store.Store) *harness {
	t.Helper()
	h := &harness{T: t, store: st, clock: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)}
	h.microsoft = &fakeMicrosoft{now: h.now}
	h.tokens = h.service()
	in := tenant.Instance{Key: instanceKey, ID: "aps-1", RootID: "root-1", CreatedAt: h.clock, UpdatedAt: h.clock, Settings: tenant.Settings{
		Cloud: "global", Borrowers: []tenant.Borrower{tenant.NewBorrower(borrowerID)}, Application: tenant.Application{ID: applicationID, Secret: tenant.Credential{Value: secret.New("app-secret")}},
	}}
	h.must(st.SaveInstance(t.Context(), &in))
	h.addTenant(tenantID, directoryID)
	return h
}

// service returns one more replica on the same store.
func (h *harness) service() *token.Service {
	h.Helper()
	s, err := token.New(token.Config{Store: h.store, Microsoft: h.microsoft, Now: h.now, Rand: func() float64 { return 0.5 }})
	if err != nil {
		h.Fatalf("token.New = %v", err)
	}
	return s
}

func (h *harness) addTenant(id, directory string) {
	h.Helper()
	h.must(h.store.SaveTenant(h.Context(), &tenant.Tenant{ID: id, InstanceKey: instanceKey, Name: "Reseller " + id, Directory: directory, DirectoryID: directory, ProvenDirectoryID: directory, CreatedAt: h.clock, UpdatedAt: h.clock}))
}

func (h *harness) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *harness) exchange() (token.Grant, error) {
	return h.tokens.Exchange(h.Context(), token.CodeExchange{TenantID: tenantID, ConsentID: "consent-1", Procedure: token.Automatic, AskedBy: "Rita"})
}

// consent gives the tenant a grant.
func (h *harness) consent(tenantID string) {
	h.Helper()
	g, err := h.tokens.Exchange(h.Context(), token.CodeExchange{TenantID: tenantID, ConsentID: "consent-" + tenantID, Procedure: token.Automatic, AskedBy: "Rita"})
	h.must(err)
	h.must(h.store.Transact(h.Context(), func(ctx context.Context) error { return h.tokens.StoreActive(ctx, g) }))
}

// lend resolves the tenant first, as the hooks do.
func (h *harness) lend(ctx context.Context, tenantID string, api token.API, by audit.Actor) (token.Loan, error) {
	return h.lendFor(ctx, tenantID, token.LoanRequest{API: api}, by)
}

func (h *harness) lendFor(ctx context.Context, tenantID string, request token.LoanRequest, by audit.Actor) (token.Loan, error) {
	r, err := tenant.Resolve(ctx, h.store, tenantID)
	if err != nil {
		return token.Loan{}, err
	}
	loan, err := h.tokens.Lend(ctx, r, request, by)
	if err != nil {
		// What Lend refuses, LendCached does not lend.
		if _, ok, cachedErr := h.lendCached(ctx, tenantID, request, by); ok || cachedErr != nil {
			h.Errorf("LendCached of what Lend refuses with %v = _, %t, %v, want nothing", err, ok, cachedErr)
		}
	}
	return loan, err
}

// lendCached lends from memory with what is stored now.
func (h *harness) lendCached(ctx context.Context, tenantID string, request token.LoanRequest, by audit.Actor) (token.Loan, bool, error) {
	h.Helper()
	r, snapshot, err := h.store.ResolveWithSnapshot(h.Context(), tenantID)
	h.must(err)
	request.Snapshot = &snapshot
	return h.tokens.LendCached(ctx, r, request, by)
}

func (h *harness) grant(slot token.Slot) token.Grant {
	h.Helper()
	g, err := h.store.Grant(h.Context(), tenantID, slot)
	h.must(err)
	return g
}

func (h *harness) status() token.Status {
	h.Helper()
	r, err := tenant.Resolve(h.Context(), h.store, tenantID)
	h.must(err)
	st, err := h.tokens.Status(h.Context(), r)
	h.must(err)
	return st
}

// checkState asserts the state and the code of its reason.
func (h *harness) checkState(state token.State, code failure.Code) {
	h.Helper()
	st := h.status()
	var got failure.Code
	if st.Failure != nil {
		got = st.Failure.Code
	}
	if st.State != state || got != code {
		h.Errorf("Status = %s because of %q, want %s because of %q", st.State, got, state, code)
	}
}

func (h *harness) checkFailure(call string, err error, code failure.Code) {
	h.Helper()
	if !failure.Is(err, code) {
		h.Errorf("%s = %v, want the failure %s", call, err, code)
	}
}

// checkNothingStored asserts that the tenant has no grant in any slot.
func (h *harness) checkNothingStored() {
	h.Helper()
	for _, slot := range []token.Slot{token.Active, token.Pending, token.Predecessor} {
		if g, err := h.store.Grant(h.Context(), tenantID, slot); err == nil {
			h.Errorf("Grant(%s) = issued at %s, want none", slot, g.IssuedAt)
		}
	}
}

func transient() error { return failure.New(failure.MicrosoftUnavailable) }
func revoked() error   { return failure.New(failure.GrantRevoked) }
