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
	// ErrStale is returned when a grant would replace one that was issued later, or that changed since it was read.
	ErrStale = errors.New("a newer grant is stored")
	// ErrLeased is returned when somebody else holds the renewal of a tenant.
	ErrLeased = errors.New("renewal is leased")
)

// Store keeps grants, schedules and events. Refresh tokens are sealed by it. Where nothing is found it returns
// tenant.ErrNotFound. Methods join the transaction of their context (tenant.Store) and are safe for concurrent use.
type Store interface {
	Transact(ctx context.Context, fn func(ctx context.Context) error) error

	tenant.Resolver

	// Snapshot returns what is stored about a tenant's token at one moment.
	Snapshot(ctx context.Context, tenantID string) (Snapshot, error)

	Grant(ctx context.Context, tenantID string, slot Slot) (Grant, error)
	// SaveGrant inserts (Version 0) or updates g with a check of its Version, which it then advances. Version 0 where
	// a row exists, a changed row, or a stored value with a later IssuedAt give ErrStale.
	SaveGrant(ctx context.Context, g *Grant) error
	// SavePredecessor stores an active grant that is about to be replaced in the slot of predecessors, whatever is there.
	// It belongs into the transaction that replaces it, whose check of the active grant's version is this one's, too.
	SavePredecessor(ctx context.Context, g Grant) error
	DeleteGrant(ctx context.Context, tenantID string, slot Slot) error
	// DeletePending deletes all pending grants that were consented before the given time.
	DeletePending(ctx context.Context, consentedBefore time.Time) error

	// Schedule returns the zero Schedule with its TenantID when none is stored.
	Schedule(ctx context.Context, tenantID string) (Schedule, error)
	// SaveSchedule inserts (Version 0) or updates s with a check of its Version (else ErrStale), which it advances.
	// It leaves the lease as it is.
	SaveSchedule(ctx context.Context, s *Schedule) error
	DeleteSchedule(ctx context.Context, tenantID string) error
	// Due returns up to limit tenants whose DueAt is not after now and that nobody holds, least slack first.
	Due(ctx context.Context, now time.Time, limit int) ([]string, error)
	// LeaseDue takes the renewal of up to limit of the tenants that Due tells, for owner, by one conditional UPDATE, and
	// returns those that it got in the order of Due. None means that nothing is due that nobody holds.
	LeaseDue(ctx context.Context, owner string, now, until time.Time, limit int) ([]Job, error)
	// PutOff makes those of the tenants that owner holds, and that are still due at now, due later, and gives them back.
	PutOff(ctx context.Context, tenantIDs []string, owner string, now, due time.Time) error
	// Lease takes the renewal of a tenant for owner by one conditional UPDATE, or returns ErrLeased. A lease that ran
	// out before now may be taken. There must be a schedule row, else tenant.ErrNotFound.
	Lease(ctx context.Context, tenantID, owner string, now, until time.Time) (Schedule, error)
	// Release gives the lease back if owner still holds it.
	Release(ctx context.Context, tenantID, owner string) error

	AppendEvent(ctx context.Context, e audit.Event) error
	// Events returns a tenant's events, newest first, up to limit, older than before when that is not zero.
	Events(ctx context.Context, tenantID string, before time.Time, limit int) ([]audit.Event, error)
	// EventsOf returns a tenant's events of some actions, newest first, up to limit.
	EventsOf(ctx context.Context, tenantID string, actions []audit.Action, limit int) ([]audit.Event, error)
}

// Microsoft is what custody needs of Microsoft. Errors are *failure.Error. Implementations are safe for concurrent use.
type Microsoft interface {
	// Redeem exchanges an authorization code for tokens of Partner Center. It posts the code exactly once.
	Redeem(ctx context.Context, c tenant.Client, code AuthorizationCode) (Redemption, error)
	// Renew exchanges a refresh token for an access token of api and, as a rule, the refresh token's successor.
	Renew(ctx context.Context, c tenant.Client, refreshToken secret.Text, api API) (Redemption, error)
	// Identity verifies an id_token (signature, issuer, audience, nonce, time) and returns who signed in. It compares
	// no directory: that is custody's decision.
	Identity(ctx context.Context, c tenant.Client, idToken secret.Text, nonce string) (Identity, error)
	// Claims reads an access token as a hint (microsoft-identity.md §4.1); Readable is false when it is opaque.
	Claims(accessToken secret.Text) AccessTokenClaims
	// Probe makes one cheap read-only call to api. It reports failures in the Probe and never as an error.
	Probe(ctx context.Context, c tenant.Client, api API, accessToken secret.Text) Probe
	// Roles asks Graph which roles the signed-in account has; unknown where Graph does not tell.
	Roles(ctx context.Context, c tenant.Client, graphToken secret.Text) (globalAdmin, adminAgent Answer)
}

// An AuthorizationCode is what Microsoft returned to the onboarding page, with what is needed to redeem it.
type AuthorizationCode struct {
	Code        secret.Text
	Verifier    secret.Text // PKCE
	RedirectURI string
}

// A Redemption is the answer of the token endpoint.
type Redemption struct {
	API          API
	AccessToken  secret.Text
	RefreshToken secret.Text // empty when none was returned; the old one is then kept
	IDToken      secret.Text
	// IssuedAt is our clock just before the request was sent, so that life is never counted too long.
	IssuedAt  time.Time
	ExpiresAt time.Time // of the access token
	Scopes    []string
}

// An Identity is what a verified id_token says.
type Identity struct {
	DirectoryID string // tid, lower case
	Person      Person
	Guest       bool // acct is 1, or idp differs from the issuer
}

// AccessTokenClaims are the few claims of an access token that serve as a hint.
type AccessTokenClaims struct {
	Readable      bool
	DirectoryID   string // tid, lower case
	ApplicationID string // appid, lower case
	MFA           Answer // whether amr holds mfa; unknown when there is no amr
}
