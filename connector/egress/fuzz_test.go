package egress_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzTarget sends any path to an api whose rules allow everything. What reaches the upstream is what was sent, and no program can
// read it as another path.
func FuzzTarget(f *testing.F) {
	for _, path := range []string{"/v1.0/me", "/v1.0/..", "/a%2fb", "//", "/a;b=c/d", "/..;/d", "/%c0%ae", "/%24batch", "/a%40b?x=%2f", `/a\b`, "/a%", "/é", "/\x00", "/a%ef%bc%8e", "/%ef%bc%8e%ef%bc%8e/b", "/batch%e2%80%8b", "/%ef%bc%84batch"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if strings.ContainsAny(path, "\r\n") || !strings.HasPrefix(path, "/") || strings.TrimSpace(path) != path {
			t.Skip("no target of a header")
		}
		h := newHarness(t)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.server.URL+"/proxy", nil)
		h.must(err)
		r.Header["X-Connect-Target-Url"] = []string{h.upstream.URL + path}
		r.Header.Set("Authorization", "Bearer "+key)
		answer, err := h.server.Client().Do(r)
		if err != nil {
			return // no value of a header
		}
		_ = answer.Body.Close()
		for _, sent := range h.take() {
			if sent.target != path {
				t.Errorf("%q was forwarded as %q", path, sent.target)
			}
			raw, _, _ := strings.Cut(path, "?")
			decoded, err := url.PathUnescape(raw)
			if err != nil || strings.Count(decoded, "/") != strings.Count(raw, "/") || strings.ContainsAny(decoded, "\\%\x00") ||
				strings.Contains(decoded, "//") || strings.Contains(decoded, "/../") || strings.HasSuffix(decoded, "/..") ||
				strings.Contains(decoded, "/..;") || !utf8.ValidString(decoded) || strings.Contains(strings.ToLower(decoded), "/$batch") {
				t.Errorf("%q was forwarded", path)
			}
		}
	})
}
