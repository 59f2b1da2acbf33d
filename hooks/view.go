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

// The types in this file are the JSON that screens and other applications read. Times are RFC 3339 in UTC, or null.

// failureView is a failure in English, with the keys of the screens' translations.
type failureView struct {
	Code       failure.Code      `json:"code"`
	Kind       failure.Kind      `json:"kind"`
	Text       string            `json:"text"` // with __name__ placeholders
	Params     map[string]string `json:"params"`
	Message    string            `json:"message"`
	Advice     string            `json:"advice"`
	AdviceText string            `json:"adviceText"` // with __name__ placeholders
	Reference  string            `json:"reference"`
	Microsoft  *failure.Evidence `json:"microsoft"`
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

type directoryView struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type apiView struct {
	API       token.API    `json:"api"`
	Works     token.Answer `json:"works"`
	CheckedAt *time.Time   `json:"checkedAt"`
	Failure   *failureView `json:"failure"`
}

// waitingView is a consent that has not taken effect.
type waitingView struct {
	// ID confirms the consent at redeem; empty for one that waits for its claim code.
	ID          string          `json:"id"`
	Procedure   token.Procedure `json:"procedure"`
	ConsentedBy *personView     `json:"consentedBy"`
	ConsentedAt *time.Time      `json:"consentedAt"`
	ExpiresAt   *time.Time      `json:"expiresAt"`
	// Replaces is who consented before, if that is another account; else null.
	Replaces *personView `json:"replaces"`
}

// statusView is the whole status of a tenant's token.
type statusView struct {
	State         token.State   `json:"state"`
	Failure       *failureView  `json:"failure"`
	IssuedAt      *time.Time    `json:"issuedAt"`
	ExpiresAt     *time.Time    `json:"expiresAt"`
	DaysLeft      int           `json:"daysLeft"`
	LastRenewal   *renewalView  `json:"lastRenewal"`
	NextRenewalAt *time.Time    `json:"nextRenewalAt"`
	Directory     directoryView `json:"directory"`
	ApplicationID string        `json:"applicationId"`
	SecretEndsAt  *time.Time    `json:"secretEndsAt"`
	// Credentials are the credentials of the application, with their ends, in the order of use among equals.
	Credentials []credentialView `json:"credentials,omitempty"`
	ConsentedBy *personView      `json:"consentedBy"`
	ConsentedAt *time.Time       `json:"consentedAt"`
	AskedBy     string           `json:"askedBy"`
	Procedure   token.Procedure  `json:"procedure"`
	Scopes      []string         `json:"scopes"`
	MFA         token.Answer     `json:"mfa"`
	GlobalAdmin token.Answer     `json:"globalAdmin"`
	AdminAgent  token.Answer     `json:"adminAgent"`
	// Account says whether the last renewal was for the account that consented.
	Account token.Answer `json:"account"`
	APIs    []apiView    `json:"apis"`
	// Pending is a consent that has not taken effect. Screens of release 1 know nothing else of it than this.
	Pending *waitingView `json:"pending"`
	// Waiting is the one that waits until somebody confirms that it replaces another account's: by its ID, or, without one,
	// by its claim code.
	Waiting *waitingView `json:"waiting"`
	// TenantApplication says that the tenant may use its own application.
	TenantApplication bool `json:"tenantApplication"`
	// Borrowers are the applications that may get access tokens, for the owner.
	Borrowers *[]tenant.Borrower `json:"borrowers,omitempty"`
	// Clients are the clients of the token API that may get access tokens, for the owner who asks for them.
	Clients *[]clientView `json:"clients,omitempty"`
	// OnboardingURL is the page that the screen opens in a new window before it begins a consent; empty when it need not.
	OnboardingURL string `json:"onboardingURL,omitempty"`
	// Consents is what goes on, for the owner alone and in tokenStatus only: it holds the address of the link.
	Consents *currentView `json:"consents,omitempty"`
	Now      time.Time    `json:"now"`
}

// currentView is what a screen shows of the consents when it opens, so that looking makes no link and a reload loses nothing.
type currentView struct {
	Link      *linkView    `json:"link"`
	Automatic *attemptView `json:"automatic"`
}

// linkView is the link of the manual procedure that works now.
type linkView struct {
	URL         string      `json:"url"`
	ExpiresAt   *time.Time  `json:"expiresAt"`
	OpenedAt    *time.Time  `json:"openedAt"`
	ConsentedBy *personView `json:"consentedBy"`
	ConsentedAt *time.Time  `json:"consentedAt"`
}

// attemptView is an automatic consent that is running or has just ended.
type attemptView struct {
	consentView

	BegunAt   *time.Time `json:"begunAt"`
	ExpiresAt *time.Time `json:"expiresAt"`
	// Ends is how it ends: automatic, or manual with an authentication code.
	Ends token.Procedure `json:"ends"`
}

// clientView is a client of the token API, for the owner of a tenant.
type clientView struct {
	Name        string             `json:"name"`
	Operations  []client.Operation `json:"operations"` // lend, forward or both
	APIs        []string           `json:"apis"`
	Directories []string           `json:"directories"`
	// Shared says that the client has other tenants, too. When it was used last concerns them as well, and is null then.
	Shared     bool       `json:"shared"`
	LastUsedAt *time.Time `json:"lastUsedAt"`
}

// credentialView is a credential of the application, without its value.
type credentialView struct {
	Name   string     `json:"name"`
	EndsAt *time.Time `json:"endsAt"`
	// Used says that it worked when the token was checked last.
	Used bool `json:"used"`
}

// stateView is what a parent reseller may see.
type stateView struct {
	State string    `json:"state"`
	Now   time.Time `json:"now"`
}

type begunView struct {
	ID        string     `json:"id,omitempty"`
	URL       string     `json:"url"`
	ExpiresAt *time.Time `json:"expiresAt"`
	// Reference is that of the history's event for the beginning of the consent. The screen shows it when the browser
	// blocked or closed the window.
	Reference string `json:"reference,omitempty"`
	// Procedure is how the consent will end: automatic, or manual with an authentication code.
	Procedure token.Procedure `json:"procedure,omitempty"`
	Now       time.Time       `json:"now"`
}

type consentView struct {
	ID          string          `json:"id"`
	Procedure   token.Procedure `json:"procedure"`
	Status      consent.Status  `json:"status"`
	ConsentedBy *personView     `json:"consentedBy"`
	Failure     *failureView    `json:"failure"`
	// Progress is how far the person has come while the consent waits.
	Progress consent.Progress `json:"progress,omitempty"`
}

type redeemedView struct {
	ConsentedBy *personView `json:"consentedBy"`
	Status      statusView  `json:"status"`
}

type actorView struct {
	Kind audit.ActorKind `json:"kind"`
	Name string          `json:"name"`
}

type eventView struct {
	ID        string            `json:"id"`
	At        *time.Time        `json:"at"`
	Action    audit.Action      `json:"action"`
	Actor     actorView         `json:"actor"`
	Result    string            `json:"result"`
	Failure   *failureView      `json:"failure"`
	Reference string            `json:"reference"`
	Details   map[string]string `json:"details"`
}

type loanView struct {
	API         string     `json:"api"`
	AccessToken string     `json:"accessToken"`
	TokenType   string     `json:"tokenType"`
	ExpiresAt   *time.Time `json:"expiresAt"`
	Directory   string     `json:"directory"`
}

// jsonTime returns t for JSON with the precision of the store, which is a millisecond; nil for the zero time.
func jsonTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}

func viewFailure(r *failure.Record) failureView {
	f := r.Error()
	text, advice := r.Code.Template()
	params := r.Params
	if params == nil {
		params = map[string]string{}
	}
	return failureView{
		Code: r.Code, Kind: f.Kind(), Text: text, Params: params, Message: f.Sentence(),
		Advice: f.Advice(), AdviceText: advice, Reference: r.Reference, Microsoft: r.Microsoft,
	}
}

func viewRecord(r *failure.Record) *failureView {
	if r == nil {
		return nil
	}
	v := viewFailure(r)
	return &v
}

func viewPerson(p token.Person) *personView {
	if p.Username == "" && p.Name == "" {
		return nil
	}
	return &personView{p.Username, p.Name}
}

// viewAccount returns p under its object ID if it has no name, so that two people can be told apart.
func viewAccount(p token.Person) *personView {
	if v := viewPerson(p); v != nil {
		return v
	}
	return &personView{Username: p.ObjectID}
}

func (h *Handler) viewStatus(c *call, s token.Status) statusView {
	in := c.Instance
	v := statusView{
		State: s.State, Failure: viewRecord(s.Failure),
		IssuedAt: jsonTime(s.IssuedAt), ExpiresAt: jsonTime(s.ExpiresAt), DaysLeft: s.DaysLeft,
		NextRenewalAt: jsonTime(s.NextRenewalAt), Directory: directoryView{s.DirectoryID, s.Directory},
		ApplicationID: s.ApplicationID, SecretEndsAt: jsonTime(s.SecretEnds),
		ConsentedBy: viewPerson(s.ConsentedBy), ConsentedAt: jsonTime(s.ConsentedAt), AskedBy: s.AskedBy,
		Procedure: s.Procedure, Scopes: s.Scopes,
		Account: orUnknown(s.Checks.Account), MFA: orUnknown(s.Checks.MFA), GlobalAdmin: orUnknown(s.Checks.GlobalAdmin), AdminAgent: orUnknown(s.Checks.AdminAgent),
		TenantApplication: in.Settings.TenantApplication, Now: h.now(),
	}
	if c.knows("tenant.tokenStatus.onboardingURL") {
		v.OnboardingURL = h.cfg.Consents.StartURL(in.Key)
	}
	if c.knows("tenant.tokenStatus.credentials") {
		for _, credential := range s.Credentials {
			v.Credentials = append(v.Credentials, credentialView{credential.Name, jsonTime(credential.Ends), credential.Name == s.Checks.Credential})
		}
	}
	if v.Scopes == nil {
		v.Scopes = []string{}
	}
	if !s.LastRenewalAt.IsZero() {
		v.LastRenewal = &renewalView{jsonTime(s.LastRenewalAt), s.LastRenewalFailure == nil, viewRecord(s.LastRenewalFailure)}
	}
	for _, api := range s.APIs() {
		probe := s.Checks.APIs[api]
		v.APIs = append(v.APIs, apiView{api, orUnknown(probe.Works), jsonTime(probe.At), viewRecord(probe.Failure)})
	}
	if s.Pending != nil {
		v.Pending = viewWaiting(*s.Pending)
		if v.Pending.Replaces != nil {
			v.Waiting = v.Pending
		}
	}
	if s.Unconfirmed != nil {
		v.Waiting = viewWaiting(*s.Unconfirmed)
		v.Waiting.ID = s.Unconfirmed.ConsentID
		if v.Pending == nil {
			v.Pending = v.Waiting
		}
	}
	return v
}

func viewClients(clients []client.TenantClient) *[]clientView {
	views := make([]clientView, len(clients))
	for i, c := range clients {
		_, alone := c.OnlyTenant()
		v := clientView{Name: c.Name, Operations: []client.Operation{}, APIs: c.APIs, Directories: c.Directories, Shared: !alone}
		for _, op := range []client.Operation{client.Lend, client.Forward} {
			if c.May(op) {
				v.Operations = append(v.Operations, op)
			}
		}
		if alone {
			v.LastUsedAt = jsonTime(c.LastUsedAt)
		}
		views[i] = v
	}
	return &views
}

func viewWaiting(w token.WaitingGrant) *waitingView {
	v := &waitingView{Procedure: w.Procedure, ConsentedBy: viewAccount(w.ConsentedBy), ConsentedAt: jsonTime(w.ConsentedAt), ExpiresAt: jsonTime(w.ExpiresAt)}
	if w.Replaces != nil {
		v.Replaces = viewAccount(*w.Replaces)
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

func (h *Handler) viewBegun(ctx context.Context, b consent.Begun) begunView {
	v := h.viewLink(b)
	v.ID, v.Reference = b.ID, failure.Reference(ctx)
	return v
}

func (h *Handler) viewLink(b consent.Begun) begunView {
	return begunView{URL: b.URL, ExpiresAt: jsonTime(b.ExpiresAt), Now: h.now()}
}

// now returns the time of an answer. Browsers' clocks may be wrong, so screens count from it.
func (h *Handler) now() time.Time { return h.cfg.Now().UTC().Truncate(time.Millisecond) }

func viewConsent(c consent.Found) consentView {
	return consentView{c.ID, c.Procedure, c.Status, viewPerson(c.ConsentedBy), viewRecord(c.Failure), c.Progress}
}

func viewCurrent(current consent.Current) *currentView {
	v := &currentView{}
	if l := current.Link; l != nil {
		v.Link = &linkView{URL: l.URL, ExpiresAt: jsonTime(l.ExpiresAt), OpenedAt: jsonTime(l.OpenedAt), ConsentedAt: jsonTime(l.ConsentedAt)}
		if !l.ConsentedAt.IsZero() {
			v.Link.ConsentedBy = viewAccount(l.ConsentedBy)
		}
	}
	if a := current.Automatic; a != nil {
		v.Automatic = &attemptView{viewConsent(a.Found), jsonTime(a.CreatedAt), jsonTime(a.ExpiresAt), a.Ends}
	}
	return v
}

func viewEvent(e audit.Event) eventView {
	v := eventView{
		ID: e.ID, At: jsonTime(e.At), Action: e.Action, Actor: actorView{e.Actor.Kind, e.Actor.Name},
		Result: e.Result, Reference: e.Reference, Details: e.Details,
	}
	if e.Result != audit.OK {
		v.Failure = viewRecord(&failure.Record{Code: failure.Code(e.Result), Params: e.Details, Reference: e.Reference})
	}
	if v.Details == nil {
		v.Details = map[string]string{}
	}
	return v
}
