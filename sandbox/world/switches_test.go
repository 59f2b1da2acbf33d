package world_test

import (
	"encoding/json"
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

// TestSwitches_Borrow lets the Azure CSP application borrow and call Azure, for the partner and for a customer, with all that has
// to be true before. What the drawer shows never has the access token.
func TestSwitches_Borrow(t *testing.T) {
	s := newScenario(t)
	shows := func(id, status string, texts ...string) {
		t.Helper()
		check(t, s.Set(id, true))
		shown := s.Drawer().Borrowed
		if shown == nil || !strings.HasPrefix(shown.Status, status) || (shown.ExpiresAt != nil) != (status == "200") {
			t.Fatalf("%s shows %+v, want %s", id, shown, status)
		}
		for _, text := range texts {
			if !strings.Contains(shown.Body, text) {
				t.Errorf("%s shows %s, want %s in it", id, shown.Body, text)
			}
		}
		if strings.Contains(shown.Body, "eyJ") || strings.Contains(shown.Body, "accessToken") {
			t.Errorf("%s shows an access token: %s", id, shown.Body)
		}
	}
	if s.Drawer().Borrowed != nil {
		t.Error("the drawer shows an answer before anything was asked")
	}
	shows("borrow", "409", "grant_absent")
	s.visit(s.freshSignIn())
	s.checkState("active")
	shows("borrow", "200", world.AlpineDirectory)
	shows("borrowcustomer", "403", "customers_not_allowed")
	check(t, s.Set("customers", true))
	shows("borrowcustomer", "409", "customer_consent_missing")
	answer := s.As(t.Context(), world.Rita, http.MethodPost, s.tenant(), "customers/"+world.FjordDirectory+"/consent", []byte("{}"))
	if answer.Status != http.StatusOK {
		t.Fatalf("consenting for the customer = %d %s", answer.Status, answer.Body)
	}
	shows("borrowcustomer", "200", world.FjordSubscription)
	check(t, s.Set("customerblocks", true))
	s.Clock.Advance(2 * time.Hour) // until the access token has ended
	shows("borrowcustomer", "409", "customer_access_blocked")
	check(t, s.Set("customerblocks", false))

	ends := func() (autoExtends bool, after time.Duration) {
		t.Helper()
		s.Clock.Advance(time.Minute)
		var page struct {
			Customers []struct {
				EndsAt      time.Time
				AutoExtends bool
			}
		}
		answer := s.As(t.Context(), world.Rita, http.MethodGet, s.tenant(), "customers", nil)
		if err := json.Unmarshal(answer.Body, &page); err != nil || len(page.Customers) != 1 {
			t.Fatalf("customers = %d %s, %v, want one", answer.Status, answer.Body, err)
		}
		return page.Customers[0].AutoExtends, page.Customers[0].EndsAt.Sub(s.Clock.Now()).Round(24 * time.Hour)
	}
	check(t, s.Set("relationshipends", true))
	if extends, after := ends(); extends || after != 20*24*time.Hour {
		t.Errorf("the relationship ends after %s, extends itself: %t, want 20 days and not", after, extends)
	}
	check(t, s.Set("relationshiprenewed", true))
	if extends, after := ends(); !extends || after < 700*24*time.Hour {
		t.Errorf("the relationship ends after %s, extends itself: %t, want two years and that it does", after, extends)
	}
	check(t, s.Set("customers", false))
	s.Clock.Advance(2 * time.Hour)
	shows("borrowcustomer", "403", "customers_not_allowed")
}
