package token_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// A stoppable is a Microsoft that cancels the sweep during each renewal, and then calls until before it answers.
type stoppable struct {
	*fakeMicrosoft
	stop  context.CancelFunc
	until func(ctx context.Context) error // called after stop; an error is the answer
}

// Renew implements token.Microsoft.
func (m *stoppable) Renew(ctx context.Context, c tenant.Client, refreshToken secret.Text, api token.API) (token.Redemption, error) {
	m.stop()
	if err := m.until(ctx); err != nil {
		return token.Redemption{}, err
	}
	return m.fakeMicrosoft.Renew(ctx, c, refreshToken, api)
}

// sweepStopped sweeps with one worker and stops the sweep meanwhile. It asserts that Sweep returns no other error.
func (h *harness) sweepStopped(grace time.Duration, until func(ctx context.Context) error) {
	h.Helper()
	ctx, stop := context.WithCancel(h.Context())
	defer stop()
	s := h.replica(token.Config{Microsoft: &stoppable{h.microsoft, stop, until}, Workers: 1, Grace: grace})
	if err := s.Sweep(ctx); err != nil && !errors.Is(err, context.Canceled) { // nil when all tenants were leased by then
		h.Errorf("Sweep() that was stopped = %v", err)
	}
}

func TestSweep_StoppedFinishesWhatItBeganAndReleasesTheRest(t *testing.T) {
	h := newHarness(t, openStore(t))
	ids := h.addDueTenants(6)
	h.advance(10 * day)
	h.sweepStopped(time.Hour, func(ctx context.Context) error { return ctx.Err() })
	if got := h.schedule(ids[0]); got.DueAt != h.now().Add(10*day) || got.LeaseOwner != "" {
		t.Errorf("the tenant whose renewal had begun is due at %s and leased to %q, want it renewed", got.DueAt, got.LeaseOwner)
	}
	for _, id := range ids[1:] {
		h.checkReleased(id)
	}
}

func TestSweep_StoppedReleasesWhatDoesNotFinishWithinGrace(t *testing.T) {
	h := newHarness(t, openStore(t))
	ids := h.addDueTenants(6)
	h.advance(10 * day)
	h.sweepStopped(time.Nanosecond, func(ctx context.Context) error {
		<-ctx.Done() // Microsoft does not answer
		return transient()
	})
	for _, id := range ids {
		h.checkReleased(id)
	}
	h.must(h.service().Sweep(t.Context()))
	for _, id := range ids {
		if got := h.schedule(id); got.DueAt != h.now().Add(10*day) {
			t.Errorf("tenant %s is due at %s, want it renewed by another replica", id, got.DueAt)
		}
	}
}

// TestSweep_StoppedRecordsNoFailureOfAnInterruptedCheck stops the sweep after the successor is stored, during its checks.
func TestSweep_StoppedRecordsNoFailureOfAnInterruptedCheck(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	checks := h.grant(token.Active).Checks
	h.advance(10 * day)
	first := true
	h.sweepStopped(time.Nanosecond, func(ctx context.Context) error {
		if first {
			first = false
			return nil
		}
		<-ctx.Done()
		return transient()
	})
	got := h.grant(token.Active)
	if !got.IssuedAt.Equal(h.now()) {
		t.Errorf("the active grant was issued at %s, want now, because Microsoft had answered", got.IssuedAt)
	}
	if got.Checks.APIs[token.ARM].Works != checks.APIs[token.ARM].Works {
		t.Errorf("ARM works: %s, want the result of the last check, %s", got.Checks.APIs[token.ARM].Works, checks.APIs[token.ARM].Works)
	}
	h.checkState(token.StateActive, "")
}

func TestSweep_ReleasesAndLeasesAgainWhatWaitedTooLong(t *testing.T) {
	h := newHarness(t, openStore(t))
	ids := h.addDueTenants(4)
	h.advance(10 * day)
	first := true
	h.microsoft.renew = func(string, token.API) error {
		if first {
			first = false
			h.advance(4 * time.Minute) // of a lease of five
		}
		return nil
	}
	h.must(h.replica(token.Config{Workers: 1}).Sweep(t.Context()))
	for _, id := range ids {
		if got := h.schedule(id); got.DueAt.Before(h.now().Add(9*day)) || got.LeaseOwner != "" {
			t.Errorf("tenant %s is due at %s and leased to %q, want it renewed", id, got.DueAt, got.LeaseOwner)
		}
	}
}

// TestRenew_StoppedMeanwhileTellsOfItsSuccess: whoever ends a command, or a call, while Microsoft answers hears that the token was
// renewed, which it was.
func TestRenew_StoppedMeanwhileTellsOfItsSuccess(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	before := h.grant(token.Active).IssuedAt
	h.advance(day)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	s := h.replica(token.Config{Microsoft: &stoppable{h.microsoft, stop, func(ctx context.Context) error { return ctx.Err() }}})
	status, err := s.Renew(ctx, tenantID, owner)
	if after := h.grant(token.Active).IssuedAt; err != nil || !after.After(before) || !status.IssuedAt.Equal(after) {
		t.Errorf("Renew() that was stopped = a token of %s, %v, want that of %s, which is stored", status.IssuedAt, err, after)
	}
}
