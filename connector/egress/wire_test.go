package egress_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"azure-partner-connector/connector/client"
	"azure-partner-connector/connector/failure"
)

// wire sends a call as chaperone's forward target does.
func (h *harness) wire(method, target, context string, lines ...string) reply {
	h.Helper()
	lines = append(lines, bearer, "X-Connect-Target-URL: "+target)
	if context != "" {
		lines = append(lines, "X-Connect-Context-Data: "+base64.StdEncoding.EncodeToString([]byte(context)))
	}
	return h.raw(method, "/proxy", lines...)
}

// TestWire_ForwardsWhatChaperoneSends holds the wire: the headers of cloudblue/chaperone, read at dc4493e, with a fixed path and a
// bearer key (docs/reference/token-api.md §5).
func TestWire_ForwardsWhatChaperoneSends(t *testing.T) {
	h := newHarness(t)
	for name, tc := range map[string]struct {
		target, context string
		api, directory  string
		want            string // request line of the upstream
	}{
		"partner's directory": {"/v1.0/me?$select=id", "", "graph", "", "/v1.0/me?$select=id"},
		"a directory":         {"/v1.0/users", `{"TenantID":"` + customer + `","Resource":"https://graph.example"}`, "graph", customer, "/v1.0/users"},
		"a domain":            {"/v1.0/users", `{"TenantID":"fjord.example","Resource":"https://graph.example/"}`, "graph", "fjord.example", "/v1.0/users"},
		"more of the context": {"/v1.0/users", `{"Resource":"https://graph.example/.default","VendorID":7}`, "graph", "", "/v1.0/users"},
		"another api":         {"/arm/subscriptions?api-version=2022-12-01", `{"Resource":"https://arm.example"}`, "arm", "", "/arm/subscriptions?api-version=2022-12-01"},
		"a next link":         {"/v1.0/users?$skiptoken=RFN%2fAA%3D%3d&a=b+c&&x", "", "graph", "", "/v1.0/users?$skiptoken=RFN%2fAA%3D%3d&a=b+c&&x"},
		"encoded characters":  {"/v1.0/users/a%40b.example/messages('x')/%24value", "", "graph", "", "/v1.0/users/a%40b.example/messages('x')/%24value"},
		"an empty query":      {"/v1.0/users?", "", "graph", "", "/v1.0/users?"},
	} {
		got := h.wire(http.MethodPatch, h.upstream.URL+tc.target, tc.context)
		sent := h.take()
		if got.status != http.StatusOK || got.body != "upstream" || got.header.Get("X-Connector-Failure") != "" || len(sent) != 1 {
			t.Errorf("%s = %d %s with %v, want the answer of the upstream to one call", name, got.status, got.body, got.header)
			continue
		}
		if sent[0].target != tc.want || sent[0].method != http.MethodPatch || sent[0].header.Get("Authorization") != "Bearer "+firstOne {
			t.Errorf("%s reached the upstream as %+v, want %s with the access token", name, sent[0], tc.want)
		}
		if lent := h.tokens.last(); string(lent.API) != tc.api || lent.Directory != tc.directory || !lent.PerMinute || lent.Call["method"] != http.MethodPatch {
			t.Errorf("%s borrowed %+v, want %s for %q, counted", name, lent, tc.api, tc.directory)
		}
	}
	if got := h.takeRefused(); got != "" {
		t.Errorf("refusals = %s, want none", got)
	}
}

// TestWire_Refusals sends what must not be forwarded. Every one has our form, our header and a code, lends nothing, and is
// recorded unless the key is unknown.
func TestWire_Refusals(t *testing.T) {
	h := newHarness(t)
	several := h.client
	several.Name, several.Tenants = "several", []string{tenantA, tenantB}
	h.clients["apck_several"] = several
	upstream := "X-Connect-Target-URL: " + h.upstream.URL
	encoded := func(text string) string {
		return "X-Connect-Context-Data: " + base64.StdEncoding.EncodeToString([]byte(text))
	}
	unknown := []string{"two keys", "an empty key", "empty, and a key"} // nobody knows whose requests these are
	for name, tc := range map[string]struct {
		lines []string
		code  string
	}{
		"no key":             {[]string{upstream + "/v1.0/me"}, "key_unknown"},
		"a wrong key":        {[]string{"Authorization: Bearer apck_x", upstream + "/v1.0/me"}, "key_unknown"},
		"a key by Basic":     {[]string{"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("billing:"+key)), upstream + "/v1.0/me"}, "key_unknown"},
		"two keys":           {[]string{bearer, bearer, upstream + "/v1.0/me"}, "bad_request"},
		"an empty key":       {[]string{"Authorization:", upstream + "/v1.0/me"}, "bad_request"},
		"empty, and a key":   {[]string{"Authorization:", bearer, upstream + "/v1.0/me"}, "bad_request"},
		"an empty target":    {[]string{bearer, "X-Connect-Target-URL: "}, "bad_request"},
		"an empty context":   {[]string{bearer, upstream + "/v1.0/me", "X-Connect-Context-Data:"}, "bad_request"},
		"a name twice":       {[]string{bearer, upstream + "/v1.0/me", encoded(`{"TenantID":"` + customer + `","TenantID":"` + tenantB + `"}`)}, "bad_request"},
		"half an upgrade":    {[]string{bearer, upstream + "/v1.0/me", "Upgrade:", "Upgrade: websocket"}, "bad_request"},
		"no target":          {[]string{bearer}, "bad_request"},
		"two targets":        {[]string{bearer, upstream + "/v1.0/me", upstream + "/v1.0/me"}, "bad_request"},
		"a relative target":  {[]string{bearer, "X-Connect-Target-URL: /v1.0/me"}, "bad_request"},
		"no path":            {[]string{bearer, upstream}, "bad_request"},
		"a fragment":         {[]string{bearer, upstream + "/v1.0/me#x"}, "bad_request"},
		"a user":             {[]string{bearer, "X-Connect-Target-URL: http://user@" + h.upstream.Listener.Addr().String() + "/v1.0/me"}, "bad_request"},
		"another scheme":     {[]string{bearer, "X-Connect-Target-URL: ftp://graph.example/v1.0/me"}, "bad_request"},
		"https, not http":    {[]string{bearer, "X-Connect-Target-URL: https://" + h.upstream.Listener.Addr().String() + "/v1.0/me"}, "client_not_allowed"},
		"an IP literal":      {[]string{bearer, "X-Connect-Target-URL: https://169.254.169.254/metadata/identity"}, "client_not_allowed"},
		"an IPv6 literal":    {[]string{bearer, "X-Connect-Target-URL: https://[::1]/v1.0/me"}, "client_not_allowed"},
		"another host":       {[]string{bearer, "X-Connect-Target-URL: https://attacker.example/v1.0/me"}, "client_not_allowed"},
		"a longer host":      {[]string{bearer, upstream + ".attacker.example/v1.0/me"}, "client_not_allowed"},
		"another port":       {[]string{bearer, "X-Connect-Target-URL: http://127.0.0.1:1/v1.0/me"}, "client_not_allowed"},
		"a host of another":  {[]string{bearer, "X-Connect-Target-URL: https://pc.invalid/v1/customers"}, "client_not_allowed"},
		"no base64":          {[]string{bearer, upstream + "/v1.0/me", "X-Connect-Context-Data: {}"}, "bad_request"},
		"no JSON":            {[]string{bearer, upstream + "/v1.0/me", encoded("x")}, "bad_request"},
		"no object":          {[]string{bearer, upstream + "/v1.0/me", encoded("null")}, "bad_request"},
		"no text":            {[]string{bearer, upstream + "/v1.0/me", encoded(`{"TenantID":7}`)}, "bad_request"},
		"another spelling":   {[]string{bearer, upstream + "/v1.0/me", encoded(`{"tenantId":"` + customer + `"}`)}, "bad_request"},
		"two spellings":      {[]string{bearer, upstream + "/v1.0/me", encoded(`{"TenantID":"` + customer + `","TENANTID":"` + customer + `"}`)}, "bad_request"},
		"two contexts":       {[]string{bearer, upstream + "/v1.0/me", encoded(`{}`), encoded(`{}`)}, "bad_request"},
		"an unknown api":     {[]string{bearer, upstream + "/v1.0/me", encoded(`{"Resource":"https://vault.azure.net"}`)}, "bad_request"},
		"the api of another": {[]string{bearer, upstream + "/v1.0/me", encoded(`{"Resource":"https://pc.invalid"}`)}, "client_not_allowed"},
		"several tenants":    {[]string{"Authorization: Bearer apck_several", upstream + "/v1.0/me"}, "bad_request"},
		"an upgrade":         {[]string{bearer, upstream + "/v1.0/me", "Connection: upgrade", "Upgrade: websocket"}, "bad_request"},
		"encoded slash":      {[]string{bearer, upstream + "/v1.0/a%2fb"}, "bad_request"},
	} {
		got := h.raw(http.MethodGet, "/proxy", tc.lines...)
		if !got.ours(tc.code) || got.status != failure.New(failure.Code(tc.code)).Status() || got.header.Get("X-Reference") == "" {
			t.Errorf("%s = %d %s with %v, want %s", name, got.status, got.body, got.header, tc.code)
		}
		if (got.header.Get("WWW-Authenticate") != "") != (got.status == http.StatusUnauthorized) {
			t.Errorf("%s has the challenge %q with status %d", name, got.header.Get("WWW-Authenticate"), got.status)
		}
		if strings.Contains(got.body, "attacker") || strings.Contains(got.body, "169.254") {
			t.Errorf("%s quotes the target: %s", name, got.body)
		}
		recorded := h.takeRefused()
		if want := strings.TrimSpace(recorded); (want == "") != (tc.code == "key_unknown" || slices.Contains(unknown, name)) {
			t.Errorf("%s is recorded as %q", name, recorded)
		}
	}
	if sent := h.take(); len(sent) > 0 || len(h.tokens.requests) > 0 {
		t.Errorf("%d calls were sent and %d tokens lent, want none", len(sent), len(h.tokens.requests))
	}
}

// TestUnknownKeys_LeaveOneRecord calls with keys and apis that nobody knows: they are observed without names that callers choose, and
// logged once.
func TestUnknownKeys_LeaveOneRecord(t *testing.T) {
	h := newHarness(t)
	for range 3 {
		h.raw(http.MethodGet, "/invented/"+tenantA+"/x", "Authorization: Bearer apck_unknown")
	}
	h.get("/v1.0/me")
	h.raw(http.MethodGet, "/invented/"+tenantA+"/x", bearer)
	h.raw(http.MethodGet, "/graph/"+tenantB+"/x", bearer)
	for n, want := range []string{"  0 key_unknown", "  0 key_unknown", "  0 key_unknown", "billing graph 200 ok", "billing  0 not_found", "billing  0 client_not_allowed"} {
		if got := h.lastCall(n + 1); got != want {
			t.Errorf("call %d was observed as %q, want %q", n+1, got, want)
		}
	}
	if n := strings.Count(h.log.String(), `"err":"key_unknown"`); n != 1 {
		t.Errorf("%d records of unknown keys, want one", n)
	}
	if strings.Contains(h.log.String(), "invented") {
		t.Error("the log contains the name of an api that a caller invented")
	}
}

// TestWire_ReachesNoOtherPath sends addresses that are none of ours.
func TestWire_ReachesNoOtherPath(t *testing.T) {
	h := newHarness(t)
	for target, code := range map[string]string{
		"/":                              "not_found",
		"/proxy?x=1":                     "bad_request",
		"/proxy/":                        "bad_request",
		"/graph":                         "not_found",
		"/graph/" + tenantA:              "bad_request",
		"/graph/" + tenantA + "/":        "bad_request",
		"/graph/contoso/v1.0/me":         "bad_request",
		"/mail/" + tenantA + "/x":        "not_found",
		"/graph/" + tenantB + "/v1.0/me": "client_not_allowed",
		"/partnercenter/" + tenantA + "/v1/customers": "client_not_allowed",
		"http://graph.example/v1.0/me":                "bad_request",
	} {
		if got := h.raw(http.MethodGet, target, bearer); !got.ours(code) {
			t.Errorf("GET %s = %d %s, want %s", target, got.status, got.body, code)
		}
	}
	for _, method := range []string{http.MethodConnect, http.MethodTrace} {
		if got := h.raw(method, "/graph/"+tenantA+"/v1.0/me", bearer); got.header.Get("X-Connector-Failure") != "bad_request" {
			t.Errorf("%s = %d %s, want bad_request", method, got.status, got.body)
		}
	}
	if sent := h.take(); len(sent) > 0 {
		t.Errorf("%+v reached the upstream, want nothing", sent)
	}
}

// TestPlain_ForwardsToADirectory reads tenant and directory from the address.
func TestPlain_ForwardsToADirectory(t *testing.T) {
	h := newHarness(t, func(h *harness) { h.PublicURL = "http://egress.example/out"; h.Each = true })
	for target, want := range map[string]string{
		"/out/graph/" + tenantA + "/v1.0/me?a=%2F":                                       "/v1.0/me?a=%2F  /v1.0/me",
		"/out/graph/" + strings.ToUpper(tenantA) + "/v1.0/me":                            "/v1.0/me  /v1.0/me",
		"/out/arm/" + tenantA + "/" + customer + "/subscriptions?api-version=2022-12-01": "/arm/subscriptions?api-version=2022-12-01 " + customer + " /subscriptions",
	} {
		got := h.raw(http.MethodDelete, target, bearer)
		sent := h.take()
		if got.status != http.StatusOK || len(sent) != 1 {
			t.Errorf("%s = %d %s, want one call", target, got.status, got.body)
			continue
		}
		lent := h.tokens.last()
		if got := sent[0].target + " " + lent.Directory + " " + lent.Call["path"]; got != want || lent.PerMinute {
			t.Errorf("%s was forwarded as %q, counted %v, want %q with an event", target, got, lent.PerMinute, want)
		}
	}
}

// TestRawPath_Refusals sends paths that programs read in different ways. Go's server refuses some before we see them.
func TestRawPath_Refusals(t *testing.T) {
	h := newHarness(t)
	for _, path := range []string{
		"/v1.0/./me", "/v1.0/../beta/me", "/v1.0/..", "/v1.0//me", "/v1.0/me/", "//v1.0/me", `/v1.0\me`,
		"/v1.0/%2e%2e/me", "/v1.0/%2E./me", "/v1.0/a%2Fb", "/v1.0/a%5cb", "/v1.0/a%25b", "/v1.0/a%2520b", "/v1.0/a%00b", "/v1.0/a%0d%0ab",
		"/v1.0/a%7fb", "/v1.0/a%", "/v1.0/a%2", "/v1.0/a%zz", "/v1.0/a{b}", "/v1.0/a|b", "/v1.0/[x]", `/v1.0/"x"`, "/v1.0/a^b", "/v1.0/me#x",
		"/v1.0/me?a=#x",
		"/v1.0/..;/me", "/v1.0/;x/me", "/v1.0/..%20/me", "/v1.0/.../me", "/v1.0/.;x=1/me", "/v1.0/..%3b/me", "/v1.0/..;", "/v1.0/%c0%ae%c0%ae/me", "/v1.0/a%c0%afb", "/v1.0/a%ffb", "/v1.0/a%c2%85b",
	} {
		if got := h.get(path); got.status != http.StatusBadRequest || got.body != "400 Bad Request" && !got.ours("bad_request") {
			t.Errorf("GET %s = %d %s, want bad_request", path, got.status, got.body)
		}
	}
	if sent := h.take(); len(sent) > 0 || len(h.tokens.requests) > 0 {
		t.Errorf("%d calls were sent and %d tokens lent, want none", len(sent), len(h.tokens.requests))
	}
}

// TestRawPath_MisreadCharacters refuses characters that some programs leave out, or take for one that separates or ends segments, and
// forwards all others.
func TestRawPath_MisreadCharacters(t *testing.T) {
	h := newHarness(t)
	for _, c := range []string{
		"\u00ad", "\u200b", "\u200c", "\u200d", "\u200e", "\u202e", "\u2060", "\u2066", "\ufeff", "\U000e0041", // format characters
		"\u034f", "\u115f", "\u3164", "\uffa0", // without width
		"\u2028", "\u2029", // ends of lines
		"．", "／", "＼", "％", "﹒", "﹨", "﹪", "․", "‥", "⁄", "∕", "∖", // forms of . / \ %
	} {
		for _, path := range []string{"/v1.0/a" + url.PathEscape(c) + "b", "/v1.0/" + url.PathEscape(c), "/v1.0/batch" + url.PathEscape(c)} {
			if got := h.get(path); !got.ours("bad_request") {
				t.Errorf("GET %s = %d %s, want bad_request", path, got.status, got.body)
			}
		}
	}
	for _, dots := range []string{"\u3000.\u00a0", "…", "\u2003"} {
		if got := h.get("/v1.0/" + url.PathEscape(dots) + "/me"); !got.ours("bad_request") {
			t.Errorf("a segment %q = %d %s, want bad_request", dots, got.status, got.body)
		}
	}
	if sent := h.take(); len(sent) > 0 {
		t.Errorf("%d calls were sent, want none", len(sent))
	}
	for _, name := range []string{
		"株式会社　見積（案）", "Rechnung für Köln", "re\u0301sume\u0301", "отчёт", "שלום", "مرحبا", "हिन्दी", "❤\ufe0f", "🎉", "👍🏽", "🇯🇵", "ＡＢＣ１２", "葛\U000e0100", "“a–b”…", "·", "。", "€",
	} {
		path := "/v1.0/me/drive/root:/" + url.PathEscape(name)
		if got := h.get(path); got.status != http.StatusOK {
			t.Errorf("GET %s = %d %s, want it forwarded", path, got.status, got.body)
		} else if sent := h.take(); len(sent) != 1 || sent[0].target != path {
			t.Errorf("GET %s was forwarded as %+v", path, sent)
		}
	}
}

// TestRules_AreDefaultDeny forwards what a rule allows, and nothing else.
func TestRules_AreDefaultDeny(t *testing.T) {
	h := newHarness(t, func(h *harness) {
		h.client.Forward = []client.Rule{
			{API: "graph", Methods: []string{"GET", "HEAD"}, Path: "/v1.0/users/*"},
			{API: "graph", Methods: []string{"POST"}, Path: "/v1.0/users/*/messages/**"},
			{API: "graph", Methods: []string{"*"}, Path: "/beta/**/settings"},
			{API: "arm", Methods: []string{"POST"}, Path: "/batch"},
		}
	})
	for call, allowed := range map[string]bool{
		"GET /graph/v1.0/users/7":                  true,
		"GET /graph/v1.0/users/a%40b":              true,
		"HEAD /graph/v1.0/users/7":                 true,
		"GET /graph/v1.0/users":                    false,
		"GET /graph/v1.0/users/7/messages":         false,
		"get /graph/v1.0/users/7":                  false,
		"DELETE /graph/v1.0/users/7":               false,
		"GET /graph/V1.0/users/7":                  false,
		"GET /graph/v1.0/%75sers/7":                true,
		"GET /arm/v1.0/users/7":                    false,
		"POST /graph/v1.0/users/7/messages":        true,
		"POST /graph/v1.0/users/7/messages/8/send": true,
		"POST /graph/v1.0/users/7/8/messages":      false,
		"PUT /graph/beta/settings":                 true,
		"PUT /graph/beta/a/b/settings":             true,
		"PUT /graph/beta/a/settings/b":             false,
		"PUT /graph/beta/settings/b/settings":      true,
		"POST /arm/batch?api-version=2020-06-01":   true,
		"POST /arm/Batch":                          false,
	} {
		method, path, _ := strings.Cut(call, " ")
		api, rest, _ := strings.Cut(path[1:], "/")
		got := h.raw(method, "/"+api+"/"+tenantA+"/"+rest, bearer)
		if allowed != (got.status == http.StatusOK) || !allowed && !got.ours("client_not_allowed") {
			t.Errorf("%s = %d %s, want allowed %v", call, got.status, got.body, allowed)
		}
	}
}

// TestRules_BatchIsNamed refuses calls that carry other calls unless a rule names them.
func TestRules_BatchIsNamed(t *testing.T) {
	h := newHarness(t)
	for _, target := range []string{
		"/graph/" + tenantA + "/v1.0/$batch", "/graph/" + tenantA + "/beta/$BATCH", "/graph/" + tenantA + "/v1.0/%24batch", "/graph/" + tenantA + "/v1.0/$batch()",
		"/graph/" + tenantA + "/v1.0/$batch;x=1", "/graph/" + tenantA + "/v1.0/$batch.", "/arm/" + tenantA + "/batch.", "/arm/" + tenantA + "/batch?api-version=2020-06-01", "/arm/" + tenantA + "/%62atch", "/arm/" + tenantA + "/BATCH",
		"/arm/" + tenantA + "/" + url.PathEscape("ｂａｔｃｈ"), "/arm/" + tenantA + "/" + url.PathEscape("batch\ufe0f"), "/arm/" + tenantA + "/" + url.PathEscape("batch\u3000"),
		"/graph/" + tenantA + "/v1.0/" + url.PathEscape("＄Batch"), "/graph/" + tenantA + "/v1.0/" + url.PathEscape("﹩batch"), "/graph/" + tenantA + "/v1.0/" + url.PathEscape("$batch（"),
	} {
		if got := h.raw(http.MethodPost, target, bearer); !got.ours("client_not_allowed") {
			t.Errorf("POST %s with a rule for everything = %d %s, want client_not_allowed", target, got.status, got.body)
		}
	}
	for _, target := range []string{"/graph/" + tenantA + "/v1.0/groups/batch", "/arm/" + tenantA + "/batch-jobs", "/arm/" + tenantA + "/batches", "/arm/" + tenantA + "/batch.v2"} {
		if got := h.raw(http.MethodGet, target, bearer); got.status != http.StatusOK {
			t.Errorf("GET %s, which carries no calls, = %d %s, want it forwarded", target, got.status, got.body)
		}
	}
	named := newHarness(t, func(h *harness) {
		h.client.Forward = append(h.client.Forward, client.Rule{API: "graph", Methods: []string{"POST"}, Path: "/*/$batch"})
	})
	if got := named.raw(http.MethodPost, "/graph/"+tenantA+"/v1.0/$batch", bearer); got.status != http.StatusOK {
		t.Errorf("$batch that a rule names = %d %s, want it forwarded", got.status, got.body)
	}
}
