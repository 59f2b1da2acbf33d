package world_test

import (
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"regexp"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/sandbox/world"
)

// openAsProvider opens the list of resellers in the panel.
func (s scenario) openAsProvider() {
	s.Helper()
	jar, err := cookiejar.New(nil)
	check(s.T, err)
	client := &http.Client{Jar: jar}
	answer, err := client.Post(s.PanelURL+"/panel/api/session", "application/json", strings.NewReader(`{"user":"`+s.User(world.Petra).ID+`"}`))
	check(s.T, err)
	var in struct{ Token string }
	check(s.T, json.NewDecoder(answer.Body).Decode(&in))
	check(s.T, answer.Body.Close())
	list, err := http.NewRequestWithContext(s.Context(), http.MethodGet, s.PanelURL+"/aps/2/resources/"+s.root()+"/tenants?limit=10", nil)
	check(s.T, err)
	list.Header.Set("APS-Token", in.Token)
	answer, err = client.Do(list)
	check(s.T, err)
	check(s.T, answer.Body.Close())
	if answer.StatusCode != http.StatusOK {
		s.Fatalf("the list of resellers answers %d", answer.StatusCode)
	}
}

// TestTour_CountsEachStepInItsTurn takes the tour, and checks that each step counts when it was done, and none before its turn.
func TestTour_CountsEachStepInItsTurn(t *testing.T) {
	s := newScenario(t)
	done := func() (steps []string) {
		for _, step := range s.Drawer().Tour {
			if step.Done {
				steps = append(steps, step.ID)
			}
		}
		return steps
	}
	reaches := func(id string, steps int) {
		t.Helper()
		for ; ; <-time.After(50 * time.Millisecond) {
			got := done()
			if len(got) == steps && got[steps-1] == id {
				return
			}
			if len(got) > steps {
				t.Fatalf("after %q, the steps %q are done, want %d", id, got, steps)
			}
		}
	}
	check(t, s.Set("suspend", true)) // too early
	check(t, s.Set("suspend", false))
	check(t, s.Set("revoke", true))
	if got := done(); len(got) != 0 {
		t.Fatalf("steps %q are done before any, want none", got)
	}
	s.visit(s.freshSignIn())
	reaches("consent", 1)
	act := func(i int) {
		t.Helper()
		step := s.Drawer().Tour[i]
		if step.Advance != "" {
			by, err := time.ParseDuration(step.Advance)
			check(t, err)
			s.Advance(by)
			return
		}
		check(t, s.Set(step.Switch, true))
	}
	act(1)
	reaches("renewal", 2)
	act(2)
	reaches("borrow", 3)
	act(3)
	reaches("revoke", 4)
	s.Advance(time.Minute)
	s.As(t.Context(), world.Rita, http.MethodPost, s.tenant(), "check", nil)
	reaches("alarm", 5)

	var link struct{ URL string }
	s.call(http.MethodPost, "consentLink", "", &link)
	browser := world.NewBrowser()
	page := s.visit(browser, s.signIn(browser, attempt{URL: link.URL}, right()))
	var redeemed struct{}
	s.call(http.MethodPost, "redeem", `{"code":"`+regexp.MustCompile(`[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}`).FindString(page.Text)+`"}`, &redeemed)
	reaches("manual", 6)
	s.openAsProvider()
	reaches("provider", 7)
	act(7)
	reaches("suspend", 8)
}
