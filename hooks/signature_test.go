package hooks_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/platform/oauth1"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/hooks"
)

var references = regexp.MustCompile(`"reference":"[^"]*"`)

func TestSigned_RefusesUnsignedRequestsAlike(t *testing.T) {
	h := installed(t)
	const replayed = "0123456789abcdef0123456789abcdef"
	post := request{method: http.MethodPost, path: "/tenant/" + tenantA + "/renew", identity: userR2}
	first := post
	first.nonce = replayed
	h.accepted(first, http.StatusOK)

	with := func(edit func(*request)) request {
		r := post
		edit(&r)
		return r
	}
	signedAs := func(key, s string) func(*request) { return func(r *request) { r.key, r.secret = key, s } }
	header := func(values ...string) func(*request) {
		return func(r *request) {
			r.sign = func(req *http.Request) { req.Header["Authorization"] = values }
		}
	}
	tampered := func(change func(*http.Request)) func(*request) {
		return func(r *request) {
			r.sign = func(req *http.Request) {
				if err := oauth1.Sign(req, oauth1.Credentials{Key: keyA, Secret: secret.New(secretA)}, h.clock(), oauth1.NewNonce()); err != nil {
					t.Fatal(err)
				}
				change(req)
			}
		}
	}
	var bodies []string
	for name, tc := range map[string]struct {
		r    request
		want string // in the log
	}{
		"unsigned":               {with(header()), "Authorization header"},
		"signed twice":           {with(header("OAuth a", "OAuth b")), "Authorization header"},
		"another scheme":         {with(header("Bearer x")), "another scheme"},
		"malformed":              {with(header(`OAuth oauth_consumer_key="key-a"`)), "nonce"},
		"unknown key":            {with(signedAs("key-x", secretA)), "unknown"},
		"unknown key, no secret": {with(signedAs("key-x", "")), "unknown"},
		"wrong secret":           {with(signedAs(keyA, "s3cr3t-of-instance-x")), "signature is wrong"},
		"other key's secret":     {with(signedAs(keyA, secretB)), "signature is wrong"},
		"too old":                {with(func(r *request) { r.at = h.clock().Add(-601 * time.Second) }), "window"},
		"from the future":        {with(func(r *request) { r.at = h.clock().Add(601 * time.Second) }), "window"},
		"replayed":               {with(func(r *request) { r.nonce = replayed }), "nonce was used"},
		"another path":           {with(tampered(func(r *http.Request) { r.URL.Path = "/aps/tenant/" + tenantA + "/forget" })), "signature is wrong"},
		"another query":          {with(tampered(func(r *http.Request) { r.URL.RawQuery = "a=1" })), "signature is wrong"},
		"another host":           {with(tampered(func(r *http.Request) { r.Header.Set("X-Forwarded-Host", "evil.example.com") })), ""},
		"unknown route":          {request{method: http.MethodGet, path: "/nowhere", sign: func(*http.Request) {}}, "Authorization header"},
		"another verb at /":      {request{method: http.MethodPost, path: "/", sign: func(*http.Request) {}}, "Authorization header"},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.want == "" {
				h.accepted(tc.r, http.StatusOK) // the header isn't trusted
				return
			}
			a := h.refused(tc.r, failure.Unauthorized)
			bodies = append(bodies, references.ReplaceAllString(a.text, ""))
			if record := lastRecord(t, h); !strings.Contains(record["err"].(string), tc.want) {
				t.Errorf("%s logged %v, want %q in it", name, record, tc.want)
			}
			if a.header.Get("WWW-Authenticate") != "OAuth" {
				t.Errorf("%s = headers %v, want a challenge", name, a.header)
			}
		})
	}
	for _, body := range bodies {
		if body != bodies[0] {
			t.Errorf("refusals differ:\n%s\n%s", bodies[0], body)
		}
	}
}

// lastRecord returns the newest record of the log.
func lastRecord(t *testing.T, h *harness) map[string]any {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(h.log.String()), "\n")
	var record map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &record); err != nil {
		t.Fatal(err)
	}
	return record
}

func TestSigned_RefusesWhileNoncesCannotBeStored(t *testing.T) {
	h := installed(t)
	h.nonces.err = errors.New("database is down")
	a := h.refused(request{method: http.MethodPost, path: "/tenant/" + tenantA + "/renew", identity: userR2}, failure.InternalError)
	if strings.Contains(a.text, "database") {
		t.Errorf("answer = %s, which contains the cause", a.text)
	}
}

// TestSigned_AnswersThatTheDatabaseIsAway asks with every kind of "away": the platform must repeat the call later.
func TestSigned_AnswersThatTheDatabaseIsAway(t *testing.T) {
	for name, err := range map[string]error{
		"unavailable": fmt.Errorf("storing a nonce: %w", failure.Wrap(errors.New("connection refused"), failure.DatabaseUnavailable)),
		"no answer":   fmt.Errorf("storing a nonce: %w", context.DeadlineExceeded),
	} {
		t.Run(name, func(t *testing.T) {
			h := installed(t)
			h.nonces.err = err
			for _, r := range []request{
				{method: http.MethodGet, path: "/tenant/" + tenantA + "/token", identity: userR2},
				{method: http.MethodPost, path: "/tenant/" + tenantA + "/renew", identity: userR2},
				{method: http.MethodDelete, path: "/app/" + rootA},
			} {
				a := h.refused(r, failure.DatabaseUnavailable)
				if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") != "60" || a.header.Get("APS-Transient-Error") != "" {
					t.Errorf("%s %s = %d with %v, want 503 and Retry-After", r.method, r.path, a.status, a.header)
				}
			}
		})
	}
}

// TestSigned_RefusesReplayAfterReplicaPurged replays a request at a replica for as long as its signature is valid there, while
// another replica, whose clock differs, purges nonces all the time.
func TestSigned_RefusesReplayAfterReplicaPurged(t *testing.T) {
	for _, clocks := range []struct{ purging, accepting time.Duration }{
		{0, 0}, {time.Minute, 0}, {0, -time.Minute}, {5 * time.Minute, -5 * time.Minute}, {oauth1.DefaultWindow, -oauth1.DefaultWindow}, {-time.Minute, time.Minute},
	} {
		t.Run(fmt.Sprintf("purging %s, accepting %s", clocks.purging, clocks.accepting), func(t *testing.T) {
			s := storetest.SQLite(t).Open(t)
			h := installed(t, func(cfg *hooks.Config) { cfg.Nonces = s })
			start := h.clock()
			valid := request{method: http.MethodGet, path: "/app/" + rootA, at: start, nonce: oauth1.NewNonce()}
			h.accepted(valid, http.StatusOK)
			for since := time.Duration(0); since <= oauth1.DefaultWindow-clocks.accepting; since += 30 * time.Second {
				if err := s.PurgeNonces(t.Context(), start.Add(since+clocks.purging)); err != nil {
					t.Fatalf("PurgeNonces() = %v", err)
				}
				h.advance(start.Add(since + clocks.accepting).Sub(h.clock()))
				h.refused(valid, failure.Unauthorized)
			}
		})
	}
}

func TestSigned_DoesNotStoreNonceOfUnsignedRequest(t *testing.T) {
	h := installed(t)
	h.refused(request{method: http.MethodGet, path: "/app/" + rootA, key: keyA, secret: "wrong"}, failure.Unauthorized)
	if len(h.nonces.seen) != 0 {
		t.Errorf("stored nonces = %v, want none", h.nonces.seen)
	}
}

func TestHealth_NeedsNoSignature(t *testing.T) {
	h := newHarness(t)
	for _, path := range []string{"", "/", "//"} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			a := h.accepted(request{method: method, path: path, sign: func(*http.Request) {}}, http.StatusOK)
			if method == http.MethodGet && a.json(t)["status"] != "ok" {
				t.Errorf("GET %q = %s, want ok", path, a.text)
			}
		}
	}
}

func TestSigned_AcceptsBothSecretsDuringReplacement(t *testing.T) {
	h := installed(t, func(cfg *hooks.Config) {
		cfg.Credentials = func(string) ([]secret.Text, bool) { return []secret.Text{secret.New("new"), secret.New("old")}, true }
	})
	for _, s := range []string{"new", "old"} {
		h.accepted(request{method: http.MethodGet, path: "/app/" + rootA, key: keyA, secret: s}, http.StatusOK)
	}
	h.refused(request{method: http.MethodGet, path: "/app/" + rootA, key: keyA, secret: "older"}, failure.Unauthorized)
}

// signFor signs for another address than the one that the request is sent to, as behind a proxy.
func signFor(t *testing.T, h *harness, target string) func(*http.Request) {
	return func(req *http.Request) {
		outside, err := http.NewRequestWithContext(t.Context(), req.Method, target, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := oauth1.Sign(outside, oauth1.Credentials{Key: keyA, Secret: secret.New(secretA)}, h.clock(), oauth1.NewNonce()); err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", outside.Header.Get("Authorization"))
	}
}

func TestSigned_VerifiesPublicURL(t *testing.T) {
	public := func(u string) func(*hooks.Config) { return func(cfg *hooks.Config) { cfg.PublicURL = u } }
	forwarded := map[string]string{"X-Forwarded-Proto": "https, http", "X-Forwarded-Host": "other.example.com:8443, inner"}
	path := "/app/" + rootA
	for name, tc := range map[string]struct {
		edits  []func(*hooks.Config)
		sent   string // below /aps
		header map[string]string
		signed string
		ok     bool
	}{
		"configured":                     {[]func(*hooks.Config){public("https://connector.example.com/aps")}, path, nil, "https://connector.example.com/aps" + path, true},
		"configured with a slash":        {[]func(*hooks.Config){public("https://connector.example.com/aps/")}, path, nil, "https://connector.example.com/aps" + path, true},
		"query as sent":                  {[]func(*hooks.Config){public("https://connector.example.com/aps")}, path + "?eq(a,b)&c=%20d", nil, "https://connector.example.com/aps" + path + "?eq(a,b)&c=%20d", true},
		"path removed by a proxy":        {[]func(*hooks.Config){public("https://connector.example.com/deep/down")}, path, nil, "https://connector.example.com/deep/down/aps" + path, true},
		"forwarded by a proxy":           {[]func(*hooks.Config){public("https://connector.example.com/aps"), trust("127.0.0.0/8")}, path, forwarded, "https://other.example.com:8443/aps" + path, true},
		"inner proxy without TLS":        {[]func(*hooks.Config){public("https://connector.example.com/aps"), trust("127.0.0.0/8")}, path, map[string]string{"X-Forwarded-Proto": "http"}, "https://connector.example.com/aps" + path, true},
		"inner proxy with another host":  {[]func(*hooks.Config){public("https://connector.example.com/aps"), trust("127.0.0.0/8")}, path, map[string]string{"X-Forwarded-Host": "inner:8080"}, "https://connector.example.com/aps" + path, true},
		"forwarded scheme only":          {[]func(*hooks.Config){public("https://connector.example.com/aps"), trust("127.0.0.0/8")}, path, map[string]string{"X-Forwarded-Proto": "http"}, "http://connector.example.com/aps" + path, true},
		"forwarded host with a path":     {[]func(*hooks.Config){public("https://connector.example.com/aps"), trust("127.0.0.0/8")}, path, map[string]string{"X-Forwarded-Host": "other.example.com/aps"}, "https://other.example.com/aps/aps" + path, false},
		"trusted, nothing forwarded":     {[]func(*hooks.Config){public("https://connector.example.com/aps"), trust("127.0.0.0/8")}, path, nil, "https://connector.example.com/aps" + path, true},
		"forwarded by an untrusted peer": {[]func(*hooks.Config){public("https://connector.example.com/aps"), trust("10.0.0.0/8")}, path, forwarded, "https://other.example.com:8443/aps" + path, false},
		"forwarded, no trusted proxy":    {[]func(*hooks.Config){public("https://connector.example.com/aps")}, path, forwarded, "https://other.example.com:8443/aps" + path, false},
		"the socket's address":           {[]func(*hooks.Config){public("https://connector.example.com/aps")}, path, nil, "http://127.0.0.1/aps" + path, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := installed(t, tc.edits...)
			r := request{method: http.MethodGet, path: tc.sent, header: tc.header, sign: signFor(t, h, tc.signed)}
			switch {
			case !tc.ok:
				h.refused(r, failure.Unauthorized)
			case strings.Contains(tc.signed, "/deep/"):
				// The path below it is unknown, but the signature is valid.
				h.refused(r, failure.NotFound)
			default:
				h.accepted(r, http.StatusOK)
			}
		})
	}
}

// TestSigned_LogNamesTheTriedAddresses: a proxy in between is the usual reason for a wrong signature.
func TestSigned_LogNamesTheTriedAddresses(t *testing.T) {
	h := installed(t, func(cfg *hooks.Config) { cfg.PublicURL = "https://connector.example.com/aps" }, trust("127.0.0.0/8"))
	h.refused(request{
		method: http.MethodGet, path: "/app/" + rootA + "?code=c4n4ry", header: map[string]string{"X-Forwarded-Proto": "http", "X-Forwarded-Host": "inner:8080"},
		sign: signFor(t, h, "https://third.example.com/aps/app/"+rootA),
	}, failure.Unauthorized)
	const want = "tried for https://connector.example.com/aps/app/" + rootA + ", http://inner:8080/aps/app/" + rootA
	if err := lastRecord(t, h)["err"].(string); !strings.HasSuffix(err, want) || strings.Contains(h.log.String(), "c4n4ry") {
		t.Errorf("log = %s, want %q and no query", err, want)
	}
}

// TestSigned_BadRequestUsesUpNoNonce: the platform's clients send the same bytes again after a 400.
func TestSigned_BadRequestUsesUpNoNonce(t *testing.T) {
	s := storetest.SQLite(t).Open(t)
	h := installed(t, func(cfg *hooks.Config) { cfg.Nonces = s })
	r := request{method: http.MethodGet, path: "/tenant/" + tenantA, identity: userR2, nonce: oauth1.NewNonce(), at: h.clock()}
	bad := r
	bad.header = map[string]string{"APS-Instance-ID": "1"}
	for range 3 {
		h.refused(bad, failure.BadRequest)
	}
	h.accepted(r, http.StatusOK)
	h.refused(r, failure.Unauthorized)
	h.refused(bad, failure.Unauthorized) // it stays used up
	forbidden := request{method: http.MethodGet, path: "/tenant/" + tenantA, identity: userR3, nonce: oauth1.NewNonce(), at: h.clock()}
	h.refused(forbidden, failure.Forbidden)
	h.refused(forbidden, failure.Unauthorized) // other refusals use it up
}

func TestNew_Refuses(t *testing.T) {
	complete := func() hooks.Config {
		return hooks.Config{
			PublicURL:   "https://connector.example.com/aps",
			Credentials: func(string) ([]secret.Text, bool) { return nil, false },
			Tenants:     newFakeTenants(), Tokens: newFakeTokens(), Consents: &fakeConsents{}, Accounts: newFakeAccounts(), Nonces: &fakeNonces{},
		}
	}
	for name, edit := range map[string]func(*hooks.Config){
		"no URL":         func(cfg *hooks.Config) { cfg.PublicURL = "" },
		"a path":         func(cfg *hooks.Config) { cfg.PublicURL = "/aps" },
		"another scheme": func(cfg *hooks.Config) { cfg.PublicURL = "ftp://connector.example.com/aps" },
		"a query":        func(cfg *hooks.Config) { cfg.PublicURL = "https://connector.example.com/aps?a=1" },
		"an invalid URL": func(cfg *hooks.Config) { cfg.PublicURL = "https://%zz" },
		"no credentials": func(cfg *hooks.Config) { cfg.Credentials = nil },
		"no tenants":     func(cfg *hooks.Config) { cfg.Tenants = nil },
		"no tokens":      func(cfg *hooks.Config) { cfg.Tokens = nil },
		"no consents":    func(cfg *hooks.Config) { cfg.Consents = nil },
		"no accounts":    func(cfg *hooks.Config) { cfg.Accounts = nil },
		"no nonces":      func(cfg *hooks.Config) { cfg.Nonces = nil },
	} {
		cfg := complete()
		edit(&cfg)
		if _, err := hooks.New(cfg); err == nil {
			t.Errorf("New with %s = nil, want an error", name)
		}
	}
	if _, err := hooks.New(complete()); err != nil {
		t.Errorf("New(complete) = %v, want no error", err)
	}
}
