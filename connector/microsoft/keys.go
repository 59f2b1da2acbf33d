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

// How long signing keys are kept (microsoft-identity.md §4.2). Keys may be withdrawn at any time, so they are looked
// at again every hour while in use; an answer that does not come leaves the old ones good for a day.
const (
	keysLife    = 24 * time.Hour
	keysRefresh = time.Hour
	keysPause   = 5 * time.Minute // between two fetches that were not due
	// refreshPatience is too short for a second try.
	refreshPatience = 4 * time.Second
)

// keyrings holds the signing keys of every directory seen. It is safe for concurrent use.
type keyrings struct {
	mu    sync.Mutex          // guards rings
	rings map[string]*keyring // address of the keys → keyring
}

func newKeyrings() *keyrings { return &keyrings{rings: make(map[string]*keyring)} }

func (k *keyrings) of(address string) *keyring {
	k.mu.Lock()
	defer k.mu.Unlock()
	ring, ok := k.rings[address]
	if !ok {
		ring = &keyring{}
		k.rings[address] = ring
	}
	return ring
}

// A keyring is what is known of one directory's keys.
type keyring struct {
	mu        sync.Mutex            // guards what follows; held during a fetch, so that one serves all who wait
	keys      map[string]signingKey // kid → key
	fetchedAt time.Time             // of keys; zero before the first
	triedAt   time.Time             // last refresh that was due
	forcedAt  time.Time             // last fetch for an unknown kid
}

// A signingKey is one RSA key with the issuer whose tokens it may sign; a template, or empty for any of the directory.
type signingKey struct {
	key    jose.JSONWebKey
	issuer string
}

// A keySet gives go-oidc the keys of one directory for one verification.
type keySet struct {
	client    *Client
	profile   Profile
	directory string // as the token writes it
	outage    *failure.Error
}

// VerifySignature implements oidc.KeySet. When the keys could not be fetched, outage is set: go-oidc keeps only the
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

// signingKey finds the key kid of a directory, fetching the keys when they are old or do not hold it.
func (c *Client) signingKey(ctx context.Context, p Profile, directory, kid string) (signingKey, bool, *failure.Error) {
	address := p.directoryURL(directory, "/discovery/v2.0/keys")
	ring := c.keys.of(address)
	ring.mu.Lock()
	defer ring.mu.Unlock()

	now, fetched := c.now(), false
	switch age := now.Sub(ring.fetchedAt); {
	case ring.fetchedAt.IsZero() || age >= keysLife:
		if f := c.fetchKeys(ctx, address, ring); f != nil {
			return signingKey{}, false, f
		}
		fetched = true
	case age >= keysRefresh && now.Sub(ring.triedAt) >= keysPause:
		ring.triedAt = now
		// Good keys are at hand: nobody waits for better ones.
		brief, cancel := context.WithTimeout(ctx, refreshPatience)
		f := c.fetchKeys(brief, address, ring)
		cancel()
		if fetched = f == nil; !fetched {
			c.log.LogAttrs(ctx, slog.LevelWarn, "signing keys not refreshed", slog.String("directory", directory), slog.String("code", string(f.Code)))
		}
	}
	key, ok := ring.keys[kid]
	if ok || fetched || now.Sub(ring.forcedAt) < keysPause {
		return key, ok, nil
	}
	ring.forcedAt = now
	if f := c.fetchKeys(ctx, address, ring); f != nil {
		return signingKey{}, false, f
	}
	key, ok = ring.keys[kid]
	return key, ok, nil
}

// fetchKeys replaces the keys of ring. On failure they stay as they are.
func (c *Client) fetchKeys(ctx context.Context, address string, ring *keyring) *failure.Error {
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
	keys, err := parseKeys(answer.body)
	if err != nil {
		return failure.Wrap(err, failure.MicrosoftAnswer)
	}
	ring.keys, ring.fetchedAt = keys, c.now()
	return nil
}

// parseKeys reads a key set. Keys of other kinds and uses are left out. Only the modulus and the exponent are taken:
// the certificates beside them prove nothing here, and one that we could not read must not cost us the key.
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
		return nil, errors.New("reading signing keys: none of use")
	}
	return keys, nil
}
