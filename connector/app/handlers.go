package app

import (
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"azure-partner-connector/connector/api"
	"azure-partner-connector/connector/onboarding"
	"azure-partner-connector/connector/platform/pack"
	"azure-partner-connector/hooks"
	"azure-partner-connector/schemas"
)

// newHooks returns the handler of the platform's calls.
func (a *App) newHooks() (*hooks.Handler, error) {
	p, err := Package(a.cfg.Package.ID)
	if err != nil {
		return nil, err
	}
	var file hooks.PackageFile
	if a.cfg.Hooks.ServePackage {
		if file.Content, err = p.Build(); err != nil {
			return nil, err
		}
		file.Name = p.FileName()
		a.log.Info("serving the package", "url", a.cfg.Hooks.PublicURL+hooks.PackagePath+file.Name)
	}
	version, release := p.Version()
	return hooks.New(hooks.Config{
		PublicURL: a.cfg.Hooks.PublicURL, TrustedProxies: a.cfg.Hooks.TrustedProxies, Window: a.cfg.Hooks.SignatureWindow,
		Credentials: secretsOf(a.cfg.Instances), Accounts: a.services.platform,
		Tenants: a.services.Tenants, Tokens: a.services.Tokens, Consents: a.services.Consents, Nonces: a.services.Store,
		Bindings: a.services.Bindings, RenewDue: a.renewal.fire,
		PackageID: p.ID(), PackageVersion: fmt.Sprintf("%d-%d", version, release), Schema: schemaOf(p), PackageFile: file,
		Now: a.now, Log: a.component("hooks"),
	})
}

// schemaOf returns the types of p and of its earlier versions, which have its id.
func schemaOf(p *pack.Package) func(service string, version int) ([]byte, bool) {
	return func(service string, version int) ([]byte, bool) {
		if ours, _ := p.Version(); version == ours {
			return p.Schema(service)
		}
		text, ok := schemas.Type(service, version)
		return p.Renamed(text), ok
	}
}

// newAPI returns the handler of the token API.
func (a *App) newAPI() (*api.Handler, error) {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "connector_api_requests_total",
		Help: "Requests to the token API by protocol (oauth, identity, rest), client (empty for an unknown key), api (of a lending) and result: ok or a failure code.",
	}, []string{"protocol", "client", "api", "result"})
	a.registry.MustRegister(requests)
	return api.New(api.Config{
		PublicURL: a.cfg.API.PublicURL, TrustedProxies: a.cfg.API.TrustedProxies,
		Clients: a.services.Clients, Tenants: a.services.Tenants, Tokens: a.services.Tokens, Consents: a.services.Consents,
		Resources: a.services.Microsoft, Trail: a.services.Store,
		Observe: func(r api.Request) { requests.WithLabelValues(r.Protocol, r.Client, r.API, r.Result).Inc() },
		Now:     a.now, Log: a.component("api"),
	})
}

// newOnboarding returns the public handler. Its pages may send a form to the sign-in page of any cloud.
func (a *App) newOnboarding() (http.Handler, error) {
	browserSeal, err := a.services.keyring.Derive("onboarding")
	if err != nil {
		return nil, err
	}
	return onboarding.New(onboarding.Config{
		PublicURL: a.cfg.Onboarding.PublicURL, Consents: a.services.Consents, Seal: browserSeal,
		Authorities:    slices.Sorted(maps.Values(a.services.Authorities)),
		TrustedProxies: a.cfg.Onboarding.TrustedProxies, ClientAddress: a.cfg.Onboarding.ClientAddress,
		Limit: onboarding.Limit{PerMinute: a.cfg.Onboarding.RequestsPerMinute, Burst: a.cfg.Onboarding.RequestBurst},
		Now:   a.now, Log: a.component("onboarding"),
	})
}
