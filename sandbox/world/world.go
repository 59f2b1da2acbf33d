// Package world runs the sandbox in one process: the real connector between a simulated Microsoft and a simulated
// platform, on one movable clock.
package world

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/client"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/connector/trace"
	"azure-partner-connector/sandbox/clock"
	"azure-partner-connector/sandbox/mailserver"
	"azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/platform"
)

// Config is what a World needs. The zero Config is usable.
type Config struct {
	// Folder contains the database and the keys of the connector. Default: a new temporary folder, which Close removes.
	Folder string

	// PanelListen is the address of the panel. Default: a free loopback port.
	PanelListen string

	// Panels are the origins of further panels with the screens. Default: none.
	Panels []string

	// Database names a MySQL database (user:password@tcp(host:port)/name) to use instead of an SQLite file.
	Database secret.Text

	// Key and Secret are the connector's credentials on the platform. Default: new ones.
	Key    string
	Secret secret.Text

	// Resellers adds twenty resellers in all states, with a history. Install then moves the clock, so Clock must be behind the time
	// that is wanted; by default it shows the real time after Install. Default: false.
	Resellers bool

	// Clock is the clock of all parts. Default: the real time.
	Clock *clock.Clock

	// Tick is how often the connector looks for due work. Default: 500 ms.
	Tick time.Duration

	// Log receives the records of all components. Default: discard.
	Log *slog.Logger

	// Traces makes spans of what the connector does. Default: none.
	Traces trace.Provider
}

// A World is a running sandbox. Its methods are safe for concurrent use.
type World struct {
	Clock     *clock.Clock
	Microsoft *microsoft.Simulator
	Platform  *platform.Platform

	// HooksURL and OnboardingURL are the public URLs of the connector, PrivateURL is for its metrics; PanelURL is what a
	// person opens.
	HooksURL, OnboardingURL, PrivateURL, PanelURL string
	// APIURL is the public URL of the token API, EgressURL that of the egress.
	APIURL, EgressURL string

	// Key and Secret are the connector's credentials on the platform.
	Key    string
	Secret secret.Text

	cfg       Config
	ownFolder bool
	listeners app.Listeners
	panel     net.Listener
	mail      *mailserver.Server
	installed installation
	switches  switches
	tour      tour
	previous  secret.Text // while Secret is being replaced
	moves     bool        // the operator allows moves

	stop      context.CancelFunc
	running   *errgroup.Group
	connector *running
}

// brand is the name of the marketplace: of the provider's account and on the panel.
const brand = "Larkfield Cloud Marketplace"

// running is a running connector.
type running struct {
	stop  context.CancelFunc
	ended chan error
}

// Start starts all servers. Install then registers and provisions.
func Start(ctx context.Context, cfg Config) (*World, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Tick == 0 {
		cfg.Tick = 500 * time.Millisecond
	}
	if cfg.PanelListen == "" {
		cfg.PanelListen = "127.0.0.1:0"
	}
	if cfg.Key == "" {
		cfg.Key, cfg.Secret = "sandbox-"+random.ID(), secret.New(random.Token())
	}
	if cfg.Clock == nil {
		cfg.Clock = &clock.Clock{}
		if cfg.Resellers {
			cfg.Clock = clock.At(time.Now().Add(-resellersAge))
		}
	}
	w := &World{Clock: cfg.Clock, cfg: cfg, Key: cfg.Key, Secret: cfg.Secret, running: new(errgroup.Group)}
	if err := w.start(ctx); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

func (w *World) start(ctx context.Context) error {
	if err := w.prepare(ctx); err != nil {
		return err
	}
	var err error
	w.Microsoft, err = microsoft.Start(microsoft.Config{
		Now: w.Clock.Now, Advance: w.Clock.Advance, Log: w.cfg.Log.With("component", "microsoft"), Hostname: "localhost", ListAccounts: true,
	})
	if err != nil {
		return fmt.Errorf("starting the simulated Microsoft: %w", err)
	}
	w.Platform, err = platform.Start(platform.Config{Now: w.Clock.Now, Log: w.cfg.Log.With("component", "platform"), Development: true, Company: brand})
	if err != nil {
		return err
	}
	if w.mail, err = mailserver.Start(ctx, mailserver.Config{Now: w.Clock.Now, Log: w.cfg.Log.With("component", "mail")}); err != nil {
		return err
	}
	if err := w.seedMicrosoft(); err != nil {
		return err
	}
	ctx, w.stop = context.WithCancel(context.WithoutCancel(ctx))
	if err := w.startConnector(ctx); err != nil {
		return err
	}
	w.running.Go(func() error { return w.runPlatform(ctx) })
	return w.startPanel(ctx)
}

// runPlatform makes the platform run its periodic tasks and deliver its events until ctx ends.
func (w *World) runPlatform(ctx context.Context) error {
	ticker := time.NewTicker(w.cfg.Tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			w.Platform.RunTasks(ctx)
			w.Platform.DeliverEvents(ctx)
		}
	}
}

// prepare creates the folder, the keys and the listeners, whose addresses the configuration contains.
func (w *World) prepare(ctx context.Context) error {
	var err error
	if w.cfg.Folder == "" {
		if w.cfg.Folder, err = os.MkdirTemp("", "azure-partner-sandbox-"); err != nil {
			return fmt.Errorf("creating the folder of the sandbox: %w", err)
		}
		w.ownFolder = true
	}
	if _, err := os.Stat(w.keys()); errors.Is(err, os.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(w.keys()), 0o700); err != nil {
			return fmt.Errorf("creating the folder of the keys: %w", err)
		}
		if _, err := seal.CreateFile(w.keys()); err != nil {
			return err
		}
	}
	for _, l := range []struct {
		listener *net.Listener
		address  string
		url      *string
		path     string
	}{
		{&w.listeners.Hooks, "127.0.0.1:0", &w.HooksURL, "/aps"},
		{&w.listeners.Onboarding, "127.0.0.1:0", &w.OnboardingURL, ""},
		{&w.listeners.API, "127.0.0.1:0", &w.APIURL, ""},
		{&w.listeners.Egress, "127.0.0.1:0", &w.EgressURL, ""},
		{&w.listeners.Private, "127.0.0.1:0", &w.PrivateURL, ""},
		{&w.panel, w.cfg.PanelListen, &w.PanelURL, ""},
	} {
		if *l.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", l.address); err != nil {
			return fmt.Errorf("listening: %w", err)
		}
		// Microsoft allows http for redirect addresses on localhost only (docs/reference/microsoft-identity.md §2.5).
		*l.url = fmt.Sprintf("http://localhost:%d%s", (*l.listener).Addr().(*net.TCPAddr).Port, l.path)
	}
	return nil
}

// keys returns the key file, which is not in the folder of the database.
func (w *World) keys() string { return filepath.Join(w.cfg.Folder, "keys", "keys.json") }

// startConnector starts the real connector from a configuration file, as an operator does.
func (w *World) startConnector(ctx context.Context) error {
	file := filepath.Join(w.cfg.Folder, "connector.yaml")
	if err := os.WriteFile(file, w.configuration(), 0o600); err != nil {
		return fmt.Errorf("writing the configuration: %w", err)
	}
	cfg, err := config.Load(file, nil)
	if err != nil {
		return err
	}
	connector, err := app.New(ctx, cfg, app.Options{Now: w.Clock.Now, Log: w.cfg.Log.With("component", "connector"), Listeners: w.listeners, Traces: w.cfg.Traces})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	w.connector = &running{stop, make(chan error, 1)}
	go func(r *running) { r.ended <- connector.Run(ctx) }(w.connector)
	return nil
}

// Restart restarts the connector on the same addresses and the same database.
func (w *World) Restart(ctx context.Context) error {
	if err := w.stopConnector(); err != nil {
		return err
	}
	for _, l := range []*net.Listener{&w.listeners.Hooks, &w.listeners.Onboarding, &w.listeners.API, &w.listeners.Egress, &w.listeners.Private} {
		var err error
		if *l, err = new(net.ListenConfig).Listen(ctx, "tcp", (*l).Addr().String()); err != nil {
			return fmt.Errorf("listening again: %w", err)
		}
	}
	return w.startConnector(ctx)
}

// AddClient adds a client of the token API and the egress as the command of the connector does, and returns its key.
func (w *World) AddClient(ctx context.Context, name string, scopes client.Scopes) (key secret.Text, err error) {
	err = w.withClients(ctx, func(clients *client.Service) error {
		key, err = clients.Add(ctx, client.Client{Name: name, Scopes: scopes}, operator())
		return err
	})
	return key, err
}

// RemoveClient removes a client of the token API.
func (w *World) RemoveClient(ctx context.Context, name string) error {
	return w.withClients(ctx, func(clients *client.Service) error { return clients.Remove(ctx, name, operator()) })
}

// Grant returns the active grant of a tenant, with its refresh token, as somebody with the key file can.
func (w *World) Grant(ctx context.Context, tenantID string) (g token.Grant, err error) {
	err = w.withServices(ctx, func(s *app.Services) error {
		g, err = s.Store.Grant(ctx, tenantID, token.Active)
		return err
	})
	return g, err
}

// Import imports a refresh token for a tenant, as the command of the connector does.
func (w *World) Import(ctx context.Context, tenantID string, refreshToken secret.Text) (done consent.Imported, err error) {
	err = w.withServices(ctx, func(s *app.Services) error {
		done, err = s.Consents.Import(ctx, tenantID, consent.Import{RefreshToken: refreshToken, Source: "json"}, operator())
		return err
	})
	return done, err
}

// Folder is where the files of the connector are.
func (w *World) Folder() string { return w.cfg.Folder }

func operator() audit.Actor { return audit.Actor{Kind: audit.Operator, ID: "sandbox", Name: "sandbox"} }

func (w *World) withClients(ctx context.Context, use func(*client.Service) error) error {
	return w.withServices(ctx, func(s *app.Services) error { return use(s.Clients) })
}

func (w *World) withServices(ctx context.Context, use func(*app.Services) error) error {
	cfg, err := config.Load(filepath.Join(w.cfg.Folder, "connector.yaml"), nil)
	if err != nil {
		return err
	}
	services, err := app.Open(ctx, cfg, app.Options{Now: w.Clock.Now, Migration: app.RequireSchema})
	if err != nil {
		return err
	}
	return errors.Join(use(services), services.Close())
}

func (w *World) stopConnector() error {
	if w.connector == nil {
		return nil
	}
	w.connector.stop()
	err := <-w.connector.ended
	w.connector = nil
	return err
}

// configuration returns what an operator would write, with two exceptions: almost no jitter, so that renewals are due after
// exactly ten days, and a short lease, so that failures of Microsoft are reported after one retry.
func (w *World) configuration() []byte {
	database := "{driver: sqlite, path: " + quoted(filepath.Join(w.cfg.Folder, "connector.db")) + "}"
	if !w.cfg.Database.Empty() {
		database = "{driver: mysql, dsn: " + quoted(w.cfg.Database.Reveal()) + "}"
	}
	return fmt.Appendf(nil, `hooks: {listen: "127.0.0.1:0", publicURL: %s, servePackage: true}
onboarding: {listen: "127.0.0.1:0", publicURL: %s, requestsPerMinute: 6000, requestBurst: 1000}
api: {listen: %s, publicURL: %s}
egress: {listen: %s, publicURL: %s}
database: %s
keys: {file: %s}
retention: {events: 9600h}
instances: [{key: %s, secret: %s, previousSecret: %s, panelOrigins: [%s], allowMoves: %t, scopes: {graph: [DelegatedAdminRelationship.Read.All]}}]
renewal: {tick: %s, jitter: 1s, lease: 24s}
notify: {mail: {server: %s, encryption: "off", from: connector@larkfield.example, to: [operations@larkfield.example]}}
clouds:
  - name: global
    authority: %s
    partnerCenter: {baseURL: %s}
    graph: {baseURL: %s}
    arm: {baseURL: %s}
`, quoted(w.HooksURL), quoted(w.OnboardingURL), quoted(w.listeners.API.Addr().String()), quoted(w.APIURL), quoted(w.listeners.Egress.Addr().String()), quoted(w.EgressURL), database, quoted(w.keys()), quoted(w.Key), quoted(w.Secret.Reveal()), quoted(w.previous.Reveal()), w.panels(), w.moves, w.cfg.Tick, quoted(w.mail.Address()),
		quoted(w.Microsoft.LoginURL()), quoted(w.Microsoft.PartnerCenterURL()), quoted(w.Microsoft.GraphURL()), quoted(w.Microsoft.ARMURL()))
}

// quoted returns text as a YAML scalar.
func quoted(text string) string { return fmt.Sprintf("%q", text) }

// Close stops everything that Start started, waits for it, and removes the folder if Start created it.
func (w *World) Close() error {
	var errs []error
	w.switches.release()
	if w.stop != nil {
		w.stop()
		errs = append(errs, w.stopConnector())
	} else {
		for _, l := range []net.Listener{w.listeners.Hooks, w.listeners.Onboarding, w.listeners.API, w.listeners.Egress, w.listeners.Private, w.panel} {
			if l != nil {
				errs = append(errs, l.Close())
			}
		}
	}
	errs = append(errs, w.running.Wait())
	if w.Platform != nil {
		errs = append(errs, w.Platform.Close())
	}
	if w.Microsoft != nil {
		errs = append(errs, w.Microsoft.Close())
	}
	if w.mail != nil {
		errs = append(errs, w.mail.Close())
	}
	if w.ownFolder {
		errs = append(errs, os.RemoveAll(w.cfg.Folder))
	}
	return errors.Join(errs...)
}
