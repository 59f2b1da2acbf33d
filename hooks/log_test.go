package hooks_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestObserve_OneRecordPerRequest(t *testing.T) {
	h := installed(t)
	a := h.accepted(request{method: http.MethodGet, path: "/tenant/" + tenantA + "/tokenStatus?x=c4n4ry", identity: userR2}, http.StatusOK)
	if n := strings.Count(h.log.String(), "\n"); n != 1 {
		t.Fatalf("log has %d records, want one:\n%s", n, h.log)
	}
	record := lastRecord(t, h)
	for key, want := range map[string]any{
		"level": "INFO", "method": "GET", "route": "/tenant/:id/tokenStatus", "status": 200.0, "instance": instanceA,
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
