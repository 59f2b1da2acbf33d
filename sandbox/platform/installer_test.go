package platform_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"azure-partner-connector/connector/platform/register/xmlrpc"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/sandbox/platform"
)

// An installer makes the calls of CloudBlue's own installer, apsconnect-cli, in the order and the wire format of the real
// program (docs/reference/aps-protocol.md §7.3).
type installer struct {
	t        *testing.T
	p        *platform.Platform
	endpoint string
	token    string
}

// rpc calls the operations API by a URL with user and password, as osaAPI does.
func (i *installer) rpc(method string, params map[string]any) map[string]any {
	i.t.Helper()
	message, err := xmlrpc.EncodeCall(method, params)
	if err != nil {
		i.t.Fatal(err)
	}
	address, err := url.Parse(i.p.URL() + "/RPC2")
	if err != nil {
		i.t.Fatal(err)
	}
	user, password := i.p.Admin()
	address.User = url.UserPassword(user, password.Reveal())
	status, body := i.send(http.MethodPost, address.String(), message, nil)
	if status != http.StatusOK {
		i.t.Fatalf("%s = %d %s, want 200", method, status, body)
	}
	answer, err := xmlrpc.DecodeAnswer(body)
	if err != nil {
		i.t.Fatalf("%s = %v", method, err)
	}
	members, _ := answer.(map[string]any)
	if members["status"] != 0 {
		i.t.Fatalf("%s = %v, want status 0", method, members)
	}
	switch result := members["result"].(type) {
	case map[string]any:
		return result
	case []any:
		return map[string]any{"list": result}
	}
	return nil
}

// rest calls the controller with the administrator's token.
func (i *installer) rest(method, path string, body, out any) {
	i.t.Helper()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			i.t.Fatal(err)
		}
	}
	status, answer := i.send(method, i.p.URL()+path, text, map[string]string{"APS-Token": i.token, "Content-Type": "application/json"})
	if status != http.StatusOK {
		i.t.Fatalf("%s %s = %d %s, want 200", method, path, status, answer)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		i.t.Fatalf("%s %s = %s, which is not the JSON that the installer reads: %v", method, path, answer, err)
	}
}

// send doesn't follow redirects, because the installer's libraries would drop the token.
func (i *installer) send(method, address string, body []byte, header map[string]string) (int, []byte) {
	i.t.Helper()
	req, err := http.NewRequestWithContext(i.t.Context(), method, address, bytes.NewReader(body))
	if err != nil {
		i.t.Fatal(err)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	if user := req.URL.User; user != nil {
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		i.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		i.t.Fatal(err)
	}
	return resp.StatusCode, answer
}

// initHub is the command init-hub.
func (i *installer) initHub() {
	i.t.Helper()
	report := i.rpc("pem.statistics.getStatisticsReport", map[string]any{"reports": []any{map[string]any{"name": "BuildHistory", "value": ""}}})
	list, _ := report["list"].([]any)
	var history struct {
		Build string `xml:"Build>Build"`
	}
	first, _ := list[0].(map[string]any)
	text, _ := first["value"].(string)
	if err := xml.Unmarshal([]byte(text), &history); err != nil {
		i.t.Fatalf("the build history is %q: %v", text, err)
	}
	if !regexp.MustCompile(`^(oa-8|cb-20)\.(\d+)-`).MatchString(history.Build) {
		i.t.Fatalf("the build is %q, which the installer refuses", history.Build)
	}
	i.signIn()
	var instances []any
	i.rest(http.MethodGet, "/aps/2/applications/", nil, &instances)
}

func (i *installer) signIn() {
	i.t.Helper()
	i.token, _ = i.rpc("pem.APS.getUserToken", map[string]any{"user_id": 1})["aps_token"].(string)
	if i.token == "" {
		i.t.Fatal("pem.APS.getUserToken gave no token")
	}
}

type apsResource struct {
	APS struct {
		ID   string `json:"id"`
		Type string `json:"type"`
	} `json:"aps"`
}

// start makes the first calls of every command and returns the extension.
func (i *installer) start() apsResource {
	i.t.Helper()
	i.signIn()
	var hub, extension []apsResource
	i.rest(http.MethodGet, "/aps/2/resources?implementing(http://parallels.com/aps/types/pa/poa/1.0)", nil, &hub)
	for range 2 { // it asks twice
		i.rest(http.MethodGet, "/aps/2/resources?implementing(http://odin.com/servicesSelector/globals/2.0)", nil, &extension)
	}
	if len(hub) != 1 || len(extension) != 1 {
		i.t.Fatalf("the platform has %d hubs and %d Connect extensions, want one each", len(hub), len(extension))
	}
	return extension[0]
}

// A manifest is the part of a package's description that the installer requires.
type manifest struct {
	XMLName xml.Name `xml:"http://aps-standard.org/ns/2 application"`
	ID      string   `xml:"id"`
	Version string   `xml:"version"`
	Release string   `xml:"release"`
	Name    string   `xml:"name"`
}

func (i *installer) open(content []byte) manifest {
	i.t.Helper()
	archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		i.t.Fatal(err)
	}
	read := func(name string) []byte {
		file, err := archive.Open(name)
		if err != nil {
			i.t.Fatalf("the package has no %s: %v", name, err)
		}
		defer file.Close()
		text, err := io.ReadAll(file)
		if err != nil {
			i.t.Fatal(err)
		}
		return text
	}
	var m manifest
	if err := xml.Unmarshal(read("APP-META.xml"), &m); err != nil {
		i.t.Fatal(err)
	}
	if _, err := strconv.Atoi(m.Version); err != nil {
		i.t.Fatalf("the package's version is %q, want a whole number", m.Version)
	}
	for _, name := range []string{"schemas/app.schema", "schemas/tenant.schema"} {
		var schema struct {
			Properties map[string]struct{ Type, Unit string }
		}
		if err := json.Unmarshal(read(name), &schema); err != nil || schema.Properties == nil {
			i.t.Fatalf("%s has no properties: %v", name, err)
		}
		for property, d := range schema.Properties {
			if strings.HasPrefix(d.Type, "http://aps-standard.org/types/core/resource/1.0#") && d.Unit == "" {
				i.t.Errorf("the counter %s of %s has no unit", property, name)
			}
		}
	}
	return m
}

// installFrontend is the command install-frontend. It reports whether it found an instance to upgrade.
func (i *installer) installFrontend(content []byte, oauthKey string, oauthSecret secret.Text) (upgraded bool) {
	i.t.Helper()
	extension := i.start()
	_, version, _ := strings.Cut(extension.APS.Type, "globals/")
	if number, err := strconv.ParseFloat(version, 64); err != nil || number < 2.2 {
		i.t.Fatalf("the Connect extension is %s, want 2.2 or later", extension.APS.Type)
	}
	m := i.open(content)
	var connection struct {
		ID string `json:"id"`
	}
	i.rest(http.MethodPost, "/aps/2/resources/"+extension.APS.ID+"/connectionsInfo", map[string]any{"product": strings.TrimPrefix(m.ID, "http://aps.odin.com/app/")}, &connection)
	if connection.ID == "" {
		i.t.Fatal("the Connect extension returned no connection")
	}
	if instance, installed := i.instance(m); installed {
		i.rpc("pem.APS.importPackage", map[string]any{"package_body": content})
		i.rpc("pem.APS.getApplications", map[string]any{"aps_application_id": m.ID})
		i.rpc("pem.APS.upgradeApplicationInstance", map[string]any{"application_instance_id": instance})
		return true
	}
	imported := i.rpc("pem.APS.importPackage", map[string]any{"package_body": content})
	if imported["package_version"] != m.Version+"-"+m.Release {
		i.t.Errorf("pem.APS.importPackage = %v, want the version %s-%s", imported, m.Version, m.Release)
	}
	var made struct {
		App apsResource `json:"app"`
	}
	i.rest(http.MethodPost, "/aps/2/applications/", map[string]any{"aps": map[string]any{
		"package": map[string]any{"type": m.ID, "version": m.Version, "release": m.Release}, "endpoint": i.endpoint, "network": "proxy",
		"auth": map[string]any{"oauth": map[string]any{"key": oauthKey, "secret": oauthSecret.Reveal()}},
	}}, &made)
	if made.App.APS.ID == "" {
		i.t.Fatal("the answer to POST /aps/2/applications/ has no app.aps.id")
	}
	i.sell(imported["application_id"], m, made.App.APS.ID)
	return false
}

// instance returns the instance of the package whose root has the package's version.
func (i *installer) instance(m manifest) (number any, found bool) {
	i.t.Helper()
	applications, _ := i.rpc("pem.APS.getApplications", map[string]any{"aps_application_id": m.ID})["list"].([]any)
	if len(applications) == 0 {
		return nil, false
	}
	application, _ := applications[0].(map[string]any)
	instances, _ := i.rpc("pem.APS.getApplicationInstances", map[string]any{"app_id": application["application_id"]})["list"].([]any)
	for _, item := range instances {
		instance, _ := item.(map[string]any)
		root, _ := instance["application_resource_id"].(string)
		var resource apsResource
		i.rest(http.MethodGet, "//aps/2/resources/"+root, nil, &resource) // with two slashes, as the installer sends it
		match := regexp.MustCompile("^" + regexp.QuoteMeta(m.ID) + `/app/(\d+)\.0$`).FindStringSubmatch(resource.APS.Type)
		if len(match) == 2 && match[1] == m.Version {
			number, found = instance["application_instance_id"], true
		}
	}
	return number, found
}

// sell creates the resource types and service templates that the installer creates.
func (i *installer) sell(application any, m manifest, root string) {
	i.t.Helper()
	add := func(class string, params ...any) any {
		list := []any{map[string]any{"var_name": "app_id", "var_value": application}}
		for n := 0; n < len(params); n += 2 {
			list = append(list, map[string]any{"var_name": params[n], "var_value": params[n+1]})
		}
		return i.rpc("pem.addResourceType", map[string]any{"resclass_name": class, "name": m.Name, "act_params": list})["resource_type_id"]
	}
	types := []any{add("rc.saas.service.link", "resource_uid", root), add("rc.saas.service", "service_id", "tenant", "autoprovide_service", "1")}
	resources, limits := []any{}, []any{}
	for _, id := range types {
		resources = append(resources, map[string]any{"resource_type_id": id})
		limits = append(limits, map[string]any{"resource_id": id, "resource_limit64": "1"})
	}
	template := i.rpc("pem.addServiceTemplate", map[string]any{"name": m.Name, "owner_id": 1, "resources": resources})
	i.rpc("pem.setSTRTLimits", map[string]any{"st_id": template["st_id"], "limits": limits})
}

func TestInstaller_Current(t *testing.T) {
	cfg := platform.Config{Development: true, ConnectExtension: true, AdminPassword: secret.New("1q2w3e")}
	p, err := platform.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	c := newConnector(t)
	i := &installer{t: t, p: p, endpoint: c.URL + "/aps"}
	i.initHub()
	if upgraded := i.installFrontend(archive(t, "1"), key, secret.New(sharedSecret)); upgraded {
		t.Error("install-frontend upgraded, want a new instance")
	}
	if types, templates := p.ResourceTypes(), p.ServiceTemplates(); len(types) != 2 || len(templates) != 1 || len(templates[0].Limits) != 2 || templates[0].Limits[types[0].Number] != "1" {
		t.Errorf("to sell there are %+v and %+v, want two resource types in one service template", types, templates)
	}
	if upgraded := i.installFrontend(archive(t, "2"), key, secret.New(sharedSecret)); !upgraded {
		t.Error("install-frontend of a newer release installed, want an upgrade")
	}
	_, lines := c.received()
	if got, want := strings.Join(lines, ", "), "POST /app, POST /app/ID/upgrade?version=2-1"; got != want {
		t.Errorf("hooks = %s, want %s", got, want)
	}
}

// TestInstaller_Of2017 makes the three calls of the installer of 2017, which needs no Connect
// (docs/reference/aps-protocol.md §7.4).
func TestInstaller_Of2017(t *testing.T) {
	p, err := platform.Start(platform.Config{Development: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	c := newConnector(t)
	i := &installer{t: t, p: p}
	content := archive(t, "1")
	m := i.open(content)
	i.rpc("pem.APS.importPackage", map[string]any{"package_body": content})
	i.signIn()
	var made struct {
		App apsResource `json:"app"`
	}
	i.rest(http.MethodPost, "/aps/2/applications/", map[string]any{"aps": map[string]any{
		"package": map[string]any{"type": m.ID, "version": m.Version, "release": m.Release}, "endpoint": c.URL + "/aps", "network": "public",
		"auth": map[string]any{"oauth": map[string]any{"key": key, "secret": sharedSecret}},
	}}, &made)
	if r, ok := p.Resource(made.App.APS.ID); !ok || r["aps"].(map[string]any)["status"] != "aps:ready" {
		t.Errorf("the root resource is %v, want a ready one", r)
	}
}

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
