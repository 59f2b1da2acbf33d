package microsoft_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/httpclient"
	"azure-partner-connector/connector/microsoft"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"

	"github.com/go-jose/go-jose/v4"
)

const (
	directory   = "1111abcd-2222-4333-8444-555555555555"
	foreign     = "99999999-2222-4333-8444-555555555555"
	application = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
	traceID     = "6f0c1111-0000-4000-8000-000000000001"
	correlation = "2b1e1111-0000-4000-8000-000000000002"

	// The canaries must appear in no log and in no error.
	clientSecret  = "canary-client-secret~._+/="
	canaryCode    = "canary-authorization-code"
	canaryRefresh = "canary-refresh-token"
	canaryAccess  = "canary-access-token"
)

// A request is what the server received.
type request struct {
	method string
	path   string
	query  url.Values
	form   url.Values
	header http.Header
}

// A harness is a client and a server in the role of Microsoft, with the answers that a test sets. All hosts are paths
// of the server: /login, /pc, /graph, /arm.
type harness struct {
	testing.TB
	server *httptest.Server
	client *microsoft.Client

	mu       sync.Mutex // guards what follows
	now      time.Time
	waits    []time.Duration
	requests []request
	log      bytes.Buffer
	routes   map[string]http.HandlerFunc // path → answer
}

func newHarness(t testing.TB, adjust ...func(*microsoft.Config)) *harness {
	t.Helper()
	h := &harness{TB: t, now: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC), routes: make(map[string]http.HandlerFunc)}
	h.server = httptest.NewServer(http.HandlerFunc(h.serve))
	t.Cleanup(h.server.Close)
	web, err := httpclient.New(httpclient.Config{Timeout: 30 * time.Second})
	if err != nil {
		t.Fatalf("httpclient.New() = %v, want nil", err)
	}
	t.Cleanup(web.CloseIdleConnections)
	cfg := microsoft.Config{
		Profiles:  []microsoft.Profile{testProfile(h.server.URL)},
		HTTP:      web,
		ProbeHTTP: web,
		Now:       h.clock,
		Wait:      h.wait,
		Log:       slog.New(slog.NewTextHandler(lockedWriter{h}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range adjust {
		f(&cfg)
	}
	if h.client, err = microsoft.New(cfg); err != nil {
		t.Fatalf("New() = %v, want nil", err)
	}
	return h
}

func testProfile(base string) microsoft.Profile {
	endpoint := func(path, permissions string) microsoft.Endpoint {
		var scopes []string
		for _, permission := range strings.Fields(permissions) {
			scopes = append(scopes, base+path+"/"+permission)
		}
		return microsoft.Endpoint{BaseURL: base + path, Scope: strings.Join(scopes, " "), Audience: base + path}
	}
	return microsoft.Profile{
		Name: "test", Authority: base + "/login", TokenIssuer: base + "/sts",
		PartnerCenter: endpoint("/pc", "user_impersonation"),
		Graph:         endpoint("/graph", "User.Read Directory.Read.All"),
		ARM:           endpoint("/arm", "user_impersonation"),
	}
}

func testClient() tenant.Client {
	return tenant.Client{Cloud: "test", DirectoryID: directory, Application: tenant.Application{ID: application, Secret: tenant.Credential{Value: secret.New(clientSecret)}}}
}

type lockedWriter struct{ h *harness }

func (w lockedWriter) Write(b []byte) (int, error) {
	w.h.mu.Lock()
	defer w.h.mu.Unlock()
	return w.h.log.Write(b)
}

func (h *harness) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		h.Errorf("reading a request: %v", err)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		h.Errorf("reading a form: %v", err)
	}
	h.mu.Lock()
	h.requests = append(h.requests, request{r.Method, r.URL.Path, r.URL.Query(), form, r.Header.Clone()})
	route := h.routes[r.URL.Path]
	w.Header().Set("Date", h.now.UTC().Format(http.TimeFormat))
	h.mu.Unlock()
	if route == nil {
		http.NotFound(w, r)
		return
	}
	route(w, r)
}

func (h *harness) route(path string, answer http.HandlerFunc) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.routes[path] = answer
}

func (h *harness) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *harness) advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

// wait moves the clock instead of waiting.
func (h *harness) wait(ctx context.Context, d time.Duration) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waits = append(h.waits, d)
	h.now = h.now.Add(d)
	return ctx.Err()
}

// seen returns the requests whose path is path.
func (h *harness) seen(path string) []request {
	h.mu.Lock()
	defer h.mu.Unlock()
	var matching []request
	for _, r := range h.requests {
		if r.path == path {
			matching = append(matching, r)
		}
	}
	return matching
}

func (h *harness) logged() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.log.String()
}

// checkRedacted fails if the log or err contains a canary.
func (h *harness) checkRedacted(err error) {
	h.Helper()
	shown := h.logged()
	if err != nil {
		shown += err.Error()
		for e := errors.Unwrap(err); e != nil; e = errors.Unwrap(e) {
			shown += e.Error()
		}
		record, encodeErr := json.Marshal(failure.NewRecord(context.Background(), err))
		if encodeErr != nil {
			h.Fatalf("json.Marshal(record) = %v, want nil", encodeErr)
		}
		shown += string(record)
	}
	if strings.Contains(shown, "canary") {
		h.Errorf("log and error = %s, want no secret in them", shown)
	}
}

const (
	tokenPath = "/login/" + directory + "/oauth2/v2.0/token"
	keysPath  = "/login/" + directory + "/discovery/v2.0/keys"
)

// respond returns a handler that answers with status, headers (names and values alternate) and body.
func respond(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header()[headers[i]] = []string{headers[i+1]}
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// inTurn returns a handler that uses one handler after the other, and the last one for all later requests.
func inTurn(handlers ...http.HandlerFunc) http.HandlerFunc {
	var mu sync.Mutex
	next := 0
	return func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		handler := handlers[min(next, len(handlers)-1)]
		next++
		mu.Unlock()
		handler(w, r)
	}
}

// hangUp closes the connection without an answer.
func hangUp(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		conn.Close()
	}
}

// A signer signs id_tokens with one key.
type signer struct {
	kid string
	key *rsa.PrivateKey
}

func newSigner(t testing.TB, kid string) signer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatalf("rsa.GenerateKey() = %v, want nil", err)
	}
	return signer{kid, key}
}

func (s signer) sign(t testing.TB, claims map[string]any) secret.Text {
	t.Helper()
	return signWith(t, jose.RS256, s.key, s.kid, claims)
}

func signWith(t testing.TB, alg jose.SignatureAlgorithm, key any, kid string, claims map[string]any) secret.Text {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	if err != nil {
		t.Fatalf("jose.NewSigner() = %v, want nil", err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatalf("json.Marshal() = %v, want nil", err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatalf("Sign() = %v, want nil", err)
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		t.Fatalf("CompactSerialize() = %v, want nil", err)
	}
	return secret.New(compact)
}

// jwk returns the public key in the form of Microsoft's key sets; issuer may be empty.
func (s signer) jwk(issuer string) map[string]any {
	k := map[string]any{
		"kty": "RSA", "use": "sig", "kid": s.kid, "x5t": s.kid, "x5c": []string{"not a certificate"},
		"n": base64.RawURLEncoding.EncodeToString(s.key.N.Bytes()),
		"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(s.key.E)).Bytes()),
	}
	if issuer != "" {
		k["issuer"] = issuer
	}
	return k
}

func keySet(t testing.TB, keys ...map[string]any) http.HandlerFunc {
	t.Helper()
	body, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatalf("json.Marshal() = %v, want nil", err)
	}
	return respond(http.StatusOK, string(body))
}

// unsigned returns a JWT with claims and a signature that proves nothing.
func unsigned(t testing.TB, claims map[string]any) secret.Text {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatalf("json.Marshal() = %v, want nil", err)
	}
	return secret.New(base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." +
		base64.RawURLEncoding.EncodeToString(payload) + ".")
}

func codeOf(err error) failure.Code {
	if err == nil {
		return ""
	}
	return failure.From(err).Code
}
