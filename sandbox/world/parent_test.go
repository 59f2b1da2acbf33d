package world_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"azure-partner-connector/sandbox/panel/paneltest"
	"azure-partner-connector/sandbox/world"
)

// TestPanel_Roles opens the panel in every role: a parent reseller sees its own tenant and not the one below, and only the
// provider sees the list.
func TestPanel_Roles(t *testing.T) {
	s := newScenario(t)
	s.visit(s.freshSignIn())
	s.checkState("active")
	for login, want := range map[string]struct{ who, screen, state string }{
		world.Rita:  {"Rita Reseller · Alpine Cloud · Parent reseller", "Manage Refresh Token", "active"},
		world.Bjorn: {"Björn Baltic · Baltic IT · Reseller", "Manage Refresh Token", "absent"},
		world.Susan: {"Susan South · Alpine South · Reseller", "Manage Refresh Token", "absent"},
		world.Petra: {"Petra Provider · Larkfield Cloud Marketplace · Provider", "Refresh Tokens", ""},
	} {
		t.Run(login, func(t *testing.T) {
			name, _, _ := strings.Cut(want.who, " · ")
			d := ritasPanel{scenario{t, s.World}, paneltest.LogIn(t, s.PanelURL, "#/ux1/en_US", name), false}
			d.Wait(`document.getElementById("user").selectedOptions[0].text === "` + want.who + `"`)
			d.Click(`document.getElementById("menu")`, want.screen)
			d.WaitLoaded()
			if want.state == "" {
				d.Wait(paneltest.Widget("list") + `.querySelectorAll("tbody tr").length === 3`)
				return
			}
			d.State(want.state)
			for _, other := range []string{"Refresh Tokens", "more than one Azure Partner subscription"} {
				if got := paneltest.Evaluate[string](d.Driver, `document.body.innerText`) + d.Text(); strings.Contains(got, other) {
					t.Errorf("the panel shows %q, want no %q", got, other)
				}
			}
		})
	}
}

// TestParentReseller_SeesTheStateOnly calls the operations that the platform allows a parent reseller.
func TestParentReseller_SeesTheStateOnly(t *testing.T) {
	s := newScenario(t)
	below := s.TenantOf(world.Susan).ID
	answer := s.As(t.Context(), world.Rita, http.MethodGet, below, "tokenStatus", nil)
	var shown map[string]any
	if err := json.Unmarshal(answer.Body, &shown); err != nil || answer.Status != http.StatusOK {
		t.Fatalf("tokenStatus of the reseller below = %d %s, want the state", answer.Status, answer.Body)
	}
	if got, want := slices.Sorted(maps.Keys(shown)), []string{"now", "state"}; !slices.Equal(got, want) || shown["state"] != "absent" {
		t.Errorf("tokenStatus of the reseller below = %s, want %v", answer.Body, want)
	}
	for operation, method := range map[string]string{"consents": http.MethodPost, "consentLink": http.MethodPost, "renew": http.MethodPost, "check": http.MethodPost, "forget": http.MethodPost, "history": http.MethodGet} {
		if answer := s.As(t.Context(), world.Rita, method, below, operation, nil); answer.Status != http.StatusForbidden {
			t.Errorf("%s of the reseller below = %d %s, want 403", operation, answer.Status, answer.Body)
		}
	}
	if answer := s.As(t.Context(), world.Bjorn, http.MethodGet, below, "tokenStatus", nil); answer.Status != http.StatusForbidden {
		t.Errorf("tokenStatus for a reseller beside = %d %s, want 403", answer.Status, answer.Body)
	}
}
