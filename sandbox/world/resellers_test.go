package world_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/token"
	"azure-partner-connector/sandbox/platform"
	"azure-partner-connector/sandbox/world"
)

// TestResellers_InEveryState checks the resellers that are there from the start: the provider's list has every state, their history
// is in order, and Microsoft accepts the refresh tokens that work and refuses the others.
func TestResellers_InEveryState(t *testing.T) {
	s := scenario{t, start(t, world.Config{Resellers: true})}
	if ahead := time.Until(s.Clock.Now()); ahead < -time.Minute || ahead > time.Minute {
		t.Errorf("the clock is %s ahead of the real time, want it to show that", ahead)
	}
	asPetra := func(method, resource, operation string, out any) int {
		t.Helper()
		answer := s.As(t.Context(), world.Petra, method, resource, operation, nil)
		if answer.Status == http.StatusOK {
			check(t, json.Unmarshal(answer.Body, out))
		}
		return answer.Status
	}
	var list struct {
		Tenants []struct {
			ID, Name string
			State    token.State
		}
		Counts map[token.State]int
	}
	if status := asPetra(http.MethodGet, s.root(), "tenants?limit=100", &list); status != http.StatusOK || len(list.Tenants) != 23 {
		t.Fatalf("the provider's list is %d with %d tenants, want 23", status, len(list.Tenants))
	}
	byState := map[token.State]string{}
	for _, one := range list.Tenants {
		byState[one.State] = one.ID
	}
	for _, state := range token.States() {
		if byState[state] == "" {
			t.Errorf("no reseller is %s: %v", state, list.Counts)
		}
	}
	idOf := func(name string) string {
		t.Helper()
		for _, one := range list.Tenants {
			if one.Name == name {
				return one.ID
			}
		}
		t.Fatalf("there is no reseller %s", name)
		return ""
	}

	var history []struct {
		At     time.Time
		Action string
	}
	if status := asPetra(http.MethodGet, idOf("Aster Hosting"), "history?limit=200", &history); status != http.StatusOK {
		t.Fatalf("the history answers %d", status)
	}
	actions := map[string]int{}
	for i, e := range history {
		actions[e.Action]++
		if i > 0 && e.At.After(history[i-1].At) {
			t.Errorf("the history is not in order at %s", e.At)
		}
	}
	if want := map[string]int{"tenant.provisioned": 1, "consent.begun": 1, "consent.granted": 1, "grant.renewed": 11, "token.lent": 5}; !includes(actions, want) {
		t.Errorf("the history of Aster Hosting has %v, want %v", actions, want)
	}

	lend := func(name string) platform.Answer {
		return s.Platform.Call(t.Context(), platform.AsApplication(s.Borrower().ID), http.MethodPost, idOf(name), "accessToken", []byte(`{"api":"graph"}`))
	}
	for name, want := range map[string]string{
		"Aster Hosting": "accessToken", "Iris Telecom": "accessToken", "Marlin Business": "grant_revoked", "Osprey Trade": "device_required", "Quill Office": "suspend",
	} {
		if answer := lend(name); !strings.Contains(string(answer.Body), want) {
			t.Errorf("an access token of %s = %d %s, want %s in it", name, answer.Status, answer.Body, want)
		}
	}
	var renewed struct{ State token.State }
	if status := asPetra(http.MethodPost, idOf("Kestrel Data"), "renew", &renewed); status != http.StatusOK || renewed.State != token.StateActive {
		t.Errorf("renewing where renewals failed = %d, %q, want it to be active", status, renewed.State)
	}
}

// includes reports whether all counts of want are in got.
func includes(got, want map[string]int) bool {
	return !slices.ContainsFunc(slices.Collect(maps.Keys(want)), func(name string) bool { return got[name] != want[name] })
}
