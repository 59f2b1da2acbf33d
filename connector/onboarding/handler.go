// Package onboarding is the public HTTP handler: consent links, Microsoft's callback and the Partner Onboarding pages.
package onboarding

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/peer"
	"azure-partner-connector/connector/sampling"
)

// Consents runs the consent procedures; consent.Service implements it. Errors that a person may see are *failure.Error.
type Consents interface {
	// Start returns what the start page with a name tells the panel that opened it about the browser.
	Start(ctx context.Context, name, browser string) (consent.Start, error)
	// Landing returns what the link requests of the browser with the given cookie, "" for one without. It changes nothing, so
	// previews and scanners don't use up the link.
	Landing(ctx context.Context, link, browser string) (consent.Landing, error)
	// Authorize returns Microsoft's address with a fresh state, which is only accepted from the given browser.
	Authorize(ctx context.Context, link string, visit consent.Visit) (string, error)
	// Complete accepts or refuses Microsoft's answer, or requests another sign-in (Outcome.SignInAgain). With a refusal it returns
	// the link for another attempt (Outcome.Link).
	Complete(ctx context.Context, cb consent.Callback) (consent.Outcome, error)
	// Disown destroys the grant of a consent that was completed in the browser that asks.
	Disown(ctx context.Context, consentID string) error
}

// Seal encrypts what browsers store for us; *seal.Derived implements it.
type Seal interface {
	Seal(plaintext []byte, table, row, column string, bound ...string) ([]byte, error)
	Open(ciphertext []byte, table, row, column string, bound ...string) ([]byte, error)
}

// Limit bounds the requests of one client address: an IPv4 address, or the /64 network of an IPv6 address.
type Limit struct {
	// PerMinute is the sustained rate in requests per minute. Default: 60.
	PerMinute int
	// Burst is how many requests may come at once. Default: 30.
	Burst int
	// Clients is how many addresses are tracked; the least recently used one is dropped first. Default: 10,000.
	Clients int
}

// A Brand is whose pages these are.
type Brand struct {
	// Name is that of the marketplace. Default: Azure Partner connector.
	Name string
	// Logo is an image and LogoType its media type. Default: ours.
	Logo     []byte
	LogoType string
	// HelpURL is where visitors get help, https or mailto. Default: none.
	HelpURL string
}

// Config is what a Handler needs.
type Config struct {
	// PublicURL is the URL at which browsers reach the handler, without a trailing slash. Its path is part of every
	// route: a proxy must not remove it. Required.
	PublicURL string

	Consents Consents // required
	Seal     Seal     // required

	// Brand is shown on every page.
	Brand Brand

	// Authorities are the base addresses of the sign-in pages in use. The landing page's form may lead to any https
	// address anyway; of this list it adds the plain http addresses, for example a simulator's. Default: none.
	Authorities []string

	// TrustedProxies are the networks of proxies that are believed about their clients. Behind any other proxy all
	// visitors share the limit of the proxy's address. Default: none.
	TrustedProxies []netip.Prefix
	// ClientAddress is the header in which these proxies say so. Default: X-Forwarded-For, or Forwarded if there is none.
	ClientAddress peer.Source

	// Limit bounds the requests of one client address. Default: that of each of its fields.
	Limit Limit

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Log receives one record per request, with the cause of a failure. Default: discard.
	Log *slog.Logger
}

// A Handler serves the onboarding pages. It is an http.Handler, safe for concurrent use.
type Handler struct {
	cfg        Config
	echo       *echo.Echo
	base       string          // path of PublicURL, "" or "/…"
	secure     bool            // PublicURL is https
	routes     map[string]bool // patterns of all routes
	origin     *http.CrossOriginProtection
	limiter    *limiter
	refused    *sampling.Sampler // of records of requests beyond the limit
	pages      *pages
	languages  *languages
	assets     map[string]asset
	continueTo string // form-action of pages whose form leads to Microsoft
}

// New checks cfg and fills in its defaults. It starts nothing.
func New(cfg Config) (*Handler, error) {
	if cfg.Consents == nil || cfg.Seal == nil {
		return nil, errors.New("onboarding: a consent service and a seal are required")
	}
	public, err := url.Parse(cfg.PublicURL)
	if err != nil || public.Host == "" || public.Scheme != "https" && public.Scheme != "http" || public.RawQuery != "" || public.Fragment != "" {
		return nil, fmt.Errorf("onboarding: the public address %q is not scheme, host and path", cfg.PublicURL)
	}
	cfg.Brand.Name = cmp.Or(cfg.Brand.Name, "Azure Partner connector")
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	h := &Handler{
		cfg:        cfg,
		base:       strings.TrimRight(public.Path, "/"),
		secure:     public.Scheme == "https",
		origin:     http.NewCrossOriginProtection(),
		continueTo: continueTo(cfg.Authorities),
	}
	if err := h.origin.AddTrustedOrigin(public.Scheme + "://" + public.Host); err != nil {
		return nil, fmt.Errorf("onboarding: trusting our own origin: %w", err)
	}
	if h.limiter, err = newLimiter(cfg.Limit, cfg.Now); err != nil {
		return nil, err
	}
	h.refused = sampling.New(refusedRecords, time.Minute, cfg.Now)
	if h.languages, err = loadLanguages(); err != nil {
		return nil, err
	}
	if h.pages, err = loadPages(); err != nil {
		return nil, err
	}
	if h.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	h.echo = h.router()
	h.routes = map[string]bool{}
	for _, route := range h.echo.Routes() {
		h.routes[route.Path] = true
	}
	return h, nil
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.echo.ServeHTTP(w, r) }

func (h *Handler) router() *echo.Echo {
	e := echo.New()
	clients := peer.Reader{Trusted: h.cfg.TrustedProxies, Source: h.cfg.ClientAddress}
	e.IPExtractor = func(r *http.Request) string { return clients.Of(r).String() }
	e.HTTPErrorHandler = h.refuse
	e.Use(h.recorded, h.securityHeaders, h.limited(), h.keepsLanguage)

	read := []string{http.MethodGet, http.MethodHead}
	g := e.Group(h.base)
	g.Match(read, "/start/:name", h.start)
	g.Match(read, "/consent/:link", h.landing)
	g.POST("/consent/:link", h.authorize)
	g.GET("/callback", h.callback)
	g.POST("/callback", h.callback)
	g.Match(read, "/done", h.done)
	g.POST("/disown", h.disown)
	g.Match(read, "/", h.home)
	if h.base != "" {
		g.Match(read, "", h.home)
	}
	g.Match(read, "/robots.txt", h.robots)
	g.Match(read, assetPath+":name", h.asset)
	g.Match(read, logoPath, h.logo)
	return e
}
