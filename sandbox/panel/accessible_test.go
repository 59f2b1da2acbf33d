package panel_test

import (
	"maps"
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

// lookAgain has the screen read everything again, as when somebody comes back to it.
func (d *driver) lookAgain(change func(p *platform), state string) {
	d.T.Helper()
	d.p.change(change)
	evaluate[bool](d, frame+`.dispatchEvent(new Event("visibilitychange")), true`)
	d.State(state)
}

// shows returns a change of the status.
func shows(status object) func(p *platform) {
	return func(p *platform) { p.status = status }
}

// What nothing is found in must have been looked at: in the panel and in the frame of the screen.
func TestAccessible_ExaminesThePanelAndTheScreen(t *testing.T) {
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

func TestAccessible_EveryState(t *testing.T) {
	d := open(t, newPlatform(t), ux1)
	states := map[string]object{
		"absent":          absentStatus(),
		"pending":         pendingStatus(),
		"active":          wellStatus(),
		"expiring":        withStatus(object{"state": "expiring", "daysLeft": 9, "failure": fail(failure.GrantExpiring, "days", "9")}),
		"renewal_failing": withStatus(object{"state": "renewal_failing", "failure": fail(failure.MicrosoftUnavailable)}),
		"action_required": withStatus(object{"state": "action_required", "failure": fail(failure.SignInFrequency), "nextRenewalAt": nil}),
		"misconfigured":   withStatus(object{"state": "misconfigured", "failure": fail(failure.ClientSecretExpired)}),
		"expired":         withStatus(object{"state": "expired", "daysLeft": 0, "failure": fail(failure.GrantExpired)}),
	}
	for _, state := range slices.Sorted(maps.Keys(states)) {
		d.lookAgain(shows(states[state]), state)
		d.accessible("the state " + state)
	}
	d.lookAgain(func(p *platform) { p.unreachable = true }, "unknown")
	d.accessible("an unreachable connector")
}

func TestAccessible_Procedures(t *testing.T) {
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
	t.Run("settings", func(t *testing.T) {
		p := newPlatform(t)
		allowOwn(p)
		d := open(t, p, settings)
		d.WaitText("Own Application")
		d.accessible("settings")
		d.Enter("directory", " ")
		d.save()
		d.wrong("directory", "Enter the directory")
		d.accessible("wrong settings")
	})
	t.Run("provider", func(t *testing.T) {
		d := openAsProvider(t, newPlatform(t), provider)
		d.names(3)
		d.Press("Days Left")
		d.accessible("the list of tenants")
		d.details("Harbour Cloud Resale")
		d.State("active")
		d.accessible("a tenant in detail")
	})
	t.Run("without a tenant", func(t *testing.T) {
		p := newPlatform(t)
		p.tenants, p.required = nil, false
		d := open(t, p, ux1)
		d.WaitText("This account has no Azure Partner subscription")
		d.accessible("an account without a tenant")
	})
}
