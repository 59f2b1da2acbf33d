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

// A stoppable Microsoft ends the process's work in the middle of its first answer, and goes on as a test wants.
type stoppable struct {
	*microsoft
	stop  context.CancelFunc
	until func(ctx context.Context) error // how it goes on after stop
}

// Renew implements token.Microsoft.
func (m *stoppable) Renew(ctx context.Context, c tenant.Client, refreshToken secret.Text, api token.API) (token.Redemption, error) {
	m.stop()
	if err := m.until(ctx); err != nil {
		return token.Redemption{}, err
	}
	return m.microsoft.Renew(ctx, c, refreshToken, api)
}

// stopped sweeps with one worker while the process is told to stop. The sweep tells no error but that.
func (w *world) stopped(grace time.Duration, until func(ctx context.Context) error) {
	w.Helper()
	ctx, stop := context.WithCancel(w.Context())
	defer stop()
	s := w.replica(token.Config{Microsoft: &stoppable{w.microsoft, stop, until}, Workers: 1, Grace: grace})
	if err := s.Sweep(ctx); err != nil && !errors.Is(err, context.Canceled) { // nil when all was claimed by then
		w.Errorf("Sweep() that was stopped = %v", err)
	}
}

func TestAProcessThatStopsFinishesWhatItBeganAndGivesBackTheRest(t *testing.T) {
	w := newWorld(t, openStore(t))
	ids := w.crowd(6)
	w.advance(10 * day)
	w.stopped(time.Hour, func(ctx context.Context) error { return ctx.Err() })
	if got := w.schedule(ids[0]); got.DueAt != w.now().Add(10*day) || got.LeaseOwner != "" {
		t.Errorf("what was begun is due at %s and held by %q, want it renewed", got.DueAt, got.LeaseOwner)
	}
	for _, id := range ids[1:] {
		w.checkGivenBack(id)
	}
}

func TestAProcessThatStopsGivesBackWhatDoesNotFinishInTime(t *testing.T) {
	w := newWorld(t, openStore(t))
	ids := w.crowd(6)
	w.advance(10 * day)
	w.stopped(time.Nanosecond, func(ctx context.Context) error {
		<-ctx.Done() // Microsoft does not answer
		return transient()
	})
	for _, id := range ids {
		w.checkGivenBack(id)
	}
	w.must(w.service().Sweep(t.Context()))
	for _, id := range ids {
		if got := w.schedule(id); got.DueAt != w.now().Add(10*day) {
			t.Errorf("tenant %s is due at %s, want it renewed by another replica", id, got.DueAt)
		}
	}
}

// TestNothingCutOffIsWrittenDownAsTrouble stops the process after the successor is stored, while its use is examined.
func TestNothingCutOffIsWrittenDownAsTrouble(t *testing.T) {
	w := newWorld(t, openStore(t))
	w.consent(tenantID)
	checks := w.grant(token.Active).Checks
	w.advance(10 * day)
	first := true
	w.stopped(time.Nanosecond, func(ctx context.Context) error {
		if first {
			first = false
			return nil
		}
		<-ctx.Done()
		return transient()
	})
	got := w.grant(token.Active)
	if !got.IssuedAt.Equal(w.now()) {
		t.Errorf("the active grant was issued at %s, want now: Microsoft had answered", got.IssuedAt)
	}
	if got.Checks.APIs[token.ARM].Works != checks.APIs[token.ARM].Works {
		t.Errorf("ARM works: %s, want what was known before, %s", got.Checks.APIs[token.ARM].Works, checks.APIs[token.ARM].Works)
	}
	w.checkState(token.StateActive, "")
}

func TestWhatWaitedTooLongIsGivenBackAndClaimedAgain(t *testing.T) {
	w := newWorld(t, openStore(t))
	ids := w.crowd(4)
	w.advance(10 * day)
	first := true
	w.microsoft.renew = func(string, token.API) error {
		if first {
			first = false
			w.advance(4 * time.Minute) // of a lease of five
		}
		return nil
	}
	w.must(w.replica(token.Config{Workers: 1}).Sweep(t.Context()))
	for _, id := range ids {
		if got := w.schedule(id); got.DueAt.Before(w.now().Add(9*day)) || got.LeaseOwner != "" {
			t.Errorf("tenant %s is due at %s and held by %q, want it renewed", id, got.DueAt, got.LeaseOwner)
		}
	}
}
