// Package microsoft is the client of Microsoft's identity platform, Partner Center, Graph and ARM.
package microsoft

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"azure-partner-connector/connector/clock"
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
	// Profiles are clouds beyond the built-in ones. A profile with the name of a built-in one replaces those of its
	// fields that are set. Default: none.
	Profiles []Profile

	// FederatedTokenFile is the file that contains the federated token of the deployment. Default: none.
	FederatedTokenFile string

	// HTTP calls the identity platform. Required; its timeout should be 30 s (docs/reference/microsoft-identity.md
	// §3.8). It must not follow redirects; clients of httpclient do not.
	HTTP *http.Client

	// ProbeHTTP calls Partner Center, Graph and ARM. Required; the first call for a directory can take many seconds, so
	// its timeout should be 60 s (docs/reference/microsoft-identity.md §5.5). It must not follow redirects.
	ProbeHTTP *http.Client

	// Retries are the pauses after which a renewal or a read is retried while it fails with a transient error. A longer
	// Retry-After replaces the pause; one above a minute ends the retries. An authorization code is never posted twice.
	// Default: 5 s, 15 s, 45 s (docs/reference/microsoft-identity.md §3.7).
	Retries []time.Duration

	// Wait waits for one of Retries, or returns an error to end the retries. A running server passes clock.Sleep.
	// Default: no retries; the first failure is returned, and the caller's own schedule decides.
	Wait func(ctx context.Context, d time.Duration) error

	// Throttled is called when the identity platform of a cloud limits our requests, with the time it asks us to wait,
	// or 0 if it does not say. It is called before the request is retried. Default: none.
	Throttled func(cloud string, wait time.Duration)

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Elapsed returns the time that passed since any moment, which does not change when the clock is set. Default:
	// clock.Elapsed.
	Elapsed func() time.Duration

	// Log receives one record per token request and per probe. Default: discard.
	Log *slog.Logger
}

// A Client calls Microsoft for all tenants. It is safe for concurrent use.
type Client struct {
	profiles  map[string]Profile // name → profile
	http      *http.Client
	probeHTTP *http.Client
	retries   []time.Duration
	wait      func(ctx context.Context, d time.Duration) error
	throttled func(cloud string, wait time.Duration)
	now       func() time.Time
	log       *slog.Logger

	// federatedFile is Config.FederatedTokenFile.
	federatedFile string

	comparison  *comparison
	loops       *loopGuard
	history     *credentialHistory
	keyrings    *lru.Cache[string, *keyring]     // address of the keys → keyring
	directories *lru.Cache[domain, domainResult] // results of ResolveDirectory
}

// New checks cfg and fills in its defaults. It sends no request.
func New(cfg Config) (*Client, error) {
	if cfg.HTTP == nil || cfg.ProbeHTTP == nil {
		return nil, errors.New("microsoft: HTTP clients are required")
	}
	c := &Client{
		profiles:  make(map[string]Profile),
		http:      cfg.HTTP,
		probeHTTP: cfg.ProbeHTTP,
		retries:   slices.Clone(cfg.Retries),
		wait:      cfg.Wait,
		throttled: cfg.Throttled,
		now:       cfg.Now,
		log:       cfg.Log,

		federatedFile: cfg.FederatedTokenFile,

		loops:       newLoopGuard(),
		history:     newCredentialHistory(),
		keyrings:    bounded[string, *keyring](maxKeyrings),
		directories: bounded[domain, domainResult](maxDirectories),
	}
	for _, p := range Profiles() {
		c.profiles[p.Name] = p
	}
	for _, p := range cfg.Profiles {
		p = p.withDefaults(c.profiles[p.Name])
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
	elapsed := cfg.Elapsed
	if elapsed == nil {
		elapsed = clock.Elapsed()
	}
	c.comparison = &comparison{reference: clock.NewReference(c.now, elapsed), elapsed: elapsed}
	c.http, c.probeHTTP = c.compared(c.http), c.compared(c.probeHTTP)
	return c, nil
}

// A resolvedClient is a client with the profile of its cloud. Its directory is a GUID and therefore safe in a path.
type resolvedClient struct {
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

// resolve checks client and returns it with the profile of its cloud.
func (c *Client) resolve(client tenant.Client) (resolvedClient, error) {
	profile, err := c.profile(client.Cloud)
	if err != nil {
		return resolvedClient{}, err
	}
	client.Cloud = profile.Name
	switch {
	case client.DirectoryID == "":
		return resolvedClient{}, failure.New(failure.DirectoryMissing)
	case !isGUID(client.DirectoryID):
		return resolvedClient{}, failure.New(failure.DirectoryUnknown, "directory", client.DirectoryID)
	case client.Application.ID == "":
		return resolvedClient{}, failure.New(failure.ApplicationMissing)
	case !isGUID(client.Application.ID):
		return resolvedClient{}, failure.New(failure.ApplicationInvalid, "application", client.Application.ID)
	}
	return resolvedClient{client, profile}, nil
}

// oauth returns the client's configuration for x/oauth2, without a credential: credentials are parameters of each
// request. AuthStyle is fixed because autodetection posts a code twice, first with HTTP Basic
// (docs/reference/microsoft-identity.md §7.2).
func (r resolvedClient) oauth(redirectURI string, scopes []string) *oauth2.Config {
	return &oauth2.Config{
		ClientID:    r.Application.ID,
		RedirectURL: redirectURI,
		Scopes:      scopes,
		Endpoint: oauth2.Endpoint{
			AuthURL:   r.profile.directoryURL(r.DirectoryID, "/oauth2/v2.0/authorize"),
			TokenURL:  r.tokenURL(),
			AuthStyle: oauth2.AuthStyleInParams,
		},
	}
}

// tokenURL returns the address of the token endpoint, which is also the audience of a client assertion.
func (r resolvedClient) tokenURL() string {
	return r.profile.directoryURL(r.DirectoryID, "/oauth2/v2.0/token")
}

// bounded returns a cache of the size most recently used entries. It is safe for concurrent use.
func bounded[K comparable, V any](size int) *lru.Cache[K, V] {
	cache, _ := lru.New[K, V](size) // fails only without a positive size
	return cache
}

// isGUID reports whether s is a GUID in its plain form of 36 characters.
func isGUID(s string) bool { return len(s) == 36 && uuid.Validate(s) == nil }
