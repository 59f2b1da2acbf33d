package panel_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"azure-partner-connector/connector/failure"
)

const message = `{ type: "azure-partner-connector-browser", browser: "hash-1" }`

// startAt makes the connector offer a start page with a script, at an address of its own.
func (p *platform) startAt(t *testing.T, script string) (url string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if r.URL.Path == "/frame" {
			fmt.Fprintf(w, `<!DOCTYPE html><script>window.parent.opener.postMessage(%s, "*")</script>`, message)
			return
		}
		fmt.Fprintf(w, `<!DOCTYPE html><title>Start</title><h1>Start</h1><script>%s</script>`, script)
	}))
	t.Cleanup(server.Close)
	p.change(func(p *platform) {
		p.status = absentStatus()
		p.status["onboardingURL"] = server.URL + "/start/x"
	})
	return server.URL
}

// request waits for the first call that began a consent, and returns what it sent.
func (d *driver) request() object {
	d.T.Helper()
	d.waitCalls("consents", 1)
	d.p.mu.Lock()
	defer d.p.mu.Unlock()
	return d.p.requests[0]
}

func TestAutomaticUpdate_SendsWhatTheStartPageSays(t *testing.T) {
	t.Parallel()
	for name, location := range map[string]string{"UX1": ux1, "classic": classic} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			p.procedure = "automatic"
			p.startAt(t, `window.opener.postMessage(`+message+`, "*")`)
			d := open(t, p, location)
			d.State("absent")
			d.shortenTimers()
			d.Press("Update Refresh Token")
			d.Popup(p.microsoft).Wait(`document.body.dataset.opener === "null"`)
			if got := d.request(); got["browser"] != "hash-1" || len(got) != 1 {
				t.Errorf("consents was called with %v, want the browser of the start page", got)
			}
			// The handle of the window counts as closed while it shows Microsoft's pages. That means nothing.
			d.waitCalls("findConsent", 6)
			d.WaitText("Finish the sign-in in the new window")
			p.change(outcome("succeeded", nil))
			d.WaitText(updated)
			d.State("active")
		})
	}
}

// Whatever is not the start page in the window says nothing: then the consent ends with an authentication code.
func TestAutomaticUpdate_RefusesOtherMessages(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!DOCTYPE html><script>window.opener.postMessage(%s, "*")</script>`, message)
	}))
	t.Cleanup(elsewhere.Close)
	for name, tc := range map[string]struct {
		script string
		heard  int // messages that reach the screen
	}{
		"no message":          {``, 0},
		"without an opener":   {`window.opener = null`, 0},
		"another type":        {`window.opener.postMessage({ type: "other", browser: "hash-1" }, "*")`, 1},
		"no text":             {`window.opener.postMessage({ type: "azure-partner-connector-browser", browser: { a: 1 } }, "*"); window.opener.postMessage(null, "*")`, 2},
		"another origin":      {`location.replace("` + elsewhere.URL + `")`, 1},
		"a frame in the page": {`document.body.appendChild(Object.assign(document.createElement("iframe"), { src: "/frame" }))`, 1},
		"another recipient":   {`window.opener.postMessage(` + message + `, "https://panel.example.com")`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t)
			p.procedure = "manual"
			url := p.startAt(t, tc.script)
			d := open(t, p, ux1)
			d.State("absent")
			// The start page's time is over when the test says so: after the messages.
			const screen = frame + `.defaultView`
			evaluate[bool](d, `(w => {
				w.heard = 0;
				w.addEventListener("message", () => { w.heard += 1; });
				const later = w.setTimeout;
				w.setTimeout = (f, delay) => delay === 5000 ? (w.over = f, 0) : later(f, delay < 5000 ? 20 : delay);
				return true;
			})(`+screen+`)`)
			d.Press("Update Refresh Token")
			if name != "another origin" {
				d.Popup(url).Wait(`document.readyState === "complete"`)
			}
			d.Wait(fmt.Sprintf(screen+`.heard >= %d`, tc.heard))
			if n := p.called("consents"); n != 0 {
				t.Errorf("called(consents) after %d messages = %d, want none", tc.heard, n)
			}
			evaluate[bool](d, screen+`.over(), true`)
			got := d.request()
			if origin := strings.SplitN(d.URL, "/#", 2)[0]; got["origin"] != origin || len(got) != 1 {
				t.Errorf("consents was called with %v, want the origin %q alone", got, origin)
			}
			d.WaitText("The window couldn't be linked to this panel, so it shows an authentication code after the sign-in.")
			p.change(outcome("claimable", fail(failure.ClaimWaiting, "username", "ada")))
			p.change(func(p *platform) { p.status = pendingStatus() })
			d.WaitText("It takes effect once you enter the authentication code, which the window shows, under Manual Update.")
			d.State("pending")
			d.Enter("code", claimCode)
			d.Press("Update")
			d.WaitText(updated)
		})
	}
}

func TestAutomaticUpdate_SecondPress(t *testing.T) {
	t.Parallel()
	for name, location := range map[string]string{"UX1": ux1, "classic": classic} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			d := openUnfolded(t, p, location)
			d.shortenTimers()
			d.Press("Update Refresh Token")
			d.Popup(p.microsoft)
			d.waitCalls("findConsent", 1)

			d.Press("Update Refresh Token")
			d.WaitText("is still open. Continue with it, or start another one?")
			d.Press("Continue")
			d.WaitText("If the window was closed, open the sign-in page again.")
			if got := p.called("consents"); got != 1 {
				t.Errorf("called(consents) = %d, want the first consent to go on", got)
			}

			d.Press("Update Refresh Token")
			d.Press("Start Again")
			d.waitCalls("consents", 2)
			d.WaitText("Finish the sign-in in the new window")
			p.change(outcome("succeeded", nil))
			d.WaitText(updated)
			d.Press("Update Refresh Token") // nothing is open any more
			d.waitCalls("consents", 3)
		})
	}
}

// What goes on is in the status, so that a reload, another tab and leaving the classic panel lose nothing. Success is told once
// in a browser, or, without its storage, again.
func TestAutomaticUpdate_GoesOnAfterAReload(t *testing.T) {
	t.Parallel()
	for name, location := range map[string]string{"UX1": ux1, "classic": classic} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			d := openUnfolded(t, p, location)
			d.Press("Update Refresh Token")
			d.Popup(p.microsoft)
			d.waitCalls("consents", 1)
			reload := func() {
				d.Do(chromedp.Reload())
				d.WaitLoaded()
				d.State("active")
			}
			reload()
			d.WaitText("Waiting for the consent.")
			p.change(outcome("succeeded", nil))
			d.WaitText(updated)

			reload()
			d.WaitText("Consent granted")
			if got := d.Text(); strings.Contains(got, "Waiting for the consent") || strings.Contains(got, updated) {
				t.Errorf("text() after the end = %q, want nothing about waiting and success", got)
			}
			stored := evaluate[string](d, `JSON.stringify([localStorage, sessionStorage])`)
			if !strings.Contains(stored, `"c-1"`) || strings.Contains(stored, "/consent/") {
				t.Errorf("the browser stores %s, want the ID of the consent and no address", stored)
			}
			evaluate[bool](d, `localStorage.clear(), true`)
			reload()
			d.WaitText(updated)
		})
	}
}

func TestTenants_NameThePanelsThatAreNotListed(t *testing.T) {
	t.Parallel()
	for name, location := range map[string]string{"UX1": provider, "classic": providerClassic} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			p.list[0]["unlistedOrigin"], p.list[2]["unlistedOrigin"] = "https://panel.brand.example", "https://panel.brand.example"
			d := openAsProvider(t, p, location)
			d.WaitText("In these panels, automatic updates end with an authentication code: https://panel.brand.example. If these panels are yours,")
		})
	}
}
