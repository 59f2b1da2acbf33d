package world_test

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"azure-partner-connector/sandbox/browser"
	"azure-partner-connector/sandbox/panel"
	"azure-partner-connector/sandbox/panel/paneltest"
	"azure-partner-connector/sandbox/world"
)

// The texts at the end of the two procedures, which are fixed requirements.
const (
	updated = "Your refresh token has been successfully updated"
	granted = "The consent has been granted successfully. The authorization code has been sent"
)

// A ritasPanel is the panel of Rita of Alpine Cloud, in front of the real connector and the simulators.
type ritasPanel struct {
	scenario
	*paneltest.Driver
	pictures bool
}

// openPanel logs Rita in to a panel and opens Manage Refresh Token from its menu. If pictures is true and
// paneltest.ScreensVariable names a folder, it takes screenshots for the documents.
func openPanel(t *testing.T, panel string, pictures bool) ritasPanel {
	t.Helper()
	s := newScenario(t)
	d := ritasPanel{s, paneltest.LogIn(t, s.PanelURL, "#/"+panel+"/en_US", "Rita Reseller"), pictures}
	d.Click(`document.getElementById("menu")`, "Manage Refresh Token")
	d.WaitLoaded()
	d.State("absent")
	return d
}

// picture takes a screenshot of a window.
func (d ritasPanel) picture(of *paneltest.Driver, name string, p paneltest.Picture) {
	d.Helper()
	if d.pictures {
		of.Capture("sandbox/"+name, p)
	}
}

// group returns the group of the screen with a title, and checks that it exists.
func (d ritasPanel) group(title string) string {
	d.Helper()
	group := `Array.from(` + paneltest.Frame + `.querySelectorAll("section")).find(s => s.querySelector("h2").innerText === ` + strconv.Quote(title) + `)`
	d.Wait(group)
	return group
}

// signIn completes Microsoft's pages up to the consent page: in UX1 with an account of the list, in the classic panel by typing.
func (d ritasPanel) signIn(window *paneltest.Driver, account string) {
	d.Helper()
	window.Wait(`document.getElementById("username") !== null`)
	if d.pictures {
		d.picture(window, "sign-in", paneltest.Picture{Small: true, Whole: true})
		window.ClickOn("button[value='" + account + "']")
		window.Wait(`(document.getElementById("password") || {}).value === ` + strconv.Quote(world.Password))
	} else {
		window.Fill("#username", account)
		window.ClickOn("#account-next")
		window.Fill("#password", world.Password)
	}
	window.ClickOn("#password-next")
	window.ClickOn("#mfa-approve")
	window.Wait(`document.getElementById("consent-accept") !== null`)
	d.picture(window, "accept", paneltest.Picture{Small: true, Whole: true})
}

// examine runs axe-core on an onboarding page, light and dark, on a desktop and on a phone. It does so in one panel only,
// because the pages are the same in both.
func (d ritasPanel) examine(window *paneltest.Driver, what string) {
	d.Helper()
	if d.pictures {
		examine(window, what)
	}
}

func examine(window *paneltest.Driver, what string) {
	window.T.Helper()
	for _, scheme := range []string{"dark", "light"} {
		media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
		if _, err := chromedp.Call(window.Ctx, emulation.SetEmulatedMedia, media); err != nil {
			window.T.Fatal(err)
		}
		for _, width := range []int64{390, 1280} {
			browser.Resize(window.T, window.Ctx, width, 900)
			window.Accessible(fmt.Sprintf("%s, %s, %d px wide", what, scheme, width))
		}
	}
}

func TestOnboarding_IsAccessible(t *testing.T) {
	s := newScenario(t)
	window := paneltest.Open(t, s.OnboardingURL+"/")
	for path, title := range map[string]string{"/": "Partner Onboarding Web Application", "/done": "No recent sign-in in this browser", "/consent/unknown": "This link can't be used", "/nowhere": "Page not found"} {
		window.Do(chromedp.Navigate(s.OnboardingURL + path))
		heading(window, title)
		examine(window, path)
	}
}

// heading waits for the heading of an onboarding page.
func heading(window *paneltest.Driver, want string) {
	window.T.Helper()
	window.Wait(`document.querySelector("h1").innerText === ` + strconv.Quote(want))
}

// inBothPanels runs a test in UX1, which takes the screenshots, and in the classic panel.
func inBothPanels(t *testing.T, test func(t *testing.T, d ritasPanel)) {
	for _, panel := range []string{"ux1", "classic"} {
		t.Run(panel, func(t *testing.T) { test(t, openPanel(t, panel, panel == "ux1")) })
	}
}

func TestPanel_AutomaticUpdate(t *testing.T) {
	inBothPanels(t, func(t *testing.T, d ritasPanel) {
		automatic := d.group("Automatic Update")

		d.Click(automatic, "Update Refresh Token")
		window := d.Popup(d.Microsoft.LoginURL())
		d.WaitText("Finish the sign-in in the new window")
		d.signIn(window, world.AlpineAdmin)
		window.ClickOn("#consent-cancel")
		window.WaitPageText("The consent was declined in the Microsoft window.")
		d.WaitText("The consent was declined in the Microsoft window. Nothing was changed. Start again and press Accept.")
		reference := d.reference()
		window.WaitPageText(reference)
		d.examine(window, "a refused consent")
		d.State("absent")
		window.Do(chromedp.Navigate("about:blank"))

		d.Click(automatic, "Update Refresh Token")
		window = d.Popup(d.Microsoft.LoginURL())
		window.ClickOn("#consent-accept")
		heading(window, "Consent granted")
		window.WaitPageText(granted)
		d.examine(window, "a granted consent")
		d.WaitText(updated)
		d.State("active")
		for _, want := range []string{"(89 days left)", "MFA: Verified", "Roles: Verified", "Azure Resource Manager: Reachable", "Consent granted"} {
			d.WaitText(want)
		}

		d.Press("Details")
		for _, want := range []string{"Ada Alpine (" + world.AlpineAdmin + ")", "Rita Reseller", "Reachable (checked", "Global admin: Yes. Admin agent: Yes."} {
			d.WaitText(want)
		}

		d.Press("Check Now")
		d.WaitText("All services accepted the token.")
		d.Press("More")
		d.Press("Renew Now")
		d.WaitText("The refresh token has been renewed.")
		d.WaitText("Refresh token renewed")
		d.again("active")
	})
}

// reference returns the reference of the error on the screen.
func (d ritasPanel) reference() string {
	d.Helper()
	found := regexp.MustCompile(`Reference: ([A-Z0-9-]+)\.`).FindStringSubmatch(d.Text())
	if found == nil {
		d.Fatalf("Text() = %q, want an error with a reference", d.Text())
	}
	return found[1]
}

// again reopens the screen, so that it shows the current state and no message.
func (d ritasPanel) again(state string) {
	d.Helper()
	d.Click(`document.getElementById("menu")`, "Home")
	d.Wait(`!document.getElementById("home").hidden`)
	d.Click(`document.getElementById("menu")`, "Manage Refresh Token")
	d.WaitLoaded()
	d.State(state)
}

func TestPanel_ManualUpdate(t *testing.T) {
	inBothPanels(t, func(t *testing.T, d ritasPanel) {
		browser.AllowClipboard(t, d.Ctx, d.URL)
		manual := d.group("Manual Update")
		d.Click(manual, "Copy")
		d.WaitText("Copied")
		link, err := chromedp.Run(d.Ctx, chromedp.Evaluate[string](`navigator.clipboard.readText()`, chromedp.EvalAwaitPromise))
		if want := d.Value("link"); err != nil || link != want {
			t.Fatalf("clipboard = %q, %v, want the URL %q", link, err, want)
		}

		administrator := paneltest.Open(t, link) // with its own cookies
		administrator.WaitPageText("Alpine Cloud")
		administrator.WaitPageText("Larkfield Cloud Marketplace")
		d.examine(administrator, "the landing page")
		administrator.ClickOn("#continue")
		d.signIn(administrator, world.AlpineAdmin)
		administrator.ClickOn("#consent-accept")
		administrator.Wait(`document.getElementById("claim-code") !== null`)
		d.examine(administrator, "the page of the authentication code")
		code := paneltest.Evaluate[string](administrator, `document.getElementById("claim-code").innerText`)

		d.again("pending")
		d.WaitText("Ada Alpine (" + world.AlpineAdmin + ") granted the consent on")
		d.Enter("code", otherThan(code))
		d.Click(manual, "Update")
		d.WaitText("That code isn't correct. Attempts left: 4.")
		d.State("pending")

		d.Enter("code", strings.ToLower(code))
		d.Click(manual, "Update")
		d.WaitText(updated)
		d.State("active")
		d.WaitText("Authentication code accepted")
		if got := d.Text(); strings.Contains(got, "__") {
			t.Errorf("Text() = %q, want no unfilled placeholder", got)
		}
		if got := d.Value("code"); got != "" {
			t.Errorf("Value(code) after success = %q, want it cleared", got)
		}
	})
}

// TestPanel_Provider opens two tenants as the provider: one with a token, one without.
func TestPanel_Provider(t *testing.T) {
	s := newScenario(t)
	s.visit(s.freshSignIn())
	s.checkState("active")
	for _, panel := range []string{"ux1", "classic"} {
		t.Run(panel, func(t *testing.T) {
			d := ritasPanel{scenario{t, s.World}, paneltest.LogIn(t, s.PanelURL, "#/"+panel+"/en_US", "Petra Provider"), panel == "ux1"}
			d.Click(`document.getElementById("menu")`, "Refresh Tokens")
			d.WaitLoaded()
			row := func(name string) string {
				return `Array.from(` + paneltest.Widget("list") + `.querySelectorAll("tbody tr")).find(r => r.innerText.includes("` + name + `"))`
			}
			d.Wait(row("Baltic IT") + `.innerText.includes("No Token")`)
			d.Wait(row("Alpine Cloud") + `.innerText.includes("Active")`)
			d.Click(row("Baltic IT"), "Details")
			d.State("absent")
			d.Press("Back to the List")
			d.Click(row("Alpine Cloud"), "Details")
			d.State("active")
			d.WaitText("Token Status of Alpine Cloud")
			d.Press("Renew Now")
			d.WaitText("The refresh token has been renewed.")
			d.WaitText("Petra Provider")
		})
	}
}

// drawer opens the side drawer.
func (d ritasPanel) drawer() {
	d.Helper()
	d.Click(paneltest.Document, "Sandbox")
	d.WaitPageText("Simulate at Microsoft")
}

// set turns a switch of the drawer on or off.
func (d ritasPanel) set(id string, on bool) {
	d.Helper()
	d.ClickOn("#switch-" + id)
	said := map[bool]string{true: "On: ", false: "Off: "}[on]
	d.Wait(`document.getElementById("drawerTold").innerText.startsWith("` + said + `")`)
	d.Wait(`document.getElementById("switch-` + id + `").checked === ` + strconv.FormatBool(on))
}

// consent lets the administrator of Alpine Cloud consent without a browser.
func (d ritasPanel) consent() {
	d.Helper()
	d.visit(d.freshSignIn())
}

// renew presses Renew Now, wherever the state puts it.
func (d ritasPanel) renew() {
	d.Helper()
	if !paneltest.Evaluate[bool](d.Driver, `Array.from(`+paneltest.Frame+`.querySelectorAll("button")).some(b => b.innerText === "Renew Now" && b.offsetParent !== null)`) {
		d.Press("More")
	}
	d.Press("Renew Now")
}

// TestPanel_EveryState shows every state with the switches of the drawer.
func TestPanel_EveryState(t *testing.T) {
	d := openPanel(t, "ux1", true)
	d.drawer()

	var link attempt
	d.call("POST", "consentLink", "", &link)
	visitor := world.NewBrowser()
	d.visit(visitor, d.scenario.signIn(visitor, link, right()))
	d.Click(paneltest.Document, "1 day later")
	d.again("absent") // the code was valid for a day
	d.visit(visitor, d.scenario.signIn(visitor, link, right()))
	d.again("pending")
	d.consent()
	d.again("active")

	d.set("suspend", true)
	d.State("suspended")
	d.set("suspend", false)
	d.State("active")
	d.set("move", true) // of a subscription without a token
	d.set("move", false)
	d.set("stop", true)
	d.WaitPageText("ConnectionFailure: the application endpoint cannot be reached")
	d.picture(d.Driver, "stopped", paneltest.Picture{})
	d.set("allowMoves", true) // which restarts none that is stopped
	d.set("stop", false)
	d.Wait(`document.getElementById("outage").hidden`)
	d.again("active")

	d.ClickOn("#switch-borrow")
	d.WaitPageText("The answer: 200 OK")
	d.Wait(`document.querySelector("#drawerAnswer pre").innerText.includes("` + world.AlpineDirectory + `")`)
	d.ClickOn("#switch-borrowcustomer")
	d.WaitPageText("The answer: 403 Forbidden")
	d.Wait(`document.querySelector("#drawerAnswer pre").innerText.includes("customers_not_allowed")`)
	d.ClickOn("#switch-borrow")
	d.WaitPageText("The answer: 200 OK")
	d.picture(d.Driver, "borrowed", paneltest.Picture{})

	d.set("down", true)
	d.Click(paneltest.Document, "10 days later")
	d.State("renewal_failing")
	d.picture(d.Driver, "drawer", paneltest.Picture{})
	d.set("down", false)
	d.renew()
	d.State("active")

	d.set("secret", true)
	d.renew()
	d.State("misconfigured")
	d.WaitText("The client secret has expired.")
	d.set("secret", false)
	d.renew()
	d.State("active")

	d.set("throttled", true)
	d.renew()
	d.State("renewal_failing")
	d.set("throttled", false)
	d.renew()
	d.State("active")

	d.Click(paneltest.Document, "Revoke all sessions")
	d.WaitPageText("Done: Revoke all sessions")
	d.Press("Check Now")
	d.State("action_required")
	d.Wait(`document.getElementById("bellCount").innerText !== "" && document.getElementById("mailboxCount").innerText !== ""`)
	d.ClickOn("#bell")
	d.WaitPageText("The refresh token of Alpine Cloud needs a new sign-in.")
	d.picture(d.Driver, "bell", paneltest.Picture{})
	d.ClickOn("#mailbox")
	d.WaitPageText("To: operations@larkfield.example")
	d.picture(d.Driver, "mail", paneltest.Picture{})
	d.drawer()
	d.consent()
	d.again("active")

	d.set("frequency", true)
	d.Click(paneltest.Document, "10 days later")
	d.State("action_required")
	d.WaitText("A sign-in frequency policy in the directory ended the session")
	d.set("frequency", false)
	d.consent()
	d.again("active")

	d.expiring()
	d.set("down", true)
	d.Click(paneltest.Document, "30 days later")
	d.State("expired")
	d.set("silent", false)
}

// expiring shows a token that expires soon without a known failure. That state lasts until the connector's first attempt to
// renew times out; if it ends before the screen has shown it, expiring tries again.
func (d ritasPanel) expiring() {
	d.Helper()
	const tries = 5
	state := paneltest.Widget("state") + `.dataset.status`
	for range tries {
		d.set("silent", true)
		d.Click(paneltest.Document, "30 days later")
		d.Click(paneltest.Document, "30 days later")
		d.Wait(`["expiring", "renewal_failing"].includes(` + state + `)`)
		if paneltest.Evaluate[string](d.Driver, state) == "expiring" {
			return
		}
		d.set("silent", false)
		d.renew()
		d.State("active")
	}
	d.Fatalf("the state expiring was not seen in %d tries", tries)
}

// TestPanel_SwitchesRefuseConsents refuses consents with the switches of the drawer.
func TestPanel_SwitchesRefuseConsents(t *testing.T) {
	w := newScenario(t)
	for id, want := range map[string]string{
		"mfa": "mfa_missing", "directory": "wrong_directory", "secret": "client_secret_expired", "down": "microsoft_unavailable",
	} {
		t.Run(id, func(t *testing.T) {
			s := scenario{t, w.World}
			visitor := world.NewBrowser()
			a := s.begin(visitor)
			callback := s.signIn(visitor, a, right())
			check(t, s.Set(id, true))
			s.visit(visitor, callback)
			var consent struct {
				Status  string
				Failure struct{ Code string }
			}
			s.call("GET", "consents/"+a.ID, "", &consent)
			if consent.Status != "failed" || consent.Failure.Code != want {
				t.Errorf("the consent is %s because of %q, want failed because of %q", consent.Status, consent.Failure.Code, want)
			}
			check(t, s.Set(id, false))
		})
	}
	s := scenario{t, w.World}
	s.visit(s.freshSignIn())
	s.checkState("active")
	check(t, s.Set("withdraw", true))
	if answer := s.As(t.Context(), world.Rita, "POST", s.tenant(), "renew", nil); !strings.Contains(string(answer.Body), "consent_missing") {
		t.Errorf("renewing after the consent was withdrawn = %d %s, want consent_missing", answer.Status, answer.Body)
	}
	if err := s.Set("none", true); !errors.Is(err, panel.ErrUnknownSwitch) {
		t.Errorf("Set(none) = %v, want %v", err, panel.ErrUnknownSwitch)
	}
}

// freshSignIn begins a consent and returns the redirect URL at its end.
func (s scenario) freshSignIn() (visitor *http.Client, callback string) {
	s.Helper()
	visitor = world.NewBrowser()
	return visitor, s.signIn(visitor, s.begin(visitor), right())
}

// otherThan returns a well-formed but wrong claim code: with another last character.
func otherThan(code string) string {
	last := byte('A')
	if code[len(code)-1] == last {
		last = 'B'
	}
	return code[:len(code)-1] + string(last)
}
