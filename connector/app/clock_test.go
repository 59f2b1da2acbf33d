package app_test

import (
	"context"
	"database/sql"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/sqldb"
)

// A fixture is a connector that was not started: nothing happens by itself.
type fixture struct {
	*testing.T
	*app.App
	file string
	log  strings.Builder
	ran  bool // and so released everything
}

// newFixture is an app with the listeners hooks, onboarding and private, changed by environment variables.
func newFixture(t *testing.T, environment ...string) *fixture {
	t.Helper()
	f := &fixture{T: t, file: filepath.Join(t.TempDir(), "connector.db")}
	keyring, err := seal.Create()
	f.must(err)
	var ring strings.Builder
	f.must(keyring.Write(&ring))
	file := filepath.Join(t.TempDir(), "connector.yaml")
	f.must(os.WriteFile(file, []byte(`
hooks: {listen: "127.0.0.1:0", publicURL: https://hooks.example.com, connections: {perClient: 300}}
onboarding: {listen: "127.0.0.1:0", publicURL: https://onboarding.example.com}
private: {listen: "127.0.0.1:0"}
database: {path: `+f.file+`}
`), 0o600))
	cfg, err := config.Load(file, append([]string{
		"CONNECTOR_KEYS__RING=" + ring.String(), "CONNECTOR_INSTANCES__0__KEY=key-1", "CONNECTOR_INSTANCES__0__SECRET=" + random.Token(),
	}, environment...))
	f.must(err)
	f.App, err = app.New(t.Context(), cfg, app.Options{Log: slog.New(slog.NewTextHandler(&f.log, nil)), Version: "v1.2.3"})
	f.must(err)
	t.Cleanup(func() {
		if f.ran {
			return
		}
		if err := app.CloseApp(f.App); err != nil {
			t.Errorf("close() = %v", err)
		}
	})
	return f
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// get returns the status and the body of an answer of the private listener.
func (f *fixture) get(path string) (status int, body string) {
	f.Helper()
	answer := httptest.NewRecorder()
	app.Private(f.App).ServeHTTP(answer, httptest.NewRequestWithContext(f.Context(), http.MethodGet, path, http.NoBody))
	return answer.Code, answer.Body.String()
}

func behind(by time.Duration) clock.Skew { return clock.Skew{By: by, Known: true} }

// TestClock_ReadyzMetricAndLog shows a wrong clock everywhere, and stays ready.
func TestClock_ReadyzMetricAndLog(t *testing.T) {
	f := newFixture(t)
	gauge := regexp.MustCompile(`(?m)^connector_clock_skew_seconds (.*)$`)
	for _, step := range []struct {
		skew         clock.Skew
		text, metric string
		logged       string // contained in what is logged then; empty: nothing is
	}{
		{clock.Skew{}, "", "NaN", ""},
		{behind(time.Second), "", "1", ""},
		{behind(2*time.Minute - time.Second), "", "119", ""},
		{behind(2 * time.Minute), "the clock is 2m0s behind: nothing is purged until it is right\n", "120", "level=WARN"},
		{behind(3 * time.Minute), "the clock is 3m0s behind: nothing is purged until it is right\n", "180", ""},
		{behind(-10*time.Minute + time.Second), "the clock is 9m59s ahead: nothing is purged until it is right\n", "-599", ""},
		{behind(-10 * time.Minute), "the clock is 10m0s ahead: nothing is renewed, nobody is notified and nothing is purged until it is right\n", "-600", "nothing is renewed"},
		{behind(-85 * 24 * time.Hour), "the clock is 2040h0m0s ahead: nothing is renewed, nobody is notified and nothing is purged until it is right\n", "-7.344e+06", ""},
		{clock.Skew{}, "", "NaN", ""},
		{behind(0), "", "0", "agrees with Microsoft's again"},
	} {
		f.log.Reset()
		app.SetSkew(t.Context(), f.App, step.skew)
		if logged := f.log.String(); step.logged == "" && logged != "" || !strings.Contains(logged, step.logged) {
			t.Errorf("with a clock that is %s, the log has %q, want %q", step.skew, logged, step.logged)
		}
		if status, body := f.get("/readyz"); status != http.StatusOK || body != step.text {
			t.Errorf("with a clock that is %s, GET /readyz = %d, %q, want 200, %q", step.skew, status, body, step.text)
		}
		if _, body := f.get("/metrics"); len(gauge.FindStringSubmatch(body)) != 2 || gauge.FindStringSubmatch(body)[1] != step.metric {
			t.Errorf("with a clock that is %s, the metric is %q, want %s", step.skew, gauge.FindString(body), step.metric)
		}
	}
}

// TestPurge_OnlyWithAClockThatIsRight has a nonce that may be deleted.
func TestPurge_OnlyWithAClockThatIsRight(t *testing.T) {
	f := newFixture(t)
	ctx := t.Context()
	raw, err := sql.Open("sqlite", f.file)
	f.must(err)
	defer raw.Close()
	for _, step := range []struct {
		skew clock.Skew
		kept bool
	}{
		{clock.Skew{}, false},
		{behind(2*time.Minute - time.Second), false},
		{behind(2 * time.Minute), true},
		{behind(-2 * time.Minute), true},
		{behind(85 * 24 * time.Hour), true},
		{behind(0), false},
	} {
		f.must(remember(ctx, f.file))
		app.SetSkew(ctx, f.App, step.skew)
		if err := app.Purge(f.App, ctx); err != nil {
			t.Errorf("purge() with a clock that is %s = %v", step.skew, err)
		}
		var left int
		f.must(raw.QueryRowContext(ctx, "SELECT COUNT(*) FROM nonces").Scan(&left))
		if kept := left > 0; kept != step.kept {
			t.Errorf("purge() with a clock that is %s leaves %d nonces, want them kept: %t", step.skew, left, step.kept)
		}
	}
}

// remember stores a nonce that was to be remembered until an hour ago.
func remember(ctx context.Context, file string) error {
	keyring, err := seal.Create()
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, store.Config{Config: sqldb.Config{Driver: sqldb.SQLite, DSN: secret.New(file)}, Keyring: keyring})
	if err != nil {
		return err
	}
	defer s.Close()
	_, err = s.RememberNonce(ctx, "key-1", "nonce", time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour))
	return err
}
