package world_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/world"
)

// TestSwitches_OfBehaviours turns each switch of a behaviour on, and checks what the token's status or a renewal tells, and that
// everything is as before once it is off.
func TestSwitches_OfBehaviours(t *testing.T) {
	s := newScenario(t)
	s.visit(s.freshSignIn())
	s.checkState("active")
	check(t, s.Microsoft.GrantConsent(world.FjordDirectory, world.ApplicationID, "", s.Microsoft.Cloud().Graph.Audiences[0]+"/User.Read", s.Microsoft.Cloud().Graph.Audiences[0]+"/Directory.Read.All"))
	checkNow := func() string {
		t.Helper()
		s.Clock.Advance(time.Minute)
		answer := s.As(t.Context(), world.Rita, "POST", s.tenant(), "renew", nil)
		return string(answer.Body)
	}
	works := strings.Count(checkNow(), `"works":"yes"`)
	if works != 3 {
		t.Fatalf("%d apis work before any switch, want 3", works)
	}
	for _, tc := range []struct {
		id    string
		tells []string
	}{
		{"marks", []string{`"globalAdmin":"yes"`, `"works":"yes"`}},
		{"pages", []string{`"globalAdmin":"yes"`, `"adminAgent":"yes"`}},
		{"graphmfa", []string{`"api":"graph","works":"no"`, "mfa_required"}},
		{"rolegroup", []string{`"globalAdmin":"unknown"`, `"adminAgent":"yes"`}},
		{"device", []string{"device_required", "530003"}},
		{"risk", []string{"account_at_risk", "53004"}},
	} {
		check(t, s.Set(tc.id, true))
		body := checkNow()
		for _, want := range tc.tells {
			if !strings.Contains(body, want) {
				t.Errorf("with %s, a renewal tells %s, want %s in it", tc.id, body, want)
			}
		}
		check(t, s.Set(tc.id, false))
		if body := checkNow(); strings.Count(body, `"works":"yes"`) != 3 || !strings.Contains(body, `"globalAdmin":"yes"`) {
			t.Errorf("after %s, a renewal tells %s, want that everything works", tc.id, body)
		}
	}

	check(t, s.Set("passkey", true))
	s.visit(s.freshSignIn())
	s.checkState("active")
	check(t, s.Set("passkey", false))
	check(t, s.Set("permission", true))
	if body := checkNow(); !strings.Contains(body, `"works":"yes"`) || !strings.Contains(body, "permissions_missing") || !strings.Contains(body, "Directory.Read.All") {
		t.Errorf("after a permission was withdrawn, a renewal tells %s, want its name", body)
	}
}

// TestSwitches_OfCustomers lets a customer block the access, and end the relationship.
func TestSwitches_OfCustomers(t *testing.T) {
	s := newScenario(t)
	scope := s.Microsoft.Cloud().ARM.Audiences[0] + "/user_impersonation"
	check(t, s.Microsoft.GrantConsent(world.FjordDirectory, world.ApplicationID, "", scope))
	check(t, s.Microsoft.SetSecrets(world.ApplicationID, microsoft.Secret{Value: "own~secret"}))
	refreshToken, err := s.Microsoft.IssueRefreshToken(microsoft.RefreshToken{UPN: world.AlpineAdmin, ApplicationID: world.ApplicationID})
	check(t, err)
	redeem := func() string {
		t.Helper()
		answer, err := http.PostForm(s.Microsoft.LoginURL()+"/"+world.FjordDirectory+"/oauth2/v2.0/token", url.Values{
			"client_id": {world.ApplicationID}, "client_secret": {"own~secret"}, "grant_type": {"refresh_token"},
			"refresh_token": {refreshToken}, "scope": {scope},
		})
		check(t, err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		check(t, err)
		return string(body)
	}
	if body := redeem(); !strings.Contains(body, "access_token") {
		t.Fatalf("a redemption for the customer answers %s, want a token", body)
	}
	for _, tc := range []struct{ id, code string }{{"customerblocks", "53003"}, {"relationship", "50020"}} {
		check(t, s.Set(tc.id, true))
		check(t, s.Microsoft.SetSecrets(world.ApplicationID, microsoft.Secret{Value: "own~secret"}))
		if body := redeem(); !strings.Contains(body, "["+tc.code+"]") {
			t.Errorf("with %s, a redemption for the customer answers %s, want AADSTS%s", tc.id, body, tc.code)
		}
		if tc.id == "customerblocks" {
			check(t, s.Set(tc.id, false))
		}
	}
}
