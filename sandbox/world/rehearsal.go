package world

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/sandbox/clock"
	"azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/platform"
)

// Rehearse starts the simulated Microsoft and the simulated platform with its panel, without a connector: an operator registers
// the connector of a rehearsed deployment. onboardingURL is the public URL of its onboarding pages. As soon as an instance
// exists, the resellers get their subscriptions.
func Rehearse(ctx context.Context, cfg Config, onboardingURL string) (*World, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Clock == nil {
		cfg.Clock = &clock.Clock{}
	}
	cfg.Tick = 500 * time.Millisecond
	w := &World{Clock: cfg.Clock, cfg: cfg, running: new(errgroup.Group), OnboardingURL: onboardingURL}
	w.Key, w.Secret = "rehearsal-"+random.ID(), secret.New(random.Token())
	if err := w.rehearse(ctx); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

func (w *World) rehearse(ctx context.Context) error {
	var err error
	if w.panel, err = new(net.ListenConfig).Listen(ctx, "tcp", w.cfg.PanelListen); err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	w.PanelURL = fmt.Sprintf("http://localhost:%d", w.panel.Addr().(*net.TCPAddr).Port)
	w.Microsoft, err = microsoft.Start(microsoft.Config{
		Now: w.Clock.Now, Log: w.cfg.Log.With("component", "microsoft"), Hostname: "localhost", ListAccounts: true,
	})
	if err != nil {
		return fmt.Errorf("starting the simulated Microsoft: %w", err)
	}
	w.Platform, err = platform.Start(platform.Config{Now: w.Clock.Now, Log: w.cfg.Log.With("component", "platform"), Development: true, Company: brand})
	if err != nil {
		return err
	}
	if err := errors.Join(w.seedMicrosoft(), w.addBorrower()); err != nil {
		return err
	}
	waiting, err := w.rehearsedPeople()
	if err != nil {
		return err
	}
	ctx, w.stop = context.WithCancel(context.WithoutCancel(ctx))
	w.running.Go(func() error { return w.runPlatform(ctx) })
	w.running.Go(func() error { w.provisionWhenInstalled(ctx, waiting); return nil })
	return w.startPanel(ctx)
}

// A subscriber waits for its subscription.
type subscriber struct {
	account          platform.Account
	login, directory string
}

// rehearsedPeople creates the accounts and their users.
func (w *World) rehearsedPeople() ([]subscriber, error) {
	w.installed.tenants = make(map[string]Tenant)
	var waiting []subscriber
	for _, r := range []struct{ account, login, name, directory string }{
		{"Alpine Cloud", Rita, "Rita Reseller", "alpine.onmicrosoft.com"},
		{"Baltic IT", Bjorn, "Björn Baltic", BalticDirectory},
	} {
		account, err := w.Platform.AddAccount(platform.Account{Name: r.account})
		if err != nil {
			return nil, err
		}
		if _, err := w.user(account.ID, r.login, r.name); err != nil {
			return nil, err
		}
		waiting = append(waiting, subscriber{account, r.login, r.directory})
	}
	_, err := w.user(w.Platform.Provider().ID, Petra, "Petra Provider")
	return waiting, err
}

// provisionWhenInstalled gives the resellers their subscriptions as soon as an instance exists that accepts them.
func (w *World) provisionWhenInstalled(ctx context.Context, waiting []subscriber) {
	ticker := time.NewTicker(w.cfg.Tick)
	defer ticker.Stop()
	for len(waiting) > 0 {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		next := waiting[0]
		id, err := w.Platform.CreateTenant(ctx, next.account.ID, map[string]any{"directory": next.directory})
		if err == nil {
			err = w.Platform.Link(w.installed.borrower.ID, id)
		}
		if err != nil {
			w.cfg.Log.Debug("no subscription yet", "account", next.account.Name, "err", err)
			continue
		}
		w.cfg.Log.Info("subscription created", "account", next.account.Name, "tenant", id)
		waiting = waiting[1:]
	}
}

// RehearsalConfiguration returns what the configuration of a rehearsed connector needs besides its own listeners, database and keys.
func (w *World) RehearsalConfiguration() string {
	return fmt.Sprintf(`instances:
  - key: %s
    secret: %s
    panelOrigins: [%s]
clouds:
  - name: global
    authority: %s
    partnerCenter: {baseURL: %s}
    graph: {baseURL: %s}
    arm: {baseURL: %s}
`, w.Key, w.Secret.Reveal(), w.PanelURL, w.Microsoft.LoginURL(), w.Microsoft.PartnerCenterURL(), w.Microsoft.GraphURL(), w.Microsoft.ARMURL())
}

// RehearsalApplication returns the application registration of the simulated Microsoft.
func RehearsalApplication() (id, clientSecret string) { return ApplicationID, applicationSecret }
