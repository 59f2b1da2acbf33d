package microsoft_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"azure-partner-connector/sandbox/microsoft"
)

func TestS24_RequestLogHasNoSecrets(t *testing.T) {
	w := newWorld(t)
	got := w.grant()
	token := got.text("refresh_token")
	w.ForgetRequests()
	r := w.tokenRequest(refreshForm(token))
	r.Header.Set("client-request-id", "id-1")
	r.Header.Set("User-Agent", "tester/1")
	w.do(r)
	bad := w.tokenRequest(refreshForm(token), "scope")
	bad.URL.RawQuery = url.Values{"refresh_token": {token}}.Encode()
	w.do(bad)
	w.profile(got.text("access_token"))
	log := w.Requests()
	if len(log) != 3 {
		t.Fatalf("Requests() = %+v, want three", log)
	}
	want := microsoft.Request{
		At: epoch, Host: microsoft.Login, Method: http.MethodPost, Path: "/" + contoso + "/oauth2/v2.0/token", Directory: contoso,
		GrantType: "refresh_token", Scope: "openid offline_access " + partnerCenterScope, ClientID: appID, ClientRequestID: "id-1",
		UserAgent: "tester/1", Status: 200,
	}
	if log[0] != want {
		t.Errorf("Requests()[0] = %+v, want %+v", log[0], want)
	}
	if !log[1].SecretInURL || log[1].Scope != "" || log[1].ErrorCode != 90009 || log[1].Status != 400 {
		t.Errorf("Requests()[1] = %+v, want a secret in the URL, no scope, 90009", log[1])
	}
	w.AddFault(microsoft.Unavailable(microsoft.Login))
	w.renew(token)
	if last := w.Requests()[3]; last.Status != 503 || !last.Faulty || last.GrantType != "refresh_token" || last.Scope == "" {
		t.Errorf("Requests()[3] = %+v, want the facts of a request that a fault answered", last)
	}
	if log[2].Host != microsoft.PartnerCenter || !log[2].ValidateMFA || log[2].RequestID != "r-1" {
		t.Errorf("Requests()[2] = %+v, want Partner Center with its headers", log[2])
	}
	text := fmt.Sprintf("%+v", log)
	for _, secret := range []string{token, appValue, got.text("access_token"), password} {
		if strings.Contains(text, secret) {
			t.Error("Requests() holds a secret")
		}
	}
}

// TestS37_PagesCutTheOpenerOff checks that the pages send what Microsoft's send: a window that opened them cannot look at it any
// more (docs/reference/microsoft-identity.md §9).
func TestS37_PagesCutTheOpenerOff(t *testing.T) {
	w := newWorld(t)
	if status, header, _ := w.openPage(w.browser(), w.authorizeURL()); status != http.StatusOK || header.Get("Cross-Origin-Opener-Policy") != "same-origin" {
		t.Errorf("the sign-in page = %d with the policy %q, want 200 with same-origin", status, header.Get("Cross-Origin-Opener-Policy"))
	}
}
