package panel_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/sandbox/panel/paneltest"
)

// deepest is the focused element, also within the frame of the screen.
const deepest = `(e => e.contentDocument ? e.contentDocument.activeElement : e)(document.activeElement)`

// tabs is more than the number of focusable elements of any screen.
const tabs = 80

// keys sends keys.
func (d *driver) keys(keys string) {
	d.T.Helper()
	d.Do(chromedp.KeyEvent(keys))
}

// tabTo presses Tab until the element of a JavaScript expression has the focus, and checks that the focus is visible.
func (d *driver) tabTo(element string) {
	d.T.Helper()
	for range tabs {
		if evaluate[bool](d, deepest+` === (`+element+`)`) {
			if evaluate[string](d, `getComputedStyle(`+deepest+`).outlineStyle`) == "none" {
				d.T.Errorf("%s has the focus, but the focus is not visible", element)
			}
			return
		}
		d.keys(kb.Tab)
	}
	d.T.Fatalf("%s cannot be reached with the keyboard", element)
}

// focused waits until an element has the focus.
func (d *driver) focused(element string) {
	d.T.Helper()
	d.Wait(deepest + ` === (` + element + `)`)
}

// buttonOf returns an expression for the screen's button with a label.
func buttonOf(label string) string {
	return `Array.from(` + frame + `.querySelectorAll("button")).filter(b => b.innerText.trim() === "` + label + `" && b.offsetParent !== null).pop()`
}

// announces waits until a live region, which assistive technology reads out, contains a text.
func (d *driver) announces(text string) {
	d.T.Helper()
	d.Wait(`Array.from(` + frame + `.querySelectorAll('[role="alert"], [role="status"], [aria-live]')).some(e => e.innerText.includes("` + text + `"))`)
}

func inPanels(t *testing.T, ux1Location, classicLocation string, test func(t *testing.T, location string)) {
	for name, location := range map[string]string{"UX1": ux1Location, "classic": classicLocation} {
		t.Run(name, func(t *testing.T) { test(t, location) })
	}
}

func TestKeyboard_AutomaticUpdate(t *testing.T) {
	t.Parallel()
	inPanels(t, ux1, classic, func(t *testing.T, location string) {
		p := newPlatform(t)
		p.status = absentStatus()
		d := open(t, p, location)
		d.State("absent")
		d.shortenTimers()
		update := widget("update")
		d.tabTo(update)
		d.keys(kb.Enter)
		d.Popup(p.microsoft)
		d.announces("Finish the sign-in in the new window")
		d.focused(update)
		p.change(outcome("failed", fail(failure.ConsentDeclined)))
		d.announces("The consent was declined")
		d.focused(update)

		p.change(outcome("waiting", nil))
		d.keys(" ")
		d.announces("Finish the sign-in in the new window")
		p.change(outcome("succeeded", nil))
		d.announces(updated)
		d.State("active")
		d.focused(widget("updateAgain"))
	})
}

func TestKeyboard_ManualUpdate(t *testing.T) {
	t.Parallel()
	inPanels(t, ux1, classic, func(t *testing.T, location string) {
		p := newPlatform(t)
		p.status = pendingStatus()
		d := open(t, p, location)
		d.State("pending")
		d.tabTo(widget("copy"))
		d.keys(kb.Enter)
		d.announces("Copied")
		d.focused(widget("copy"))

		field := widget("code") + `.querySelector("input")`
		d.tabTo(field)
		d.keys("0000-0000-0000")
		d.tabTo(widget("redeem"))
		d.keys(kb.Enter)
		d.announces("Attempts left: 4.")
		d.focused(field)
		d.keys(strings.Repeat(kb.Backspace, len("0000-0000-0000")) + claimCode)
		d.tabTo(widget("redeem"))
		d.keys(kb.Enter)
		d.announces(updated)
		d.State("active")
		d.focused(widget("redeem"))
	})
}

func TestKeyboard_StatusGroup(t *testing.T) {
	t.Parallel()
	inPanels(t, ux1, classic, func(t *testing.T, location string) {
		p := newPlatform(t)
		d := open(t, p, location)
		d.State("active")
		d.tabTo(widget("main"))
		d.keys(kb.Enter)
		d.announces("All services accepted the token.")
		d.focused(widget("main"))
		more := widget("more")
		d.tabTo(more)
		d.keys(kb.Enter)
		d.Wait(more + `.getAttribute("aria-expanded") === "true"`)
		d.tabTo(widget("renew"))
		d.keys(kb.Enter)
		d.announces("The refresh token has been renewed.")
		d.focused(widget("renew"))
		forget := widget("forget")
		d.tabTo(forget)
		d.keys(kb.Enter)
		d.focused(buttonOf("Cancel"))
		d.keys(kb.Escape)
		d.Wait(frame + `.querySelector("dialog") === null`)
		d.focused(forget)
		d.keys(kb.Enter)
		d.focused(buttonOf("Cancel"))
		d.keys(kb.Enter)
		d.Wait(frame + `.querySelector("dialog") === null`)
		d.focused(forget)
		if got := p.called("forget"); got != 0 {
			t.Errorf("called(forget) after Cancel = %d, want 0", got)
		}
		d.keys(kb.Enter)
		d.tabTo(buttonOf("Delete Token"))
		d.keys(kb.Enter)
		d.announces("The token has been deleted.")
		d.State("absent")
		d.focused(widget("update")) // Delete Token is disabled now
	})
}

func TestKeyboard_Settings(t *testing.T) {
	t.Parallel()
	inPanels(t, ux1, classic, func(t *testing.T, location string) {
		p := newPlatform(t)
		d := open(t, p, location)
		d.State("active")
		d.tabTo(widget("more"))
		d.keys(kb.Enter)
		d.tabTo(widget("settings"))
		d.keys(kb.Enter)
		directory := widget("directory") + `.querySelector("input")`
		d.Wait(directory + `.value === "contoso-partner.onmicrosoft.com" && document.getElementById("loading").hidden`)

		d.tabTo(directory)
		d.keys(strings.Repeat(kb.Backspace, len("contoso-partner.onmicrosoft.com")))
		save := `document.querySelector("#foot button:first-child")`
		d.tabTo(save)
		d.keys(kb.Enter)
		d.announces("Enter the directory (tenant) ID")
		d.focused(directory)
		d.keys("contoso.example")
		d.tabTo(save)
		d.keys(kb.Enter)
		d.announces("The settings have been saved.")
		d.focused(save)

		d.tabTo(`document.querySelector("#foot button:last-child")`)
		d.keys(kb.Enter)
		d.State("active")
		d.focused(widget("more"))
	})
}

func TestKeyboard_Provider(t *testing.T) {
	t.Parallel()
	inPanels(t, provider, providerClassic, func(t *testing.T, location string) {
		d := openAsProvider(t, newPlatform(t), location)
		d.names(3)
		filter := widget("count-active")
		d.tabTo(filter)
		d.keys(kb.Enter)
		d.Wait(filter + `.getAttribute("aria-pressed") === "true"`)
		d.focused(filter)
		if got, want := d.names(1), "Harbour Cloud Resale"; got != want {
			t.Errorf("names() = %q, want %q", got, want)
		}
		details := widget("list") + `.querySelector("tbody button")`
		d.tabTo(details)
		d.keys(kb.Enter)
		d.State("active")
		d.focused(widget("close"))
		d.tabTo(widget("renew"))
		d.keys(kb.Enter)
		d.announces("The refresh token has been renewed.")
		d.focused(widget("renew"))
		d.tabTo(widget("close"))
		d.keys(kb.Enter)
		d.Wait(widget("detail") + `.hidden`)
		d.focused(details)
	})
}

// TestKeyboard_Panel goes from the log-in through the menu to a screen.
func TestKeyboard_Panel(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	d := &driver{paneltest.Open(t, serve(t, p, nil)), p}
	d.Wait(`document.querySelector("#login .card") !== null`)
	d.tabTo(`document.querySelector("#login .card")`)
	d.keys(kb.Enter)
	d.Wait(`!document.getElementById("home").hidden`)
	d.tabTo(`document.querySelector("#menu ul ul a")`)
	d.keys(kb.Enter)
	d.State("active")
	d.tabTo(widget("main"))
}
