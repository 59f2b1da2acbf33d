package certificate_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/certificate"
)

var start = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// A harness is a pair with its files, a clock and a log.
type harness struct {
	*testing.T
	*certificate.Pair
	folder string
	now    time.Time
	log    bytes.Buffer
}

// newHarness loads a certificate that ends after life.
func newHarness(t *testing.T, life time.Duration) *harness {
	t.Helper()
	h := &harness{T: t, folder: t.TempDir(), now: start}
	cert, key := h.create("first", life)
	h.write(cert, key)
	var err error
	h.Pair, err = certificate.Load(certificate.Config{
		CertFile: h.file("cert"), KeyFile: h.file("key"), Now: func() time.Time { return h.now }, Log: slog.New(slog.NewTextHandler(&h.log, nil)),
	})
	if err != nil {
		t.Fatalf("Load() = %v", err)
	}
	return h
}

func (h *harness) file(name string) string { return filepath.Join(h.folder, name) }

// create returns a certificate for a host and its key, as PEM.
func (h *harness) create(host string, life time.Duration) (cert, key []byte) {
	h.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	h.must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host}, NotBefore: h.now, NotAfter: h.now.Add(life),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	h.must(err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	h.must(err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

func (h *harness) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// write writes the files; nil leaves one as it is.
func (h *harness) write(cert, key []byte) {
	h.Helper()
	for name, content := range map[string][]byte{"cert": cert, "key": key} {
		if content != nil {
			h.must(os.WriteFile(h.file(name), content, 0o600))
		}
	}
}

// reload reloads and returns what that logged.
func (h *harness) reload() string {
	h.log.Reset()
	h.Reload(h.Context())
	return h.log.String()
}

// check checks whose certificate is served.
func (h *harness) check(host string) {
	h.Helper()
	served, err := h.Get(nil)
	if err != nil || len(served.Leaf.DNSNames) != 1 || served.Leaf.DNSNames[0] != host {
		h.Errorf("Get() = certificate of %v, %v, want that of %s", served.Leaf.DNSNames, err, host)
	}
}

func TestReload_ServesWhatWasReplaced(t *testing.T) {
	h := newHarness(t, 90*day)
	if log := h.reload(); log != "" {
		t.Errorf("Reload() of unchanged files logged %s, want nothing", log)
	}
	cert, key := h.create("second", 60*day)
	h.write(cert, key)
	h.check("first") // until it is told
	if log := h.reload(); !strings.Contains(log, "certificate replaced") {
		t.Errorf("Reload() logged %s, want the replacement", log)
	}
	h.check("second")
	if !h.Ends().Equal(start.Add(60 * day)) {
		t.Errorf("Ends() = %s, want 60 days from now", h.Ends())
	}
}

func TestReload_KeepsTheOldPairWhileTheNewOneIsUnusable(t *testing.T) {
	chain := func(h *harness) (cert, key []byte) {
		cert, key = h.create("second", 90*day)
		issuer, _ := h.create("issuer", 90*day)
		return append(cert, issuer...), key
	}
	for name, spoil := range map[string]func(h *harness, cert, key []byte){
		"only the certificate is new": func(h *harness, cert, _ []byte) { h.write(cert, nil) },
		"only the key is new":         func(h *harness, _, key []byte) { h.write(nil, key) },
		"the certificate is empty":    func(h *harness, _, key []byte) { h.write([]byte{}, key) },
		"the certificate is cut off":  func(h *harness, cert, key []byte) { h.write(cert[:100], key) },
		"its chain is cut off":        func(h *harness, cert, key []byte) { h.write(cert[:len(cert)-100], key) },
		"the key is cut off":          func(h *harness, cert, key []byte) { h.write(cert, key[:40]) },
		"the certificate is missing":  func(h *harness, _, _ []byte) { h.must(os.Remove(h.file("cert"))) },
		"the key is missing":          func(h *harness, _, _ []byte) { h.must(os.Remove(h.file("key"))) },
		"the certificate has ended":   func(h *harness, _, _ []byte) { h.write(h.create("ended", 0)) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, 90*day)
			cert, key := chain(h)
			spoil(h, cert, key)
			if log := h.reload(); strings.Count(log, "level=ERROR") != 1 || !strings.Contains(log, "serving the previous certificate") || h.Usable() {
				t.Errorf("Reload() logged %s and Usable() = %v, want one error and false", log, h.Usable())
			}
			h.check("first")
			if log := h.reload(); log != "" {
				t.Errorf("Reload() a minute later logged %s, want nothing again", log)
			}
			h.now = h.now.Add(day)
			if log := h.reload(); strings.Count(log, "level=ERROR") != 1 {
				t.Errorf("Reload() a day later logged %s, want the error again", log)
			}
			h.write(cert, key)
			if log := h.reload(); !strings.Contains(log, "certificate replaced") || !h.Usable() {
				t.Errorf("Reload() of the complete pair logged %s and Usable() = %v, want the replacement and true", log, h.Usable())
			}
			h.check("second")
		})
	}
}

// TestReload_ForgetsAFaultThatWasUndone puts the old files back.
func TestReload_ForgetsAFaultThatWasUndone(t *testing.T) {
	h := newHarness(t, 90*day)
	old, err := os.ReadFile(h.file("cert"))
	h.must(err)
	h.write([]byte("nonsense"), nil)
	h.reload()
	h.write(old, nil)
	if log := h.reload(); log != "" || !h.Usable() {
		t.Errorf("Reload() of the old files logged %s and Usable() = %v, want nothing and true", log, h.Usable())
	}
}

func TestReload_WarnsOfTheEnd(t *testing.T) {
	for name, tc := range map[string]struct {
		life, age time.Duration
		want      string // level
	}{
		"90 days, new":              {90 * day, 0, ""},
		"90 days, 15 left":          {90 * day, 75 * day, ""},
		"90 days, 14 left":          {90 * day, 76 * day, "WARN"},
		"90 days, ended":            {90 * day, 90 * day, "ERROR"},
		"6 days, 2 left":            {6 * day, 4 * day, ""},
		"6 days, a quarter is left": {6 * day, 108 * time.Hour, "WARN"},
		"6 days, ended long ago":    {6 * day, 60 * day, "ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, tc.life)
			h.now = start.Add(tc.age)
			log := h.reload()
			if got := strings.Count(log, "level="); tc.want == "" && got != 0 || tc.want != "" && (got != 1 || !strings.Contains(log, "level="+tc.want)) {
				t.Errorf("Reload() logged %s, want the level %q", log, tc.want)
			}
			if log := h.reload(); log != "" {
				t.Errorf("Reload() a minute later logged %s, want nothing again", log)
			}
			h.check("first")              // also when it has ended
			h.now = h.now.Add(-time.Hour) // the clock was put right
			h.reload()
			h.now = h.now.Add(25 * time.Hour)
			if log := h.reload(); tc.want != "" && strings.Count(log, "level=") != 1 {
				t.Errorf("Reload() a day later logged %s, want it again", log)
			}
			cert, key := h.create("second", 90*day)
			h.write(cert, key)
			if log := h.reload(); strings.Count(log, "level=") != 1 || !strings.Contains(log, "replaced") {
				t.Errorf("Reload() of a new certificate logged %s, want the replacement only", log)
			}
		})
	}
}

func TestLoad_Refuses(t *testing.T) {
	h := newHarness(t, 90*day)
	other, _ := h.create("second", 90*day)
	h.write(other, nil)
	_, err := certificate.Load(certificate.Config{CertFile: h.file("cert"), KeyFile: h.file("key")})
	if err == nil || strings.Contains(err.Error(), "PRIVATE KEY") {
		t.Errorf("Load() of a certificate with another key = %v, want an error", err)
	}
}
