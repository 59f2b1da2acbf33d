package hooks_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/failure"
)

func TestObserve_OneRecordPerRequest(t *testing.T) {
	h := installed(t)
	a := h.accepted(request{method: http.MethodGet, path: "/tenant/" + tenantA + "/tokenStatus?x=c4n4ry", identity: userR2}, http.StatusOK)
	if n := strings.Count(h.log.String(), "\n"); n != 1 {
		t.Fatalf("log has %d records, want one:\n%s", n, h.log)
	}
	record := lastRecord(t, h)
	for key, want := range map[string]any{
		"level": "INFO", "tenant": tenantA, "method": "GET", "route": "/tenant/:id/tokenStatus", "status": 200.0, "instance": instanceA,
		"transaction": "41873-2207", "reference": a.header.Get("X-Reference"),
	} {
		if record[key] != want {
			t.Errorf("record has %s = %v, want %v", key, record[key], want)
		}
	}
	if _, ok := record["dur"]; !ok {
		t.Errorf("record = %v, want the duration", record)
	}
}

// TestObserve_EveryRecordNamesTheTenant provisions one while the platform does not answer, which logs more than the request.
func TestObserve_EveryRecordNamesTheTenant(t *testing.T) {
	h := installed(t)
	h.accounts.err = failure.New(failure.PlatformUnavailable)
	before := len(h.log.String())
	h.send(request{method: http.MethodPost, path: "/tenant", body: tenantResource(unknownID, `"account":{"aps":{"id":"`+accountR2+`"}}`)})
	records := strings.Split(strings.TrimSpace(h.log.String()[before:]), "\n")
	if len(records) < 2 {
		t.Fatalf("log = %q, want a warning besides the record of the request", records)
	}
	for _, record := range records {
		if !strings.Contains(record, `"tenant":"`+unknownID+`"`) || !strings.Contains(record, `"reference":"`) {
			t.Errorf("record %s names no tenant or no reference", record)
		}
	}
	h.send(request{method: http.MethodGet, path: "/app/" + rootA})
	if record := lastRecord(t, h); record["tenant"] != nil {
		t.Errorf("the record of a request about the instance = %v, want no tenant", record)
	}
}

func TestObserve_LogsNoSecrets(t *testing.T) {
	h := installed(t)
	var sent []string
	send := func(r request) {
		r.nonce = "c4n4ry00000000000000000000000" + string(rune('a'+len(sent)))
		a := h.send(r)
		sent = append(sent, a.text)
	}
	send(request{method: http.MethodPost, path: "/app", body: appResource(`"applicationSecret":"c4n4ry"`)})
	send(request{method: http.MethodPut, path: "/app/" + rootA, body: appResource(`"applicationSecret":["c4n4ry"]`)})
	send(request{method: http.MethodPost, path: "/app", body: `{"aps":{"type":"` + appType + `","id":"` + rootA + `","x509":{"self":"c4n4ry"}}}`})
	send(request{method: http.MethodPost, path: "/tenant", body: tenantResource(unknownID, `"applicationSecret":"c4n4ry"`)})
	send(request{method: http.MethodPost, path: "/tenant/" + tenantA + "/redeem", identity: userR2, body: `{"code":"c4n4ry"}`})
	send(request{method: http.MethodPost, path: "/tenant/" + tenantA + "/redeem", identity: userR2, body: `{"code":c4n4ry}`})
	send(request{method: http.MethodPost, path: "/tenant/" + tenantA + "/accessToken", application: borrower, body: `{"api":"graph"}`})
	send(request{method: http.MethodGet, path: "/c4n4ry?c4n4ry"})
	send(request{method: http.MethodGet, path: "/tenant/c4n4ry", header: map[string]string{"APS-Transaction-ID": "41873 c4n4ry"}})
	send(request{method: http.MethodGet, path: "/tenant/" + tenantA, key: "c4n4ry", secret: "c4n4ry"})
	log := h.log.String()
	for _, canary := range []string{"c4n4ry", secretA, "oauth_", "OAuth o"} {
		if i := strings.Index(log, canary); i >= 0 {
			t.Errorf("log holds %q: …%s", canary, log[max(0, i-200):min(len(log), i+50)])
		}
	}
	for i, text := range sent {
		if i != 6 && strings.Contains(text, "c4n4ry") { // the requested access token
			t.Errorf("answer %d = %s, which contains a secret", i, text)
		}
	}
	if n := strings.Count(log, "\n"); n != len(sent) {
		t.Errorf("log has %d records, want %d", n, len(sent))
	}
}

func TestObserve_HealthProbesAreDebug(t *testing.T) {
	h := newHarness(t)
	h.accepted(request{method: http.MethodGet, path: "/", sign: func(*http.Request) {}}, http.StatusOK)
	if record := lastRecord(t, h); record["level"] != "DEBUG" {
		t.Errorf("record = %v, want level DEBUG", record)
	}
}

// TestObserve_SamplesUnsignedRequests floods the handler, as anybody can who knows its address.
func TestObserve_SamplesUnsignedRequests(t *testing.T) {
	h := installed(t)
	const flood = 500
	before := strings.Count(h.log.String(), "\n")
	for range flood {
		h.send(request{method: http.MethodPost, path: "/app", sign: func(*http.Request) {}})
	}
	written := strings.Count(h.log.String(), "\n") - before
	if written == 0 || written > 100 {
		t.Errorf("%d unsigned requests wrote %d records, want some of them", flood, written)
	}
	// Signed requests are always logged.
	for range 3 {
		h.accepted(request{method: http.MethodGet, path: "/tenant/" + tenantA + "/tokenStatus", identity: userR2}, http.StatusOK)
	}
	if signed := strings.Count(h.log.String(), "\n") - before - written; signed != 3 {
		t.Errorf("3 signed requests after the flood wrote %d records, want 3", signed)
	}
}

func TestAnswer_SaysWhenToRetry(t *testing.T) {
	h := installed(t)
	limited := failure.New(failure.TooManyRequests)
	limited.RetryAfter = 41*time.Second + time.Millisecond
	h.consents.err = limited
	a := h.refused(request{method: http.MethodPost, path: "/tenant/" + tenantA + "/consents", identity: userR2}, failure.TooManyRequests)
	if got := a.header.Get("Retry-After"); got != "42" {
		t.Errorf("Retry-After = %q, want 42", got)
	}
	if got := a.header.Get("APS-Transient-Error"); got != "" {
		t.Errorf("APS-Transient-Error = %q, want none: a later request is accepted", got)
	}
}
