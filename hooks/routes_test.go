package hooks_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"azure-partner-connector/hooks"
)

// documentedRequest is a request as the reference names it.
var documentedRequest = regexp.MustCompile("`((?:GET|HEAD|POST|PUT|DELETE) /[^`?]*)`")

// TestRoutes_AreDocumented compares the routes of the handler with the requests that the reference of the hooks names.
func TestRoutes_AreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/reference/hooks.md")
	if err != nil {
		t.Fatal(err)
	}
	served := map[string]bool{} // → whether the reference has it
	h := newHarness(t, func(cfg *hooks.Config) { cfg.PackageFile = hooks.PackageFile{Name: "a.app.zip"} })
	for _, route := range hooks.Routes(h.handler) {
		served[route] = false
	}
	for _, m := range documentedRequest.FindAllStringSubmatch(string(text), -1) {
		request := strings.Replace(m[1], "/package/{file}", "/package/a.app.zip", 1)
		known := false
		for _, service := range []string{"app", "tenant"} {
			route := strings.Replace(request, "{service}", service, 1)
			if _, ok := served[route]; ok {
				served[route], known = true, true
			}
		}
		if !known {
			t.Errorf("the reference has %s, which the handler does not serve", m[1])
		}
	}
	for route, documented := range served {
		if !documented {
			t.Errorf("the reference lacks %s", route)
		}
	}
}
