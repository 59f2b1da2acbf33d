package token_test

import (
	"testing"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// suspend suspends or resumes a tenant as the platform does.
func (h *harness) suspend(suspended bool) {
	h.Helper()
	t, err := h.store.Tenant(h.Context(), tenantID)
	h.must(err)
	t.SuspendedAt = time.Time{}
	if suspended {
		t.SuspendedAt = h.now()
	}
	h.must(h.store.SaveTenant(h.Context(), &t))
}

func TestSuspended_NothingIsLent(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	_, err := h.lend(t.Context(), tenantID, token.Graph, borrower) // is cached now
	h.must(err)
	h.suspend(true)
	before := len(h.microsoft.presented())
	for _, api := range token.APIs() {
		_, err := h.lend(t.Context(), tenantID, api, borrower)
		h.checkFailure("Lend of a suspended tenant", err, failure.Suspended)
	}
	if asked := len(h.microsoft.presented()) - before; asked != 0 {
		t.Errorf("Microsoft was asked %d times, want never", asked)
	}
	h.suspend(false)
	if _, err := h.lend(t.Context(), tenantID, token.Graph, borrower); err != nil {
		t.Errorf("Lend of a resumed tenant = %v, want a token", err)
	}
}

func TestSuspended_Status(t *testing.T) {
	h := newHarness(t, openStore(t))
	h.consent(tenantID)
	status := func() token.Status {
		t.Helper()
		r, err := tenant.Resolve(t.Context(), h.store, tenantID)
		h.must(err)
		s, err := h.tokens.Status(t.Context(), r)
		h.must(err)
		return s
	}
	for version, want := range map[string]token.State{"2-1": token.StateSuspended, "1-1": token.StateMisconfigured} {
		in, err := h.store.Instance(t.Context(), instanceKey)
		h.must(err)
		in.PackageVersion = version
		h.must(h.store.SaveInstance(t.Context(), &in))
		h.suspend(true)
		if s := status(); s.State != want || !s.Failure.Is(failure.Suspended) || s.ExpiresAt.IsZero() {
			t.Errorf("status at package %s = %s %+v, want %s with the end of the token", version, s.State, s.Failure, want)
		}
		h.suspend(false)
		if s := status(); s.State != token.StateActive {
			t.Errorf("status of a resumed tenant = %s, want active", s.State)
		}
	}
}

// TestSuspended_Renewal renews a suspended tenant unless the instance says otherwise; then it is renewed within an hour after it
// was resumed.
func TestSuspended_Renewal(t *testing.T) {
	for name, renew := range map[string]bool{"goes on": true, "stops": false} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, openStore(t))
			h.consent(tenantID)
			var err error
			h.tokens, err = token.New(token.Config{
				Store: h.store, Microsoft: h.microsoft, Now: h.now, Rand: func() float64 { return 0.5 },
				RenewSuspended: func(key string) bool { return renew || key != instanceKey },
			})
			h.must(err)
			h.suspend(true)
			h.advance(11 * day)
			before := len(h.microsoft.presented())
			h.must(h.tokens.Sweep(t.Context()))
			if asked := len(h.microsoft.presented()) > before; asked != renew {
				t.Errorf("Microsoft was asked: %t, want %t", asked, renew)
			}
			if _, err := h.tokens.Renew(t.Context(), tenantID, borrower); renew && err != nil || !renew && !failure.Is(err, failure.Suspended) {
				t.Errorf("Renew = %v", err)
			}
			if renew {
				return
			}
			h.suspend(false)
			h.advance(time.Hour)
			h.must(h.tokens.Sweep(t.Context()))
			if len(h.microsoft.presented()) == before {
				t.Error("a resumed tenant was not renewed an hour later")
			}
		})
	}
}
