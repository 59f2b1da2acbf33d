package panel_test

import (
	"testing"

	"azure-partner-connector/sandbox/browser"
	"azure-partner-connector/sandbox/panel/paneltest"
)

func TestPanel_LogsInAndSwitches(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	d := logIn(t, p, "")
	d.Wait(`document.getElementById("home").innerText.includes("Harbour Cloud Resale")`)
	d.Click(paneltest.Document, "Manage Refresh Token")
	d.State("active")

	d.choose("locale", "de_DE")
	d.WaitText("Tokenstatus")
	d.choose("panel", "classic")
	d.Wait(`document.getElementById("home").innerText.includes("Dienste › Azure Partner (NCE)")`)
	if got := evaluate[int](d, `document.querySelectorAll("#menu ul ul > li").length`); got != 2 {
		t.Errorf("entries below the folder of the application = %d, want 2", got)
	}
	d.Click(paneltest.Document, "Aktualisierungstoken verwalten")
	d.WaitText("Tokenstatus")

	d.choose("user", providerID)
	d.Wait(`document.getElementById("home").innerText.includes("Anwendungen › Azure Partner (NCE)")`)
	if got := evaluate[int](d, `document.querySelectorAll("iframe").length`); got != 0 {
		t.Errorf("frames of the reseller that are still there = %d, want 0", got)
	}
}

func TestPanel_MenuOnAPhone(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	d := logIn(t, p, "")
	browser.Resize(t, d.Ctx, 390, 800)
	d.Wait(`document.getElementById("menu").offsetParent === null`)
	d.Wait(`document.getElementById("bell").getBoundingClientRect().bottom <= document.getElementById("user").getBoundingClientRect().top`) // beside the name
	d.Wait(`document.getElementById("panel").getBoundingClientRect().top === document.getElementById("user").getBoundingClientRect().top`)
	d.Click(paneltest.Document, "☰")
	d.Wait(`document.getElementById("menu").offsetParent !== null && document.getElementById("burger").getAttribute("aria-expanded") === "true"`)
	d.Click(`document.getElementById("menu")`, "Manage Refresh Token")
	d.State("active")
	d.Wait(`document.getElementById("menu").offsetParent === null`)
}

// TestDriver_RecordsRequestsToOtherMachines sends a request to another machine, for which every other test would fail.
func TestDriver_RecordsRequestsToOtherMachines(t *testing.T) {
	t.Parallel()
	d := logIn(t, newPlatform(t), "")
	d.Wait(`!document.getElementById("home").hidden`)
	if got := d.Foreign(); len(got) != 0 {
		t.Errorf("Foreign() = %q, want none", got)
	}
	const address = "http://elsewhere.invalid/picture.png" // reserved by RFC 2606
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

func TestPanel_ReportsAnUnknownModule(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	d := open(t, p, ux1)
	evaluate[bool](d, frame+`.defaultView.require(["aps/Wizard"]), true`)
	d.WaitText("There is no module aps/Wizard in this panel.")
}
