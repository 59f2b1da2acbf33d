package tenant_test

import (
	"context"
	"encoding/hex"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

const (
	key        = "key-1"
	otherKey   = "key-2"
	rootID     = "11111111-0000-4000-8000-000000000001"
	otherRoot  = "11111111-0000-4000-8000-000000000002"
	tenantID   = "22222222-0000-4000-8000-000000000001"
	otherID    = "22222222-0000-4000-8000-000000000002"
	appID      = "33333333-0000-4000-8000-00000000abcd"
	otherAppID = "33333333-0000-4000-8000-000000000002"
	alpineID   = "44444444-0000-4000-8000-000000000001"
	balticID   = "44444444-0000-4000-8000-000000000002"
	alpine     = "alpine.onmicrosoft.com"
	baltic     = "baltic.onmicrosoft.com"
)

func platform() audit.Actor { return audit.Actor{Kind: audit.Platform, Name: "platform"} }

// application returns an application with a client secret; an empty secret keeps the stored one.
func application(id, clientSecret string) tenant.Application {
	return tenant.Application{ID: id, Secret: tenant.Credential{Value: secret.New(clientSecret)}}
}

func secretOf(a tenant.Application) string { return a.Secret.Value.Reveal() }

// A directories resolves the directories alpine and baltic, or fails with the error that a test sets.
type directories struct {
	mu  sync.Mutex // guards err
	err error
}

func (d *directories) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

// ResolveDirectory implements tenant.Directories.
func (d *directories) ResolveDirectory(_ context.Context, _, directory string) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return "", d.err
	}
	id, known := map[string]string{alpine: alpineID, alpineID: alpineID, baltic: balticID}[directory]
	if !known {
		return "", failure.New(failure.DirectoryUnknown, "directory", directory)
	}
	return id, nil
}

// A recordingSealer records what it sealed.
type recordingSealer struct {
	store.Keyring
	mu     sync.Mutex // guards sealed
	sealed []string   // in hexadecimal digits
}

// Seal implements store.Keyring.
func (r *recordingSealer) Seal(plaintext []byte, table, row, column string, bound ...string) ([]byte, error) {
	ciphertext, err := r.Keyring.Seal(plaintext, table, row, column, bound...)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sealed = append(r.sealed, hex.EncodeToString(ciphertext))
	return ciphertext, err
}

// A harness is a service on a real store, with a clock that the test moves.
type harness struct {
	*testing.T
	*tenant.Service
	store       *store.Store
	db          *storetest.Database
	sealer      *recordingSealer
	directories *directories
	clock       time.Time
}

func newHarness(t *testing.T) *harness { return newHarnessOn(t, storetest.SQLite(t)) }

func newHarnessOn(t *testing.T, db *storetest.Database) *harness {
	t.Helper()
	h := &harness{
		T: t, db: db, sealer: &recordingSealer{Keyring: db.Keyring}, directories: &directories{},
		clock: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC),
	}
	h.store = db.Open(t, func(cfg *store.Config) { cfg.Keyring = h.sealer })
	h.Service = h.service(h.store)
	return h
}

// replica returns another service, with its own store on the same database.
func (h *harness) replica() *tenant.Service {
	h.Helper()
	return h.service(h.db.Open(h.T, func(cfg *store.Config) { cfg.Keyring = h.sealer }))
}

func (h *harness) service(st *store.Store) *tenant.Service {
	h.Helper()
	s, err := tenant.New(tenant.Config{Store: st, Directories: h.directories, Clouds: []string{"china", "global"}, Now: func() time.Time { return h.clock }})
	if err != nil {
		h.Fatalf("New() = %v", err)
	}
	return s
}

// instance returns what the platform sends when it provisions the root of a key.
func instance(key, rootID string) tenant.Instance {
	return tenant.Instance{
		Key: key, ID: "aps-" + key, RootID: rootID, ControllerURI: "https://controller.example.com:6308/", PackageVersion: "1-1",
		Settings: tenant.Settings{Application: application(appID, "first-secret"), Borrowers: []tenant.Borrower{tenant.NewBorrower("aps-csp")}},
	}
}

// reseller returns what the platform sends when it provisions a tenant.
func reseller(id, directory string) tenant.Tenant {
	return tenant.Tenant{
		ID: id, InstanceKey: key, AccountID: "account-" + id, SubscriptionID: "subscription-" + id, Name: "Reseller " + id,
		Marketplace: "Larkfield", Directory: directory, Application: application(otherAppID, "tenant-secret"),
	}
}

func (h *harness) install(in tenant.Instance) tenant.Instance {
	h.Helper()
	stored, err := h.Install(h.Context(), in, platform())
	if err != nil {
		h.Fatalf("Install(%s) = %v", in.Key, err)
	}
	return stored
}

func (h *harness) provision(t tenant.Tenant) tenant.Tenant {
	h.Helper()
	stored, err := h.Provision(h.Context(), t, platform())
	if err != nil {
		h.Fatalf("Provision(%s) = %v", t.ID, err)
	}
	return stored
}

func (h *harness) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// stored reads an instance from the database.
func (h *harness) stored(key string) tenant.Instance {
	h.Helper()
	in, err := h.store.Instance(h.Context(), key)
	h.must(err)
	return in
}

// storedTenant reads a tenant from the database.
func (h *harness) storedTenant(id string) tenant.Tenant {
	h.Helper()
	t, err := h.store.Tenant(h.Context(), id)
	h.must(err)
	return t
}

// checkFailure asserts the code with which a call failed.
func (h *harness) checkFailure(call string, err error, code failure.Code) {
	h.Helper()
	if !failure.Is(err, code) {
		h.Errorf("%s = %v, want the failure %s", call, err, code)
	}
}

// checkSame asserts that two instances or tenants are equal except for their row versions.
func (h *harness) checkSame(what string, got, want any) {
	h.Helper()
	ignored := cmp.Options{
		cmpopts.IgnoreFields(tenant.Instance{}, "Version"), cmpopts.IgnoreFields(tenant.Tenant{}, "Version"),
		cmp.Comparer(func(a, b secret.Text) bool { return a.Reveal() == b.Reveal() }), cmpopts.EquateEmpty(),
	}
	if diff := cmp.Diff(want, got, ignored); diff != "" {
		h.Errorf("%s differs (-want +got):\n%s", what, diff)
	}
}

// checkActions asserts the events of a tenant, or of instances for an empty ID, oldest first.
func (h *harness) checkActions(tenantID string, want ...audit.Action) {
	h.Helper()
	events, err := h.store.Events(h.Context(), tenantID, time.Time{}, 100)
	h.must(err)
	var got []audit.Action
	for _, e := range events {
		got = append([]audit.Action{e.Action}, got...)
		if e.Result != audit.OK || e.Actor != platform() {
			h.Errorf("the event %s ended as %q by %v, want ok by the platform", e.Action, e.Result, e.Actor)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		h.Errorf("events of %q differ (-want +got):\n%s", tenantID, diff)
	}
}

// sealedLeft counts the sealed values that are still in the database.
func (h *harness) sealedLeft() int {
	h.Helper()
	dump := h.db.Dump(h.T)
	h.sealer.mu.Lock()
	defer h.sealer.mu.Unlock()
	left := 0
	for _, value := range h.sealer.sealed {
		if strings.Contains(dump, value) {
			left++
		}
	}
	return left
}

// ConfigureTenant resolves the tenant first, as the hooks do.
func (h *harness) ConfigureTenant(ctx context.Context, t tenant.Tenant, by audit.Actor) (tenant.Tenant, error) {
	stored, err := h.Resolve(ctx, t.InstanceKey, t.ID)
	if err != nil {
		return tenant.Tenant{}, err
	}
	return h.Service.ConfigureTenant(ctx, stored, t, by)
}
