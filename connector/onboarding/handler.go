// Package onboarding is the public door: consent links, Microsoft's callback and the Partner Onboarding pages.
package onboarding

import (
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
)

// Consents is what the door needs of the consent service. Errors that a person can be told are *failure.Error.
type Consents interface {
	// Landing says what the link asks for. It changes nothing, so that previews and scanners burn nothing.
	Landing(ctx context.Context, link string) (consent.Landing, error)
	// Authorize returns Microsoft's address with a fresh state that only the given browser may bring back.
	Authorize(ctx context.Context, link, browser, locale string) (string, error)
	// Complete accepts or refuses what Microsoft sent back, or asks to go there once more (Outcome.SignInAgain).
	Complete(ctx context.Context, cb consent.Callback) (consent.Outcome, error)
}

// Seal keeps what browsers hold for us unreadable to them.
type Seal interface {
	Seal(plaintext []byte, table, row, column string) ([]byte, error)
	Open(ciphertext []byte, table, row, column string) ([]byte, error)
}

// Limit bounds the requests of one client address: an IPv4 address, or the /64 network of an IPv6 address.
type Limit struct {
	// PerMinute is how many requests a minute are served in the long run. Default: 60.
	PerMinute int
	// Burst is how many may come at once. Default: 30.
	Burst int
	// Clients is how many addresses are remembered; the one unseen for longest is forgotten first. Default: 10,000.
	Clients int
}

// Config is what a Handler needs.
type Config struct {
	// PublicURL is the address under which browsers reach the door, without a slash at its end. Its path is part of
	// every route: a proxy in front must not cut it off. Required.
	PublicURL string

	Consents Consents // required
	Seal     Seal     // required

	// Authorities are the base addresses of the sign-in pages in use. Browsers are let on to https addresses anyway;
	// what is listed with plain http, as a simulator's is, is allowed besides. Default: none.
	Authorities []string

	// TrustedProxies are the networks whose X-Forwarded-For is believed. Behind a proxy that is not listed all
	// visitors share the limit of the proxy's address. Default: none.
	TrustedProxies []netip.Prefix

	// Limit bounds the requests of one client address.
	Limit Limit

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Log receives one record per request, with the cause where something failed. Default: discard.
	Log *slog.Logger
}

// A Handler serves the onboarding pages. It is an http.Handler, safe for concurrent use.
type Handler struct {
	cfg       Config
	echo      *echo.Echo
	base      string // path of PublicURL, "" or "/…"
	secure    bool   // PublicURL is https
	routes    map[string]bool
	origin    *http.CrossOriginProtection
	limiter   *limiter
	pages     *pages
	languages *languages
	assets    map[string]asset
	// continueTo is the form-action of pages whose form leads on to Microsoft.
	continueTo string
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
		limiter:    newLimiter(cfg.Limit),
		continueTo: continueTo(cfg.Authorities),
	}
	if err := h.origin.AddTrustedOrigin(public.Scheme + "://" + public.Host); err != nil {
		return nil, fmt.Errorf("onboarding: trusting our own origin: %w", err)
	}
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
	e.IPExtractor = clientAddress(h.cfg.TrustedProxies)
	e.HTTPErrorHandler = h.refuse
	e.Use(h.recorded, h.guarded, h.limited)

	read := []string{http.MethodGet, http.MethodHead}
	g := e.Group(h.base)
	g.Match(read, "/consent/:link", h.landing)
	g.POST("/consent/:link", h.authorize)
	g.GET("/callback", h.callback)
	g.POST("/callback", h.callback)
	g.Match(read, "/done", h.done)
	g.Match(read, "/", h.home)
	if h.base != "" {
		g.Match(read, "", h.home)
	}
	g.Match(read, "/robots.txt", h.robots)
	g.Match(read, assetPath+":name", h.asset)
	return e
}
