package microsoft

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"azure-partner-connector/connector/failure"

	"github.com/go-jose/go-jose/v4"
)

// How long signing keys are used (docs/reference/microsoft-identity.md §4.2). Microsoft may withdraw keys at any time,
// so keys in use are fetched again every hour. If that fails, the old ones remain valid for a day.
const (
	keysLifetime   = 24 * time.Hour
	keysRefresh    = time.Hour
	keysPause      = 5 * time.Minute // between two attempts to refresh, and between two fetches for unknown keys
	refreshTimeout = 4 * time.Second // too short for a retry

	maxKeyrings = 1024
)

// A keyring holds the signing keys of one directory.
type keyring struct {
	mu        sync.Mutex            // guards what follows; locked during a fetch, so that concurrent calls share it
	keys      map[string]signingKey // kid → key
	fetchedAt time.Time             // of keys; zero before the first
	triedAt   time.Time             // last attempt to refresh
	forcedAt  time.Time             // last fetch for an unknown kid
}

// keyring returns the keyring for the keys at address. It creates one if necessary.
func (c *Client) keyring(address string) *keyring {
	if cached, ok := c.keyrings.Get(address); ok {
		return cached
	}
	cached := &keyring{}
	if other, ok, _ := c.keyrings.PeekOrAdd(address, cached); ok { // another goroutine was faster
		return other
	}
	return cached
}

// A signingKey is one RSA key and the issuer whose tokens it may sign; the issuer may be a template, or empty for any
// issuer of the directory.
type signingKey struct {
	key    jose.JSONWebKey
	issuer string
}

// A keySet provides go-oidc with the keys of one directory for one verification.
type keySet struct {
	client    *Client
	profile   Profile
	directory string // as the token writes it
	outage    *failure.Error
}

// VerifySignature implements oidc.KeySet. It sets outage if the keys cannot be fetched, because go-oidc keeps only the
// text of an error.
func (s *keySet) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	jws, err := jose.ParseSigned(jwt, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil || len(jws.Signatures) != 1 {
		return nil, errors.New("not signed with RS256")
	}
	signed, ok, f := s.client.signingKey(ctx, s.profile, strings.ToLower(s.directory), jws.Signatures[0].Protected.KeyID)
	if f != nil {
		s.outage = f
		return nil, f
	}
	if !ok {
		return nil, errors.New("signed with an unknown key")
	}
	issuer := s.profile.issuer(s.directory)
	if signed.issuer != "" && strings.ReplaceAll(signed.issuer, "{tenantid}", s.directory) != issuer {
		return nil, errors.New("signed with a key of another issuer")
	}
	return jws.Verify(signed.key)
}

// signingKey returns the key kid of a directory, and whether there is one. It fetches the keys if they are old or do
// not include it.
func (c *Client) signingKey(ctx context.Context, p Profile, directory, kid string) (signingKey, bool, *failure.Error) {
	address := p.directoryURL(directory, "/discovery/v2.0/keys")
	cached := c.keyring(address)
	cached.mu.Lock()
	defer cached.mu.Unlock()

	now, fetched := c.now(), false
	switch {
	case !within(keysLifetime, cached.fetchedAt, now):
		if f := c.fetchKeys(ctx, address, cached); f != nil {
			return signingKey{}, false, f
		}
		fetched = true
	case !within(keysRefresh, cached.fetchedAt, now) && !within(keysPause, cached.triedAt, now):
		cached.triedAt = now
		// The keys are still valid, so the caller should not wait long for newer ones.
		refreshing, cancel := context.WithTimeout(ctx, refreshTimeout)
		f := c.fetchKeys(refreshing, address, cached)
		cancel()
		if fetched = f == nil; !fetched {
			c.log.LogAttrs(ctx, slog.LevelWarn, "refreshing signing keys failed", slog.String("directory", directory), slog.String("code", string(f.Code)))
		}
	}
	key, ok := cached.keys[kid]
	if ok || fetched || within(keysPause, cached.forcedAt, now) {
		return key, ok, nil
	}
	cached.forcedAt = now
	if f := c.fetchKeys(ctx, address, cached); f != nil {
		return signingKey{}, false, f
	}
	key, ok = cached.keys[kid]
	return key, ok, nil
}

// fetchKeys replaces the keys of cached. A failure leaves them unchanged.
func (c *Client) fetchKeys(ctx context.Context, address string, cached *keyring) *failure.Error {
	req, f := newGet(ctx, address)
	if f != nil {
		return f
	}
	answer, f := c.get(c.http, req)
	if f != nil {
		return f
	}
	if answer.status != http.StatusOK || answer.tooLong {
		return c.unreadable(answer)
	}
	keys, err := parseKeys(answer.body())
	if err != nil {
		return failure.Wrap(err, failure.MicrosoftAnswer)
	}
	cached.keys, cached.fetchedAt = keys, c.now()
	return nil
}

// parseKeys reads a key set. It skips keys of other types and uses. It reads only the modulus and the exponent: the
// certificates next to them prove nothing here, and an unreadable certificate must not make the key unusable.
func parseKeys(body []byte) (map[string]signingKey, error) {
	var set struct {
		Keys []struct {
			Type     string `json:"kty"`
			Use      string `json:"use"`
			ID       string `json:"kid"`
			Modulus  string `json:"n"`
			Exponent string `json:"e"`
			Issuer   string `json:"issuer"`
		} `json:"keys"`
	}
	if json.Unmarshal(body, &set) != nil {
		return nil, errors.New("reading signing keys: not a key set")
	}
	keys := make(map[string]signingKey, len(set.Keys))
	for _, k := range set.Keys {
		if k.Type != "RSA" || k.Use != "" && k.Use != "sig" || k.ID == "" {
			continue
		}
		plain, err := json.Marshal(map[string]string{"kty": k.Type, "n": k.Modulus, "e": k.Exponent})
		if err != nil {
			return nil, fmt.Errorf("reading signing keys: %w", err)
		}
		var key jose.JSONWebKey
		if key.UnmarshalJSON(plain) != nil || !key.Valid() {
			continue
		}
		keys[k.ID] = signingKey{key, k.Issuer}
	}
	if len(keys) == 0 {
		return nil, errors.New("reading signing keys: no usable key")
	}
	return keys, nil
}
