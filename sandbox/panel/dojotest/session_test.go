package dojotest_test

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/panel/dojotest"
	"azure-partner-connector/sandbox/panel/paneltest"
	"azure-partner-connector/sandbox/platform/backend"
	"azure-partner-connector/sandbox/world"
)

// rita and petra are the users: a reseller and the provider.
const rita, petra = "Rita Reseller", "Petra Provider"

// updated is the message at the end of both procedures.
const updated = "Your refresh token has been successfully updated"

// A session is a browser logged in to a panel on real Dojo, in front of the real connector.
type session struct {
	*paneltest.Driver
	*dojotest.Panel
	World *world.World
}

// An installed world lets consents begin in the panel that will be served on its listener.
type installed struct {
	*world.World
	panel net.Listener
}

// start starts the connector and the simulated world, with everything installed.
func start(t *testing.T) installed {
	t.Helper()
	panel, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w, err := world.Start(t.Context(), world.Config{Panels: []string{"http://" + panel.Addr().String()}})
	if err != nil {
		t.Fatalf("Start() = %v", err)
	}
	t.Cleanup(func() { check(t, w.Close()) })
	check(t, w.Install(t.Context()))
	return installed{w, panel}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// logIn logs in to a panel as cfg says, on the given world, at a location such as #/ux1/en_US. The test fails when the
// page writes an error to its console, or when Dojo lacks a file.
func logIn(t *testing.T, w installed, cfg dojotest.Config, location, name string) session {
	t.Helper()
	cfg.Backend, cfg.Listener = backend.New(w.Platform), w.panel
	p := dojotest.Serve(t, cfg)
	d := session{paneltest.Open(t, p.URL), p, w.World}
	d.T.Cleanup(func() {
		if missing := p.Missing(); len(missing) > 0 {
			t.Errorf("Missing() = %q, want none", missing)
		}
	})
	d.failOnErrors()
	d.Wait(`document.querySelector("#login .card") !== null`)
	d.Do(chromedp.Navigate(p.URL + "/" + location))
	d.Click(paneltest.Document, name)
	d.Wait(`document.getElementById("login").hidden`)
	return d
}

// failOnErrors makes the test fail if the page throws an error, or writes an error or a warning to its console.
func (d session) failOnErrors() {
	d.Helper()
	var mu sync.Mutex
	var said []string
	say := func(text string) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, text)
	}
	err := chromedp.Listen(d.Ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			say(fmt.Sprintf("thrown: %+v %+v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
		case *runtime.EventConsoleAPICalled:
			if e.Type == "error" || e.Type == "warning" {
				for _, arg := range e.Args {
					say(fmt.Sprintf("console: %s %s", arg.Description, arg.Value))
				}
			}
		}
	})
	check(d.T, err)
	d.T.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		for _, text := range said {
			d.T.Errorf("the page reported: %s", text)
		}
	})
}

// Helper resolves the ambiguity between the embedded types.
func (d session) Helper() { d.T.Helper() }

// window is an expression for the window of the open screen.
const window = `document.querySelector("#content iframe:not([hidden])").contentWindow`

// widget returns an expression for a widget of the open screen in Dijit's registry.
func widget(name string) string {
	return `(f => f.require("dijit/registry").toArray().find(w =>
		(w.id.endsWith("_` + name + `") || w.id.startsWith("azp-") && w.id.endsWith("-` + name + `")) && w.domNode.closest(".aps-page-content > [hidden]") === null))(` + window + `)`
}

// open opens a screen from the menu.
func (d session) open(label string) {
	d.Helper()
	d.Click(`document.getElementById("menu")`, label)
	d.WaitLoaded()
}

// openPanel changes to another panel in the list of panels.
func (d session) openPanel(panel string) {
	d.Helper()
	d.choose("panel", panel)
	d.Wait(`Array.from(document.querySelectorAll("#menu a")).every(a => a.hash.startsWith("#/` + panel + `/")) && !document.getElementById("home").hidden`)
}

// logInAs changes the user.
func (d session) logInAs(name string) {
	d.Helper()
	d.choose("user", paneltest.Evaluate[string](d.Driver, `Array.from(document.getElementById("user").options).find(o => o.label.startsWith(`+strconv.Quote(name)+`)).value`))
	// The home page names the account; the menu is drawn before it.
	d.Wait(`(account => !document.getElementById("home").hidden && document.querySelector("#home p").innerText === account)(document.getElementById("user").selectedOptions[0].label.split(" · ")[1])`)
}

func (d session) choose(list, value string) {
	d.Helper()
	paneltest.Evaluate[bool](d.Driver, `(s => { s.value = `+strconv.Quote(value)+`; return s.dispatchEvent(new Event("change")); })(document.getElementById("`+list+`"))`)
}

// reopen opens the screen again, so that it shows the current state and no message.
func (d session) reopen(label, state string) {
	d.Helper()
	d.Click(`document.getElementById("menu")`, "Home")
	d.Wait(`!document.getElementById("home").hidden`)
	d.open(label)
	d.state(state)
}

// state waits until the status group shows a state and its label.
func (d session) state(want string) {
	d.Helper()
	d.Wait(`(w => w.get("status") === ` + strconv.Quote(want) + ` && w.domNode.innerText === w.statusInfo[w.get("status")].label)(` + widget("state") + `)`)
}

// enter replaces the text of a field by typing.
func (d session) enter(name, text string) {
	d.Helper()
	d.Wait(`(w => { w.set("value", ""); w.focus(); return w.focusNode.ownerDocument.activeElement === w.focusNode; })(` + widget(name) + `)`)
	if text == "" { // no key is pressed that would tell the screen
		d.Wait(widget(name) + `.focusNode.dispatchEvent(new Event("input", { bubbles: true }))`)
	}
	keys := text
	if day, err := time.Parse(time.DateOnly, text); err == nil && paneltest.Evaluate[bool](d.Driver, widget(name)+`.focusNode.type === "date"`) {
		keys = day.Format("01022006") // as an American types it into the browser's field
	}
	d.Do(chromedp.KeyEvent(keys))
	// The screen may write a code in groups.
	const plain = `(s => s.replace(/[\s-]/g, "").toUpperCase())`
	d.Wait(plain + `(` + widget(name) + `.get("value")) === ` + plain + `(` + strconv.Quote(text) + `)`)
}

// value returns the content of a field.
func (d session) value(name string) string {
	d.Helper()
	return paneltest.Evaluate[string](d.Driver, widget(name)+`.get("value")`)
}

// wrong waits until a field is invalid and its description says why.
func (d session) wrong(name, why string) {
	d.Helper()
	d.Wait(`(f => f.getAttribute("aria-invalid") === "true" && f.ownerDocument.getElementById(f.getAttribute("aria-describedby")).innerText.includes(` + strconv.Quote(why) + `))(` + widget(name) + `.focusNode)`)
}

// waitDialog waits until a dialog is visible and has the focus; Dijit fades it in first. Tests answer it with the keyboard,
// because it moves back to the centre whenever the page scrolls.
func (d session) waitDialog(text string) {
	d.Helper()
	d.Wait(`(q => q.innerText.includes(` + strconv.Quote(text) + `) && q.contains(q.ownerDocument.activeElement))(` + paneltest.Frame + `.querySelector(".dijitDialog"))`)
}

// focused waits until a widget has the focus.
func (d session) focused(name string) {
	d.Helper()
	d.Wait(`(w => w.focusNode.ownerDocument.activeElement === w.focusNode)(` + widget(name) + `)`)
}

// popup starts a sign-in and returns the window of the simulated Microsoft.
func (d session) popup() *paneltest.Driver {
	d.Helper()
	d.Press("Update Refresh Token")
	return d.Popup(d.World.Microsoft.LoginURL())
}

// granted makes the administrator of Rita's directory consent, without a browser.
func (d session) granted() {
	d.Helper()
	browser := world.NewBrowser()
	begun, err := d.World.Begin(d.T.Context(), world.Rita, browser)
	if err != nil {
		d.T.Fatalf("Begin() = %v", err)
	}
	d.visitIn(browser, begun.URL)
}

// visit follows a consent link to its end, in a browser of its own, and returns the last page.
func (d session) visit(link string) string {
	d.Helper()
	return d.visitIn(world.NewBrowser(), link)
}

func (d session) visitIn(browser *http.Client, link string) string {
	d.Helper()
	visitor := microsoft.Visitor{UPN: world.AlpineAdmin, Password: world.Password, ApproveMFA: true, Accept: true}
	page, err := d.World.Visit(d.T.Context(), browser, link, visitor)
	if err != nil || page.Status != http.StatusOK {
		d.T.Fatalf("Visit(%q) = %d, %v", link, page.Status, err)
	}
	return page.Text
}

// inBothPanels runs a test in UX1 and in the classic panel, each with a world of its own.
func inBothPanels(t *testing.T, name string, test func(d session)) {
	for _, panel := range []string{"ux1", "classic"} {
		t.Run(panel, func(t *testing.T) {
			t.Parallel()
			d := logIn(t, start(t), dojotest.Config{}, "#/"+panel+"/en_US", name)
			test(d)
			d.loadedFromDojo()
		})
	}
}

// loadedFromDojo checks that the screen's modules of Dojo came from the npm packages.
func (d session) loadedFromDojo() {
	d.Helper()
	const loaded = `Object.values(` + window + `.require.modules).filter(m => m.executed === "executed" && /^(dojo|dijit|dojox)\//.test(m.mid) && !m.mid.includes("!"))`
	urls := paneltest.Evaluate[[]string](d.Driver, loaded+`.filter(m => m.url).map(m => m.url)`)
	fetched := d.Fetched()
	for _, url := range urls {
		_, path, _ := strings.Cut(url, "/client/")
		if !slices.Contains(fetched, path) {
			d.T.Errorf("%s was not served from npm", url)
		}
	}
	if len(urls) < 50 {
		d.T.Errorf("%d modules of Dojo, want at least the 50 of a screen", len(urls))
	}
	if got := paneltest.Evaluate[string](d.Driver, window+`.require("dojo/_base/kernel").version.toString().replace(/ .*/, "")`); got != dojotest.Version {
		d.T.Errorf("dojo.version = %s, want %s", got, dojotest.Version)
	}
}
