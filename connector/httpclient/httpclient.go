// Package httpclient creates the HTTP clients for all outgoing calls of the product.
package httpclient

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"
)

// Config says how a client connects.
type Config struct {
	// Timeout bounds one request, including its answer. Required.
	Timeout time.Duration

	// RootCAs verifies the certificates of servers. Default: the system's certificate authorities.
	RootCAs *x509.CertPool

	// Insecure disables the verification of certificates. Anybody on the network path can then read and change
	// everything, including secrets. Use it only for a platform whose certificate cannot be pinned.
	Insecure bool

	// Direct connects without the proxy that the environment names (HTTP_PROXY, HTTPS_PROXY).
	Direct bool

	// PingAfter is how long an HTTP/2 connection may be silent before the client asks whether its peer is still there, and
	// PingTimeout is how long the answer may take. Without one, the connection is closed and its requests fail, so that the
	// next request opens another: a connection that the network dropped would otherwise be used for minutes, and every
	// request would take its whole Timeout. Default: 10 and 5 seconds.
	PingAfter, PingTimeout time.Duration

	// Transport replaces the network in tests. Default: a new http.Transport.
	Transport http.RoundTripper

	// Observe is called after every request with its host, the status of the answer (0 without one) and how long it took until
	// the header of the answer. Default: nothing happens.
	Observe func(host string, status int, d time.Duration)
}

// Both together are less than the timeout of every call, and than the platform waits for our answer
// (docs/reference/platform.md#how-long-an-answer-takes).
const (
	defaultPingAfter   = 10 * time.Second
	defaultPingTimeout = 5 * time.Second
)

// New returns a client that never follows a redirect: every address is configured, and a redirect would send
// credentials to one that is not. The client sends each request once; docs/explanation/retries.md says which layer
// retries.
func New(cfg Config) (*http.Client, error) {
	if cfg.Timeout <= 0 {
		return nil, errors.New("httpclient: a timeout is required")
	}
	transport := cfg.Transport
	if transport == nil {
		transport = newTransport(cfg)
	}
	if cfg.Observe != nil {
		transport = observed{transport, cfg.Observe}
	}
	transport = Traced(transport)
	return &http.Client{
		Timeout:   cfg.Timeout,
		Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}, nil
}

// observed is a transport that reports its requests.
type observed struct {
	http.RoundTripper
	observe func(host string, status int, d time.Duration)
}

// RoundTrip implements http.RoundTripper.
func (o observed) RoundTrip(r *http.Request) (*http.Response, error) {
	began := time.Now()
	answer, err := o.RoundTripper.RoundTrip(r)
	status := 0
	if err == nil {
		status = answer.StatusCode
	}
	o.observe(r.URL.Host, status, time.Since(began))
	return answer, err
}

// CloseIdleConnections closes those of the transport, as http.Client.CloseIdleConnections expects.
func (o observed) CloseIdleConnections() {
	if c, ok := o.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// streamsPerHost is how many idle connections to one host a transport for streams keeps.
const streamsPerHost = 256

// Transport returns what sends requests of other programs on, without a timeout: their bodies may take long. It changes no body: it
// neither asks for compression nor undoes it. Transport, Timeout and what New adds to them do not apply.
func Transport(cfg Config) (*http.Transport, error) {
	if cfg.Transport != nil || cfg.Timeout != 0 {
		return nil, errors.New("httpclient: a transport for streams has neither a timeout nor another transport")
	}
	t := newTransport(cfg)
	t.DisableCompression = true
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, streamsPerHost
	return t, nil
}

func newTransport(cfg Config) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cfg.RootCAs, InsecureSkipVerify: cfg.Insecure}
	t.MaxIdleConnsPerHost = 16
	if cfg.Direct {
		t.Proxy = nil
	}
	t.HTTP2 = &http.HTTP2Config{
		SendPingTimeout: cmp.Or(cfg.PingAfter, defaultPingAfter), PingTimeout: cmp.Or(cfg.PingTimeout, defaultPingTimeout),
	}
	return t
}

// Roots returns the system's certificate authorities and those in a PEM file. Without a file it returns nil, which
// stands for only the system's.
func Roots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading certificates: %w", err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("reading the system's certificates: %w", err)
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s contains no PEM certificate", file)
	}
	return roots, nil
}
