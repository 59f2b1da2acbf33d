// Package certificate serves a TLS certificate that may be replaced while it is in use.
package certificate

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

const (
	// noticeBefore is how long before its end a certificate is warned of, if a quarter of its life is not shorter. Usual
	// clients renew earlier: at 30 of 90 days.
	noticeBefore = 14 * 24 * time.Hour
	// repeatAfter is how often an operator is told of the same condition.
	repeatAfter = 24 * time.Hour
)

// Config names the files of a Pair.
type Config struct {
	// CertFile is a PEM file with the certificate and its chain, KeyFile one with its private key. Required.
	CertFile, KeyFile string

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Log receives replacements, files that cannot be used, and the approaching end. Default: discard.
	Log *slog.Logger
}

// A Pair is a certificate with its key, from two files. It is safe for concurrent use.
type Pair struct {
	cfg Config

	mu      sync.Mutex // guards what follows
	current *tls.Certificate
	served  [sha256.Size]byte // digest of the files that current is from
	fault   notice            // with the files
	end     notice            // of the certificate
}

// Load reads the files; it fails where they are unusable.
func Load(cfg Config) (*Pair, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	p := &Pair{cfg: cfg}
	var err error
	if p.current, p.served, err = p.read(); err != nil {
		return nil, err
	}
	return p, nil
}

// Get returns the certificate; it is a tls.Config's GetCertificate.
func (p *Pair) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current, nil
}

// Ends returns when the certificate ends.
func (p *Pair) Ends() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current.Leaf.NotAfter
}

// EndsSoon is EndsSoon of the certificate that is served.
func (p *Pair) EndsSoon(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return EndsSoon(p.current.Leaf, now)
}

// EndsSoon reports whether a certificate ends within two weeks of now, or within a quarter of its life if that is shorter, or
// has ended.
func EndsSoon(leaf *x509.Certificate, now time.Time) bool {
	ahead := min(noticeBefore, leaf.NotAfter.Sub(leaf.NotBefore)/4)
	return !now.Add(ahead).Before(leaf.NotAfter)
}

// Usable reports whether the files could be used when they were last read. If not, an older certificate is served.
func (p *Pair) Usable() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault.text == ""
}

// Reload reads the files and serves what is new in them. Files that are unusable, such as a certificate whose key has not
// been written yet or one that has ended, change nothing and are logged, and so is that the certificate in use ends soon or has
// ended: at once, and once a day while that lasts. Call it every minute or so, and when an operator asks for it.
func (p *Pair) Reload(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	log := p.cfg.Log.With("file", p.cfg.CertFile)
	next, digest, err := p.read()
	if err == nil && digest != p.served && !p.cfg.Now().Before(next.Leaf.NotAfter) {
		err = fmt.Errorf("the certificate in them ended on %s", next.Leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	switch {
	case err != nil:
		if p.fault.raise(err.Error(), p.cfg.Now()) {
			log.ErrorContext(ctx, "the certificate's files are unusable: serving the previous certificate", "err", err)
		}
	case digest != p.served:
		p.current, p.served = next, digest
		p.fault, p.end = notice{}, notice{}
		log.InfoContext(ctx, "certificate replaced", "until", next.Leaf.NotAfter)
	default:
		p.fault = notice{}
	}
	p.warn(ctx, log)
}

// warn logs that the certificate ends soon or has ended.
func (p *Pair) warn(ctx context.Context, log *slog.Logger) {
	leaf, now := p.current.Leaf, p.cfg.Now()
	switch {
	case !now.Before(leaf.NotAfter):
		if p.end.raise("ended", now) {
			log.ErrorContext(ctx, "the certificate has ended: replace it", "until", leaf.NotAfter)
		}
	case EndsSoon(leaf, now):
		if p.end.raise("ends", now) {
			log.WarnContext(ctx, "the certificate ends soon: replace it", "until", leaf.NotAfter, "days", int(leaf.NotAfter.Sub(now).Hours()/24))
		}
	default:
		p.end = notice{}
	}
}

// read returns the certificate in the files and a digest of both.
func (p *Pair) read() (*tls.Certificate, [sha256.Size]byte, error) {
	var digest [sha256.Size]byte
	chain, err := os.ReadFile(p.cfg.CertFile)
	if err != nil {
		return nil, digest, fmt.Errorf("reading the certificate: %w", err)
	}
	key, err := os.ReadFile(p.cfg.KeyFile)
	if err != nil {
		return nil, digest, fmt.Errorf("reading the certificate's key: %w", err)
	}
	// The parser skips a block that is cut off, and would serve a chain without its end.
	if bytes.Count(chain, []byte("-----BEGIN ")) != bytes.Count(chain, []byte("-----END ")) {
		return nil, digest, errors.New("the certificate's file is incomplete")
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, digest, fmt.Errorf("reading the certificate: %w", err)
	}
	return &pair, sha256.Sum256(bytes.Join([][]byte{chain, key}, []byte{0})), nil
}

// A notice is a condition of which the operator was told.
type notice struct {
	text string
	at   time.Time
}

// raise reports whether to tell of a condition: it is new, or was last told a day ago.
func (n *notice) raise(text string, now time.Time) bool {
	if passed := now.Sub(n.at); n.text == text && passed >= 0 && passed < repeatAfter { // a clock may be put back
		return false
	}
	n.text, n.at = text, now
	return true
}
