package platform_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	azurepartner "azure-partner-connector"
	"azure-partner-connector/connector/platform/oauth1"
	"azure-partner-connector/connector/platform/pack"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/sandbox/platform"
	"azure-partner-connector/schemas"
	uiextension "azure-partner-connector/ui-extension"
)

const (
	key          = "azp-test"
	sharedSecret = "canary-shared-secret"
)

// archives caches what archive returns, because most tests need it and building it is slow.
var archives sync.Map // release → []byte

// archive returns the repository's own package with the given release.
func archive(t testing.TB, release string) []byte {
	t.Helper()
	if content, ok := archives.Load(release); ok {
		return content.([]byte)
	}
	manifest := strings.Replace(string(azurepartner.Manifest()), "\n  release: 1\n", "\n  release: "+release+"\n", 1)
	p, err := pack.Load([]byte(manifest), schemas.Files, uiextension.Files())
	if err != nil {
		t.Fatal(err)
	}
	content, err := p.Build()
	if err != nil {
		t.Fatal(err)
	}
	archives.Store(release, content)
	return content
}

// A call is one hook that a connector received.
type call struct {
	method string
	path   string // below the endpoint, with the query
	header http.Header
	body   map[string]any
}

func (c call) line() string { return c.method + " " + c.path }

// A connector is a fake connector. It verifies every signature, and answers with answer, or with 200 {} if that is nil.
type connector struct {
	*httptest.Server
	t      *testing.T
	answer func(c call) (status int, header map[string]string, body string)
	now    func() time.Time

	mu    sync.Mutex // guards calls
	calls []call
}

func newConnector(t *testing.T) *connector {
	c := &connector{t: t, now: time.Now}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *connector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	params, err := oauth1.Parse(r.Header.Get("Authorization"))
	if err == nil {
		err = oauth1.Verify(&params, r.Method, c.URL+r.URL.RequestURI(), []secret.Text{secret.New(sharedSecret)}, c.now(), time.Minute)
	}
	if err != nil {
		c.t.Errorf("%s %s is not signed: %v", r.Method, r.URL, err)
	}
	got := call{method: r.Method, path: strings.TrimPrefix(r.URL.RequestURI(), "/aps"), header: r.Header}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Errorf("reading the body of %s: %v", got.line(), err)
	}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &got.body); err != nil {
			c.t.Errorf("body of %s = %q, want a JSON object", got.line(), text)
		}
	}
	c.mu.Lock()
	c.calls = append(c.calls, got)
	c.mu.Unlock()
	status, header, body := 200, map[string]string(nil), "{}"
	if c.answer != nil {
		status, header, body = c.answer(got)
	}
	for name, value := range header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// received returns the calls so far, and their request lines without ids.
func (c *connector) received() (calls []call, lines []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, got := range c.calls {
		segments := strings.Split(got.line(), "/")
		for i, s := range segments {
			if plain, rest, _ := strings.Cut(s, "?"); len(plain) == 36 {
				segments[i] = strings.TrimSuffix("ID?"+rest, "?")
			}
		}
		lines = append(lines, strings.Join(segments, "/"))
	}
	return slices.Clone(c.calls), lines
}

// start starts a platform in development mode with the repository's package imported. Unlike a real platform, it does not
// wait before it repeats an operation.
func start(t *testing.T, change ...func(*platform.Config)) *platform.Platform {
	t.Helper()
	cfg := platform.Config{Development: true, Wait: func(context.Context, time.Duration) error { return nil }}
	for _, c := range change {
		c(&cfg)
	}
	p, err := platform.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	if _, err := p.Import(t.Context(), archive(t, "1")); err != nil {
		t.Fatalf("Import() = %v", err)
	}
	return p
}

// installed starts a platform with an instance at a connector.
func installed(t *testing.T) (*platform.Platform, *connector, platform.CreatedInstance) {
	t.Helper()
	p, c := start(t), newConnector(t)
	made, err := p.CreateInstance(t.Context(), c.URL+"/aps", key, secret.New(sharedSecret), map[string]any{"cloud": "global"})
	if err != nil {
		t.Fatalf("CreateInstance() = %v", err)
	}
	return p, c, made
}

func reseller(t *testing.T, p *platform.Platform, name, parent string) (platform.Account, platform.User) {
	t.Helper()
	a, err := p.AddAccount(platform.Account{Name: name, ParentID: parent})
	if err != nil {
		t.Fatalf("AddAccount(%s) = %v", name, err)
	}
	u, err := p.AddUser(platform.User{Login: strings.ToLower(name), Password: secret.New("pw-" + name), AccountID: a.ID})
	if err != nil {
		t.Fatalf("AddUser(%s) = %v", name, err)
	}
	return a, u
}

func newTenant(t *testing.T, p *platform.Platform, account platform.Account) string {
	t.Helper()
	id, err := p.CreateTenant(t.Context(), account.ID, map[string]any{"directory": "contoso.onmicrosoft.com", "applicationSecret": "canary-client-secret"})
	if err != nil {
		t.Fatalf("CreateTenant() = %v", err)
	}
	return id
}
