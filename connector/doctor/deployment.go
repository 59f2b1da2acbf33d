package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/tenant"
)

// maxSkew is how far our clock may be from Microsoft's without a warning. Hooks are refused beyond ten minutes (design §8),
// and id_tokens are taken with five minutes of leeway (microsoft-identity.md §4.2).
const maxSkew = 2 * time.Minute

func (e *examination) deployment(ctx context.Context) {
	cfg, ok := e.configuration()
	if !ok || !e.keys(cfg) || !e.database(ctx, cfg.Database) {
		return
	}
	w := &witness{}
	rooms, err := app.Open(ctx, cfg, app.Options{Now: e.Now, Log: e.Log(cfg.Log), Watch: w.watch})
	if err != nil {
		e.fail("database", err.Error()+".", "")
		return
	}
	defer func() {
		if err := rooms.Close(); err != nil {
			e.fail("database", err.Error()+".", "")
		}
	}()
	instances, ok := e.seals(ctx, rooms, cfg.Instances)
	if !ok {
		return
	}
	e.clouds(ctx, rooms, instances)
	for _, in := range instances {
		e.instance(ctx, rooms, in)
	}
	if e.Tenant != "" {
		e.tenant(ctx, rooms, w, instances)
	}
}

func (e *examination) configuration() (config.Config, bool) {
	const check = "configuration"
	cfg, err := e.Load()
	if err != nil {
		faults := []error{err}
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			faults = joined.Unwrap()
		}
		for _, fault := range faults {
			e.fail(check, fault.Error()+".", "")
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
		e.fail("keys", err.Error()+".", "Without the keys nothing stored can be read: bring them back from their copy, or make one with connector keys create if nothing is stored yet.")
		return false
	}
	e.ok("keys", "%s opens", cmp.Or(cfg.Keys.File, "keys.ring"))
	return true
}

// databasePatience bounds what the database may take to tell its version.
const databasePatience = 15 * time.Second

// database looks at the schema without bringing it up to date: that is for the program that serves.
func (e *examination) database(ctx context.Context, db config.Database) bool {
	const check = "database"
	ctx, cancel := context.WithTimeout(ctx, databasePatience)
	defer cancel()
	current, known, err := sqldb.SchemaVersions(ctx, db.Driver, db.Source())
	switch {
	case errors.Is(err, sqldb.ErrNoSchema):
		e.fail(check, fmt.Sprintf("%s answers but holds nothing yet.", db.Driver), "Start connector serve: it makes the tables.")
	case err != nil:
		e.fail(check, err.Error()+".", "Check the address, the account and the file's permissions.")
	case current < known:
		e.fail(check, fmt.Sprintf("%s has schema version %d; this program needs %d.", db.Driver, current, known), "Start connector serve of this version: it migrates.")
	case current > known:
		e.fail(check, fmt.Sprintf("%s has schema version %d; this program knows %d.", db.Driver, current, known), "Use the newer program.")
	default:
		e.ok(check, "%s answers, schema version %d", db.Driver, current)
		return true
	}
	return false
}

// seals reads every instance and tenant, which opens what is sealed in them, and returns the instances that live.
func (e *examination) seals(ctx context.Context, rooms *app.Services, configured []config.Instance) (living []tenant.Instance, ok bool) {
	const check = "seals"
	tenants := 0
	var absent []string
	for _, c := range configured {
		in, err := rooms.Tenants.Instance(ctx, c.Key)
		if failure.Is(err, failure.NotFound) {
			absent = append(absent, c.Key)
			continue
		}
		var of []tenant.Tenant
		if err == nil {
			of, err = rooms.Tenants.Tenants(ctx, c.Key)
		}
		if errors.Is(err, seal.ErrNotOpened) {
			e.fail(check, err.Error()+".", "The database was filled with other keys: configure the key file that belongs to it.")
			return nil, false
		}
		if err != nil {
			e.fail("database", err.Error()+".", "")
			return nil, false
		}
		living = append(living, in)
		tenants += len(of)
	}
	e.ok(check, "%s and %s open with these keys", count(len(living), "instance"), count(tenants, "tenant"))
	for _, key := range absent {
		e.warn("instance "+key, "The platform has not installed it.", "Run connector register, or install it in the provider's panel.")
	}
	return living, true
}

// clouds asks the sign-in service of every cloud in use for its discovery document, and compares clocks on the way.
func (e *examination) clouds(ctx context.Context, rooms *app.Services, instances []tenant.Instance) {
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
	answers := map[string]answer{} // cloud → what its authority said
	compared := false
	for _, cloud := range slices.Sorted(maps.Keys(used)) {
		authority, known := rooms.Authorities[cloud]
		if !known {
			answers[cloud] = answer{err: failure.New(failure.CloudUnknown, "cloud", cloud)}
			continue
		}
		found, err := e.discover(ctx, authority, anyDirectory)
		answers[cloud] = answer{found, err}
		if !compared && !found.date.IsZero() {
			compared = true
			e.clock(authority, found)
		}
	}
	if !compared {
		e.warn("clock", "It could not be compared: no sign-in service told its time.", "")
	}
	for _, cloud := range slices.Sorted(maps.Keys(answers)) {
		if err := answers[cloud].err; err != nil {
			e.unreachable[cloud] = true
			e.refused("cloud "+cloud, Failed, err, map[string]string{"cloud": cloud})
			continue
		}
		e.ok("cloud "+cloud, "%s answers", rooms.Authorities[cloud])
	}
}

func (e *examination) clock(authority string, found discovery) {
	skew := found.skew()
	if skew.Abs() <= maxSkew {
		e.ok("clock", "agrees with %s", authority)
		return
	}
	way := "ahead of"
	if skew < 0 {
		way = "behind"
	}
	e.warn("clock", fmt.Sprintf("It is %s %s %s.", skew.Abs().Round(time.Second), way, authority),
		"Let the machine follow a time server: hooks are refused beyond 10 minutes, sign-ins beyond 5.")
}

func (e *examination) instance(ctx context.Context, rooms *app.Services, in tenant.Instance) {
	check := "instance " + in.Key
	if in.ControllerURI == "" {
		e.warn(check, "The platform has not told the address of its controller yet.", "Open one of the screens; every call tells it.")
		return
	}
	if err := rooms.ReachController(ctx, in); err != nil {
		e.refused(check, Failed, err, map[string]string{"instance": in.Key, "controller": in.ControllerURI})
		return
	}
	e.ok(check, "package %s, controller %s answers", in.PackageVersion, in.ControllerURI)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
