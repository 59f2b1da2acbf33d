package api_test

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
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"azure-partner-connector/connector/api"
	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/client"
	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

const (
	tenantA    = "a2000000-0000-4000-8000-00000000000a"
	tenantB    = "b2000000-0000-4000-8000-00000000000b"
	unknownID  = "ffffffff-0000-4000-8000-00000000000f"
	directoryA = "d1000000-0000-4000-8000-00000000000a"
	customer   = "d2000000-0000-4000-8000-00000000000c"

	graph       = "https://graph.microsoft.com"
	accessToken = "c4n4ry-access-token"
)

// A harness is a handler behind a real server, with real clients in a real database, and fakes of the rest of the domain.
type harness struct {
	*testing.T
	api.Config
	clock    time.Time
	store    *store.Store
	clients  *client.Service
	tally    *audit.Tally
	tokens   *fakeTokens
	log      *lockedBuffer
	server   *httptest.Server
	handler  *api.Handler
	document *document
	keys     []string

	mu       sync.Mutex // guards observed
	observed []api.Request
}

func newHarness(t *testing.T, change ...func(*api.Config)) *harness {
	t.Helper()
	h := &harness{T: t, clock: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC), store: storetest.New(t), log: &lockedBuffer{}}
	keys, err := seal.Create()
	h.must(err)
	h.tally = audit.NewTally(h.store, h.now)
	h.clients, err = client.New(client.Config{Store: h.store, Hasher: keys, Refusals: h.tally, Now: h.now})
	h.must(err)
	h.tokens = &fakeTokens{ends: h.clock.Add(time.Hour)}
	h.server = httptest.NewUnstartedServer(nil)
	h.Config = api.Config{
		PublicURL: "http://" + h.server.Listener.Addr().String(), Clients: h.clients, Tenants: fakeTenants{}, Tokens: h.tokens, Consents: fakeConsents{},
		Resources: fakeResources{}, Trail: h.store, Now: h.now, Log: slog.New(slog.NewJSONHandler(h.log, nil)),
		Observe: func(r api.Request) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.observed = append(h.observed, r)
		},
	}
	for _, change := range change {
		change(&h.Config)
	}
	h.handler, err = api.New(h.Config)
	h.must(err)
	h.server.Config.Handler = h.handler
	h.server.Start()
	t.Cleanup(h.server.Close)
	h.document = readDocument(t)
	t.Cleanup(h.checkSecrets)
	return h
}

func (h *harness) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *harness) now() time.Time { return h.clock }

// checkSecrets looks for keys and access tokens in the log and in the audit trail.
func (h *harness) checkSecrets() {
	events, err := h.store.Events(context.Background(), "", time.Time{}, 1000)
	h.must(err)
	text, err := json.Marshal(events)
	h.must(err)
	all := h.log.String() + string(text)
	for _, hidden := range append(h.keys, accessToken, "c4n4ry-refresh-token") {
		if strings.Contains(all, hidden) {
			h.Error("the log or the trail contains a key or an access token")
		}
	}
}

// add adds a client that may lend Graph and ARM of tenant A in the partner's directory, changed by change, and returns its key.
func (h *harness) add(name string, change ...func(*client.Client)) string {
	h.Helper()
	c := client.Client{Name: name, Scopes: client.Scopes{
		Tenants: []string{tenantA}, APIs: []string{"graph", "arm"}, Directories: []string{tenant.PartnerDirectory}, Operations: []client.Operation{client.Lend},
	}}
	for _, change := range change {
		change(&c)
	}
	key, err := h.clients.Add(h.Context(), c, audit.Actor{Kind: audit.Operator, ID: "op"})
	h.must(err)
	h.keys = append(h.keys, key.Reveal())
	return key.Reveal()
}

func operations(operations ...client.Operation) func(*client.Client) {
	return func(c *client.Client) {
		c.Operations = operations
		if slices.Contains(operations, client.Forward) {
			c.Forward = []client.Rule{{API: "graph", Methods: []string{"GET"}, Path: "/**"}}
		}
	}
}

func anyTenant(c *client.Client) { c.Tenants = []string{client.Any} }

// An answer is the answer to a request.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// text returns a member of the JSON object in the body.
func (a answer) text(name string) string {
	var object map[string]any
	if json.Unmarshal(a.body, &object) != nil {
		return ""
	}
	for part := range strings.SplitSeq(name, ".") {
		switch member := object[part].(type) {
		case map[string]any:
			object = member
		case string:
			return member
		}
	}
	return ""
}

// send sends a request and checks that the OpenAPI document describes the answer.
func (h *harness) send(r *http.Request) answer {
	h.Helper()
	response, err := h.server.Client().Do(r)
	h.must(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	h.must(err)
	a := answer{response.StatusCode, response.Header, body}
	h.document.check(h.T, r.Method, r.URL.Path, a)
	return a
}

func (h *harness) request(method, path string, body io.Reader) *http.Request {
	h.Helper()
	r, err := http.NewRequestWithContext(h.Context(), method, h.server.URL+path, body)
	h.must(err)
	return r
}

// post sends a form to the token endpoint.
func (h *harness) post(path string, form url.Values, change ...func(*http.Request)) answer {
	h.Helper()
	r := h.request(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, change := range change {
		if change != nil {
			change(r)
		}
	}
	return h.send(r)
}

// rest sends a request with a key.
func (h *harness) rest(method, path, key, body string) answer {
	h.Helper()
	r := h.request(method, path, strings.NewReader(body))
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	return h.send(r)
}

// events returns the events without a tenant as action and result, oldest first, without those of adding clients.
func (h *harness) events() (events []string) {
	h.Helper()
	stored, err := h.store.Events(h.Context(), "", time.Time{}, 1000)
	h.must(err)
	for _, e := range slices.Backward(stored) {
		if e.Action != audit.ClientAdded {
			events = append(events, string(e.Action)+" "+e.Result)
		}
	}
	return events
}

// checkNothingLent checks that the token service lent nothing.
func (h *harness) checkNothingLent() {
	h.Helper()
	if h.tokens.lent > 0 {
		h.Errorf("%d access tokens were lent, want none", h.tokens.lent)
	}
}

// fakeTokens lends like token.Service, without its checks of the grant.
type fakeTokens struct {
	ends time.Time
	err  error
	lent int
	did  []string

	without string // the name of a customer that is one no more

	cached    token.Loan // what LendCached has
	cachedErr error
}

func (f *fakeTokens) Lend(_ context.Context, r tenant.Resolved, request token.LoanRequest, by audit.Actor) (token.Loan, error) {
	directory := request.Directory
	if directory == "" || directory == directoryA {
		directory = tenant.PartnerDirectory
	}
	if by.Kind != audit.Client || request.Borrower.ID != by.ID || !request.Borrower.MayBorrow(string(request.API), directory) {
		return token.Loan{}, failure.New(failure.BorrowerNotAllowed)
	}
	if f.err != nil {
		return token.Loan{}, f.err
	}
	f.lent++
	if directory == customer {
		r.Tenant.DirectoryID = customer
	}
	return token.Loan{API: request.API, AccessToken: secret.New(accessToken), ExpiresAt: f.ends, DirectoryID: r.Tenant.DirectoryID}, nil
}

func (f *fakeTokens) LendCached(context.Context, tenant.Resolved, token.LoanRequest, audit.Actor) (token.Loan, bool, error) {
	return f.cached, !f.cached.AccessToken.Empty() || f.cachedErr != nil, f.cachedErr
}

func (f *fakeTokens) Status(_ context.Context, r tenant.Resolved) (token.Status, error) {
	s := token.Status{State: token.StateAbsent, DirectoryID: r.Tenant.DirectoryID, Failure: &failure.Record{Code: failure.GrantAbsent}}
	if r.Tenant.ID == tenantA {
		s.State, s.Failure = token.StateActive, nil
		s.IssuedAt, s.ExpiresAt, s.DaysLeft, s.LastRenewalAt = f.ends.AddDate(0, 0, -10), f.ends.AddDate(0, 0, 80), 80, f.ends
		s.ConsentedBy = token.Person{Username: "admin@contoso.example", Name: "Ada"}
	}
	return s, f.err
}

func (f *fakeTokens) note(what, id string, by audit.Actor) (token.Status, error) {
	f.did = append(f.did, what+" "+id+" by "+string(by.Kind)+" "+by.ID)
	return token.Status{State: token.StateActive}, f.err
}

func (f *fakeTokens) Renew(_ context.Context, id string, by audit.Actor) (token.Status, error) {
	return f.note("renew", id, by)
}

func (f *fakeTokens) Check(_ context.Context, id string, by audit.Actor) (token.Status, error) {
	return f.note("check", id, by)
}

func (f *fakeTokens) History(_ context.Context, id string, _ time.Time, limit int) ([]audit.Event, error) {
	events := []audit.Event{{ID: "e1", At: f.ends, TenantID: id, Action: audit.GrantRenewed, Result: audit.OK}, {ID: "e2", TenantID: id}}
	return events[:min(limit, len(events))], f.err
}

func (f *fakeTokens) ListCustomers(_ context.Context, _ tenant.Resolved, _ audit.Actor) (token.CustomerList, error) {
	var list token.CustomerList
	for i := range 5 {
		list.Customers = append(list.Customers, token.CustomerStatus{
			Customer:      token.Customer{DirectoryID: fmt.Sprintf("cccccccc-0000-4000-8000-%012d", i), Name: fmt.Sprint("Customer ", i), Domain: fmt.Sprintf("c%d.example", i)},
			Relationships: []token.Relationship{{ID: "r", Active: i > 0, EndsAt: f.ends, Roles: []string{"role"}}}, Consent: token.Yes, Listed: true,
			CustomerRecord: token.CustomerRecord{ConsentedAt: f.ends, Scopes: map[token.API][]string{token.ARM: {"user_impersonation"}}, LastResult: audit.OK, LastAt: f.ends},
		})
	}
	list.Customers = slices.DeleteFunc(list.Customers, func(c token.CustomerStatus) bool { return c.Name == f.without })
	return list, f.err
}

func (f *fakeTokens) ConsentCustomer(_ context.Context, _ tenant.Resolved, directory string, by audit.Actor) (token.CustomerRecord, error) {
	_, err := f.note("consent", directory, by)
	return token.CustomerRecord{DirectoryID: directory, ConsentedAt: f.ends, Scopes: map[token.API][]string{token.ARM: {"user_impersonation"}}}, err
}

func (f *fakeTokens) WithdrawCustomer(_ context.Context, _ tenant.Resolved, directory string, by audit.Actor) (token.CustomerRecord, error) {
	_, err := f.note("withdraw", directory, by)
	return token.CustomerRecord{DirectoryID: directory}, err
}

type fakeTenants struct{}

func (f fakeTenants) FindRecent(ctx context.Context, id string) (tenant.Resolved, error) {
	return f.Find(ctx, id)
}

func (fakeTenants) Find(_ context.Context, id string) (tenant.Resolved, error) {
	names := map[string]string{tenantA: "Alpine Cloud", tenantB: "Baltic IT"}
	if names[id] == "" {
		return tenant.Resolved{}, failure.New(failure.NotFound)
	}
	r := tenant.Resolved{
		Tenant:   tenant.Tenant{ID: id, Name: names[id], InstanceKey: "key"},
		Instance: tenant.Instance{Key: "key", Settings: tenant.Settings{Cloud: "global"}},
	}
	if id == tenantA {
		r.Tenant.DirectoryID, r.Tenant.Directory = directoryA, "alpine.example"
	}
	return r, nil
}

func (f fakeTenants) Page(ctx context.Context, after string, limit int) (page []tenant.Resolved, err error) {
	for _, id := range []string{tenantA, tenantB} {
		if id > after && len(page) < limit {
			r, _ := f.Find(ctx, id)
			page = append(page, r)
		}
	}
	return page, nil
}

type fakeConsents struct{}

func (fakeConsents) Link(_ context.Context, id string, _ audit.Actor) (consent.Begun, error) {
	return consent.Begun{URL: "https://onboarding.example.com/consent/" + id, ExpiresAt: time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)}, nil
}

// Import implements api.Consents: it accepts one refresh token.
func (fakeConsents) Import(_ context.Context, id string, imported consent.Import, _ audit.Actor) (consent.Imported, error) {
	if id != tenantA || imported.RefreshToken.Reveal() != "c4n4ry-refresh-token" {
		return consent.Imported{}, failure.New(failure.ImportRefused, "application", "app-1")
	}
	return consent.Imported{ConsentedBy: token.Person{Username: "admin@partner.example"}, Waiting: true}, nil
}

type fakeResources struct{}

func (fakeResources) APIOf(_ tenant.Client, resource string) (token.API, bool) {
	return token.Graph, strings.TrimSuffix(resource, "/.default") == graph
}

// A document is openapi.json, by which answers are checked.
type document struct {
	paths    map[string]map[string]any // path → method → operation
	compiler *jsonschema.Compiler
}

func readDocument(t testing.TB) *document {
	t.Helper()
	text, err := os.ReadFile("openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	whole, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	d := &document{paths: map[string]map[string]any{}, compiler: jsonschema.NewCompiler()}
	if err := d.compiler.AddResource("openapi.json", whole); err != nil {
		t.Fatal(err)
	}
	for path, methods := range whole.(map[string]any)["paths"].(map[string]any) {
		d.paths[path] = methods.(map[string]any)
	}
	return d
}

// find returns the path of the document that an address belongs to; "" if it is none.
func (d *document) find(address string) string {
	best := ""
	for path := range d.paths {
		want, got := strings.Split(path, "/"), strings.Split(address, "/")
		if len(want) != len(got) {
			continue
		}
		same := true
		for i := range want {
			same = same && (want[i] == got[i] || strings.HasPrefix(want[i], "{"))
		}
		if same && (best == "" || strings.Count(path, "{") < strings.Count(best, "{")) {
			best = path
		}
	}
	return best
}

// check checks an answer against the schema of its operation.
func (d *document) check(t testing.TB, method, address string, a answer) {
	t.Helper()
	path := d.find(address)
	operation, ok := d.paths[path][strings.ToLower(method)].(map[string]any)
	if !ok {
		return // no operation
	}
	name := "default"
	if a.status == http.StatusOK {
		name = "200"
	}
	content := operation["responses"].(map[string]any)[name].(map[string]any)["content"].(map[string]any)
	kind, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	if _, ok := content[kind]; !ok {
		t.Errorf("%s %s = %q, want one of %v", method, address, kind, content)
		return
	}
	if kind != "application/json" {
		return
	}
	pointer := func(part string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(part) }
	schema, err := d.compiler.Compile("openapi.json#/paths/" + pointer(path) + "/" + strings.ToLower(method) + "/responses/" + name + "/content/" + pointer(kind) + "/schema")
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(a.body))
	if err != nil {
		t.Errorf("%s %s = %d, not JSON: %v", method, address, a.status, err)
		return
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("%s %s = %d %s, which openapi.json does not describe: %v", method, address, a.status, a.body, err)
	}
}

// A lockedBuffer is a buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// proxied makes the proxies of the handler trusted.
func proxied(networks ...string) func(*api.Config) {
	return func(cfg *api.Config) {
		for _, network := range networks {
			cfg.TrustedProxies = append(cfg.TrustedProxies, netip.MustParsePrefix(network))
		}
	}
}
