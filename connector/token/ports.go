package token

import (
	"context"
	"errors"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
)

var (
	// ErrStale is returned when a grant or a schedule would replace one that has changed since it was read.
	ErrStale = errors.New("a newer grant is stored")
	// ErrLeased is returned when another owner has leased the renewal of a tenant.
	ErrLeased = errors.New("renewal is leased")
	// ErrConsentExists is returned when a customer directory has a consent for an api already, with whatever permissions.
	ErrConsentExists = errors.New("the application has a consent for this api in the directory")
)

// Store keeps grants, schedules and events, and seals refresh tokens. It returns tenant.ErrNotFound when there is no row.
// Methods join the transaction of their context (tenant.Store) and are safe for concurrent use.
type Store interface {
	Transact(ctx context.Context, fn func(ctx context.Context) error) error

	tenant.Resolver
	tenant.Prover

	// Snapshot returns what is stored about a tenant's token at one moment.
	Snapshot(ctx context.Context, tenantID string) (Snapshot, error)
	// ResolveWithSnapshot returns what Resolve and Snapshot do, by one query.
	ResolveWithSnapshot(ctx context.Context, tenantID string) (tenant.Resolved, Snapshot, error)

	Grant(ctx context.Context, tenantID string, slot Slot) (Grant, error)
	// SaveGrant inserts (Version 0) or updates g with a check of its Version, which it then advances. It returns ErrStale
	// for Version 0 when there is a row, and for a changed row. The version decides, not IssuedAt.
	SaveGrant(ctx context.Context, g *Grant) error
	// SaveChecks updates the scopes and checks of g, and nothing else, with a check of its Version, which advances. It returns
	// ErrStale for a row that was changed or deleted.
	SaveChecks(ctx context.Context, g Grant) error
	// SavePredecessor stores an active grant that is about to be replaced as the predecessor, in place of any other. Call it
	// in the transaction that replaces the active grant: the version check there covers this row, too.
	SavePredecessor(ctx context.Context, g Grant) error
	DeleteGrant(ctx context.Context, tenantID string, slot Slot) error
	// Unclaimed returns up to limit pending and unconfirmed grants that were consented to before one time or after another, without
	// their refresh tokens.
	Unclaimed(ctx context.Context, consentedBefore, consentedAfter time.Time, limit int) ([]Grant, error)
	// DeleteUnchanged deletes g if it still has its Version, else it returns ErrStale.
	DeleteUnchanged(ctx context.Context, g Grant) error

	// Schedule returns the zero Schedule with its TenantID when none is stored.
	Schedule(ctx context.Context, tenantID string) (Schedule, error)
	// SaveSchedule inserts (Version 0) or updates s with a check of its Version (else ErrStale), which it advances.
	// It leaves the lease unchanged.
	SaveSchedule(ctx context.Context, s *Schedule) error
	DeleteSchedule(ctx context.Context, tenantID string) error
	// Due returns up to limit tenants that are due at now and not leased, least slack first. Those follow that only count as
	// due or not leased, because a wrong clock stored their times: a lease, due time or time of issue farther ahead than its
	// longest term (LongestLease, LongestDue, LongestRetry) and Tolerance.
	Due(ctx context.Context, now time.Time, limit int) ([]string, error)
	// LeaseDue leases up to limit of the tenants that Due returns to owner, by one conditional UPDATE, and returns those
	// that it leased, in the order of Due. It returns none only when every due tenant is leased. One that only counts as due
	// gets the due time now; with an implausible time of issue, it also counts as attempted, so that it counts as due once.
	LeaseDue(ctx context.Context, owner string, now, until time.Time, limit int) ([]Job, error)
	// Postpone makes tenants due later and ends their leases, except for those that owner has not leased or that are not due
	// at now any more.
	Postpone(ctx context.Context, tenantIDs []string, owner string, now, due time.Time) error
	// Lease leases the renewal of a tenant to owner by one conditional UPDATE, or returns ErrLeased. A lease that ran out
	// before now, or that ends later than a lease may, may be replaced. Without a schedule row it returns tenant.ErrNotFound.
	Lease(ctx context.Context, tenantID, owner string, now, until time.Time) (Schedule, error)
	// Release ends the lease if owner still has it.
	Release(ctx context.Context, tenantID, owner string) error

	// Pauses returns the stored pauses of renewals by cloud, also those that have ended. SavePause replaces that of the same cloud.
	Pauses(ctx context.Context) ([]Pause, error)
	SavePause(ctx context.Context, p Pause) error
	DeletePause(ctx context.Context, cloud string) error

	// Summarize and ListTenants compute the states of many tenants at once (Summary).
	Summarize(ctx context.Context, m Moment) (Summary, error)
	ListTenants(ctx context.Context, q Query, m Moment) (List, error)

	// CustomerRecords returns what is stored of a tenant's customer directories.
	CustomerRecords(ctx context.Context, tenantID string) ([]CustomerRecord, error)
	// CustomerRecord returns that of one directory.
	CustomerRecord(ctx context.Context, tenantID, directoryID string) (CustomerRecord, error)
	// SaveCustomerConsent stores ConsentedAt and Scopes of a record, SaveCustomerResult its LastResult and LastAt.
	SaveCustomerConsent(ctx context.Context, r CustomerRecord) error
	SaveCustomerResult(ctx context.Context, r CustomerRecord) error
	// PurgeCustomers deletes the records without a consent of ours whose last result is earlier than a time, or missing.
	PurgeCustomers(ctx context.Context, before time.Time) error

	AppendEvent(ctx context.Context, e audit.Event) error
	// Events returns a tenant's events, newest first, up to limit. When before is not zero, it returns events older than that.
	Events(ctx context.Context, tenantID string, before time.Time, limit int) ([]audit.Event, error)
	// OwnEvents is Events since the tenant moved to its present owner.
	OwnEvents(ctx context.Context, tenantID string, before time.Time, limit int) ([]audit.Event, error)
	// HistoryEvents is OwnEvents of one part of the history. It looks at a bounded number of events. Where it stops before it has
	// limit of that part, the page ends with an event of the other part, older than which nothing was looked at.
	HistoryEvents(ctx context.Context, tenantID string, lendings Lendings, before time.Time, limit int) ([]audit.Event, error)
	// EventsOf returns the OwnEvents of a tenant with one of the actions, newest first, up to limit.
	EventsOf(ctx context.Context, tenantID string, actions []audit.Action, limit int) ([]audit.Event, error)
}

// retriesOff is the context key of WithoutRetries.
type retriesOff struct{}

// WithoutRetries returns a context for calls of Microsoft that the caller itself retries later: implementations send their
// requests once. Thus no call is retried by two layers (docs/explanation/retries.md).
func WithoutRetries(ctx context.Context) context.Context {
	return context.WithValue(ctx, retriesOff{}, true)
}

// RetriesAllowed reports whether a Microsoft may retry a call with ctx: true unless ctx comes from WithoutRetries.
func RetriesAllowed(ctx context.Context) bool { return ctx.Value(retriesOff{}) == nil }

// Microsoft is what a Service needs from Microsoft. Errors are *failure.Error. Implementations are safe for concurrent use.
// Except for Redeem, calls may be retried while they fail with a transient error, unless the context comes from
// WithoutRetries.
type Microsoft interface {
	// Redeem exchanges an authorization code for tokens of Partner Center. It posts the code exactly once.
	Redeem(ctx context.Context, c tenant.Client, code AuthorizationCode) (Redemption, error)
	// Renew redeems a refresh token for an access token of api and, as a rule, the refresh token's successor. With a client that
	// is In a customer directory, it redeems there.
	Renew(ctx context.Context, c tenant.Client, refreshToken secret.Text, api API) (Redemption, error)
	// Identity verifies an id_token (signature, issuer, audience, nonce, time) and returns who signed in. It does not compare
	// directories: the caller does.
	Identity(ctx context.Context, c tenant.Client, idToken secret.Text, nonce string) (Identity, error)
	// Claims reads an access token as a hint (docs/reference/microsoft-identity.md §4.1); Readable is false when it is opaque.
	Claims(accessToken secret.Text) AccessTokenClaims
	// Probe makes one cheap read-only call to api. It reports failures in the Probe and never as an error.
	Probe(ctx context.Context, c tenant.Client, api API, accessToken secret.Text) Probe
	// ResolveDirectory returns the ID, in lower case, of the directory that has an ID or a verified domain, or the failure
	// directory_unknown.
	ResolveDirectory(ctx context.Context, cloud, directory string) (string, error)
	// Customers reads all customers of a partner from Partner Center.
	Customers(ctx context.Context, c tenant.Client, partnerCenterToken secret.Text) ([]Customer, error)
	// Relationships reads all relationships of a partner with customers from Graph.
	Relationships(ctx context.Context, c tenant.Client, graphToken secret.Text) ([]Relationship, error)
	// CredentialEnds reads from Graph when client secrets of c's application end, by the names of the credentials. What Graph
	// does not tell is left out.
	CredentialEnds(ctx context.Context, c tenant.Client, graphToken secret.Text) map[string]time.Time
	// CustomerScopes returns the permissions by api that the application is to have in customer directories.
	CustomerScopes(c tenant.Client) map[API][]string
	// AddCustomerConsent consents in a customer directory for one api, and RemoveCustomerConsent removes the application's consents
	// for all apis, by Partner Center. When a consent for the api exists, which is not changed, the error is ErrConsentExists; when
	// there is none to remove, the failure is customer_unknown.
	AddCustomerConsent(ctx context.Context, c tenant.Client, directoryID string, api API, partnerCenterToken secret.Text) error
	RemoveCustomerConsent(ctx context.Context, c tenant.Client, directoryID string, partnerCenterToken secret.Text) error
	// Roles reads from Graph which roles the signed-in account has; unknown when Graph does not say.
	Roles(ctx context.Context, c tenant.Client, graphToken secret.Text) (globalAdmin, adminAgent Answer)
}

// An AuthorizationCode is what Microsoft returned to the onboarding page, with what its redemption requires.
type AuthorizationCode struct {
	Code        secret.Text
	Verifier    secret.Text // PKCE
	RedirectURI string
}

// A Redemption is the answer of the token endpoint.
type Redemption struct {
	API          API
	AccessToken  secret.Text
	RefreshToken secret.Text // empty when none was returned; the old one then stays valid
	IDToken      secret.Text
	// IssuedAt is when the tokens were issued, by Microsoft's clock. Only when its answer does not say it, it is the time on
	// our clock just before the request was sent.
	IssuedAt  time.Time
	ExpiresAt time.Time // of the access token
	Scopes    []string
	// Missing are the permissions of API that the consent was asked for and that the tokens lack; nil when the answer does not
	// tell.
	Missing []string
	// Credential is the name of the application's credential that was used.
	Credential string
	Subject    Subject
}

// A Subject is the account and the directory that a redemption was for, as far as Microsoft's answer tells: by its id_token,
// or else by the claims of the access token, which are a hint. It came from the token endpoint itself, so its signature is not
// verified. Empty fields are unknown.
type Subject struct {
	DirectoryID string // tid, lower case
	ObjectID    string // oid, lower case
}

// An Identity is the content of a verified id_token.
type Identity struct {
	DirectoryID string // tid, lower case
	Person      Person
	Guest       bool // acct is 1, or idp differs from the issuer
}

// AccessTokenClaims are the few claims of an access token that we read as a hint.
type AccessTokenClaims struct {
	Readable      bool
	DirectoryID   string // tid, lower case
	ApplicationID string // appid, lower case
	MFA           Answer // whether amr contains mfa; unknown without amr
	Username      string // of the account, for display; empty if the token has none
}
