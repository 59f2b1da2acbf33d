package panel_test

import (
	"testing"

	"azure-partner-connector/sandbox/browser"
	"azure-partner-connector/sandbox/panel/paneltest"
)

func TestPanelLogsInAndSwitches(t *testing.T) {
	p := newPlatform(t)
	d := logIn(t, p, "")
	d.Wait(`document.getElementById("home").innerText.includes("Harbour Cloud Resale")`)
	d.Click(paneltest.Document, "Manage Refresh Token")
	d.State("active")

	choose := func(list, value string) {
		evaluate[bool](d, `(s => { s.value = `+"`"+value+"`"+`; s.dispatchEvent(new Event("change")); return true; })(document.getElementById("`+list+`"))`)
	}
	choose("locale", "de_DE")
	d.WaitText("Token-Status")
	choose("panel", "classic")
	d.Wait(`document.getElementById("home").innerText.includes("Dienste › Azure Partner (NCE)")`)
	if got := evaluate[int](d, `document.querySelectorAll("#menu ul ul > li").length`); got != 1 {
		t.Errorf("entries below the folder of the application = %d, want 1", got)
	}
	d.Click(paneltest.Document, "Refresh-Token verwalten")
	d.WaitText("Token-Status")

	choose("user", providerID)
	d.Wait(`document.getElementById("home").innerText.includes("Anwendungen › Azure Partner (NCE)")`)
	if got := evaluate[int](d, `document.querySelectorAll("iframe").length`); got != 0 {
		t.Errorf("frames of the reseller that are still there = %d, want 0", got)
	}
}

func TestPanelMenuOnAPhone(t *testing.T) {
	p := newPlatform(t)
	d := logIn(t, p, "")
	browser.Resize(t, d.Ctx, 390, 800)
	d.Wait(`document.getElementById("menu").offsetParent === null`)
	d.Click(paneltest.Document, "☰")
	d.Wait(`document.getElementById("menu").offsetParent !== null && document.getElementById("burger").getAttribute("aria-expanded") === "true"`)
	d.Click(`document.getElementById("menu")`, "Manage Refresh Token")
	d.State("active")
	d.Wait(`document.getElementById("menu").offsetParent === null`)
}

// All tests of pages fail when one of them asks another machine for something. Here one does.
func TestRequestsToOtherMachinesAreSeen(t *testing.T) {
	d := logIn(t, newPlatform(t), "")
	d.Wait(`!document.getElementById("home").hidden`)
	if got := d.Foreign(); len(got) != 0 {
		t.Errorf("Foreign() = %q, want none", got)
	}
	const address = "http://elsewhere.invalid/picture.png" // of nobody, by RFC 2606
	evaluate[bool](d, `(i => { i.src = "`+address+`"; return true; })(new Image())`)
	var found []string
	d.Until("a foreign request", func() bool {
		found = append(found, d.Foreign()...)
		return len(found) > 0
	})
	if found[0] != address {
		t.Errorf("Foreign() = %q, want %s", found, address)
	}
}

func TestPanelTellsOfAnUnknownModule(t *testing.T) {
	p := newPlatform(t)
	d := open(t, p, ux1)
	evaluate[bool](d, frame+`.defaultView.require(["aps/Wizard"]), true`)
	d.WaitText("There is no module aps/Wizard in this panel.")
}

// The panel itself has its place in either direction of writing, too.
func TestPanelIsLaidOut(t *testing.T) {
	p := newPlatform(t)
	d := &driver{paneltest.Open(t, serve(t, p, &toy{now: noon})), p}
	d.Wait(`document.querySelector("#login .card") !== null`)
	d.LaidOut("log-in", widths()...)
	d.Click(paneltest.Document, "Mara Lind")
	d.Wait(home + `.body.innerText.includes("86 days left")`)
	d.Click(paneltest.Document, "Sandbox")
	d.WaitPageText("Only this simulated platform has this drawer.")
	d.LaidOut("the drawer", 1280) // it covers the page where that is narrow
}
