package platform_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"azure-partner-connector/connector/platform/register/xmlrpc"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/sandbox/platform"
	"azure-partner-connector/sandbox/releases"

	"github.com/google/go-cmp/cmp"
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

// initHub is the command init-hub. Releases of the installer read the version from different reports, and want versions of the
// form supported.
func (i *installer) initHub(report, supported string) {
	i.t.Helper()
	list, _ := i.rpc("pem.statistics.getStatisticsReport", map[string]any{"reports": []any{map[string]any{"name": report, "value": ""}}})["list"].([]any)
	var read struct {
		Build  string `xml:"Build>Build"`
		Client string `xml:"ClientVersion"`
	}
	first, _ := list[0].(map[string]any)
	text, _ := first["value"].(string)
	if err := xml.Unmarshal([]byte(text), &read); err != nil {
		i.t.Fatalf("the report %s is %q: %v", report, text, err)
	}
	if version := read.Build + read.Client; !regexp.MustCompile(supported).MatchString(version) {
		i.t.Fatalf("the version in %s is %q, which the installer refuses", report, version)
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
		ID      string `json:"id"`
		Type    string `json:"type"`
		Package struct {
			ID string `json:"id"`
		} `json:"package"`
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

// installFrontend is the command install-frontend. It returns what it did: install, createRTs for an instance of the package's
// version, or upgrade.
func (i *installer) installFrontend(content []byte, oauthKey string, oauthSecret secret.Text) (done string) {
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
	application, instance, root, installed := i.instance(m)
	switch {
	case !installed:
		i.install(content, m, oauthKey, oauthSecret)
		return "install"
	case root == m.Version:
		i.createMissing(application, m, i.instances(application)[0]["application_resource_id"].(string))
		return "createRTs"
	}
	i.rpc("pem.APS.importPackage", map[string]any{"package_body": content})
	i.rpc("pem.APS.getApplications", map[string]any{"aps_application_id": m.ID})
	i.instances(application)
	i.rpc("pem.APS.upgradeApplicationInstance", map[string]any{"application_instance_id": instance})
	return "upgrade"
}

func (i *installer) install(content []byte, m manifest, oauthKey string, oauthSecret secret.Text) {
	i.t.Helper()
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
	i.sell(fmt.Sprint(imported["application_id"]), m, made.App.APS.ID)
}

// instance returns the number of the package's application and of its first instance, and the version of that instance's root.
func (i *installer) instance(m manifest) (application int, instance any, root string, found bool) {
	i.t.Helper()
	applications, _ := i.rpc("pem.APS.getApplications", map[string]any{"aps_application_id": m.ID})["list"].([]any)
	if len(applications) == 0 {
		return 0, nil, "", false
	}
	first, _ := applications[0].(map[string]any)
	application, _ = first["application_id"].(int)
	instances := i.instances(application)
	if len(instances) == 0 {
		return application, nil, "", false
	}
	var resource apsResource
	i.rest(http.MethodGet, "//aps/2/resources/"+instances[0]["application_resource_id"].(string), nil, &resource) // with two slashes, as the installer sends it
	match := regexp.MustCompile("^" + regexp.QuoteMeta(m.ID) + `/app/(\d+)\.0`).FindStringSubmatch(resource.APS.Type)
	if len(match) != 2 {
		i.t.Fatalf("the root is a %s, in which the installer finds no version", resource.APS.Type)
	}
	return application, instances[0]["application_instance_id"], match[1], true
}

func (i *installer) instances(application int) (list []map[string]any) {
	i.t.Helper()
	items, _ := i.rpc("pem.APS.getApplicationInstances", map[string]any{"app_id": application})["list"].([]any)
	for _, item := range items {
		list = append(list, item.(map[string]any))
	}
	return list
}

// supportsProfiles asks whether the instance's package has the service itemProfile.
func (i *installer) supportsProfiles(root string) bool {
	i.t.Helper()
	var resource apsResource
	i.rest(http.MethodGet, "/aps/2/resources/"+root, nil, &resource)
	var described struct {
		Services map[string]any `json:"services"`
	}
	i.rest(http.MethodGet, "/aps/2/packages/"+resource.APS.Package.ID, nil, &described)
	if described.Services["app"] == nil || described.Services["tenant"] == nil {
		i.t.Errorf("services of the package = %v, want app and tenant", described.Services)
	}
	return described.Services["itemProfile"] != nil
}

// sell creates the resource types and service templates that the installer creates.
func (i *installer) sell(application string, m manifest, root string) {
	i.t.Helper()
	add := func(class, name string, params ...any) any {
		list := []any{map[string]any{"var_name": "app_id", "var_value": application}}
		for n := 0; n < len(params); n += 2 {
			list = append(list, map[string]any{"var_name": params[n], "var_value": params[n+1]})
		}
		return i.rpc("pem.addResourceType", map[string]any{"resclass_name": class, "name": m.Name + name, "act_params": list})["resource_type_id"]
	}
	types := []any{
		add("rc.saas.service.link", " app instance", "resource_uid", root),
		add("rc.saas.service", " tenant", "service_id", "tenant", "autoprovide_service", "1"),
	}
	if i.supportsProfiles(root) {
		i.t.Error("the package has the service itemProfile, want none")
	}
	resources, limits := []any{}, []any{}
	for _, id := range types {
		resources = append(resources, map[string]any{"resource_type_id": id})
		limits = append(limits, map[string]any{"resource_id": id, "resource_limit64": "1"})
	}
	template := i.rpc("pem.addServiceTemplate", map[string]any{"name": m.Name, "owner_id": 1, "resources": resources})
	i.rpc("pem.setSTRTLimits", map[string]any{"st_id": template["st_id"], "limits": limits})
}

// createMissing looks for the resource types of the package's counters, of which ours has none.
func (i *installer) createMissing(application int, m manifest, root string) {
	i.t.Helper()
	if i.supportsProfiles(root) {
		i.t.Error("the package has the service itemProfile, want none")
	}
	var profiles []any
	i.rest(http.MethodGet, "/aps/2/resources?implementing("+m.ID+"/itemProfile/"+m.Version+"."+m.Release+")", nil, &profiles)
	if len(profiles) > 0 {
		i.t.Errorf("profiles = %v, want none", profiles)
	}
	var manager apsResource
	i.rest(http.MethodGet, "/aps/2/services/resource-type-manager", nil, &manager)
	// The second class is one that it created; its others are those of counters.
	for _, class := range []string{"rc.saas.resource.kbps", "rc.saas.service", "rc.saas.resource.unit"} {
		list, _ := i.rpc("pem.getResourceTypesByClass", map[string]any{"resclass_name": class})["list"].([]any)
		if want := map[bool]int{true: 1}[class == "rc.saas.service"]; len(list) != want {
			i.t.Errorf("resource types of the class %s = %v, want %d", class, list, want)
		}
		for _, item := range list {
			var t struct {
				Parameters map[string]string `json:"activationParameters"`
			}
			i.rest(http.MethodGet, fmt.Sprintf("/aps/2/services/resource-type-manager/resourceTypes/%v", item.(map[string]any)["resource_type_id"]), nil, &t)
			if t.Parameters["app_id"] != strconv.Itoa(application) {
				i.t.Errorf("parameters of the resource type = %v, want those of application %d", t.Parameters, application)
			}
		}
	}
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
	i.initHub("BuildHistory", `^(oa-8|cb-20)\.(\d+)-`)
	i.initHub("report-for-cep", `^(oa-8\.\d+|cb-20\.([5-9]|\d\d))-`)
	first := releases.First()
	var done []string
	for _, content := range [][]byte{first, first, archive(t, "1"), archive(t, "1")} {
		done = append(done, i.installFrontend(content, key, secret.New(sharedSecret)))
	}
	if diff := cmp.Diff([]string{"install", "createRTs", "upgrade", "createRTs"}, done); diff != "" {
		t.Errorf("install-frontend differs (-want +got):\n%s", diff)
	}
	if types, templates := p.ResourceTypes(), p.ServiceTemplates(); len(types) != 2 || len(templates) != 1 || len(templates[0].Limits) != 2 || templates[0].Limits[types[0].Number] != "1" {
		t.Errorf("to sell there are %+v and %+v, want two resource types in one service template", types, templates)
	}
	// Each reading of the root asks the connector.
	_, lines := c.received()
	lines = slices.DeleteFunc(lines, func(line string) bool { return line == "GET /app/ID" })
	if got, want := strings.Join(lines, ", "), "POST /app, POST /app/ID/upgrade?version=1-1"; got != want {
		t.Errorf("hooks = %s, want %s", got, want)
	}
}

// TestInstaller_Of2017 makes the calls of the installer of 2017, which needs no Connect and knows no upgrade: each run installs an
// instance of its own (docs/reference/aps-protocol.md §7.4).
func TestInstaller_Of2017(t *testing.T) {
	p, err := platform.Start(platform.Config{Development: true, Build: "oa-7.1-1630"})
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
	i.initHub("report-for-cep", `^oa-7\.1-`)
	first := releases.First()
	roots := make(map[string]bool)
	for n, content := range [][]byte{first, first, archive(t, "1")} {
		m := i.open(content)
		imported := i.rpc("pem.APS.importPackage", map[string]any{"package_body": content})
		i.signIn()
		var made struct {
			App apsResource `json:"app"`
		}
		i.rest(http.MethodPost, "/aps/2/applications/", map[string]any{"aps": map[string]any{
			"package": map[string]any{"type": m.ID, "version": m.Version, "release": m.Release}, "endpoint": c.URL + "/aps", "network": "public",
			"auth": map[string]any{"oauth": map[string]any{"key": fmt.Sprintf("%s-%d", key, n), "secret": sharedSecret}},
		}}, &made)
		r, ok := p.Resource(made.App.APS.ID)
		if !ok || r["aps"].(map[string]any)["status"] != "aps:ready" || !strings.HasSuffix(made.App.APS.Type, "/app/"+m.Version+".0") {
			t.Errorf("the root resource of run %d is %v, want a ready one of version %s", n+1, r, m.Version)
		}
		roots[made.App.APS.ID] = true
		if list := i.instances(imported["application_id"].(int)); len(list) != n+1 || len(roots) != n+1 {
			t.Errorf("instances after run %d = %v, want %d", n+1, list, n+1)
		}
	}
}
