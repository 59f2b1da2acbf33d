package token_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

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

// A microsoft answers as Microsoft would when all is well; a test replaces what it wants to go wrong.
type microsoft struct {
	now func() time.Time

	redeem   func() (token.Redemption, error)
	renew    func(refreshToken string, api token.API) error // nil: it works
	identity func() (token.Identity, error)
	claims   func() token.AccessTokenClaims
	probe    func(api token.API) token.Probe
	roles    func() (globalAdmin, adminAgent token.Answer)

	mu     sync.Mutex // guards issued and asked
	issued int
	asked  []string // refresh tokens presented, in order
}

func (m *microsoft) successor(api token.API) token.Redemption {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.issued++
	return token.Redemption{
		API: api, AccessToken: secret.New(fmt.Sprintf("access-%d", m.issued)), RefreshToken: secret.New(fmt.Sprintf("refresh-%d", m.issued)),
		IDToken: secret.New("id"), IssuedAt: m.now(), ExpiresAt: m.now().Add(time.Hour), Scopes: []string{string(api)},
	}
}

func (m *microsoft) presented() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.asked...)
}

func (m *microsoft) Redeem(context.Context, tenant.Client, token.AuthorizationCode) (token.Redemption, error) {
	if m.redeem != nil {
		return m.redeem()
	}
	return m.successor(token.PartnerCenter), nil
}

func (m *microsoft) Renew(_ context.Context, _ tenant.Client, refreshToken secret.Text, api token.API) (token.Redemption, error) {
	m.mu.Lock()
	m.asked = append(m.asked, refreshToken.Reveal())
	m.mu.Unlock()
	if m.renew != nil {
		if err := m.renew(refreshToken.Reveal(), api); err != nil {
			return token.Redemption{}, err
		}
	}
	return m.successor(api), nil
}

func (m *microsoft) Identity(context.Context, tenant.Client, secret.Text, string) (token.Identity, error) {
	if m.identity != nil {
		return m.identity()
	}
	return token.Identity{DirectoryID: directoryID, Person: person}, nil
}

func (m *microsoft) Claims(secret.Text) token.AccessTokenClaims {
	if m.claims != nil {
		return m.claims()
	}
	return token.AccessTokenClaims{Readable: true, DirectoryID: directoryID, ApplicationID: applicationID, MFA: token.Yes}
}

func (m *microsoft) Probe(_ context.Context, _ tenant.Client, api token.API, _ secret.Text) token.Probe {
	if m.probe != nil {
		return m.probe(api)
	}
	return token.Probe{Works: token.Yes, At: m.now(), MFA: token.Yes}
}

func (m *microsoft) Roles(context.Context, tenant.Client, secret.Text) (globalAdmin, adminAgent token.Answer) {
	if m.roles != nil {
		return m.roles()
	}
	return token.Yes, token.Yes
}

var person = token.Person{ObjectID: "oid-1", Username: "admin@partner.example", Name: "Ada Admin"}

// A world is a custody of one tenant with a clock that the test moves.
type world struct {
	*testing.T
	tokens    *token.Service
	store     *store.Store
	microsoft *microsoft

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

func newWorld(t *testing.T, st *store.Store) *world {
	t.Helper()
	w := &world{T: t, store: st, clock: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)}
	w.microsoft = &microsoft{now: w.now}
	w.tokens = w.service()
	in := tenant.Instance{Key: instanceKey, ID: "aps-1", RootID: "root-1", CreatedAt: w.clock, UpdatedAt: w.clock, Settings: tenant.Settings{
		Cloud: "global", Borrowers: []string{borrowerID}, Application: tenant.Application{ID: applicationID, Secret: tenant.Credential{Value: secret.New("app-secret")}},
	}}
	w.must(st.SaveInstance(t.Context(), &in))
	w.addTenant(tenantID, directoryID)
	return w
}

// service returns one more replica on the same store.
func (w *world) service() *token.Service {
	w.Helper()
	s, err := token.New(token.Config{Store: w.store, Microsoft: w.microsoft, Now: w.now, Rand: func() float64 { return 0.5 }})
	if err != nil {
		w.Fatalf("token.New = %v", err)
	}
	return s
}

func (w *world) addTenant(id, directory string) {
	w.Helper()
	w.must(w.store.SaveTenant(w.Context(), &tenant.Tenant{ID: id, InstanceKey: instanceKey, Name: "Reseller " + id, Directory: directory, DirectoryID: directory, CreatedAt: w.clock, UpdatedAt: w.clock}))
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) exchange() (token.Grant, error) {
	return w.tokens.Exchange(w.Context(), token.CodeExchange{TenantID: tenantID, ConsentID: "consent-1", Procedure: token.Automatic, AskedBy: "Rita"})
}

// consent gives the tenant a grant.
func (w *world) consent(tenantID string) {
	w.Helper()
	g, err := w.tokens.Exchange(w.Context(), token.CodeExchange{TenantID: tenantID, ConsentID: "consent-" + tenantID, Procedure: token.Automatic, AskedBy: "Rita"})
	w.must(err)
	w.must(w.store.Transact(w.Context(), func(ctx context.Context) error { return w.tokens.StoreActive(ctx, g) }))
}

// lend borrows as the door does: it finds the tenant first.
func (w *world) lend(ctx context.Context, tenantID string, api token.API, by audit.Actor) (token.Loan, error) {
	r, err := tenant.Resolve(ctx, w.store, tenantID)
	if err != nil {
		return token.Loan{}, err
	}
	return w.tokens.Lend(ctx, r, api, by)
}

func (w *world) grant(slot token.Slot) token.Grant {
	w.Helper()
	g, err := w.store.Grant(w.Context(), tenantID, slot)
	w.must(err)
	return g
}

func (w *world) status() token.Status {
	w.Helper()
	r, err := tenant.Resolve(w.Context(), w.store, tenantID)
	w.must(err)
	st, err := w.tokens.Status(w.Context(), r)
	w.must(err)
	return st
}

// checkState asserts the state and the code of its reason.
func (w *world) checkState(state token.State, code failure.Code) {
	w.Helper()
	st := w.status()
	var got failure.Code
	if st.Failure != nil {
		got = st.Failure.Code
	}
	if st.State != state || got != code {
		w.Errorf("Status = %s because of %q, want %s because of %q", st.State, got, state, code)
	}
}

func (w *world) checkFailure(call string, err error, code failure.Code) {
	w.Helper()
	if !failure.Is(err, code) {
		w.Errorf("%s = %v, want the failure %s", call, err, code)
	}
}

// checkNothingStored asserts that the tenant has no grant in any slot.
func (w *world) checkNothingStored() {
	w.Helper()
	for _, slot := range []token.Slot{token.Active, token.Pending, token.Predecessor} {
		if g, err := w.store.Grant(w.Context(), tenantID, slot); err == nil {
			w.Errorf("Grant(%s) = issued at %s, want none", slot, g.IssuedAt)
		}
	}
}

func transient() error { return failure.New(failure.MicrosoftUnavailable) }
func revoked() error   { return failure.New(failure.GrantRevoked) }
