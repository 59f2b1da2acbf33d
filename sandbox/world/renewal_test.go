package world_test

import (
	"net/http"
	"testing"
	"time"

	"azure-partner-connector/sandbox/world"
)

// TestRenewal_TriggeredByThePlatform sets the connector's tick to a day and lets the platform call renewTokens: each call
// renews the due tenants.
func TestRenewal_TriggeredByThePlatform(t *testing.T) {
	w := start(t, world.Config{Tick: 24 * time.Hour})
	done, err := w.Register(t.Context(), nil)
	if err != nil {
		t.Fatalf("Register() = _, %v", err)
	}
	s := scenario{t, w}
	browser := world.NewBrowser()
	s.visit(browser, s.signIn(browser, s.begin(browser), right()))
	renewedAt := func() time.Time {
		var status struct{ LastRenewal struct{ At time.Time } }
		s.call(http.MethodGet, "tokenStatus", "", &status)
		return status.LastRenewal.At
	}
	for range 2 {
		w.Clock.Advance(12 * 24 * time.Hour)
		before := renewedAt()
		if answer := w.As(t.Context(), world.Petra, http.MethodGet, done.RootID, "renewTokens", nil); answer.Status != http.StatusOK {
			t.Fatalf("renewTokens = %d %s", answer.Status, answer.Body)
		}
		s.eventually("renewal", func() bool { return renewedAt().After(before) })
	}
}
