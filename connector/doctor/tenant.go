package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// credentialWarning is how long before its end a credential is warned of (microsoft-identity.md §6.3).
const credentialWarning = 30 * 24 * time.Hour

func (e *examination) tenant(ctx context.Context, rooms *app.Services, w *witness, instances []tenant.Instance) {
	r, ok := e.patient(ctx, rooms, instances)
	if !ok {
		return
	}
	if e.settings(r) {
		e.token(ctx, rooms, w, r)
	}
	e.credentials(r)
}

// token looks at the refresh token, and uses it where its cloud can be reached.
func (e *examination) token(ctx context.Context, rooms *app.Services, w *witness, r tenant.Resolved) {
	reachable := !e.unreachable[r.Instance.Settings.Cloud]
	if reachable && !e.directory(ctx, rooms, r) || !e.grant(ctx, rooms, r) || !reachable {
		return
	}
	status, err := rooms.Tokens.Check(ctx, r.Tenant.ID, audit.Actor{Kind: audit.Operator, Name: "doctor"})
	switch {
	case failure.Is(err, failure.RenewalRunning):
		e.refused("renewal", Warning, err, nil)
		return
	case err != nil:
		e.refused("renewal", Failed, err, nil)
		return
	}
	e.tell(Finding{
		Check: "renewal", Result: OK, Fields: e.fields(nil, nil),
		Seen: fmt.Sprintf("Microsoft gave a successor, which is stored: issued %s, expires %s; next renewal %s",
			stamp(status.IssuedAt), stamp(status.ExpiresAt), stamp(status.NextRenewalAt)),
	})
	e.mfa(w.claims, status.Checks)
	e.apis(status.Checks)
	e.roles(status.Checks)
}

func (e *examination) patient(ctx context.Context, rooms *app.Services, instances []tenant.Instance) (tenant.Resolved, bool) {
	const check = "tenant"
	var found []tenant.Resolved
	for _, in := range instances {
		tenants, err := rooms.Tenants.Tenants(ctx, in.Key)
		if err != nil {
			e.fail(check, err.Error()+".", "")
			return tenant.Resolved{}, false
		}
		for _, t := range tenants {
			if t.ID == e.Tenant {
				found = []tenant.Resolved{{Tenant: t, Instance: in}}
				break
			}
			if slices.ContainsFunc([]string{t.Name, t.Directory, t.DirectoryID}, func(name string) bool { return strings.EqualFold(name, e.Tenant) }) {
				found = append(found, tenant.Resolved{Tenant: t, Instance: in})
			}
		}
	}
	switch len(found) {
	case 0:
		e.fail(check, fmt.Sprintf("No tenant of an installed instance has the id, name or directory %q.", e.Tenant), "Use one of them as the screens show it.")
		return tenant.Resolved{}, false
	case 1:
	default:
		var ids []string
		for _, r := range found {
			ids = append(ids, r.Tenant.ID)
		}
		e.fail(check, fmt.Sprintf("Several tenants have the name or directory %q.", e.Tenant), "Use an id: "+strings.Join(ids, ", ")+".")
		return tenant.Resolved{}, false
	}
	r := found[0]
	e.tell(Finding{
		Check: check, Result: OK, Seen: fmt.Sprintf("%q on %q", r.Tenant.Name, r.Tenant.Marketplace),
		Fields: e.fields(nil, map[string]string{
			"tenant": r.Tenant.ID, "instance": r.Instance.Key, "directory": r.Tenant.DirectoryID, "cloud": r.Instance.Settings.Cloud,
		}),
	})
	return r, true
}

// settings looks at what was entered, not at the status, which tells of the last attempt.
func (e *examination) settings(r tenant.Resolved) bool {
	const check = "settings"
	client := r.Client()
	switch {
	case r.Tenant.Directory == "":
		e.refused(check, Failed, failure.New(failure.DirectoryMissing), nil)
	case !client.Application.Complete():
		e.refused(check, Failed, failure.New(failure.ApplicationMissing), nil)
	default:
		e.ok(check, "directory %q, application %s", r.Tenant.Directory, client.Application.ID)
		return true
	}
	return false
}

// directory resolves what was entered, and asks Microsoft of the GUID, which resolving takes as it is.
func (e *examination) directory(ctx context.Context, rooms *app.Services, r tenant.Resolved) bool {
	const check = "directory"
	id, err := rooms.Microsoft.ResolveDirectory(ctx, r.Instance.Settings.Cloud, r.Tenant.Directory)
	if err == nil {
		_, err = e.discover(ctx, rooms.Authorities[r.Instance.Settings.Cloud], id)
	}
	if err != nil {
		e.refused(check, Failed, err, nil)
		return false
	}
	if r.Tenant.DirectoryID != "" && id != r.Tenant.DirectoryID {
		e.fail(check, fmt.Sprintf("%q is now the directory %s, but %s is stored.", r.Tenant.Directory, id, r.Tenant.DirectoryID),
			"Save the reseller's settings once more; the consent has to be repeated.")
		return false
	}
	e.ok(check, "%q is %s and known to Microsoft", r.Tenant.Directory, id)
	return true
}

func (e *examination) grant(ctx context.Context, rooms *app.Services, r tenant.Resolved) bool {
	const check = "grant"
	status, err := rooms.Tokens.Status(ctx, r)
	if err != nil {
		e.refused(check, Failed, err, nil)
		return false
	}
	if status.IssuedAt.IsZero() || status.State == token.StateExpired {
		e.refused(check, Failed, status.Failure.Error(), nil)
		return false
	}
	f := Finding{
		Check: check, Result: OK, Fields: e.fields(nil, nil),
		Seen: fmt.Sprintf("%s, %s old, %s left (until %s); consented by %s on %s, %s procedure",
			status.State, days(e.Now().Sub(status.IssuedAt)), count(status.DaysLeft, "day"), stamp(status.ExpiresAt),
			status.ConsentedBy.Username, stamp(status.ConsentedAt), status.Procedure),
	}
	if status.Failure != nil {
		why := status.Failure.Error()
		f.Fields = e.fields(why, nil)
		f.objection(Warning, why.Sentence()+" "+why.Advice())
	}
	e.tell(f)
	return true
}

// mfa tells the two proofs apart: the token's own claim, which is a hint, and Partner Center's word, which counts
// (microsoft-identity.md §4.1).
func (e *examination) mfa(claims token.AccessTokenClaims, checks token.Checks) {
	word := checks.APIs[token.PartnerCenter].MFA
	f := Finding{
		Check: "mfa", Result: OK, Fields: e.fields(nil, nil),
		Seen: fmt.Sprintf("amr in the token says %s, isMfaCompliant of Partner Center says %s", orUnknown(claims.MFA), orUnknown(word)),
	}
	switch {
	case checks.MFA == token.No:
		f.objection(Failed, "Turn on multi-factor authentication for the account and consent again.")
	case word != token.Yes:
		f.objection(Warning, "Partner Center did not tell what it thinks; see docs/guides/go-live.md.")
	}
	e.tell(f)
}

func (e *examination) apis(checks token.Checks) {
	for _, api := range token.APIs() {
		check, probe := "api "+string(api), checks.APIs[api]
		fields := map[string]string{"api": string(api)}
		switch {
		case probe.Works == token.Yes:
			e.tell(Finding{Check: check, Result: OK, Seen: "the access token works there", Fields: e.fields(nil, fields)})
		case probe.Failure == nil:
			e.warn(check, "It was not tried.", "Run this again.")
		case probe.Works == token.No:
			e.refused(check, Failed, probe.Failure.Error(), fields)
		default:
			e.refused(check, Warning, probe.Failure.Error(), fields)
		}
	}
}

// roles warns of a Global admin who is none any more: only a consent needs that role (microsoft-identity.md §4.4).
func (e *examination) roles(checks token.Checks) {
	f := Finding{
		Check: "roles", Result: OK, Fields: e.fields(nil, nil),
		Seen: fmt.Sprintf("Global admin %s, Admin agent %s", orUnknown(checks.GlobalAdmin), orUnknown(checks.AdminAgent)),
	}
	switch {
	case checks.AdminAgent == token.No:
		f.objection(Failed, "Put the account into the group AdminAgents.")
	case checks.AdminAgent != token.Yes || checks.GlobalAdmin == token.Unknown:
		f.objection(Warning, "Graph does not tell: Directory.Read.All is missing on the app registration, or Graph was not reached.")
	case checks.GlobalAdmin == token.No:
		f.objection(Warning, "Renewal works without Global admin; the next consent does not.")
	}
	e.tell(f)
}

// credentials tells when the application's credentials end. Microsoft tells it of a secret in no answer, so it is what
// was entered.
func (e *examination) credentials(r tenant.Resolved) {
	a := r.Client().Application
	for _, c := range []struct {
		what string
		tenant.Credential
	}{{"certificate", a.Certificate}, {"client secret", a.Secret}, {"next client secret", a.NextSecret}} {
		if !c.Value.Empty() {
			e.credential(c.what, c.Ends)
		}
	}
}

func (e *examination) credential(what string, ends time.Time) {
	const check = "credentials"
	left := ends.Sub(e.Now())
	switch {
	case ends.IsZero():
		e.warn(check, fmt.Sprintf("When the %s ends is not known.", what), "Enter its end date in the settings, so that it can be warned of.")
	case left <= 0:
		e.fail(check, fmt.Sprintf("The %s ended on %s.", what, stamp(ends)), "Enter a new one; the refresh token stays valid.")
	case left <= credentialWarning:
		e.warn(check, fmt.Sprintf("The %s ends in %s, on %s.", what, days(left), stamp(ends)), "Make a new one beside it and enter it.")
	default:
		e.ok(check, "the %s ends in %s, on %s", what, days(left), stamp(ends))
	}
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format(time.RFC3339)
}

func days(d time.Duration) string { return count(int(d/(24*time.Hour)), "day") }

func orUnknown(a token.Answer) token.Answer {
	if a == "" {
		return token.Unknown
	}
	return a
}
