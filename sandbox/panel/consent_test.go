package panel_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/sandbox/browser"
	"azure-partner-connector/sandbox/panel/paneltest"
)

// updated is the message at the end of both procedures.
const updated = "Your refresh token has been successfully updated"

// outcome makes the connector answer with a state of the consent.
func outcome(status string, f any) func(*platform) {
	return func(p *platform) {
		p.consent = object{"id": "c-1", "procedure": "automatic", "status": status, "consentedBy": nil, "failure": f}
		if status == "succeeded" {
			p.status = freshStatus()
		}
	}
}

func TestAutomaticUpdate_Succeeds(t *testing.T) {
	t.Parallel()
	for name, location := range map[string]string{"UX1": ux1, "classic": classic} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			p.status = absentStatus()
			d := open(t, p, location)
			d.shortenTimers()
			d.State("absent")
			d.aboveTheFold("update")

			d.Press("Update Refresh Token")
			microsoft := d.Popup(p.microsoft)
			microsoft.Wait(`document.body.dataset.opener === "null"`)
			d.WaitText("Finish the sign-in in the new window")
			d.waitCalls("findConsent", 2)

			p.change(outcome("succeeded", nil))
			d.WaitText(updated)
			d.State("active")
			if got := d.Text(); strings.Contains(got, "Waiting for the consent") {
				t.Errorf("text() = %q, want nothing about waiting", got)
			}
			d.Wait(`document.activeElement.contentDocument.activeElement === ` + widget("updateAgain"))
		})
	}
}

// aboveTheFold checks that a person sees a widget without scrolling, on a desktop and on a phone.
func (d *driver) aboveTheFold(name string) {
	d.T.Helper()
	for _, size := range [][2]int64{{paneltest.Phone, 844}, {paneltest.Desktop, 720}} {
		browser.Resize(d.T, d.Ctx, size[0], size[1])
		const below = `.getBoundingClientRect().bottom - `
		if got := evaluate[float64](d, widget(name)+below+frame+`.documentElement.clientHeight`); got > 0 {
			d.T.Errorf("%s is %v px below what a display of %v shows, want it above the fold", name, got, size)
		}
	}
}

func TestAutomaticUpdate_Refused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		outcome func(*platform)
		want    string
	}{
		"declined": {
			outcome("failed", fail(failure.ConsentDeclined)),
			"The consent was declined in the Microsoft window. Nothing was changed. Start again and press Accept. Reference: R7W2-KD5M.",
		},
		"wrong directory": {
			outcome("failed", fail(failure.WrongDirectory, "seen", "fabrikam.example", "expected", "contoso.example")),
			"The consent came from the directory fabrikam.example, but this reseller is set up for contoso.example.",
		},
		"no longer known": {
			func(p *platform) { p.refuse["findConsent"] = fail(failure.NotFound) },
			"There's no such resource here.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			d := openUnfolded(t, p, ux1)
			d.shortenTimers()
			d.Press("Update Refresh Token")
			d.Popup(p.microsoft)
			p.change(tc.outcome)
			d.WaitText(tc.want)
			d.Wait(`!` + widget("updateAgain") + `.disabled`)
		})
	}
}

func TestAutomaticUpdate_CannotBegin(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.refuse["consents"] = fail(failure.DirectoryMissing)
	d := openUnfolded(t, p, ux1)
	d.Press("Update Refresh Token")
	d.Wait(widget("progress") + `.innerText.includes("No Microsoft directory is set for this tenant. Enter the directory (tenant) ID")`) // beside the button
	d.Wait(`!` + widget("updateAgain") + `.disabled`)
	if got := p.called("findConsent"); got != 0 {
		t.Errorf("called(findConsent) = %d, want 0", got)
	}
}

func TestAutomaticUpdate_RefusesAScriptAddress(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.microsoft = "javascript:document.title='taken'//"
	d := openUnfolded(t, p, ux1)
	d.Press("Update Refresh Token")
	d.Wait(widget("progress") + `.innerText.includes("The request couldn't be completed.")`)
	if got := evaluate[string](d, frame+`.title`); got == "taken" {
		t.Error("an address of the connector ran as a script, want it refused")
	}
}

func TestAutomaticUpdate_BlockedWindow(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	d := openUnfolded(t, p, ux1)
	d.shortenTimers()
	d.blockWindows()
	d.Press("Update Refresh Token")
	d.Wait(widget("progress") + `.innerText.includes("The browser blocked the new window.")`)
	d.Press("Open the Microsoft sign-in page")
	d.Popup(p.microsoft).Wait(`document.body.dataset.opener === "null"`)
	p.change(outcome("succeeded", nil))
	d.WaitText(updated)
	if got := evaluate[bool](d, frame+`.querySelector("a[data-azp-link]") === null`); !got {
		t.Error("the link is still there, want it gone")
	}
}

// The connector says that nobody has opened Microsoft's page, so the screen offers it again.
func TestAutomaticUpdate_ClosedWindow(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.consent["progress"] = "not_opened"
	d := openUnfolded(t, p, ux1)
	d.shortenTimers()
	d.Press("Update Refresh Token")
	microsoft := d.Popup(p.microsoft)
	if err := chromedp.Cancel(microsoft.Ctx); err != nil {
		t.Fatal(err)
	}
	d.WaitText("If the window was closed, open the sign-in page again.")
	d.Press("Open the Microsoft sign-in page")
	d.Popup(p.microsoft)
	p.change(func(p *platform) { p.consent["progress"] = "opened" })
	d.WaitText("Finish the sign-in in the new window")
	p.change(func(p *platform) { p.consent["progress"] = "answered" })
	d.WaitText("Microsoft has answered. The consent is being checked.")
	p.change(outcome("succeeded", nil))
	d.WaitText(updated)
}

func TestAutomaticUpdate_OutlastsAnUnreachableConnector(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	d := openUnfolded(t, p, ux1)
	d.shortenTimers()
	d.Press("Update Refresh Token")
	d.Popup(p.microsoft)
	d.waitCalls("findConsent", 1)
	p.change(func(p *platform) { p.unreachable = true })
	d.WaitText("The connector can't be reached at the moment; we'll keep trying.")
	p.change(func(p *platform) { p.unreachable = false })
	d.WaitText("Finish the sign-in in the new window")
	p.change(outcome("succeeded", nil))
	d.WaitText(updated)
}

func TestAutomaticUpdate_StopsOnLeavingAndResumesOnReturn(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	d := openUnfolded(t, p, ux1)
	d.shortenTimers()
	d.Enter("code", "half a code")
	d.Press("Update Refresh Token")
	d.Popup(p.microsoft)
	d.waitCalls("findConsent", 1)

	d.Click(paneltest.Document, "Home")
	d.Wait(`!document.getElementById("home").hidden`)
	// During this many timers of the page, the screen would have sent its next request more than once.
	before := p.called("findConsent")
	d.Do(chromedp.Evaluate[chromedp.Void](`new Promise(done => { let ticks = 0; const tick = () => (ticks += 1) > 20 ? done() : setTimeout(tick, 50); tick(); })`, chromedp.EvalAwaitPromise))
	if got := p.called("findConsent"); got > before+1 {
		t.Errorf("called(findConsent) after leaving = %d, want at most %d", got, before+1)
	}

	p.change(outcome("succeeded", nil))
	d.Click(paneltest.Document, "Manage Refresh Token")
	d.WaitText(updated)
	if got := d.Value("code"); got != "" {
		t.Errorf("value(code) after coming back = %q, want it cleared", got)
	}
}

// openWaiting opens the screen and begins an automatic update.
func openWaiting(t *testing.T) (*platform, *driver) {
	t.Helper()
	p := newPlatform(t)
	d := openUnfolded(t, p, ux1)
	d.shortenTimers()
	d.Press("Update Refresh Token")
	d.Popup(p.microsoft)
	d.WaitText("Finish the sign-in in the new window")
	return p, d
}

func TestAutomaticUpdate_SurvivesNotifications(t *testing.T) {
	t.Parallel()
	p, d := openWaiting(t)
	evaluate[bool](d, `panelHost.notify(), true`)
	d.WaitText("(15 minutes left)")
	d.Press("Microsoft shows an error?")
	d.WaitText("AADSTS50011: the redirect URI doesn't match")
	p.change(outcome("succeeded", nil))
	d.WaitText(updated)
	d.Wait(widget("countdown") + `.innerText === "" && ` + widget("cancel") + `.offsetParent === null`)
}

// TestAutomaticUpdate_Cancel stops waiting, also after a reload, and begins again.
func TestAutomaticUpdate_Cancel(t *testing.T) {
	t.Parallel()
	p, d := openWaiting(t)
	d.Press("Cancel")
	d.WaitText("You're no longer waiting for this sign-in.")
	d.Wait(widget("cancel") + `.offsetParent === null && document.activeElement.contentDocument.activeElement === ` + widget("updateAgain"))

	d.Do(chromedp.Reload())
	d.WaitLoaded()
	d.State("active")
	d.unfold("Grant Consent Again")
	d.shortenTimers()
	if got := d.Text(); strings.Contains(got, "Waiting for the consent") {
		t.Errorf("Text() = %q, want nothing about waiting", got)
	}
	d.Press("Update Refresh Token")
	d.WaitText("Finish the sign-in in the new window")
	p.change(outcome("succeeded", nil))
	d.WaitText(updated)
}

func TestManualUpdate_Succeeds(t *testing.T) {
	for name, location := range map[string]string{"UX1": ux1, "classic": classic} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			p.status = pendingStatus()
			d := open(t, p, location)
			browser.AllowClipboard(t, d.Ctx, d.URL)
			d.State("pending")
			if got := p.called("consentLink") + len(d.Value("link")); got != 0 {
				t.Errorf("opening the screen made a link, want none by looking")
			}

			d.Press("Copy")
			d.Wait(widget("copyResult") + `.innerText === "Copied"`)
			d.Wait(`document.activeElement.contentDocument.activeElement === ` + widget("copy"))
			if got := evaluate[int](d, frame+`.querySelectorAll(".aps-message").length`); got != 0 {
				t.Errorf("Copy shows %d messages above the page, want its result beside the button only", got)
			}
			read := chromedp.Evaluate[string](`navigator.clipboard.readText()`, chromedp.EvalAwaitPromise)
			copied, err := chromedp.Run(d.Ctx, read)
			if err != nil {
				t.Fatal(err)
			}
			if want := d.Value("link"); copied != want || !strings.HasPrefix(want, "https://onboarding.example.com/consent/") {
				t.Errorf("clipboard = %q, want the URL %q", copied, want)
			}
			d.Do(chromedp.Reload())
			d.WaitLoaded()
			d.Wait(paneltest.Field("link") + `.value === "` + copied + `"`)
			d.Press("Copy")
			d.Wait(widget("copyResult") + `.innerText === "Copied"`)
			if got := p.called("consentLink"); got != 1 {
				t.Errorf("called(consentLink) = %d, want 1: the link works", got)
			}

			d.Press("Update")
			d.WaitText("Enter the authentication code.")
			if got := p.called("redeem"); got != 0 {
				t.Errorf("called(redeem) without a code = %d, want 0", got)
			}

			d.Enter("code", "0000-0000-0000")
			d.Press("Update")
			d.WaitText("That code isn't correct. Attempts left: 4.")
			field := widget("code") + `.querySelector("input")`
			d.Wait(field + `.getAttribute("aria-invalid") === "true" && ` + frame + `.getElementById(` + field + `.getAttribute("aria-describedby")).innerText.includes("Attempts left: 4")`)
			d.Wait(`!` + widget("redeem") + `.disabled`)

			d.Enter("code", "  7k3m q2zd9xab ")
			caret := func(value string, at int) {
				d.Wait(field + `.value === "` + value + `" && ` + field + `.selectionStart === ` + strconv.Itoa(at))
			}
			d.Wait(field + `.value === "` + claimCode + `"`)
			evaluate[bool](d, field+`.setSelectionRange(6, 6), true`)
			d.Do(chromedp.KeyEvent(kb.Backspace))
			caret("7K3M-2ZD9-XAB", 4)
			d.Do(chromedp.KeyEvent(kb.Delete)) // the dash
			caret("7K3M-2ZD9-XAB", 5)
			d.Do(chromedp.KeyEvent("q"))
			caret(claimCode, 6)
			d.Wait(field + `.labels[0].innerText === "Authentication Code"`)
			d.Press("Update")
			d.WaitText(updated)
			d.State("active")
			if got := d.Value("code"); got != "" {
				t.Errorf("value(code) after success = %q, want it cleared", got)
			}
			d.Wait(widget("linkState") + `.innerText.includes("The link has been used.") && ` + paneltest.Field("link") + `.value === ""`)
			if got := evaluate[bool](d, field+`.hasAttribute("aria-invalid")`); got {
				t.Error("the field is still marked as wrong")
			}
		})
	}
}

func TestManualUpdate_TakesTheWholeAddress(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	d := openUnfolded(t, p, ux1)
	d.Enter("code", "https://localhost/callback?code=0.ABCD&state=xyz")
	d.Press("Update")
	d.WaitText(updated)
}

// TestManualUpdate_ShowsEveryRefusalBesideTheButton: one that says nothing against the code does not mark its field either.
func TestManualUpdate_ShowsEveryRefusalBesideTheButton(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.refuse["redeem"] = fail(failure.RoleMissing, "username", "ada@contoso.example", "role", "Admin agent")
	d := openUnfolded(t, p, ux1)
	d.Enter("code", claimCode)
	d.Press("Update")
	d.Wait(widget("codeError") + `.innerText.includes("doesn't have the role Admin agent")`)
	if got := evaluate[bool](d, paneltest.Field("code")+`.hasAttribute("aria-invalid")`); got {
		t.Error("the field is marked as invalid, though nothing is wrong with the code")
	}
	if got := d.Value("code"); got != claimCode {
		t.Errorf("Value(code) = %q, want what was entered", got)
	}
}

func TestManualUpdate_CopiesWithoutTheClipboardInterface(t *testing.T) {
	p := newPlatform(t)
	d := openUnfolded(t, p, ux1)
	browser.AllowClipboard(t, d.Ctx, d.URL)
	// Panels on plain http do not have it (docs/reference/aps-ui.md §2.5).
	evaluate[bool](d, `Object.defineProperty(`+frame+`.defaultView.navigator, "clipboard", { value: undefined }), true`)
	d.Press("Copy")
	d.WaitText("Copied")
	copied, err := chromedp.Run(d.Ctx, chromedp.Evaluate[string](`navigator.clipboard.readText()`, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	if want := d.Value("link"); copied != want {
		t.Errorf("clipboard = %q, want %q", copied, want)
	}
}

func TestManualUpdate_WithoutLink(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.status = withStatus(object{"state": "misconfigured", "failure": fail(failure.ApplicationMissing), "expiresAt": nil, "daysLeft": 0})
	p.refuse["consentLink"] = fail(failure.ApplicationMissing)
	d := openUnfolded(t, p, ux1)
	d.Press("Copy")
	d.Wait(widget("copyResult") + `.innerText.includes("No Microsoft application is set up for this tenant.")`)
	d.Wait(`document.activeElement.contentDocument.activeElement === ` + widget("copy"))
}

// The link that the screen shows is the one that works, whatever has become of it elsewhere.
func TestManualUpdate_LinkThatNoLongerWorks(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.link = openLink()
	d := openUnfolded(t, p, ux1)
	d.Wait(paneltest.Field("link") + `.value !== ""`)
	back := func() { evaluate[bool](d, frame+`.dispatchEvent(new Event("visibilitychange"))`) }

	p.change(func(p *platform) { p.link = nil })
	back()
	d.Wait(widget("linkState") + `.innerText.includes("The link no longer works.") && ` + paneltest.Field("link") + `.value === ""`)

	p.change(func(p *platform) { p.link = openLink() })
	back()
	d.Wait(paneltest.Field("link") + `.value !== ""`)
	p.change(func(p *platform) {
		p.link = nil
		p.status["now"] = noon.AddDate(0, 0, 8)
	})
	back()
	d.Wait(widget("linkState") + `.innerText.includes("The link has expired.")`)
}
