package microsoft_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"azure-partner-connector/sandbox/browser"
	"azure-partner-connector/sandbox/microsoft"
)

// A landing is the request to the redirect URI at the end of a sign-in in a real browser.
type landing struct {
	method  string
	form    map[string][]string
	cookies []string
}

// landings serves a redirect URI on localhost, which browsers treat as another site than the simulator's 127.0.0.1:
// /start sets cookies, and /callback reports the request.
func (w *world) landings(t *testing.T) (address string, arrived <-chan landing) {
	t.Helper()
	landings := make(chan landing, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("/start", func(rw http.ResponseWriter, _ *http.Request) {
		http.SetCookie(rw, &http.Cookie{Name: "lax", Value: "1", Path: "/", SameSite: http.SameSiteLaxMode})
		http.SetCookie(rw, &http.Cookie{Name: "none", Value: "1", Path: "/", SameSite: http.SameSiteNoneMode, Secure: true})
	})
	mux.HandleFunc("/callback", func(_ http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Errorf("reading the landing: %v", err)
		}
		l := landing{method: r.Method, form: r.Form}
		for _, cookie := range r.Cookies() {
			l.cookies = append(l.cookies, cookie.Name)
		}
		landings <- l
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	address = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	app := w.application()
	app.RedirectURIs = []microsoft.RedirectURI{{URI: address + "/callback"}}
	w.must(w.AddApplication(app))
	return address, landings
}

// next waits for a landing, and until its page is shown: a page that is still loading would abort the next navigation.
func next(t *testing.T, ctx context.Context, landings <-chan landing) landing {
	t.Helper()
	select {
	case l := <-landings:
		if err := browser.Wait(ctx, `location.pathname === "/callback" && document.readyState === "complete"`); err != nil {
			t.Fatalf("waiting for the page of the landing: %v", err)
		}
		return l
	case <-ctx.Done():
		t.Fatalf("waiting for the landing: %v", ctx.Err())
		return landing{}
	}
}

// fits checks that a page does not scroll sideways, from the width of a small phone to that of a desktop.
func fits(t *testing.T, ctx context.Context, page string) {
	t.Helper()
	for _, width := range []int64{320, 390, 1280} {
		browser.Resize(t, ctx, width, 800)
		sideways, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("document.documentElement.scrollWidth > window.innerWidth"))
		if err != nil || sideways {
			t.Errorf("page %q at %d pixels scrolls sideways = %v, %v, want false", page, width, sideways, err)
		}
	}
}

func TestS7_BrowserFormPostCrossesSitesWithoutLaxCookies(t *testing.T) {
	w := newWorld(t)
	address, landings := w.landings(t)
	ctx := browser.Start(t)
	visit := func(edits ...string) landing {
		t.Helper()
		edits = append(edits, "redirect_uri="+address+"/callback", "prompt=none")
		if err := chromedp.Do(ctx, chromedp.Navigate(address+"/start")); err != nil {
			t.Fatalf("opening the application: %v", err)
		}
		// Navigate would wait until the page has loaded, and fail if the page submits its form before.
		if _, err := chromedp.Run(ctx, chromedp.Evaluate[string]("location.href = "+strconv.Quote(w.authorizeURL(edits...)))); err != nil {
			t.Fatalf("opening the authorize URL: %v", err)
		}
		return next(t, ctx, landings)
	}
	if got := visit("response_mode=form_post"); got.method != http.MethodPost || strings.Join(got.cookies, " ") != "none" || len(got.form["error"]) != 1 {
		t.Errorf("landing with form_post = %+v, want a POST with the cookie none only", got)
	}
	if got := visit("response_mode=query"); got.method != http.MethodGet || strings.Join(got.cookies, " ") != "lax none" {
		t.Errorf("landing with query = %+v, want a GET with both cookies", got)
	}
}

func TestPages_BrowserKeyboardWorksAtEveryWidth(t *testing.T) {
	w := newWorld(t)
	address, landings := w.landings(t)
	ctx := browser.Start(t)
	do := func(steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, steps...); err != nil {
			t.Fatalf("using the pages: %v", err)
		}
	}
	do(chromedp.Navigate(w.authorizeURL("redirect_uri=" + address + "/callback")))
	for _, page := range []struct{ waitFor, keys string }{
		{"#username", "nobody@contoso.example" + kb.Enter},
		{"#username[aria-invalid]", kb.End + strings.Repeat(kb.Backspace, len("nobody@contoso.example")) + admin + kb.Enter},
		{"#password", "wrong" + kb.Enter},
		{"#password[aria-invalid]", password + kb.Enter},
		{"#mfa-approve", kb.Enter},
	} {
		do(chromedp.WaitVisible(page.waitFor))
		fits(t, ctx, page.waitFor)
		do(chromedp.KeyEvent(page.keys))
	}
	do(chromedp.WaitVisible("#consent-accept"))
	fits(t, ctx, "#consent-accept")
	const focused = "document.activeElement.id"
	for tabs := 0; ; tabs++ {
		id, err := chromedp.Run(ctx, chromedp.Evaluate[string](focused))
		if err != nil || tabs > 20 {
			t.Fatalf("focus after %d tabs = %q, %v, want to reach consent-accept", tabs, id, err)
		}
		if id == "consent-accept" {
			break
		}
		do(chromedp.KeyEvent(kb.Tab))
	}
	do(chromedp.KeyEvent(kb.Enter))
	if got := next(t, ctx, landings); len(got.form["code"]) != 1 {
		t.Errorf("landing = %v, want a code", got.form)
	}
}
