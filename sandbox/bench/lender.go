package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/hooks"
)

// lender plays the connector where it needs a Microsoft:
//
//	lender CONFIGURATION   all of it
//	lender memory SECRET   door and custody, with a memory in place of the database
func lender(ctx context.Context, arguments []string, in io.Reader, out io.Writer) error {
	switch {
	case len(arguments) == 1:
		return lendAll(ctx, arguments[0], in, out)
	case len(arguments) == 2 && arguments[0] == "memory":
		return lendFromMemory(ctx, secret.New(arguments[1]), in, out)
	}
	return errors.New("lender CONFIGURATION, or lender memory SECRET")
}

// lendAll is what `connector serve` does, but for Microsoft.
func lendAll(ctx context.Context, file string, in io.Reader, out io.Writer) error {
	cfg, err := config.Load(file, nil)
	if err != nil {
		return err
	}
	ms := newPrompt()
	ms.keeps = true
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

func lendFromMemory(ctx context.Context, shared secret.Text, in io.Reader, out io.Writer) error {
	m := newMemory()
	tokens, err := token.New(token.Config{Store: m, Microsoft: newPrompt()})
	if err != nil {
		return err
	}
	door, err := hooks.New(hooks.Config{
		PublicURL:   publicURL,
		Credentials: func(string) ([]secret.Text, bool) { return []secret.Text{shared}, true },
		Tenants:     memorizedTenants{m: m}, Tokens: tokens, Consents: noConsents{}, Accounts: noAccounts{}, Nonces: m,
	})
	if err != nil {
		return err
	}
	return serveUntil(ctx, door, in, out)
}

// memoryTenant is the id of the one tenant in a memory.
const memoryTenant = "be7c0000-0000-4000-8000-000000000003"

// A memory is what custody and door need of a database to lend from one tenant's grant, without the database.
type memory struct {
	token.Store // what lending never calls

	tenant   tenant.Tenant
	instance tenant.Instance
	grant    token.Grant
}

func newMemory() *memory {
	now := time.Now().UTC()
	t := newTenant(0, now)
	t.ID = memoryTenant
	return &memory{tenant: t, instance: newInstance(now), grant: newGrant(t, now)}
}

// Transact implements token.Store.
func (m *memory) Transact(ctx context.Context, fn func(ctx context.Context) error) error {
	return fn(ctx)
}

// Snapshot implements token.Store.
func (m *memory) Snapshot(context.Context, string) (token.Snapshot, error) {
	return token.Snapshot{Active: &m.grant}, nil
}

// Grant implements token.Store.
func (m *memory) Grant(context.Context, string, token.Slot) (token.Grant, error) { return m.grant, nil }

// SaveGrant implements token.Store.
func (m *memory) SaveGrant(context.Context, *token.Grant) error { return nil }

// SavePredecessor implements token.Store.
func (m *memory) SavePredecessor(context.Context, token.Grant) error { return nil }

// AppendEvent implements token.Store.
func (m *memory) AppendEvent(context.Context, audit.Event) error { return nil }

// RememberNonce implements hooks.Nonces.
func (m *memory) RememberNonce(context.Context, string, string, time.Time, time.Time) (bool, error) {
	return true, nil
}

type unusedTenants = hooks.Tenants

// memorizedTenants is the door's view of a memory.
type memorizedTenants struct {
	unusedTenants // what lending never calls

	m *memory
}

// Resolve implements hooks.Tenants.
func (t memorizedTenants) Resolve(context.Context, string, string) (tenant.Resolved, error) {
	return tenant.Resolved{Tenant: t.m.tenant, Instance: t.m.instance}, nil
}

// Seen implements hooks.Tenants.
func (memorizedTenants) Seen(_ context.Context, in tenant.Instance, _, _ string) (tenant.Instance, error) {
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
