// Package egress is the HTTP handler that forwards calls of clients to Microsoft with an access token added: the client never sees
// a token. It serves a plain form of address, and what chaperone's forward targets send (docs/reference/token-api.md §5).
package egress

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/client"
	"azure-partner-connector/connector/peer"
	"azure-partner-connector/connector/sampling"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

const (
	// unknownEvery is how often an unknown key is logged: anybody can send one.
	unknownEvery = 10 * time.Second

	defaultTimeout = 2 * time.Minute
	defaultIdle    = time.Minute
	defaultRequest = 256 << 20
	defaultAnswer  = 1 << 30
)

// Clients recognises clients; client.Service implements it.
type Clients interface {
	// Authenticate returns the client with a key, or key_unknown. It returns a known client with the failure why it is refused.
	Authenticate(ctx context.Context, key secret.Text) (client.Client, error)
	// AuthenticateCertificate returns the client with a certificate, or as Authenticate.
	AuthenticateCertificate(ctx context.Context, chain []*x509.Certificate, authorities *x509.CertPool) (client.Client, error)
	// Refused counts what a known client was refused.
	Refused(ctx context.Context, c client.Client, cause error, details map[string]string) error
}

// Tenants reads tenants of all instances; tenant.Service implements it.
type Tenants interface {
	// FindRecent returns a tenant by ID, as it was up to a second ago, or the failure not_found.
	FindRecent(ctx context.Context, id string) (tenant.Resolved, error)
}

// Tokens lends access tokens; token.Service implements it.
type Tokens interface {
	Lend(ctx context.Context, r tenant.Resolved, request token.LoanRequest, by audit.Actor) (token.Loan, error)
	Replace(ctx context.Context, r tenant.Resolved, request token.LoanRequest, refused secret.Text, by audit.Actor) (token.Loan, bool, error)
}

// Microsoft knows the apis of the clouds; microsoft.Client implements it.
type Microsoft interface {
	// BaseURL returns the address of an api for a tenant, without a slash at its end.
	BaseURL(client tenant.Client, api token.API) (string, bool)
	// APIOf returns the api of a resource URI for a tenant.
	APIOf(client tenant.Client, resource string) (token.API, bool)
	// WantsToken reports whether an answer with status 401 asks for another access token. The body is its beginning.
	WantsToken(header http.Header, body []byte) bool
}

// A Call is what Config.Observe is told about a call.
type Call struct {
	Client string // empty for an unknown key
	API    string // empty before it is known
	// Status is the status of Microsoft's answer; 0 for a refusal.
	Status int
	// Result is "ok", or the failure code of a refusal.
	Result   string
	Duration time.Duration
}

// Config is what a Handler needs.
type Config struct {
	// PublicURL is the URL at which clients reach the handler. Its path is part of every address: a proxy must not remove it.
	// Required.
	PublicURL string

	Clients   Clients   // required
	Tenants   Tenants   // required
	Tokens    Tokens    // required
	Microsoft Microsoft // required

	// Transport sends the calls. It must neither follow redirects nor change bodies. Required.
	Transport http.RoundTripper

	// TrustedProxies are the networks of proxies that terminate TLS: they are believed about their clients, and that a request
	// came by https. Default: none.
	TrustedProxies []netip.Prefix

	// Authorities issue certificates of clients that are known by their subject. Default: none; only pinned certificates count.
	Authorities *x509.CertPool

	// Each stores an event of every call, before it is sent. Default: one event a minute for each client, tenant, api and directory.
	Each bool

	// Timeout is how long Microsoft may take to begin its answer, or to take more of the body. Default: 2 minutes.
	Timeout time.Duration

	// Idle is how long a body, of either direction, may stand still. Default: 1 minute.
	Idle time.Duration

	// MaxRequest and MaxAnswer are the sizes, in bytes, of the largest bodies that are forwarded. Default: 256 MiB and 1 GiB.
	MaxRequest, MaxAnswer int64

	// Observe is called after every call. Default: nothing happens.
	Observe func(Call)

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Log receives one record per refusal, and at level debug one per call; of unknown keys, at most one in ten seconds. Default:
	// discard.
	Log *slog.Logger
}

// A Handler forwards calls. It is an http.Handler, safe for concurrent use.
type Handler struct {
	cfg     Config
	path    string // of cfg.PublicURL, "" or "/…"
	peers   peer.Reader
	proxy   *httputil.ReverseProxy
	unknown *sampling.Sampler
}

// New checks cfg and fills in its defaults. It starts nothing.
func New(cfg Config) (*Handler, error) {
	public, err := url.Parse(cfg.PublicURL)
	if err != nil || public.Host == "" || public.Scheme != "https" && public.Scheme != "http" || public.RawQuery != "" || public.Fragment != "" {
		return nil, fmt.Errorf("egress: the public address %q is not scheme, host and path", cfg.PublicURL)
	}
	if cfg.Clients == nil || cfg.Tenants == nil || cfg.Tokens == nil || cfg.Microsoft == nil || cfg.Transport == nil {
		return nil, errors.New("egress: clients, tenants, tokens, Microsoft and a transport are required")
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Idle <= 0 {
		cfg.Idle = defaultIdle
	}
	if cfg.MaxRequest <= 0 {
		cfg.MaxRequest = defaultRequest
	}
	if cfg.MaxAnswer <= 0 {
		cfg.MaxAnswer = defaultAnswer
	}
	if cfg.Observe == nil {
		cfg.Observe = func(Call) {}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	h := &Handler{
		cfg: cfg, path: strings.TrimRight(public.EscapedPath(), "/"), peers: peer.Reader{Trusted: cfg.TrustedProxies},
		unknown: sampling.New(1, unknownEvery, cfg.Now),
	}
	h.proxy = &httputil.ReverseProxy{
		Rewrite: rewrite, Transport: &retrier{cfg.Transport, h}, ModifyResponse: h.answer, ErrorHandler: h.failed, BufferPool: newBuffers(),
		ErrorLog: slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
	}
	return h, nil
}
