package app

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/httpclient"
	"azure-partner-connector/connector/microsoft"
	"azure-partner-connector/connector/platform/ties"
	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// Timeouts of calls to Microsoft (microsoft-identity.md §3.8, §5.5).
const (
	identityTimeout = 30 * time.Second
	probeTimeout    = 60 * time.Second
)

// Rooms are the connector without its doors and its clock: everything that can be done, and nobody who listens.
type Rooms struct {
	Store     *store.Store
	Microsoft *microsoft.Client
	Tenants   *tenant.Service
	Tokens    *token.Service
	Consents  *consent.Service
	Ties      *ties.Service

	// Authorities are the addresses of the sign-in pages, by the name of the cloud. These are all clouds that there are.
	Authorities map[string]string

	keyring  *seal.Keyring
	platform *platform
}

// Open opens the database, brings its schema up to date, and furnishes the rooms. Close them when done.
func Open(ctx context.Context, cfg config.Config, opts Options) (*Rooms, error) {
	return open(ctx, cfg, opts.withDefaults(), nil)
}

// open has observe told of what custody does; nil tells nobody.
func open(ctx context.Context, cfg config.Config, opts Options, observe func(audit.Action, string)) (*Rooms, error) {
	r := &Rooms{Authorities: authorities(cfg.Clouds)}
	if err := r.furnish(ctx, cfg, opts, observe); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// Close closes the database. Nobody may use the rooms afterwards.
func (r *Rooms) Close() error {
	if r.Store == nil {
		return nil
	}
	return r.Store.Close()
}

// furnish builds the house from its keys and its store up to the domain.
func (r *Rooms) furnish(ctx context.Context, cfg config.Config, opts Options, observe func(audit.Action, string)) error {
	var err error
	if r.keyring, err = cfg.Keys.Open(); err != nil {
		return err
	}
	if r.Store, err = openStore(ctx, cfg.Database, r.keyring, opts); err != nil {
		return err
	}
	if err := r.Store.Migrate(ctx); err != nil {
		return err
	}
	if r.Microsoft, err = openMicrosoft(cfg.Clouds, opts, r.leaveAlone); err != nil {
		return err
	}
	if r.platform, err = openPlatform(cfg, opts); err != nil {
		return err
	}
	if r.Tenants, err = tenant.New(tenant.Config{
		Store: r.Store, Directories: r.Microsoft, Clouds: slices.Sorted(maps.Keys(r.Authorities)),
		Now: opts.Now, Log: opts.Log.With("room", "tenant"),
	}); err != nil {
		return err
	}
	if r.Tokens, err = token.New(token.Config{
		Store: r.Store, Microsoft: opts.Watch(r.Microsoft),
		Every: cfg.Renewal.Every, Jitter: cfg.Renewal.Jitter, Lease: cfg.Renewal.Lease, Workers: cfg.Renewal.Workers,
		PerCloud: cfg.Renewal.PerCloud, PerDirectory: cfg.Renewal.PerDirectory, Grace: cfg.Shutdown.Grace / 2,
		ClaimLife: cfg.Onboarding.ClaimLife, AcceptUnknownMFA: cfg.Onboarding.AcceptUnknownMFA,
		Now: opts.Now, Observe: observe, Step: opts.Step, Log: opts.Log.With("room", "token"),
	}); err != nil {
		return err
	}
	if r.Ties, err = ties.New(ties.Config{
		Store: r.Store, Controller: r.platform.calls, Target: r.platform.target, Keys: r.platform.keys(),
		Task: cfg.Platform.PeriodicTask, Events: cfg.Platform.AccountEvents,
		Now: opts.Now, Log: opts.Log.With("room", "ties"),
	}); err != nil {
		return err
	}
	r.Consents, err = consent.New(consent.Config{
		Store: r.Store, Tokens: r.Tokens, Microsoft: r.Microsoft, Hasher: r.keyring, PublicURL: cfg.Onboarding.PublicURL,
		ConsentLife: cfg.Onboarding.ConsentLife, LinkLife: cfg.Onboarding.LinkLife, ClaimLife: cfg.Onboarding.ClaimLife,
		Now: opts.Now, Log: opts.Log.With("room", "consent"),
	})
	return err
}

func openStore(ctx context.Context, db config.Database, keyring *seal.Keyring, opts Options) (*store.Store, error) {
	return store.Open(ctx, store.Config{Driver: db.Driver, DSN: db.Source(), Keyring: keyring, Now: opts.Now, Log: opts.Log.With("room", "store")})
}

// leaveAlone has renewals respect that a cloud asked to slow down.
func (r *Rooms) leaveAlone(cloud string, wait time.Duration) {
	if r.Tokens != nil { // nobody renews before
		r.Tokens.LeaveAlone(cloud, wait)
	}
}

func openMicrosoft(profiles []microsoft.Profile, opts Options, throttled func(cloud string, wait time.Duration)) (*microsoft.Client, error) {
	identity, err := httpclient.New(httpclient.Config{Timeout: identityTimeout})
	if err != nil {
		return nil, err
	}
	probes, err := httpclient.New(httpclient.Config{Timeout: probeTimeout})
	if err != nil {
		return nil, err
	}
	return microsoft.New(microsoft.Config{
		Profiles: profiles, HTTP: identity, ProbeHTTP: probes, Wait: opts.Pause,
		Throttled: throttled, Now: opts.Now, Log: opts.Log.With("room", "microsoft"),
	})
}

// authorities returns the clouds that instances may choose: the built-in ones, changed and added to by profiles.
func authorities(profiles []microsoft.Profile) map[string]string {
	byCloud := map[string]string{}
	for _, p := range append(microsoft.Profiles(), profiles...) {
		if _, known := byCloud[p.Name]; known && p.Authority == "" {
			continue // this profile changes something else
		}
		byCloud[p.Name] = p.Authority
	}
	return byCloud
}
