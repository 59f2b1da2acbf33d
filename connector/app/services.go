package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/binding"
	"azure-partner-connector/connector/client"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/httpclient"
	"azure-partner-connector/connector/limit"
	"azure-partner-connector/connector/microsoft"
	"azure-partner-connector/connector/platform/controller"
	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// Timeouts of calls to Microsoft (docs/reference/microsoft-identity.md §3.8, §5.5).
const (
	identityTimeout = 30 * time.Second
	probeTimeout    = 60 * time.Second
)

// Services are the parts of the connector below its listeners and its scheduler.
type Services struct {
	Store     *store.Store
	Microsoft *microsoft.Client
	Tenants   *tenant.Service
	Tokens    *token.Service
	Consents  *consent.Service
	Clients   *client.Service

	// Refusals counts what borrowers and clients are refused; it is flushed once a minute.
	Refusals *audit.Tally
	// Uses counts what clients borrow and have forwarded; it is flushed once a minute.
	Uses *audit.Tally

	Bindings *binding.Service

	// Authorities maps the name of every cloud that an instance may choose to the address of its sign-in pages.
	Authorities map[string]string

	clock    *clockGuard
	keyring  *seal.Keyring
	platform *controller.Client
	// controllers returns the origins that the configuration lists for an instance.
	controllers func(instanceKey string) []string
}

// Open opens the database, brings its schema up to date (see Options.Migration), and builds the services. The caller closes them.
func Open(ctx context.Context, cfg config.Config, opts Options) (*Services, error) {
	return open(ctx, cfg, opts.withDefaults(), observers{})
}

// observers count what happens; each may be nil.
type observers struct {
	action  func(audit.Action, string) // consents, renewals, checks and lendings
	limited func(limit.Name)           // refusals of what was done too often
	claim   func(result string)        // claim codes that were refused

	// Calls of others, with how long they took: of Microsoft, of the platform, and of the database.
	microsoft, platform func(host string, status int, d time.Duration)
	database            func(operation string, err error, d time.Duration)
}

// open is Open with observers.
func open(ctx context.Context, cfg config.Config, opts Options, observe observers) (*Services, error) {
	s := &Services{Authorities: Authorities(cfg.Clouds)}
	if err := s.build(ctx, cfg, opts, observe); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// OpenStore opens the database with keyring and leaves the schema as it is: for commands that maintain what is stored.
// The caller closes it.
func OpenStore(ctx context.Context, cfg config.Config, keyring *seal.Keyring, opts Options) (*store.Store, error) {
	return openStore(ctx, cfg, keyring, opts.withDefaults(), nil)
}

// Close closes the database. The services must not be used afterwards.
func (s *Services) Close() error {
	if s.Store == nil {
		return nil
	}
	return s.Store.Close()
}

func (s *Services) build(ctx context.Context, cfg config.Config, opts Options, observe observers) error {
	var err error
	if s.keyring, err = cfg.Keys.Open(); err != nil {
		return err
	}
	if s.Store, err = openStore(ctx, cfg, s.keyring, opts, observe.database); err != nil {
		return err
	}
	if err := prepare(ctx, s.Store, opts.Migration); err != nil {
		return err
	}
	if s.Microsoft, err = openMicrosoft(cfg, opts, s.pauseCloud, observe.microsoft); err != nil {
		return err
	}
	s.clock = s.newClockGuard(consumerKeys(cfg.Instances), opts.component("clock"))
	s.controllers = controllersOf(cfg.Instances)
	if s.platform, err = openPlatform(cfg, opts, s.controllers, observe.platform); err != nil {
		return err
	}
	limits, err := limit.New(limit.Config{
		Store: s.Store, Most: cfg.Limits.Most(), Refused: observe.limited, Now: opts.Now, Log: opts.component("limit"),
	})
	if err != nil {
		return err
	}
	if s.Tenants, err = tenant.New(tenant.Config{
		Store: s.Store, Directories: s.Microsoft, Clouds: slices.Sorted(maps.Keys(s.Authorities)), Authenticator: s.Microsoft, Limits: limits,
		Resources: s.platform, AllowMoves: allowMoves(cfg.Instances), APIs: apisOf(cfg.Instances),
		Controllers: s.controllers, Now: opts.Now, Log: opts.component("tenant"),
	}); err != nil {
		return err
	}
	s.Refusals, s.Uses = audit.NewTally(s.Store, opts.Now), token.NewUses(s.Store, opts.Now)
	if s.Clients, err = client.New(client.Config{
		Store: s.Store, Hasher: s.keyring, APIs: APIs(cfg.Instances), Refusals: s.Refusals, Now: opts.Now, Log: opts.component("client"),
	}); err != nil {
		return err
	}
	if s.Tokens, err = token.New(token.Config{
		Store: s.Store, Microsoft: opts.Watch(s.Microsoft), Refusals: s.Refusals, Uses: s.Uses,
		Every: cfg.Renewal.Every, Jitter: cfg.Renewal.Jitter, Lease: cfg.Renewal.Lease, Workers: cfg.Renewal.Workers,
		CustomerTokens: cfg.Lending.CustomerTokens, Redemptions: cfg.Lending.Redemptions,
		PerCloud: cfg.Renewal.PerCloud, PerDirectory: cfg.Renewal.PerDirectory, Grace: cfg.Shutdown.Grace / 2,
		ClaimLife: cfg.Onboarding.ClaimLife, AcceptUnknownMFA: cfg.Onboarding.AcceptUnknownMFA,
		AcceptAnotherAccount: cfg.Onboarding.AcceptAnotherAccount, RecordEnds: s.Tenants.RecordEnds, RenewSuspended: renewSuspended(cfg.Instances),
		Now: opts.Now, Skew: s.clock.skew, Observe: observe.action, Limits: limits, Step: opts.Step, Log: opts.component("token"),
	}); err != nil {
		return err
	}
	if s.Bindings, err = binding.New(binding.Config{
		Store: s.Store, Controller: s.platform, Tenants: s.Tenants, Keys: consumerKeys(cfg.Instances),
		PeriodicTask: cfg.Platform.PeriodicTask, AccountEvents: cfg.Platform.AccountEvents,
		Now: opts.Now, Log: opts.component("binding"),
	}); err != nil {
		return err
	}
	s.Consents, err = consent.New(consent.Config{
		Store: s.Store, Tokens: s.Tokens, Microsoft: s.Microsoft, Hasher: s.keyring, PublicURL: cfg.Onboarding.PublicURL,
		PanelOrigins: panelOrigins(cfg.Instances),
		ConsentLife:  cfg.Onboarding.ConsentLife, LinkLife: cfg.Onboarding.LinkLife, ClaimLife: cfg.Onboarding.ClaimLife,
		Limits: limits, Recorded: observe.action, Observe: func(_ audit.Action, result string) {
			if observe.claim != nil {
				observe.claim(result)
			}
		},
		Now: opts.Now, Log: opts.component("consent"),
	})
	return err
}

// panelOrigins returns the origins of the panels by consumer key. They decide who has access, so the configuration is the only
// source of them.
func panelOrigins(instances []config.Instance) map[string][]string {
	byKey := make(map[string][]string, len(instances))
	for _, in := range instances {
		byKey[in.Key] = in.PanelOrigins
	}
	return byKey
}

// allowMoves returns for which instances the operator allows that tenants with a grant move.
func allowMoves(instances []config.Instance) func(key string) bool {
	allow := make(map[string]bool)
	for _, in := range instances {
		allow[in.Key] = in.AllowMoves
	}
	return func(key string) bool { return allow[key] }
}

// renewSuspended returns which instances renew the tokens of suspended subscriptions.
func renewSuspended(instances []config.Instance) func(key string) bool {
	renew := make(map[string]bool)
	for _, in := range instances {
		renew[in.Key] = in.RenewsSuspended()
	}
	return func(key string) bool { return renew[key] }
}

// prepare brings the schema up to date, or checks that it is, and checks that the database accepts changes.
func prepare(ctx context.Context, s *store.Store, migration Migration) error {
	var err error
	switch migration {
	case MigrateSchema:
		err = s.Migrate(ctx)
	case RequireSchema:
		err = s.MigrateNothing(ctx)
	case ExamineSchema:
		err = s.Check(ctx)
	}
	if errors.Is(err, sqldb.ErrOlderSchema) || errors.Is(err, sqldb.ErrNoSchema) {
		return fmt.Errorf("%w; run connector migrate", err)
	}
	if err != nil {
		return err
	}
	return s.Ready(ctx)
}

// Migrate brings the schema up to date and starts nothing else.
func Migrate(ctx context.Context, cfg config.Config, opts Options) error {
	opts = opts.withDefaults()
	keyring, err := cfg.Keys.Open()
	if err != nil {
		return err
	}
	s, err := openStore(ctx, cfg, keyring, opts, nil)
	if err != nil {
		return err
	}
	return errors.Join(prepare(ctx, s, MigrateSchema), s.Close())
}

// DatabaseConfig returns how to connect to a configured database.
func DatabaseConfig(db config.Database) (sqldb.Config, error) {
	encryption, err := db.Encryption()
	if err != nil {
		return sqldb.Config{}, err
	}
	return sqldb.Config{Driver: db.Driver, DSN: db.Source(), TLS: encryption}, nil
}

func openStore(ctx context.Context, cfg config.Config, keyring *seal.Keyring, opts Options, observe func(string, error, time.Duration)) (*store.Store, error) {
	connection, err := DatabaseConfig(cfg.Database)
	if err != nil {
		return nil, err
	}
	connection.Now, connection.Log, connection.Observe = opts.Now, opts.component("store"), observe
	return store.Open(ctx, store.Config{Config: connection, Keyring: keyring, Deployment: deployments(cfg.Instances)})
}

// pauseCloud pauses the renewals of a cloud that throttles us. Tokens is nil until the client of Microsoft exists.
func (s *Services) pauseCloud(cloud string, wait time.Duration) {
	if s.Tokens != nil {
		s.Tokens.PauseCloud(cloud, wait)
	}
}

func openMicrosoft(cfg config.Config, opts Options, throttled func(cloud string, wait time.Duration),
	observe func(string, int, time.Duration),
) (*microsoft.Client, error) {
	identity, err := httpclient.New(httpclient.Config{Timeout: identityTimeout, Observe: observe})
	if err != nil {
		return nil, err
	}
	probes, err := httpclient.New(httpclient.Config{Timeout: probeTimeout, Observe: observe})
	if err != nil {
		return nil, err
	}
	return microsoft.New(microsoft.Config{
		Profiles: cfg.Clouds, FederatedTokenFile: cfg.Federated.TokenFile, HTTP: identity, ProbeHTTP: probes, Wait: opts.Pause,
		Throttled: throttled, Now: opts.Now, Log: opts.component("microsoft"),
	})
}

// Authorities returns the clouds that instances may choose: the built-in ones, and what profiles change and add.
func Authorities(profiles []microsoft.Profile) map[string]string {
	byCloud := map[string]string{}
	for _, p := range append(microsoft.Profiles(), profiles...) {
		if _, known := byCloud[p.Name]; known && p.Authority == "" {
			continue // this profile changes something else
		}
		byCloud[p.Name] = p.Authority
	}
	return byCloud
}
