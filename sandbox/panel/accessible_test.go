package panel_test

import (
	"slices"
	"strings"
	"testing"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/sandbox/browser"
	"azure-partner-connector/sandbox/panel/paneltest"
)

// accessible has axe-core examine what is shown, as on a desktop and as on a phone.
func (d *driver) accessible(what string) {
	d.T.Helper()
	for name, width := range map[string]int64{"desktop": 1280, "phone": 390} {
		browser.Resize(d.T, d.Ctx, width, 900)
		d.Accessible(what + " on a " + name)
	}
	browser.Resize(d.T, d.Ctx, 1280, 900)
}

// What nothing is found in must have been looked at: in the panel and in the frame of the screen.
func TestAccessible_ExaminesThePanelAndTheScreen(t *testing.T) {
	t.Parallel()
	d := open(t, newPlatform(t), ux1)
	d.State("active")
	for _, document := range []string{paneltest.Document, frame} {
		evaluate[bool](d, `(d => { d.querySelector("h1, h2").append(d.createElement("img")); return true; })(`+document+`)`)
	}
	found := slices.DeleteFunc(d.Violations(), func(v string) bool { return !strings.Contains(v, "(image-alt)") })
	if len(found) != 2 {
		t.Errorf("Violations() with two pictures that nothing tells of = %q, want both", found)
	}
}

func TestAccessible_Procedures(t *testing.T) {
	t.Parallel()
	for name, place := range map[string]string{"UX1": ux1, "classic": classic} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			p.status = pendingStatus()
			d := open(t, p, place)
			d.State("pending")
			d.Enter("code", "0000-0000-0000")
			d.Press("Update")
			d.WaitText("Tries left: 4.")
			d.accessible("a wrong code")
			d.Press("Update Refresh Token")
			d.Popup(p.microsoft)
			d.WaitText("Finish the sign-in in the new window")
			d.accessible("a waiting consent")
			p.change(outcome("failed", fail(failure.ConsentDeclined)))
			d.WaitText("The consent was declined")
			d.accessible("a declined consent")
			d.Press("Forget Token")
			d.WaitText("Nothing is revoked at Microsoft")
			d.accessible("the question before forgetting")
		})
	}
}

func TestAccessible_OtherScreens(t *testing.T) {
	t.Parallel()
	world := &toy{now: noon}
	t.Run("log-in, home and drawer", func(t *testing.T) {
		p := newPlatform(t)
		d := &driver{paneltest.LogIn(t, serve(t, p, world), "#/ux1/en_US", "Mara Lind"), p}
		d.Wait(home + `.body.innerText.includes("86 days left")`)
		d.accessible("home")
		d.Click(paneltest.Document, "Sandbox")
		d.WaitPageText("Only this simulated platform has this drawer.")
		d.accessible("the drawer")
	})
	t.Run("log-in", func(t *testing.T) {
		p := newPlatform(t)
		d := &driver{paneltest.Open(t, serve(t, p, nil)), p}
		d.Wait(`document.querySelector("#login .card") !== null`)
		d.accessible("log-in")
	})
}
