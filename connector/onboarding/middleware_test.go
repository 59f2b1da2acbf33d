package onboarding_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/onboarding"
	"azure-partner-connector/connector/peer"
)

func TestSecurityHeaders_OfEveryAnswer(t *testing.T) {
	h := newHarness(t, nil)
	want := map[string]string{
		"Cross-Origin-Resource-Policy": "same-origin",
		"Referrer-Policy":              "no-referrer",
		"Strict-Transport-Security":    "max-age=31536000",
		"X-Content-Type-Options":       "nosniff",
		"X-Frame-Options":              "DENY",
		"X-Robots-Tag":                 "noindex, nofollow",
	}
	for _, path := range []string{
		"/", "/robots.txt", "/done", "/consent/" + link, "/consent/a/b", "/callback", "/callback?" + granted().Encode(),
		"/assets/style.css", "/assets/none", "/none",
	} {
		p := h.visitor().get(path)
		for name, value := range want {
			if got := p.header.Get(name); got != value {
				t.Errorf("GET %s: %s = %q, want %q", path, name, got, value)
			}
		}
		policy := p.header.Get("Content-Security-Policy")
		for _, directive := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "base-uri 'none'", "frame-ancestors 'none'", "form-action '"} {
			if !strings.Contains(policy, directive) {
				t.Errorf("GET %s: Content-Security-Policy = %q, want %q", path, policy, directive)
			}
		}
		if strings.Contains(policy, "unsafe") {
			t.Errorf("GET %s: Content-Security-Policy = %q, want nothing inline", path, policy)
		}
		if got := p.header.Get("Permissions-Policy"); !strings.Contains(got, "camera=()") {
			t.Errorf("GET %s: Permissions-Policy = %q, want the camera denied", path, got)
		}
		if got := p.header.Get("Cache-Control"); got != "no-store" && path != "/assets/style.css" {
			t.Errorf("GET %s: Cache-Control = %q, want no-store", path, got)
		}
		for _, inline := range []string{"<script>", "<style>", " style=", " onclick=", "http://"} {
			if strings.Contains(p.body, inline) && path != "/assets/style.css" {
				t.Errorf("GET %s = %s, want no %q", path, p.body, inline)
			}
		}
	}
}

func TestSecurityHeaders_FormAction(t *testing.T) {
	h := newHarness(t, func(cfg *onboarding.Config) {
		cfg.Authorities = []string{"https://login.microsoftonline.com", "http://127.0.0.1:4711/", "http://127.0.0.1:4711/x", ":", ""}
	})
	v := h.visitor()
	for path, want := range map[string]string{
		"/consent/" + link: "form-action 'self' https: http://127.0.0.1:4711",
		"/":                "form-action 'none'",
		"/done":            "form-action 'none'",
	} {
		if got := v.get(path).header.Get("Content-Security-Policy"); !strings.HasSuffix(got, want) {
			t.Errorf("GET %s: Content-Security-Policy = %q, want it to end with %q", path, got, want)
		}
	}
	p := h.visitor().send(http.MethodPost, "/callback", granted())
	if got := p.header.Get("Content-Security-Policy"); !strings.HasSuffix(got, "form-action 'self'") {
		t.Errorf("POST /callback: Content-Security-Policy = %q, want forms to our own origin only", got)
	}
}

func TestRecorded_ByRoute(t *testing.T) {
	h := newHarness(t, nil)
	v := h.visitor()
	v.get("/consent/" + link + "?x=" + code)
	v.continueFrom("/consent/" + link)
	v.callBack(granted())
	v.get("/" + link)
	h.complete = func(consent.Callback) (consent.Outcome, error) {
		return consent.Outcome{}, failure.New(failure.MFAMissing)
	}
	v.get("/callback?" + granted().Encode())
	var got []string
	for line := range strings.Lines(h.log.String()) {
		var entry struct {
			Level, Method, Route, Client, Reference, Code string
			Status                                        int
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("Unmarshal(%s) = %v", line, err)
		}
		if entry.Client != "127.0.0.1" || !referenceForm.MatchString(entry.Reference) {
			t.Errorf("record = %s, want client and reference", line)
		}
		got = append(got, fmt.Sprint(entry.Level, " ", entry.Method, " ", entry.Route, " ", entry.Status, " ", entry.Code))
	}
	want := []string{
		"INFO GET /consent/:link 200 ", "INFO POST /consent/:link 303 ", "INFO GET /callback 303 ", "INFO GET /done 200 ",
		"INFO GET none 404 not_found", "INFO GET /callback 303 mfa_missing",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("records =\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestRecorded_ReferenceOfPageIsThatOfCallback(t *testing.T) {
	h := newHarness(t, nil)
	h.complete = func(consent.Callback) (consent.Outcome, error) {
		return consent.Outcome{}, failure.New(failure.MFAMissing)
	}
	reference := h.visitor().callBack(granted()).text("reference")
	for line := range strings.Lines(h.log.String()) {
		if strings.Contains(line, `"/callback"`) && !strings.Contains(line, reference) {
			t.Errorf("record = %s, want reference %s of the page", line, reference)
		}
	}
}

func TestLimit_TooManyRequests(t *testing.T) {
	h := newHarness(t, func(cfg *onboarding.Config) { cfg.Limit = onboarding.Limit{PerMinute: 6, Burst: 3} })
	v := h.visitor()
	for i := range 3 {
		if p := v.get("/"); p.status != http.StatusOK {
			t.Fatalf("GET / number %d = %d, want 200", i+1, p.status)
		}
	}
	p := v.get("/consent/" + link)
	checkRefusal(t, h, p, failure.New(failure.TooManyRequests))
	if got := p.header.Get("Retry-After"); got != "10" {
		t.Errorf("Retry-After = %q, want 10", got)
	}
	if p := v.get("/assets/style.css"); p.status != http.StatusOK {
		t.Errorf("GET /assets/style.css = %d, want 200: error pages need it", p.status)
	}
	h.clock.advance(9 * time.Second)
	if p := v.get("/"); p.status != http.StatusTooManyRequests || p.header.Get("Retry-After") != "1" {
		t.Errorf("GET / after 9 s = %d, want 429: a refused request doesn't count", p.status)
	}
	h.clock.advance(time.Second)
	if p := v.get("/"); p.status != http.StatusOK {
		t.Errorf("GET / after 10 s = %d, want 200", p.status)
	}
	if p := v.get("/none"); p.status != http.StatusTooManyRequests {
		t.Errorf("GET /none = %d, want 429: unknown addresses count", p.status)
	}
}

// A client is one address as the handler sees it.
type client struct {
	remote    string
	forwarded []string
}

func (c client) get(handler http.Handler) int {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = c.remote
	r.Header["X-Forwarded-For"] = c.forwarded
	r.Header.Set("X-Real-Ip", "203.0.113.99")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w.Code
}

func TestLimit_IdentifiesClients(t *testing.T) {
	const proxy = "10.1.2.3:9"
	for name, tc := range map[string]struct {
		first, second client
		same          bool
	}{
		"two addresses":              {client{"192.0.2.1:1", nil}, client{"192.0.2.2:1", nil}, false},
		"two ports":                  {client{"192.0.2.1:1", nil}, client{"192.0.2.1:2", nil}, true},
		"one network of IPv6":        {client{"[2001:db8::1]:1", nil}, client{"[2001:db8::2]:1", nil}, true},
		"two networks of IPv6":       {client{"[2001:db8::1]:1", nil}, client{"[2001:db8:0:1::1]:1", nil}, false},
		"IPv4 in IPv6":               {client{"[::ffff:192.0.2.1]:1", nil}, client{"192.0.2.1:1", nil}, true},
		"header without a proxy":     {client{"192.0.2.1:1", []string{"198.51.100.1"}}, client{"192.0.2.1:1", []string{"198.51.100.2"}}, true},
		"behind a trusted proxy":     {client{proxy, []string{"198.51.100.1"}}, client{proxy, []string{"198.51.100.2"}}, false},
		"same behind the proxy":      {client{proxy, []string{"198.51.100.1"}}, client{"10.9.9.9:9", []string{"198.51.100.1"}}, true},
		"forged entry in front":      {client{proxy, []string{"1.1.1.1, 198.51.100.1"}}, client{proxy, []string{"2.2.2.2, 198.51.100.1"}}, true},
		"header in two lines":        {client{proxy, []string{"1.1.1.1", "198.51.100.1"}}, client{proxy, []string{"198.51.100.1"}}, true},
		"two proxies":                {client{proxy, []string{"198.51.100.1, 10.4.4.4"}}, client{proxy, []string{"198.51.100.1"}}, true},
		"with ports":                 {client{proxy, []string{"198.51.100.1:17085"}}, client{proxy, []string{"198.51.100.1:17086"}}, true},
		"two, with ports":            {client{proxy, []string{"198.51.100.1:17085"}}, client{proxy, []string{"198.51.100.2:17085"}}, false},
		"nonsense behind the proxy":  {client{proxy, []string{"nonsense"}}, client{proxy, nil}, true},
		"loopback is no proxy":       {client{"127.0.0.1:1", []string{"198.51.100.1"}}, client{"127.0.0.1:1", []string{"198.51.100.2"}}, true},
		"two unreadable":             {client{"@", nil}, client{"", nil}, true},
		"unreadable and a real one":  {client{"@", nil}, client{"192.0.2.1:1", nil}, false},
		"untrusted private networks": {client{"192.168.0.1:1", []string{"198.51.100.1"}}, client{"192.168.0.1:1", []string{"198.51.100.2"}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			handler, err := onboarding.New(onboarding.Config{
				PublicURL: "https://onboarding.example.com", Consents: &fake{}, Seal: brokenSeal{},
				TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
				Limit:          onboarding.Limit{PerMinute: 1, Burst: 1},
				Now:            func() time.Time { return start },
			})
			if err != nil {
				t.Fatalf("New = %v", err)
			}
			if got := tc.first.get(handler); got != http.StatusOK {
				t.Fatalf("first GET / = %d, want 200", got)
			}
			if got := tc.second.get(handler) == http.StatusTooManyRequests; got != tc.same {
				t.Errorf("second GET / was refused: %v, want %v", got, tc.same)
			}
		})
	}
}

// TestRecorded_ClientBehindAProxy: log and audit trail name the same client.
func TestRecorded_ClientBehindAProxy(t *testing.T) {
	for name, tc := range map[string]struct {
		source peer.Source
		header http.Header
		want   string
	}{
		"with a port":   {"", http.Header{"X-Forwarded-For": {"198.51.100.1:17085"}}, "198.51.100.1"},
		"IPv6":          {"", http.Header{"X-Forwarded-For": {"[2001:db8::1]:443"}}, "2001:db8::1"},
		"several lines": {"", http.Header{"X-Forwarded-For": {"1.1.1.1", "198.51.100.1, 10.9.9.9"}}, "198.51.100.1"},
		"RFC 7239":      {"", http.Header{"Forwarded": {`for="[2001:db8::1]:4711";proto=https`}}, "2001:db8::1"},
		"X-Real-IP":     {peer.RealIP, http.Header{"X-Real-Ip": {"198.51.100.1"}, "X-Forwarded-For": {"1.1.1.1"}}, "198.51.100.1"},
		"none of them":  {"", http.Header{"X-Real-Ip": {"198.51.100.1"}}, "10.1.2.3"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{complete: func(consent.Callback) (consent.Outcome, error) {
				return consent.Outcome{}, failure.New(failure.MFAMissing)
			}}
			var log bytes.Buffer
			handler, err := onboarding.New(onboarding.Config{
				PublicURL: "https://onboarding.example.com", Consents: f, Seal: brokenSeal{}, ClientAddress: tc.source,
				TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Log: slog.New(slog.NewJSONHandler(&log, nil)),
			})
			if err != nil {
				t.Fatalf("New = %v", err)
			}
			r := httptest.NewRequest(http.MethodGet, "/callback?"+granted().Encode(), nil)
			r.RemoteAddr, r.Header = "10.1.2.3:9", tc.header
			handler.ServeHTTP(httptest.NewRecorder(), r)
			if len(f.clients) != 1 || f.clients[0] != tc.want || !strings.Contains(log.String(), `"client":"`+tc.want+`"`) {
				t.Errorf("events name %q and the log says %s, want %s in both", f.clients, log.String(), tc.want)
			}
		})
	}
}

func TestLimit_DropsLeastRecentlyUsedClient(t *testing.T) {
	handler, err := onboarding.New(onboarding.Config{
		PublicURL: "https://onboarding.example.com", Consents: &fake{}, Seal: brokenSeal{},
		Limit: onboarding.Limit{PerMinute: 1, Burst: 1, Clients: 2}, Now: func() time.Time { return start },
	})
	if err != nil {
		t.Fatalf("New = %v", err)
	}
	one, two, three := client{"192.0.2.1:1", nil}, client{"192.0.2.2:1", nil}, client{"192.0.2.3:1", nil}
	for i, tc := range []struct {
		client
		want int
	}{{one, 200}, {two, 200}, {one, 429}, {three, 200}, {one, 429}, {two, 200}} {
		if got := tc.get(handler); got != tc.want {
			t.Errorf("request %d of %s = %d, want %d", i+1, tc.remote, got, tc.want)
		}
	}
}

func TestAuthorize_AcceptsBrowsersWithoutFetchMetadata(t *testing.T) {
	h := newHarness(t, nil)
	for _, header := range [][]string{nil, {"Origin", h.server.URL}, {"Sec-Fetch-Site", "same-origin", "Origin", "null"}, {"Sec-Fetch-Site", "none"}} {
		if p := h.visitor().send(http.MethodPost, "/consent/"+link, url.Values{}, header...); p.status != http.StatusSeeOther {
			t.Errorf("POST /consent/… with %q = %d, want 303", header, p.status)
		}
	}
}
