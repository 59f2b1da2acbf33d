package token_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

const day = 24 * time.Hour

func TestAGrantIsRenewedEveryTenDays(t *testing.T) {
	w := newWorld(t, openStore(t))
	w.consent(tenantID)
	before := w.grant(token.Active)
	w.advance(9 * day)
	w.must(w.tokens.Sweep(t.Context()))
	if got := w.grant(token.Active); got.RefreshToken != before.RefreshToken {
		t.Errorf("after 9 days the active grant was issued at %s, want it untouched", got.IssuedAt)
	}
	w.advance(day)
	w.must(w.tokens.Sweep(t.Context()))
	after := w.grant(token.Active)
	if !after.IssuedAt.Equal(w.now()) || after.ExpiresAt() != w.now().Add(90*day) {
		t.Errorf("after 10 days the active grant was issued at %s, want now; it expires at %s", after.IssuedAt, after.ExpiresAt())
	}
	if got := w.grant(token.Predecessor).RefreshToken; got != before.RefreshToken {
		t.Error("the predecessor is not the value that worked last")
	}
	if st := w.status(); st.NextRenewalAt != w.now().Add(10*day) || !st.LastRenewalAt.Equal(w.now()) || st.DaysLeft != 90 {
		t.Errorf("Status = next %s, last %s, %d days left", st.NextRenewalAt, st.LastRenewalAt, st.DaysLeft)
	}
	if after.ConsentedBy != person || after.AskedBy != "Rita" || after.Procedure != token.Automatic {
		t.Errorf("renewal changed the provenance to %+v", after)
	}
}

func TestTheStatusIsTrueAtEveryAge(t *testing.T) {
	w := newWorld(t, openStore(t))
	w.checkState(token.StateAbsent, failure.GrantAbsent)
	w.consent(tenantID)
	for _, step := range []struct {
		age   time.Duration
		state token.State
		code  failure.Code
	}{
		{0, token.StateActive, ""},
		{59 * day, token.StateActive, ""},
		{60 * day, token.StateExpiring, failure.GrantExpiring},
		{90*day - time.Second, token.StateExpiring, failure.GrantExpiring},
		{90 * day, token.StateExpired, failure.GrantExpired},
		{91 * day, token.StateExpired, failure.GrantExpired},
	} {
		w.advance(step.age - w.now().Sub(w.grant(token.Active).IssuedAt))
		w.checkState(step.state, step.code)
	}
}

func TestTransientTroubleIsRetriedEverMoreSeldomAndHeals(t *testing.T) {
	w := newWorld(t, openStore(t))
	w.consent(tenantID)
	w.microsoft.renew = func(string, token.API) error { return transient() }
	w.advance(10 * day)
	for _, wait := range []time.Duration{15 * time.Minute, time.Hour, 4 * time.Hour, day, day} {
		w.must(w.tokens.Sweep(t.Context()))
		w.checkState(token.StateRenewalFailing, failure.MicrosoftUnavailable)
		if got := w.status().NextRenewalAt.Sub(w.now()); got != wait {
			t.Errorf("the next attempt is in %s, want %s", got, wait)
		}
		w.advance(wait)
	}
	w.microsoft.renew = nil
	w.must(w.tokens.Sweep(t.Context()))
	w.checkState(token.StateActive, "")
}

func TestMicrosoftsRetryAfterIsHonoured(t *testing.T) {
	w := newWorld(t, openStore(t))
	w.consent(tenantID)
	w.microsoft.renew = func(string, token.API) error {
		f := failure.New(failure.MicrosoftThrottled)
		f.Microsoft = &failure.Evidence{Status: 429, RetryAfterSeconds: 7200}
		return f
	}
	w.advance(10 * day)
	w.must(w.tokens.Sweep(t.Context()))
	if got := w.status().NextRenewalAt.Sub(w.now()); got != 2*time.Hour {
		t.Errorf("the next attempt is in %s, want the two hours that Microsoft asked for", got)
	}
}

func TestAPermanentRefusalIsNotTriedAgain(t *testing.T) {
	w := newWorld(t, openStore(t))
	w.consent(tenantID)
	w.microsoft.renew = func(string, token.API) error { return revoked() }
	w.advance(10 * day)
	w.must(w.tokens.Sweep(t.Context()))
	w.checkState(token.StateActionRequired, failure.GrantRevoked)
	asked := len(w.microsoft.presented())
	for range 70 {
		w.advance(day)
		w.must(w.tokens.Sweep(t.Context()))
	}
	if got := len(w.microsoft.presented()); got != asked {
		t.Errorf("Microsoft was asked %d more times after its refusal", got-asked)
	}
	if _, err := w.lend(t.Context(), tenantID, token.Graph, borrower); !failure.Is(err, failure.GrantRevoked) {
		t.Errorf("Lend = %v, want the remembered refusal", err)
	}
	w.microsoft.renew = nil
	w.consent(tenantID)
	w.checkState(token.StateActive, "")
}

func TestAWrongConfigurationIsTriedOnceADay(t *testing.T) {
	w := newWorld(t, openStore(t))
	w.consent(tenantID)
	w.microsoft.renew = func(string, token.API) error { return failure.New(failure.ClientSecretExpired) }
	w.advance(10 * day)
	w.must(w.tokens.Sweep(t.Context()))
	w.checkState(token.StateMisconfigured, failure.ClientSecretExpired)
	if got := w.status().NextRenewalAt.Sub(w.now()); got != day {
		t.Errorf("the next attempt is in %s, want a day", got)
	}
}

func TestThePredecessorSavesAGrantWhoseSuccessorIsRefused(t *testing.T) {
	w := newWorld(t, openStore(t))
	w.consent(tenantID)
	w.advance(10 * day)
	w.must(w.tokens.Sweep(t.Context()))
	spoiled := w.grant(token.Active).RefreshToken.Reveal()
	w.microsoft.renew = func(refreshToken string, _ token.API) error {
		if refreshToken == spoiled {
			return revoked()
		}
		return nil
	}
	w.advance(10 * day)
	w.must(w.tokens.Sweep(t.Context()))
	w.checkState(token.StateActive, "")
	if got := w.grant(token.Active); !got.IssuedAt.Equal(w.now()) {
		t.Errorf("the active grant was issued at %s, want now", got.IssuedAt)
	}
}

func TestALostMFAShowsInTheStatus(t *testing.T) {
	w := newWorld(t, openStore(t))
	w.consent(tenantID)
	w.microsoft.probe = func(token.API) token.Probe { return token.Probe{Works: token.Yes, MFA: token.No} }
	w.advance(10 * day)
	w.must(w.tokens.Sweep(t.Context()))
	w.checkState(token.StateActionRequired, failure.MFARequired)
}

func TestALostMFAIsNotBackBeforeItIsSeen(t *testing.T) {
	w := newWorld(t, openStore(t))
	w.consent(tenantID)
	mfa := token.No
	w.microsoft.probe = func(api token.API) token.Probe {
		if w.grant(token.Active).Checks.MFA == token.No { // the successor is stored, and not examined yet
			w.checkState(token.StateActionRequired, failure.MFARequired)
		}
		return token.Probe{Works: token.Yes, MFA: mfa}
	}
	for range 2 {
		w.advance(10 * day)
		w.must(w.tokens.Sweep(t.Context()))
		w.checkState(token.StateActionRequired, failure.MFARequired)
	}
	mfa = token.Yes
	w.advance(10 * day)
	w.must(w.tokens.Sweep(t.Context()))
	w.checkState(token.StateActive, "")
}

func TestSettingsThatChangeUnderAGrantStopItsUse(t *testing.T) {
	w := newWorld(t, openStore(t))
	w.consent(tenantID)
	tn, err := w.store.Tenant(t.Context(), tenantID)
	w.must(err)
	tn.Directory, tn.DirectoryID = otherID, otherID
	w.must(w.store.SaveTenant(t.Context(), &tn))
	w.checkState(token.StateActionRequired, failure.DirectoryChanged)
	_, err = w.lend(t.Context(), tenantID, token.Graph, borrower)
	w.checkFailure("Lend", err, failure.DirectoryChanged)
}

func TestOneRenewalPerTenantAtATime(t *testing.T) { storetest.Each(t, oneRenewalAtATime) }

func oneRenewalAtATime(t *testing.T, db *storetest.Database) {
	w := newWorld(t, db.Open(t))
	w.consent(tenantID)
	inside, leave := make(chan struct{}), make(chan struct{})
	var once sync.Once
	w.microsoft.renew = func(string, token.API) error {
		once.Do(func() {
			close(inside)
			<-leave
		})
		return nil
	}
	first := make(chan error)
	go func() {
		_, err := w.tokens.Renew(context.Background(), tenantID, owner)
		first <- err
	}()
	<-inside
	_, err := w.service().Renew(t.Context(), tenantID, owner)
	w.checkFailure("the second Renew", err, failure.RenewalRunning)
	close(leave)
	if err := <-first; err != nil {
		t.Errorf("the first Renew = %v", err)
	}
}

func TestTheLeaseOfADeadReplicaRunsOut(t *testing.T) { storetest.Each(t, leaseRunsOut) }

func leaseRunsOut(t *testing.T, db *storetest.Database) {
	w := newWorld(t, db.Open(t))
	w.consent(tenantID)
	_, err := w.store.Lease(t.Context(), tenantID, "dead", w.now(), w.now().Add(5*time.Minute))
	w.must(err)
	_, err = w.tokens.Renew(t.Context(), tenantID, owner)
	w.checkFailure("Renew under a living lease", err, failure.RenewalRunning)
	w.advance(5*time.Minute + time.Millisecond)
	_, err = w.tokens.Renew(t.Context(), tenantID, owner)
	w.must(err)
}

func TestTwoReplicasRenewEveryTenantOnce(t *testing.T) { storetest.Each(t, twoReplicasRenewOnce) }

func twoReplicasRenewOnce(t *testing.T, db *storetest.Database) {
	w := newWorld(t, db.Open(t))
	ids := []string{tenantID}
	for i := range 20 {
		id := "tenant-" + string(rune('a'+i))
		ids = append(ids, id)
		w.addTenant(id, directoryOf(i))
	}
	w.microsoft.identity = func() (token.Identity, error) { return token.Identity{DirectoryID: directoryID, Person: person}, nil }
	for i, id := range ids {
		current := directoryID
		if i > 0 {
			current = directoryOf(i - 1)
		}
		w.microsoft.identity = func() (token.Identity, error) { return token.Identity{DirectoryID: current, Person: person}, nil }
		w.microsoft.claims = func() token.AccessTokenClaims {
			return token.AccessTokenClaims{Readable: true, DirectoryID: current, ApplicationID: applicationID, MFA: token.Yes}
		}
		w.consent(id)
	}
	w.advance(10 * day)
	var sweeps sync.WaitGroup
	for range 2 {
		replica := w.service()
		sweeps.Go(func() {
			if err := replica.Sweep(context.Background()); err != nil {
				t.Errorf("Sweep = %v", err)
			}
		})
	}
	sweeps.Wait()
	for _, id := range ids {
		renewed := 0
		events, err := w.tokens.History(t.Context(), id, time.Time{}, 100)
		w.must(err)
		for _, e := range events {
			if e.Action == audit.GrantRenewed {
				renewed++
			}
		}
		if renewed != 1 {
			t.Errorf("tenant %s was renewed %d times, want once", id, renewed)
		}
	}
}

func directoryOf(i int) string {
	return "99999999-0000-4000-8000-0000000000" + string(rune('a'+i)) + "0"
}

func TestForgetDestroysEveryCopy(t *testing.T) {
	w := newWorld(t, openStore(t))
	w.consent(tenantID)
	w.advance(10 * day)
	w.must(w.tokens.Sweep(t.Context()))
	st, err := w.tokens.Forget(t.Context(), tenantID, owner)
	w.must(err)
	if st.State != token.StateAbsent {
		t.Errorf("Forget = %s, want absent", st.State)
	}
	w.checkNothingStored()
	_, err = w.tokens.Renew(t.Context(), tenantID, owner)
	w.checkFailure("Renew", err, failure.GrantAbsent)
}

func TestCheckLearnsWithoutMovingTheRenewal(t *testing.T) {
	w := newWorld(t, openStore(t))
	w.consent(tenantID)
	due := w.status().NextRenewalAt
	w.advance(day)
	st, err := w.tokens.Check(t.Context(), tenantID, owner)
	w.must(err)
	if st.NextRenewalAt != due || !st.Checks.APIs[token.ARM].At.Equal(w.now()) {
		t.Errorf("Check = next renewal %s, ARM checked at %s; want %s and now", st.NextRenewalAt, st.Checks.APIs[token.ARM].At, due)
	}
}

func TestUnknownTenantsAreRefused(t *testing.T) {
	w := newWorld(t, openStore(t))
	for name, call := range map[string]func() error{
		"Status": func() error {
			_, err := w.tokens.Status(t.Context(), tenant.Resolved{Tenant: tenant.Tenant{ID: otherID}})
			return err
		},
		"Renew":   func() error { _, err := w.tokens.Renew(t.Context(), otherID, owner); return err },
		"Check":   func() error { _, err := w.tokens.Check(t.Context(), otherID, owner); return err },
		"Forget":  func() error { _, err := w.tokens.Forget(t.Context(), otherID, owner); return err },
		"History": func() error { _, err := w.tokens.History(t.Context(), otherID, time.Time{}, 1); return err },
		"Lend":    func() error { _, err := w.lend(t.Context(), otherID, token.ARM, borrower); return err },
	} {
		w.checkFailure(name, call(), failure.NotFound)
	}
}

func TestAChangeAndItsEventStandOrFallTogether(t *testing.T) {
	w := newWorld(t, openStore(t))
	w.consent(tenantID)
	failing := &brokenAudit{Store: w.store}
	s, err := token.New(token.Config{Store: failing, Microsoft: w.microsoft, Now: w.now})
	w.must(err)
	before := w.grant(token.Active)
	w.advance(10 * day)
	if _, err := s.Renew(t.Context(), tenantID, owner); !errors.Is(err, errAudit) {
		t.Fatalf("Renew = %v, want the audit's failure", err)
	}
	if got := w.grant(token.Active); got.Version != before.Version {
		t.Error("the grant changed although its event could not be written")
	}
}

var errAudit = errors.New("audit trail is full")

// brokenAudit is a store whose audit trail refuses.
type brokenAudit struct{ token.Store }

func (brokenAudit) AppendEvent(context.Context, audit.Event) error { return errAudit }

func TestAGrantThatNobodyClaimsIsDestroyed(t *testing.T) {
	w := newWorld(t, openStore(t))
	w.consent(tenantID)
	g, err := w.exchange()
	w.must(err)
	w.must(w.store.Transact(t.Context(), func(ctx context.Context) error { return w.tokens.StorePending(ctx, g) }))
	w.must(w.tokens.Purge(t.Context()))
	w.grant(token.Pending)
	w.advance(day + time.Millisecond)
	w.must(w.tokens.Purge(t.Context()))
	if _, err := w.store.Grant(t.Context(), tenantID, token.Pending); !errors.Is(err, tenant.ErrNotFound) {
		t.Errorf("Grant(pending) = %v, want not found", err)
	}
	w.grant(token.Active)
}
