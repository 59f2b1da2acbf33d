package main_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// certify writes a new certificate for a host, and its key.
func (c *terminal) certify(host string) {
	c.Helper()
	pair := c.pair(host)
	c.write("tls.pem", pair.certificate)
	c.write("tls.key", pair.key)
}

// A pair is a certificate and its private key in PEM.
type pair struct{ certificate, key string }

// pair makes a certificate for a host, without writing a file.
func (c *terminal) pair(host string) pair {
	c.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	c.must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 3, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	c.must(err)
	key, err := x509.MarshalPKCS8PrivateKey(private)
	c.must(err)
	return pair{
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})),
	}
}

// certified returns the host in the certificate that a listener serves.
func (s *process) certified(listener string) string {
	s.Helper()
	conn, err := tls.Dial("tcp", s.listeners[listener], &tls.Config{InsecureSkipVerify: true})
	s.must(err)
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
}

// TestServe_ReloadsCertificates replaces a certificate, first only by half, and sends SIGHUP, which must not end the
// program.
func TestServe_ReloadsCertificates(t *testing.T) {
	c := newTerminal(t)
	c.certify("first.example")
	c.environ = append(c.environ, "CONNECTOR_ONBOARDING__TLS__CERTFILE=tls.pem", "CONNECTOR_ONBOARDING__TLS__KEYFILE=tls.key")
	s := c.serve("--config", c.configured())
	check := func(want string) {
		t.Helper()
		if got := s.certified("onboarding"); got != want {
			t.Errorf("the certificate of onboarding is that of %s, want %s", got, want)
		}
	}
	check("first.example")
	pair := c.pair("second.example")
	c.write("tls.pem", pair.certificate)
	c.must(s.command.Process.Signal(syscall.SIGHUP))
	// The periodic check may find the incomplete pair before the signal does.
	if r := s.await("the certificate's files are unusable: serving the previous certificate"); r.Level != "ERROR" || r.Listener != "onboarding" {
		t.Errorf("an incomplete pair was logged as %+v, want an error that names the listener", r)
	}
	check("first.example")
	c.write("tls.key", pair.key)
	c.must(s.command.Process.Signal(syscall.SIGHUP))
	s.await("certificate replaced")
	check("second.example")
	_, metrics := s.page("private", "/metrics")
	for _, want := range []string{`connector_certificate_usable{listener="onboarding"} 1`, `connector_certificate_end_timestamp_seconds{listener="onboarding"} `} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if code := s.end(syscall.SIGTERM); code != 0 {
		t.Errorf("connector serve ended with the exit code %d, want 0:\n%s", code, s.log.String())
	}
}

// TestServe_KnowsClientsByTheirCertificates calls the token API with a pinned certificate, with another one, and without one.
func TestServe_KnowsClientsByTheirCertificates(t *testing.T) {
	c := newTerminal(t)
	c.certify("tokens.example")
	own, foreign := c.pair("monitor"), c.pair("monitor")
	c.write("monitor.pem", own.certificate)
	c.environ = append(c.environ, "CONNECTOR_API__LISTEN=127.0.0.1:0", "CONNECTOR_API__PUBLICURL=https://tokens.example",
		"CONNECTOR_API__TLS__CERTFILE=tls.pem", "CONNECTOR_API__TLS__KEYFILE=tls.key")
	s := c.serve("--config", c.configured())
	for s.listeners["api"] == "" {
		r := s.await("listening")
		s.listeners[r.Listener] = r.Address
	}
	added := c.run("clients", "add", "monitor", "--tenants", "any", "--operations", "read", "--certificate", "monitor.pem", "--config", "connector.yaml")
	c.check("clients add --certificate", added, 0, "added")
	c.check("clients list", c.run("clients", "list", "--config", "connector.yaml"), 0, "key certificate-")
	for name, tc := range map[string]struct {
		pair *pair
		want int
	}{"its certificate": {&own, http.StatusOK}, "another of the same name": {&foreign, http.StatusUnauthorized}, "none": {nil, http.StatusUnauthorized}} {
		settings := &tls.Config{InsecureSkipVerify: true}
		if tc.pair != nil {
			certificate, err := tls.X509KeyPair([]byte(tc.pair.certificate), []byte(tc.pair.key))
			c.must(err)
			settings.Certificates = []tls.Certificate{certificate}
		}
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: settings}}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.listeners["api"]+"/v1/tenants", nil)
		c.must(err)
		answer, err := client.Do(request)
		c.must(err)
		c.must(answer.Body.Close())
		if answer.StatusCode != tc.want {
			t.Errorf("GET /v1/tenants with %s = %d, want %d", name, answer.StatusCode, tc.want)
		}
		client.CloseIdleConnections()
	}
	s.end(syscall.SIGTERM)
}

// TestServe_OutlivesATerminal sends SIGHUP to a connector without a certificate.
func TestServe_OutlivesATerminal(t *testing.T) {
	c := newTerminal(t)
	s := c.serve("--config", c.configured())
	c.must(s.command.Process.Signal(syscall.SIGHUP))
	s.await("reloading certificates")
	if got := s.get("private", "/readyz"); got != http.StatusOK {
		t.Errorf("GET /readyz after SIGHUP = %d, want 200", got)
	}
	s.end(syscall.SIGTERM)
}

// TestServe_Drains stops a connector that drains for longer than the test may take: it serves but is not ready, until a
// second signal ends the wait.
func TestServe_Drains(t *testing.T) {
	for _, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		t.Run(signal.String(), func(t *testing.T) {
			c := newTerminal(t)
			c.environ = append(c.environ, "CONNECTOR_SHUTDOWN__DRAIN=10m")
			s := c.serve("--config", c.configured())
			c.must(s.command.Process.Signal(signal))
			s.await("draining: serving while not ready")
			for _, page := range []struct {
				listener, path string
				want           int
			}{
				{"private", "/readyz", http.StatusServiceUnavailable},
				{"private", "/healthz", http.StatusOK},
				{"hooks", "/aps/", http.StatusOK},
				{"onboarding", "/", http.StatusOK},
			} {
				if got := s.get(page.listener, page.path); got != page.want {
					t.Errorf("GET %s of %s while draining = %d, want %d", page.path, page.listener, got, page.want)
				}
			}
			c.must(s.command.Process.Signal(syscall.SIGHUP)) // does not end it either
			s.await("reloading certificates")
			if code := s.end(syscall.SIGTERM); code != 0 {
				t.Errorf("connector serve ended with the exit code %d, want 0:\n%s", code, s.log.String())
			}
		})
	}
}
