package platform_test

import (
	"encoding/json"
	"strings"
	"testing"

	"azure-partner-connector/connector/platform/register/xmlrpc"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/sandbox/platform"
)

// rich starts a platform with a package whose root has one property of every kind.
func rich(t *testing.T) *platform.Platform {
	t.Helper()
	p := start(t)
	content := changed(t, "schemas/app.schema", `"structures": {`, `"structures": {
		"Size": {"type": "object", "properties": {"width": {"type": "integer"}, "unit": {"type": "string", "enum": ["mm"]}}},`, `"properties": {`, `"properties": {
		"name": {"type": "string", "required": true, "minLength": 2, "maxLength": 4, "pattern": "^[a-z]+$"},
		"colour": {"type": "string", "enum": ["red", "blue"], "default": "red", "final": true},
		"mail": {"type": "string", "format": "email"},
		"link": {"type": "string", "format": "uri"},
		"host": {"type": "string", "format": "host-name"},
		"day": {"type": "string", "format": "date"},
		"at": {"type": "string", "format": "date-time"},
		"tags": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2, "uniqueItems": true},
		"ratio": {"type": "number"},
		"free": {"type": "object"},
		"size": {"type": "Size"},
		"reported": {"type": "integer", "readonly": true},`)
	if _, err := p.Import(t.Context(), content); err != nil {
		t.Fatalf("Import() = %v", err)
	}
	return p
}

func settings(t *testing.T, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestValues_AreChecked(t *testing.T) {
	p, c := rich(t), newConnector(t)
	for name, tc := range map[string]struct{ settings, want string }{
		"required":          {`{}`, "name is required"},
		"required empty":    {`{"name":""}`, "name is required"},
		"too short":         {`{"name":"a"}`, "too short"},
		"too long":          {`{"name":"abcde"}`, "too long"},
		"pattern":           {`{"name":"AB"}`, "does not match"},
		"enum":              {`{"name":"ab","colour":"green"}`, `cannot be "green"`},
		"email":             {`{"name":"ab","mail":"x"}`, "format email"},
		"uri":               {`{"name":"ab","link":"x"}`, "format uri"},
		"host":              {`{"name":"ab","host":"a/b"}`, "format host-name"},
		"date":              {`{"name":"ab","day":"tomorrow"}`, "format date"},
		"date and time":     {`{"name":"ab","at":"2026-11-23"}`, "format date-time"},
		"too few items":     {`{"name":"ab","tags":[]}`, "0 items"},
		"too many items":    {`{"name":"ab","tags":["a","b","c"]}`, "3 items"},
		"equal items":       {`{"name":"ab","tags":["a","a"]}`, "same item twice"},
		"items of no list":  {`{"name":"ab","tags":"a"}`, "not of type array"},
		"number":            {`{"name":"ab","ratio":"1"}`, "not of type number"},
		"object":            {`{"name":"ab","free":[]}`, "not of type object"},
		"structure":         {`{"name":"ab","size":1}`, "not of type Size"},
		"member unknown":    {`{"name":"ab","size":{"height":1}}`, "no property height"},
		"member fractional": {`{"name":"ab","size":{"width":1.5}}`, "not of type integer"},
		"read-only":         {`{"name":"ab","reported":1}`, "set by the application only"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := p.CreateInstance(t.Context(), c.URL+"/aps", key, secret.New(sharedSecret), settings(t, tc.settings))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("CreateInstance(%s) = %v, want an error with %q", tc.settings, err, tc.want)
			}
		})
	}
	made, err := p.CreateInstance(t.Context(), c.URL+"/aps", key, secret.New(sharedSecret), settings(t, `{"name":"ab","mail":"a@b.test",
		"link":"https://a.test","host":"a.test","day":"2026-11-23","at":"2026-11-23T08:00:00Z","tags":["a","b"],"ratio":0.5,"free":{"x":1},
		"size":{"width":2,"unit":"mm"},"borrowers":null}`))
	if err != nil {
		t.Fatalf("CreateInstance() = %v", err)
	}
	if err := p.Configure(t.Context(), "", made.RootID, map[string]any{"colour": "blue"}); err == nil || !strings.Contains(err.Error(), "cannot be changed") {
		t.Errorf("Configure() of a final property = %v, want an error", err)
	}
	c.answer = func(got call) (int, map[string]string, string) {
		if got.method == "GET" {
			return 200, nil, `{"reported":7}`
		}
		return 200, nil, "{}"
	}
	if err := p.Refresh(t.Context(), made.RootID); err != nil {
		t.Errorf("Refresh() = %v", err)
	}
	if r, _ := p.Resource(made.RootID); r["reported"] != 7.0 || r["colour"] != "red" {
		t.Errorf("Resource() = %v, want what the connector returned, and the default", r)
	}
}

// operate calls the operations API.
func operate(t *testing.T, p *platform.Platform, method string, params ...any) (result any, refusal string) {
	t.Helper()
	message, err := xmlrpc.EncodeCall(method, params...)
	if err != nil {
		t.Fatal(err)
	}
	user, password := p.Admin()
	basic := "http://" + user + ":" + password.Reveal() + "@"
	status, _, body := requestWith(t, strings.Replace(p.URL(), "http://", basic, 1)+"/RPC2", string(message))
	if status != 200 {
		t.Fatalf("%s = %d %s, want 200", method, status, body)
	}
	answer, err := xmlrpc.DecodeAnswer([]byte(body))
	if err != nil {
		return nil, err.Error()
	}
	members, _ := answer.(map[string]any)
	refusal, _ = members["error_message"].(string)
	return members["result"], refusal
}

func TestOperationsAPI_Refuses(t *testing.T) {
	p, _, made := installed(t)
	for name, tc := range map[string]struct {
		method string
		params []any
		want   string
	}{
		"unknown method":        {"pem.reboot", nil, "is not found"},
		"no struct":             {"pem.APS.getUserToken", []any{1}, "one struct"},
		"two structs":           {"pem.APS.getUserToken", []any{map[string]any{}, map[string]any{}}, "one struct"},
		"unknown user":          {"pem.APS.getUserToken", []any{map[string]any{"user_id": 7}}, "not found"},
		"nothing to import":     {"pem.APS.importPackage", []any{map[string]any{}}, "package_url or package_body"},
		"both to import":        {"pem.APS.importPackage", []any{map[string]any{"package_url": "x", "package_body": []byte("x")}}, "package_url or package_body"},
		"no package":            {"pem.APS.importPackage", []any{map[string]any{"package_body": []byte("x")}}, "not sound"},
		"no address":            {"pem.APS.importPackage", []any{map[string]any{"package_url": ":"}}, "address"},
		"unknown instance":      {"pem.APS.upgradeApplicationInstance", []any{map[string]any{"application_instance_id": 9999}}, "not found"},
		"nothing to upgrade to": {"pem.APS.upgradeApplicationInstance", []any{map[string]any{"application_instance_id": made.Number}}, "cannot be upgraded"},
		"unknown property":      {"pem.setSystemProperty", []any{map[string]any{"account_id": 1, "name": "X", "bool_value": true}}, "cannot be set"},
	} {
		t.Run(name, func(t *testing.T) {
			if result, refusal := operate(t, p, tc.method, tc.params...); !strings.Contains(refusal, tc.want) {
				t.Errorf("%s = %v %q, want %q", tc.method, result, refusal, tc.want)
			}
		})
	}
	if status, _, _ := requestWith(t, p.URL()+"/RPC2", ""); status != 401 {
		t.Errorf("POST /RPC2 without a password = %d, want 401", status)
	}
	if result, _ := operate(t, p, "pem.statistics.getStatisticsReport", map[string]any{"reports": []any{}}); result == nil {
		t.Error("getStatisticsReport = nothing, want the build history")
	}
}

func TestDevelopmentMode_CanBeTurnedOff(t *testing.T) {
	p := start(t)
	if _, refusal := operate(t, p, "pem.setSystemProperty", map[string]any{"account_id": 1, "name": "APS_DEVEL_MODE", "bool_value": false}); refusal != "" {
		t.Fatalf("setSystemProperty = %q, want success", refusal)
	}
	if _, err := p.CreateInstance(t.Context(), "http://a.test/aps", key, secret.New("s"), nil); err == nil || !strings.Contains(err.Error(), "development mode") {
		t.Errorf("CreateInstance() = %v, want an error about development mode", err)
	}
}

func TestController_ToolsReadAndRotate(t *testing.T) {
	p, c, made := installed(t)
	result, _ := operate(t, p, "pem.APS.getUserToken", map[string]any{"user_id": 1})
	members, _ := result.(map[string]any)
	token, _ := members["aps_token"].(string)
	header := map[string]string{"APS-Token": token}

	status, _, body := request(t, p, "GET", "/aps/2/applications/"+made.ID, "", header, "", "")
	if status != 200 || !strings.Contains(body, key) || strings.Contains(body, sharedSecret) || !strings.Contains(body, made.RootID) {
		t.Errorf("GET instance = %d %s, want it with its root and without the secret", status, body)
	}
	rotated := `{"aps":{"auth":{"oauth":{"key":"new","secret":"other-secret"}}}}`
	if status, _, body = request(t, p, "PUT", "/aps/2/applications/"+made.ID, rotated, header, "", ""); status != 200 || !strings.Contains(body, `"new"`) {
		t.Errorf("PUT instance = %d %s, want the new key", status, body)
	}
	if status, _, _ = request(t, p, "GET", "/aps/2/application", "", nil, key, sharedSecret); status != 401 {
		t.Errorf("GET with the old key = %d, want 401", status)
	}
	if status, _, body = request(t, p, "GET", "/aps/2/application", "", nil, "new", "other-secret"); status != 200 || !strings.Contains(body, `"tenant":{"schema":"aps/2/types/`) {
		t.Errorf("GET services = %d %s, want the two types", status, body)
	}
	for _, path := range []string{"/aps/2/types", "/aps/2/types/1", "/aps/2/packages"} {
		if status, _, body = request(t, p, "GET", path, "", header, "", ""); status != 200 || !json.Valid([]byte(body)) {
			t.Errorf("GET %s = %d %s, want JSON", path, status, body)
		}
	}
	for path, body := range map[string]string{"/aps/2/applications/": "x", "/aps/2/applications": `{"aps":{"package":{"type":"http://a.test/x"}}}`} {
		if status, _, answer := request(t, p, "POST", path, body, header, "", ""); status < 400 {
			t.Errorf("POST %s of %s = %d %s, want a refusal", path, body, status, answer)
		}
	}
	if _, lines := c.received(); len(lines) != 1 {
		t.Errorf("hooks = %v, want only the provisioning", lines)
	}
}
