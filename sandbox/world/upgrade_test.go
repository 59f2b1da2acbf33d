package world_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	_ "github.com/glebarez/go-sqlite" // the driver "sqlite"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/config"
	profiles "azure-partner-connector/connector/microsoft"
	"azure-partner-connector/connector/platform/oauth1"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/sandbox/clock"
	"azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/panel/paneltest"
	"azure-partner-connector/sandbox/platform"
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
	check(t, os.Mkdir(filepath.Join(r.folder, "keys"), 0o700))
	check(t, os.WriteFile(filepath.Join(r.folder, "keys", "keys.json"), keys, 0o600))
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

	// The platform upgrades the instance, and repeats that.
	root := old.root(t)
	body := `{"aps":{"id":"` + root + `","type":"http://aps.example.com/azure-partner-connector/app/1.0"},"borrowers":["` + old.Borrower + `"],"skipLanding":true}`
	for range 2 {
		answer := old.call(t, w, "/app/"+root+"/upgrade?version=1-1", body, "")
		var upgraded struct{ Borrowers []struct{ ID string } }
		check(t, json.Unmarshal([]byte(answer), &upgraded))
		if len(upgraded.Borrowers) != 1 || upgraded.Borrowers[0].ID != old.Borrower {
			t.Errorf("upgrade = %s, want the borrower as an entry", answer)
		}
	}
	if lent := old.borrow(t, w); lent == "" {
		t.Error("accessToken lends nothing after the upgrade of the instance")
	}
}

// TestUpgrade_ScreensOfTheInstance shows the screens of package 1-1 until the instance is upgraded, and then those of the
// present one, for the same token.
func TestUpgrade_ScreensOfTheInstance(t *testing.T) {
	w, err := world.Start(t.Context(), on(storetest.Any(t), world.Config{}))
	check(t, err)
	t.Cleanup(func() { check(t, w.Close()) })
	_, err = w.RegisterFirst(t.Context())
	check(t, err)
	check(t, w.Tenants(t.Context()))
	scenario{t, w}.consentByLink()
	var shown []string
	for _, register := range []bool{false, true} {
		if register {
			done, err := w.Upgrade(t.Context(), nil)
			if err != nil || !done.Upgraded || done.Version != "2-1" {
				t.Fatalf("Upgrade() = %+v, %v, want version 2-1", done, err)
			}
		}
		d := paneltest.LogIn(t, w.PanelURL, "#/ux1/en_US", "Rita Reseller")
		d.Click(`document.getElementById("menu")`, "Manage Refresh Token")
		d.WaitLoaded()
		d.State("active")
		d.Press("Check Now")
		d.WaitText(map[bool]string{false: "The token has been checked.", true: "All services accepted the token."}[register])
		menu, err := w.Platform.Menu(w.User(world.Rita).ID, platform.UX1Reseller)
		if err != nil || len(menu) != 1 {
			t.Fatalf("Menu() = %+v, %v, want one entry", menu, err)
		}
		shown = append(shown, menu[0].PackageHref)
	}
	if shown[0] == shown[1] {
		t.Errorf("the screens before and after the upgrade are those of %s, want two packages", shown[0])
	}
}

// consentByLink obtains Rita's token by the manual procedure.
func (s scenario) consentByLink() {
	s.Helper()
	ctx := s.Context()
	var link struct{ URL string }
	answer := s.As(ctx, world.Rita, http.MethodPost, s.tenant(), "consentLink", nil)
	check(s.T, json.Unmarshal(answer.Body, &link))
	page, err := s.Visit(ctx, world.NewBrowser(), link.URL, microsoft.Visitor{UPN: world.AlpineAdmin, Password: world.Password, ApproveMFA: true, Accept: true})
	check(s.T, err)
	code := regexp.MustCompile(`[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}`).FindString(page.Text)
	answer = s.As(ctx, world.Rita, http.MethodPost, s.tenant(), "redeem", []byte(`{"code":"`+code+`"}`))
	if answer.Status != http.StatusOK {
		s.Fatalf("redeem = %d %s, want the status", answer.Status, answer.Body)
	}
}

// root returns the ID of the root resource, which the database has.
func (r firstRelease) root(t *testing.T) (id string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(r.folder, "connector.db"))
	check(t, err)
	defer db.Close()
	check(t, db.QueryRowContext(t.Context(), "SELECT root_id FROM instances").Scan(&id))
	return id
}

// borrow calls the accessToken hook as the platform of release 1-1 does, and returns the token.
func (r firstRelease) borrow(t *testing.T, w *world.World) string {
	t.Helper()
	var lent struct{ AccessToken string }
	check(t, json.Unmarshal([]byte(r.call(t, w, "/tenant/"+r.Tenant+"/accessToken", `{"api":"graph"}`, r.Borrower)), &lent))
	if !strings.Contains(lent.AccessToken, ".") {
		t.Fatal("accessToken answers without a token")
	}
	return lent.AccessToken
}

// call calls a hook as the platform of release 1-1 does, for itself or for an application, and returns what is answered.
func (r firstRelease) call(t *testing.T, w *world.World, path, body, application string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.HooksURL+path, strings.NewReader(body))
	check(t, err)
	check(t, oauth1.Sign(request, oauth1.Credentials{Key: r.Key, Secret: secret.New(r.Secret)}, w.Clock.Now(), oauth1.NewNonce()))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("APS-Instance-ID", r.Instance)
	request.Header.Set("APS-Controller-URI", r.Controller)
	if application != "" {
		request.Header.Set("APS-Application-ID", application)
	}
	answer, err := world.NewBrowser().Do(request)
	check(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	check(t, err)
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("POST %s = %s %s, want 200", path, answer.Status, text)
	}
	return string(text)
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
