// Package hooks is the HTTP handler for the platform: it verifies signatures, authorizes callers, reads APS resources,
// calls the domain, and answers in APS terms (docs/reference/aps-protocol.md §1, §3).
package hooks

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/labstack/echo/v4"

	"azure-partner-connector/connector/answer"
	"azure-partner-connector/connector/detached"
	"azure-partner-connector/connector/platform/oauth1"
	"azure-partner-connector/connector/sampling"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/schemas"
)

// Defaults of a Config.
const (
	DefaultBodyLimit      = 1 << 20
	DefaultPackageID      = "http://aps.example.com/azure-partner-connector"
	DefaultPackageVersion = "2-1"
)

// Config is what a Handler needs.
type Config struct {
	// PublicURL is where the platform reaches the handler, e.g. https://connector.example.com/aps. Signatures are
	// verified for it, whatever address a proxy uses for the handler. Required.
	PublicURL string

	// Credentials returns the secrets that may sign for a consumer key: more than one while the secret is being replaced.
	// ok is false for an unknown key. Required.
	Credentials func(consumerKey string) (secrets []secret.Text, ok bool)

	Tenants  Tenants  // required
	Tokens   Tokens   // required
	Consents Consents // required
	Accounts Accounts // required
	Nonces   Nonces   // required

	// Bindings manages the periodic task and the event subscriptions at the platform. Default: there are none.
	Bindings Bindings

	// Reminders reminds resellers. Default: none is reachable.
	Reminders Reminders

	// Clients tells the clients of the token API. Default: there are none.
	Clients Clients

	// RenewDue is called by the platform's periodic task to trigger the renewal of what is due. It must not block.
	// Default: nothing happens.
	RenewDue func()

	// TrustedProxies are the peers whose X-Forwarded-Proto and X-Forwarded-Host name another scheme and host that may have
	// been signed, besides those of PublicURL. Default: none.
	TrustedProxies []netip.Prefix

	// Window is how far a signature's timestamp may be from our clock. Default: 600 seconds.
	Window time.Duration

	// BodyLimit is the size, in bytes, of the largest body that is read. Default: 1 MiB.
	BodyLimit int64

	// Timeout is how long a hook may take before the answer is that its work continues. Default: 24 seconds.
	Timeout time.Duration

	// PackageID is the package that types in answers belong to. Default: the published package.
	PackageID string

	// PackageVersion is the "version-release" that instances are installed with and upgraded to. Default: DefaultPackageVersion.
	PackageVersion string

	// Schema returns the type of a service in a version of that package. Default: the published package.
	Schema func(service string, version int) (content []byte, ok bool)

	// PackageFile is served at PackagePath to anyone. Default: none.
	PackageFile PackageFile

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Log receives one record per request. Default: discard.
	Log *slog.Logger
}

// A Handler answers the platform's requests. It is safe for concurrent use.
type Handler struct {
	cfg      Config
	public   *url.URL // of cfg.PublicURL, its path without a trailing slash
	accounts *accountCache
	refusals *lru.Cache[refusedCall, time.Time] // when each was last recorded
	unsigned *sampling.Sampler                  // of records of requests without a valid signature
	echo     *echo.Echo
	detached detached.Group // work that outlives its request
}

// New checks cfg and fills in its defaults. It starts nothing.
func New(cfg Config) (*Handler, error) {
	public, err := url.Parse(cfg.PublicURL)
	if err != nil {
		return nil, fmt.Errorf("hooks: parsing the public URL: %w", err)
	}
	if public.Host == "" || public.Scheme != "https" && public.Scheme != "http" || public.RawQuery != "" {
		return nil, errors.New("hooks: the public URL must be an absolute http or https URL without a query")
	}
	if cfg.Credentials == nil || cfg.Tenants == nil || cfg.Tokens == nil || cfg.Consents == nil || cfg.Accounts == nil || cfg.Nonces == nil {
		return nil, errors.New("hooks: credentials, tenants, tokens, consents, accounts and nonces are required")
	}
	public.Path = strings.TrimRight(public.Path, "/")
	public.RawPath = ""
	cfg.fillIn()
	accounts, err := newAccountCache(cfg.Accounts, cfg.Now)
	if err != nil {
		return nil, err
	}
	refusals, err := lru.New[refusedCall, time.Time](maxAccounts)
	if err != nil {
		return nil, fmt.Errorf("hooks: creating the cache of refusals: %w", err)
	}
	h := &Handler{cfg: cfg, public: public, accounts: accounts, refusals: refusals, unsigned: sampling.New(unsignedRecords, time.Minute, cfg.Now)}
	h.echo = h.routes()
	return h, nil
}

func (cfg *Config) fillIn() {
	if cfg.Window <= 0 {
		cfg.Window = oauth1.DefaultWindow
	}
	if cfg.BodyLimit <= 0 {
		cfg.BodyLimit = DefaultBodyLimit
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.PackageID == "" {
		cfg.PackageID = DefaultPackageID
	}
	if cfg.PackageVersion == "" {
		cfg.PackageVersion = DefaultPackageVersion
	}
	if cfg.Bindings == nil {
		cfg.Bindings = noBindings{}
	}
	if cfg.Clients == nil {
		cfg.Clients = noClients{}
	}
	if cfg.Reminders == nil {
		cfg.Reminders = noReminders{}
	}
	if cfg.RenewDue == nil {
		cfg.RenewDue = func() {}
	}
	if cfg.Schema == nil {
		cfg.Schema = schemas.Type
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
}

// routes returns the router of docs/reference/aps-protocol.md §3.1. A declared operation wins over a relation of the same
// name.
func (h *Handler) routes() *echo.Echo {
	e := echo.New()
	e.HTTPErrorHandler = h.answer
	e.JSONSerializer = answer.JSON{}
	e.Use(h.observe, h.legible, h.signed)
	e.GET("/", h.health)
	e.HEAD("/", h.health)
	if h.cfg.PackageFile.Name != "" {
		e.GET(PackagePath+h.cfg.PackageFile.Name, h.servePackage())
		e.HEAD(PackagePath+h.cfg.PackageFile.Name, h.servePackage())
	}
	for _, op := range operations() {
		e.Add(op.Verb, op.route(), h.perform(op))
		if op.link != "" { // also with the id of the linked resource, or only with the slash before it
			e.Add(op.Verb, op.route()+"/", h.perform(op))
			e.Add(op.Verb, op.route()+"/:linked", h.perform(op))
		}
	}
	for _, service := range []string{appService, tenantService} {
		e.DELETE("/"+service, h.acknowledge)
		e.GET("/"+service+"/$default", h.noDefaults)
		e.GET("/"+service+"/$schema", h.schema(service))
		for _, relation := range []string{"/:id/:relation", "/:id/:relation/:linked"} {
			for _, verb := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
				e.Add(verb, "/"+service+relation, h.linked(service))
			}
		}
	}
	return e
}

// ServeHTTP implements http.Handler. It serves requests below the path of the public URL, and those without this path,
// which a proxy may have removed.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.echo.ServeHTTP(w, h.withTarget(r))
}

// health is for load balancers and the people who set them up (docs/reference/aps-protocol.md §9).
func (h *Handler) health(c echo.Context) error {
	return c.JSON(http.StatusOK, map[string]string{"status": "ok", "version": h.cfg.PackageVersion})
}
