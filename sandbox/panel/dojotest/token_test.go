package dojotest_test

import (
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"azure-partner-connector/sandbox/panel/dojotest"
	"azure-partner-connector/sandbox/panel/paneltest"
	"azure-partner-connector/sandbox/world"
)

const tokenScreen = "Manage Refresh Token"

// signIn goes through Microsoft's pages up to the consent page.
func signIn(window *paneltest.Driver) {
	window.T.Helper()
	window.Fill("#username", world.AlpineAdmin)
	window.ClickOn("#account-next")
	window.Fill("#password", world.Password)
	window.ClickOn("#password-next")
	window.ClickOn("#mfa-approve")
	window.Wait(`document.getElementById("consent-accept") !== null`)
}

// TestToken_BothProcedures obtains a token by the automatic procedure, uses the buttons, deletes the token, and obtains
// another by the manual procedure.
func TestToken_BothProcedures(t *testing.T) {
	t.Parallel()
	inBothPanels(t, rita, func(d session) {
		d.open(tokenScreen)
		d.updateAutomatically()
		d.useButtons()
		d.forget()
		d.updateManually()
	})
}

func (d session) updateAutomatically() {
	d.Helper()
	d.state("absent")
	d.WaitText("There is no refresh token for this tenant yet.")

	microsoft := d.popup()
	d.WaitText("Finish the sign-in in the new window")
	signIn(microsoft)
	microsoft.ClickOn("#consent-cancel")
	microsoft.WaitPageText("The consent was declined")
	d.WaitText("The consent was declined in the Microsoft window. Nothing was changed. Start again and press Accept. Microsoft's code: 65004. Reference: ")
	d.state("absent")
	d.focused("update")
	microsoft.Do(chromedp.Navigate("about:blank"))

	microsoft = d.popup()
	microsoft.ClickOn("#consent-accept")
	d.WaitText(updated)
	d.state("active")
	d.focused("updateAgain")
	for _, want := range []string{"(89 days left)", "MFA: Verified", "Graph: Reachable", "Consent granted"} {
		d.WaitText(want)
	}
	if got := d.Text(); strings.Contains(got, "__") || strings.Contains(got, "Waiting for the consent") {
		d.T.Errorf("Text() = %q, want neither a waiting message nor an unfilled placeholder", got)
	}
}

// useButtons uses the buttons of the status group.
func (d session) useButtons() {
	d.Helper()
	d.Press("Check Now")
	d.WaitText("All services accepted the token.")
	d.Press("Details")
	for _, want := range []string{"Ada Alpine (" + world.AlpineAdmin + ")", rita, "Reachable (checked"} {
		d.WaitText(want)
	}
	d.Press("More")
	d.Press("Renew Now")
	d.WaitText("The refresh token has been renewed.")
	d.WaitText("Refresh token renewed")

	check(d.T, d.World.Set("secret", true))
	d.Press("Renew Now")
	d.Wait(widget("result") + `.domNode.innerText.includes("The client secret has expired.")`)
	d.state("misconfigured")
	check(d.T, d.World.Set("secret", false))
	d.Press("Renew Now")
	d.state("active")
}

func (d session) forget() {
	d.Helper()
	d.Press("Delete Token")
	d.waitDialog("Nothing is revoked at Microsoft")
	d.Do(chromedp.KeyEvent(kb.Escape))
	d.Wait(paneltest.Frame + `.querySelector(".dijitDialog") === null`)
	if got := d.Called(http.MethodPost, "forget"); got != 0 {
		d.T.Errorf("Called(forget) after Escape = %d, want 0", got)
	}
	d.Press("Delete Token")
	d.waitDialog("Nothing is revoked at Microsoft")
	d.Do(chromedp.KeyEvent(kb.Enter))
	d.state("absent")
	d.WaitText("The token has been deleted.")
	d.Wait(widget("forget") + `.get("disabled") && ` + widget("renew") + `.get("disabled")`)
}

func (d session) updateManually() {
	d.Helper()
	if got := d.Called(http.MethodPost, "consentLink"); got != 0 {
		d.T.Errorf("Called(consentLink) before Copy = %d, want 0", got)
	}
	d.Press("Copy")
	d.Wait(widget("link") + `.get("value") !== "" && ` + widget("copyResult") + `.get("value") === "Copied"`)
	link := widget("link") + `.focusNode`
	if !paneltest.Evaluate[bool](d.Driver, link+`.readOnly && `+link+`.spellcheck === false`) {
		d.T.Error("the URL can be changed, want it read-only")
	}
	code := regexp.MustCompile(`[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}`).FindString(d.visit(d.value("link")))
	d.reopen(tokenScreen, "pending")
	d.WaitText("Ada Alpine (" + world.AlpineAdmin + ") granted the consent on")

	d.Press("Update")
	d.wrong("code", "Enter the authentication code.")
	d.focused("code")
	d.enter("code", "0000-0000-0000")
	d.Press("Update")
	d.wrong("code", "That code isn't correct. Attempts left: ")
	d.enter("code", " "+strings.ToLower(strings.ReplaceAll(code, "-", " "))+" ")
	d.Wait(widget("code") + `.get("value") === "` + code + `"`)
	d.Press("Update")
	d.WaitText(updated)
	d.state("active")
	d.Wait(widget("code") + `.get("value") === "" && ` + widget("code") + `.focusNode.getAttribute("aria-invalid") !== "true"`)
}

func TestToken_LeavingReturningAndUnreachableConnector(t *testing.T) {
	t.Parallel()
	var unreachable atomic.Bool
	d := logIn(t, start(t), dojotest.Config{Intercept: func(w http.ResponseWriter, _, _ string) bool {
		if unreachable.Load() { // a proxy answers with a page, not with JSON
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusBadGateway)
			_, _ = w.Write([]byte("<h1>Bad Gateway</h1>")) // fails only if the browser closed the connection
		}
		return unreachable.Load()
	}}, "#/ux1/en_US", rita)
	d.open(tokenScreen)
	d.state("absent")
	d.enter("code", "half a code")
	microsoft := d.popup()
	requests := func() int { return d.Called(http.MethodGet, "consents") }
	d.Until("a request for the consent", func() bool { return requests() > 0 })

	d.Click(`document.getElementById("menu")`, "Home")
	d.Wait(`!document.getElementById("home").hidden`)
	// During this many timers of the page, the screen would have sent its next request more than once.
	before := requests()
	d.Do(chromedp.Evaluate[chromedp.Void](`new Promise(done => { let ticks = 0; const tick = () => (ticks += 1) > 110 ? done() : setTimeout(tick, 50); tick(); })`, chromedp.EvalAwaitPromise))
	if got := requests(); got > before+1 {
		t.Errorf("requests for the consent after leaving = %d, want at most %d", got, before+1)
	}

	signIn(microsoft)
	microsoft.ClickOn("#consent-accept")
	microsoft.WaitPageText("The consent has been granted successfully.")
	d.open(tokenScreen)
	d.WaitText(updated)
	d.state("active")
	if got := d.value("code"); got != "" {
		t.Errorf("value(code) after coming back = %q, want it cleared", got)
	}

	unreachable.Store(true)
	d.reopen(tokenScreen, "unknown")
	d.WaitText("The connector can't be reached at the moment.")
	d.WaitText("The history can't be read at the moment.")
	d.Press("Update Refresh Token")
	d.Wait(widget("progress") + `.domNode.innerText.includes("The connector can't be reached")`)
	d.Wait(`!` + widget("update") + `.get("disabled")`)
}
