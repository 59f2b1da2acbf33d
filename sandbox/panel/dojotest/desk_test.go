package dojotest_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/panel/dojotest"
	"azure-partner-connector/sandbox/panel/paneltest"
	"azure-partner-connector/sandbox/platform/backend"
	"azure-partner-connector/sandbox/world"
)

// rita and petra are who logs in: a reseller and the provider.
const rita, petra = "Rita Reseller", "Petra Provider"

// updated is the message that both procedures end with (mission).
const updated = "Your refresh token has been successfully updated"

// A desk is a person at a panel on real Dojo, in front of the real connector.
type desk struct {
	*paneltest.Driver
	*dojotest.Panel
	World *world.World
}

// start starts the connector and its world, with everything installed.
func start(t *testing.T) *world.World {
	t.Helper()
	w, err := world.Start(t.Context(), world.Config{})
	if err != nil {
		t.Fatalf("Start() = %v", err)
	}
	t.Cleanup(func() { check(t, w.Close()) })
	check(t, w.Install(t.Context()))
	return w
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// sitDown logs somebody in at a place of a panel as cfg says, on the given world. The test fails when anything is
// written to a console as an error, or when Dojo misses a file.
func sitDown(t *testing.T, w *world.World, cfg dojotest.Config, place, name string) desk {
	t.Helper()
	cfg.Backend = backend.New(w.Platform)
	p := dojotest.Serve(t, cfg)
	d := desk{paneltest.Open(t, p.URL), p, w}
	d.T.Cleanup(func() {
		if missing := p.Missing(); len(missing) > 0 {
			t.Errorf("Missing() = %q, want none", missing)
		}
	})
	d.complaints()
	d.Wait(`document.querySelector("#login .card") !== null`)
	d.Do(chromedp.Navigate(p.URL + "/" + place))
	d.Click(paneltest.Document, name)
	d.Wait(`document.getElementById("login").hidden`)
	return d
}

// complaints has the test fail for what the page throws or writes to its console as an error.
func (d desk) complaints() {
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
			d.T.Errorf("the page complained: %s", text)
		}
	})
}

// Helper is that of the test: both of a desk's parts have what they need of it.
func (d desk) Helper() { d.T.Helper() }

// window is that of the open screen.
const window = `document.querySelector("#content iframe:not([hidden])").contentWindow`

// widget is a widget of the open screen, as Dijit's registry knows it.
func widget(name string) string {
	return `(f => f.require("dijit/registry").toArray().find(w =>
		(w.id.endsWith("_` + name + `") || w.id.startsWith("azp-") && w.id.endsWith("-` + name + `")) && w.domNode.closest(".aps-page-content > [hidden]") === null))(` + window + `)`
}

// open opens a screen from the menu.
func (d desk) open(label string) {
	d.Helper()
	d.Click(`document.getElementById("menu")`, label)
	d.WaitLoaded()
}

// turnTo changes to another panel, by the list of panels.
func (d desk) turnTo(panel string) {
	d.Helper()
	d.choose("panel", panel)
	d.Wait(`Array.from(document.querySelectorAll("#menu a")).every(a => a.hash.startsWith("#/` + panel + `/")) && !document.getElementById("home").hidden`)
}

// logInAs changes the person at the desk.
func (d desk) logInAs(name string) {
	d.Helper()
	d.choose("user", paneltest.Evaluate[string](d.Driver, `Array.from(document.getElementById("user").options).find(o => o.label.startsWith(`+strconv.Quote(name)+`)).value`))
	// The home page names the account; the menu is drawn before it.
	d.Wait(`(account => !document.getElementById("home").hidden && document.querySelector("#home p").innerText === account)(document.getElementById("user").selectedOptions[0].label.split(" · ")[1])`)
}

func (d desk) choose(list, value string) {
	d.Helper()
	paneltest.Evaluate[bool](d.Driver, `(s => { s.value = `+strconv.Quote(value)+`; return s.dispatchEvent(new Event("change")); })(document.getElementById("`+list+`"))`)
}

// again opens the screen anew, so that it shows what is true now and no message.
func (d desk) again(label, state string) {
	d.Helper()
	d.Click(`document.getElementById("menu")`, "Home")
	d.Wait(`!document.getElementById("home").hidden`)
	d.open(label)
	d.state(state)
}

// state waits until the status group shows a state, in words.
func (d desk) state(want string) {
	d.Helper()
	d.Wait(`(w => w.get("status") === ` + strconv.Quote(want) + ` && w.domNode.innerText === w.statusInfo[w.get("status")].label)(` + widget("state") + `)`)
}

// enter types into a field in place of what is there.
func (d desk) enter(name, text string) {
	d.Helper()
	d.Wait(`(w => { w.set("value", ""); w.focus(); return w.focusNode.ownerDocument.activeElement === w.focusNode; })(` + widget(name) + `)`)
	d.Do(chromedp.KeyEvent(text))
	d.Wait(widget(name) + `.get("value") === ` + strconv.Quote(text))
}

// value is the content of a field.
func (d desk) value(name string) string {
	d.Helper()
	return paneltest.Evaluate[string](d.Driver, widget(name)+`.get("value")`)
}

// wrong waits until a field is marked as wrong, and the text that is tied to it says why.
func (d desk) wrong(name, why string) {
	d.Helper()
	d.Wait(`(f => f.getAttribute("aria-invalid") === "true" && f.ownerDocument.getElementById(f.getAttribute("aria-describedby")).innerText.includes(` + strconv.Quote(why) + `))(` + widget(name) + `.focusNode)`)
}

// asked waits until a question has come into view and has the focus; Dijit fades it in first. Questions are answered by
// keys, because their dialog moves back to the middle whenever the page scrolls.
func (d desk) asked(text string) {
	d.Helper()
	d.Wait(`(q => q.innerText.includes(` + strconv.Quote(text) + `) && q.contains(q.ownerDocument.activeElement))(` + paneltest.Frame + `.querySelector(".dijitDialog"))`)
}

// focused waits until a widget has the focus.
func (d desk) focused(name string) {
	d.Helper()
	d.Wait(`(w => w.focusNode.ownerDocument.activeElement === w.focusNode)(` + widget(name) + `)`)
}

// popup presses a button that opens a window, and returns that of the simulated Microsoft.
func (d desk) popup() *paneltest.Driver {
	d.Helper()
	d.Press("Update Refresh Token")
	return d.Popup(d.World.Microsoft.LoginURL())
}

// granted has the administrator of Rita's directory consent, without a browser.
func (d desk) granted() {
	d.Helper()
	begun := d.World.As(d.T.Context(), world.Rita, http.MethodPost, d.World.TenantOf(world.Rita).ID, "consents", nil)
	d.visit(between(string(begun.Body), `"url":"`, `"`))
}

// visit follows a consent link to its end, and returns the page there.
func (d desk) visit(link string) string {
	d.Helper()
	right := microsoft.Visitor{UPN: world.AlpineAdmin, Password: world.Password, ApproveMFA: true, Accept: true}
	page, err := d.World.Visit(d.T.Context(), world.NewBrowser(), link, right)
	if err != nil || page.Status != http.StatusOK {
		d.T.Fatalf("Visit(%q) = %d, %v", link, page.Status, err)
	}
	return page.Text
}

// between returns what stands between two texts.
func between(text, before, after string) string {
	_, text, _ = strings.Cut(text, before)
	text, _, _ = strings.Cut(text, after)
	return text
}

// inBothPanels runs a test in UX1 and in the classic panel, each with a world of its own.
func inBothPanels(t *testing.T, name string, test func(d desk)) {
	for _, panel := range []string{"ux1", "classic"} {
		t.Run(panel, func(t *testing.T) {
			t.Parallel()
			d := sitDown(t, start(t), dojotest.Config{}, "#/"+panel+"/en_US", name)
			test(d)
			d.loadedFromDojo()
		})
	}
}

// loadedFromDojo checks that the modules of Dojo that the screen has loaded came from the npm packages.
func (d desk) loadedFromDojo() {
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
		d.T.Errorf("%d modules of Dojo, want those that the screen is made of", len(urls))
	}
	if got := paneltest.Evaluate[string](d.Driver, window+`.require("dojo/_base/kernel").version.toString().replace(/ .*/, "")`); got != dojotest.Version {
		d.T.Errorf("dojo.version = %s, want %s", got, dojotest.Version)
	}
}
