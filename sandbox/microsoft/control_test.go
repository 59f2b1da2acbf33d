package microsoft_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"azure-partner-connector/sandbox/microsoft"
)

// control calls the control API.
func (w *world) control(method, path, body string) answer {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.ControlURL()+path, strings.NewReader(body))
	w.must(err)
	return w.do(r)
}

func TestControl_RefusesInvalidRequests(t *testing.T) {
	w := newWorld(t)
	for name, tc := range map[string]struct {
		method, path, body string
		want               int
	}{
		"no JSON":           {http.MethodPost, "/_sim/faults", "{", 400},
		"unknown member":    {http.MethodPost, "/_sim/faults", `{"bang":true}`, 400},
		"a bare number":     {http.MethodPost, "/_sim/faults", `{"delay":5}`, 400},
		"unknown user":      {http.MethodPost, "/_sim/users/nobody@x.example/revoke", "", 404},
		"unknown MFA":       {http.MethodPost, "/_sim/users/" + admin + "/mfa", `{"mfa":"maybe"}`, 400},
		"unknown directory": {http.MethodPost, "/_sim/directories/nowhere/policy", `{}`, 404},
		"unknown refusal":   {http.MethodPost, "/_sim/users/" + admin + "/refuse", `{"code":1}`, 400},
		"unknown scope":     {http.MethodPost, "/_sim/directories/" + contoso + "/withdraw", `{"application":"` + appID + `","scopes":["https://graph.microsoft.com/Nothing"]}`, 400},
		"unknown oddity":    {http.MethodPost, "/_sim/oddities", `{"strange":true}`, 400},
		"no duration":       {http.MethodPost, "/_sim/clock", `{"advance":"soon"}`, 400},
		"backwards":         {http.MethodPost, "/_sim/clock", `{"advance":"-1h"}`, 400},
		"unknown host":      {http.MethodPost, "/_sim/faults", `{"host":"nowhere","status":503}`, 400},
		"not there":         {http.MethodGet, "/_sim/secrets", "", 404},
	} {
		if got := w.control(tc.method, tc.path, tc.body); got.status != tc.want {
			t.Errorf("control with %s = %d %s, want %d", name, got.status, got.raw, tc.want)
		}
	}
	for _, address := range []string{w.LoginURL(), w.GraphURL(), w.ARMURL(), w.PartnerCenterURL()} {
		if got := w.get(address + "/_sim/state"); got.status != http.StatusNotFound {
			t.Errorf("%s/_sim/state = %d, want 404: only the control listener has it", address, got.status)
		}
	}
	still := newWorld(t, func(cfg *microsoft.Config) { cfg.Advance = nil })
	if got := still.control(http.MethodPost, "/_sim/clock", `{"advance":"1h"}`); got.status != http.StatusNotFound {
		t.Errorf("clock without Advance = %d, want 404", got.status)
	}
}

func TestControl_ChangesBehaviours(t *testing.T) {
	w := newWorld(t)
	refresh := w.grant().text("refresh_token")
	does := func(path, body string) {
		t.Helper()
		if got := w.control(http.MethodPost, path, body); got.status != http.StatusNoContent {
			t.Errorf("POST %s = %d %s, want 204", path, got.status, got.raw)
		}
	}
	does("/_sim/users/"+admin+"/refuse", `{"code":530003}`)
	w.checkRefused("renewing on an unmanaged device", w.renew(refresh), 400, "interaction_required", 530003)
	does("/_sim/users/"+admin+"/refuse", `{"code":0}`)
	w.checkOK("renewing afterwards", w.renew(refresh))
	does("/_sim/users/"+admin+"/mfa", `{"mfa":"passkey"}`)

	const directoryScope = "https://graph.microsoft.com/Directory.Read.All"
	members := func() string {
		t.Helper()
		return w.get(w.GraphURL()+"/v1.0/me/transitiveMemberOf", "Authorization", "Bearer "+w.access(refresh, directoryScope)).raw
	}
	does("/_sim/users/"+admin+"/roles", `{"adminAgent":true,"roleGroup":true}`)
	if got := members(); !strings.Contains(got, "isAssignableToRole") || strings.Contains(got, "roleTemplateId") {
		t.Errorf("memberships = %s, want a group with roles instead of the role", got)
	}
	does("/_sim/oddities", `{"byteOrderMarks":["graph"],"graphPage":1}`)
	if got := members(); !strings.HasPrefix(got, "\ufeff") || !strings.Contains(got, "nextLink") {
		t.Errorf("memberships = %q, want a byte order mark and another page", got)
	}
	does("/_sim/oddities", `{"graphWantsMFA":true}`)
	if got := members(); !strings.Contains(got, "Unauthorized_MissingMFA") {
		t.Errorf("memberships = %s, want that MFA is missing", got)
	}
	does("/_sim/oddities", `{}`)
	does("/_sim/directories/"+contoso+"/withdraw", `{"application":"`+appID+`","scopes":["`+directoryScope+`"]}`)
	w.checkRefused("renewing for what was withdrawn", w.renew(refresh, "scope="+directoryScope), 400, "invalid_grant", 65001)
}

func TestControl_ChangesSettings(t *testing.T) {
	w := newWorld(t)
	token := w.grant().text("refresh_token")
	does := func(method, path, body string) {
		t.Helper()
		if got := w.control(method, path, body); got.status != http.StatusNoContent {
			t.Errorf("%s %s = %d %s, want 204", method, path, got.status, got.raw)
		}
	}
	does(http.MethodPost, "/_sim/faults", `{"host":"login","grantType":"refresh_token","status":503,"body":"{}","delay":"1ms"}`)
	if got := w.renew(token); got.status != http.StatusServiceUnavailable {
		t.Errorf("renewing with the fault = %d, want 503", got.status)
	}
	does(http.MethodDelete, "/_sim/faults", "")
	w.checkOK("renewing without the fault", w.renew(token))
	does(http.MethodPost, "/_sim/directories/"+contoso+"/policy", `{"signInFrequency":"240h"}`)
	does(http.MethodPost, "/_sim/clock", `{"advance":"240h"}`)
	if want := epoch.Add(days(10)); !w.Now().Equal(want) {
		t.Errorf("now = %v, want %v", w.Now(), want)
	}
	w.checkRefused("renewing after ten days", w.renew(token), 400, "invalid_grant", 70043)
	does(http.MethodPost, "/_sim/users/"+admin+"/mfa", `{"mfa":"none"}`)
	does(http.MethodPost, "/_sim/users/"+admin+"/revoke", "")
	w.checkRefused("renewing after the revocation", w.renew(token), 400, "invalid_grant", 50173)
}

// TestControl_IsDescribed sends every request of the list, with its example, to the control API.
func TestControl_IsDescribed(t *testing.T) {
	w := newWorld(t)
	index := w.control(http.MethodGet, "/_sim/", "")
	filled := strings.NewReplacer("{$}", "", "{upn}", admin, "{id}", contoso, "{customer}", fabrikam)
	examples := strings.NewReplacer("5a9d0b0c-0000-4000-8000-000000005a9d", appID,
		"a1b1e000-0000-4000-8000-00000000a1b1", contoso, "f10bd000-0000-4000-8000-0000000f10bd", fabrikam)
	for _, c := range microsoft.ControlRequests() {
		if !strings.Contains(index.raw, c.About) || !strings.Contains(index.raw, c.Body) {
			t.Errorf("GET /_sim/ = %s, want %s in it", index.raw, c.Request)
		}
		method, path, _ := strings.Cut(c.Request, " ")
		want := http.StatusNoContent
		if method == http.MethodGet {
			want = http.StatusOK
		}
		if got := w.control(method, filled.Replace(path), examples.Replace(c.Body)); got.status != want {
			t.Errorf("%s with its example = %d %s, want %d", c.Request, got.status, got.raw, want)
		}
	}
	state := w.control(http.MethodGet, "/_sim/state", "").raw
	for _, want := range []string{`"requireMFA":true`, `"signInFrequency":"336h0m0s"`} {
		if !strings.Contains(state, want) {
			t.Errorf("state = %s, want %s as it was set", state, want)
		}
	}
}

func TestControl_StateHasNoSecrets(t *testing.T) {
	w := newWorld(t)
	token := w.grant().text("refresh_token")
	for _, path := range []string{"/_sim/state", "/_sim/requests"} {
		got := w.control(http.MethodGet, path, "")
		if got.status != http.StatusOK || !strings.Contains(got.raw, contoso) {
			t.Errorf("%s = %d %s, want contoso in it", path, got.status, got.raw)
		}
		for _, secret := range []string{appValue, password, token} {
			if strings.Contains(got.raw, secret) {
				t.Errorf("%s holds a secret", path)
			}
		}
	}
}

func TestSimulator_ServesConcurrentRequests(t *testing.T) {
	w := newWorld(t)
	token := w.grant().text("refresh_token")
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			scope := "scope=offline_access openid " + partnerCenterScope + strings.Repeat(" profile", i)
			got, err := w.try(w.tokenRequest(refreshForm(token), scope))
			if err != nil || got.status != http.StatusOK {
				t.Errorf("concurrent renewal = %d, %v, want 200", got.status, err)
			}
			w.SetOddities(microsoft.Oddities{})
			w.Requests()
			w.WouldAccept(token)
		})
	}
	group.Wait()
}

func TestStart_RefusesAnAddressInUse(t *testing.T) {
	w := newWorld(t)
	taken := strings.TrimPrefix(w.GraphURL(), "http://")
	sim, err := microsoft.Start(microsoft.Config{Addresses: map[microsoft.Host]string{microsoft.ARM: taken}})
	if err == nil {
		sim.Close()
		t.Errorf("Start(%s) = nil, want an error: the address is taken", taken)
	}
}
