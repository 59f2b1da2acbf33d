// Package consent runs the two procedures by which a grant is obtained: begin, complete, claim.
package consent

import (
	"context"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// A Status is the progress of a consent.
type Status string

// The statuses.
const (
	Waiting   Status = "waiting"   // until a person consents at Microsoft
	Claimable Status = "claimable" // manual: granted, waits for its claim code
	// Confirmable is the status of a consent by another person than before that waits until the reseller confirms it. A
	// manual consent that waits for its claim code is claimable instead: the code confirms it.
	Confirmable Status = "confirmable"
	Succeeded   Status = "succeeded"
	Failed      Status = "failed"
	Closed      Status = "closed" // manual: the link was replaced; automatic: another consent took effect first
)

// A Consent is one attempt to obtain a grant, from begin to outcome.
type Consent struct {
	ID        string
	TenantID  string
	Procedure token.Procedure
	Status    Status
	// Link is the secret part of the landing page's address. It is stored sealed, because the panel shows it again. LinkHash
	// is its keyed hash, by which the consent is looked up. Link is empty when the stored one does not open.
	Link     secret.Text
	LinkHash string
	// BrowserHash identifies the browser in whose panel an automatic consent began, as a keyed hash with the consent's ID. A
	// consent without one, or that is opened in another browser, ends as a manual one: with a claim code.
	BrowserHash string
	AskedBy     audit.Actor
	CreatedAt   time.Time
	ExpiresAt   time.Time
	OpenedAt    time.Time // when Microsoft's page was last opened in a browser; AddState stores it
	EndedAt     time.Time // zero while it is open
	// Failure is why the consent failed; for a manual consent, why its last opening failed.
	Failure *failure.Record
	// ConsentedBy is set when a person has consented.
	ConsentedBy token.Person

	// The claim code, as a keyed hash; empty when there is none. ClaimExpiresAt is also the end of the time to confirm.
	ClaimHash      string
	ReplacedHashes string // beginnings, newest first, of those of codes that later sign-ins replaced
	ClaimExpiresAt time.Time
	ClaimAttempts  int // codes that were tried

	Version int64
}

// open reports whether a person may still sign in for c. An automatic consent that ended as a manual one is one attempt only.
func (c Consent) open() bool {
	return c.EndedAt.IsZero() && c.Status != Confirmable && (c.Status != Claimable || c.Procedure == token.Manual)
}

// A State is one opening of Microsoft's sign-in page. It can be used once.
type State struct {
	Hash      string // keyed hash of the state parameter
	ConsentID string
	TenantID  string
	// BrowserHash is the keyed hash of the browser's cookie; empty for a state that only the panel may redeem.
	BrowserHash string
	// WithoutClaims means that MFA is not requested by claims, because Microsoft refused that before.
	WithoutClaims bool
	Nonce         secret.Text
	Verifier      secret.Text
	CreatedAt     time.Time
	ExpiresAt     time.Time
	UsedAt        time.Time // zero while unused
}

// Store keeps consents and states, and seals their secrets. It returns tenant.ErrNotFound when there is no row, and for a state
// whose secrets do not open. Methods join the transaction of their context (tenant.Store) and are safe for concurrent use.
type Store interface {
	Transact(ctx context.Context, fn func(ctx context.Context) error) error

	tenant.Resolver
	SaveTenant(ctx context.Context, t *tenant.Tenant) error
	// Owner returns the tenant of an instance that has proven a directory.
	Owner(ctx context.Context, instanceKey, directoryID string) (tenant.Tenant, error)

	Consent(ctx context.Context, id string) (Consent, error)
	ConsentByLink(ctx context.Context, linkHash string) (Consent, error)
	// OpenConsent returns the newest consent of a tenant and procedure that is waiting or claimable.
	OpenConsent(ctx context.Context, tenantID string, p token.Procedure) (Consent, error)
	// NewestConsent returns the newest consent of a tenant and procedure, whatever has become of it.
	NewestConsent(ctx context.Context, tenantID string, p token.Procedure) (Consent, error)
	// CloseOthers closes the automatic consents of a tenant that wait for a person, except one, and returns their IDs.
	CloseOthers(ctx context.Context, tenantID, consentID string, now time.Time) ([]string, error)
	// SaveConsent inserts (Version 0) or updates c with a check of its Version (else tenant.ErrChanged).
	SaveConsent(ctx context.Context, c *Consent) error

	// CountClaim counts a code that is about to be compared, by one conditional UPDATE, unless limit codes were counted or the
	// consent is neither claimable nor confirmable any more (tenant.ErrChanged). In a transaction, other callers wait until it ends.
	CountClaim(ctx context.Context, consentID string, limit int) error

	// AddState adds a state. One of a browser opens Microsoft's page, which its consent keeps as OpenedAt.
	AddState(ctx context.Context, s State) error
	State(ctx context.Context, hash string) (State, error)
	// OpenStates returns the unused, unexpired states of a consent, newest first.
	OpenStates(ctx context.Context, consentID string, now time.Time) ([]State, error)
	// Progress reports whether Microsoft's page was opened for a consent, and whether Microsoft has answered.
	Progress(ctx context.Context, consentID string) (opened, answered bool, err error)
	// UseState marks the state as used by one conditional UPDATE; tenant.ErrChanged if it was used before.
	UseState(ctx context.Context, hash string, now time.Time) error

	Grant(ctx context.Context, tenantID string, slot token.Slot) (token.Grant, error)
	DeleteGrant(ctx context.Context, tenantID string, slot token.Slot) error

	// SaveUnlistedOrigin keeps the origin of a panel that could not learn its browser, in place of the tenant's last one.
	SaveUnlistedOrigin(ctx context.Context, tenantID, origin string, now time.Time) error
	// UnlistedOrigins returns what SaveUnlistedOrigin kept about the tenants of an instance since a time: tenant ID → origin.
	UnlistedOrigins(ctx context.Context, instanceKey string, since time.Time) (map[string]string, error)

	AppendEvent(ctx context.Context, e audit.Event) error

	// Purge deletes states, consents and counts of limits that ended before the given time.
	Purge(ctx context.Context, before time.Time) error
	// EndMisdated ends the consents, and deletes the states, that a clock that was wrong for a while has stored: those with a time
	// that is later than it may be.
	EndMisdated(ctx context.Context, latest Latest) error
}

// Latest are the latest times that may be stored now.
type Latest struct {
	Now      time.Time
	Happened time.Time // of what has happened
	SignIn   time.Time // end of an automatic consent, or of an opening of Microsoft's page
	Link     time.Time // end of a manual consent
	Claim    time.Time // end of the time to enter a claim code, or to confirm
}

// Hasher makes keyed hashes of states, links, cookies and claim codes. Equal values have different hashes for different
// purposes. It is safe for concurrent use.
type Hasher interface {
	Hash(purpose, value string) (string, error)
}

// Microsoft is what the procedures need from Microsoft. Errors are *failure.Error.
type Microsoft interface {
	// AuthorizeURL returns the address of Microsoft's sign-in page.
	AuthorizeURL(c tenant.Client, request AuthorizeRequest) (string, error)
	// Permissions returns the permissions that AuthorizeURL requests, in their order.
	Permissions(c tenant.Client) ([]Permission, error)
	// ResolveDirectory returns the GUID, in lower case, of a directory given by GUID or domain.
	ResolveDirectory(ctx context.Context, cloud, directory string) (string, error)
	// CallbackError translates an error that Microsoft sent to the redirect URI (docs/reference/microsoft-identity.md §2.4).
	CallbackError(e CallbackError) *failure.Error
}

// An AuthorizeRequest is one opening of Microsoft's sign-in page.
type AuthorizeRequest struct {
	State       string
	Nonce       string
	Verifier    secret.Text // for the PKCE challenge
	RedirectURI string
	// Prompt is "consent" for a first consent, "login" later, and "select_account" for another account than the one that was
	// refused (docs/reference/microsoft-identity.md §2.1).
	Prompt string
	// Locale is sent to Microsoft as ui_locales, unless it is empty.
	Locale string
}

// A Permission is one permission that a consent covers.
type Permission struct {
	// API is whose permission it is; empty for those of the sign-in itself.
	API token.API
	// Scope is what is requested, for example https://graph.microsoft.com/User.Read.
	Scope string
	// Added says that the operator added it to those that the connector itself needs.
	Added bool
}

// A CallbackError is what Microsoft sends instead of a code.
type CallbackError struct {
	Error       string
	SubCode     string // error_subcode
	Description string
}
