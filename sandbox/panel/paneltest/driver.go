// Package paneltest drives the simulated panel, and the windows that open from it, in a real browser.
package paneltest

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"azure-partner-connector/sandbox/browser"
)

// A Driver uses one page of a browser as a person does. Every method ends the test when what it waits for does not come.
type Driver struct {
	T   testing.TB
	Ctx context.Context // of the page's tab
	URL string          // of the panel, without a trailing slash

	requests *watch
}

// Document is the panel's own document, and Frame that of the open screen.
const (
	Document = "document"
	Frame    = `(document.querySelector("#content iframe:not([hidden])") || {}).contentDocument`
)

// Open opens a page in a tab of its own.
func Open(t testing.TB, url string) *Driver {
	t.Helper()
	d := &Driver{T: t, Ctx: browser.Start(t), URL: url}
	browser.Resize(t, d.Ctx, 1280, 900)
	d.watch()
	d.Do(chromedp.Navigate(url))
	return d
}

// LogIn opens a tab, opens a place of the panel at url and logs in as the user with a name.
func LogIn(t testing.TB, url, place, name string) *Driver {
	t.Helper()
	d := Open(t, url+"/"+place)
	d.URL = url
	d.Wait(`document.querySelector("#login .card") !== null`)
	d.Click(Document, name)
	d.Wait(`document.getElementById("login").hidden`)
	return d
}

// WaitLoaded waits until a screen is open.
func (d *Driver) WaitLoaded() {
	d.T.Helper()
	d.Wait(Frame + ` && document.getElementById("loading").hidden`)
}

// Do does steps.
func (d *Driver) Do(steps ...chromedp.Action[chromedp.Void]) {
	d.T.Helper()
	if err := chromedp.Do(d.Ctx, steps...); err != nil {
		d.T.Fatal(err)
	}
}

// Wait waits until a JavaScript expression is true in the page. What is not there yet has no properties either, so an
// expression that throws is not true yet.
func (d *Driver) Wait(condition string) {
	d.T.Helper()
	tried := "(() => { try { return Boolean(" + condition + "); } catch (notYet) { return false; } })()"
	poll := chromedp.Poll[bool](tried, chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(browser.Patience))
	deadline := time.Now().Add(browser.Patience)
	_, err := chromedp.Run(d.Ctx, poll)
	for err != nil && time.Now().Before(deadline) && d.Ctx.Err() == nil {
		_, err = chromedp.Run(d.Ctx, poll) // a page that moves on ends the question that it was asked
	}
	if err != nil {
		shown, _ := chromedp.Run(d.Ctx, chromedp.Evaluate[string](`(`+Frame+` || document).body.innerText`))
		d.T.Fatalf("waiting for %s: %v; shown is:\n%s", condition, err, shown)
	}
}

// Until waits until a condition of this process is true, asking it at every turn of a timer of the page.
func (d *Driver) Until(what string, condition func() bool) {
	d.T.Helper()
	deadline, stop := context.WithTimeout(d.Ctx, browser.Patience)
	defer stop()
	turn := chromedp.Evaluate[chromedp.Void](`new Promise(done => setTimeout(done, 50))`, chromedp.EvalAwaitPromise)
	for !condition() {
		if err := chromedp.Do(deadline, turn); err != nil {
			d.T.Fatalf("waiting for %s: %v", what, err)
		}
	}
}

// Evaluate returns the value of a JavaScript expression.
func Evaluate[V any](d *Driver, expression string) V {
	d.T.Helper()
	value, err := chromedp.Run(d.Ctx, chromedp.Evaluate[V](expression))
	if err != nil {
		d.T.Fatalf("evaluating %s: %v", expression, err)
	}
	return value
}

// WaitText waits until the open screen shows a text.
func (d *Driver) WaitText(text string) {
	d.T.Helper()
	d.Wait(Frame + `.body.innerText.includes(` + strconv.Quote(text) + `)`)
}

// WaitPageText waits until the page itself shows a text.
func (d *Driver) WaitPageText(text string) {
	d.T.Helper()
	d.Wait(`document.body.innerText.includes(` + strconv.Quote(text) + `)`)
}

// Text returns what the open screen shows.
func (d *Driver) Text() string {
	d.T.Helper()
	return Evaluate[string](d, Frame+`.body.innerText`)
}

// Click presses the last visible, enabled button or link with a label, with a real mouse event: only that counts as
// an act of a person, without which browsers open no window. Dijit's buttons are elements that only play that role.
func (d *Driver) Click(document, label string) {
	d.T.Helper()
	d.clickOn(fmt.Sprintf(`Array.from(%s.querySelectorAll("button:not(:disabled), a, [role=button]:not([aria-disabled=true])")).filter(b => b.innerText.trim().split("\n")[0] === %s && b.offsetParent !== null || b.closest("dialog") && b.innerText === %[2]s).pop()`, document, strconv.Quote(label)))
}

// ClickOn presses the first visible element of the page that a CSS selector finds.
func (d *Driver) ClickOn(selector string) {
	d.T.Helper()
	d.clickOn(fmt.Sprintf(`Array.from(document.querySelectorAll(%s)).find(b => b.offsetParent !== null)`, strconv.Quote(selector)))
}

func (d *Driver) clickOn(find string) {
	d.T.Helper()
	d.Wait(find)
	at := Evaluate[[]float64](d, `(b => {
		b.scrollIntoView({ block: "center", behavior: "instant" });
		const r = b.getBoundingClientRect();
		const f = b.ownerDocument.defaultView.frameElement;
		const o = f ? f.getBoundingClientRect() : { x: 0, y: 0 };
		return [o.x + r.x + r.width / 2, o.y + r.y + r.height / 2];
	})(`+find+`)`)
	d.Do(chromedp.MouseClickXY(at[0], at[1]))
}

// Press clicks in the open screen.
func (d *Driver) Press(label string) {
	d.T.Helper()
	d.Click(Frame, label)
}

// Widget is the element of a widget of the open screen, in either panel.
func Widget(name string) string {
	return `Array.from(` + Frame + `.querySelectorAll('[id$="_` + name + `"], [id^="azp-"][id$="-` + name + `"]')).find(w => w.parentNode.closest(".aps-page-content > [hidden]") === null)`
}

// Enter types into a field of the open screen.
func (d *Driver) Enter(name, text string) {
	d.T.Helper()
	input := Field(name)
	Evaluate[bool](d, `(i => { i.value = ""; i.ownerDocument.defaultView.focus(); i.focus(); return true; })(`+input+`)`)
	d.Do(chromedp.KeyEvent(text))
	d.Wait(input + `.value === ` + strconv.Quote(text))
}

// Field is the input of a widget.
func Field(name string) string { return Widget(name) + `.querySelector("input, textarea")` }

// Value returns the content of a field.
func (d *Driver) Value(name string) string {
	d.T.Helper()
	return Evaluate[string](d, Field(name)+`.value`)
}

// State waits until the status group shows a state.
func (d *Driver) State(want string) {
	d.T.Helper()
	d.Wait(Widget("state") + `.dataset.status === ` + strconv.Quote(want))
}
