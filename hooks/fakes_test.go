package hooks_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/client"
	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// A journal records changes and who made them.
type journal struct {
	mu      sync.Mutex
	entries []string      // guarded by mu
	actors  []audit.Actor // guarded by mu
}

func (j *journal) note(by audit.Actor, format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries, j.actors = append(j.entries, fmt.Sprintf(format, args...)), append(j.actors, by)
}

func (j *journal) changes() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.entries)
}

func (j *journal) lastActor() audit.Actor {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.actors) == 0 {
		return audit.Actor{}
	}
	return j.actors[len(j.actors)-1]
}

// fakeTenants keeps instances and tenants in memory. Tests access its maps between requests only.
type fakeTenants struct {
	clients   []client.TenantClient // of the token API
	clientsOf []string              // the tenants whose clients were read

	journal
	instances map[string]tenant.Instance
	tenants   map[string]tenant.Tenant
	named     []string // addresses of controllers
	refused   []string // recorded refusals
	panic     any
	forgotten bool  // the platform no longer has the stored root
	refuse    error // of Link, for another account than the owner
}

func newFakeTenants() *fakeTenants {
	return &fakeTenants{instances: map[string]tenant.Instance{}, tenants: map[string]tenant.Tenant{}}
}

func (f *fakeTenants) Install(_ context.Context, in tenant.Instance, by audit.Actor) (tenant.Instance, error) {
	if stored, ok := f.instances[in.Key]; ok && stored.RootID != in.RootID && !f.forgotten {
		return tenant.Instance{}, failure.New(failure.RootExists)
	}
	f.note(by, "install %s", in.RootID)
	f.instances[in.Key] = in
	return in, nil
}

func (f *fakeTenants) Configure(_ context.Context, key string, s tenant.Settings, by audit.Actor) (tenant.Instance, error) {
	f.note(by, "configure %s", key)
	in := f.instances[key]
	in.Settings = s
	f.instances[key] = in
	return in, nil
}

func (f *fakeTenants) Upgrade(_ context.Context, key, from, to string, s tenant.Settings, by audit.Actor) (tenant.Instance, error) {
	f.note(by, "upgrade %s from %s to %s", key, from, to)
	in := f.instances[key]
	in.Settings, in.PackageVersion = s, to
	f.instances[key] = in
	return in, nil
}

func (f *fakeTenants) Remove(_ context.Context, key string, by audit.Actor) error {
	f.note(by, "remove %s", key)
	delete(f.instances, key)
	return nil
}

func (f *fakeTenants) NoteController(_ context.Context, in tenant.Instance, named string) (tenant.Instance, error) {
	f.named = append(f.named, named)
	return in, nil
}

func (f *fakeTenants) RecordRefusal(_ context.Context, key, tenantID, operation string, by audit.Actor) error {
	f.refused = append(f.refused, fmt.Sprint(key, " ", tenantID, " ", operation, " ", by.Kind, " ", by.ID))
	return nil
}

func (f *fakeTenants) Instance(_ context.Context, key string) (tenant.Instance, error) {
	if f.panic != nil {
		panic(f.panic)
	}
	in, ok := f.instances[key]
	if !ok {
		return tenant.Instance{}, failure.New(failure.NotFound)
	}
	return in, nil
}

func (f *fakeTenants) Provision(_ context.Context, t tenant.Tenant, by audit.Actor) (tenant.Tenant, error) {
	if stored, ok := f.tenants[t.ID]; ok && stored.InstanceKey != t.InstanceKey {
		return tenant.Tenant{}, failure.New(failure.Conflict)
	}
	f.note(by, "provision %s", t.ID)
	t.UnlinkedAt = f.tenants[t.ID].UnlinkedAt
	f.tenants[t.ID] = t
	return t, nil
}

func (f *fakeTenants) ConfigureTenant(_ context.Context, _ tenant.Resolved, t tenant.Tenant, by audit.Actor) (tenant.Tenant, error) {
	f.note(by, "configure tenant %s", t.ID)
	f.tenants[t.ID] = t
	return t, nil
}

func (f *fakeTenants) Rename(_ context.Context, _, id, name, marketplace string, by audit.Actor) error {
	f.note(by, "rename %s to %s at %s", id, name, marketplace)
	t := f.tenants[id]
	t.Name, t.Marketplace = name, marketplace
	f.tenants[id] = t
	return nil
}

func (f *fakeTenants) Unprovision(_ context.Context, _, id string, by audit.Actor) error {
	f.note(by, "unprovision %s", id)
	delete(f.tenants, id)
	return nil
}

func (f *fakeTenants) Suspend(_ context.Context, _, id string, suspended bool, by audit.Actor) (tenant.Tenant, error) {
	f.note(by, "suspend %s: %t", id, suspended)
	t := f.tenants[id]
	t.SuspendedAt = time.Time{}
	if suspended {
		t.SuspendedAt = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	}
	f.tenants[id] = t
	return t, nil
}

// change changes a tenant and notes what was done.
func (f *fakeTenants) change(by audit.Actor, id, what string, edit func(*tenant.Tenant)) (tenant.Tenant, error) {
	t, ok := f.tenants[id]
	if !ok {
		return tenant.Tenant{}, failure.New(failure.NotFound)
	}
	f.note(by, "%s", what)
	edit(&t)
	f.tenants[id] = t
	return t, nil
}

func (f *fakeTenants) Link(_ context.Context, _, id, _, account string, by audit.Actor) (tenant.Tenant, error) {
	owner := f.tenants[id].AccountID
	if f.refuse != nil && owner != "" && owner != account {
		return tenant.Tenant{}, f.refuse
	}
	return f.change(by, id, "link "+id+" with "+account, func(t *tenant.Tenant) {
		if t.AccountID != account {
			t.Name = ""
		}
		t.AccountID, t.UnlinkedAt = account, time.Time{}
	})
}

func (f *fakeTenants) Unlink(_ context.Context, _, id, account string, by audit.Actor) (tenant.Tenant, error) {
	return f.change(by, id, "unlink "+id+" from "+account, func(t *tenant.Tenant) { t.UnlinkedAt = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC) })
}

// TestCredentials accepts every credential that was sent, except for "wrong".
func (f *fakeTenants) TestCredentials(ctx context.Context, _ tenant.Resolved, entered tenant.Tenant, by audit.Actor) ([]tenant.CredentialTest, error) {
	f.note(by, "test %s of %s in %s", entered.Application.ID, entered.ID, entered.Directory)
	var tests []tenant.CredentialTest
	for _, name := range []string{tenant.SecretName, tenant.NextSecretName} {
		test := tenant.CredentialTest{Name: name}
		switch entered.Application.Slot(name).Value.Reveal() {
		case "":
			continue
		case "wrong":
			test.Failure = failure.NewRecord(ctx, failure.New(failure.ClientSecretWrong))
		}
		tests = append(tests, test)
	}
	return tests, nil
}

func (f *fakeTenants) OfTenant(_ context.Context, id string) ([]client.TenantClient, error) {
	f.clientsOf = append(f.clientsOf, id)
	return f.clients, nil
}

func (f *fakeTenants) Remind(_ context.Context, r tenant.Resolved, by audit.Actor) (time.Time, error) {
	f.note(by, "remind %s", r.Tenant.ID)
	return time.Date(2026, 11, 23, 8, 20, 0, 0, time.UTC), nil
}

func (f *fakeTenants) MayMove(context.Context, tenant.Tenant) error { return f.refuse }

func (f *fakeTenants) LinkSubscription(_ context.Context, _, id, subscription string, by audit.Actor) (tenant.Tenant, error) {
	return f.change(by, id, "link "+id+" with the subscription "+subscription, func(t *tenant.Tenant) { t.SubscriptionID = subscription })
}

func (f *fakeTenants) Recognize(_ context.Context, _, id string, by audit.Actor) (tenant.Tenant, error) {
	return f.change(by, id, "recognize "+id, func(t *tenant.Tenant) { t.UnknownAt = time.Time{} })
}

func (f *fakeTenants) Tenant(_ context.Context, instanceKey, id string) (tenant.Tenant, error) {
	t, ok := f.tenants[id]
	if !ok || t.InstanceKey != instanceKey {
		return tenant.Tenant{}, failure.New(failure.NotFound)
	}
	return t, nil
}

func (f *fakeTenants) Resolve(ctx context.Context, instanceKey, id string) (tenant.Resolved, error) {
	in, err := f.Instance(ctx, instanceKey)
	if err != nil {
		return tenant.Resolved{}, err
	}
	t, err := f.Tenant(ctx, instanceKey, id)
	return tenant.Resolved{Tenant: t, Instance: in}, err
}

func (f *fakeTenants) Tenants(_ context.Context, instanceKey string) ([]tenant.Tenant, error) {
	var tenants []tenant.Tenant
	for _, t := range f.tenants {
		if t.InstanceKey == instanceKey {
			tenants = append(tenants, t)
		}
	}
	return tenants, nil
}

// fakeTokens returns what the test sets.
type fakeTokens struct {
	journal
	status   token.Status
	events   []audit.Event
	lendings token.Lendings
	before   time.Time
	limit    int
	err      error
	list     token.List
	query    token.Query // of the last List

	tenants  *fakeTenants    // for ReadTenant; nil when there are none
	snapshot *token.Snapshot // that the last Lend was given
	lentTo   string          // name of the borrower of the last Lend

	cached    token.Loan // what LendCached has
	cachedErr error
}

func newFakeTokens() *fakeTokens {
	return &fakeTokens{status: token.Status{State: token.StateActive, DaysLeft: 80}}
}

func (f *fakeTokens) Status(context.Context, tenant.Resolved) (token.Status, error) {
	return f.status, f.err
}

func (f *fakeTokens) ReadTenant(ctx context.Context, instanceKey, id string) (tenant.Resolved, token.Snapshot, error) {
	if f.tenants == nil {
		return tenant.Resolved{}, token.Snapshot{}, failure.New(failure.NotFound)
	}
	r, err := f.tenants.Resolve(ctx, instanceKey, id)
	return r, token.Snapshot{}, errors.Join(err, f.err)
}

func (f *fakeTokens) StatusOf(tenant.Resolved, token.Snapshot) token.Status { return f.status }

func (f *fakeTokens) List(_ context.Context, q token.Query) (token.List, error) {
	f.query = q
	return f.list, f.err
}

func (f *fakeTokens) do(what, id string, by audit.Actor) (token.Status, error) {
	if f.err != nil {
		return token.Status{}, f.err
	}
	f.note(by, "%s %s", what, id)
	return f.status, nil
}

func (f *fakeTokens) Renew(_ context.Context, id string, by audit.Actor) (token.Status, error) {
	return f.do("renew", id, by)
}

func (f *fakeTokens) Check(_ context.Context, id string, by audit.Actor) (token.Status, error) {
	return f.do("check", id, by)
}

func (f *fakeTokens) Forget(_ context.Context, id string, by audit.Actor) (token.Status, error) {
	return f.do("forget", id, by)
}

func (f *fakeTokens) HistoryOf(_ context.Context, _ string, lendings token.Lendings, before time.Time, limit int) ([]audit.Event, error) {
	f.lendings, f.before, f.limit = lendings, before, limit
	return f.events, f.err
}

func (f *fakeTokens) ListCustomers(_ context.Context, _ tenant.Resolved, _ audit.Actor) (token.CustomerList, error) {
	ends := time.Date(2027, 11, 23, 9, 20, 0, 0, time.UTC)
	return token.CustomerList{Customers: []token.CustomerStatus{
		{Customer: token.Customer{DirectoryID: unknownID, Name: "Aardvark", Domain: "aardvark.example"}, Consent: token.Unknown, CustomerRecord: token.CustomerRecord{LastResult: "customer_access_blocked", LastAt: ends}},
		{
			Customer: token.Customer{DirectoryID: tenantA, Name: "Zebra"}, Consent: token.Yes, Outdated: true,
			Relationships: []token.Relationship{{Active: true, EndsAt: ends, AutoExtends: true, Roles: []string{"role"}}},
		},
	}}, nil
}

func (f *fakeTokens) ConsentCustomer(_ context.Context, r tenant.Resolved, directory string, by audit.Actor) (token.CustomerRecord, error) {
	f.note(by, "consent for %s of %s", directory, r.Tenant.ID)
	return token.CustomerRecord{DirectoryID: directory, ConsentedAt: time.Date(2026, 11, 23, 9, 20, 0, 0, time.UTC)}, nil
}

func (f *fakeTokens) WithdrawCustomer(_ context.Context, r tenant.Resolved, directory string, by audit.Actor) (token.CustomerRecord, error) {
	f.note(by, "withdraw for %s of %s", directory, r.Tenant.ID)
	return token.CustomerRecord{DirectoryID: directory}, nil
}

func (f *fakeTokens) LendCached(context.Context, tenant.Resolved, token.LoanRequest, audit.Actor) (token.Loan, bool, error) {
	return f.cached, !f.cached.AccessToken.Empty(), f.cachedErr
}

func (f *fakeTokens) Lend(_ context.Context, r tenant.Resolved, request token.LoanRequest, by audit.Actor) (token.Loan, error) {
	api := request.API
	f.snapshot, f.lentTo = request.Snapshot, by.Name
	if by.Kind != audit.Application || by.ID != borrower {
		return token.Loan{}, failure.New(failure.BorrowerNotAllowed)
	}
	if !slices.Contains(token.APIs(), api) {
		return token.Loan{}, failure.New(failure.BadRequest, "reason", "api is none of partnercenter, graph, arm")
	}
	if request.Directory != "" {
		f.note(by, "lend %s of %s for %s", api, r.Tenant.ID, request.Directory)
		return token.Loan{API: api, AccessToken: secret.New("c4n4ry-access"), ExpiresAt: time.Date(2026, 11, 23, 9, 20, 0, 0, time.UTC), DirectoryID: request.Directory}, nil
	}
	f.note(by, "lend %s of %s", api, r.Tenant.ID)
	return token.Loan{API: api, AccessToken: secret.New("c4n4ry-access"), ExpiresAt: time.Date(2026, 11, 23, 9, 20, 0, 0, time.UTC), DirectoryID: "dir"}, nil
}

// fakeConsents returns what the test sets.
type fakeConsents struct {
	journal
	stored   consent.Found
	current  consent.Current
	err      error
	input    string
	request  consent.Request   // of the last Begin
	startURL string            // answer of StartURL
	unlisted map[string]string // answer of UnlistedOrigins
}

func (f *fakeConsents) StartURL(string) string { return f.startURL }

func (f *fakeConsents) UnlistedOrigins(context.Context, string) (map[string]string, error) {
	return f.unlisted, nil
}

func (f *fakeConsents) begin(what, id string, by audit.Actor) (consent.Begun, error) {
	if f.err != nil {
		return consent.Begun{}, f.err
	}
	f.note(by, "%s %s", what, id)
	return consent.Begun{ID: unknownID, URL: "https://connector.example.com/consent/x", ExpiresAt: time.Date(2026, 11, 23, 8, 35, 0, 0, time.UTC)}, nil
}

func (f *fakeConsents) Begin(_ context.Context, id string, request consent.Request, by audit.Actor) (consent.Begun, error) {
	f.request = request
	begun, err := f.begin("begin", id, by)
	begun.Procedure = token.Manual
	if request.Browser != "" {
		begun.Procedure = token.Automatic
	}
	return begun, err
}

func (f *fakeConsents) Link(_ context.Context, id string, by audit.Actor) (consent.Begun, error) {
	return f.begin("link", id, by)
}

func (f *fakeConsents) Find(_ context.Context, tenantID, consentID string) (consent.Found, error) {
	if f.stored.TenantID != tenantID || f.stored.ID != consentID {
		return consent.Found{}, failure.New(failure.NotFound)
	}
	return f.stored, nil
}

func (f *fakeConsents) Current(context.Context, tenant.Resolved) (consent.Current, error) {
	return f.current, f.err
}

func (f *fakeConsents) Redeem(_ context.Context, id, input string, by audit.Actor) (token.Person, error) {
	if f.err != nil {
		return token.Person{}, f.err
	}
	f.input = input
	f.note(by, "redeem %s", id)
	return token.Person{Username: "admin@fabrikam.example", Name: "Ada"}, nil
}
