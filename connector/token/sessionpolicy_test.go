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

func TestFindSessionEnd_FindsPoliciesThatEndSessions(t *testing.T) {
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
		"no events":  {nil, 14, token.SessionEnd{}},
		"no consent": {[]audit.Event{refused(3, mfa)}, 14, token.SessionEnd{}},
		"the first sign-in ends": {
			[]audit.Event{granted(0)}, 14, token.SessionEnd{Age: 14 * day, Times: 1},
		},
		"two at the same age": {
			[]audit.Event{granted(0), refused(14, frequency), granted(20)}, 34, token.SessionEnd{Age: 14 * day, Times: 2},
		},
		"three within two days": {
			[]audit.Event{granted(0), refused(13, mfa), granted(20), refused(35, mfa), granted(40)}, 54, token.SessionEnd{Age: 14 * day, Times: 3},
		},
		"both codes": {
			[]audit.Event{granted(0), refused(14, mfa), granted(20)}, 34, token.SessionEnd{Age: 14 * day, Times: 2},
		},
		"at another age": {
			[]audit.Event{granted(0), refused(5, mfa), granted(20)}, 34, token.SessionEnd{Age: 14 * day, Times: 1},
		},
		"another age in between": {
			[]audit.Event{granted(0), refused(14, mfa), granted(20), refused(25, mfa), granted(30)}, 45, token.SessionEnd{Age: 15 * day, Times: 2},
		},
		"refused for other reasons": {
			[]audit.Event{granted(0), refused(14, failure.GrantRevoked), granted(20)}, 34, token.SessionEnd{Age: 14 * day, Times: 1},
		},
		"only the first refusal of a sign-in counts": {
			[]audit.Event{granted(0), refused(7, mfa), refused(14, mfa), granted(20)}, 34, token.SessionEnd{Age: 14 * day, Times: 1},
		},
		"refused again days later": {
			[]audit.Event{granted(0), refused(14, mfa), granted(20), refused(34, mfa)}, 41, token.SessionEnd{Age: 14 * day, Times: 2},
		},
		"a manual one counts from the sign-in": {
			[]audit.Event{granted(0), refused(14, mfa), manual(20), claimed(20.5)}, 34, token.SessionEnd{Age: 14 * day, Times: 2},
		},
		"an unclaimed manual one does not count": {
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

func TestSweep_NamesASessionPolicy(t *testing.T) {
	h := newHarness(t, openStore(t))
	consent := func() {
		t.Helper()
		h.microsoft.renew = nil
		h.consent(tenantID)
		h.must(h.store.AppendEvent(t.Context(), audit.Event{ID: random.ID(), At: h.now(), TenantID: tenantID, Action: audit.ConsentGranted}))
	}
	end := func() {
		t.Helper()
		h.microsoft.renew = func(string, token.API) error { return failure.New(failure.MFARequired) }
		h.must(h.tokens.Sweep(t.Context()))
	}
	consent()
	h.advance(10 * day)
	end()
	h.checkState(token.StateActionRequired, failure.MFARequired)

	h.advance(day)
	consent()
	h.checkState(token.StateActive, "")
	h.advance(10 * day)
	end()
	h.checkState(token.StateActionRequired, failure.SameAge)
	if got := h.status().Failure.Params; got["days"] != "10" || got["times"] != "2" {
		t.Errorf("the reason has %v, want 10 days, twice", got)
	}
	// The events keep what Microsoft answered, because the policy is detected in them.
	events, err := h.store.EventsOf(t.Context(), tenantID, []audit.Action{audit.RenewalFailed}, 10)
	h.must(err)
	if len(events) != 2 || events[0].Result != string(failure.MFARequired) {
		t.Errorf("EventsOf(renewal_failed) = %v, want two of mfa_required", events)
	}
}

func TestSweep_LostMFAIsInTheHistory(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	h.microsoft.probe = func(token.API) token.Probe { return token.Probe{Works: token.Yes, MFA: token.No} }
	h.advance(10 * day)
	h.must(h.tokens.Sweep(t.Context()))
	h.checkState(token.StateActionRequired, failure.MFARequired)
	events, err := h.store.Events(t.Context(), tenantID, time.Time{}, 1)
	h.must(err)
	if len(events) != 1 || events[0].Action != audit.RenewalFailed || events[0].Result != string(failure.MFARequired) {
		t.Errorf("the last event is %v, want a failed renewal without MFA", events)
	}
}
