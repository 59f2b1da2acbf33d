package world_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/sandbox/browser"
	"azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/platform"
	"azure-partner-connector/sandbox/world"
)

// eventually waits until done, for work that the connector does in the background.
func (s scenario) eventually(what string, done func() bool) {
	s.Helper()
	deadline := time.NewTimer(browser.WaitLimit)
	defer deadline.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !done() {
		select {
		case <-deadline.C:
			s.Fatalf("no %[2]s after %[1]s", browser.WaitLimit, what)
		case <-again.C:
		}
	}
}

// pushed waits until the platform's copy of the tenant has a state, and returns the copy.
func (s scenario) pushed(state string) map[string]any {
	s.Helper()
	var resource map[string]any
	s.eventually("copy of the state "+state, func() bool {
		resource, _ = s.Platform.Resource(s.tenant())
		return resource["tokenStatus"] == state
	})
	return resource
}

// shown returns the notices in Rita's panel, without those for all accounts.
func (s scenario) shown() []platform.Notification {
	var own []platform.Notification
	for _, n := range s.Platform.Notifications(s.TenantOf(world.Rita).AccountID) {
		if n.AccountID != "" {
			own = append(own, n)
		}
	}
	return own
}

// checkShown waits until Rita's panel shows a number of notices and checks the last one.
func (s scenario) checkShown(count int, status, message string) {
	s.Helper()
	s.eventually(fmt.Sprintf("notice number %d", count), func() bool { return len(s.shown()) >= count })
	shown := s.shown()
	last := shown[len(shown)-1]
	if len(shown) != count || last.Status != status || last.Message.Message != message || last.Details == nil {
		s.Errorf("the panel shows %d notices, the last %s %q, want %d, the last %s %q with details", len(shown), last.Status, last.Message.Message, count, status, message)
	}
}

func (s scenario) consent() {
	s.Helper()
	s.visit(s.freshSignIn())
	s.checkState("active")
}

func TestNotices_PlatformAndPeople(t *testing.T) {
	s := newScenario(t)
	s.pushed("absent")
	s.consent()
	if got := s.pushed("active"); got["tokenReason"] != "" || !strings.HasPrefix(fmt.Sprint(got["tokenExpiresAt"]), s.Clock.Now().Add(90*24*time.Hour).UTC().Format("2006-01-02")) {
		t.Errorf("the platform's copy says reason %v and expiry %v, want none and in 90 days", got["tokenReason"], got["tokenExpiresAt"])
	}

	check(t, s.Microsoft.RevokeSessions(world.AlpineAdmin))
	answer := s.As(t.Context(), world.Rita, http.MethodPost, s.tenant(), "renew", nil)
	if answer.Status == http.StatusOK {
		t.Fatalf("renew = %d %s, want a refusal", answer.Status, answer.Body)
	}
	if got := s.pushed("action_required"); got["tokenReason"] != "grant_revoked" {
		t.Errorf("the platform's copy says reason %v, want grant_revoked", got["tokenReason"])
	}
	s.checkShown(1, "error", "The refresh token of Alpine Cloud needs a new sign-in.")

	s.eventually("mail to the operator", func() bool {
		mails := s.Mails()
		return len(mails) > 0 && strings.Contains(mails[len(mails)-1].Subject, "Alpine Cloud needs a new sign-in") && strings.Contains(mails[len(mails)-1].Text, "grant_revoked")
	})

	s.consent()
	s.pushed("active")
	s.checkShown(2, "ready", "The refresh token of Alpine Cloud works again.")

	// The other reseller is not notified.
	if got := s.Platform.Notifications(s.TenantOf(world.Bjorn).AccountID); len(got) != 0 {
		t.Errorf("Björn's panel shows %v, want nothing", got)
	}
}

// TestNotices_SurviveARestart continues where a stopped connector left off, and repeats nothing.
func TestNotices_SurviveARestart(t *testing.T) {
	s := newScenario(t)
	s.consent()
	check(t, s.Microsoft.RevokeSessions(world.AlpineAdmin))
	s.As(t.Context(), world.Rita, http.MethodPost, s.tenant(), "renew", nil)
	s.checkShown(1, "error", "The refresh token of Alpine Cloud needs a new sign-in.")
	check(t, s.Restart(t.Context()))
	s.Clock.Advance(60 * 24 * time.Hour)
	s.checkShown(2, "ready", "The refresh token of Alpine Cloud expires in 30 days.")
}

// TestNotices_RelationshipsEnd warns the reseller of a relationship that ends, which the connector reads from the simulated Graph,
// once.
func TestNotices_RelationshipsEnd(t *testing.T) {
	s := newScenario(t)
	installed, err := s.Register(t.Context(), nil)
	check(t, err)
	check(t, s.Platform.Configure(t.Context(), "", installed.RootID, map[string]any{"customerDirectories": "listed"}))
	check(t, s.Microsoft.SetRelationship(microsoft.Relationship{Partner: world.AlpineDirectory, Customer: world.FjordDirectory, EndsAt: s.Clock.Now().Add(33 * 24 * time.Hour)}))
	s.consent()
	s.pushed("active")
	if got := s.shown(); len(got) != 0 {
		t.Fatalf("the panel shows %+v, want nothing 33 days before", got)
	}
	s.Clock.Advance(3 * 24 * time.Hour)
	s.checkShown(1, "ready", "Relationships (GDAP) of Alpine Cloud with customers end soon: 1.")
	if details := s.shown()[0].Details; !strings.Contains(details.Message, "Fjord Foods: until ") {
		t.Errorf("the details are %q, want the customer and the end", details.Message)
	}
	check(t, s.Restart(t.Context()))
	s.Clock.Advance(24 * 24 * time.Hour)
	s.checkShown(2, "ready", "Relationships (GDAP) of Alpine Cloud with customers end soon: 1.")
	if history := s.As(t.Context(), world.Rita, http.MethodGet, s.tenant(), "history", nil); strings.Count(string(history.Body), "customer.relationships_ending") != 2 {
		t.Errorf("the history is %s, want both warnings", history.Body)
	}
}

// TestNotices_InstanceCredential: in a new sandbox the credential expires after a year.
func TestNotices_InstanceCredential(t *testing.T) {
	s := newScenario(t)
	s.pushed("absent")
	s.Clock.Advance(310 * 24 * time.Hour)
	provider := s.Platform.Provider().ID
	s.eventually("warning of the credential", func() bool { return len(s.Platform.Notifications(provider)) > 0 })
	shown := s.Platform.Notifications(provider)
	if len(shown) != 1 || shown[0].AccountID != provider || !strings.Contains(shown[0].Message.Message, "The client secret of the Microsoft application of instance") {
		t.Errorf("the provider's panel shows %+v, want one warning of the credential", shown)
	}
	if got := s.shown(); len(got) != 0 {
		t.Errorf("Rita's panel shows %+v, want nothing of what only the provider can repair", got)
	}
}
