// Package microsoft is the client towards Microsoft: the identity platform, Partner Center, Graph and ARM.
package microsoft

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/oauth2"
)

var (
	_ token.Microsoft   = (*Client)(nil)
	_ consent.Microsoft = (*Client)(nil)
)

// Config is what a Client needs.
type Config struct {
	// Profiles are clouds beyond the built-in ones. One with the name of a built-in replaces those of its fields that
	// are set. Default: none.
	Profiles []Profile

	// HTTP calls the identity platform. Required; its timeout should be 30 s (microsoft-identity.md §3.8). It must not
	// follow redirects, as clients of httpclient do not.
	HTTP *http.Client

	// ProbeHTTP calls Partner Center, Graph and ARM. Required; the first call of a directory can take many seconds, so
	// its timeout should be 60 s (microsoft-identity.md §5.5). It must not follow redirects.
	ProbeHTTP *http.Client

	// Retries are the pauses after which a renewal or a read is tried again while the trouble is transient. A longer
	// Retry-After is honoured instead; one over a minute ends the attempts. An authorization code is never posted
	// twice. Default: 5 s, 15 s, 45 s (microsoft-identity.md §3.7).
	Retries []time.Duration

	// Wait passes one of Retries, or returns an error to give up. Default: none, and nothing is tried again here: a
	// failure is reported at once and left to the caller's own schedule. A running server passes clock.Sleep.
	Wait func(ctx context.Context, d time.Duration) error

	// Throttled is told when the identity platform of a cloud asks to slow down: for how long it wants to be left alone,
	// 0 where it does not say. It is told at the first such answer, before the request is tried again. Default: nobody is.
	Throttled func(cloud string, wait time.Duration)

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Log receives one record per request for tokens and per probe. Default: discard.
	Log *slog.Logger
}

// A Client talks to Microsoft for all tenants. It is safe for concurrent use.
type Client struct {
	profiles  map[string]Profile // name → profile
	http      *http.Client
	probeHTTP *http.Client
	retries   []time.Duration
	wait      func(ctx context.Context, d time.Duration) error
	throttled func(cloud string, wait time.Duration)
	now       func() time.Time
	log       *slog.Logger

	loops  *loopGuard
	ledger *ledger
	keys   *keyrings

	directories *lru.Cache[domain, resolved]
}

// New checks cfg and fills in its defaults. It calls nobody.
func New(cfg Config) (*Client, error) {
	if cfg.HTTP == nil || cfg.ProbeHTTP == nil {
		return nil, errors.New("microsoft: HTTP clients are required")
	}
	c := &Client{
		profiles:    make(map[string]Profile),
		http:        cfg.HTTP,
		probeHTTP:   cfg.ProbeHTTP,
		retries:     slices.Clone(cfg.Retries),
		wait:        cfg.Wait,
		throttled:   cfg.Throttled,
		now:         cfg.Now,
		log:         cfg.Log,
		loops:       newLoopGuard(),
		ledger:      newLedger(),
		keys:        newKeyrings(),
		directories: bounded[domain, resolved](maxDirectories),
	}
	for _, p := range Profiles() {
		c.profiles[p.Name] = p
	}
	for _, p := range cfg.Profiles {
		p = p.over(c.profiles[p.Name])
		if err := p.Validate(); err != nil {
			return nil, err
		}
		c.profiles[p.Name] = p
	}
	if cfg.Retries == nil {
		c.retries = []time.Duration{5 * time.Second, 15 * time.Second, 45 * time.Second}
	}
	if c.wait == nil {
		c.retries = nil
	}
	if c.throttled == nil {
		c.throttled = func(string, time.Duration) {}
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// bounded returns a cache for the size entries that were used last. It is safe for concurrent use.
func bounded[K comparable, V any](size int) *lru.Cache[K, V] {
	cache, _ := lru.New[K, V](size) // fails only without a positive size
	return cache
}

// A place is where one client stands at Microsoft. Its directory is known to be a GUID, hence safe in a path.
type place struct {
	tenant.Client
	profile Profile
}

func (c *Client) profile(cloud string) (Profile, error) {
	if cloud == "" {
		cloud = globalCloud
	}
	p, ok := c.profiles[cloud]
	if !ok {
		return Profile{}, failure.Wrap(fmt.Errorf("no cloud profile %q", cloud), failure.CloudUnknown, "cloud", cloud)
	}
	return p, nil
}

func (c *Client) place(client tenant.Client) (place, error) {
	profile, err := c.profile(client.Cloud)
	if err != nil {
		return place{}, err
	}
	client.Cloud = profile.Name
	switch {
	case client.DirectoryID == "":
		return place{}, failure.New(failure.DirectoryMissing)
	case !isGUID(client.DirectoryID):
		return place{}, failure.New(failure.DirectoryUnknown, "directory", client.DirectoryID)
	case client.Application.ID == "":
		return place{}, failure.New(failure.ApplicationMissing)
	case !isGUID(client.Application.ID):
		return place{}, failure.New(failure.ApplicationInvalid, "application", client.Application.ID)
	}
	return place{client, profile}, nil
}

// oauth returns the client's configuration for x/oauth2, without a credential: those are parameters of each request.
// The style is fixed: left to find it out, the library would post a code twice, first with HTTP Basic
// (microsoft-identity.md §7.2).
func (p place) oauth(redirectURI string, scopes []string) *oauth2.Config {
	return &oauth2.Config{
		ClientID:    p.Application.ID,
		RedirectURL: redirectURI,
		Scopes:      scopes,
		Endpoint: oauth2.Endpoint{
			AuthURL:   p.profile.directoryURL(p.DirectoryID, "/oauth2/v2.0/authorize"),
			TokenURL:  p.tokenURL(),
			AuthStyle: oauth2.AuthStyleInParams,
		},
	}
}

// tokenURL is the exact address that a client assertion is made out to.
func (p place) tokenURL() string { return p.profile.directoryURL(p.DirectoryID, "/oauth2/v2.0/token") }

// isGUID reports whether s is a GUID in its plain form of 36 characters.
func isGUID(s string) bool { return len(s) == 36 && uuid.Validate(s) == nil }
