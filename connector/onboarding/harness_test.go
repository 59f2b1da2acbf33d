package onboarding_test

import (
	"bytes"
	"context"
	"html"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/onboarding"
	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/token"
)

// Secrets, which must not appear in the log.
const (
	link      = "canary-link-Zx81"
	code      = "canary-code-Qp42"
	state     = "canary-state-Lw73"
	claimCode = "7K3M-Q2ZD-9XAB"
)

var start = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// A fake is a consent service with the functions that a test sets. It records its calls.
type fake struct {
	started   func(name, browser string) (consent.Start, error)
	landing   func(link, browser string) (consent.Landing, error)
	disown    func(consentID string) error
	authorize func(link string, visit consent.Visit) (string, error)
	complete  func(cb consent.Callback) (consent.Outcome, error)

	mu        sync.Mutex // guards what follows
	browsers  []string
	locales   []string
	visits    []consent.Visit
	callbacks []consent.Callback
	clients   []string // addresses that events of the callbacks name
	disowned  []string // consents
}

func (f *fake) Start(_ context.Context, name, browser string) (consent.Start, error) {
	return f.started(name, browser)
}

func (f *fake) Landing(_ context.Context, link, browser string) (consent.Landing, error) {
	return f.landing(link, browser)
}

func (f *fake) Disown(_ context.Context, consentID string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.disowned = append(f.disowned, consentID)
	return f.disown(consentID)
}

func (f *fake) Authorize(_ context.Context, link string, visit consent.Visit) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.browsers, f.locales, f.visits = append(f.browsers, visit.Browser), append(f.locales, visit.Locale), append(f.visits, visit)
	return f.authorize(link, visit)
}

func (f *fake) Complete(ctx context.Context, cb consent.Callback) (consent.Outcome, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clients = append(f.clients, audit.Completed(ctx, start, audit.Event{}).Details["client"])
	f.callbacks = append(f.callbacks, cb)
	return f.complete(cb)
}

// A harness is a handler behind a real server, with a fake consent service, a clock and a log.
type harness struct {
	*fake
	t      *testing.T
	server *httptest.Server
	clock  *clock
	log    *logBuffer
}

// A clock changes only when a test advances it.
type clock struct {
	mu  sync.Mutex // guards now
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// A logBuffer holds what was logged.
type logBuffer struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (r *logBuffer) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *logBuffer) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

func manualLanding() consent.Landing {
	return consent.Landing{
		Procedure: token.Manual, TenantName: "Fabrikam Cloud GmbH", AccountID: "1000042", AskedBy: "Rita Reseller", Marketplace: "Example Marketplace",
		Directory: "fabrikam.onmicrosoft.com", ApplicationID: "6f1c1a52-6d6f-4f0e-9f5e-2c7b3f6f0a11",
		ExpiresAt: start.Add(7 * 24 * time.Hour),
		Permissions: []consent.Permission{
			{Scope: "openid"},
			{Scope: "profile"},
			{Scope: "offline_access"},
			{API: token.PartnerCenter, Scope: "https://api.partnercenter.microsoft.com/user_impersonation"},
			{API: token.Graph, Scope: "https://graph.microsoft.com/User.Read"},
			{API: token.Graph, Scope: "https://graph.microsoft.com/Directory.Read.All"},
			{API: token.ARM, Scope: "https://management.azure.com/user_impersonation"},
		},
	}
}

func manualOutcome() consent.Outcome {
	return consent.Outcome{
		ConsentID: "consent-1", AccountID: "1000042", Procedure: token.Manual, ClaimCode: claimCode, ClaimExpiresAt: start.Add(24 * time.Hour),
		ConsentedBy: token.Person{ObjectID: "1", Username: "admin@fabrikam.example", Name: "Ada Admin"}, TenantName: "Fabrikam Cloud GmbH",
	}
}

func automaticOutcome() consent.Outcome {
	out := manualOutcome()
	out.Procedure, out.ClaimCode, out.ClaimExpiresAt = token.Automatic, "", time.Time{}
	return out
}

// newHarness starts a handler over https whose consents succeed; change adjusts its configuration.
func newHarness(t *testing.T, change func(*onboarding.Config)) *harness {
	t.Helper()
	return startHarness(t, newTLSServer, change)
}

// newTLSServer starts a server that doesn't log that browsers distrust its certificate.
func newTLSServer(handler http.Handler) *httptest.Server {
	s := httptest.NewUnstartedServer(handler)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	return s
}

func startHarness(t *testing.T, serve func(http.Handler) *httptest.Server, change func(*onboarding.Config)) *harness {
	t.Helper()
	f := &fake{
		started: func(string, string) (consent.Start, error) { return consent.Start{}, failure.New(failure.NotFound) },
		landing: func(string, string) (consent.Landing, error) { return manualLanding(), nil },
		disown:  func(string) error { return nil },
		authorize: func(string, consent.Visit) (string, error) {
			return "https://login.example.com/authorize?state=" + state, nil
		},
		complete: func(consent.Callback) (consent.Outcome, error) { return manualOutcome(), nil },
	}
	keys, err := seal.Create()
	if err != nil {
		t.Fatalf("seal.Create() = %v", err)
	}
	h := &harness{fake: f, t: t, clock: &clock{now: start}, log: &logBuffer{}}
	var handler http.Handler
	h.server = serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(h.server.Close)
	cfg := onboarding.Config{
		PublicURL: h.server.URL, Consents: f, Seal: keys, Now: h.clock.Now,
		Log: slog.New(slog.NewJSONHandler(h.log, nil)),
	}
	if change != nil {
		change(&cfg)
	}
	if handler, err = onboarding.New(cfg); err != nil {
		t.Fatalf("New = %v", err)
	}
	t.Cleanup(func() { h.checkLog() })
	return h
}

// checkLog checks that no secret was logged.
func (h *harness) checkLog() {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	secrets := append([]string{link, code, state, claimCode}, h.browsers...)
	for _, secret := range secrets {
		if strings.Contains(h.log.String(), secret) {
			h.t.Errorf("log = %s, want no %q in it", h.log, secret)
		}
	}
}

// A visitor is one browser. It keeps cookies and doesn't follow redirects.
type visitor struct {
	h      *harness
	client *http.Client
	header http.Header // sent with every request
}

func (h *harness) visitor() *visitor {
	h.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	client := *h.server.Client()
	client.Jar = jar
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &visitor{h: h, client: &client, header: http.Header{"Accept-Language": {"en-GB,en;q=0.9"}}}
}

// A page is one answer.
type page struct {
	status int
	header http.Header
	body   string
}

func (v *visitor) send(method, path string, form url.Values, header ...string) page {
	v.h.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequest(method, v.h.server.URL+path, body)
	if err != nil {
		v.h.t.Fatal(err)
	}
	r.Header = v.header.Clone()
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := v.client.Do(r)
	if err != nil {
		v.h.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		v.h.t.Fatal(err)
	}
	return page{resp.StatusCode, resp.Header, string(text)}
}

func (v *visitor) get(path string, header ...string) page {
	v.h.t.Helper()
	return v.send(http.MethodGet, path, nil, header...)
}

// callBack sends Microsoft's answer and returns the page that it leads to.
func (v *visitor) callBack(query url.Values) page {
	v.h.t.Helper()
	p := v.get("/callback?" + query.Encode())
	if p.status != http.StatusSeeOther || !strings.HasSuffix(p.header.Get("Location"), "/done") {
		v.h.t.Fatalf("GET /callback = %d to %q, want 303 to /done", p.status, p.header.Get("Location"))
	}
	return v.get("/done")
}

func granted() url.Values { return url.Values{"state": {state}, "code": {code}} }

var referenceForm = regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{8}$`)

// text returns the visible text of the element with id, which has no child elements; "" when there is none.
func (p page) text(id string) string {
	match := regexp.MustCompile(`id="` + id + `"[^>]*>([^<]*)<`).FindStringSubmatch(p.body)
	if match == nil {
		return ""
	}
	return html.UnescapeString(match[1])
}
