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

	// Canaries: none of them may ever be printed.
	clientSecret  = "canary-client-secret~._+/="
	canaryCode    = "canary-authorization-code"
	canaryRefresh = "canary-refresh-token"
	canaryAccess  = "canary-access-token"
)

// A request is what the laboratory's server saw.
type request struct {
	method string
	path   string
	query  url.Values
	form   url.Values
	header http.Header
}

// A lab is a Microsoft that answers as a test says, and a client that talks to it. All hosts are paths of one server:
// /login, /pc, /graph, /arm.
type lab struct {
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

func newLab(t testing.TB, adjust ...func(*microsoft.Config)) *lab {
	t.Helper()
	l := &lab{TB: t, now: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC), routes: make(map[string]http.HandlerFunc)}
	l.server = httptest.NewServer(http.HandlerFunc(l.serve))
	t.Cleanup(l.server.Close)
	web, err := httpclient.New(httpclient.Config{Timeout: 30 * time.Second})
	if err != nil {
		t.Fatalf("httpclient.New() = %v, want nil", err)
	}
	t.Cleanup(web.CloseIdleConnections)
	cfg := microsoft.Config{
		Profiles:  []microsoft.Profile{labProfile(l.server.URL)},
		HTTP:      web,
		ProbeHTTP: web,
		Now:       l.clock,
		Wait:      l.wait,
		Log:       slog.New(slog.NewTextHandler(lockedWriter{l}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range adjust {
		f(&cfg)
	}
	if l.client, err = microsoft.New(cfg); err != nil {
		t.Fatalf("New() = %v, want nil", err)
	}
	return l
}

func labProfile(base string) microsoft.Profile {
	endpoint := func(path, permissions string) microsoft.Endpoint {
		var scopes []string
		for _, permission := range strings.Fields(permissions) {
			scopes = append(scopes, base+path+"/"+permission)
		}
		return microsoft.Endpoint{BaseURL: base + path, Scope: strings.Join(scopes, " "), Audience: base + path}
	}
	return microsoft.Profile{
		Name: "lab", Authority: base + "/login", TokenIssuer: base + "/sts",
		PartnerCenter: endpoint("/pc", "user_impersonation"),
		Graph:         endpoint("/graph", "User.Read Directory.Read.All"),
		ARM:           endpoint("/arm", "user_impersonation"),
	}
}

func labClient() tenant.Client {
	return tenant.Client{Cloud: "lab", DirectoryID: directory, Application: tenant.Application{ID: application, Secret: tenant.Credential{Value: secret.New(clientSecret)}}}
}

type lockedWriter struct{ l *lab }

func (w lockedWriter) Write(b []byte) (int, error) {
	w.l.mu.Lock()
	defer w.l.mu.Unlock()
	return w.l.log.Write(b)
}

func (l *lab) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		l.Errorf("reading a request: %v", err)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		l.Errorf("reading a form: %v", err)
	}
	l.mu.Lock()
	l.requests = append(l.requests, request{r.Method, r.URL.Path, r.URL.Query(), form, r.Header.Clone()})
	route := l.routes[r.URL.Path]
	l.mu.Unlock()
	if route == nil {
		http.NotFound(w, r)
		return
	}
	route(w, r)
}

func (l *lab) route(path string, answer http.HandlerFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.routes[path] = answer
}

func (l *lab) clock() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

func (l *lab) advance(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = l.now.Add(d)
}

// wait moves the clock instead of waiting.
func (l *lab) wait(ctx context.Context, d time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waits = append(l.waits, d)
	l.now = l.now.Add(d)
	return ctx.Err()
}

// seen returns the requests whose path is path.
func (l *lab) seen(path string) []request {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []request
	for _, r := range l.requests {
		if r.path == path {
			found = append(found, r)
		}
	}
	return found
}

func (l *lab) logged() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.log.String()
}

// checkRedacted fails when a canary shows in the log or in err.
func (l *lab) checkRedacted(err error) {
	l.Helper()
	shown := l.logged()
	if err != nil {
		shown += err.Error()
		for e := errors.Unwrap(err); e != nil; e = errors.Unwrap(e) {
			shown += e.Error()
		}
		record, encodeErr := json.Marshal(failure.NewRecord(context.Background(), err))
		if encodeErr != nil {
			l.Fatalf("json.Marshal(record) = %v, want nil", encodeErr)
		}
		shown += string(record)
	}
	if strings.Contains(shown, "canary") {
		l.Errorf("a secret is printed in: %s", shown)
	}
}

const (
	tokenPath = "/login/" + directory + "/oauth2/v2.0/token"
	keysPath  = "/login/" + directory + "/discovery/v2.0/keys"
)

// respond returns a handler that answers with status, headers (names and values in turn) and body.
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

// inTurn returns a handler that uses the handlers one after the other, the last for all that follow.
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

// A signer makes id_tokens as one of Microsoft's keys.
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
	made, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	if err != nil {
		t.Fatalf("jose.NewSigner() = %v, want nil", err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatalf("json.Marshal() = %v, want nil", err)
	}
	jws, err := made.Sign(payload)
	if err != nil {
		t.Fatalf("Sign() = %v, want nil", err)
	}
	compact, err := jws.CompactSerialize()
	if err != nil {
		t.Fatalf("CompactSerialize() = %v, want nil", err)
	}
	return secret.New(compact)
}

// jwk returns the public key as Microsoft lists it; issuer may be empty.
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
