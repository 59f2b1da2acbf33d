package platform_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/platform/oauth1"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/sandbox/platform"

	"github.com/google/go-cmp/cmp"
)

func TestCall_ChecksOperations(t *testing.T) {
	p, c, made := installed(t)
	north, owner := reseller(t, p, "North", "")
	_, unrelated := reseller(t, p, "South", "")
	_, below := reseller(t, p, "Below", north.ID)
	id := newTenant(t, p, north)
	lender, err := p.AddApplication("Azure CSP", "csp", secret.New("csp-secret"))
	if err != nil {
		t.Fatal(err)
	}
	_, before := c.received()
	for name, tc := range map[string]struct {
		by           platform.Caller
		method, path string
		body         string
		want         int
	}{
		"unrelated reseller":     {platform.AsUser(unrelated.ID), "GET", "tokenStatus", "", 403},
		"below":                  {platform.AsUser(below.ID), "GET", "tokenStatus", "", 403},
		"nobody":                 {platform.AsUser("x"), "GET", "tokenStatus", "", 404},
		"unknown operation":      {platform.AsUser(owner.ID), "GET", "secrets", "", 404},
		"deeper path":            {platform.AsUser(owner.ID), "GET", "consents/a/b", "", 404},
		"empty place":            {platform.AsUser(owner.ID), "GET", "consents/", "", 404},
		"wrong verb":             {platform.AsUser(owner.ID), "GET", "redeem", "", 405},
		"closed to the owner":    {platform.AsUser(owner.ID), "POST", "accessToken", `{"api":"graph"}`, 403},
		"body missing":           {platform.AsUser(owner.ID), "POST", "redeem", "", 400},
		"body no JSON":           {platform.AsUser(owner.ID), "POST", "redeem", "code", 400},
		"body of another shape":  {platform.AsUser(owner.ID), "POST", "redeem", `["x"]`, 400},
		"member missing":         {platform.AsUser(owner.ID), "POST", "redeem", `{}`, 400},
		"member of another type": {platform.AsUser(owner.ID), "POST", "redeem", `{"code":1}`, 400},
		"member unknown":         {platform.AsUser(owner.ID), "POST", "redeem", `{"code":"x","more":1}`, 400},
		"body not expected":      {platform.AsUser(owner.ID), "POST", "renew", `{"now":true}`, 400},
		"application not linked": {platform.AsApplication(lender.ID), "POST", "accessToken", `{"api":"graph"}`, 403},
		"application unknown":    {platform.AsApplication("x"), "POST", "accessToken", `{"api":"graph"}`, 404},
	} {
		t.Run(name, func(t *testing.T) {
			got := p.Call(t.Context(), tc.by, tc.method, id, tc.path, []byte(tc.body))
			if got.Status != tc.want || !json.Valid(got.Body) {
				t.Errorf("Call(%s %s) = %d %s, want %d", tc.method, tc.path, got.Status, got.Body, tc.want)
			}
		})
	}
	if got := p.Call(t.Context(), platform.AsUser(owner.ID), "GET", made.RootID, "tenants", nil); got.Status != 403 {
		t.Errorf("Call(GET tenants) by a reseller = %d, want 403", got.Status)
	}
	if _, after := c.received(); len(after) != len(before) {
		t.Errorf("hooks = %v, want none for refused calls", after[len(before):])
	}
}

func TestCall_ForwardsOperations(t *testing.T) {
	p, c, made := installed(t)
	north, owner := reseller(t, p, "North", "")
	id := newTenant(t, p, north)
	admin, err := p.AddUser(platform.User{Login: "admin", Password: secret.New("x"), AccountID: p.Provider().ID, Locale: "de_DE"})
	if err != nil {
		t.Fatal(err)
	}
	lender, err := p.AddApplication("Azure CSP", "csp", secret.New("csp-secret"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Link(lender.ID, id); err != nil {
		t.Fatal(err)
	}
	session, err := p.LoginAs(admin.ID, owner.ID)
	if err != nil {
		t.Fatal(err)
	}
	c.answer = func(call) (int, map[string]string, string) {
		return 418, map[string]string{"Content-Type": "application/json", "Content-Range": "items 0-0/1"}, `{"kept":  "as it is"}`
	}
	for name, tc := range map[string]struct {
		by           platform.Caller
		method, path string
		body         string
		wantLine     string
		want         map[string]string // headers
	}{
		"owner": {platform.AsUser(owner.ID), "POST", "consents", "{}", "POST /tenant/ID/consents", map[string]string{
			"APS-Identity-ID": owner.ID, "APS-Actor-ID": north.ID, "APS-Locale": "en_US", "APS-Original-Identity-ID": "", "APS-Request-Phase": "",
		}},
		"owner in German": {
			platform.AsUser(owner.ID).WithLocale("de_DE"), "GET", "history?limit=50&before=2026-11-23T00%3A00%3A00Z", "",
			"GET /tenant/ID/history?limit=50&before=2026-11-23T00%3A00%3A00Z",
			map[string]string{"APS-Locale": "de_DE"},
		},
		"logged in as": {platform.AsSession(session), "GET", "consents/a%2Fb", "", "GET /tenant/ID/consents/a%2Fb", map[string]string{
			"APS-Identity-ID": owner.ID, "APS-Original-Identity-ID": admin.ID,
		}},
		"provider": {platform.AsUser(admin.ID), "GET", "tokenStatus", "", "GET /tenant/ID/tokenStatus", map[string]string{
			"APS-Identity-ID": admin.ID, "APS-Actor-ID": p.Provider().ID, "APS-Account-Hierarchy": p.Provider().ID + "," + north.ID, "APS-Locale": "de_DE",
		}},
		"application": {platform.AsApplication(lender.ID), "POST", "accessToken", `{"api":"graph"}`, "POST /tenant/ID/accessToken", map[string]string{
			"APS-Application-ID": lender.ID, "APS-Identity-ID": "", "APS-Instance-ID": made.ID,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got := p.Call(t.Context(), tc.by, tc.method, id, tc.path, []byte(tc.body))
			if got.Status != 418 || string(got.Body) != `{"kept":  "as it is"}` || got.Header.Get("Content-Range") != "items 0-0/1" {
				t.Errorf("Call() = %d %s %v, want the connector's answer as it is", got.Status, got.Body, got.Header)
			}
			calls, lines := c.received()
			if line := lines[len(lines)-1]; line != tc.wantLine {
				t.Errorf("hook = %s, want %s", line, tc.wantLine)
			}
			for name, want := range tc.want {
				if got := calls[len(calls)-1].header.Get(name); got != want {
					t.Errorf("%s = %q, want %q", name, got, want)
				}
			}
		})
	}
	if got := p.Call(t.Context(), platform.AsUser(admin.ID), "GET", made.RootID, "tenants", nil); got.Status != 418 {
		t.Errorf("Call(GET tenants) by the provider = %d %s, want it passed on", got.Status, got.Body)
	}
}

// request sends a request to the platform, signed for an application when appKey is set.
func request(t *testing.T, p *platform.Platform, method, path, body string, header map[string]string, appKey, appSecret string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, p.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	if appKey != "" {
		if err := oauth1.Sign(req, oauth1.Credentials{Key: appKey, Secret: secret.New(appSecret)}, time.Now(), oauth1.NewNonce()); err != nil {
			t.Fatal(err)
		}
	}
	return send(t, req)
}

// requestWith posts a body to a URL, which may contain a user and a password.
func requestWith(t *testing.T, address, body string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if password, ok := req.URL.User.Password(); ok {
		req.SetBasicAuth(req.URL.User.Username(), password)
	}
	return send(t, req)
}

func send(t *testing.T, req *http.Request) (int, http.Header, string) {
	t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(bytes.TrimSpace(text))
}

// TestController_ResolvesCallers makes the calls with which the connector resolves callers
// (docs/reference/aps-protocol.md §5.6, §8).
func TestController_ResolvesCallers(t *testing.T) {
	p, _, made := installed(t)
	north, _ := reseller(t, p, "North", "")
	below, user := reseller(t, p, "Below", north.ID)
	asRoot := map[string]string{"APS-Resource-ID": made.RootID}

	status, _, body := request(t, p, "GET", "/aps/2/resources?implementing(http://parallels.com/aps/types/pa/user/1.0),eq(aps.id,"+user.ID+"),select(organization)", "", asRoot, key, sharedSecret)
	var users []struct {
		Organization struct {
			APS  struct{ ID, Type string }
			Name string `json:"companyName"`
		}
	}
	if err := json.Unmarshal([]byte(body), &users); status != 200 || err != nil || len(users) != 1 || users[0].Organization.APS.ID != below.ID || users[0].Organization.Name != "Below" {
		t.Errorf("GET user = %d %s, want the user with the account", status, body)
	}
	status, _, body = request(t, p, "GET", "/aps/2/resources/"+below.ID, "", asRoot, key, sharedSecret)
	if status != 200 || !strings.Contains(body, north.ID) || !strings.Contains(body, `"type":"RESELLER"`) {
		t.Errorf("GET account = %d %s, want it with its parent", status, body)
	}
	status, header, body := request(t, p, "GET", "/aps/2/resources?implementing(http%3A//aps-standard.org/types/core/account/1.0),limit(1,1)", "", asRoot, key, sharedSecret)
	if status != 200 || header.Get("Content-Range") != "items 1-1/3" || !strings.Contains(body, north.ID) {
		t.Errorf("GET accounts = %d %s %s, want the second of three", status, header.Get("Content-Range"), body)
	}
	status, _, body = request(t, p, "GET", "/aps/2/resources?implementing(http://parallels.com/aps/types/pa/account/1.0),sort(-id)", "", asRoot, key, sharedSecret)
	if status != 200 || strings.Index(body, below.ID) > strings.Index(body, `"companyName":"Provider"`) {
		t.Errorf("GET accounts sorted = %d %s, want the newest first", status, body)
	}
	// Without impersonation, an application sees its own resources and those that they are linked with.
	status, _, body = request(t, p, "GET", "/aps/2/resources/"+below.ID, "", nil, key, sharedSecret)
	if status != 404 {
		t.Errorf("GET account in the application's own context = %d %s, want 404", status, body)
	}
	id := newTenant(t, p, north)
	status, _, body = request(t, p, "GET", "/aps/2/resources/"+id, "", nil, key, sharedSecret)
	if status != 200 || !strings.Contains(body, "canary-client-secret") {
		t.Errorf("GET tenant = %d %s, want all of it, since it is the application's", status, body)
	}
	if status, _, body = request(t, p, "GET", "/aps/2/resources/"+north.ID, "", nil, key, sharedSecret); status != 200 {
		t.Errorf("GET linked account = %d %s, want 200", status, body)
	}
}

func TestController_Refuses(t *testing.T) {
	p, _, made := installed(t)
	account, user := reseller(t, p, "North", "")
	id := newTenant(t, p, account)
	session, err := p.Login(user.Login, user.Password)
	if err != nil {
		t.Fatal(err)
	}
	cookie := platform.CookieName + "=" + session.Cookie
	root := "/aps/2/resources/" + made.RootID
	for name, tc := range map[string]struct {
		method, path, body string
		header             map[string]string
		key, secret        string
		want               int
		message            string
	}{
		"unsigned":              {"GET", root, "", nil, "", "", 401, "not authenticated"},
		"unknown key":           {"GET", root, "", nil, "who", "x", 401, "signature"},
		"wrong secret":          {"GET", root, "", nil, key, "x", 401, "signature"},
		"malformed":             {"GET", root, "", map[string]string{"Authorization": "OAuth x"}, "", "", 401, "OAuth"},
		"finished transaction":  {"GET", root, "", map[string]string{"APS-Transaction-ID": "1-1"}, key, sharedSecret, 400, "Transaction not found by"},
		"foreign resource":      {"GET", root, "", map[string]string{"APS-Resource-ID": account.ID}, key, sharedSecret, 403, "none of the application's"},
		"bad RQL":               {"GET", "/aps/2/resources?eq(a", "", nil, key, sharedSecret, 400, "RQL"},
		"unknown RQL":           {"GET", "/aps/2/resources?near(a,b)", "", nil, key, sharedSecret, 400, "unknown RQL"},
		"bad limit":             {"GET", "/aps/2/resources?limit(x,1)", "", nil, key, sharedSecret, 400, "limit"},
		"unknown address":       {"GET", "/aps/2/nothing", "", nil, key, sharedSecret, 404, "not found"},
		"push of another's":     {"PUT", "/aps/2/application/app/" + id, "{}", nil, key, sharedSecret, 404, "not found"},
		"push undeclared":       {"PUT", "/aps/2/application/tenant/" + id, `{"colour":"red"}`, nil, key, sharedSecret, 400, "no property"},
		"push wrong":            {"PUT", "/aps/2/application/tenant/" + id, `{"tokenStatus":"great"}`, nil, key, sharedSecret, 400, "cannot be"},
		"push no object":        {"PUT", "/aps/2/application/tenant/" + id, `[]`, nil, key, sharedSecret, 400, "not a JSON object"},
		"push by a session":     {"PUT", "/aps/2/application/tenant/" + id, `{}`, map[string]string{"Cookie": cookie, "APS-Token": session.Token}, "", "", 403, "only applications"},
		"no token":              {"POST", "/aps/2/resources/" + id + "/renew", "", map[string]string{"Cookie": cookie}, "", "", 403, "APS-Token"},
		"ended session":         {"GET", root, "", map[string]string{"Cookie": platform.CookieName + "=x"}, "", "", 401, "not authenticated"},
		"instances of a panel":  {"GET", "/aps/2/applications/", "", map[string]string{"Cookie": cookie}, "", "", 403, "provider's tools"},
		"not ours to configure": {"PUT", "/aps/2/resources/" + account.ID, `{}`, nil, key, sharedSecret, 403, "the platform's own"},
	} {
		t.Run(name, func(t *testing.T) {
			status, _, body := request(t, p, tc.method, tc.path, tc.body, tc.header, tc.key, tc.secret)
			var refusal platform.Refusal
			if err := json.Unmarshal([]byte(body), &refusal); status != tc.want || err != nil || refusal.Status != status || !strings.Contains(refusal.Message, tc.message) {
				t.Errorf("%s %s = %d %s, want %d with %q", tc.method, tc.path, status, body, tc.want, tc.message)
			}
		})
	}
}

func TestController_RefusesUsedNonce(t *testing.T) {
	p, _, made := installed(t)
	send := func() int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL()+"/aps/2/resources/"+made.RootID, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := oauth1.Sign(req, oauth1.Credentials{Key: key, Secret: secret.New(sharedSecret)}, time.Now(), "0123456789abcdef0123456789abcdef"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	if first, second := send(), send(); first != 200 || second != 401 {
		t.Errorf("the same request twice = %d and %d, want 200 and 401", first, second)
	}
}

func TestController_CallsDuringHook(t *testing.T) {
	p, c, _ := installed(t)
	account, user := reseller(t, p, "North", "")
	id := newTenant(t, p, account)
	pushed := 0
	c.answer = func(got call) (int, map[string]string, string) {
		pushed, _, _ = request(t, p, "PUT", "/aps/2/application/tenant/"+id, `{"tokenStatus":"active"}`,
			map[string]string{"APS-Transaction-ID": got.header.Get("APS-Transaction-ID")}, key, sharedSecret)
		return 200, nil, "{}"
	}
	if got := p.Call(t.Context(), platform.AsUser(user.ID), "POST", id, "renew", nil); got.Status != 200 || pushed != 200 {
		t.Errorf("Call() = %d with a push of %d, want 200 and 200", got.Status, pushed)
	}
	if r, _ := p.Resource(id); r["tokenStatus"] != "active" {
		t.Errorf("tokenStatus = %v, want active", r["tokenStatus"])
	}
	if _, lines := c.received(); lines[len(lines)-1] != "POST /tenant/ID/renew" {
		t.Errorf("last hook = %s, want no call back for a push", lines[len(lines)-1])
	}
}

func TestSession_OfPanel(t *testing.T) {
	p, _, _ := installed(t)
	account, user := reseller(t, p, "North", "")
	id := newTenant(t, p, account)
	if _, err := p.Login(user.Login, secret.New("wrong")); err == nil {
		t.Error("Login() with a wrong password = nil, want an error")
	}
	session, err := p.Login(user.Login, user.Password)
	if err != nil {
		t.Fatal(err)
	}
	header := map[string]string{"Cookie": platform.CookieName + "=" + session.Cookie, "APS-Token": session.Token}
	status, _, body := request(t, p, "GET", "/aps/2/resources/"+id, "", header, "", "")
	if status != 200 || strings.Contains(body, "canary-client-secret") {
		t.Errorf("GET tenant = %d %s, want it without the encrypted property", status, body)
	}
	if status, _, body = request(t, p, "POST", "/aps/2/resources/"+id+"/renew", "", header, "", ""); status != 200 {
		t.Errorf("POST renew = %d %s, want 200", status, body)
	}
	if status, _, body = request(t, p, "PUT", "/aps/2/resources/"+id, `{"directory":"new.onmicrosoft.com","app":{}}`, header, "", ""); status != 200 || !strings.Contains(body, "new.onmicrosoft.com") {
		t.Errorf("PUT tenant = %d %s, want the new directory", status, body)
	}
	if status, _, body = request(t, p, "DELETE", "/aps/2/resources/"+id, "", header, "", ""); status != 204 {
		t.Errorf("DELETE tenant = %d %s, want 204", status, body)
	}
	p.Logout(session.Cookie)
	if status, _, _ = request(t, p, "GET", "/aps/2/resources", "", header, "", ""); status != 401 {
		t.Errorf("GET after Logout = %d, want 401", status)
	}
}

func TestNotifications_ReachTheirUserOnly(t *testing.T) {
	p, _, made := installed(t)
	north, user := reseller(t, p, "North", "")
	status, _, body := request(t, p, "GET", "/aps/2/resources?implementing(http://www.parallels.com/pa/pa-core-services/notification-manager/1)", "",
		map[string]string{"APS-Resource-ID": made.RootID}, key, sharedSecret)
	var found []struct{ APS struct{ ID string } }
	if err := json.Unmarshal([]byte(body), &found); status != 200 || err != nil || len(found) != 1 {
		t.Fatalf("GET notification manager = %d %s, want one", status, body)
	}
	path := "/aps/2/resources/" + found[0].APS.ID + "/notifications"
	for name, refused := range map[string]string{
		"no JSON":         "x",
		"no message":      `{"status":"ready"}`,
		"no status":       `{"message":{"message":"Hello"}}`,
		"unknown account": `{"status":"ready","message":{"message":"Hello"},"accountId":"x"}`,
		"unknown user":    `{"status":"ready","message":{"message":"Hello"},"userId":"x"}`,
	} {
		t.Run(name, func(t *testing.T) {
			if status, _, body := request(t, p, "POST", path, refused, nil, key, sharedSecret); status < 400 {
				t.Errorf("POST %s = %d %s, want a refusal", refused, status, body)
			}
		})
	}
	status, _, body = request(t, p, "POST", path, `{"status":"ready","message":{"message":"Token of {tenant} expires","keys":{"tenant":"contoso"}},"accountId":"`+north.ID+`","userId":"`+user.ID+`"}`, nil, key, sharedSecret)
	if status != 200 {
		t.Fatalf("POST notification = %d %s, want 200", status, body)
	}
	got := p.Notifications(north.ID)
	want := platform.NotificationText{Message: "Token of {tenant} expires", Keys: map[string]string{"tenant": "contoso"}}
	if len(got) != 1 || cmp.Diff(want, got[0].Message) != "" || got[0].Instance != made.ID || got[0].UserID != user.ID {
		t.Errorf("Notifications() = %+v, want the one that was sent", got)
	}
	if other := p.Notifications(p.Provider().ID); len(other) > 0 {
		t.Errorf("Notifications(provider) = %+v, want none", other)
	}
}
