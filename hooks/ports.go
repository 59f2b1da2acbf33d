package hooks

import (
	"context"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/client"
	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// Tenants stores instances and tenants; tenant.Service implements it.
type Tenants interface {
	Install(ctx context.Context, in tenant.Instance, by audit.Actor) (tenant.Instance, error)
	Configure(ctx context.Context, key string, settings tenant.Settings, by audit.Actor) (tenant.Instance, error)
	Upgrade(ctx context.Context, key, from, to string, settings tenant.Settings, by audit.Actor) (tenant.Instance, error)
	Remove(ctx context.Context, key string, by audit.Actor) error
	// NoteController takes the controller's address that a request names, which doesn't replace a stored one, and returns the
	// instance to serve the request with.
	NoteController(ctx context.Context, in tenant.Instance, named string) (tenant.Instance, error)
	// RecordRefusal appends the event that somebody may not call an operation.
	RecordRefusal(ctx context.Context, instanceKey, tenantID, operation string, by audit.Actor) error
	Instance(ctx context.Context, key string) (tenant.Instance, error)

	Provision(ctx context.Context, t tenant.Tenant, by audit.Actor) (tenant.Tenant, error)
	ConfigureTenant(ctx context.Context, stored tenant.Resolved, t tenant.Tenant, by audit.Actor) (tenant.Tenant, error)
	// TestCredentials tries the credentials of a tenant's own application at Microsoft, and stores nothing but an event.
	TestCredentials(ctx context.Context, stored tenant.Resolved, entered tenant.Tenant, by audit.Actor) ([]tenant.CredentialTest, error)
	Unprovision(ctx context.Context, instanceKey, id string, by audit.Actor) error
	Suspend(ctx context.Context, instanceKey, id string, suspended bool, by audit.Actor) (tenant.Tenant, error)
	Tenant(ctx context.Context, instanceKey, id string) (tenant.Tenant, error)
	// Resolve returns the instance even when it has no such tenant and the error is not_found.
	Resolve(ctx context.Context, instanceKey, id string) (tenant.Resolved, error)
	Tenants(ctx context.Context, instanceKey string) ([]tenant.Tenant, error)
	Rename(ctx context.Context, instanceKey, id, name, marketplace string, by audit.Actor) error

	// Link makes an account the owner of a tenant. Another account than the owner is a move, which may be refused.
	Link(ctx context.Context, instanceKey, id, before, accountID string, by audit.Actor) (tenant.Tenant, error)
	Unlink(ctx context.Context, instanceKey, id, accountID string, by audit.Actor) (tenant.Tenant, error)
	// MayMove returns the failure with which Link would refuse a move.
	MayMove(ctx context.Context, t tenant.Tenant) error
	LinkSubscription(ctx context.Context, instanceKey, id, subscriptionID string, by audit.Actor) (tenant.Tenant, error)
	// Recognize records that the platform has a tenant after all.
	Recognize(ctx context.Context, instanceKey, id string, by audit.Actor) (tenant.Tenant, error)
}

// Tokens reads, renews, checks, deletes and lends tokens; token.Service implements it.
type Tokens interface {
	Status(ctx context.Context, r tenant.Resolved) (token.Status, error)
	// ReadTenant and StatusOf are the two steps of Status: reading, which changes nothing, and judging what was read. A tenant of
	// another instance is not found.
	ReadTenant(ctx context.Context, instanceKey, tenantID string) (tenant.Resolved, token.Snapshot, error)
	StatusOf(r tenant.Resolved, snapshot token.Snapshot) token.Status
	List(ctx context.Context, q token.Query) (token.List, error)
	Renew(ctx context.Context, tenantID string, by audit.Actor) (token.Status, error)
	Check(ctx context.Context, tenantID string, by audit.Actor) (token.Status, error)
	Forget(ctx context.Context, tenantID string, by audit.Actor) (token.Status, error)
	HistoryOf(ctx context.Context, tenantID string, lendings token.Lendings, before time.Time, limit int) ([]audit.Event, error)
	Lend(ctx context.Context, r tenant.Resolved, request token.LoanRequest, by audit.Actor) (token.Loan, error)
	// LendCached is Lend of what is in memory, and calls nobody. ok is false if Lend has to decide.
	LendCached(ctx context.Context, r tenant.Resolved, request token.LoanRequest, by audit.Actor) (loan token.Loan, ok bool, err error)
	ListCustomers(ctx context.Context, r tenant.Resolved, by audit.Actor) (token.CustomerList, error)
	ConsentCustomer(ctx context.Context, r tenant.Resolved, directory string, by audit.Actor) (token.CustomerRecord, error)
	WithdrawCustomer(ctx context.Context, r tenant.Resolved, directory string, by audit.Actor) (token.CustomerRecord, error)
}

// Consents runs the consent procedures; consent.Service implements it.
type Consents interface {
	Begin(ctx context.Context, tenantID string, request consent.Request, by audit.Actor) (consent.Begun, error)
	Link(ctx context.Context, tenantID string, by audit.Actor) (consent.Begun, error)
	Find(ctx context.Context, tenantID, consentID string) (consent.Found, error)
	// Current returns the link that works and the automatic consent that is running or has just ended. It changes nothing.
	Current(ctx context.Context, r tenant.Resolved) (consent.Current, error)
	Redeem(ctx context.Context, tenantID, input string, by audit.Actor) (token.Person, error)
	// StartURL returns the page that a panel opens before Begin; "" when no panel may know its browser.
	StartURL(instanceKey string) string
	// UnlistedOrigins returns the panels of an instance that could not learn their browser: tenant ID → origin.
	UnlistedOrigins(ctx context.Context, instanceKey string) (map[string]string, error)
}

// Reminders reminds resellers that their tokens need a person; notify.Service implements it.
type Reminders interface {
	// Remind returns when the reseller was reminded. It refuses when that makes no sense, or was done recently.
	Remind(ctx context.Context, r tenant.Resolved, by audit.Actor) (time.Time, error)
}

// Clients tells the clients of the token API; client.Service implements it.
type Clients interface {
	// OfTenant returns the clients that may get access tokens of a tenant or have calls forwarded with them, ordered by name.
	OfTenant(ctx context.Context, tenantID string) ([]client.TenantClient, error)
}

// noClients is the default of Config.Clients.
type noClients struct{}

func (noClients) OfTenant(context.Context, string) ([]client.TenantClient, error) { return nil, nil }

// noReminders is the default of Config.Reminders.
type noReminders struct{}

func (noReminders) Remind(context.Context, tenant.Resolved, audit.Actor) (time.Time, error) {
	return time.Time{}, failure.New(failure.ResellerUnreachable)
}

// Accounts resolves accounts at the platform of an instance; controller.Client implements it. Its errors are
// *failure.Error: not_found when the user or account doesn't exist, platform_unavailable when that is unknown.
type Accounts interface {
	UserAccount(ctx context.Context, in tenant.Instance, identity string) (tenant.Account, error)
	Account(ctx context.Context, in tenant.Instance, id string) (tenant.Account, error)
}

// Bindings manages what an instance has at its platform besides resources; binding.Service implements it.
type Bindings interface {
	// RenewalTask returns the id of the platform's periodic task that calls renewTokens, or "" without one.
	RenewalTask(ctx context.Context, in tenant.Instance) (string, error)
	// SubscribeAccount makes the platform report changes of an account, and returns whether it does.
	SubscribeAccount(ctx context.Context, in tenant.Instance, accountID string) (watched bool, err error)
	// Unsubscribe cancels the periodic task of an instance that is being removed.
	Unsubscribe(ctx context.Context, in tenant.Instance) error
}

// noBindings is the default of Config.Bindings.
type noBindings struct{}

func (noBindings) RenewalTask(context.Context, tenant.Instance) (string, error) { return "", nil }
func (noBindings) SubscribeAccount(context.Context, tenant.Instance, string) (bool, error) {
	return false, nil
}
func (noBindings) Unsubscribe(context.Context, tenant.Instance) error { return nil }

// Nonces records used nonces for all replicas.
type Nonces interface {
	// RememberNonce records that key used nonce at a time, until another time. It reports whether this was the first use.
	RememberNonce(ctx context.Context, key, nonce string, at, until time.Time) (bool, error)
	// ForgetNonce makes a nonce fresh again.
	ForgetNonce(ctx context.Context, key, nonce string) error
}
