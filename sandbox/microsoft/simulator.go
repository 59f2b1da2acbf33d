package microsoft

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// A Host is one of the simulator's listeners. The APIs are also the resources that tokens are issued for.
type Host string

// The listeners.
const (
	Login         Host = "login"
	PartnerCenter Host = "partnercenter"
	Graph         Host = "graph"
	ARM           Host = "arm"
	Partner       Host = "partner" // a service beside the three, https://api.partner.microsoft.com
	Control       Host = "control"
)

// resourceHosts returns the APIs.
func resourceHosts() []Host { return []Host{PartnerCenter, Graph, ARM, Partner} }

// Config is what a Simulator needs. The zero Config is usable.
type Config struct {
	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Advance moves the clock forward. If it is set, the control listener serves POST /_sim/clock. Default: none.
	Advance func(time.Duration)

	// Log receives one record per request at debug level. Default: discard.
	Log *slog.Logger

	// Cloud is the simulated cloud. Default: Global().
	Cloud Cloud

	// TLS serves https with a certificate of a generated authority (RootCAs, AuthorityPEM) on every listener except
	// Control. MSAL requires it, and browsers require it for cross-site cookies.
	TLS bool

	// Addresses are the addresses to listen on, by host. Default: a free port of 127.0.0.1.
	Addresses map[Host]string

	// ListAccounts shows all accounts on the sign-in page with their roles and their second factor. A click on one fills in its
	// address and its password. Default: false, as Microsoft does.
	ListAccounts bool

	// Hostname is the name in the URLs. For browsers, 127.0.0.1 and localhost are different sites, so that tests can show
	// the effect of SameSite cookies. Default: 127.0.0.1.
	Hostname string
}

// A Simulator is a running simulated Microsoft. Its methods are safe for concurrent use.
type Simulator struct {
	cfg       Config
	urls      map[Host]string
	servers   []*http.Server
	serving   sync.WaitGroup
	authority *authority // nil without TLS
	requests  *requestLog

	mu    sync.Mutex // guards state
	state state
}

// Start checks cfg, generates the keys, and serves until Close.
func Start(cfg Config) (*Simulator, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Cloud.Name == "" {
		cfg.Cloud = Global()
	}
	if cfg.Hostname == "" {
		cfg.Hostname = "127.0.0.1"
	}
	s := &Simulator{cfg: cfg, urls: make(map[Host]string), requests: &requestLog{}, state: newState()}
	ring, err := newKeyring(cfg.Now().UTC())
	if err != nil {
		return nil, err
	}
	s.state.keys = ring
	if cfg.TLS {
		if s.authority, err = newAuthority(cfg.Hostname, cfg.Now()); err != nil {
			return nil, err
		}
	}
	if err := s.listen(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// listen opens all listeners before the first one serves, because the pages contain the addresses of the others.
func (s *Simulator) listen() error {
	hosts := []struct {
		host    Host
		handler http.Handler
	}{
		{Login, s.observed(Login, s.loginRoutes())},
		{PartnerCenter, s.observed(PartnerCenter, s.partnerCenterRoutes())},
		{Graph, s.observed(Graph, s.graphRoutes())},
		{ARM, s.observed(ARM, s.armRoutes())},
		{Partner, s.observed(Partner, s.partnerRoutes())},
		{Control, s.controlRoutes()},
	}
	listeners := make([]net.Listener, 0, len(hosts))
	for _, h := range hosts {
		address := s.cfg.Addresses[h.host]
		if address == "" {
			address = "127.0.0.1:0"
		}
		listener, err := net.Listen("tcp", address)
		if err != nil {
			for _, l := range listeners {
				l.Close()
			}
			return fmt.Errorf("listening for %s: %w", h.host, err)
		}
		scheme := "http"
		if s.cfg.TLS && h.host != Control {
			scheme = "https"
			listener = tls.NewListener(listener, s.authority.server)
		}
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		s.urls[h.host] = scheme + "://" + net.JoinHostPort(s.cfg.Hostname, port)
		listeners = append(listeners, listener)
	}
	for i, h := range hosts {
		server := &http.Server{
			Handler:           h.handler,
			ReadHeaderTimeout: 30 * time.Second,
			ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
		}
		s.servers = append(s.servers, server)
		s.serving.Go(func() {
			if err := server.Serve(listeners[i]); !errors.Is(err, http.ErrServerClosed) {
				s.cfg.Log.Error("serving the simulated Microsoft failed", "host", h.host, "err", err)
			}
		})
	}
	return nil
}

// Close closes all listeners and connections, and waits for their goroutines.
func (s *Simulator) Close() error {
	var errs []error
	for _, server := range s.servers {
		errs = append(errs, server.Close())
	}
	s.serving.Wait()
	return errors.Join(errs...)
}

// LoginURL is the authority, without a trailing slash.
func (s *Simulator) LoginURL() string { return s.urls[Login] }

// PartnerCenterURL is the address of the Partner Center API.
func (s *Simulator) PartnerCenterURL() string { return s.urls[PartnerCenter] }

// GraphURL is the address of Graph, without its version.
func (s *Simulator) GraphURL() string { return s.urls[Graph] }

// ARMURL is the address of Azure Resource Manager.
func (s *Simulator) ARMURL() string { return s.urls[ARM] }

// PartnerURL is the address of the service beside the three.
func (s *Simulator) PartnerURL() string { return s.urls[Partner] }

// ControlURL is the address of the control API, always http; controlRoutes lists its paths.
func (s *Simulator) ControlURL() string { return s.urls[Control] }

// Cloud returns the simulated cloud.
func (s *Simulator) Cloud() Cloud { return s.cfg.Cloud }

// RootCAs returns the certificate authority to trust; nil without Config.TLS.
func (s *Simulator) RootCAs() *x509.CertPool {
	if s.authority == nil {
		return nil
	}
	return s.authority.pool
}

// AuthorityPEM returns the same authority in PEM form; nil without Config.TLS.
func (s *Simulator) AuthorityPEM() []byte {
	if s.authority == nil {
		return nil
	}
	return s.authority.pem
}

// Client returns an HTTP client that trusts the simulator, with a transport of its own and without a cookie jar. The
// caller closes its idle connections.
func (s *Simulator) Client() *http.Client {
	transport := &http.Transport{DialContext: (&net.Dialer{}).DialContext}
	if s.authority != nil {
		transport.TLSClientConfig = &tls.Config{RootCAs: s.authority.pool}
	}
	return &http.Client{Transport: transport}
}

func (s *Simulator) now() time.Time { return s.cfg.Now().UTC() }
