package panel_test

import (
	"slices"
	"strings"
	"testing"

	"azure-partner-connector/sandbox/browser"
	"azure-partner-connector/sandbox/panel/paneltest"
)

// accessible runs axe-core on the page, in the sizes of a desktop and of a phone.
func (d *driver) accessible(what string) {
	d.T.Helper()
	d.Accessible(what)
	d.accessibleOnPhone(what)
}

func (d *driver) accessibleOnPhone(what string) {
	d.T.Helper()
	browser.Resize(d.T, d.Ctx, paneltest.Phone, 900)
	d.Accessible(what + " on a phone")
	browser.Resize(d.T, d.Ctx, paneltest.Desktop, 900)
}

// TestAccessible_ExaminesThePanelAndTheScreen checks that Violations reports faults in the panel and in the screen's frame.
func TestAccessible_ExaminesThePanelAndTheScreen(t *testing.T) {
	t.Parallel()
	d := open(t, newPlatform(t), ux1)
	d.State("active")
	for _, document := range []string{paneltest.Document, frame} {
		evaluate[bool](d, `(d => { d.body.append(d.createElement("img")); return true; })(`+document+`)`)
	}
	found := slices.DeleteFunc(d.Violations(), func(v string) bool { return !strings.Contains(v, "(image-alt)") })
	if len(found) != 2 {
		t.Errorf("Violations() with two images without a text = %q, want both", found)
	}
}

// TestAccessible_Panel examines the panel itself; the screens are examined in TestScreens_EveryState.
func TestAccessible_Panel(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	d := &driver{paneltest.Open(t, serve(t, p, &fakeControls{now: noon})), p}
	d.Wait(`document.querySelector("#login .card") !== null`)
	d.accessible("log-in")
	d.LaidOut("log-in", nil)
	d.Click(paneltest.Document, "Mara Lind")
	d.Wait(home + `.body.innerText.includes("86 days left")`)
	d.accessible("home")
	d.Click(paneltest.Document, "Sandbox")
	d.WaitPageText("Only this simulated platform has this drawer.")
	d.accessible("the drawer")
	d.LaidOutAt(paneltest.Desktop, "the drawer", nil) // it covers narrower pages
}
