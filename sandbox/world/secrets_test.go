package world_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/trace"
	"azure-partner-connector/sandbox/platform"
	"azure-partner-connector/sandbox/world"
)

// TestSecrets_AppearNowhere runs both procedures, a renewal and a lending with full logging and traces, and then searches the log,
// the traces, the database, the metrics, every page, every refusal and the platform for every secret.
func TestSecrets_AppearNowhere(t *testing.T) {
	var log safeBuffer
	folder := t.TempDir()
	db := storetest.Any(t)
	traces := newTraces(t)
	w, err := world.Start(t.Context(), on(db, world.Config{
		Folder: folder, Log: slog.New(trace.Logged(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))), Traces: traces.provider,
	}))
	if err != nil {
		t.Fatalf("Start() = %v", err)
	}
	if err := w.Install(t.Context()); err != nil {
		t.Fatalf("Install() = %v", err)
	}
	s := scenario{t, w}
	secrets := map[string]string{"the OAuth secret": w.Secret.Reveal(), "the application's secret": "sandbox~application.secret_value"}

	browser := world.NewBrowser()
	a := s.begin(browser)
	callback := s.signIn(browser, a, right())
	secrets["the link of the automatic procedure"] = lastSegment(a.URL)
	collect(t, secrets, "automatic", callback)
	texts := map[string]string{"the outcome of the automatic procedure": s.visit(browser, callback).Text}
	s.checkState("active")

	var link attempt
	s.call(http.MethodPost, "consentLink", "", &link)
	secrets["the link of the manual procedure"] = lastSegment(link.URL)
	_, texts["the landing page"] = s.fetch(link.URL)
	browser = world.NewBrowser()
	callback = s.signIn(browser, link, right())
	collect(t, secrets, "manual", callback)
	page := s.visit(browser, callback)
	claim := regexp.MustCompile(`[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}`).FindString(page.Text)
	texts["the outcome of the manual procedure, its claim code aside"] = strings.ReplaceAll(page.Text, claim, "")
	secrets["the claim code"] = claim
	secrets["the claim code without separators"] = strings.ReplaceAll(claim, "-", "")
	for _, cookie := range browser.Jar.Cookies(parse(t, w.OnboardingURL)) {
		secrets["the cookie "+cookie.Name] = cookie.Value
	}
	var status json.RawMessage
	s.call(http.MethodPost, "redeem", `{"code":"`+claim+`"}`, &status)
	s.call(http.MethodPost, "renew", "", &status)

	answer := w.Platform.Call(t.Context(), platform.AsApplication(w.Borrower().ID), http.MethodPost, s.tenant(), "accessToken", []byte(`{"api":"graph"}`))
	var loan struct{ AccessToken string }
	if err := json.Unmarshal(answer.Body, &loan); err != nil || loan.AccessToken == "" {
		t.Fatalf("accessToken = %d %s", answer.Status, answer.Body)
	}
	secrets["the access token"] = loan.AccessToken
	maps.Copy(texts, s.refusals(browser, callback, secrets))
	texts["the metrics"] = get(t, w.PrivateURL+"/metrics")
	s.call(http.MethodGet, "history?limit=100", "", &status)
	texts["the history"] = string(status)
	resource, _ := w.Platform.Resource(s.tenant())
	kept, err := json.Marshal(resource)
	if err != nil {
		t.Fatal(err)
	}
	texts["the platform's copy of the tenant"] = string(kept)
	if err := w.Close(); err != nil {
		t.Fatalf("Close() = %v", err)
	}
	texts["the log"] = log.String()
	texts["the traces"] = traces.end(t)
	maps.Copy(texts, stored(t, db, folder))
	for name, value := range secrets {
		if value == "" {
			t.Errorf("%s is empty, want a secret to search for", name)
		}
	}
	for where, text := range texts {
		if text == "" && !strings.HasSuffix(where, "-migration") {
			t.Errorf("%s is empty, want content to search", where)
		}
	}
	for _, leak := range leaks(secrets, texts) {
		t.Error(leak)
	}
	if !strings.Contains(texts["the log"], "renewal succeeded") {
		t.Error("the log has no renewal, want the whole log")
	}
	traces.check(t, texts["the log"])
}

// stored returns what the database has stored: the files of SQLite in a folder, or the rows of a server.
func stored(t *testing.T, db *storetest.Database, folder string) map[string]string {
	t.Helper()
	if db.Driver == sqldb.MySQL {
		return map[string]string{"the rows": db.Dump(t)}
	}
	files, err := filepath.Glob(filepath.Join(folder, "connector.db*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("the database is not there: %v", err)
	}
	texts := map[string]string{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts["the file "+filepath.Base(file)] = string(content)
	}
	return texts
}

// collect records the secrets in Microsoft's redirect.
func collect(t *testing.T, secrets map[string]string, procedure, callback string) {
	t.Helper()
	q := parse(t, callback).Query()
	secrets["the authorization code of the "+procedure+" procedure"] = q.Get("code")
	secrets["the state of the "+procedure+" procedure"] = q.Get("state")
}

func parse(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func lastSegment(address string) string { return address[strings.LastIndexByte(address, '/')+1:] }

func get(t *testing.T, address string) string {
	t.Helper()
	answer, err := world.NewBrowser().Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("GET %s = %s, %v", address, answer.Status, err)
	}
	return string(content)
}

// safeBuffer is a buffer for concurrent writes.
type safeBuffer struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

// Write implements io.Writer.
func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
