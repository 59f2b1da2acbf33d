package api_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestSingle_RefusesWhatIsSaidTwice sends headers twice and empty, and parameters and members twice, by each protocol: two programs
// may read another one of the values.
func TestSingle_RefusesWhatIsSaidTwice(t *testing.T) {
	h := newHarness(t)
	key := h.add("billing")
	lend := "/v1/tenants/" + tenantA + "/accessToken"
	for name, tc := range map[string]struct {
		method, path, body string
		headers            http.Header
		member, says       string
	}{
		"OAuth, a key twice":       {http.MethodPost, "/oauth2/token", credentials("billing", key).Encode(), http.Header{"Authorization": {"Basic x", "Basic y"}}, "error", "invalid_request"},
		"OAuth, an empty key":      {http.MethodPost, "/oauth2/token", credentials("billing", key).Encode(), http.Header{"Authorization": {""}}, "error", "invalid_request"},
		"OAuth, empty, and a key":  {http.MethodPost, "/oauth2/token", credentials("billing", key).Encode(), http.Header{"Authorization": {"", "Basic y"}}, "error", "invalid_request"},
		"OAuth, two kinds of body": {http.MethodPost, "/oauth2/token", credentials("billing", key).Encode(), http.Header{"Content-Type": {"application/x-www-form-urlencoded", "application/json"}}, "error", "invalid_request"},
		"OAuth, two grant types":   {http.MethodPost, "/oauth2/token", credentials("billing", key).Encode() + "&grant_type=client_credentials", nil, "error", "invalid_request"},
		"OAuth, two names":         {http.MethodPost, "/oauth2/token", credentials("billing", key).Encode() + "&client_id=billing", nil, "error", "invalid_request"},
		"OAuth, two scopes":        {http.MethodPost, "/oauth2/token", credentials("billing", key).Encode() + "&scope=arm", nil, "error", "invalid_request"},
		"identity, a key twice":    {http.MethodGet, "/msi/token?api-version=2019-08-01&resource=arm", "", http.Header{"X-Identity-Header": {key, key}}, "message", "bad_request: "},
		"identity, an empty key":   {http.MethodGet, "/msi/token?api-version=2019-08-01&resource=arm", "", http.Header{"X-Identity-Header": {"", key}}, "message", "bad_request: "},
		"identity, Metadata twice": {http.MethodGet, "/msi/token?api-version=2019-08-01&resource=arm", "", http.Header{"X-Identity-Header": {key}, "Metadata": {"true", "false"}}, "message", "bad_request: "},
		"identity, two versions":   {http.MethodGet, "/msi/token?api-version=2019-08-01&api-version=2019-08-01&resource=arm", "", http.Header{"X-Identity-Header": {key}}, "message", "bad_request: "},
		"identity, two resources":  {http.MethodGet, "/msi/token?api-version=2019-08-01&resource=arm&resource=" + url.QueryEscape(graph), "", http.Header{"X-Identity-Header": {key}}, "message", "bad_request: "},
		"REST, a key twice":        {http.MethodPost, lend, `{"api":"graph"}`, http.Header{"Authorization": {"Bearer " + key, "Bearer x"}}, "error.code", "bad_request"},
		"REST, an empty key":       {http.MethodPost, lend, `{"api":"graph"}`, http.Header{"Authorization": {""}}, "error.code", "bad_request"},
		"REST, an api twice":       {http.MethodPost, lend, `{"api":"graph","api":"arm"}`, http.Header{"Authorization": {"Bearer " + key}}, "error.code", "bad_request"},
		"REST, two spellings":      {http.MethodPost, lend, `{"api":"graph","API":"arm"}`, http.Header{"Authorization": {"Bearer " + key}}, "error.code", "bad_request"},
	} {
		r := h.request(tc.method, tc.path, strings.NewReader(tc.body))
		if tc.body != "" && strings.HasPrefix(tc.path, "/oauth2/") {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		for header, values := range tc.headers {
			r.Header[header] = values
		}
		got := h.send(r)
		if got.status != http.StatusBadRequest || !strings.HasPrefix(got.text(tc.member), tc.says) || strings.Contains(string(got.body), key) {
			t.Errorf("%s = %d %s, want 400 and %s", name, got.status, got.body, tc.says)
		}
	}
	h.checkNothingLent()
}
