package api

import (
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// The types in this file are the JSON of REST; openapi.json describes them. Times are RFC 3339 in UTC, or null.

type failureView = failure.View

type directoryView struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type tenantView struct {
	ID            string        `json:"id"`
	Name          string        `json:"name"`
	Marketplace   string        `json:"marketplace"`
	Instance      string        `json:"instance"`
	AccountID     string        `json:"accountId"`
	Cloud         string        `json:"cloud"`
	Directory     directoryView `json:"directory"`
	State         token.State   `json:"state"`
	ExpiresAt     *time.Time    `json:"expiresAt"`
	DaysLeft      int           `json:"daysLeft"`
	NextRenewalAt *time.Time    `json:"nextRenewalAt"`
}

type tenantsView struct {
	Tenants []tenantView `json:"tenants"`
	// Next continues the list; empty at its end.
	Next string `json:"next"`
}

type personView struct {
	Username string `json:"username"`
	Name     string `json:"name"`
}

type renewalView struct {
	At      *time.Time   `json:"at"`
	OK      bool         `json:"ok"`
	Failure *failureView `json:"failure"`
}

type apiView struct {
	API       token.API    `json:"api"`
	Works     token.Answer `json:"works"`
	CheckedAt *time.Time   `json:"checkedAt"`
	Failure   *failureView `json:"failure"`
}

type statusView struct {
	State         token.State     `json:"state"`
	Failure       *failureView    `json:"failure"`
	IssuedAt      *time.Time      `json:"issuedAt"`
	ExpiresAt     *time.Time      `json:"expiresAt"`
	DaysLeft      int             `json:"daysLeft"`
	LastRenewal   *renewalView    `json:"lastRenewal"`
	NextRenewalAt *time.Time      `json:"nextRenewalAt"`
	Directory     directoryView   `json:"directory"`
	ApplicationID string          `json:"applicationId"`
	SecretEndsAt  *time.Time      `json:"secretEndsAt"`
	ConsentedBy   *personView     `json:"consentedBy"`
	ConsentedAt   *time.Time      `json:"consentedAt"`
	Procedure     token.Procedure `json:"procedure"`
	Scopes        []string        `json:"scopes"`
	MFA           token.Answer    `json:"mfa"`
	GlobalAdmin   token.Answer    `json:"globalAdmin"`
	AdminAgent    token.Answer    `json:"adminAgent"`
	Account       token.Answer    `json:"account"`
	APIs          []apiView       `json:"apis"`
	// ConsentWaiting says that a consent waits for its claim code or for confirmation.
	ConsentWaiting bool      `json:"consentWaiting"`
	Now            time.Time `json:"now"`
}

type actorView struct {
	Kind audit.ActorKind `json:"kind"`
	ID   string          `json:"id"`
	Name string          `json:"name"`
}

type eventView struct {
	ID        string            `json:"id"`
	At        *time.Time        `json:"at"`
	TenantID  string            `json:"tenantId"`
	Action    audit.Action      `json:"action"`
	Actor     actorView         `json:"actor"`
	Result    string            `json:"result"`
	Reference string            `json:"reference"`
	Details   map[string]string `json:"details"`
	// Proven says whether the event is as the connector stored it (audit.FoundEvent). The history of a tenant does not tell.
	Proven *bool `json:"proven,omitempty"`
}

type historyView struct {
	Events []eventView `json:"events"`
}

type eventsView struct {
	Events []eventView `json:"events"`
	// Next is the after of the next request, also at the end: later events follow it.
	Next string `json:"next"`
	// More says that further events can be read at once.
	More bool `json:"more"`
}

type linkView struct {
	URL       string     `json:"url"`
	ExpiresAt *time.Time `json:"expiresAt"`
}

type importView struct {
	ConsentedBy personView `json:"consentedBy"`
	Waiting     bool       `json:"waiting"` // for the reseller to confirm it
}

type loanView struct {
	API         string     `json:"api"`
	Directory   string     `json:"directory"`
	AccessToken string     `json:"accessToken"`
	TokenType   string     `json:"tokenType"`
	ExpiresAt   *time.Time `json:"expiresAt"`
}

// jsonTime returns t for JSON with the precision of the store, which is a millisecond; nil for the zero time.
func jsonTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}

func viewRecord(r *failure.Record) *failureView {
	if r == nil {
		return nil
	}
	v := r.View()
	return &v
}

func viewTenant(r tenant.Resolved, s token.Status) tenantView {
	return tenantView{
		ID: r.Tenant.ID, Name: r.Tenant.Name, Marketplace: r.Tenant.Marketplace, Instance: r.Instance.RootID, AccountID: r.Tenant.AccountID,
		Cloud: r.Instance.Settings.Cloud, Directory: directoryView{r.Tenant.DirectoryID, r.Tenant.Directory},
		State: s.State, ExpiresAt: jsonTime(s.ExpiresAt), DaysLeft: s.DaysLeft, NextRenewalAt: jsonTime(s.NextRenewalAt),
	}
}

func viewStatus(s token.Status, now time.Time) statusView {
	v := statusView{
		State: s.State, Failure: viewRecord(s.Failure),
		IssuedAt: jsonTime(s.IssuedAt), ExpiresAt: jsonTime(s.ExpiresAt), DaysLeft: s.DaysLeft,
		NextRenewalAt: jsonTime(s.NextRenewalAt), Directory: directoryView{s.DirectoryID, s.Directory},
		ApplicationID: s.ApplicationID, SecretEndsAt: jsonTime(s.SecretEnds), ConsentedAt: jsonTime(s.ConsentedAt),
		Procedure: s.Procedure, Scopes: s.Scopes,
		MFA: orUnknown(s.Checks.MFA), GlobalAdmin: orUnknown(s.Checks.GlobalAdmin), AdminAgent: orUnknown(s.Checks.AdminAgent), Account: orUnknown(s.Checks.Account),
		APIs: []apiView{}, ConsentWaiting: s.Pending != nil || s.Unconfirmed != nil, Now: now.UTC().Truncate(time.Millisecond),
	}
	if v.Scopes == nil {
		v.Scopes = []string{}
	}
	if p := s.ConsentedBy; p.Username != "" || p.Name != "" {
		v.ConsentedBy = &personView{p.Username, p.Name}
	}
	if !s.LastRenewalAt.IsZero() {
		v.LastRenewal = &renewalView{jsonTime(s.LastRenewalAt), s.LastRenewalFailure == nil, viewRecord(s.LastRenewalFailure)}
	}
	for _, api := range s.APIs() {
		probe := s.Checks.APIs[api]
		v.APIs = append(v.APIs, apiView{api, orUnknown(probe.Works), jsonTime(probe.At), viewRecord(probe.Failure)})
	}
	return v
}

// orUnknown returns a, or Unknown for a check that was never made.
func orUnknown(a token.Answer) token.Answer {
	if a == "" {
		return token.Unknown
	}
	return a
}

func viewEvents(events []audit.Event) []eventView {
	views := make([]eventView, len(events))
	for i, e := range events {
		views[i] = viewEvent(e)
	}
	return views
}

func viewEvent(e audit.Event) eventView {
	v := eventView{
		ID: e.ID, At: jsonTime(e.At), TenantID: e.TenantID, Action: e.Action, Actor: actorView{e.Actor.Kind, e.Actor.ID, e.Actor.Name},
		Result: e.Result, Reference: e.Reference, Details: e.Details,
	}
	if v.Details == nil {
		v.Details = map[string]string{}
	}
	return v
}

// A TenantsDocument is a list of tenants as the command line prints it: in the form of the REST API.
type TenantsDocument struct {
	Tenants []tenantView `json:"tenants"`
	// Counts counts the matching tenants by state, whatever states were asked for.
	Counts map[token.State]int `json:"counts"`
}

// Add adds a tenant.
func (d *TenantsDocument) Add(r tenant.Resolved, s token.Status) {
	d.Tenants = append(d.Tenants, viewTenant(r, s))
}

// A TenantDocument is one tenant as the command line prints it.
type TenantDocument struct {
	Tenant tenantView `json:"tenant"`
	Status statusView `json:"status"`
	// Credentials are those of the application, without what is secret.
	Credentials []credentialView `json:"credentials"`
	Events      []eventView      `json:"events,omitempty"`
}

type credentialView struct {
	Name         string     `json:"name"`
	EndsAt       *time.Time `json:"endsAt"`
	AcceptedLast bool       `json:"acceptedLast"`
}

// NewTenantDocument returns one tenant as the command line prints it.
func NewTenantDocument(r tenant.Resolved, s token.Status, events []audit.FoundEvent, now time.Time) TenantDocument {
	views := make([]eventView, len(events))
	for i, e := range events {
		views[i] = viewFound(e)
	}
	credentials := make([]credentialView, len(s.Credentials))
	for i, c := range s.Credentials {
		credentials[i] = credentialView{c.Name, jsonTime(c.Ends), c.Name == s.Checks.Credential}
	}
	return TenantDocument{viewTenant(r, s), viewStatus(s, now), credentials, views}
}

// EventDocument returns an event as the command line prints it: in the form of the REST API, and whether it is proven.
func EventDocument(e audit.FoundEvent) any { return viewFound(e) }

func viewFound(e audit.FoundEvent) eventView {
	v := viewEvent(e.Event)
	v.Proven = &e.Proven
	return v
}
