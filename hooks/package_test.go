package hooks_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/hooks"
)

func unsigned(*http.Request) {}

func TestServePackage_ToAnyone(t *testing.T) {
	content := strings.Repeat("the package ", 100)
	h := newHarness(t, func(cfg *hooks.Config) {
		cfg.PackageFile = hooks.PackageFile{Name: "azure-1-1.app.zip", Content: []byte(content)}
	})
	get := request{method: http.MethodGet, path: "/package/azure-1-1.app.zip", sign: unsigned}
	a := h.accepted(get, http.StatusOK)
	tag := a.header.Get("ETag")
	if a.text != content || a.header.Get("Content-Type") != "application/zip" || tag == "" {
		t.Errorf("GET %s = %v with %d bytes, want the package with its tag", get.path, a.header, len(a.text))
	}
	head := get
	head.method = http.MethodHead
	if a := h.accepted(head, http.StatusOK); a.text != "" || a.header.Get("ETag") != tag || a.header.Get("Content-Length") != "1200" {
		t.Errorf("HEAD %s = %v %q, want the headers only", head.path, a.header, a.text)
	}
	get.header = map[string]string{"If-None-Match": tag}
	h.accepted(get, http.StatusNotModified)

	h.refused(request{method: http.MethodPost, path: get.path, sign: unsigned}, failure.Unauthorized)
	h.refused(request{method: http.MethodGet, path: "/package/other.app.zip", sign: unsigned}, failure.Unauthorized)
	h.refused(request{method: http.MethodGet, path: "/package/", sign: unsigned}, failure.Unauthorized)
}

func TestServePackage_NotByDefault(t *testing.T) {
	h := newHarness(t)
	h.refused(request{method: http.MethodGet, path: "/package/azure-1-1.app.zip", sign: unsigned}, failure.Unauthorized)
	h.refused(request{method: http.MethodGet, path: "/package/", sign: unsigned}, failure.Unauthorized)
}

// An operator may publish the package with another id.
func TestPackageID_InAnswers(t *testing.T) {
	const own = "http://aps.example.net/own"
	h := installed(t, func(cfg *hooks.Config) {
		cfg.PackageID = own
		cfg.Schema = func(service string, version int) ([]byte, bool) {
			return fmt.Appendf(nil, `{"id":"%s/%s/%d.0"}`, own, service, version), true
		}
	})
	if a := h.accepted(request{method: http.MethodGet, path: "/app/" + rootA}, http.StatusOK); !strings.Contains(a.text, own+"/app/2.0") {
		t.Errorf("GET of the root = %s, want the own id", a.text)
	}
	same(t, h.accepted(request{method: http.MethodGet, path: "/tenant/$schema"}, http.StatusOK), `{"id":"`+own+`/tenant/2.0"}`)
}
