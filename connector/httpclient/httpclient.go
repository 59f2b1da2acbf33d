// Package httpclient makes the HTTP clients by which the product calls out; nothing else makes one.
package httpclient

import (
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
	// Timeout bounds one request with its answer. Required.
	Timeout time.Duration

	// RootCAs is what servers' certificates are checked against. Default: the system's.
	RootCAs *x509.CertPool

	// Insecure turns the check of servers' certificates off. It lets anybody between us and the server read and
	// change everything, secrets included; only for a platform whose certificate cannot be pinned.
	Insecure bool

	// Transport replaces the connection itself, for tests. Default: a transport of its own.
	Transport http.RoundTripper
}

// New returns a client that never follows a redirect: every address we call is configured, and a redirect would carry
// credentials to one that is not.
func New(cfg Config) (*http.Client, error) {
	if cfg.Timeout <= 0 {
		return nil, errors.New("httpclient: a timeout is required")
	}
	transport := cfg.Transport
	if transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cfg.RootCAs, InsecureSkipVerify: cfg.Insecure}
		t.MaxIdleConnsPerHost = 16
		transport = t
	}
	return &http.Client{
		Timeout:   cfg.Timeout,
		Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}, nil
}

// Roots returns the system's certificates with those in a PEM file besides, or nil, which stands for the system's alone,
// when no file is named.
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
		return nil, fmt.Errorf("%s holds no certificate in PEM form", file)
	}
	return roots, nil
}
