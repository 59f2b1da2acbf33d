package world

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/platform"
)

const day = 24 * time.Hour

// resellersAge is how long before the start of the sandbox the resellers got their subscriptions.
const resellersAge = 120 * day

// A reseller is one of those that are there from the start, with what happened to their token.
type reseller struct {
	name    string
	consent int // days since the consent; 0 for none
	renewed int // days since the last renewal, or since the consent if there was none
	// failure is why renewals fail since the last one, and aadsts the code with which Microsoft refuses the account.
	failure failure.Code
	aadsts  int
	due     time.Duration // until the next renewal; 0: ten days after the last one
	lent    int           // how many access tokens were issued in the last days
	end     ending
}

// An ending is what else happened to a reseller.
type ending int

const (
	none        ending = iota
	suspended          // the platform suspended the subscription
	unclaimed          // an administrator has consented by the link, and nobody has entered the code
	declined           // the only consent was refused
	noDirectory        // nobody has entered the reseller's directory
)

// resellers returns the twenty that Config.Resellers adds, in every state.
func resellers() []reseller {
	return []reseller{
		{name: "Aster Hosting", consent: 111, renewed: 1, lent: 5},
		{name: "Birch Digital", consent: 113, renewed: 3, lent: 2},
		{name: "Cobalt Cloud", consent: 108, renewed: 8},
		{name: "Dune Systems", consent: 96, renewed: 6, lent: 9},
		{name: "Ember IT", consent: 47, renewed: 7, lent: 1},
		{name: "Fennel Networks", consent: 24, renewed: 4},
		{name: "Gannet Services", consent: 12, renewed: 2, lent: 3},
		{name: "Harrier Online", consent: 5, renewed: 5},
		{name: "Iris Telecom", consent: 72, renewed: 72, due: 2 * day},
		{name: "Juniper Works", consent: 83, renewed: 83, due: day},
		{name: "Kestrel Data", consent: 61, renewed: 11, failure: failure.MicrosoftUnavailable, due: 20 * time.Hour},
		{name: "Linden Partners", consent: 93, renewed: 13, failure: failure.MicrosoftThrottled, due: 11 * time.Hour},
		{name: "Marlin Business", consent: 88, renewed: 18, failure: failure.GrantRevoked, aadsts: 50173, due: never},
		{name: "Nettle Software", consent: 52, renewed: 12, failure: failure.AccountDisabled, aadsts: 50057, due: never},
		{name: "Osprey Trade", consent: 71, renewed: 11, failure: failure.DeviceRequired, aadsts: 530003, due: 9 * time.Hour},
		{name: "Poplar Media", end: noDirectory},
		{name: "Quill Office", consent: 33, renewed: 3, end: suspended},
		{name: "Rowan Retail", end: unclaimed},
		{name: "Sable Consulting", end: declined},
		{name: "Tern Solutions", consent: 115, renewed: 95, failure: failure.GrantRevoked, aadsts: 50173, due: never},
	}
}

// never is the wait for a renewal that is not retried.
const never time.Duration = -1

// dueAt returns when the next renewal is due, if it is not that after the last one.
func (r reseller) dueAt(now time.Time) time.Time {
	if r.due == never {
		return time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC) // as the connector writes it
	}
	return now.Add(r.due)
}

func (r reseller) domain() string {
	return strings.ToLower(strings.ReplaceAll(r.name, " ", "")) + ".onmicrosoft.com"
}

func (r reseller) admin() string { return "admin@" + r.domain() }

// resellerDirectory returns the ID of the directory of the reseller with a number.
func resellerDirectory(number int) string {
	return fmt.Sprintf("5eed0000-0000-4000-8000-%012d", number)
}

// addResellers provisions the resellers through hooks, moves the clock to the present, and writes into the connector's database what
// would have happened since: waiting for it would take too long. Microsoft accepts their refresh tokens.
func (w *World) addResellers(ctx context.Context) error {
	all := resellers()
	tenants := make([]Tenant, len(all))
	for i, r := range all {
		var err error
		if tenants[i], err = w.addReseller(ctx, r, resellerDirectory(i+1)); err != nil {
			return err
		}
	}
	w.Clock.Advance(resellersAge)
	err := w.withServices(ctx, func(s *app.Services) error {
		for i, r := range all {
			if err := w.tell(ctx, s, r, tenants[i], resellerDirectory(i+1)); err != nil {
				return fmt.Errorf("writing the history of %s: %w", r.name, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, r := range all {
		if r.end == suspended {
			if err := w.Platform.Suspend(ctx, tenants[i].ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// addReseller creates the directory with its administrator, the account and its subscription.
func (w *World) addReseller(ctx context.Context, r reseller, directory string) (Tenant, error) {
	if err := w.Microsoft.AddDirectory(microsoft.Directory{ID: directory, Domain: r.domain(), Name: r.name}); err != nil {
		return Tenant{}, err
	}
	admin := microsoft.User{
		UPN: r.admin(), Name: r.person(), Password: Password, DirectoryID: directory, MFA: microsoft.MFARequired, GlobalAdmin: true, AdminAgent: true,
	}
	if err := w.Microsoft.AddUser(admin); err != nil {
		return Tenant{}, err
	}
	account, err := w.Platform.AddAccount(platform.Account{Name: r.name})
	if err != nil {
		return Tenant{}, err
	}
	settings := map[string]any{"directory": directory}
	if r.end == noDirectory {
		settings = nil
	}
	id, err := w.Platform.CreateTenant(ctx, account.ID, settings)
	if err == nil {
		err = w.Platform.Link(w.installed.borrower.ID, id)
	}
	if err != nil {
		return Tenant{}, fmt.Errorf("provisioning the tenant of %s: %w", r.name, err)
	}
	return Tenant{id, account.ID, r.name}, nil
}

// person returns the name of the administrator.
func (r reseller) person() string { return "Alex " + strings.Fields(r.name)[0] }

// tell writes what happened to a reseller's token.
func (w *World) tell(ctx context.Context, s *app.Services, r reseller, t Tenant, directory string) error {
	switch {
	case r.end == unclaimed:
		return w.consentByLink(ctx, s, r, t)
	case r.consent == 0 && r.end != declined:
		return nil
	}
	return s.Store.Transact(ctx, func(ctx context.Context) error {
		if r.consent > 0 {
			if err := w.storeGrant(ctx, s, r, t, directory); err != nil {
				return err
			}
		}
		for _, e := range r.events(w.Clock.Now(), directory) {
			e.ID, e.InstanceKey, e.TenantID, e.Reference = random.ID(), w.Key, t.ID, random.ID()
			if err := s.Store.AppendEvent(ctx, e); err != nil {
				return err
			}
		}
		return nil
	})
}

// consentByLink makes the administrator consent by the link of the manual procedure, to the end.
func (w *World) consentByLink(ctx context.Context, s *app.Services, r reseller, t Tenant) error {
	link, err := s.Consents.Link(ctx, t.ID, audit.Actor{Kind: audit.User, Name: r.seller(), AccountID: t.AccountID})
	if err != nil {
		return err
	}
	page, err := w.Visit(ctx, NewBrowser(), link.URL, microsoft.Visitor{UPN: r.admin(), Password: Password, ApproveMFA: true, Accept: true})
	if err == nil && page.Status != http.StatusOK {
		err = fmt.Errorf("the consent by the link ends with %d", page.Status)
	}
	return err
}

// seller is the name of the user at the reseller who asked for the consent.
func (r reseller) seller() string { return "Sam " + strings.Fields(r.name)[0] }

// storeGrant stores the refresh token of a reseller, with what the last renewal said.
func (w *World) storeGrant(ctx context.Context, s *app.Services, r reseller, t Tenant, directory string) error {
	now := w.Clock.Now()
	issued := now.Add(-time.Duration(r.renewed) * day)
	ms := w.Microsoft.Cloud()
	scopes := []string{ms.PartnerCenter.Audiences[0] + "/user_impersonation", ms.ARM.Audiences[0] + "/user_impersonation", ms.Graph.Audiences[0] + "/User.Read", ms.Graph.Audiences[0] + "/Directory.Read.All"}
	if err := w.Microsoft.GrantConsent(directory, ApplicationID, "", scopes...); err != nil {
		return err
	}
	value, err := w.Microsoft.IssueRefreshToken(microsoft.RefreshToken{UPN: r.admin(), ApplicationID: ApplicationID, IssuedAt: issued})
	if err != nil {
		return err
	}
	if err := w.refuse(r); err != nil {
		return err
	}
	works := func() token.Probe { return token.Probe{Works: token.Yes, At: issued, MFA: token.Unknown} }
	grant := token.Grant{
		TenantID: t.ID, RefreshToken: secret.New(value), IssuedAt: issued, InstanceKey: w.Key, AccountID: t.AccountID,
		DirectoryID: directory, ApplicationID: ApplicationID, Procedure: r.procedure(), ConsentID: random.ID(),
		ConsentedAt: now.Add(-time.Duration(r.consent) * day), AskedBy: r.seller(), Scopes: append(scopes, "offline_access"),
		ConsentedBy: token.Person{ObjectID: w.Microsoft.ObjectID(r.admin()), Username: r.admin(), Name: r.person()},
		Checks: token.Checks{Account: token.Yes, MFA: token.Yes, GlobalAdmin: token.Yes, AdminAgent: token.Yes, APIs: map[token.API]token.Probe{
			token.PartnerCenter: works(), token.Graph: works(), token.ARM: works(),
		}},
	}
	if err := s.Tokens.StoreActive(ctx, grant); err != nil {
		return err
	}
	schedule, err := s.Store.Schedule(ctx, t.ID)
	if err != nil {
		return err
	}
	if r.due != 0 {
		schedule.DueAt = r.dueAt(now)
	}
	if r.failure != "" {
		since := r.failingSince(now)
		schedule.LastAt, schedule.FailingSince, schedule.Attempt, schedule.Failure = since, since, 1, r.record()
	}
	return s.Store.SaveSchedule(ctx, &schedule)
}

// refuse makes Microsoft refuse the account of a reseller whose renewals fail for good.
func (w *World) refuse(r reseller) error {
	switch r.aadsts {
	case 0:
		return nil
	case 50057:
		return w.Microsoft.Disable(r.admin())
	case 50173:
		return w.Microsoft.RevokeSessions(r.admin())
	}
	return w.Microsoft.RefuseUser(r.admin(), r.aadsts)
}

// procedure is automatic for most.
func (r reseller) procedure() token.Procedure {
	if r.consent%4 == 0 {
		return token.Manual
	}
	return token.Automatic
}

// failingSince is when the renewal failed that was due ten days after the last one.
func (r reseller) failingSince(now time.Time) time.Time {
	return now.Add(-time.Duration(r.renewed-10)*day + time.Minute)
}

func (r reseller) record() *failure.Record {
	record := &failure.Record{Code: r.failure, Reference: random.ID()}
	if r.aadsts != 0 {
		record.Microsoft = &failure.Evidence{Error: "invalid_grant", Code: fmt.Sprint(r.aadsts), Status: http.StatusBadRequest}
	}
	return record
}

// events returns the history of a reseller, oldest first.
func (r reseller) events(now time.Time, directory string) []audit.Event {
	user := audit.Actor{Kind: audit.User, Name: r.seller()}
	visitor := audit.Actor{Kind: audit.Visitor, Name: r.admin()}
	scheduler := audit.Actor{Kind: audit.Scheduler, Name: "renewal"}
	at := func(days int, later time.Duration) time.Time { return now.Add(-time.Duration(days)*day + later) }
	procedure := map[string]string{"procedure": string(r.procedure())}
	if r.end == declined {
		return []audit.Event{
			{At: at(9, 0), Action: audit.ConsentBegun, Actor: user, Result: audit.OK, Details: procedure},
			{At: at(9, 2*time.Minute), Action: audit.ConsentRefused, Actor: audit.Actor{Kind: audit.Visitor}, Result: string(failure.MFAMissing)},
		}
	}
	begun := audit.ConsentBegun
	if r.procedure() == token.Manual {
		begun = audit.ConsentLinked
	}
	list := []audit.Event{
		{At: at(r.consent, -4*time.Minute), Action: begun, Actor: user, Result: audit.OK, Details: procedure},
		{At: at(r.consent, 0), Action: audit.ConsentGranted, Actor: visitor, Result: audit.OK, Details: map[string]string{
			"procedure": string(r.procedure()), "username": r.admin(), "directory": directory,
		}},
	}
	if r.procedure() == token.Manual {
		list = append(list, audit.Event{At: at(r.consent, 3*time.Minute), Action: audit.ClaimAccepted, Actor: user, Result: audit.OK})
	}
	for days := r.consent - 10; days >= r.renewed; days -= 10 {
		list = append(list, audit.Event{At: at(days, 0), Action: audit.GrantRenewed, Actor: scheduler, Result: audit.OK})
	}
	if r.failure != "" {
		list = append(list, audit.Event{At: r.failingSince(now), Action: audit.RenewalFailed, Actor: scheduler, Result: string(r.failure)})
	}
	for i := range r.lent {
		list = append(list, audit.Event{
			At: now.Add(-time.Duration(r.lent-i) * 2 * time.Hour), Action: audit.TokenLent, Result: audit.OK,
			Actor: audit.Actor{Kind: audit.Application, Name: borrowerName}, Details: map[string]string{"api": string(token.Graph)},
		})
	}
	return list
}
