package panel_test

import (
	"testing"

	"azure-partner-connector/sandbox/browser"
)

func TestPanelLogsInAndSwitches(t *testing.T) {
	p := newPlatform(t)
	d := logIn(t, p, "")
	d.wait(`document.getElementById("home").innerText.includes("Harbour Cloud Resale")`)
	d.look("home")
	d.click("document", "Manage Refresh Token")
	d.state("active")

	choose := func(list, value string) {
		evaluate[bool](d, `(s => { s.value = `+"`"+value+"`"+`; s.dispatchEvent(new Event("change")); return true; })(document.getElementById("`+list+`"))`)
	}
	choose("locale", "de_DE")
	d.waitText("Token-Status")
	choose("panel", "classic")
	d.wait(`document.getElementById("home").innerText.includes("Dienste › Azure Partner (NCE)")`)
	if got := evaluate[int](d, `document.querySelectorAll("#menu ul ul > li").length`); got != 1 {
		t.Errorf("entries below the folder of the application = %d, want 1", got)
	}
	d.click("document", "Refresh-Token verwalten")
	d.waitText("Token-Status")
	d.look("classic")

	choose("user", providerID)
	d.wait(`document.getElementById("home").innerText.includes("Keine Anwendung hat in diesem Panel einen Bildschirm")`)
	if got := evaluate[int](d, `document.querySelectorAll("iframe").length`); got != 0 {
		t.Errorf("frames of the reseller that are still there = %d, want 0", got)
	}
}

func TestPanelMenuOnAPhone(t *testing.T) {
	p := newPlatform(t)
	d := logIn(t, p, "")
	browser.Resize(t, d.ctx, 390, 800)
	d.wait(`document.getElementById("menu").offsetParent === null`)
	d.click("document", "☰")
	d.wait(`document.getElementById("menu").offsetParent !== null && document.getElementById("burger").getAttribute("aria-expanded") === "true"`)
	d.click(`document.getElementById("menu")`, "Manage Refresh Token")
	d.state("active")
	d.wait(`document.getElementById("menu").offsetParent === null`)
}

func TestPanelTellsOfAnUnknownModule(t *testing.T) {
	p := newPlatform(t)
	d := open(t, p, ux1)
	evaluate[bool](d, frame+`.defaultView.require(["aps/Wizard"]), true`)
	d.waitText("There is no module aps/Wizard in this panel.")
}
