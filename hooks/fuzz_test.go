package hooks_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/hooks"
)

// Any body is either refused as a bad request, without repeating any of it, or all of its ids are valid.
func FuzzResource(f *testing.F) {
	f.Add(true, []byte(appResource(settings)))
	f.Add(false, []byte(tenantResource(tenantA, `"account":{"aps":{"id":"`+accountR2+`"}}`)))
	f.Add(false, []byte(tenantResource(tenantA, `"subscription":{"aps":{"href":"/aps/2/resources/`+unknownID+`"}}`)))
	for _, body := range []string{
		``, `null`, `[]`, `{}`, `{"aps":null}`, `{"aps":[]}`, `{"aps":{"type":"` + appType + `","id":"{` + rootA + `}"}}`,
		`{"aps":{"type":"` + appType + `","x509":{"self":"-----BEGIN RSA PRIVATE KEY-----"}}}`,
		`{"aps":{"type":"` + tenantType + `","subscription":7},"account":7,"directory":[]}`,
		`{"borrowers":[null,""],"applicationSecretEnd":"2027-13-40","cloud":{"a":1}}`, strings.Repeat(`[`, 10000),
	} {
		f.Add(true, []byte(body))
		f.Add(false, []byte(body))
	}
	f.Fuzz(func(t *testing.T, root bool, body []byte) {
		service := "tenant"
		if root {
			service = "app"
		}
		id, account, subscription, err := hooks.ReadResource(service, body)
		if err != nil {
			if !failure.Is(err, failure.BadRequest) {
				t.Fatalf("ReadResource(%q) = %v, want bad_request", body, err)
			}
			if len(err.Error()) > 200 {
				t.Errorf("ReadResource(%q) = %v, which repeats what was sent", body, err)
			}
			return
		}
		if !json.Valid(body) {
			t.Errorf("ReadResource(%q) = %s, want invalid JSON refused", body, id)
		}
		for _, id := range []string{id, account, subscription} {
			if parsed, err := uuid.Parse(id); id != "" && (err != nil || parsed.String() != id) {
				t.Errorf("ReadResource(%q) returned the id %q, want a UUID in lower case", body, id)
			}
		}
	})
}

// The version of an upgrade ends up in the audit trail.
func FuzzUpgradeVersion(f *testing.F) {
	for _, text := range []string{"1-1", "26.0-2", "100-500", "19.2-115", "1-0-3", "", "-", "1-", "-1", "1", "1-1\n", "1-1;drop", "１-１", strings.Repeat("1", 70) + "-1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		version, release, found := cutLast(text)
		want := found && version != "" && release != "" && len(text) <= 64 &&
			strings.Trim(version, "0123456789.-") == "" && !strings.ContainsFunc(release, func(r rune) bool { return r != '.' && (r < '0' || r > '9') }) &&
			!strings.ContainsFunc(version, func(r rune) bool { return r != '.' && r != '-' && (r < '0' || r > '9') })
		if got := hooks.IsPackageVersion(text); got != want {
			t.Errorf("IsPackageVersion(%q) = %v, want %v", text, got, want)
		}
	})
}

func cutLast(text string) (before, after string, found bool) {
	i := strings.LastIndexByte(text, '-')
	if i < 0 {
		return "", "", false
	}
	return text[:i], text[i+1:], true
}
