package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/tenant"
)

func (e *examination) deployment(ctx context.Context) {
	cfg, ok := e.configuration()
	if !ok {
		return
	}
	e.certificates(cfg)
	if !e.keys(cfg) || !e.database(ctx, cfg.Database) {
		return
	}
	recorder := &claimsRecorder{}
	services, err := app.Open(ctx, cfg, app.Options{Now: e.Now, Log: e.Log(cfg.Log), Watch: recorder.wrap, Migration: app.ExamineSchema})
	switch {
	case errors.Is(err, store.ErrWrongKeys):
		e.fail("seals", sentence(err), otherKeys)
		return
	case err != nil:
		e.fail("database", sentence(err), "")
		return
	}
	defer func() {
		if err := services.Close(); err != nil {
			e.fail("database", err.Error()+".", "")
		}
	}()
	instances, ok := e.seals(ctx, services, cfg.Instances)
	if !ok {
		return
	}
	e.integrity(ctx, services)
	e.clouds(ctx, services, instances)
	e.outside(ctx, cfg)
	e.federated(cfg, services)
	e.pauses(ctx, services)
	e.replicas(ctx, services, cfg)
	e.channels(ctx, services, cfg)
	for _, in := range instances {
		e.instance(ctx, services, in)
		e.panels(ctx, services, in, cfg.Instances)
	}
	if e.Tenant != "" {
		e.tenant(ctx, services, recorder, instances)
	}
}

// pauses names the pauses of renewals by operators.
func (e *examination) pauses(ctx context.Context, services *app.Services) {
	const check = "renewals"
	pauses, err := services.Tokens.Pauses(ctx)
	if err != nil {
		e.fail(check, err.Error()+".", "")
		return
	}
	for _, p := range pauses {
		e.warn(check, fmt.Sprintf("Paused in %s until %s, by %s: %s", p.Scope(), stamp(p.Until), p.By, cmp.Or(p.Reason, "no reason given")),
			"When the reason is gone, end the pause with connector renewals resume.")
	}
}

// panels says when no panel of an instance is listed, and names those that are not, as users of them reported.
func (e *examination) panels(ctx context.Context, services *app.Services, in tenant.Instance, configured []config.Instance) {
	const check = "panels"
	lists := func(c config.Instance) bool { return c.Key == in.Key && len(c.PanelOrigins) > 0 }
	if !slices.ContainsFunc(configured, lists) {
		e.warn(check, fmt.Sprintf("Every automatic update of instance %q ends with an authentication code that the person has to enter in the panel, because its panelOrigins is empty.", in.Key),
			"Add the addresses of its panels to panelOrigins, each as the browser shows it up to the first slash after the host, and restart the connector.")
	}
	unlisted, err := services.Consents.UnlistedOrigins(ctx, in.Key)
	if err != nil {
		e.fail(check, err.Error()+".", "")
		return
	}
	for _, origin := range slices.Compact(slices.Sorted(maps.Values(unlisted))) {
		e.warn(check, fmt.Sprintf("Users of the panel %s of instance %q report that automatic updates end with an authentication code there, because panelOrigins does not list it.", origin, in.Key),
			"If you know this panel, add it to panelOrigins of the instance and restart the connector.")
	}
}

func (e *examination) configuration() (config.Config, bool) {
	const check = "configuration"
	cfg, err := e.Load()
	if err != nil {
		problems := []error{err}
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			problems = joined.Unwrap()
		}
		for _, problem := range problems {
			e.fail(check, problem.Error()+".", "")
		}
		return cfg, false
	}
	for _, warning := range cfg.Warnings {
		e.warn(check, warning, "")
	}
	e.ok(check, "complete, with %s; hooks at %s, onboarding at %s", count(len(cfg.Instances), "instance"), cfg.Hooks.PublicURL, cfg.Onboarding.PublicURL)
	return cfg, true
}

func (e *examination) keys(cfg config.Config) bool {
	if _, err := cfg.Keys.Open(); err != nil {
		e.fail("keys", err.Error()+".", "Without the keys, nothing stored can be read.")
		return false
	}
	e.ok("keys", "%s opens", cmp.Or(cfg.Keys.File, "keys.ring"))
	return true
}

// databaseTimeout limits the reading of the schema version.
const databaseTimeout = 15 * time.Second

// database checks the schema version and the settings that correctness rests on. It does not migrate the database, because
// connector serve does.
func (e *examination) database(ctx context.Context, db config.Database) bool {
	const check = "database"
	ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
	defer cancel()
	connection, err := app.DatabaseConfig(db)
	if err != nil {
		e.fail(check, sentence(err), "Check the files of database.caFile, database.certFile and database.keyFile.")
		return false
	}
	seen, err := sqldb.Inspect(ctx, connection)
	ok := e.databaseSettings(seen.Settings)
	switch {
	case errors.Is(err, sqldb.ErrNoSchema):
		e.fail(check, fmt.Sprintf("%s responds but is empty.", db.Driver), "Start connector serve, which creates the tables.")
	case errors.Is(err, sqldb.ErrReadOnly):
		e.fail(check, sentence(err), "Connect to the server that accepts changes, or make this one accept them.")
	case db.Driver == config.SQLite && errors.Is(err, fs.ErrNotExist):
		e.fail(check, sentence(err), "") // it says what to do
	case err != nil:
		e.fail(check, sentence(err), "Check the address, the account and the file's permissions.")
	case seen.Current < seen.Latest:
		e.fail(check, fmt.Sprintf("%s has schema version %d; this program needs %d.", db.Driver, seen.Current, seen.Latest), "Start connector serve of this version, or run connector migrate, which migrates it.")
	case seen.Current > seen.Latest:
		e.fail(check, fmt.Sprintf("%s has schema version %d; this program knows %d.", db.Driver, seen.Current, seen.Latest), "Use the newer program.")
	default:
		e.ok(check, "%s responds, schema version %d", db.Driver, seen.Current)
		return ok
	}
	return false
}

// databaseSettings reports every setting, and whether the connector starts with them.
func (e *examination) databaseSettings(settings []sqldb.Setting) (ok bool) {
	ok = true
	for _, s := range settings {
		check := "database " + s.Name
		switch {
		case s.Problem == "":
			e.ok(check, "%s", s.Value)
		case s.Tolerable:
			e.warn(check, capital(s.Problem)+".", s.Advice)
		default:
			ok = false
			e.fail(check, capital(s.Problem)+".", s.Advice)
		}
	}
	return ok
}

// otherKeys is the advice about values that do not open.
const otherKeys = "The database was filled with other keys. Configure the key file that belongs to it."

// seals checks that the keys open every instance and tenant, and returns the instances that are not removed.
func (e *examination) seals(ctx context.Context, services *app.Services, configured []config.Instance) (installed []tenant.Instance, ok bool) {
	const check = "seals"
	tenants := 0
	var absent []string
	for _, c := range configured {
		in, err := services.Tenants.Instance(ctx, c.Key)
		if failure.Is(err, failure.NotFound) {
			absent = append(absent, c.Key)
			continue
		}
		var current []tenant.Tenant
		if err == nil {
			current, err = services.Tenants.Tenants(ctx, c.Key)
		}
		if err != nil {
			e.fail("database", err.Error()+".", "")
			return nil, false
		}
		installed = append(installed, in)
		tenants += len(current)
	}
	if !e.unreadable(ctx, services) {
		e.ok(check, "%s and %s open with these keys", count(len(installed), "instance"), count(tenants, "tenant"))
	}
	for _, key := range absent {
		e.warn("instance "+key, "The platform has not installed it.", "Run connector register, or install it in the provider's panel.")
	}
	return installed, true
}

// unreadable opens every stored secret, and reports whether some do not open.
func (e *examination) unreadable(ctx context.Context, services *app.Services) bool {
	const check = "seals"
	columns, err := services.Store.CheckSealed(ctx, nil)
	if err != nil {
		e.fail("database", sentence(err), "")
		return true
	}
	found := false
	for _, c := range columns {
		if c.Failed > 0 {
			found = true
			e.fail(check, fmt.Sprintf("%s of %d in %s.%s cannot be read, the first in row %s.", count(c.Failed, "secret"), c.Checked, c.Table, c.Column, c.Rows[0]),
				"They were damaged or changed in the database. Enter credentials again in the settings; replace a refresh token by a new consent.")
		}
	}
	return found
}

// integrity compares the rows that decide who has access with their MACs.
func (e *examination) integrity(ctx context.Context, services *app.Services) {
	const check = "integrity"
	altered, err := services.Store.Altered(ctx)
	switch {
	case err != nil:
		e.fail("database", sentence(err), "")
	case len(altered) > 0:
		e.fail(check, fmt.Sprintf("Changed outside the connector: %s of instances, tenants or clients. Calls that need them are refused.", count(len(altered), "row")),
			"connector integrity list shows them, and what to do.")
	default:
		e.ok(check, "all instances, tenants and clients are as the connector stored them")
	}
}

// clouds reads the discovery document of every cloud in use, and compares our clock with that of the first cloud that answers.
func (e *examination) clouds(ctx context.Context, services *app.Services, instances []tenant.Instance) {
	used := map[string]bool{}
	for _, in := range instances {
		used[in.Settings.Cloud] = true
	}
	if len(used) == 0 {
		used[tenant.DefaultCloud] = true
	}
	type answer struct {
		discovery
		err error
	}
	answers := map[string]answer{} // cloud → the answer of its authority
	compared := false
	for _, cloud := range slices.Sorted(maps.Keys(used)) {
		authority, known := services.Authorities[cloud]
		if !known {
			answers[cloud] = answer{err: failure.New(failure.CloudUnknown, "cloud", cloud)}
			continue
		}
		d, err := e.discover(ctx, authority, anyDirectory)
		answers[cloud] = answer{d, err}
		if !compared && !d.date.IsZero() {
			compared = true
			e.clock(authority, d)
		}
	}
	if !compared {
		e.warn("clock", "It could not be compared, because no sign-in service sent its time.", "")
	}
	for _, cloud := range slices.Sorted(maps.Keys(answers)) {
		if err := answers[cloud].err; err != nil {
			e.unreachable[cloud] = true
			if signer, untrusted := untrusted(err); untrusted {
				e.fail("cloud "+cloud, fmt.Sprintf("The certificate of %s is %s, and this machine does not trust it: a proxy on the way inspects TLS.", services.Authorities[cloud], signer),
					"Add its certificate authority to those of the system, or name its file in SSL_CERT_FILE.")
				continue
			}
			finding := e.found("cloud "+cloud, Failed, err, map[string]string{"cloud": cloud})
			if failure.Is(err, failure.MicrosoftUnavailable) { // its own advice is for people who can only wait
				finding.Advice = "Check the name server, the firewall and the outbound proxy (HTTPS_PROXY): this machine must reach Microsoft's hosts."
			}
			e.add(finding)
			continue
		}
		e.ok("cloud "+cloud, "%s responds", services.Authorities[cloud])
	}
}

func (e *examination) clock(authority string, d discovery) {
	ahead := d.skew()
	skew := clock.Skew{By: -ahead, Known: true}
	if !skew.Doubtful() {
		e.ok("clock", "agrees with %s", authority)
		return
	}
	direction := "ahead of"
	if ahead < 0 {
		direction = "behind"
	}
	seen := fmt.Sprintf("It is %s %s %s.", ahead.Abs().Round(time.Second), direction, authority)
	if skew.Wrong() {
		e.fail("clock", seen, "Synchronize it with a time server: from 10 minutes on, nothing is renewed and hooks are refused.")
		return
	}
	e.warn("clock", seen, "Synchronize it with a time server: nothing is purged until then. Sign-ins are refused beyond 5 minutes; from 10 on, nothing is renewed and hooks are refused.")
}

func (e *examination) instance(ctx context.Context, services *app.Services, in tenant.Instance) {
	check := "instance " + in.Key
	address, listed := services.ControllerOf(in)
	if address == "" {
		e.warn(check, "The platform has not sent the address of its controller yet.", "Open one of the screens: every call sends it.")
		return
	}
	why := "pinned at the installation"
	if listed {
		why = "listed in the configuration"
	}
	if in.NamedController != "" {
		e.warn("controller of "+in.Key, fmt.Sprintf("A call named the controller %s, which is not used; the one in use is %s, %s.", in.NamedController, address, why),
			"If the platform moved there, run connector instances accept-controller "+in.Key+", or list it in instances[].controllers. Otherwise somebody changes headers on the way: check TLS between the platform and the connector.")
	}
	if err := services.ReachController(ctx, in); err != nil {
		e.failure(check, Failed, err, map[string]string{"instance": in.Key, "controller": address})
		return
	}
	e.ok(check, "package %s, controller %s (%s) responds", in.PackageVersion, address, why)
	e.lostTenants(ctx, services, in)
}

// lostTenants warns of tenants that the platform may not have.
func (e *examination) lostTenants(ctx context.Context, services *app.Services, in tenant.Instance) {
	check := "tenants of " + in.Key
	tenants, err := services.Tenants.Tenants(ctx, in.Key)
	if err != nil {
		e.failure(check, Failed, err, map[string]string{"instance": in.Key})
		return
	}
	lost := 0
	for _, t := range tenants {
		if !t.UnknownAt.IsZero() {
			lost++
		}
	}
	if lost > 0 {
		e.warn(check, fmt.Sprintf("The platform does not show that it has %s. Nothing is issued for such a tenant.", count(lost, "tenant")),
			"List them with connector instances, and remove those that will not come back with connector instances remove "+in.Key+" --tenant.")
	}
}

func sentence(err error) string { return capital(err.Error()) + "." }

func capital(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
