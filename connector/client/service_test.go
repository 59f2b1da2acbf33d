package client_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/client"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

const (
	tenantID = "7e000000-0000-4000-8000-000000000001"
	otherID  = "7e000000-0000-4000-8000-000000000002"
)

var operator = audit.Actor{Kind: audit.Operator, ID: "op", Name: "op"}

// A harness has a service with a movable clock on a real store.
type harness struct {
	*testing.T
	store *store.Store
	keys  *seal.Keyring
	clock time.Time
	tally *audit.Tally
	*client.Service
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	h := &harness{T: t, store: storetest.New(t), clock: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)}
	keys, err := seal.Create()
	if err != nil {
		t.Fatal(err)
	}
	h.keys, h.tally = keys, audit.NewTally(h.store, h.now)
	h.Service = h.service(h.store)
	return h
}

// service returns another service, as another process has it.
func (h *harness) service(st client.Store) *client.Service {
	h.Helper()
	s, err := client.New(client.Config{Store: st, Hasher: h.keys, Refusals: h.tally, Now: h.now})
	if err != nil {
		h.Fatal(err)
	}
	return s
}

func (h *harness) now() time.Time { return h.clock }

// billing returns a client as operators add it.
func billing() client.Client {
	return client.Client{Name: "billing", Scopes: client.Scopes{
		Tenants: []string{strings.ToUpper(tenantID)}, APIs: []string{"graph", "graph"}, Directories: []string{tenant.PartnerDirectory},
		Operations: []client.Operation{client.Lend},
	}}
}

func (h *harness) add(c client.Client) secret.Text {
	h.Helper()
	key, err := h.Add(h.Context(), c, operator)
	if err != nil {
		h.Fatalf("Add() = %v", err)
	}
	return key
}

func (h *harness) refused(what string, err error, want failure.Code) {
	h.Helper()
	if !failure.Is(err, want) {
		h.Errorf("%s = %v, want %s", what, err, want)
	}
}

// actions returns the actions of all events without a tenant, oldest first.
func (h *harness) actions() (actions []audit.Action) {
	h.Helper()
	events, err := h.store.Events(h.Context(), "", time.Time{}, 100)
	if err != nil {
		h.Fatal(err)
	}
	for _, e := range events {
		actions = append([]audit.Action{e.Action}, actions...)
	}
	return actions
}

func TestAdd_Refusals(t *testing.T) {
	h := newHarness(t)
	for name, change := range map[string]func(*client.Client){
		"no name":                func(c *client.Client) { c.Name = "" },
		"a name with capitals":   func(c *client.Client) { c.Name = "Billing" },
		"a name that is long":    func(c *client.Client) { c.Name = strings.Repeat("a", 65) },
		"a name with a colon":    func(c *client.Client) { c.Name = "a:b" },
		"no tenants":             func(c *client.Client) { c.Tenants = nil },
		"a tenant that is no id": func(c *client.Client) { c.Tenants = []string{"contoso"} },
		"no apis":                func(c *client.Client) { c.APIs = nil },
		"an unknown api":         func(c *client.Client) { c.APIs = []string{"sharepoint"} },
		"no directories":         func(c *client.Client) { c.Directories = nil },
		"a domain":               func(c *client.Client) { c.Directories = []string{"contoso.com"} },
		"any directory":          func(c *client.Client) { c.Directories = []string{client.Any} },
		"no operations":          func(c *client.Client) { c.Operations = nil },
		"an unknown operation":   func(c *client.Client) { c.Operations = []client.Operation{"delete"} },
		"over already":           func(c *client.Client) { c.ExpiresAt = h.clock },
	} {
		c := billing()
		change(&c)
		_, err := h.Add(t.Context(), c, operator)
		h.refused("Add() with "+name, err, failure.BadRequest)
	}
	h.add(billing())
	_, err := h.Add(t.Context(), billing(), operator)
	h.refused("Add() of a name that is taken", err, failure.BadRequest)
	if got := h.actions(); len(got) != 1 {
		t.Errorf("events = %v, want only that of the client", got)
	}
}

// TestOfTenant_HasWhoMayGetItsTokens leaves out the clients of others, those that do something else, and those that are refused.
func TestOfTenant_HasWhoMayGetItsTokens(t *testing.T) {
	h := newHarness(t)
	named := func(name string, tenants []string, operations ...client.Operation) client.Client {
		c := billing()
		c.Name, c.Tenants, c.Operations = name, tenants, operations
		return c
	}
	key := h.add(billing())
	h.add(named("reports", []string{client.Any}, client.Lend))
	h.add(named("of-another", []string{otherID}, client.Lend))
	h.add(named("reader", []string{tenantID}, client.Read, client.Renew))
	forwarding := named("forwarding", []string{otherID, tenantID}, client.Forward)
	rule, err := client.ParseRule("GET graph /v1.0/users")
	if err != nil {
		t.Fatal(err)
	}
	forwarding.Forward = []client.Rule{rule}
	h.add(forwarding)
	expiring := named("expiring", []string{tenantID}, client.Lend)
	expiring.ExpiresAt = h.clock.Add(time.Hour)
	h.add(expiring)
	h.add(named("without-key", []string{tenantID}, client.Lend))
	keys, err := h.store.Keys(t.Context(), "without-key")
	if err != nil || len(keys) != 1 {
		t.Fatalf("Keys() = %d, %v", len(keys), err)
	}
	if err := h.RemoveKey(t.Context(), "without-key", keys[0].ID, operator); err != nil {
		t.Fatal(err)
	}
	h.clock = h.clock.Add(2 * time.Hour)
	if _, err := h.Authenticate(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	got, err := h.OfTenant(t.Context(), tenantID)
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]time.Time{}
	var names []string
	for _, c := range got {
		names = append(names, c.Name)
		used[c.Name] = c.LastUsedAt
	}
	if want := []string{"billing", "forwarding", "reports"}; !slices.Equal(names, want) {
		t.Errorf("OfTenant() = %q, want %q", names, want)
	}
	if !used["billing"].Equal(h.clock) || !used["reports"].IsZero() {
		t.Errorf("last used = %v, want billing now and reports never", used)
	}
}

func TestAuthenticate_KnowsAKeyAndNothingLikeIt(t *testing.T) {
	h := newHarness(t)
	key := h.add(billing())
	c, err := h.Authenticate(t.Context(), key)
	if err != nil || c.Name != "billing" || !c.HasTenant(tenantID) || c.HasTenant(otherID) || !c.Borrower().MayBorrow("graph", tenant.PartnerDirectory) || c.Borrower().MayBorrow("arm", tenant.PartnerDirectory) {
		t.Errorf("Authenticate() = %+v, %v, want billing and its scopes", c, err)
	}
	if only, ok := c.OnlyTenant(); !ok || only != tenantID {
		t.Errorf("OnlyTenant() = %q, %t, want %s in lower case", only, ok, tenantID)
	}
	text := key.Reveal()
	for name, wrong := range map[string]string{
		"no key": "", "its name": "billing", "a prefix": text[:len(text)-1], "more": text + "A", "another case": strings.ToUpper(text),
		"another end": text[:len(text)-2] + "__",
	} {
		_, err := h.Authenticate(t.Context(), secret.New(wrong))
		h.refused("Authenticate() with "+name, err, failure.KeyUnknown)
	}
	if got := h.actions(); len(got) != 1 {
		t.Errorf("events = %v, want none of unknown keys", got)
	}
}

// TestAuthenticate_NeverStoresTheKey looks for the key in everything that is stored.
func TestAuthenticate_NeverStoresTheKey(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s, err := client.New(client.Config{Store: db.Open(t), Hasher: db.Keyring, Refusals: audit.NewTally(db.Open(t), time.Now)})
		if err != nil {
			t.Fatal(err)
		}
		key, err := s.Add(t.Context(), billing(), operator)
		if err != nil {
			t.Fatal(err)
		}
		if len(key.Reveal()) != len("apck_")+43 {
			t.Errorf("Add() = a key of %d characters, want 256 bits", len(key.Reveal()))
		}
		if strings.Contains(db.Dump(t), key.Reveal()[5:]) {
			t.Error("the database contains the key")
		}
	})
}

func TestAuthenticate_Expired(t *testing.T) {
	h := newHarness(t)
	c := billing()
	c.ExpiresAt = h.clock.Add(48 * time.Hour)
	first := h.add(c)
	second, err := h.AddKey(t.Context(), c.Name, h.clock.Add(time.Hour), operator)
	if err != nil {
		t.Fatal(err)
	}
	h.clock = h.clock.Add(time.Hour)
	got, err := h.Authenticate(t.Context(), second)
	h.refused("Authenticate() with a key that expired", err, failure.KeyExpired)
	if got.Name != c.Name {
		t.Errorf("Authenticate() with a key that expired = client %q, want it named", got.Name)
	}
	if _, err := h.Authenticate(t.Context(), first); err != nil {
		t.Errorf("Authenticate() with the other key = %v", err)
	}
	h.clock = h.clock.Add(47 * time.Hour)
	_, err = h.Authenticate(t.Context(), first)
	h.refused("Authenticate() of a client that expired", err, failure.KeyExpired)
	_, err = h.AddKey(t.Context(), c.Name, time.Time{}, operator)
	h.refused("AddKey() of a client that expired", err, failure.BadRequest)
}

// TestRotate_BothKeysWorkUntilOneIsRemoved adds a second key, and removes the first one once the program has the second.
func TestRotate_BothKeysWorkUntilOneIsRemoved(t *testing.T) {
	h := newHarness(t)
	first := h.add(billing())
	second, err := h.AddKey(t.Context(), "billing", time.Time{}, operator)
	if err != nil || second == first {
		t.Fatalf("AddKey() = %v, want another key", err)
	}
	for _, key := range []secret.Text{first, second} {
		if _, err := h.Authenticate(t.Context(), key); err != nil {
			t.Errorf("Authenticate() = %v, want both keys to work", err)
		}
	}
	listed, err := h.List(t.Context())
	if err != nil || len(listed) != 1 || len(listed[0].Keys) != 2 {
		t.Fatalf("List() = %+v, %v, want one client with two keys", listed, err)
	}
	used := listed[0].Keys[0]
	if !used.LastUsedAt.Equal(h.clock) {
		t.Errorf("the key was used last at %s, want %s", used.LastUsedAt, h.clock)
	}
	h.refused("RemoveKey() of another client", h.RemoveKey(t.Context(), "nobody", used.ID, operator), failure.NotFound)
	h.refused("RemoveKey() of an unknown key", h.RemoveKey(t.Context(), "billing", "none", operator), failure.NotFound)
	for _, k := range listed[0].Keys {
		if err := h.RemoveKey(t.Context(), "billing", k.ID, operator); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []secret.Text{first, second} {
		_, err := h.Authenticate(t.Context(), key)
		h.refused("Authenticate() with a removed key", err, failure.KeyUnknown)
	}
	if err := h.Remove(t.Context(), "billing", operator); err != nil {
		t.Errorf("Remove() = %v", err)
	}
	h.refused("Remove() again", h.Remove(t.Context(), "billing", operator), failure.NotFound)
	_, err = h.AddKey(t.Context(), "billing", time.Time{}, operator)
	h.refused("AddKey() of a removed client", err, failure.NotFound)
	want := []audit.Action{audit.ClientAdded, audit.ClientKeyAdded, audit.ClientKeyRemoved, audit.ClientKeyRemoved, audit.ClientRemoved}
	if got := h.actions(); len(got) != len(want) {
		t.Errorf("events = %v, want %v", got, want)
	}
}

func TestAddKey_Bounded(t *testing.T) {
	h := newHarness(t)
	h.add(billing())
	var err error
	for range 20 {
		if _, err = h.AddKey(t.Context(), "billing", time.Time{}, operator); err != nil {
			break
		}
	}
	h.refused("AddKey() without end", err, failure.BadRequest)
}

// TestAdd_LongestScopes stores the longest scopes, and refuses longer ones.
func TestAdd_LongestScopes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s, err := client.New(client.Config{Store: db.Open(t), Hasher: db.Keyring, Refusals: audit.NewTally(db.Open(t), time.Now)})
		if err != nil {
			t.Fatal(err)
		}
		c := billing()
		c.Name = strings.Repeat("a", 64)
		c.APIs, c.Operations = tenant.APIs(), client.Operations()
		c.Tenants, c.Directories = nil, nil
		for i := range 200 {
			id := "7e000000-0000-4000-8000-0000000" + string([]byte{'0' + byte(i/100), '0' + byte(i/10%10), '0' + byte(i%10)}) + "00"
			c.Tenants, c.Directories = append(c.Tenants, id), append(c.Directories, id)
		}
		var methods []string
		for i := range 16 {
			methods = append(methods, strings.Repeat("M", 15)+string([]byte{'A' + byte(i)}))
		}
		for range 64 {
			c.Forward = append(c.Forward, client.Rule{API: "partnercenter", Methods: methods, Path: "/" + strings.Repeat("p", 299)})
		}
		key, err := s.Add(t.Context(), c, operator)
		if err != nil {
			t.Fatalf("Add() = %v", err)
		}
		if got, err := s.Authenticate(t.Context(), key); err != nil || len(got.Tenants) != 200 || len(got.Forward) != 64 {
			t.Errorf("Authenticate() = %d tenants and %d rules, %v, want 200 and 64", len(got.Tenants), len(got.Forward), err)
		}
		db.CheckBounds(t)
		c.Name, c.Tenants = "more", append(c.Tenants, tenantID)
		if _, err := s.Add(t.Context(), c, operator); !failure.Is(err, failure.BadRequest) {
			t.Errorf("Add() with more = %v, want %s", err, failure.BadRequest)
		}
	})
}

func TestRefused_CountsPerClientAndMinute(t *testing.T) {
	h := newHarness(t)
	c := client.Client{Name: "billing"}
	for range 100 {
		if err := h.Refused(t.Context(), c, errors.Join(failure.New(failure.ClientNotAllowed)), nil); err != nil {
			t.Fatal(err)
		}
	}
	h.clock = h.clock.Add(time.Minute)
	if err := h.tally.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	events, err := h.store.Events(t.Context(), "", time.Time{}, 10)
	if err != nil || len(events) != 2 || events[0].Details["count"] != "99" || events[0].Result != string(failure.ClientNotAllowed) {
		t.Errorf("events = %+v, %v, want the first refusal, and one event for the other 99", events, err)
	}
}

// TestAdd_Rules stores rules that can be forwarded, and refuses those that mean something else than they seem to.
func TestAdd_Rules(t *testing.T) {
	h := newHarness(t)
	forwards := func(rules ...client.Rule) client.Client {
		c := billing()
		c.Name, c.APIs, c.Operations, c.Forward = "forwards", []string{"graph"}, []client.Operation{client.Forward}, rules
		return c
	}
	users := client.Rule{API: "graph", Methods: []string{"GET"}, Path: "/v1.0/users/**"}
	for name, c := range map[string]client.Client{
		"no rule":            forwards(),
		"another api":        forwards(client.Rule{API: "arm", Methods: []string{"GET"}, Path: "/subscriptions"}),
		"no method":          forwards(client.Rule{API: "graph", Path: "/v1.0/users"}),
		"a method in small":  forwards(client.Rule{API: "graph", Methods: []string{"get"}, Path: "/v1.0/users"}),
		"CONNECT":            forwards(client.Rule{API: "graph", Methods: []string{"CONNECT"}, Path: "/v1.0/users"}),
		"a relative path":    forwards(client.Rule{API: "graph", Methods: []string{"GET"}, Path: "v1.0/users"}),
		"an empty segment":   forwards(client.Rule{API: "graph", Methods: []string{"GET"}, Path: "/v1.0//users"}),
		"a slash at the end": forwards(client.Rule{API: "graph", Methods: []string{"GET"}, Path: "/v1.0/"}),
		"dots":               forwards(client.Rule{API: "graph", Methods: []string{"GET"}, Path: "/v1.0/../users"}),
		"a star in a word":   forwards(client.Rule{API: "graph", Methods: []string{"GET"}, Path: "/v1.0/us*"}),
		"encoded":            forwards(client.Rule{API: "graph", Methods: []string{"GET"}, Path: "/v1.0/%24batch"}),
		"without width":      forwards(client.Rule{API: "graph", Methods: []string{"GET"}, Path: "/v1.0/us\u200bers"}),
		"a wide slash":       forwards(client.Rule{API: "graph", Methods: []string{"GET"}, Path: "/v1.0／users"}),
		"a query":            forwards(client.Rule{API: "graph", Methods: []string{"GET"}, Path: "/v1.0/users?x"}),
		"too long":           forwards(client.Rule{API: "graph", Methods: []string{"GET"}, Path: "/" + strings.Repeat("p", 300)}),
	} {
		_, err := h.Add(t.Context(), c, operator)
		h.refused("Add() with "+name, err, failure.BadRequest)
	}
	without := billing()
	without.Name, without.Forward = "without", []client.Rule{users}
	_, err := h.Add(t.Context(), without, operator)
	h.refused("Add() with rules and without the operation", err, failure.BadRequest)

	key, err := h.Add(t.Context(), forwards(users), operator)
	if err != nil {
		t.Fatal(err)
	}
	c, err := h.Authenticate(t.Context(), key)
	if err != nil || len(c.Forward) != 1 || c.Forward[0].String() != "GET graph /v1.0/users/**" {
		t.Errorf("Authenticate() = %v, %v, want the rule", c.Forward, err)
	}
	if parsed, err := client.ParseRule(c.Forward[0].String()); err != nil || parsed.String() != c.Forward[0].String() {
		t.Errorf("ParseRule(%q) = %v, %v, want the same rule", c.Forward[0], parsed, err)
	}
	if _, err := client.ParseRule("GET /v1.0/users"); err == nil {
		t.Error("ParseRule() without an api = nil, want an error")
	}
}
