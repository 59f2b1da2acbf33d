package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"time"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/hooks"
)

// serveConnector runs the connector with a fake Microsoft:
//
//	connector CONFIGURATION      all of it
//	connector in-memory SECRET   the hooks' handler and the token service, with a map in place of the database
//	connector cached COUNT       the token service with so many access tokens in memory
func serveConnector(ctx context.Context, arguments []string, in io.Reader, out io.Writer) error {
	switch {
	case len(arguments) == 1:
		return runApp(ctx, arguments[0], in, out)
	case len(arguments) == 2 && arguments[0] == "in-memory":
		return runLending(ctx, secret.New(arguments[1]), in, out)
	case len(arguments) == 2 && arguments[0] == "cached":
		return runCached(ctx, arguments[1], in, out)
	}
	return errors.New("usage: connector CONFIGURATION, connector in-memory SECRET, or connector cached COUNT")
}

// runApp does the same as `connector serve`, but with the fake Microsoft.
func runApp(ctx context.Context, file string, in io.Reader, out io.Writer) error {
	cfg, err := config.Load(file, nil)
	if err != nil {
		return err
	}
	ms := newFakeMicrosoft()
	ms.keepsToken = true
	connector, err := app.New(ctx, cfg, app.Options{
		Log:   slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: cfg.Log.Level})),
		Watch: func(token.Microsoft) token.Microsoft { return ms },
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, in)
		stop()
	}()
	fmt.Fprintln(out, cfg.Hooks.Listen) // it listens already
	return connector.Run(ctx)
}

func runLending(ctx context.Context, shared secret.Text, in io.Reader, out io.Writer) error {
	m := newMemoryStore()
	tokens, err := token.New(token.Config{Store: m, Microsoft: newFakeMicrosoft()})
	if err != nil {
		return err
	}
	handler, err := hooks.New(hooks.Config{
		PublicURL:   publicURL,
		Credentials: func(string) ([]secret.Text, bool) { return []secret.Text{shared}, true },
		Tenants:     memoryTenants{m: m}, Tokens: tokens, Consents: noConsents{}, Accounts: noAccounts{}, Nonces: m,
	})
	if err != nil {
		return err
	}
	return serveUntil(ctx, handler, in, out)
}

// runCached fills the memory of a token service, prints a line, and does nothing more until its input ends.
func runCached(ctx context.Context, number string, in io.Reader, out io.Writer) error {
	count, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	m, ms := newMemoryStore(), newFakeMicrosoft()
	ms.keepsToken = true
	m.instance.Settings.CustomerDirectories = tenant.AnyCustomers
	tokens, err := token.New(token.Config{Store: m, Microsoft: ms, CustomerTokens: count, Redemptions: 12})
	if err != nil {
		return err
	}
	r := tenant.Resolved{Tenant: m.tenant, Instance: m.instance}
	borrower := tenant.Borrower{ID: borrowerID, APIs: tenant.APIs(), Directories: []string{tenant.CustomerDirectories}}
	by := audit.Actor{Kind: audit.Application, ID: borrowerID}
	for range count {
		if _, err := tokens.Lend(ctx, r, token.LoanRequest{API: token.Graph, Directory: random.ID(), Borrower: &borrower}, by); err != nil {
			return err
		}
	}
	fmt.Fprintln(out, "ready")
	_, err = io.Copy(io.Discard, in)
	runtime.KeepAlive(tokens)
	return err
}

// storedTenant is the ID of the one tenant in a memoryStore.
const storedTenant = "be7c0000-0000-4000-8000-000000000003"

// A memoryStore is the part of a database that the token service and the hooks' handler need to lend from one grant.
type memoryStore struct {
	token.Store // methods that lending never calls

	tenant   tenant.Tenant
	instance tenant.Instance
	grant    token.Grant
}

func newMemoryStore() *memoryStore {
	now := time.Now().UTC()
	t := newTenant(0, now)
	t.ID = storedTenant
	return &memoryStore{tenant: t, instance: newInstance(now), grant: newGrant(t, now)}
}

// Transact implements token.Store.
func (m *memoryStore) Transact(ctx context.Context, fn func(ctx context.Context) error) error {
	return fn(ctx)
}

// Snapshot implements token.Store.
func (m *memoryStore) Snapshot(context.Context, string) (token.Snapshot, error) {
	return token.Snapshot{Active: &m.grant}, nil
}

// Resolve implements tenant.Resolver.
func (m *memoryStore) Resolve(context.Context, string) (tenant.Resolved, error) {
	return tenant.Resolved{Tenant: m.tenant, Instance: m.instance}, nil
}

// SaveCustomerResult implements token.Store.
func (m *memoryStore) SaveCustomerResult(context.Context, token.CustomerRecord) error { return nil }

// ResolveWithSnapshot implements token.Store.
func (m *memoryStore) ResolveWithSnapshot(context.Context, string) (tenant.Resolved, token.Snapshot, error) {
	return tenant.Resolved{Tenant: m.tenant, Instance: m.instance}, token.Snapshot{Active: &m.grant}, nil
}

// Grant implements token.Store.
func (m *memoryStore) Grant(context.Context, string, token.Slot) (token.Grant, error) {
	return m.grant, nil
}

// SaveGrant implements token.Store.
func (m *memoryStore) SaveGrant(context.Context, *token.Grant) error { return nil }

// SavePredecessor implements token.Store.
func (m *memoryStore) SavePredecessor(context.Context, token.Grant) error { return nil }

// AppendEvent implements token.Store.
func (m *memoryStore) AppendEvent(context.Context, audit.Event) error { return nil }

// RememberNonce implements hooks.Nonces.
func (m *memoryStore) RememberNonce(context.Context, string, string, time.Time, time.Time) (bool, error) {
	return true, nil
}

// ForgetNonce implements hooks.Nonces.
func (m *memoryStore) ForgetNonce(context.Context, string, string) error { return nil }

type unusedTenants = hooks.Tenants

// memoryTenants is a memoryStore as the hooks' handler sees it.
type memoryTenants struct {
	unusedTenants // methods that lending never calls

	m *memoryStore
}

// Resolve implements hooks.Tenants.
func (t memoryTenants) Resolve(context.Context, string, string) (tenant.Resolved, error) {
	return tenant.Resolved{Tenant: t.m.tenant, Instance: t.m.instance}, nil
}

// NoteController implements hooks.Tenants.
func (memoryTenants) NoteController(_ context.Context, in tenant.Instance, _ string) (tenant.Instance, error) {
	return in, nil
}

type noConsents struct{ hooks.Consents }

type noAccounts struct{}

// UserAccount implements hooks.Accounts.
func (noAccounts) UserAccount(context.Context, tenant.Instance, string) (tenant.Account, error) {
	return tenant.Account{}, failure.New(failure.NotFound)
}

// Account implements hooks.Accounts.
func (noAccounts) Account(context.Context, tenant.Instance, string) (tenant.Account, error) {
	return tenant.Account{}, failure.New(failure.NotFound)
}
