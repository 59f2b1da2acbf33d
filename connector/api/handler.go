// Package api is the HTTP handler of the token API: programs outside the platform borrow access tokens by OAuth 2.0 client
// credentials or by the protocol of App Service's managed identity, and read and renew tokens by REST.
package api

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"azure-partner-connector/connector/answer"
	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/client"
	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/detached"
	"azure-partner-connector/connector/peer"
	"azure-partner-connector/connector/sampling"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

const (
	// unknownEvery is how often an unknown key is logged: anybody can send one.
	unknownEvery = 10 * time.Second

	// defaultTimeout is how long a request may take before the answer is that its work continues.
	defaultTimeout = 30 * time.Second
	// bodyLimit is the size, in bytes, of the largest body that is read.
	bodyLimit = 64 << 10
)

// Clients recognises clients; client.Service implements it.
type Clients interface {
	// Authenticate returns the client with a key, or key_unknown. It returns a known client with the failure why it is refused.
	Authenticate(ctx context.Context, key secret.Text) (client.Client, error)
	// AuthenticateCertificate returns the client with a certificate, or as Authenticate.
	AuthenticateCertificate(ctx context.Context, chain []*x509.Certificate, authorities *x509.CertPool) (client.Client, error)
	// AuthenticateAssertion returns the client that has signed an assertion for one of the audiences, or as Authenticate. It accepts
	// an assertion once.
	AuthenticateAssertion(ctx context.Context, assertion secret.Text, audiences []string) (client.Client, error)
	// Refused counts what a known client was refused.
	Refused(ctx context.Context, c client.Client, cause error, details map[string]string) error
}

// Tenants reads tenants of all instances; tenant.Service implements it.
type Tenants interface {
	// Find returns a tenant by ID, or the failure not_found.
	Find(ctx context.Context, id string) (tenant.Resolved, error)
	// FindRecent is Find of a tenant that was read up to a second ago, for what is asked for many times a second.
	FindRecent(ctx context.Context, id string) (tenant.Resolved, error)
	// Page returns up to limit tenants ordered by ID, after an ID.
	Page(ctx context.Context, after string, limit int) ([]tenant.Resolved, error)
}

// Tokens reads, renews, checks and lends tokens; token.Service implements it.
type Tokens interface {
	Status(ctx context.Context, r tenant.Resolved) (token.Status, error)
	Renew(ctx context.Context, tenantID string, by audit.Actor) (token.Status, error)
	Check(ctx context.Context, tenantID string, by audit.Actor) (token.Status, error)
	History(ctx context.Context, tenantID string, before time.Time, limit int) ([]audit.Event, error)
	Lend(ctx context.Context, r tenant.Resolved, request token.LoanRequest, by audit.Actor) (token.Loan, error)
	// LendCached is Lend of what is in memory, and calls nobody. ok is false if Lend has to decide.
	LendCached(ctx context.Context, r tenant.Resolved, request token.LoanRequest, by audit.Actor) (loan token.Loan, ok bool, err error)
	ListCustomers(ctx context.Context, r tenant.Resolved, by audit.Actor) (token.CustomerList, error)
	ConsentCustomer(ctx context.Context, r tenant.Resolved, directory string, by audit.Actor) (token.CustomerRecord, error)
	WithdrawCustomer(ctx context.Context, r tenant.Resolved, directory string, by audit.Actor) (token.CustomerRecord, error)
}

// Consents makes links of the manual procedure, and imports refresh tokens; consent.Service implements it.
type Consents interface {
	Import(ctx context.Context, tenantID string, imported consent.Import, by audit.Actor) (consent.Imported, error)
	Link(ctx context.Context, tenantID string, by audit.Actor) (consent.Begun, error)
}

// Resources knows the resource URIs of apis; microsoft.Client implements it.
type Resources interface {
	// APIOf returns the api of a resource URI for a tenant.
	APIOf(client tenant.Client, resource string) (token.API, bool)
}

// Trail reads the audit trail of all instances; store.Store implements it.
type Trail interface {
	// CoveredTrail returns up to limit events that a checkpoint covers, after a cursor, with whether each is proven, and the cursor
	// of the last one. The order never changes: an event that is covered later comes later.
	CoveredTrail(ctx context.Context, after audit.Cursor, limit int) ([]audit.FoundEvent, audit.Cursor, error)
}

// A Request is what Config.Observe is told about a request.
type Request struct {
	Protocol string // oauth, identity or rest
	Client   string // empty for an unknown key
	API      string // of a lending
	Result   string // "ok" or a failure code
}

// Config is what a Handler needs.
type Config struct {
	// PublicURL is the URL at which clients reach the handler. Its path is part of every route: a proxy must not remove it.
	// Required.
	PublicURL string

	Clients   Clients   // required
	Tenants   Tenants   // required
	Tokens    Tokens    // required
	Consents  Consents  // required
	Resources Resources // required
	Trail     Trail     // required

	// TrustedProxies are the networks of proxies that terminate TLS: they are believed about their clients, and that a request
	// came by https. Default: none.
	TrustedProxies []netip.Prefix

	// Authorities issue certificates of clients that are known by their subject. Default: none; only pinned certificates count.
	Authorities *x509.CertPool

	// Timeout is how long a request may take before the answer is that its work continues. Default: 30 seconds.
	Timeout time.Duration

	// PerMinute counts the lendings of a minute into one event for each client, tenant, api and directory. Default: an event each.
	PerMinute bool

	// Observe is called after every request. Default: nothing happens.
	Observe func(Request)

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Log receives one record per request; of requests with unknown keys, at most one in ten seconds. Default: discard.
	Log *slog.Logger
}

// A Handler serves the token API. It is an http.Handler, safe for concurrent use.
type Handler struct {
	cfg      Config
	base     string // cfg.PublicURL without a trailing slash
	path     string // its path, "" or "/…"
	peers    peer.Reader
	echo     *echo.Echo
	detached detached.Group // work that outlives its request
	unknown  *sampling.Sampler
	document []byte // OpenAPI
}

// New checks cfg and fills in its defaults. It starts nothing.
func New(cfg Config) (*Handler, error) {
	public, err := url.Parse(cfg.PublicURL)
	if err != nil || public.Host == "" || public.Scheme != "https" && public.Scheme != "http" || public.RawQuery != "" || public.Fragment != "" {
		return nil, fmt.Errorf("api: the public address %q is not scheme, host and path", cfg.PublicURL)
	}
	if cfg.Clients == nil || cfg.Tenants == nil || cfg.Tokens == nil || cfg.Consents == nil || cfg.Resources == nil || cfg.Trail == nil {
		return nil, errors.New("api: clients, tenants, tokens, consents, resources and a trail are required")
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Observe == nil {
		cfg.Observe = func(Request) {}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	h := &Handler{
		cfg: cfg, base: strings.TrimRight(cfg.PublicURL, "/"), path: strings.TrimRight(public.Path, "/"),
		peers: peer.Reader{Trusted: cfg.TrustedProxies}, unknown: sampling.New(1, unknownEvery, cfg.Now),
	}
	if h.document, err = documentFor(h.base); err != nil {
		return nil, err
	}
	h.echo = h.router()
	return h, nil
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.echo.ServeHTTP(w, r) }

// Wait returns when all work that outlives its request is done, or an error when ctx ends first. Call it after the server has
// stopped.
func (h *Handler) Wait(ctx context.Context) error {
	if err := h.detached.Wait(ctx); err != nil {
		return fmt.Errorf("waiting for detached work of the token API: %w", err)
	}
	return nil
}

// A route is one operation of the token API.
type route struct {
	method, path string
	protocol     protocol
	handle       func(*Handler, *call) error
}

func routes() []route {
	const get, post = http.MethodGet, http.MethodPost
	return []route{
		{post, "/oauth2/token", oauth, (*Handler).oauthToken},
		{post, "/oauth2/:tenant/token", oauth, (*Handler).oauthToken},
		{post, "/oauth2/:tenant/:directory/token", oauth, (*Handler).oauthToken},
		{get, metadataPath, oauth, (*Handler).metadata},
		{get, metadataPath + "/oauth2/:tenant", oauth, (*Handler).metadata},
		{get, metadataPath + "/oauth2/:tenant/:directory", oauth, (*Handler).metadata},
		{get, "/msi/token", identity, (*Handler).identityToken},
		{get, "/msi/:tenant/token", identity, (*Handler).identityToken},
		{get, "/msi/:tenant/:directory/token", identity, (*Handler).identityToken},
		{get, "/v1/tenants", rest, (*Handler).listTenants},
		{get, "/v1/tenants/:tenant", rest, (*Handler).readTenant},
		{get, "/v1/tenants/:tenant/status", rest, (*Handler).readStatus},
		{get, "/v1/tenants/:tenant/history", rest, (*Handler).readHistory},
		{post, "/v1/tenants/:tenant/renew", rest, (*Handler).renew},
		{post, "/v1/tenants/:tenant/check", rest, (*Handler).check},
		{post, "/v1/tenants/:tenant/consentLink", rest, (*Handler).consentLink},
		{post, "/v1/tenants/:tenant/grant", rest, (*Handler).importGrant},
		{post, "/v1/tenants/:tenant/accessToken", rest, (*Handler).accessToken},
		{get, "/v1/tenants/:tenant/customers", rest, (*Handler).listCustomers},
		{post, "/v1/tenants/:tenant/customers/:directory/consent", rest, (*Handler).consentCustomer},
		{http.MethodDelete, "/v1/tenants/:tenant/customers/:directory/consent", rest, (*Handler).withdrawCustomer},
		{get, "/v1/events", rest, (*Handler).readEvents},
		{get, "/openapi.json", rest, (*Handler).openAPI},
		{get, failuresPath + ":code", rest, (*Handler).explain},
	}
}

func (h *Handler) router() *echo.Echo {
	e := echo.New()
	e.JSONSerializer = answer.JSON{}
	e.HTTPErrorHandler = h.refuseUnrouted
	for _, r := range routes() {
		e.Add(r.method, h.path+r.path, h.serve(r))
	}
	if h.path != "" {
		// RFC 8414 §3.1 puts the well-known part before the path of the issuer.
		e.GET(metadataPath+h.path, h.serve(route{http.MethodGet, metadataPath, oauth, (*Handler).metadata}))
		for _, below := range []string{"/oauth2/:tenant", "/oauth2/:tenant/:directory"} {
			e.GET(metadataPath+h.path+below, h.serve(route{http.MethodGet, metadataPath + below, oauth, (*Handler).metadata}))
		}
	}
	return e
}
