package world_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/platform/oauth1"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/hooks"
	"azure-partner-connector/sandbox/world"
)

// TestHeaders_AnotherControllerIsNeverAsked changes the controller's address in signed requests, as somebody between the
// platform and the connector can, to one that takes everybody for the provider.
func TestHeaders_AnotherControllerIsNeverAsked(t *testing.T) {
	folder := t.TempDir()
	w := start(t, world.Config{Folder: folder})
	var asked atomic.Int64
	evil := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Path == "/aps/2/resources" {
			fmt.Fprintf(rw, `[{"organization":{"aps":{"id":%q}}}]`, w.Platform.Provider().ID)
			return
		}
		fmt.Fprintf(rw, `{"aps":{"type":"http://parallels.com/aps/types/pa/account/1.2","id":%q},"type":"ADMIN","message":"c4n4ry"}`, w.Platform.Provider().ID)
	}))
	defer evil.Close()
	cfg, err := config.Load(filepath.Join(folder, "connector.yaml"), nil)
	check(t, err)
	services, err := app.Open(t.Context(), cfg, app.Options{Now: w.Clock.Now})
	check(t, err)
	defer func() { check(t, services.Close()) }()
	before, err := services.Store.Instance(t.Context(), w.Key)
	check(t, err)

	unknown, tenant := random.ID(), w.TenantOf(world.Rita).ID
	for _, call := range []struct{ method, path, body string }{
		{"GET", "/app/" + before.RootID + "/tenants", ""},
		{"PUT", "/app/" + before.RootID, `{"borrowers":[]}`},
		{"POST", "/app", `{"aps":{"type":"` + hooks.DefaultPackageID + `/app/2.0","id":"` + unknown + `"}}`},
		{"POST", "/tenant/" + tenant + "/consents", ""},
		{"GET", "/tenant/" + tenant + "/history", ""},
	} {
		for _, person := range []string{"APS-Identity-ID", "APS-Actor-ID"} {
			r, err := http.NewRequestWithContext(t.Context(), call.method, w.HooksURL+call.path, strings.NewReader(call.body))
			check(t, err)
			check(t, oauth1.Sign(r, oauth1.Credentials{Key: w.Key, Secret: w.Secret}, w.Clock.Now(), oauth1.NewNonce()))
			r.Header.Set("APS-Instance-ID", before.ID)
			r.Header.Set("APS-Controller-URI", evil.URL)
			r.Header.Set(person, unknown)
			answer, err := world.NewBrowser().Do(r)
			check(t, err)
			check(t, answer.Body.Close())
			if answer.StatusCode != http.StatusForbidden {
				t.Errorf("%s %s by somebody unknown = %s, want 403", call.method, call.path, answer.Status)
			}
		}
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("the other controller was asked %d times, want never", n)
	}
	after, err := services.Store.Instance(t.Context(), w.Key)
	check(t, err)
	if after.ControllerURI != before.ControllerURI || after.NamedController != evil.URL {
		t.Errorf("the instance is at %s, named %s; want %s, named %s", after.ControllerURI, after.NamedController, before.ControllerURI, evil.URL)
	}
	events, err := services.Store.Events(t.Context(), "", time.Time{}, 20)
	check(t, err)
	recorded := 0
	for _, e := range events {
		if e.Action == audit.ControllerRefused {
			recorded++
		}
	}
	if recorded != 1 {
		t.Errorf("%d events tell of the other controller, want 1", recorded)
	}
}
