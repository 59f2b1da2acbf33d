package hooks_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/token"
)

// goingOn is a link whose consent waits for its code, and a running automatic consent.
func goingOn() consent.Current {
	at := time.Date(2026, 11, 23, 8, 10, 0, 0, time.UTC)
	running := consent.Attempt{Ends: token.Manual}
	running.Consent = consent.Consent{ID: unknownID, TenantID: tenantA, Procedure: token.Automatic, Status: consent.Waiting, CreatedAt: at, ExpiresAt: at.Add(15 * time.Minute)}
	running.Progress = consent.Opened
	return consent.Current{
		Link: &consent.OpenLink{
			Begun:    consent.Begun{ID: unknownID, URL: "https://connector.example.com/consent/c4n4ry", ExpiresAt: at.AddDate(0, 0, 7)},
			OpenedAt: at, ConsentedBy: token.Person{ObjectID: "oid-1"}, ConsentedAt: at.Add(time.Minute),
		},
		Automatic: &running,
	}
}

func TestTokenStatus_TellsTheOwnerWhatGoesOn(t *testing.T) {
	h := installed(t)
	read := request{method: http.MethodGet, path: "/tenant/" + tenantA + "/tokenStatus", identity: userR2}
	if diff := cmp.Diff(map[string]any{"link": nil, "automatic": nil}, h.accepted(read, http.StatusOK).json(t)["consents"]); diff != "" {
		t.Errorf("consents of a tenant without any (-want +got):\n%s", diff)
	}
	h.consents.current = goingOn()
	want := map[string]any{
		"link": map[string]any{
			"url": "https://connector.example.com/consent/c4n4ry", "expiresAt": "2026-11-30T08:10:00Z", "openedAt": "2026-11-23T08:10:00Z",
			"consentedBy": map[string]any{"username": "oid-1", "name": ""}, "consentedAt": "2026-11-23T08:11:00Z",
		},
		"automatic": map[string]any{
			"id": unknownID, "procedure": "automatic", "status": "waiting", "consentedBy": nil, "failure": nil, "progress": "opened",
			"begunAt": "2026-11-23T08:10:00Z", "expiresAt": "2026-11-23T08:25:00Z", "ends": "manual",
		},
	}
	if diff := cmp.Diff(want, h.accepted(read, http.StatusOK).json(t)["consents"]); diff != "" {
		t.Errorf("consents (-want +got):\n%s", diff)
	}
	h.consents.err = failure.New(failure.InternalError)
	h.refused(read, failure.InternalError)
}

// The link asks whoever opens it to consent in the owner's name, so its address is the owner's alone.
func TestTokenStatus_ConsentsOnlyForOwnersAtVersion2(t *testing.T) {
	read := request{method: http.MethodGet, path: "/tenant/" + tenantA + "/tokenStatus"}
	h, old := installed(t), atVersion1(t)
	h.consents.current, old.consents.current = goingOn(), goingOn()
	for name, tc := range map[string]struct {
		h      *harness
		change func(*request)
	}{
		"parent":              {h, func(r *request) { r.identity = userR1 }},
		"provider":            {h, func(r *request) { r.identity = userP }},
		"borrower":            {h, func(r *request) { r.header = map[string]string{"APS-Application-ID": borrower} }},
		"owner, at version 1": {old, func(r *request) { r.identity = userR2 }},
	} {
		r := read
		tc.change(&r)
		a := tc.h.accepted(r, http.StatusOK)
		if _, has := a.json(t)["consents"]; has || strings.Contains(a.text, "c4n4ry") {
			t.Errorf("%s sees the consents", name)
		}
	}
}
