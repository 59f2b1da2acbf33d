package token_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/token"
)

var olga = audit.Actor{Kind: audit.Operator, ID: "olga", Name: "Olga"}

// TestPauseRenewals_HoldsEverySweep pauses at one replica; another one sweeps. The pause ends automatically.
func TestPauseRenewals_HoldsEverySweep(t *testing.T) {
	h := newHarness(t, openStore(t))
	ids := h.addDueTenants(3)
	other := h.replica(token.Config{})
	h.advance(10 * day)
	p, err := h.tokens.PauseRenewals(t.Context(), token.Pause{Reason: "maintenance"}, olga)
	h.must(err)
	if p.Until != h.now().Add(token.UsualPause) || p.By != "Olga" {
		t.Errorf("PauseRenewals() = %+v, want one day, by Olga", p)
	}
	h.must(other.Sweep(t.Context()))
	if got := h.microsoft.presented(); len(got) != 0 {
		t.Fatalf("during the pause, %d tokens were renewed, want none", len(got))
	}
	for _, id := range ids {
		if got := h.schedule(id); got.LeaseOwner != "" || got.Attempt != 0 || got.Failure != nil || !got.DueAt.After(h.now()) {
			t.Errorf("during the pause, the schedule of %s is %+v, want postponed, not leased, without a failure", id, got)
		}
	}
	if _, err := h.tokens.Renew(t.Context(), ids[0], olga); err != nil {
		t.Errorf("Renew() by a person during the pause = %v, want nil", err)
	}
	pauses, err := other.Pauses(t.Context())
	if err != nil || len(pauses) != 1 || pauses[0] != p {
		t.Errorf("Pauses() = %+v, %v, want %+v", pauses, err, p)
	}
	h.advance(token.UsualPause)
	if pauses, err := other.Pauses(t.Context()); err != nil || len(pauses) != 0 {
		t.Errorf("Pauses() after the end = %+v, %v, want none", pauses, err)
	}
	h.must(other.Sweep(t.Context()))
	for _, id := range ids {
		if got := h.schedule(id); !got.DueAt.After(h.now().Add(day)) {
			t.Errorf("after the pause, %s is due at %s, want renewed", id, got.DueAt)
		}
	}
}

func TestPauseRenewals_OfOneCloud(t *testing.T) {
	h := newHarness(t, openStore(t))
	ids := h.addDueTenants(1)
	h.advance(10 * day)
	_, err := h.tokens.PauseRenewals(t.Context(), token.Pause{Cloud: "china"}, olga)
	h.must(err)
	h.must(h.tokens.Sweep(t.Context()))
	if len(h.microsoft.presented()) == 0 {
		t.Error("a pause of another cloud holds a renewal")
	}
	h.advance(11 * day)
	_, err = h.tokens.PauseRenewals(t.Context(), token.Pause{Cloud: "global"}, olga)
	h.must(err)
	before := len(h.microsoft.presented())
	h.must(h.tokens.Sweep(t.Context()))
	if len(h.microsoft.presented()) != before || h.schedule(ids[0]).DueAt.After(h.now().Add(time.Hour)) {
		t.Errorf("during a pause of its cloud, the tenant was renewed or is due at %s, want soon", h.schedule(ids[0]).DueAt)
	}
	ended, err := h.tokens.ResumeRenewals(t.Context(), "global", olga)
	if err != nil || len(ended) != 1 || ended[0].Cloud != "global" {
		t.Errorf("ResumeRenewals(global) = %+v, %v, want the one of that cloud", ended, err)
	}
	if again, err := h.tokens.ResumeRenewals(t.Context(), "global", olga); err != nil || len(again) != 0 {
		t.Errorf("second ResumeRenewals(global) = %+v, %v, want none", again, err)
	}
	h.advance(10 * time.Minute)
	h.must(h.tokens.Sweep(t.Context()))
	if len(h.microsoft.presented()) == before {
		t.Error("ten minutes after a pause was ended early, the tenant is not renewed")
	}
}

// TestPauseRenewals_KillsNoToken has a token that would end within a day after the pause.
func TestPauseRenewals_KillsNoToken(t *testing.T) {
	h := newHarness(t, openStore(t))
	var log bytes.Buffer
	tokens := h.replica(token.Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
	ids := h.addDueTenants(2) // issued two days and one day ago
	h.advance(token.Life - 2*day - time.Hour)
	_, err := tokens.PauseRenewals(t.Context(), token.Pause{Until: h.now().Add(50 * time.Minute)}, olga)
	h.must(err)
	h.advance(30 * time.Minute)
	h.must(tokens.Sweep(t.Context()))
	if got := h.schedule(ids[0]).LastSuccessAt; got.IsZero() {
		t.Error("a token that ends during the pause was not renewed")
	}
	if got := h.schedule(ids[1]).LastSuccessAt; !got.IsZero() {
		t.Error("a token that works for more than a day after the pause was renewed")
	}
	if !strings.Contains(log.String(), "in spite of the pause") || !strings.Contains(log.String(), ids[0]) {
		t.Errorf("log = %s, want a warning about %s", &log, ids[0])
	}
}

func TestPauseRenewals_Refuses(t *testing.T) {
	h := newHarness(t, openStore(t))
	for name, p := range map[string]token.Pause{
		"an end in the past": {Until: h.now()},
		"no near end":        {Until: h.now().Add(token.LongestPause + time.Second)},
		"a long reason":      {Reason: strings.Repeat("x", 501)},
	} {
		if _, err := h.tokens.PauseRenewals(t.Context(), p, olga); !failure.Is(err, failure.BadRequest) {
			t.Errorf("PauseRenewals() with %s = %v, want %s", name, err, failure.BadRequest)
		}
	}
	// A pause that a wrong clock stored has no effect.
	h.must(h.store.SavePause(t.Context(), token.Pause{Until: h.now().AddDate(1, 0, 0)}))
	if pauses, err := h.tokens.Pauses(t.Context()); err != nil || len(pauses) != 0 {
		t.Errorf("Pauses() with one of a wrong clock = %+v, %v, want none", pauses, err)
	}
}

// TestSweep_LogsTheFirstPermanentFailure: one ERROR names the tenant, the code and the reference; repetitions are warnings.
func TestSweep_LogsTheFirstPermanentFailure(t *testing.T) {
	h := newHarness(t, openStore(t))
	var log bytes.Buffer
	tokens := h.replica(token.Config{Log: slog.New(slog.NewJSONHandler(&log, nil))})
	ids := h.addDueTenants(1)
	errorsLogged := func() (records []map[string]any) {
		t.Helper()
		for line := range strings.Lines(log.String()) {
			record := map[string]any{}
			h.must(json.Unmarshal([]byte(line), &record))
			if record["level"] == "ERROR" {
				records = append(records, record)
			}
		}
		return records
	}
	h.advance(10 * day)
	h.microsoft.renew = func(string, token.API) error { return transient() }
	h.must(tokens.Sweep(t.Context()))
	if got := errorsLogged(); len(got) != 0 {
		t.Errorf("a transient failure logged the errors %v, want none", got)
	}
	h.advance(day)
	h.microsoft.renew = func(string, token.API) error { return failure.New(failure.MFARequired) }
	h.must(tokens.Sweep(t.Context()))
	h.microsoft.renew = func(string, token.API) error { return failure.New(failure.ClientSecretExpired) }
	_, err := tokens.Renew(t.Context(), ids[0], olga)
	h.checkFailure("Renew()", err, failure.ClientSecretExpired)
	h.advance(2 * day)
	h.must(tokens.Sweep(t.Context()))
	got := errorsLogged()
	if len(got) != 2 {
		t.Fatalf("two permanent failures, one of them twice, logged the errors %v, want 2", got)
	}
	for i, code := range []failure.Code{failure.MFARequired, failure.ClientSecretExpired} {
		if r := got[i]; r["tenant"] != ids[0] || r["name"] != "Reseller "+ids[0] || r["code"] != string(code) || r["reference"] == nil {
			t.Errorf("error %d = %v, want tenant, name, code %s and reference", i, r, code)
		}
	}
}
