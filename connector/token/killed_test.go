package token_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// A killedStore belongs to a process that is killed before or after its next transaction is committed: the process goes no further.
type killedStore struct {
	*store.Store
	commits bool
	reached chan struct{} // closed when the process is killed
	once    sync.Once
	over    <-chan struct{}
}

// Transact implements token.Store.
func (s *killedStore) Transact(ctx context.Context, fn func(ctx context.Context) error) error {
	if s.commits {
		if err := s.Store.Transact(ctx, fn); err != nil {
			return err
		}
	}
	s.once.Do(func() { close(s.reached) })
	<-s.over // the test is, too
	return context.Canceled
}

// TestLend_KilledBeforeOrAfterTheCommit kills a process that borrows for a customer after Microsoft's answer. Another process lends:
// from the successor if it was stored, else from the refresh token before, which Microsoft goes on accepting.
func TestLend_KilledBeforeOrAfterTheCommit(t *testing.T) {
	for name, commits := range map[string]bool{"before the commit": false, "after the commit": true} {
		t.Run(name, func(t *testing.T) {
			h := readyForCustomers(t)
			h.advance(time.Hour)
			before, due := h.grant(token.Active), h.schedule(tenantID)
			over := make(chan struct{})
			killed := &killedStore{Store: h.store, commits: commits, reached: make(chan struct{}), over: over}
			process := h.replica(token.Config{Store: killed})
			r, err := tenant.Resolve(t.Context(), h.store, tenantID)
			h.must(err)
			request := token.LoanRequest{API: token.ARM, Directory: customerID}
			ended := make(chan error, 1)
			go func() {
				_, err := process.Lend(context.WithoutCancel(t.Context()), r, request, borrower)
				ended <- err
			}()
			select {
			case <-killed.reached:
			case err := <-ended:
				t.Fatalf("Lend() = %v before it stored anything", err)
			}
			after := h.grant(token.Active)
			if stored := after.RefreshToken != before.RefreshToken; stored != commits {
				t.Errorf("the successor is stored: %t, want %t", stored, commits)
			}

			loan, err := h.lendARM(customerID)
			h.must(err)
			if presented := h.microsoft.presented(); loan.DirectoryID != customerID || presented[len(presented)-1] != after.RefreshToken.Reveal() {
				t.Errorf("another process lent for %s from another refresh token than the stored one", loan.DirectoryID)
			}
			if kept := h.grant(token.Predecessor); kept.RefreshToken != after.RefreshToken {
				t.Error("the predecessor is not the value that was redeemed last")
			}
			h.checkState(token.StateActive, "")
			if now := h.schedule(tenantID); now.Failure != nil || now.LeaseOwner != due.LeaseOwner {
				t.Errorf("the schedule is %+v, want one without a failure and without a lease", now)
			}
			events, err := h.store.EventsOf(t.Context(), tenantID, []audit.Action{audit.TokenLent, audit.GrantRotated}, 10)
			h.must(err)
			lent, rotated := 0, 0
			for _, e := range events {
				if e.Action == audit.TokenLent {
					lent++
				} else {
					rotated++
				}
			}
			want := 1
			if commits {
				want = 2
			}
			if lent != 1 || rotated != want {
				t.Errorf("%d lendings and %d rotations are recorded, want 1 and %d: of what was handed over, and stored", lent, rotated, want)
			}
			close(over)
			<-ended
		})
	}
}
