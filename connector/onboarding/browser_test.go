package onboarding_test

import (
	"context"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/onboarding"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/sandbox/browser"
)

func TestMain(m *testing.M) { os.Exit(browser.Main(m)) }

// A tab is one tab of the headless Chromium with a profile of its own, and the messages on its console.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex // guards messages
	messages []string
}

func newTab(t *testing.T) *tab {
	t.Helper()
	b := &tab{t: t, ctx: browser.Start(t)}
	if err := chromedp.Listen(b.ctx, b.listen); err != nil {
		t.Fatalf("listening to Chromium: %v", err)
	}
	if _, err := chromedp.Call(b.ctx, security.SetIgnoreCertificateErrors, security.SetIgnoreCertificateErrorsParams{Ignore: true}); err != nil {
		t.Fatalf("trusting the servers of the test: %v", err)
	}
	return b
}

func (b *tab) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch event := event.(type) {
	case *cdplog.EventEntryAdded:
		b.messages = append(b.messages, event.Entry.Text)
	case *runtime.EventExceptionThrown:
		b.messages = append(b.messages, event.ExceptionDetails.Text)
	}
}

func (b *tab) console() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.messages...)
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatalf("Chromium: %v; its console shows %q", err, b.console())
	}
}

func (b *tab) text(selector string) string {
	b.t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Text(chromedp.CSS(selector)))
	if err != nil {
		b.t.Fatalf("text of %s: %v", selector, err)
	}
	return text
}

func evaluate[T any](b *tab, expression string) T {
	b.t.Helper()
	value, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// A signInPage simulates Microsoft on another site: its authorize address redirects to the directory's own sign-in
// service at second, whose page leads back to the callback.
type signInPage struct{ first, second *httptest.Server }

func newSignInPage(t *testing.T, serve func(http.Handler) *httptest.Server, page string) *signInPage {
	t.Helper()
	m := &signInPage{}
	m.second = serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, page)
	}))
	t.Cleanup(m.second.Close)
	m.first = serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, at(m.second, "adfs.localhost")+"/sign-in", http.StatusFound)
	}))
	t.Cleanup(m.first.Close)
	return m
}

// at returns the address of a server under a name that Chromium resolves to this machine. It counts as another site.
func at(s *httptest.Server, host string) string {
	return strings.Replace(s.URL, "127.0.0.1", host, 1)
}

func (m *signInPage) authority() string { return at(m.first, "login.localhost") }

// redirectTo makes the harness redirect visitors to m, and accept only the browser that was redirected.
func (h *harness) redirectTo(m *signInPage) {
	h.authorize = func(string, consent.Visit) (string, error) { return m.authority() + "/authorize?state=" + state, nil }
	h.complete = func(cb consent.Callback) (consent.Outcome, error) {
		if len(h.browsers) == 0 || cb.Browser != h.browsers[len(h.browsers)-1] {
			return consent.Outcome{}, failure.New(failure.StateBrowser)
		}
		return manualOutcome(), nil
	}
}

// The policy allows the form's redirects to Microsoft and to another site, and the browser sends its cookie with the
// link back from there.
func TestBrowser_ManualProcedure(t *testing.T) {
	h := newHarness(t, nil)
	callback := html.EscapeString(h.server.URL + "/callback?" + granted().Encode())
	h.redirectTo(newSignInPage(t, newTLSServer, `<a id="accept" href="`+callback+`">Accept</a>`))
	b := newTab(t)
	b.do(chromedp.Navigate(h.server.URL+"/consent/"+link),
		chromedp.Click(chromedp.CSS("#continue")),
		chromedp.Click(chromedp.CSS("#accept")),
		chromedp.WaitVisible(chromedp.CSS("#claim-code")))
	if got := b.text("#claim-code"); got != claimCode {
		t.Errorf("#claim-code = %q, want %q", got, claimCode)
	}
	if got := evaluate[string](b, "location.href"); got != h.server.URL+"/done" {
		t.Errorf("address = %q, want %q without a code", got, h.server.URL+"/done")
	}
	b.do(chromedp.Click(chromedp.CSS("#copy")), chromedp.WaitVisible(chromedp.CSS("#copy-status:not(:empty)")))
	if got := b.text("#copy-status"); got != "Copied" {
		t.Errorf("#copy-status = %q, want Copied", got)
	}
	if _, err := chromedp.Call(b.ctx, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "America/New_York"}); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Reload(), chromedp.WaitVisible(chromedp.CSS("#claim-code")))
	if got := evaluate[string](b, "document.querySelector('time').textContent"); !strings.Contains(got, "2026") || !strings.HasSuffix(got, " EST") && !strings.HasSuffix(got, " EDT") {
		t.Errorf("time = %q, want it in the visitor's own format and zone, with that zone", got)
	}
	b.do(chromedp.Reload(), chromedp.WaitVisible(chromedp.CSS("#claim-code")))
	if got := b.console(); len(got) != 0 {
		t.Errorf("the console shows %q, want nothing", got)
	}
}

// The browser doesn't send its cookie with a form that another site posts.
func TestBrowser_PostedAnswer(t *testing.T) {
	h := newHarness(t, nil)
	h.redirectTo(newSignInPage(t, newTLSServer, fmt.Sprintf(`<form method="post" action="%s/callback"><input type="hidden" name="state" value="%s">
		<input type="hidden" name="code" value="%s"><button id="accept">Accept</button></form>`, h.server.URL, state, code)))
	b := newTab(t)
	b.do(chromedp.Navigate(h.server.URL+"/consent/"+link),
		chromedp.Click(chromedp.CSS("#continue")),
		chromedp.Click(chromedp.CSS("#accept")),
		chromedp.WaitVisible(chromedp.CSS("#claim-code")))
	if got := b.console(); len(got) != 0 {
		t.Errorf("the console shows %q, want nothing", got)
	}
}

// The landing page's policy names plain http sign-in pages, because Chromium blocks the form's redirect to any address
// that form-action doesn't allow.
func TestBrowser_AppliesPolicyToRedirects(t *testing.T) {
	m := newSignInPage(t, httptest.NewServer, `<p id="sign-in">Sign in</p>`)
	for name, tc := range map[string]struct {
		authorities []string
		passes      bool
	}{
		"not listed":          {nil, false},
		"first redirect only": {[]string{m.authority()}, false},
		"both redirects":      {[]string{m.authority(), at(m.second, "adfs.localhost")}, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := startHarness(t, httptest.NewServer, func(cfg *onboarding.Config) { cfg.Authorities = tc.authorities })
			h.redirectTo(m)
			b := newTab(t)
			b.do(chromedp.Navigate(h.server.URL+"/consent/"+link), chromedp.WaitVisible(chromedp.CSS("#continue")))
			if tc.passes {
				b.do(chromedp.Click(chromedp.CSS("#continue")), chromedp.WaitVisible(chromedp.CSS("#sign-in")))
				return
			}
			blocked := chromedp.WaitEvent(cdplog.EntryAdded, func(e cdplog.EventEntryAdded) bool {
				return strings.Contains(e.Entry.Text, "form-action")
			}, chromedp.Click(chromedp.CSS("#continue")))
			if _, err := chromedp.Run(b.ctx, blocked); err != nil {
				t.Fatalf("waiting for the policy to block the form: %v; the console shows %q", err, b.console())
			}
		})
	}
}

func TestBrowser_WithoutScript(t *testing.T) {
	h := newHarness(t, nil)
	callback := html.EscapeString(h.server.URL + "/callback?" + granted().Encode())
	h.redirectTo(newSignInPage(t, newTLSServer, `<a id="accept" href="`+callback+`">Accept</a>`))
	b := newTab(t)
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatalf("turning scripts off: %v", err)
	}
	b.do(chromedp.Navigate(h.server.URL+"/consent/"+link),
		chromedp.Click(chromedp.CSS("#continue")),
		chromedp.Click(chromedp.CSS("#accept")),
		chromedp.WaitVisible(chromedp.CSS("#claim-code")),
		chromedp.WaitNotVisible(chromedp.CSS("#copy")))
}

// Every page fits into narrow and wide windows, light and dark.
func TestBrowser_PagesFitTheWindow(t *testing.T) {
	h := newHarness(t, func(cfg *onboarding.Config) { cfg.Limit = onboarding.Limit{PerMinute: 6000, Burst: 1000} })
	end := func(out consent.Outcome, err error) func() string {
		return func() string {
			h.complete = func(consent.Callback) (consent.Outcome, error) { return out, err }
			return "/callback?" + granted().Encode()
		}
	}
	path := func(path string) func() string { return func() string { return path } }
	wrong := failure.New(failure.WrongDirectory, "seen", "5c1f1a7e-0b55-4d4e-8f0c-1f1b6f2a9c11", "expected", "fabrikam.onmicrosoft.com")
	b := newTab(t)
	for name, prepare := range map[string]func() string{
		"landing":    path("/consent/" + link),
		"landing-de": path("/consent/" + link + "?ui_locales=de"),
		"automatic":  end(consent.Outcome{Procedure: token.Automatic, ConsentedBy: manualOutcome().ConsentedBy, TenantName: "Fabrikam Cloud GmbH"}, nil),
		"manual":     end(manualOutcome(), nil),
		"refusal":    end(consent.Outcome{}, wrong),
		"not-found":  path("/none"),
		"nothing":    path("/done"),
		"home":       path("/"),
	} {
		if _, err := chromedp.Call(b.ctx, network.ClearBrowserCookies, cdp.Empty{}); err != nil {
			t.Fatalf("clearing cookies: %v", err)
		}
		b.do(chromedp.Navigate(h.server.URL+prepare()), chromedp.WaitVisible(chromedp.CSS("h1")))
		for _, width := range []int64{390, 1280} {
			for _, scheme := range []string{"light", "dark"} {
				media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
				if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, media); err != nil {
					t.Fatalf("choosing %s: %v", scheme, err)
				}
				b.do(chromedp.EmulateViewport(width, 844))
				if over := evaluate[int](b, "document.documentElement.scrollWidth - innerWidth"); over > 0 {
					t.Errorf("page %s is %d pixels too wide at %d pixels, %s", name, over, width, scheme)
				}
			}
		}
	}
}
