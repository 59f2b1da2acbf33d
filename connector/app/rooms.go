package app

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"time"

	azurepartner "azure-partner-connector"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/httpclient"
	"azure-partner-connector/connector/microsoft"
	"azure-partner-connector/connector/onboarding"
	"azure-partner-connector/connector/platform/controller"
	"azure-partner-connector/connector/platform/oauth1"
	"azure-partner-connector/connector/platform/pack"
	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/hooks"
)

// Timeouts of calls to Microsoft (microsoft-identity.md §3.8, §5.5).
const (
	identityTimeout = 30 * time.Second
	probeTimeout    = 60 * time.Second
)

// rooms are what the listeners open to.
type rooms struct {
	hooks      http.Handler
	onboarding http.Handler
}

// furnish builds the house from the store up to its doors.
func (a *App) furnish(ctx context.Context) (rooms, error) {
	keyring, err := seal.LoadFile(a.cfg.Keys.File)
	if err != nil {
		return rooms{}, err
	}
	if err := a.openStore(ctx, keyring); err != nil {
		return rooms{}, err
	}
	ms, err := a.microsoft()
	if err != nil {
		return rooms{}, err
	}
	if a.tokens, err = token.New(token.Config{
		Store: a.store, Microsoft: ms, Every: a.cfg.Renewal.Every, Jitter: a.cfg.Renewal.Jitter, Lease: a.cfg.Renewal.Lease,
		Workers: a.cfg.Renewal.Workers, ClaimLife: a.cfg.Onboarding.ClaimLife, AcceptUnknownMFA: a.cfg.Onboarding.AcceptUnknownMFA,
		Now: a.now, Observe: a.observer(), Log: a.log.With("room", "token"),
	}); err != nil {
		return rooms{}, err
	}
	if a.consents, err = consent.New(consent.Config{
		Store: a.store, Tokens: a.tokens, Microsoft: ms, Hasher: keyring, PublicURL: a.cfg.Onboarding.PublicURL,
		ConsentLife: a.cfg.Onboarding.ConsentLife, LinkLife: a.cfg.Onboarding.LinkLife, ClaimLife: a.cfg.Onboarding.ClaimLife,
		Now: a.now, Log: a.log.With("room", "consent"),
	}); err != nil {
		return rooms{}, err
	}
	platformDoor, err := a.hooksDoor(ms)
	if err != nil {
		return rooms{}, err
	}
	publicDoor, err := onboarding.New(onboarding.Config{
		PublicURL: a.cfg.Onboarding.PublicURL, Consents: a.consents, Seal: keyring, Authorities: a.authorities(),
		TrustedProxies: a.cfg.Onboarding.TrustedProxies,
		Limit:          onboarding.Limit{PerMinute: a.cfg.Onboarding.RequestsPerMinute, Burst: a.cfg.Onboarding.RequestBurst},
		Now:            a.now, Log: a.log.With("door", "onboarding"),
	})
	return rooms{platformDoor, publicDoor}, err
}

func (a *App) openStore(ctx context.Context, keyring *seal.Keyring) error {
	dsn := a.cfg.Database.Path
	if a.cfg.Database.Driver == config.MySQL {
		dsn = a.cfg.Database.DSN.Reveal()
	}
	opened, err := store.Open(ctx, store.Config{
		Driver: a.cfg.Database.Driver, DSN: dsn, Keyring: keyring, Now: a.now, Log: a.log.With("room", "store"),
	})
	if err != nil {
		return err
	}
	a.store = opened
	return a.store.Migrate(ctx)
}

func (a *App) microsoft() (*microsoft.Client, error) {
	identity, err := httpclient.New(httpclient.Config{Timeout: identityTimeout})
	if err != nil {
		return nil, err
	}
	probes, err := httpclient.New(httpclient.Config{Timeout: probeTimeout})
	if err != nil {
		return nil, err
	}
	return microsoft.New(microsoft.Config{
		Profiles: a.cfg.Clouds, HTTP: identity, ProbeHTTP: probes, Wait: microsoft.Pause,
		Now: a.now, Log: a.log.With("room", "microsoft"),
	})
}

// clouds are the names of the cloud profiles that instances may choose.
func (a *App) clouds() []string {
	var names []string
	for _, p := range append(microsoft.Profiles(), a.cfg.Clouds...) {
		names = append(names, p.Name)
	}
	return names
}

// authorities are the sign-in pages that the landing page's form leads on to.
func (a *App) authorities() []string {
	var addresses []string
	for _, p := range append(microsoft.Profiles(), a.cfg.Clouds...) {
		if p.Authority != "" {
			addresses = append(addresses, p.Authority)
		}
	}
	return addresses
}

func (a *App) hooksDoor(directories tenant.Directories) (http.Handler, error) {
	tenants, err := tenant.New(tenant.Config{Store: a.store, Directories: directories, Clouds: a.clouds(), Now: a.now, Log: a.log.With("room", "tenant")})
	if err != nil {
		return nil, err
	}
	calls, err := a.platformClient()
	if err != nil {
		return nil, err
	}
	manifest, err := pack.ParseManifest(azurepartner.Manifest())
	if err != nil {
		return nil, err
	}
	secrets := a.secrets()
	return hooks.New(hooks.Config{
		PublicURL: a.cfg.Hooks.PublicURL, TrustedProxies: a.cfg.Hooks.TrustedProxies,
		Credentials: func(key string) ([]secret.Text, bool) {
			text, ok := secrets[key]
			return []secret.Text{text}, ok
		},
		Tenants: tenants, Tokens: a.tokens, Consents: a.consents, Nonces: a.store,
		Accounts:       accounts{calls, secrets},
		PackageID:      manifest.Package.ID,
		PackageVersion: fmt.Sprintf("%d-%d", manifest.Package.Version, manifest.Package.Release),
		Now:            a.now, Log: a.log.With("door", "hooks"),
	})
}

func (a *App) secrets() map[string]secret.Text {
	byKey := make(map[string]secret.Text, len(a.cfg.Instances))
	for _, in := range a.cfg.Instances {
		byKey[in.Key] = in.Secret
	}
	return byKey
}

func (a *App) platformClient() (*controller.Client, error) {
	client := httpclient.Config{Timeout: a.cfg.Platform.Timeout, Insecure: a.cfg.Platform.Insecure}
	if file := a.cfg.Platform.CAFile; file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading the platform's certificates: %w", err)
		}
		if client.RootCAs, err = x509.SystemCertPool(); err != nil {
			return nil, fmt.Errorf("reading the system's certificates: %w", err)
		}
		client.RootCAs.AppendCertsFromPEM(pem)
	}
	calls, err := httpclient.New(client)
	if err != nil {
		return nil, err
	}
	return controller.New(controller.Config{HTTP: calls, Now: a.now, Log: a.log.With("room", "platform")})
}

// accounts asks the platform of an instance who somebody is.
type accounts struct {
	calls   *controller.Client
	secrets map[string]secret.Text // consumer key → secret
}

func (a accounts) target(in tenant.Instance) controller.Target {
	return controller.Target{
		ControllerURI: in.ControllerURI, RootID: in.RootID,
		Credentials: oauth1.Credentials{Key: in.Key, Secret: a.secrets[in.Key]},
	}
}

func (a accounts) UserAccount(ctx context.Context, in tenant.Instance, identity string) (controller.Account, error) {
	return a.calls.UserAccount(ctx, a.target(in), identity)
}

func (a accounts) Account(ctx context.Context, in tenant.Instance, id string) (controller.Account, error) {
	return a.calls.Account(ctx, a.target(in), id)
}
