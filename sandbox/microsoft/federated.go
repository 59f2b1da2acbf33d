package microsoft

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
)

// FederatedAudience is the audience of tokens for Microsoft that portals and tools suggest.
const FederatedAudience = "api://AzureADTokenExchange"

// A FederatedCredential makes an application trust the tokens of another identity provider. Microsoft compares all three by
// their letters' case (docs/reference/microsoft-identity.md §6.5).
type FederatedCredential struct {
	Issuer   string
	Subject  string
	Audience string // default: FederatedAudience
}

func (c FederatedCredential) audience() string {
	if c.Audience == "" {
		return FederatedAudience
	}
	return c.Audience
}

// externalKeys returns the keys of the issuer of an assertion if a registration trusts it; nil for all others. s.mu must not be
// held: the issuer is another server.
func (s *Simulator) externalKeys(f tokenForm) *jose.JSONWebKeySet {
	issuer := assertionClaims(f.assertion).Issuer
	s.mu.Lock()
	trusted := slices.ContainsFunc(slices.Collect(maps.Values(s.state.apps)), func(a *application) bool {
		return slices.ContainsFunc(a.Federated, func(c FederatedCredential) bool { return c.Issuer == issuer })
	})
	s.mu.Unlock()
	if issuer == "" || !trusted {
		return nil
	}
	var discovery struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	var keys jose.JSONWebKeySet
	if readJSON(strings.TrimRight(issuer, "/")+"/.well-known/openid-configuration", &discovery) != nil || discovery.Issuer != issuer ||
		readJSON(discovery.Keys, &keys) != nil {
		return &jose.JSONWebKeySet{} // nothing verifies
	}
	return &keys
}

func readJSON(address string, v any) error {
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Get(address)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(io.LimitReader(resp.Body, maxForm)).Decode(v)
}

type externalClaims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  audience `json:"aud"`
	NotBefore int64    `json:"nbf"`
	Expires   int64    `json:"exp"`
}

// An audience is one text or a list.
type audience []string

// UnmarshalJSON implements json.Unmarshaler.
func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}

// assertionClaims reads an assertion that was not verified.
func assertionClaims(assertion string) externalClaims {
	var claims externalClaims
	signed, err := jose.ParseSignedCompact(assertion, []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256})
	if err == nil && json.Unmarshal(signed.UnsafePayloadWithoutVerification(), &claims) != nil {
		claims = externalClaims{}
	}
	return claims
}

// checkFederated checks an assertion that another issuer signed (docs/reference/microsoft-identity.md §6.5).
func (f tokenForm) checkFederated(app *application) *refusal {
	claims := assertionClaims(f.assertion)
	trusted := slices.DeleteFunc(slices.Clone(app.Federated), func(c FederatedCredential) bool { return c.Issuer != claims.Issuer })
	if len(trusted) == 0 {
		return refuse(700211)
	}
	if f.external == nil || !signedBy(f.external, f.assertion) {
		return refuse(50013)
	}
	subject := slices.DeleteFunc(trusted, func(c FederatedCredential) bool { return c.Subject != claims.Subject })
	switch {
	case len(subject) == 0:
		return refuse(700213)
	case !slices.ContainsFunc(subject, func(c FederatedCredential) bool { return slices.Contains(claims.Audience, c.audience()) }):
		return refuse(700212)
	case !f.now.Before(time.Unix(claims.Expires, 0)), f.now.Add(assertionSkew).Before(time.Unix(claims.NotBefore, 0)):
		return refuse(700024)
	}
	return nil
}

func signedBy(keys *jose.JSONWebKeySet, assertion string) bool {
	signed, err := jose.ParseSignedCompact(assertion, []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256})
	if err != nil {
		return false
	}
	for _, key := range keys.Key(signed.Signatures[0].Protected.KeyID) {
		if _, err := signed.Verify(key); err == nil {
			return true
		}
	}
	return false
}

// An Issuer is another identity provider, such as that of a Kubernetes cluster, which gives its workloads tokens.
type Issuer struct {
	// URL is the issuer. Its discovery document is below it.
	URL    string
	server *http.Server

	mu   sync.Mutex // guards what follows
	kid  string
	key  *rsa.PrivateKey
	fail bool
}

// StartIssuer serves an issuer on a free port of this machine. The caller closes it.
func StartIssuer() (*Issuer, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for an issuer: %w", err)
	}
	i := &Issuer{URL: "http://" + listener.Addr().String() + "/cluster"}
	if err := i.RotateKey(); err != nil {
		listener.Close()
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /cluster/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/keys"})
	})
	mux.HandleFunc("GET /cluster/keys", func(w http.ResponseWriter, _ *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.fail {
			http.Error(w, "unavailable", http.StatusServiceUnavailable)
			return
		}
		writeJSON(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: i.key.Public(), KeyID: i.kid, Algorithm: string(jose.RS256), Use: "sig"}}})
	})
	i.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = i.server.Serve(listener) }() // until Close
	return i, nil
}

// Close ends the issuer.
func (i *Issuer) Close() error { return i.server.Close() }

// RotateKey replaces the signing key: tokens that were signed before are not accepted any more.
func (i *Issuer) RotateKey() error {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return fmt.Errorf("making a key of an issuer: %w", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.kid, i.key = uuid.NewString(), key
	return nil
}

// SetAvailable decides whether the keys can be fetched.
func (i *Issuer) SetAvailable(available bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fail = !available
}

// Token returns a token of a workload for an audience.
func (i *Issuer) Token(subject, audience string, now time.Time, life time.Duration) (string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return signWith(i.kid, i.key, map[string]any{
		"iss": i.URL, "sub": subject, "aud": []string{audience}, "jti": uuid.NewString(),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(life).Unix(),
	})
}
