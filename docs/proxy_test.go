package docs_test

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestProxy_WaitsForTheChecksOfAConsent compares how long the sample and the guide let a proxy wait with what the checks of a
// consent may take.
func TestProxy_WaitsForTheChecksOfAConsent(t *testing.T) {
	seconds := func(pattern string, path ...string) int {
		t.Helper()
		name := filepath.Join(append([]string{root}, path...)...)
		found := regexp.MustCompile(pattern).FindStringSubmatch(read(t, name))
		if found == nil {
			t.Fatalf("%s has no %s", name, pattern)
		}
		n, err := strconv.Atoi(found[1])
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	takes := seconds(`acceptTimeout = (\d+) \* time\.Second`, "connector", "consent", "complete.go")
	waits := seconds(`proxy_read_timeout (\d+)s;`, "deploy", "proxy", "nginx.conf")
	if waits <= takes {
		t.Errorf("the sample waits for %d seconds, want more than the %d that a consent may take", waits, takes)
	}
	if guide := read(t, "guides/proxy.md"); !strings.Contains(guide, "at least "+strconv.Itoa(waits)+" seconds") {
		t.Errorf("guides/proxy.md does not say that a proxy waits for at least %d seconds", waits)
	}
}

// TestProxy_LogsNoLink looks into the sample's format of the access log.
func TestProxy_LogsNoLink(t *testing.T) {
	sample := read(t, filepath.Join(root, "deploy", "proxy", "nginx.conf"))
	format := regexp.MustCompile(`log_format \w+ '(.*)';`).FindStringSubmatch(sample)
	if format == nil {
		t.Fatal("the sample has no log_format, so it logs whole addresses")
	}
	for _, variable := range []string{"$uri", "$request_uri", "$request ", "$request\"", "$args", "$query_string", "$http_referer"} {
		if strings.Contains(format[1], variable) {
			t.Errorf("the sample logs %s, which may hold a link or a code", variable)
		}
	}
	if !strings.Contains(sample, `"~/consent/" /consent/-;`) || strings.Count(sample, "access_log") != 1 {
		t.Error("the sample does not hide the links in the path")
	}
}
