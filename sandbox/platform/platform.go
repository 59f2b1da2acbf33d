// Package platform simulates the back-end of CloudBlue Commerce, so that the connector can be tried and tested without
// one: it imports packages, creates instances and tenants, calls the connector's hooks, and answers the connector's
// calls. It refuses what the platform would refuse (docs/reference/aps-protocol.md §5, §7), and keeps everything in
// memory.
package platform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
)

// Config is what a Platform needs.
type Config struct {
	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Wait waits before an operation that the connector answered with 202 is repeated. Default: a timer.
	Wait func(ctx context.Context, d time.Duration) error

	// Log receives one record per hook and per refused request. Default: discard.
	Log *slog.Logger

	// Listen is the address to listen on. Default: a free port of the loopback.
	Listen string

	// URL is the address for browsers and connectors. Default: http:// and the address of the listener.
	URL string

	// AdminUser and AdminPassword are the credentials for the operations API. Default: admin and a random password.
	AdminUser     string
	AdminPassword secret.Text

	// Development is the platform's development mode (APS_DEVEL_MODE): connectors without TLS are allowed, and a
	// package may be imported again under the same version.
	Development bool

	// Company is the name of the provider's account. Default: Provider.
	Company string

	// Build is the platform's build version. Default: cb-20.5-15, whose form CloudBlue's installer accepts
	// (docs/reference/aps-protocol.md §7.3).
	Build string

	// ConnectExtension installs the Connect extension, which that installer requires.
	ConnectExtension bool

	// HTTP calls the connectors. Default: a client with a timeout of 60 seconds that follows no redirects.
	HTTP *http.Client
}

// A Platform is one simulated platform. Its methods are safe for concurrent use.
type Platform struct {
	cfg      Config
	url      string
	listener net.Listener
	server   *http.Server
	ended    chan struct{} // closed when the server has stopped

	mu            sync.Mutex // guards everything below; never held during a call to a connector
	development   bool
	nextNumber    int // of accounts, applications and instances
	nextCall      int // of transactions
	accounts      map[string]*Account
	users         map[string]*User
	sessions      map[string]*Session // cookie value → session
	tokens        map[string]string   // APS-Token of the operations API → user number it was made for
	packages      []*installed        // in order of their import
	types         map[string]*typeDefinition
	instances     map[string]*instance
	resources     map[string]*resource
	created       []string             // ids of resources, in order
	transactions  map[string]bool      // open ones
	nonces        map[string]time.Time // key and nonce → when it was used
	notifications []Notification       // in order
	tasks         map[string]*Task     // id → periodic task
	subscriptions []*subscription      // in order
	deliveries    []*delivery          // undelivered events, in order
	serial        int                  // of the last event
	sales         sales                // created through the operations API
	mounted       http.Handler         // serves all other addresses; may be nil
}

// Start opens the listener and serves. The provider's account exists from the start.
func Start(cfg Config) (*Platform, error) {
	if cfg.Company == "" {
		cfg.Company = "Provider"
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Wait == nil {
		cfg.Wait = clock.Sleep
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Build == "" {
		cfg.Build = "cb-20.5-15"
	}
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	if cfg.AdminUser == "" {
		cfg.AdminUser = "admin"
	}
	if cfg.AdminPassword.Empty() {
		cfg.AdminPassword = secret.New(random.Token())
	}
	if cfg.HTTP == nil {
		cfg.HTTP = &http.Client{Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}}
	}
	listener, err := net.Listen("tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("starting the simulated platform: %w", err)
	}
	if cfg.URL == "" {
		cfg.URL = "http://" + listener.Addr().String()
	}
	p := &Platform{
		cfg: cfg, url: cfg.URL, listener: listener, ended: make(chan struct{}),
		development: cfg.Development, nextNumber: 1, nextCall: 1,
		accounts: make(map[string]*Account), users: make(map[string]*User), sessions: make(map[string]*Session),
		tokens: make(map[string]string), types: platformTypes(), instances: make(map[string]*instance),
		resources: make(map[string]*resource), transactions: make(map[string]bool), nonces: make(map[string]time.Time),
		tasks: make(map[string]*Task),
	}
	p.seed()
	p.server = &http.Server{Handler: p.Handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(p.ended)
		if err := p.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			cfg.Log.Error("simulated platform stopped", "err", err)
		}
	}()
	return p, nil
}

// Close stops the server and waits until it has stopped.
func (p *Platform) Close() error {
	err := p.server.Close()
	<-p.ended
	return err
}

// URL returns the platform's address without a trailing slash: that of the panel, of the controller (below /aps) and of the
// operations API (/RPC2).
func (p *Platform) URL() string { return p.url }

// ControllerURI returns the address that connectors receive in APS-Controller-URI.
func (p *Platform) ControllerURI() string { return p.url + "/" }

// Admin returns the user and the password for the operations API.
func (p *Platform) Admin() (user string, password secret.Text) {
	return p.cfg.AdminUser, p.cfg.AdminPassword
}

// Mount serves h for every address that is not the platform's own, and for /aps/2/ui/, where panels have their libraries,
// so that a panel is on the platform's origin.
func (p *Platform) Mount(h http.Handler) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mounted = h
}

// now returns the time with the precision of resources.
func (p *Platform) now() time.Time { return p.cfg.Now().UTC().Truncate(time.Second) }

// number returns the next number of an account, application or instance. The caller holds p.mu.
func (p *Platform) number() int {
	n := p.nextNumber
	p.nextNumber++
	return n
}

// maxBody bounds every request and answer, in bytes. Packages are the largest.
const maxBody = 16 << 20

func readBody(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = errors.New("the body is too large")
	}
	return body, err
}
