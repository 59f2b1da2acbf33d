package httpclient_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"azure-partner-connector/connector/httpclient"
)

// A network connects a client to a server in memory, so that time can be simulated. It is a listener.
type network struct {
	conns  chan net.Conn
	closed chan struct{}

	mu    sync.Mutex // guards what follows
	dials []*link
}

func newNetwork() *network {
	return &network{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (n *network) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	l := &link{Conn: client, silent: make(chan struct{}), closed: make(chan struct{})}
	n.mu.Lock()
	n.dials = append(n.dials, l)
	n.mu.Unlock()
	n.conns <- server
	return l, nil
}

// links returns the connections that were opened.
func (n *network) links() []*link {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dials
}

func (n *network) Accept() (net.Conn, error) {
	select {
	case c := <-n.conns:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *network) Close() error {
	close(n.closed)
	return nil
}

func (n *network) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443} }

// A link is the client's end of a connection. Once it is dropped, it accepts what the client sends and delivers nothing
// in either direction, as a firewall does that has forgotten the connection.
type link struct {
	net.Conn
	silent chan struct{} // closed when it is dropped
	end    sync.Once     // closes closed
	closed chan struct{}
}

func (l *link) drop() { close(l.silent) }

func (l *link) dropped() bool {
	select {
	case <-l.silent:
		return true
	default:
		return false
	}
}

func (l *link) Read(p []byte) (int, error) {
	n, err := l.Conn.Read(p)
	if l.dropped() {
		<-l.closed
		return 0, net.ErrClosed
	}
	return n, err
}

func (l *link) Write(p []byte) (int, error) {
	if l.dropped() {
		return len(p), nil
	}
	return l.Conn.Write(p)
}

func (l *link) Close() error {
	l.end.Do(func() { close(l.closed) })
	return l.Conn.Close()
}

// A service is a server behind a network, and a client of it.
type service struct {
	*testing.T
	network *network
	client  *http.Client
}

// newService starts a server that speaks HTTP/2, and a client with cfg, in the bubble of the test.
func newService(t *testing.T, cfg httpclient.Config) *service {
	t.Helper()
	authority := httptest.NewUnstartedServer(nil)
	authority.StartTLS() // for its certificate
	authority.Close()
	cfg.RootCAs = x509.NewCertPool()
	cfg.RootCAs.AddCert(authority.Certificate())
	client, err := httpclient.New(cfg)
	if err != nil {
		t.Fatalf("New() = %v", err)
	}
	n := newNetwork()
	httpclient.Network(client).DialContext = n.dial

	server := &http.Server{
		Handler:   http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }),
		TLSConfig: &tls.Config{Certificates: authority.TLS.Certificates},
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.ServeTLS(n, "", "")
	}()
	t.Cleanup(func() {
		client.CloseIdleConnections()
		_ = server.Close()
		<-served
	})
	return &service{t, n, client}
}

// get returns the protocol of an answer.
func (s *service) get() (string, error) {
	answer, err := s.client.Get("https://example.com/")
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return string(text), err
}

// check sends a request that succeeds, on the connection with a number.
func (s *service) check(connection int) {
	s.Helper()
	if protocol, err := s.get(); err != nil || protocol != "HTTP/2.0" || len(s.network.links()) != connection {
		s.Errorf("a request = %q, %v on connection %d, want HTTP/2.0 on connection %d", protocol, err, len(s.network.links()), connection)
	}
}

// TestNew_ReplacesDroppedConnections drops a connection silently: the request on it fails before its timeout, and the
// next one uses another connection.
func TestNew_ReplacesDroppedConnections(t *testing.T) {
	for name, tc := range map[string]struct {
		cfg  httpclient.Config
		want time.Duration
	}{
		"default":    {httpclient.Config{Timeout: 30 * time.Second}, 15 * time.Second},
		"configured": {httpclient.Config{Timeout: time.Hour, PingAfter: 10 * time.Minute, PingTimeout: time.Minute}, 11 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newService(t, tc.cfg)
				s.check(1)
				s.network.links()[0].drop()
				began := time.Now()
				_, err := s.get()
				if timeout, ok := errors.AsType[net.Error](err); err == nil || ok && timeout.Timeout() {
					t.Errorf("a request on a dropped connection = %v, want that the connection was lost", err)
				}
				if took := time.Since(began); took > tc.want {
					t.Errorf("a request on a dropped connection took %s, want at most %s", took, tc.want)
				}
				s.check(2)
			})
		})
	}
}

// TestNew_DirectUsesNoProxy: a program on this machine is not beyond the proxy that the environment names.
func TestNew_DirectUsesNoProxy(t *testing.T) {
	for direct, want := range map[bool]bool{true: false, false: true} {
		client, err := httpclient.New(httpclient.Config{Timeout: time.Second, Direct: direct})
		if err != nil {
			t.Fatal(err)
		}
		if got := httpclient.Network(client).Proxy != nil; got != want {
			t.Errorf("with Direct %t, New() asks for a proxy: %t, want %t", direct, got, want)
		}
	}
}
