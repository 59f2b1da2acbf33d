// Package token has custody of grants: it verifies, stores and renews them, issues access tokens from them, and reports their status.
package token

import (
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/length"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
)

// Life is how long an issued refresh token works, counted from its issue (docs/reference/microsoft-identity.md §3.4).
const Life = 90 * 24 * time.Hour

// An API is one of Microsoft's services that a grant is used for.
type API string

// The apis.
const (
	PartnerCenter API = "partnercenter"
	Graph         API = "graph"
	ARM           API = "arm"
)

// APIs returns the built-in apis in the order in which they are shown.
func APIs() []API { return []API{PartnerCenter, Graph, ARM} }

// apisOf returns all apis of an instance in the order in which they are shown.
func apisOf(d tenant.Deployment) []API {
	var all []API
	for _, name := range d.APINames() {
		all = append(all, API(name))
	}
	return all
}

// An Answer is yes, no or unknown. Unknown is never treated as either of the others.
type Answer string

// The answers.
const (
	Unknown Answer = "unknown"
	Yes     Answer = "yes"
	No      Answer = "no"
)

// A Slot identifies one of a tenant's grants.
type Slot string

// The slots. A tenant has at most one grant in each.
const (
	Active      Slot = "active"      // is renewed, and access tokens are issued from it
	Pending     Slot = "pending"     // from a manual consent that waits for its claim code
	Unconfirmed Slot = "unconfirmed" // of another person than the active one; waits until the reseller confirms it
	Predecessor Slot = "predecessor" // the last value of the same consent known to work, kept until its successor has worked
)

// A Procedure is how a consent was obtained.
type Procedure string

// The procedures.
const (
	Automatic Procedure = "automatic"
	Manual    Procedure = "manual"
	Imported  Procedure = "imported" // from another program that had it
)

// A Person is the Microsoft account that consented.
type Person struct {
	ObjectID string `json:"objectId"`
	Username string `json:"username"`
	Name     string `json:"name"`
}

// bounded returns p as it is stored. Names are for people to read, so long ones are shortened.
func (p Person) bounded() Person {
	p.Username, p.Name = length.Shorten(p.Username, length.Name), length.Shorten(p.Name, length.Name)
	return p
}

// A Grant is one stored refresh token with its provenance.
type Grant struct {
	TenantID     string
	Slot         Slot
	RefreshToken secret.Text
	// Unreadable means that the stored refresh token does not open. RefreshToken is empty then, and what is known about it
	// serves to replace it.
	Unreadable bool
	// IssuedAt is when Microsoft issued the stored value. It says how long the value lives; which of two values is the newer
	// one follows from the row version.
	IssuedAt time.Time

	// The provenance. A renewal leaves it unchanged.
	InstanceKey   string // of the tenant that got the grant
	AccountID     string // of the tenant that got the grant; empty if unknown
	DirectoryID   string
	ApplicationID string
	Procedure     Procedure
	ConsentID     string
	ConsentedAt   time.Time
	ConsentedBy   Person
	AskedBy       string // panel user who started the consent, for people to read
	Scopes        []string

	Checks  Checks
	Version int64 // row version; 0 before it is stored
}

// ExpiresAt is when the stored value stops working unless it is renewed.
func (g Grant) ExpiresAt() time.Time { return g.IssuedAt.Add(Life) }

// advance replaces the value by the successor that a redemption returned. Without one, the old value stays valid.
func (g *Grant) advance(redeemed Redemption) {
	if redeemed.RefreshToken.Empty() {
		return
	}
	g.RefreshToken, g.Unreadable, g.IssuedAt = redeemed.RefreshToken, false, redeemed.IssuedAt
}

// Checks are the results of the last checks of a grant.
type Checks struct {
	// Account says whether the last redemption was for the account and directory that consented. It is never no: such a
	// redemption is refused and nothing of it stored.
	Account     Answer        `json:"account,omitempty"`
	MFA         Answer        `json:"mfa"`
	GlobalAdmin Answer        `json:"globalAdmin"`
	AdminAgent  Answer        `json:"adminAgent"`
	APIs        map[API]Probe `json:"apis,omitempty"`
	// Credential is the name of the application's credential that worked.
	Credential string `json:"credential,omitempty"`
	// Ends are when secrets of the application end, as Graph just told. They are stored with the application.
	Ends map[string]time.Time `json:"-"`
}

// A Probe is the outcome of one cheap read-only call to an api.
type Probe struct {
	Works Answer    `json:"works"`
	At    time.Time `json:"at"`
	// Failure says why Works is no or unknown.
	Failure *failure.Record `json:"failure,omitempty"`
	// Missing are the names of the permissions that the consent lacks.
	Missing []string `json:"missing,omitempty"`
	// MFA is Partner Center's own answer about the sign-in (isMfaCompliant); unknown for the other apis.
	MFA Answer `json:"mfa,omitempty"`
}

// A Schedule is when a tenant's grant is renewed next, and how the last renewal ended.
type Schedule struct {
	TenantID string
	DueAt    time.Time
	// LeaseOwner has leased the renewal until LeaseUntil. Empty when the renewal is not leased.
	LeaseOwner string
	LeaseUntil time.Time
	// Attempt counts consecutive transient failures.
	Attempt int
	LastAt  time.Time // last attempt; zero before the first
	// LastSuccessAt is the last renewal or consent that worked.
	LastSuccessAt time.Time
	FailingSince  time.Time       // zero without a failure
	Failure       *failure.Record // nil without a failure
	Version       int64
}

// A Job is a due tenant that was leased, with the facts that decide when its renewal may begin.
type Job struct {
	Schedule
	ExpiresAt   time.Time // of the active grant; zero when there is none
	Cloud       string
	DirectoryID string
}

// A Snapshot is what is stored about a tenant's token at one moment, except the refresh tokens themselves. Callers do not
// change it: its slices and maps may be shared.
type Snapshot struct {
	Active      *Grant // without its refresh token; nil when there is none
	Pending     *Grant // only its consent, procedure, account and time; nil when there is none
	Unconfirmed *Grant // the same of a grant that waits for confirmation
	Schedule    Schedule
}
