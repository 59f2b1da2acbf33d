package app

import (
	"crypto/x509"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"azure-partner-connector/connector/api"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/egress"
	"azure-partner-connector/connector/httpclient"
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
		Tenants: a.services.Tenants, Tokens: a.services.Tokens, Consents: a.services.Consents, Nonces: a.services.Store, Reminders: a.notices, Clients: a.services.Clients,
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
		Help: "Requests to the token API by protocol (oauth, identity, rest), client (empty for an unknown key), api (that an access token was requested for) and result: ok or a failure code.",
	}, []string{"protocol", "client", "api", "result"})
	a.registry.MustRegister(requests)
	authorities, err := authoritiesOf(a.cfg.API.ClientCAFile)
	if err != nil {
		return nil, err
	}
	return api.New(api.Config{
		Authorities: authorities,
		PublicURL:   a.cfg.API.PublicURL, TrustedProxies: a.cfg.API.TrustedProxies,
		Clients: a.services.Clients, Tenants: a.services.Tenants, Tokens: a.services.Tokens, Consents: a.services.Consents,
		Resources: a.services.Microsoft, Trail: a.services.Store, PerMinute: a.cfg.API.Audit == config.AuditMinute,
		Observe: func(r api.Request) { requests.WithLabelValues(r.Protocol, r.Client, r.API, r.Result).Inc() },
		Now:     a.now, Log: a.component("api"),
	})
}

// newEgress returns the handler that forwards calls.
func (a *App) newEgress() (*egress.Handler, error) {
	calls := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "connector_egress_calls_total",
		Help: "Calls to the egress by client (empty for an unknown key), api, status of Microsoft's answer (empty without one) and result: ok, aborted or a failure code.",
	}, []string{"client", "api", "status", "result"})
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "connector_egress_seconds",
		Help:    "How long forwarded calls took, to the end of the answer, by client and api.",
		Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 120},
	}, []string{"client", "api"})
	a.registry.MustRegister(calls, duration)
	transport, err := httpclient.Transport(httpclient.Config{})
	if err != nil {
		return nil, err
	}
	cfg := a.cfg.Egress
	authorities, err := authoritiesOf(cfg.ClientCAFile)
	if err != nil {
		return nil, err
	}
	return egress.New(egress.Config{
		PublicURL: cfg.PublicURL, TrustedProxies: cfg.TrustedProxies, Clients: a.services.Clients, Tenants: a.services.Tenants,
		Tokens: a.services.Tokens, Microsoft: a.services.Microsoft, Transport: httpclient.Traced(transport), Authorities: authorities, Each: cfg.Audit == config.AuditEach,
		Timeout: cfg.Timeout, Idle: cfg.Idle, MaxRequest: int64(cfg.MaxRequest) << 20, MaxAnswer: int64(cfg.MaxAnswer) << 20,
		Observe: func(c egress.Call) {
			status := ""
			if c.Status > 0 {
				status = strconv.Itoa(c.Status)
				duration.WithLabelValues(c.Client, c.API).Observe(c.Duration.Seconds())
			}
			calls.WithLabelValues(c.Client, c.API, status, c.Result).Inc()
		},
		Now: a.now, Log: a.component("egress"),
	})
}

// authoritiesOf returns the certificates in a PEM file; nil without a file.
func authoritiesOf(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading authorities of clients: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s contains no PEM certificate", file)
	}
	return pool, nil
}

// newOnboarding returns the public handler. Its pages may send a form to the sign-in page of any cloud.
func (a *App) newOnboarding() (http.Handler, error) {
	browserSeal, err := a.services.keyring.Derive("onboarding")
	if err != nil {
		return nil, err
	}
	logo, logoType, err := a.cfg.Onboarding.Logo()
	if err != nil {
		return nil, fmt.Errorf("onboarding.logoFile: %w", err)
	}
	return onboarding.New(onboarding.Config{
		Brand:     onboarding.Brand{Name: a.cfg.Onboarding.Name, Logo: logo, LogoType: logoType, HelpURL: a.cfg.Onboarding.HelpURL},
		PublicURL: a.cfg.Onboarding.PublicURL, Consents: a.services.Consents, Seal: browserSeal,
		Authorities:    slices.Sorted(maps.Values(a.services.Authorities)),
		TrustedProxies: a.cfg.Onboarding.TrustedProxies, ClientAddress: a.cfg.Onboarding.ClientAddress,
		Limit: onboarding.Limit{PerMinute: a.cfg.Onboarding.RequestsPerMinute, Burst: a.cfg.Onboarding.RequestBurst},
		Now:   a.now, Log: a.component("onboarding"),
	})
}
