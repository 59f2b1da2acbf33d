package token_test

import (
	"context"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/token"
)

// A suspendingStore calls resume while the first statement runs that compares stored times with the current one: the process,
// or the server, was suspended, and the statement compared a time that is out of date.
type suspendingStore struct {
	*store.Store
	resume func()
}

func (s *suspendingStore) resumed() {
	if s.resume != nil {
		s.resume()
		s.resume = nil
	}
}

// LeaseDue implements token.Store.
func (s *suspendingStore) LeaseDue(ctx context.Context, owner string, now, until time.Time, limit int) ([]token.Job, error) {
	defer s.resumed()
	return s.Store.LeaseDue(ctx, owner, now, until, limit)
}

// Lease implements token.Store.
func (s *suspendingStore) Lease(ctx context.Context, tenantID, owner string, now, until time.Time) (token.Schedule, error) {
	defer s.resumed()
	return s.Store.Lease(ctx, tenantID, owner, now, until)
}

// Unclaimed implements token.Store.
func (s *suspendingStore) Unclaimed(ctx context.Context, before, after time.Time, limit int) ([]token.Grant, error) {
	defer s.resumed()
	return s.Store.Unclaimed(ctx, before, after, limit)
}

// suspended returns a replica that was suspended a day ago. What other replicas do from now on happens before it resumes.
func (h *harness) suspended() *token.Service {
	h.Helper()
	return h.replica(token.Config{Store: &suspendingStore{Store: h.store, resume: func() { h.advance(day) }}})
}

// goBack lets a suspended replica compare the time at which it was suspended.
func (h *harness) goBack() { h.advance(-day) }

func TestSweep_ResumedAfterOthersHaveRenewed(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	h.advance(11 * day)
	suspended := h.suspended()
	h.must(h.service().Sweep(t.Context()))
	before, asked := h.schedule(tenantID), len(h.microsoft.presented())
	h.goBack()
	h.must(suspended.Sweep(t.Context()))
	if after := h.schedule(tenantID); after != before {
		t.Errorf("Sweep() changed the schedule to %+v, want still %+v", after, before)
	}
	if got := len(h.microsoft.presented()); got != asked {
		t.Errorf("Sweep() redeemed %d values, want none: another replica has renewed the token", got-asked)
	}
}

func TestRenew_ResumedWhileAnotherRenews(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	h.advance(5 * day)
	suspended := h.suspended()
	_, err := h.store.Lease(t.Context(), tenantID, "another", h.now(), h.now().Add(token.LongestLease))
	h.must(err)
	h.goBack()
	_, err = suspended.Renew(t.Context(), tenantID, audit.Actor{Kind: audit.User, Name: "Rita"})
	h.checkFailure("Renew() while another has the lease", err, failure.RenewalRunning)
	if got := h.schedule(tenantID).LeaseOwner; got != "another" {
		t.Errorf("the lease belongs to %q, want another", got)
	}
}

func TestPurge_ResumedAfterAConsent(t *testing.T) {
	h := newHarness(t, openStore(t))
	suspended := h.suspended()
	g, err := h.exchange()
	h.must(err)
	h.must(h.store.Transact(t.Context(), func(ctx context.Context) error { return h.tokens.StorePending(ctx, g) }))
	h.goBack()
	h.must(suspended.Purge(t.Context()))
	h.grant(token.Pending)
}
