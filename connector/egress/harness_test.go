package egress_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/client"
	"azure-partner-connector/connector/egress"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/httpclient"
	"azure-partner-connector/connector/microsoft"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

const (
	tenantA   = "a2000000-0000-4000-8000-00000000000a"
	tenantB   = "b2000000-0000-4000-8000-00000000000b"
	customer  = "d2000000-0000-4000-8000-00000000000c"
	key       = "apck_c4n4ry-key"
	firstOne  = "c4n4ry-first-token"
	secondOne = "c4n4ry-second-token"
)

// A received is what the upstream got.
type received struct {
	target string // the bytes of the request line
	header http.Header
	method string
	body   string
}

// A harness is a handler behind a real server, before a real upstream.
type harness struct {
	*testing.T
	egress.Config
	client   client.Client
	clients  map[string]client.Client // by key
	refused  []string                 // code, and reason if there is one
	tokens   *fakeTokens
	log      *lockedBuffer
	server   *httptest.Server
	upstream *httptest.Server
	// halfClose makes raw calls end after what was sent.
	halfClose bool

	mu       sync.Mutex // guards the fields below
	received []received
	observed []egress.Call
	answer   func(w http.ResponseWriter, r *http.Request) // of the upstream
}

// newHarness has a client that may do anything with Graph and Azure Resource Manager of tenant A.
func newHarness(t *testing.T, change ...func(*harness)) *harness {
	t.Helper()
	h := &harness{T: t, tokens: &fakeTokens{lent: firstOne}, log: &lockedBuffer{}, clients: map[string]client.Client{}}
	h.client = client.Client{Name: "billing", Scopes: client.Scopes{
		Tenants: []string{tenantA}, APIs: []string{"arm", "graph"}, Directories: []string{tenant.PartnerDirectory, tenant.CustomerDirectories},
		Operations: []client.Operation{client.Forward},
		Forward:    []client.Rule{{API: "graph", Methods: []string{"*"}, Path: "/**"}, {API: "arm", Methods: []string{"*"}, Path: "/**"}},
	}}
	h.upstream = httptest.NewServer(http.HandlerFunc(h.serveUpstream))
	t.Cleanup(h.upstream.Close)
	transport, err := httpclient.Transport(httpclient.Config{})
	h.must(err)
	h.Config = egress.Config{
		PublicURL: "http://egress.example", Clients: h, Tenants: fakeTenants{}, Tokens: h.tokens, Microsoft: h.cloud(), Transport: transport,
		Log: slog.New(slog.NewJSONHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Observe: func(c egress.Call) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.observed = append(h.observed, c)
		},
	}
	for _, change := range change {
		change(h)
	}
	h.clients[key] = h.client
	handler, err := egress.New(h.Config)
	h.must(err)
	h.server = httptest.NewServer(handler)
	t.Cleanup(h.server.Close)
	t.Cleanup(func() {
		for _, hidden := range []string{key, firstOne, secondOne, "c4n4ry-path", "c4n4ry-query"} {
			if strings.Contains(h.log.String(), hidden) {
				t.Errorf("the log contains %s", hidden)
			}
		}
	})
	return h
}

// cloud returns the real client of Microsoft with a cloud whose Graph is the upstream, and whose Azure Resource Manager is below a
// path of it.
func (h *harness) cloud() *microsoft.Client {
	h.Helper()
	http, err := httpclient.New(httpclient.Config{Timeout: time.Minute})
	h.must(err)
	endpoint := func(base, resource string) microsoft.Endpoint {
		return microsoft.Endpoint{BaseURL: base, Scope: resource + "/x", Audience: resource}
	}
	ms, err := microsoft.New(microsoft.Config{HTTP: http, ProbeHTTP: http, Profiles: []microsoft.Profile{{
		Name: "lab", Authority: h.upstream.URL, TokenIssuer: h.upstream.URL, PartnerCenter: endpoint("https://pc.invalid", "https://pc.invalid"),
		Graph: endpoint(h.upstream.URL, "https://graph.example"), ARM: endpoint(h.upstream.URL+"/arm", "https://arm.example"),
	}}})
	h.must(err)
	return ms
}

func (h *harness) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// setAnswer says how the upstream answers from now on.
func (h *harness) setAnswer(answer func(w http.ResponseWriter, r *http.Request)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = answer
}

func (h *harness) serveUpstream(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	answer := h.answer
	h.mu.Unlock()
	if answer != nil && strings.Contains(r.URL.Path, "stream") {
		answer(w, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	h.received = append(h.received, received{r.RequestURI, r.Header, r.Method, string(body)})
	h.mu.Unlock()
	if answer != nil {
		answer(w, r)
		return
	}
	_, _ = io.WriteString(w, "upstream")
}

// Authenticate implements egress.Clients.
func (h *harness) Authenticate(_ context.Context, key secret.Text) (client.Client, error) {
	c, ok := h.clients[key.Reveal()]
	if !ok {
		return client.Client{}, failure.New(failure.KeyUnknown)
	}
	if c.Altered {
		return c, failure.New(failure.KeyExpired)
	}
	return c, nil
}

// AuthenticateCertificate implements egress.Clients: the client that bears the name of the certificate.
func (h *harness) AuthenticateCertificate(_ context.Context, chain []*x509.Certificate, _ *x509.CertPool) (client.Client, error) {
	if len(chain) == 0 || chain[0].Subject.CommonName != h.client.Name {
		return client.Client{}, failure.New(failure.KeyUnknown)
	}
	return h.client, nil
}

// Refused implements egress.Clients.
func (h *harness) Refused(_ context.Context, c client.Client, cause error, details map[string]string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refused = append(h.refused, c.Name+" "+string(failure.From(cause).Code))
	return nil
}

type fakeTenants struct{}

func (fakeTenants) FindRecent(_ context.Context, id string) (tenant.Resolved, error) {
	if id != tenantA && id != tenantB {
		return tenant.Resolved{}, failure.New(failure.NotFound)
	}
	return tenant.Resolved{Tenant: tenant.Tenant{ID: id}, Instance: tenant.Instance{Settings: tenant.Settings{Cloud: "lab"}}}, nil
}

// fakeTokens lends a token, and another one instead of it, once.
type fakeTokens struct {
	mu       sync.Mutex // guards the fields below
	lent     string
	err      error
	requests []token.LoanRequest
	replaced int // how often another token was asked for

	hangUp func() // called by Lend, which then waits until its caller is gone
}

func (f *fakeTokens) Lend(ctx context.Context, _ tenant.Resolved, request token.LoanRequest, _ audit.Actor) (token.Loan, error) {
	if f.hangUp != nil {
		f.hangUp()
		<-ctx.Done()
		return token.Loan{}, ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, request)
	return token.Loan{API: request.API, AccessToken: secret.New(f.lent)}, f.err
}

func (f *fakeTokens) Replace(_ context.Context, _ tenant.Resolved, _ token.LoanRequest, refused secret.Text, _ audit.Actor) (token.Loan, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.replaced++
	if refused == secret.New(secondOne) {
		return token.Loan{}, false, nil
	}
	f.lent = secondOne
	return token.Loan{AccessToken: secret.New(secondOne)}, true, nil
}

func (f *fakeTokens) last() token.LoanRequest {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.requests) == 0 {
		return token.LoanRequest{}
	}
	return f.requests[len(f.requests)-1]
}

// A reply is an answer of the egress.
type reply struct {
	status int
	header http.Header
	body   string
	cut    bool // ended early
}

// ours reports whether the reply is a refusal of ours with a code, in our form.
func (r reply) ours(code string) bool {
	return r.header.Get("X-Connector-Failure") == code && strings.Contains(r.body, `"code":"`+code+`"`)
}

// raw sends the bytes of a request, so that nothing corrects them, and returns the answer.
func (h *harness) raw(method, target string, lines ...string) reply {
	h.Helper()
	return h.rawBody(method, target, "", lines...)
}

func (h *harness) rawBody(method, target, body string, lines ...string) reply {
	h.Helper()
	connection, err := (&net.Dialer{}).DialContext(h.Context(), "tcp", h.server.Listener.Addr().String())
	h.must(err)
	defer connection.Close()
	lines = append([]string{method + " " + target + " HTTP/1.1", "Host: egress.example", "Connection: close"}, lines...)
	_, err = io.WriteString(connection, strings.Join(lines, "\r\n")+"\r\n\r\n"+body)
	h.must(err)
	if h.halfClose {
		h.must(connection.(*net.TCPConn).CloseWrite())
	}
	answer, err := http.ReadResponse(bufio.NewReader(connection), &http.Request{Method: method})
	h.must(err)
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	return reply{answer.StatusCode, answer.Header, string(content), err != nil}
}

// bearer is the header with the key.
const bearer = "Authorization: Bearer " + key

// get sends a plain call to Graph with a path.
func (h *harness) get(path string, lines ...string) reply {
	h.Helper()
	return h.raw(http.MethodGet, "/graph/"+tenantA+path, append(lines, bearer)...)
}

// take returns and forgets what the upstream got.
func (h *harness) take() []received {
	h.mu.Lock()
	defer h.mu.Unlock()
	taken := h.received
	h.received = nil
	return taken
}

// takeRefused returns and forgets the recorded refusals.
func (h *harness) takeRefused() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	taken := strings.Join(h.refused, ", ")
	h.refused = nil
	return taken
}

// lastCall returns how the last call was observed, without its duration. It is observed after its answer.
func (h *harness) lastCall(n int) string {
	h.Helper()
	for {
		h.mu.Lock()
		if len(h.observed) >= n {
			c := h.observed[n-1]
			h.mu.Unlock()
			return fmt.Sprint(c.Client, " ", c.API, " ", c.Status, " ", c.Result)
		}
		h.mu.Unlock()
		select {
		case <-h.Context().Done():
			h.Fatal("the call was not observed")
		case <-time.After(time.Millisecond):
		}
	}
}

// A lockedBuffer is a buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
