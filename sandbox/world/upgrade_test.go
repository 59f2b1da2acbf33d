package world_test

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/glebarez/go-sqlite" // the driver "sqlite"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/config"
	profiles "azure-partner-connector/connector/microsoft"
	"azure-partner-connector/connector/platform/oauth1"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/sandbox/clock"
	"azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/world"
)

// A firstRelease is a deployment that release 1-1 (commit 470e62b) left after a consent and a renewal. Its files are
// connector.sql, a dump of the database; connector.keys, the key file; and facts.json.
type firstRelease struct {
	Key, Secret  string // of the instance
	Instance     string // ID of the instance
	Controller   string // its controller, which no longer answers
	Borrower     string // ID of the application that may borrow access tokens
	Tenant       string
	RefreshToken string
	IssuedAt     time.Time

	folder string
}

func loadFirstRelease(t *testing.T) firstRelease {
	t.Helper()
	const files = "testdata/release-1-1/"
	var r firstRelease
	facts, err := os.ReadFile(files + "facts.json")
	check(t, err)
	check(t, json.Unmarshal(facts, &r))
	r.folder = t.TempDir()
	keys, err := os.ReadFile(files + "connector.keys")
	check(t, err)
	check(t, os.WriteFile(filepath.Join(r.folder, "keys.json"), keys, 0o600))
	dump, err := os.ReadFile(files + "connector.sql")
	check(t, err)
	db, err := sql.Open("sqlite", filepath.Join(r.folder, "connector.db"))
	check(t, err)
	_, err = db.ExecContext(t.Context(), string(dump))
	check(t, errors.Join(err, db.Close()))
	return r
}

// TestUpgrade_FromTheFirstRelease starts today's connector on the database and the keys of release 1-1, whose instance the
// platform does not create again: it lends, and it renews.
func TestUpgrade_FromTheFirstRelease(t *testing.T) {
	old := loadFirstRelease(t)
	w, err := world.Start(t.Context(), world.Config{
		Folder: old.folder, Key: old.Key, Secret: secret.New(old.Secret), Clock: clock.At(old.IssuedAt.Add(time.Hour)),
	})
	check(t, err)
	t.Cleanup(func() { check(t, w.Close()) })
	_, err = w.Microsoft.IssueRefreshToken(microsoft.RefreshToken{
		UPN: world.AlpineAdmin, ApplicationID: world.ApplicationID, IssuedAt: old.IssuedAt, Value: old.RefreshToken,
	})
	check(t, err)
	cloud := profiles.Profiles()[0]
	check(t, w.Microsoft.GrantConsent(world.AlpineDirectory, world.ApplicationID, world.AlpineAdmin, cloud.PartnerCenter.Scope, cloud.Graph.Scope, cloud.ARM.Scope))

	if lent := old.borrow(t, w); lent == "" {
		t.Error("accessToken lends nothing from the grant of release 1-1")
	}
	w.Clock.Advance(12 * 24 * time.Hour)
	scenario{t, w}.eventually("renewal of the grant of release 1-1", func() bool { return old.grant(t, w).IssuedAt.After(old.IssuedAt) })
	if g := old.grant(t, w); g.RefreshToken.Reveal() == old.RefreshToken {
		t.Error("the renewal stored the refresh token of release 1-1, want its successor")
	}
	if lent := old.borrow(t, w); lent == "" {
		t.Error("accessToken lends nothing from the renewed grant")
	}
}

// borrow calls the accessToken hook as the platform of release 1-1 does, and returns the token.
func (r firstRelease) borrow(t *testing.T, w *world.World) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.HooksURL+"/tenant/"+r.Tenant+"/accessToken", bytes.NewReader([]byte(`{"api":"graph"}`)))
	check(t, err)
	check(t, oauth1.Sign(request, oauth1.Credentials{Key: r.Key, Secret: secret.New(r.Secret)}, w.Clock.Now(), oauth1.NewNonce()))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("APS-Instance-ID", r.Instance)
	request.Header.Set("APS-Controller-URI", r.Controller)
	request.Header.Set("APS-Application-ID", r.Borrower)
	answer, err := world.NewBrowser().Do(request)
	check(t, err)
	defer answer.Body.Close()
	var lent struct{ AccessToken, Message string }
	check(t, json.NewDecoder(answer.Body).Decode(&lent))
	if answer.StatusCode != http.StatusOK || !strings.Contains(lent.AccessToken, ".") {
		t.Fatalf("accessToken = %s %s, want a token", answer.Status, lent.Message)
	}
	return lent.AccessToken
}

// grant reads the active grant from the database while the connector runs.
func (r firstRelease) grant(t *testing.T, w *world.World) token.Grant {
	t.Helper()
	cfg, err := config.Load(filepath.Join(r.folder, "connector.yaml"), nil)
	check(t, err)
	services, err := app.Open(t.Context(), cfg, app.Options{Now: w.Clock.Now})
	check(t, err)
	defer func() { check(t, services.Close()) }()
	g, err := services.Store.Grant(t.Context(), r.Tenant, token.Active)
	check(t, err)
	return g
}
