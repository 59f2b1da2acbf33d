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

// credentialWarning is how long before its expiry a credential causes a warning (docs/reference/microsoft-identity.md §6.3).
const credentialWarning = 30 * 24 * time.Hour

func (e *examination) tenant(ctx context.Context, services *app.Services, recorder *claimsRecorder, instances []tenant.Instance) {
	r, ok := e.resolve(ctx, services, instances)
	if !ok {
		return
	}
	if e.settings(r) {
		e.token(ctx, services, recorder, r)
	}
	e.credentials(r)
}

// token reads the stored status of the refresh token, and uses the token if its cloud can be reached.
func (e *examination) token(ctx context.Context, services *app.Services, recorder *claimsRecorder, r tenant.Resolved) {
	reachable := !e.unreachable[r.Instance.Settings.Cloud]
	if reachable && !e.directory(ctx, services, r) || !e.grant(ctx, services, r) || !reachable {
		return
	}
	status, err := services.Tokens.Check(ctx, r.Tenant.ID, audit.Actor{Kind: audit.Operator, Name: "doctor"})
	switch {
	case failure.Is(err, failure.RenewalRunning), failure.Is(err, failure.GrantStale), failure.Is(err, failure.NoSuccessor):
		e.failure("renewal", Warning, err, nil) // it stored nothing, and the stored token is not refused
		return
	case err != nil:
		e.failure("renewal", Failed, err, nil)
		return
	}
	e.add(Finding{
		Check: "renewal", Result: OK, Fields: e.fields(nil, nil),
		Seen: fmt.Sprintf("Microsoft issued a successor, which is stored: issued %s, expires %s; next renewal %s",
			stamp(status.IssuedAt), stamp(status.ExpiresAt), stamp(status.NextRenewalAt)),
	})
	e.mfa(recorder.claims, status.Checks)
	e.apis(status)
	e.roles(status.Checks)
}

func (e *examination) resolve(ctx context.Context, services *app.Services, instances []tenant.Instance) (tenant.Resolved, bool) {
	const check = "tenant"
	var matches []tenant.Resolved
	for _, in := range instances {
		tenants, err := services.Tenants.Tenants(ctx, in.Key)
		if err != nil {
			e.fail(check, err.Error()+".", "")
			return tenant.Resolved{}, false
		}
		for _, t := range tenants {
			if t.ID == e.Tenant {
				matches = []tenant.Resolved{{Tenant: t, Instance: in}}
				break
			}
			if slices.ContainsFunc([]string{t.Name, t.Directory, t.DirectoryID}, func(name string) bool { return strings.EqualFold(name, e.Tenant) }) {
				matches = append(matches, tenant.Resolved{Tenant: t, Instance: in})
			}
		}
	}
	switch len(matches) {
	case 0:
		e.fail(check, fmt.Sprintf("No tenant of an installed instance has the ID, name or directory %q.", e.Tenant), "Use one of them as the screens show it.")
		return tenant.Resolved{}, false
	case 1:
	default:
		var ids []string
		for _, r := range matches {
			ids = append(ids, r.Tenant.ID)
		}
		e.fail(check, fmt.Sprintf("Several tenants have the name or directory %q.", e.Tenant), "Use an ID: "+strings.Join(ids, ", ")+".")
		return tenant.Resolved{}, false
	}
	r := matches[0]
	e.add(Finding{
		Check: check, Result: OK, Seen: fmt.Sprintf("%q on %q", r.Tenant.Name, r.Tenant.Marketplace),
		Fields: e.fields(nil, map[string]string{
			"tenant": r.Tenant.ID, "instance": r.Instance.Key, "directory": r.Tenant.DirectoryID, "cloud": r.Instance.Settings.Cloud,
		}),
	})
	return r, true
}

// settings checks the settings that were entered. The status does not show them before the next attempt.
func (e *examination) settings(r tenant.Resolved) bool {
	const check = "settings"
	client := r.Client()
	switch err := client.Application.Usable(); {
	case r.Tenant.Directory == "":
		e.failure(check, Failed, failure.New(failure.DirectoryMissing), nil)
	case err != nil:
		e.failure(check, Failed, err, nil)
	default:
		e.ok(check, "directory %q, application %s", r.Tenant.Directory, client.Application.ID)
		return true
	}
	return false
}

// directory resolves the directory that was entered, and then reads the discovery document of the result, because
// ResolveDirectory returns a GUID unchecked.
func (e *examination) directory(ctx context.Context, services *app.Services, r tenant.Resolved) bool {
	const check = "directory"
	id, err := services.Microsoft.ResolveDirectory(ctx, r.Instance.Settings.Cloud, r.Tenant.Directory)
	if err == nil {
		_, err = e.discover(ctx, services.Authorities[r.Instance.Settings.Cloud], id)
	}
	if err != nil {
		e.failure(check, Failed, err, nil)
		return false
	}
	if r.Tenant.DirectoryID != "" && id != r.Tenant.DirectoryID {
		e.fail(check, fmt.Sprintf("%q is now the directory %s, but %s is stored.", r.Tenant.Directory, id, r.Tenant.DirectoryID),
			"Save the reseller's settings again, and repeat the consent.")
		return false
	}
	e.ok(check, "%q is %s and known to Microsoft", r.Tenant.Directory, id)
	return true
}

func (e *examination) grant(ctx context.Context, services *app.Services, r tenant.Resolved) bool {
	const check = "grant"
	status, err := services.Tokens.Status(ctx, r)
	if err != nil {
		e.failure(check, Failed, err, nil)
		return false
	}
	if status.IssuedAt.IsZero() || status.State == token.StateExpired {
		e.failure(check, Failed, status.Failure.Error(), nil)
		return false
	}
	f := Finding{
		Check: check, Result: OK, Fields: e.fields(nil, nil),
		Seen: fmt.Sprintf("%s, %s old, %s left (until %s); consented by %s on %s, %s procedure",
			status.State, days(e.Now().Sub(status.IssuedAt)), count(status.DaysLeft, "day"), stamp(status.ExpiresAt),
			status.ConsentedBy.Username, stamp(status.ConsentedAt), status.Procedure),
	}
	if status.Failure != nil {
		reason := status.Failure.Error()
		f.Fields = e.fields(reason, nil)
		f.downgrade(Warning, reason.Sentence()+" "+reason.Advice())
	}
	e.add(f)
	return true
}

// mfa reports both signs of MFA: the claim of the token, which is a hint, and Partner Center's answer, which is the proof
// (docs/reference/microsoft-identity.md §4.1).
func (e *examination) mfa(claims token.AccessTokenClaims, checks token.Checks) {
	answer := checks.APIs[token.PartnerCenter].MFA
	f := Finding{
		Check: "mfa", Result: OK, Fields: e.fields(nil, nil),
		Seen: fmt.Sprintf("amr in the token says %s, isMfaCompliant of Partner Center says %s", orUnknown(claims.MFA), orUnknown(answer)),
	}
	switch {
	case checks.MFA == token.No:
		f.downgrade(Failed, "Turn on multifactor authentication for the account and grant consent again.")
	case answer != token.Yes:
		f.downgrade(Warning, "Partner Center did not say; see docs/guides/go-live.md.")
	}
	e.add(f)
}

func (e *examination) apis(status token.Status) {
	for _, api := range status.APIs() {
		check, probe := "api "+string(api), status.Checks.APIs[api]
		fields := map[string]string{"api": string(api)}
		switch {
		case len(probe.Missing) > 0 && probe.Failure != nil && probe.Works != token.No:
			e.failure(check, Warning, probe.Failure.Error(), fields)
		case probe.Works == token.Yes:
			e.add(Finding{Check: check, Result: OK, Seen: "accepts the access token", Fields: e.fields(nil, fields)})
		case probe.Failure == nil && !probe.At.IsZero():
			e.add(Finding{Check: check, Result: OK, Seen: "issues an access token; without a probe in the configuration, it is not known whether it works", Fields: e.fields(nil, fields)})
		case probe.Failure == nil:
			e.warn(check, "It was not checked.", "Run the doctor again.")
		case probe.Works == token.No:
			e.failure(check, Failed, probe.Failure.Error(), fields)
		default:
			e.failure(check, Warning, probe.Failure.Error(), fields)
		}
	}
}

// roles reports the roles of the account. It only warns when the account is not a Global admin: consents need that role,
// renewals do not (docs/reference/microsoft-identity.md §4.4).
func (e *examination) roles(checks token.Checks) {
	f := Finding{
		Check: "roles", Result: OK, Fields: e.fields(nil, nil),
		Seen: fmt.Sprintf("Global admin %s, Admin agent %s", orUnknown(checks.GlobalAdmin), orUnknown(checks.AdminAgent)),
	}
	switch {
	case checks.AdminAgent == token.No:
		f.downgrade(Failed, "Add the account to the group AdminAgents.")
	case checks.AdminAgent != token.Yes || checks.GlobalAdmin == token.Unknown:
		f.downgrade(Warning, "Graph did not say: the app registration lacks Directory.Read.All, or Graph was not reached.")
	case checks.GlobalAdmin == token.No:
		f.downgrade(Warning, "Renewal works without Global admin; the next consent does not.")
	}
	e.add(f)
}

// credentials reports when the application's credentials expire. For a secret it is the date that was entered, because
// Microsoft does not return it.
func (e *examination) credentials(r tenant.Resolved) {
	a := r.Client().Application
	if a.Federated {
		e.ok("credentials", "the federated token of the deployment")
	}
	names := map[string]string{
		tenant.CertificateName: "certificate", tenant.NextCertificateName: "next certificate",
		tenant.SecretName: "client secret", tenant.NextSecretName: "next client secret",
	}
	for _, c := range a.CredentialEnds() {
		if what := names[c.Name]; what != "" {
			e.credential(what, c.Ends)
		}
	}
}

func (e *examination) credential(what string, ends time.Time) {
	const check = "credentials"
	left := ends.Sub(e.Now())
	switch {
	case ends.IsZero():
		e.warn(check, fmt.Sprintf("The expiry date of the %s is not known.", what), "Enter it in the settings, so that we can warn of it.")
	case left <= 0:
		e.fail(check, fmt.Sprintf("The %s expired on %s.", what, stamp(ends)), "Enter a new one; the refresh token stays valid.")
	case left <= credentialWarning:
		e.warn(check, fmt.Sprintf("The %s expires in %s, on %s.", what, days(left), stamp(ends)), "Create a new one, and enter it in addition.")
	default:
		e.ok(check, "the %s expires in %s, on %s", what, days(left), stamp(ends))
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
