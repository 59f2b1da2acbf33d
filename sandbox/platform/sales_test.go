package platform_test

import (
	"net/http"
	"strings"
	"testing"

	"azure-partner-connector/connector/platform/register/xmlrpc"
)

func TestOperationsAPI_RefusesUnknownResourcesForSale(t *testing.T) {
	p, _, made := installed(t)
	i := &installer{t: t, p: p}
	application := i.rpc("pem.APS.getApplications", map[string]any{"aps_application_id": "http://aps.example.com/azure-partner-connector"})["list"].([]any)[0].(map[string]any)["application_id"]
	param := func(name string, value any) map[string]any {
		return map[string]any{"var_name": name, "var_value": value}
	}
	for name, tc := range map[string]struct {
		method string
		params map[string]any
		want   string
	}{
		"another class":        {"pem.addResourceType", map[string]any{"resclass_name": "rc.disk", "name": "x", "act_params": []any{param("app_id", application)}}, "rc.disk"},
		"unknown application":  {"pem.addResourceType", map[string]any{"resclass_name": "rc.saas.service", "name": "x", "act_params": []any{param("app_id", "999")}}, "application 999"},
		"unknown service":      {"pem.addResourceType", map[string]any{"resclass_name": "rc.saas.service", "name": "x", "act_params": []any{param("app_id", application), param("service_id", "gadget")}}, "service gadget"},
		"unknown resource":     {"pem.addResourceType", map[string]any{"resclass_name": "rc.saas.service.link", "name": "x", "act_params": []any{param("app_id", application), param("resource_uid", made.ID)}}, "resource " + made.ID},
		"no name":              {"pem.addResourceType", map[string]any{"resclass_name": "rc.saas.service", "act_params": []any{param("app_id", application)}}, "needs a name"},
		"parameter of nothing": {"pem.addResourceType", map[string]any{"resclass_name": "rc.saas.service", "name": "x", "act_params": []any{map[string]any{}}}, "no name"},
		"template of nothing":  {"pem.addServiceTemplate", map[string]any{"name": "x", "owner_id": 1, "resources": []any{map[string]any{"resource_type_id": 999}}}, "resource type 999"},
		"somebody's template":  {"pem.addServiceTemplate", map[string]any{"name": "x", "owner_id": 2}, "provider"},
		"limits of nothing":    {"pem.setSTRTLimits", map[string]any{"st_id": 999}, "service template"},
	} {
		t.Run(name, func(t *testing.T) {
			message, err := xmlrpc.EncodeCall(tc.method, tc.params)
			if err != nil {
				t.Fatal(err)
			}
			user, password := p.Admin()
			address := strings.Replace(p.URL(), "http://", "http://"+user+":"+password.Reveal()+"@", 1) + "/RPC2"
			_, body := i.send(http.MethodPost, address, message, nil)
			answer, err := xmlrpc.DecodeAnswer(body)
			members, _ := answer.(map[string]any)
			refusal, _ := members["error_message"].(string)
			if err != nil || members["status"] == 0 || !strings.Contains(refusal, tc.want) {
				t.Errorf("%s = %v, %v, want a refusal with %q", tc.method, answer, err, tc.want)
			}
		})
	}
}
