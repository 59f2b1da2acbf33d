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

func TestSweep_RenewsEveryTenDays(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	before := h.grant(token.Active)
	h.advance(9 * day)
	h.must(h.tokens.Sweep(t.Context()))
	if got := h.grant(token.Active); got.RefreshToken != before.RefreshToken {
		t.Errorf("after 9 days the active grant was issued at %s, want it unchanged", got.IssuedAt)
	}
	h.advance(day)
	h.must(h.tokens.Sweep(t.Context()))
	after := h.grant(token.Active)
	if !after.IssuedAt.Equal(h.now()) || after.ExpiresAt() != h.now().Add(90*day) {
		t.Errorf("after 10 days the active grant was issued at %s, want now; it expires at %s", after.IssuedAt, after.ExpiresAt())
	}
	asked := h.microsoft.presented()
	if got := h.grant(token.Predecessor).RefreshToken.Reveal(); got != asked[len(asked)-1] {
		t.Error("the predecessor is not the value that worked last")
	}
	if st := h.status(); st.NextRenewalAt != h.now().Add(10*day) || !st.LastRenewalAt.Equal(h.now()) || st.DaysLeft != 90 {
		t.Errorf("Status = next %s, last %s, %d days left", st.NextRenewalAt, st.LastRenewalAt, st.DaysLeft)
	}
	if after.ConsentedBy != person || after.AskedBy != "Rita" || after.Procedure != token.Automatic {
		t.Errorf("renewal changed the provenance to %+v", after)
	}
}

func TestStatus_AtEveryAge(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.checkState(token.StateAbsent, failure.GrantAbsent)
	h.consent(tenantID)
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
		h.advance(step.age - h.now().Sub(h.grant(token.Active).IssuedAt))
		h.checkState(step.state, step.code)
	}
}

func TestSweep_RetriesTransientFailuresWithGrowingWaits(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	h.microsoft.renew = func(string, token.API) error { return transient() }
	h.advance(10 * day)
	for _, wait := range []time.Duration{15 * time.Minute, time.Hour, 4 * time.Hour, day, day} {
		h.must(h.tokens.Sweep(t.Context()))
		h.checkState(token.StateRenewalFailing, failure.MicrosoftUnavailable)
		if got := h.status().NextRenewalAt.Sub(h.now()); got != wait {
			t.Errorf("the next attempt is in %s, want %s", got, wait)
		}
		h.advance(wait)
	}
	h.microsoft.renew = nil
	h.must(h.tokens.Sweep(t.Context()))
	h.checkState(token.StateActive, "")
}

func TestSweep_HonoursRetryAfter(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	h.microsoft.renew = func(string, token.API) error {
		f := failure.New(failure.MicrosoftThrottled)
		f.Microsoft = &failure.Evidence{Status: 429, RetryAfterSeconds: 7200}
		return f
	}
	h.advance(10 * day)
	h.must(h.tokens.Sweep(t.Context()))
	if got := h.status().NextRenewalAt.Sub(h.now()); got != 2*time.Hour {
		t.Errorf("the next attempt is in %s, want the two hours that Microsoft asked for", got)
	}
}

func TestSweep_DoesNotRetryAPermanentRefusal(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	h.microsoft.renew = func(string, token.API) error { return revoked() }
	h.advance(10 * day)
	h.must(h.tokens.Sweep(t.Context()))
	h.checkState(token.StateActionRequired, failure.GrantRevoked)
	asked := len(h.microsoft.presented())
	for range 70 {
		h.advance(day)
		h.must(h.tokens.Sweep(t.Context()))
	}
	if got := len(h.microsoft.presented()); got != asked {
		t.Errorf("Microsoft was asked %d more times after its refusal", got-asked)
	}
	if _, err := h.lend(t.Context(), tenantID, token.Graph, borrower); !failure.Is(err, failure.GrantRevoked) {
		t.Errorf("Lend = %v, want the stored refusal", err)
	}
	h.microsoft.renew = nil
	h.consent(tenantID)
	h.checkState(token.StateActive, "")
}

func TestSweep_RetriesAConfigurationFailureOnceADay(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	h.microsoft.renew = func(string, token.API) error { return failure.New(failure.ClientSecretExpired) }
	h.advance(10 * day)
	h.must(h.tokens.Sweep(t.Context()))
	h.checkState(token.StateMisconfigured, failure.ClientSecretExpired)
	if got := h.status().NextRenewalAt.Sub(h.now()); got != day {
		t.Errorf("the next attempt is in %s, want a day", got)
	}
}

// A policy that was lifted heals by itself: the same value works again.
func TestSweep_RetriesOnceADayWhatAPolicyRefuses(t *testing.T) {
	for _, code := range []failure.Code{
		failure.AccessBlocked, failure.DeviceRequired, failure.TokenProtection, failure.MFARequired, failure.ExternalMFA,
		failure.SignInFrequency, failure.AccountAtRisk,
	} {
		t.Run(string(code), func(t *testing.T) {
			h := newHarness(t, openStore(t))
			h.consent(tenantID)
			h.microsoft.renew = func(string, token.API) error { return failure.New(code) }
			h.advance(12 * day)
			for range 3 {
				h.must(h.tokens.Sweep(t.Context()))
				h.checkState(token.StateActionRequired, code)
				if got := h.status().NextRenewalAt.Sub(h.now()); got != day {
					t.Fatalf("the next attempt is in %s, want a day", got)
				}
				h.advance(day)
			}
			h.microsoft.renew = nil
			h.must(h.tokens.Sweep(t.Context()))
			h.checkState(token.StateActive, "")
		})
	}
}

func TestSweep_StopsRetryingAPolicyAtTheEndOfTheValue(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	h.microsoft.renew = func(string, token.API) error { return failure.New(failure.AccessBlocked) }
	h.advance(90 * day)
	h.must(h.tokens.Sweep(t.Context()))
	if got := h.status().NextRenewalAt; !got.IsZero() {
		t.Errorf("the next attempt is at %s, want none", got)
	}
}

// Nothing but a new sign-in repairs these, so Microsoft is not asked again.
func TestSweep_NeverRetriesWhatOnlyASignInRepairs(t *testing.T) {
	for _, code := range []failure.Code{
		failure.GrantExpired, failure.GrantRevoked, failure.AccountDisabled, failure.AccountOutside, failure.DeviceDisabled,
		failure.ConsentMissing, failure.SignInRequired,
	} {
		t.Run(string(code), func(t *testing.T) {
			h := newHarness(t, openStore(t))
			h.consent(tenantID)
			h.microsoft.renew = func(string, token.API) error { return failure.New(code) }
			h.advance(12 * day)
			h.must(h.tokens.Sweep(t.Context()))
			h.checkState(token.StateActionRequired, code)
			if got := h.status().NextRenewalAt; !got.IsZero() {
				t.Errorf("the next attempt is at %s, want none", got)
			}
		})
	}
}

func TestSweep_FallsBackToThePredecessor(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	h.advance(10 * day)
	h.must(h.tokens.Sweep(t.Context()))
	spoiled := h.grant(token.Active).RefreshToken.Reveal()
	h.microsoft.renew = func(refreshToken string, _ token.API) error {
		if refreshToken == spoiled {
			return revoked()
		}
		return nil
	}
	h.advance(10 * day)
	h.must(h.tokens.Sweep(t.Context()))
	h.checkState(token.StateActive, "")
	if got := h.grant(token.Active); !got.IssuedAt.Equal(h.now()) {
		t.Errorf("the active grant was issued at %s, want now", got.IssuedAt)
	}
}

func TestSweep_LostMFAShowsInTheStatus(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	h.microsoft.probe = func(token.API) token.Probe { return token.Probe{Works: token.Yes, MFA: token.No} }
	h.advance(10 * day)
	h.must(h.tokens.Sweep(t.Context()))
	h.checkState(token.StateActionRequired, failure.MFARequired)
}

func TestSweep_LostMFAStaysUntilACheckFindsIt(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	mfa := token.No
	h.microsoft.probe = func(api token.API) token.Probe {
		if h.grant(token.Active).Checks.MFA == token.No { // the successor is stored and not checked yet
			h.checkState(token.StateActionRequired, failure.MFARequired)
		}
		return token.Probe{Works: token.Yes, MFA: mfa}
	}
	for range 2 {
		h.advance(10 * day)
		h.must(h.tokens.Sweep(t.Context()))
		h.checkState(token.StateActionRequired, failure.MFARequired)
	}
	mfa = token.Yes
	h.advance(10 * day)
	h.must(h.tokens.Sweep(t.Context()))
	h.checkState(token.StateActive, "")
}

func TestStatus_ChangedSettingsMakeAGrantUnusable(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	tn, err := h.store.Tenant(t.Context(), tenantID)
	h.must(err)
	tn.Directory, tn.DirectoryID = otherID, otherID
	h.must(h.store.SaveTenant(t.Context(), &tn))
	h.checkState(token.StateActionRequired, failure.DirectoryChanged)
	_, err = h.lend(t.Context(), tenantID, token.Graph, borrower)
	h.checkFailure("Lend", err, failure.DirectoryChanged)
	// Set back without its proof, which another tenant may have by now.
	tn.SetDirectory(otherID, otherID)
	tn.SetDirectory(directoryID, directoryID)
	h.must(h.store.SaveTenant(t.Context(), &tn))
	h.checkState(token.StateMisconfigured, failure.DirectoryRefused)
	_, err = h.lend(t.Context(), tenantID, token.Graph, borrower)
	h.checkFailure("Lend", err, failure.DirectoryRefused)
}

func TestRenew_OneAtATimePerTenant(t *testing.T) { storetest.Each(t, oneRenewalAtATime) }

func oneRenewalAtATime(t *testing.T, db *storetest.Database) {
	h := newHarness(t, db.Open(t))
	h.consent(tenantID)
	inside, leave := make(chan struct{}), make(chan struct{})
	var once sync.Once
	h.microsoft.renew = func(string, token.API) error {
		once.Do(func() {
			close(inside)
			<-leave
		})
		return nil
	}
	first := make(chan error)
	go func() {
		_, err := h.tokens.Renew(context.Background(), tenantID, owner)
		first <- err
	}()
	<-inside
	_, err := h.service().Renew(t.Context(), tenantID, owner)
	h.checkFailure("the second Renew", err, failure.RenewalRunning)
	close(leave)
	if err := <-first; err != nil {
		t.Errorf("the first Renew = %v", err)
	}
}

func TestRenew_LeaseOfAKilledReplicaRunsOut(t *testing.T) { storetest.Each(t, leaseRunsOut) }

func leaseRunsOut(t *testing.T, db *storetest.Database) {
	h := newHarness(t, db.Open(t))
	h.consent(tenantID)
	_, err := h.store.Lease(t.Context(), tenantID, "killed", h.now(), h.now().Add(5*time.Minute))
	h.must(err)
	_, err = h.tokens.Renew(t.Context(), tenantID, owner)
	h.checkFailure("Renew during a lease", err, failure.RenewalRunning)
	h.advance(5*time.Minute + time.Millisecond)
	_, err = h.tokens.Renew(t.Context(), tenantID, owner)
	h.must(err)
}

func TestSweep_TwoReplicasRenewEveryTenantOnce(t *testing.T) { storetest.Each(t, twoReplicasRenewOnce) }

func twoReplicasRenewOnce(t *testing.T, db *storetest.Database) {
	h := newHarness(t, db.Open(t))
	ids := []string{tenantID}
	for i := range 20 {
		id := "tenant-" + string(rune('a'+i))
		ids = append(ids, id)
		h.addTenant(id, directoryOf(i))
	}
	h.microsoft.identity = func() (token.Identity, error) { return token.Identity{DirectoryID: directoryID, Person: person}, nil }
	for i, id := range ids {
		current := directoryID
		if i > 0 {
			current = directoryOf(i - 1)
		}
		h.microsoft.identity = func() (token.Identity, error) { return token.Identity{DirectoryID: current, Person: person}, nil }
		h.microsoft.claims = func() token.AccessTokenClaims {
			return token.AccessTokenClaims{Readable: true, DirectoryID: current, ApplicationID: applicationID, MFA: token.Yes}
		}
		h.consent(id)
	}
	h.advance(10 * day)
	var sweeps sync.WaitGroup
	for range 2 {
		replica := h.service()
		sweeps.Go(func() {
			if err := replica.Sweep(context.Background()); err != nil {
				t.Errorf("Sweep = %v", err)
			}
		})
	}
	sweeps.Wait()
	for _, id := range ids {
		renewed := 0
		events, err := h.tokens.History(t.Context(), id, time.Time{}, 100)
		h.must(err)
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

func TestForget_DeletesEveryCopy(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	h.advance(10 * day)
	h.must(h.tokens.Sweep(t.Context()))
	st, err := h.tokens.Forget(t.Context(), tenantID, owner)
	h.must(err)
	if st.State != token.StateAbsent {
		t.Errorf("Forget = %s, want absent", st.State)
	}
	h.checkNothingStored()
	_, err = h.tokens.Renew(t.Context(), tenantID, owner)
	h.checkFailure("Renew", err, failure.GrantAbsent)
}

func TestCheck_LeavesTheScheduleUnchanged(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	due := h.status().NextRenewalAt
	h.advance(day)
	st, err := h.tokens.Check(t.Context(), tenantID, owner)
	h.must(err)
	if st.NextRenewalAt != due || !st.Checks.APIs[token.ARM].At.Equal(h.now()) {
		t.Errorf("Check = next renewal %s, ARM checked at %s; want %s and now", st.NextRenewalAt, st.Checks.APIs[token.ARM].At, due)
	}
}

func TestService_RefusesUnknownTenants(t *testing.T) {
	h := newHarness(t, openStore(t))
	for name, call := range map[string]func() error{
		"Status": func() error {
			_, err := h.tokens.Status(t.Context(), tenant.Resolved{Tenant: tenant.Tenant{ID: otherID}})
			return err
		},
		"Renew":   func() error { _, err := h.tokens.Renew(t.Context(), otherID, owner); return err },
		"Check":   func() error { _, err := h.tokens.Check(t.Context(), otherID, owner); return err },
		"Forget":  func() error { _, err := h.tokens.Forget(t.Context(), otherID, owner); return err },
		"History": func() error { _, err := h.tokens.History(t.Context(), otherID, time.Time{}, 1); return err },
		"Lend":    func() error { _, err := h.lend(t.Context(), otherID, token.ARM, borrower); return err },
	} {
		h.checkFailure(name, call(), failure.NotFound)
	}
}

func TestRenew_ChangeAndEventAreAtomic(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	failing := &failingTrail{Store: h.store}
	s, err := token.New(token.Config{Store: failing, Microsoft: h.microsoft, Now: h.now})
	h.must(err)
	before := h.grant(token.Active)
	h.advance(10 * day)
	if _, err := s.Renew(t.Context(), tenantID, owner); !errors.Is(err, errAudit) {
		t.Fatalf("Renew = %v, want the audit's failure", err)
	}
	if got := h.grant(token.Active); got.Version != before.Version {
		t.Error("the grant changed although its event could not be appended")
	}
}

var errAudit = errors.New("audit trail is full")

// A failingTrail is a store that cannot append events.
type failingTrail struct{ token.Store }

func (failingTrail) AppendEvent(context.Context, audit.Event) error { return errAudit }
