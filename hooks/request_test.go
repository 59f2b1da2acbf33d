package hooks_test

import (
	"net/http"
	"strings"
	"testing"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/hooks"
)

func appResource(properties string) string {
	return resourceOf(appType, rootA, properties)
}

func tenantResource(id, properties string) string {
	return resourceOf(tenantType, id, properties)
}

func resourceOf(typeID, id, properties string) string {
	if properties != "" {
		properties = "," + properties
	}
	return `{"aps":{"type":"` + typeID + `","id":"` + id + `","status":"aps:provisioning","revision":2},"unknown":{"a":[1]}` + properties + `}`
}

func TestHeaders_RefusesMalformed(t *testing.T) {
	post := request{method: http.MethodPost, path: "/app", body: appResource("")}
	for name, tc := range map[string]struct {
		r      request
		header map[string]string
		want   failure.Code
		reason string
	}{
		"no instance":             {post, map[string]string{"APS-Instance-ID": ""}, failure.BadRequest, "APS-Instance-ID"},
		"instance no UUID":        {post, map[string]string{"APS-Instance-ID": "1"}, failure.BadRequest, "APS-Instance-ID"},
		"instance in braces":      {post, map[string]string{"APS-Instance-ID": "{" + instanceA + "}"}, failure.BadRequest, "APS-Instance-ID"},
		"no controller":           {post, map[string]string{"APS-Controller-URI": ""}, failure.BadRequest, "APS-Controller-URI"},
		"controller relative":     {post, map[string]string{"APS-Controller-URI": "/aps"}, failure.BadRequest, "APS-Controller-URI"},
		"controller of no host":   {post, map[string]string{"APS-Controller-URI": "https:///aps"}, failure.BadRequest, "APS-Controller-URI"},
		"controller with user":    {post, map[string]string{"APS-Controller-URI": "https://u:p@apsc.example.net/"}, failure.BadRequest, "APS-Controller-URI"},
		"controller not http":     {post, map[string]string{"APS-Controller-URI": "file://apsc.example.net/"}, failure.BadRequest, "APS-Controller-URI"},
		"identity no UUID":        {post, map[string]string{"APS-Identity-ID": "admin"}, failure.BadRequest, "APS-Identity-ID"},
		"actor no UUID":           {post, map[string]string{"APS-Actor-ID": "admin"}, failure.BadRequest, "APS-Actor-ID"},
		"original without anyone": {post, map[string]string{"APS-Original-Identity-ID": userP}, failure.BadRequest, "without APS-Identity-ID"},
		"original no UUID":        {post, map[string]string{"APS-Original-Identity-ID": "admin"}, failure.BadRequest, "APS-Original-Identity-ID"},
		"application no UUID":     {post, map[string]string{"APS-Application-ID": "azure"}, failure.BadRequest, "APS-Application-ID"},
		"scheduled":               {post, map[string]string{"APS-Scheduled-On-Date": "2026-12-01"}, failure.ScheduledChange, ""},
		"scheduled removal":       {request{method: http.MethodDelete, path: "/tenant/" + tenantA}, map[string]string{"APS-Scheduled-On-Date": "2026-12-01"}, failure.ScheduledChange, ""},
		"operation, no instance":  {request{method: http.MethodGet, path: "/tenant/" + tenantA + "/tokenStatus", identity: userR2}, map[string]string{"APS-Instance-ID": ""}, failure.BadRequest, "APS-Instance-ID"},
		"link, no instance":       {request{method: http.MethodPost, path: "/tenant/" + tenantA + "/app"}, map[string]string{"APS-Instance-ID": ""}, failure.BadRequest, "APS-Instance-ID"},
		"retrieve, no controller": {request{method: http.MethodGet, path: "/tenant/" + tenantA}, map[string]string{"APS-Controller-URI": ""}, failure.BadRequest, "APS-Controller-URI"},
	} {
		t.Run(name, func(t *testing.T) {
			h := installed(t)
			tc.r.header = tc.header
			if a := h.refused(tc.r, tc.want); !strings.Contains(a.text, tc.reason) {
				t.Errorf("answer = %s, want %s in it", a.text, tc.reason)
			}
		})
	}
}

// TestHeaders_RefusesRepeatedAndBlank sends each header that says who calls, and where, twice and blank: read as if it were
// missing, it would make the platform of a person.
func TestHeaders_RefusesRepeatedAndBlank(t *testing.T) {
	for name, value := range map[string]string{
		"APS-Instance-ID": instanceA, "APS-Controller-URI": controllerURI, "APS-Identity-ID": userR2, "APS-Actor-ID": accountR2,
		"APS-Original-Identity-ID": userP, "APS-Application-ID": borrower,
	} {
		for _, values := range [][]string{{value, value}, {value, unknownID}, {"", value}, {""}, {" "}, {"\t"}, {value + "," + value}, {value + ", " + unknownID}} {
			for _, r := range []request{
				{method: http.MethodPut, path: "/app/" + rootA, body: appResource(`"skipLanding":true`)},
				{method: http.MethodGet, path: "/tenant/" + tenantA + "/tokenStatus", identity: userR2},
				{method: http.MethodPost, path: "/tenant/" + tenantA + "/app"},
			} {
				r.values = map[string][]string{name: values}
				if name == "APS-Original-Identity-ID" {
					r.identity = userR2
				}
				if name == "APS-Controller-URI" && strings.Contains(values[0], ",") {
					continue // it may be part of a URL
				}
				if a := installed(t).refused(r, failure.BadRequest); !strings.Contains(a.text, name) {
					t.Errorf("%s %q = %s, want the header's name", name, values, a.text)
				}
			}
		}
	}
	other := request{method: http.MethodGet, path: "/tenant/" + tenantA, values: map[string][]string{
		"APS-Transaction-ID": {"", "1-2"}, "APS-Version": {"", ""}, "APS-Request-Phase": {"x", "y"}, "APS-Account-Hierarchy": {"", "a"}, "APS-Locale": {""}, "APS-New": {"a", "b"},
	}}
	installed(t).accepted(other, http.StatusOK)
}

func TestResource_RefusesMalformed(t *testing.T) {
	for name, tc := range map[string]struct {
		method, path, body string
		reason             string
	}{
		"nothing":                  {"POST", "/app", "", "JSON object"},
		"no JSON":                  {"POST", "/app", "<app/>", "JSON object"},
		"cut off":                  {"POST", "/app", appResource("")[:40], "JSON object"},
		"trailing text":            {"POST", "/app", appResource("") + "x", "JSON object"},
		"null":                     {"POST", "/app", "null", "JSON object"},
		"a list":                   {"POST", "/app", "[]", "JSON object"},
		"no aps":                   {"POST", "/app", `{"cloud":"global"}`, "aps.id"},
		"aps not an object":        {"POST", "/app", `{"aps":"x"}`, "aps"},
		"id no UUID":               {"POST", "/app", resourceOf(appType, "1", ""), "aps.id"},
		"no id":                    {"POST", "/app", resourceOf(appType, "", ""), "aps.id"},
		"no type":                  {"POST", "/app", resourceOf("", rootA, ""), "aps.type"},
		"another's type":           {"POST", "/app", resourceOf("http://aps.example.com/other/globals/1.0", rootA, ""), "aps.type"},
		"the other service":        {"POST", "/app", resourceOf(tenantType, rootA, ""), "aps.type"},
		"type without minor":       {"POST", "/app", resourceOf("http://aps.example.com/azure-partner-connector/app/1", rootA, ""), "aps.type"},
		"ids differ":               {"PUT", "/app/" + rootA, resourceOf(appType, rootB, ""), "aps.id"},
		"cloud":                    {"POST", "/app", appResource(`"cloud":7`), "property cloud"},
		"applicationId":            {"POST", "/app", appResource(`"applicationId":true`), "property applicationId"},
		"applicationSecret":        {"POST", "/app", appResource(`"applicationSecret":{"v":"c4n4ry-sent"}`), "property applicationSecret"},
		"applicationCertificate":   {"POST", "/app", appResource(`"applicationCertificate":["c4n4ry-sent"]`), "property applicationCertificate"},
		"nextApplicationSecret":    {"POST", "/app", appResource(`"nextApplicationSecret":7`), "property nextApplicationSecret"},
		"nextApplicationSecretEnd": {"POST", "/app", appResource(`"nextApplicationSecretEnd":"2027-13-01"`), "property nextApplicationSecretEnd"},
		"applicationSecretEnd":     {"POST", "/app", appResource(`"applicationSecretEnd":"soon"`), "property applicationSecretEnd"},
		"mfaRequest":               {"PUT", "/app/" + rootA, appResource(`"mfaRequest":{}`), "property mfaRequest"},
		"borrowers a text":         {"PUT", "/app/" + rootA, appResource(`"borrowers":"` + borrower + `"`), "property borrowers"},
		"borrowers of numbers":     {"PUT", "/app/" + rootA, appResource(`"borrowers":[1]`), "property borrowers"},
		"borrowers no UUIDs":       {"PUT", "/app/" + rootA, appResource(`"borrowers":["azure"]`), "property borrowers"},
		"borrower without an id":   {"PUT", "/app/" + rootA, appResource(`"borrowers":[{"apis":["graph"]}]`), "property borrowers"},
		"borrower's apis a text":   {"PUT", "/app/" + rootA, appResource(`"borrowers":[{"id":"` + borrower + `","apis":"graph"}]`), "property borrowers"},
		"skipLanding":              {"PUT", "/app/" + rootA, appResource(`"skipLanding":"yes"`), "property skipLanding"},
		"directLink":               {"PUT", "/app/" + rootA, appResource(`"directLink":1`), "property directLink"},
		"tenantApplication":        {"POST", "/app", appResource(`"tenantApplication":[]`), "property tenantApplication"},
		"directory":                {"POST", "/tenant", tenantResource(unknownID, `"directory":{}`), "property directory"},
		"directory, change":        {"PUT", "/tenant/" + tenantA, tenantResource(tenantA, `"directory":1`), "property directory"},
		"upgrade from a word":      {"POST", "/app/" + rootA + "/upgrade?version=latest", "", "version"},
		"upgrade, no release":      {"POST", "/app/" + rootA + "/upgrade?version=1-", "", "version"},
		"no code":                  {"POST", "/tenant/" + tenantA + "/redeem", "{}", "code"},
		"empty code":               {"POST", "/tenant/" + tenantA + "/redeem", `{"code":""}`, "code"},
		"code a number":            {"POST", "/tenant/" + tenantA + "/redeem", `{"code":7}`, "JSON object"},
		"code as a string":         {"POST", "/tenant/" + tenantA + "/redeem", `"c4n4ry-sent"`, "JSON object"},
		"no body for a code":       {"POST", "/tenant/" + tenantA + "/redeem", "", "JSON object"},
		"null for a code":          {"POST", "/tenant/" + tenantA + "/redeem", "null", "JSON object"},
		"limit a word":             {"GET", "/tenant/" + tenantA + "/history?limit=all", "", "limit"},
		"limit zero":               {"GET", "/tenant/" + tenantA + "/history?limit=0", "", "limit"},
		"before a word":            {"GET", "/tenant/" + tenantA + "/history?before=yesterday", "", "before"},
	} {
		t.Run(name, func(t *testing.T) {
			h := installed(t)
			r := request{method: tc.method, path: tc.path, body: tc.body}
			if strings.HasPrefix(tc.path, "/tenant/") {
				r.identity = userR2
			}
			a := h.refused(r, failure.BadRequest)
			if !strings.Contains(a.json(t)["message"].(string), tc.reason) {
				t.Errorf("answer = %s, want %s in it", a.text, tc.reason)
			}
			if strings.Contains(a.text+h.log.String(), "c4n4ry") {
				t.Errorf("answer or log contains what was sent: %s", a.text)
			}
		})
	}
}

func TestBody_RefusesOversized(t *testing.T) {
	large := tenantResource(unknownID, `"directory":"`+strings.Repeat("x", 2000)+`"`)
	limit := func(cfg *hooks.Config) { cfg.BodyLimit = 1000 }
	for name, r := range map[string]request{
		"resource":          {method: http.MethodPost, path: "/tenant", body: large},
		"code":              {method: http.MethodPost, path: "/tenant/" + tenantA + "/redeem", identity: userR2, body: `{"code":"` + strings.Repeat("7", 2000) + `"}`},
		"of unknown length": {method: http.MethodPost, path: "/tenant", body: large, chunked: true},
	} {
		t.Run(name, func(t *testing.T) {
			installed(t, limit).refused(r, failure.BodyTooLarge)
		})
	}
	h := installed(t)
	h.refused(request{method: http.MethodPost, path: "/tenant", body: tenantResource(unknownID, `"directory":"`+strings.Repeat("x", 1<<20)+`"`)}, failure.BodyTooLarge)
}

func TestHandler_NotFound(t *testing.T) {
	put, get, post := http.MethodPut, http.MethodGet, http.MethodPost
	for name, r := range map[string]request{
		"unknown service":           {method: get, path: "/nowhere"},
		"unknown root":              {method: get, path: "/app/" + unknownID},
		"root of another instance":  {method: get, path: "/app/" + rootB},
		"root no UUID":              {method: get, path: "/app/1"},
		"operation on another root": {method: get, path: "/app/" + rootB + "/tenants", identity: userP},
		"change of another root":    {method: put, path: "/app/" + rootB, body: resourceOf(appType, rootB, "")},
		"upgrade of another root":   {method: post, path: "/app/" + rootB + "/upgrade?version=1-1"},
		"unknown tenant":            {method: get, path: "/tenant/" + unknownID},
		"unknown tenant's status":   {method: get, path: "/tenant/" + unknownID + "/tokenStatus", identity: userR2},
		"unknown tenant's change":   {method: put, path: "/tenant/" + unknownID, body: tenantResource(unknownID, "")},
		"tenant no UUID":            {method: get, path: "/tenant/1"},
		"another instance's tenant": {method: get, path: "/tenant/" + tenantB},
		"its status":                {method: get, path: "/tenant/" + tenantB + "/tokenStatus", identity: userR2},
		"its consent":               {method: post, path: "/tenant/" + tenantB + "/consents", identity: userR2},
		"its token":                 {method: post, path: "/tenant/" + tenantB + "/accessToken", application: borrower, body: `{"api":"graph"}`},
		"its change":                {method: put, path: "/tenant/" + tenantB, body: tenantResource(tenantB, `"directory":"evil.example.com"`)},
		"unknown consent":           {method: get, path: "/tenant/" + tenantA + "/consents/" + unknownID, identity: userR2},
		"consent no UUID":           {method: get, path: "/tenant/" + tenantA + "/consents/1", identity: userR2},
	} {
		t.Run(name, func(t *testing.T) { installed(t).refused(r, failure.NotFound) })
	}
	t.Run("nothing is installed", func(t *testing.T) {
		newHarness(t).refused(request{method: get, path: "/tenant/" + tenantA}, failure.NotFound)
	})
}

func TestHandler_MethodNotAllowed(t *testing.T) {
	for _, r := range []request{
		{method: http.MethodGet, path: "/app"},
		{method: http.MethodGet, path: "/tenant"},
		{method: http.MethodPut, path: "/tenant"},
		{method: http.MethodPatch, path: "/tenant/" + tenantA},
		{method: http.MethodPost, path: "/"},
		{method: http.MethodGet, path: "/tenant/" + tenantA + "/renew"},
		{method: http.MethodGet, path: "/tenant/" + tenantA + "/accessToken"},
		{method: http.MethodGet, path: "/tenant/" + tenantA + "/consents"},
		{method: http.MethodPost, path: "/tenant/" + tenantA + "/tokenStatus"},
		{method: http.MethodDelete, path: "/tenant/" + tenantA + "/history"},
		{method: http.MethodPost, path: "/tenant/" + tenantA + "/consents/" + unknownID},
		{method: http.MethodGet, path: "/app/" + rootA + "/upgrade"},
		{method: http.MethodPost, path: "/app/" + rootA + "/tenants"},
	} {
		t.Run(r.method+" "+r.path, func(t *testing.T) {
			r.identity = userR2
			installed(t).refused(r, failure.MethodNotAllowed)
		})
	}
}

func TestRecovered_HidesPanic(t *testing.T) {
	h := installed(t)
	h.tenants.panic = "c4n4ry"
	a := h.refused(request{method: http.MethodGet, path: "/tenant/" + tenantA}, failure.InternalError)
	if strings.Contains(a.text, "c4n4ry") {
		t.Errorf("answer = %s, which contains the panic", a.text)
	}
	if record := lastRecord(t, h); record["level"] != "ERROR" || !strings.Contains(record["err"].(string), "c4n4ry") {
		t.Errorf("log = %v, want the panic", record)
	}
}
