package token_test

import (
	"slices"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/token"
)

func TestFindSessionEnd(t *testing.T) {
	start := time.Date(2026, 6, 1, 8, 0, 0, 0, time.UTC)
	at := func(days float64) time.Time { return start.Add(time.Duration(days * float64(day))) }
	granted := func(days float64) audit.Event {
		return audit.Event{At: at(days), Action: audit.ConsentGranted, Result: audit.OK, Details: map[string]string{"procedure": "automatic"}}
	}
	manual := func(days float64) audit.Event {
		return audit.Event{At: at(days), Action: audit.ConsentGranted, Result: audit.OK, Details: map[string]string{"procedure": "manual"}}
	}
	claimed := func(days float64) audit.Event {
		return audit.Event{At: at(days), Action: audit.ClaimAccepted, Result: audit.OK}
	}
	refused := func(days float64, code failure.Code) audit.Event {
		return audit.Event{At: at(days), Action: audit.RenewalFailed, Result: string(code)}
	}
	const frequency, mfa = failure.SignInFrequency, failure.MFARequired
	for name, tc := range map[string]struct {
		events []audit.Event // oldest first, for reading
		now    float64
		want   token.SessionEnd
	}{
		"nothing is known":   {nil, 14, token.SessionEnd{}},
		"no consent is seen": {[]audit.Event{refused(3, mfa)}, 14, token.SessionEnd{}},
		"the first sign-in ends": {
			[]audit.Event{granted(0)}, 14, token.SessionEnd{Age: 14 * day, Times: 1},
		},
		"two at the same age": {
			[]audit.Event{granted(0), refused(14, frequency), granted(20)}, 34, token.SessionEnd{Age: 14 * day, Times: 2},
		},
		"three within two days": {
			[]audit.Event{granted(0), refused(13, mfa), granted(20), refused(35, mfa), granted(40)}, 54, token.SessionEnd{Age: 14 * day, Times: 3},
		},
		"policies of both names": {
			[]audit.Event{granted(0), refused(14, mfa), granted(20)}, 34, token.SessionEnd{Age: 14 * day, Times: 2},
		},
		"at another age": {
			[]audit.Event{granted(0), refused(5, mfa), granted(20)}, 34, token.SessionEnd{Age: 14 * day, Times: 1},
		},
		"one among others": {
			[]audit.Event{granted(0), refused(14, mfa), granted(20), refused(25, mfa), granted(30)}, 45, token.SessionEnd{Age: 15 * day, Times: 2},
		},
		"refused for other reasons": {
			[]audit.Event{granted(0), refused(14, failure.GrantRevoked), granted(20)}, 34, token.SessionEnd{Age: 14 * day, Times: 1},
		},
		"only the first refusal of a sign-in counts": {
			[]audit.Event{granted(0), refused(7, mfa), refused(14, mfa), granted(20)}, 34, token.SessionEnd{Age: 14 * day, Times: 1},
		},
		"asked again days after the refusal": {
			[]audit.Event{granted(0), refused(14, mfa), granted(20), refused(34, mfa)}, 41, token.SessionEnd{Age: 14 * day, Times: 2},
		},
		"a manual one counts from the sign-in": {
			[]audit.Event{granted(0), refused(14, mfa), manual(20), claimed(20.5)}, 34, token.SessionEnd{Age: 14 * day, Times: 2},
		},
		"a manual one that nobody claimed is none": {
			[]audit.Event{granted(0), manual(10)}, 14, token.SessionEnd{Age: 14 * day, Times: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			newestFirst := slices.Clone(tc.events)
			slices.Reverse(newestFirst)
			if got := token.FindSessionEnd(newestFirst, at(tc.now)); got != tc.want {
				t.Errorf("FindSessionEnd(%v, day %v) = %+v, want %+v", tc.events, tc.now, got, tc.want)
			}
		})
	}
}

func TestAPolicyThatEndsEverySignInIsNamed(t *testing.T) {
	w := newWorld(t, openStore(t))
	consent := func() {
		t.Helper()
		w.microsoft.renew = nil
		w.consent(tenantID)
		w.must(w.store.AppendEvent(t.Context(), audit.Event{ID: random.ID(), At: w.now(), TenantID: tenantID, Action: audit.ConsentGranted}))
	}
	end := func() {
		t.Helper()
		w.microsoft.renew = func(string, token.API) error { return failure.New(failure.MFARequired) }
		w.must(w.tokens.Sweep(t.Context()))
	}
	consent()
	w.advance(10 * day)
	end()
	w.checkState(token.StateActionRequired, failure.MFARequired)

	w.advance(day)
	consent()
	w.checkState(token.StateActive, "")
	w.advance(10 * day)
	end()
	w.checkState(token.StateActionRequired, failure.SameAge)
	if got := w.status().Failure.Params; got["days"] != "10" || got["times"] != "2" {
		t.Errorf("the reason tells %v, want 10 days, twice", got)
	}
	// The audit trail keeps what Microsoft said: the pattern is found in it.
	events, err := w.store.EventsOf(t.Context(), tenantID, []audit.Action{audit.RenewalFailed}, 10)
	w.must(err)
	if len(events) != 2 || events[0].Result != string(failure.MFARequired) {
		t.Errorf("EventsOf(renewal_failed) = %v, want two of mfa_required", events)
	}
}

func TestALostMFAIsInTheAuditTrail(t *testing.T) {
	w := newWorld(t, openStore(t))
	w.consent(tenantID)
	w.microsoft.claims = func() token.AccessTokenClaims {
		return token.AccessTokenClaims{Readable: true, DirectoryID: directoryID, ApplicationID: applicationID, MFA: token.No}
	}
	w.advance(10 * day)
	w.must(w.tokens.Sweep(t.Context()))
	w.checkState(token.StateActionRequired, failure.MFARequired)
	events, err := w.store.Events(t.Context(), tenantID, time.Time{}, 1)
	w.must(err)
	if len(events) != 1 || events[0].Action != audit.RenewalFailed || events[0].Result != string(failure.MFARequired) {
		t.Errorf("the last event is %v, want a renewal that failed for want of MFA", events)
	}
}
