package notify_test

import (
	"context"
	"testing"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/token"
)

// A suspendingStore calls resume while it first leases an announcement: the process, or the server, was suspended.
type suspendingStore struct {
	*store.Store
	resume func()
}

// LeaseAnnouncement implements notify.Store.
func (s *suspendingStore) LeaseAnnouncement(ctx context.Context, subject notify.Subject, owner string, now, until time.Time) (notify.Announcement, error) {
	if s.resume != nil {
		defer s.resume()
	}
	return s.Store.LeaseAnnouncement(ctx, subject, owner, now, until)
}

func TestSweep_ResumedWhileAnotherSends(t *testing.T) {
	h := newHarness(t, storetest.New(t))
	h.sweep()
	h.fails(token.StateActionRequired, failure.GrantRevoked)
	subject := notify.Subject{Kind: notify.OfTenant, ID: h.tenantID}
	later := h.now().Add(time.Hour)
	_, err := h.store.LeaseAnnouncement(t.Context(), subject, "another", later, later.Add(token.LongestLease))
	h.must(err)
	resumed := false
	suspended, err := notify.New(notify.Config{
		Store: &suspendingStore{Store: h.store, resume: func() {
			if !resumed {
				h.advance(time.Hour)
			}
			resumed = true
		}},
		Statuses: h, Platform: h, Channels: []notify.Channel{h.panel, h.mail}, Now: h.now,
		Properties: func(token.Status) map[string]any { return map[string]any{} },
	})
	h.must(err)
	h.must(suspended.Sweep(t.Context()))
	h.checkSent()
	if !resumed {
		t.Error("Sweep() tried no lease, so that this test shows nothing")
	}
}
