// Package paneltest drives the simulated panel, and the windows that open from it, in a real browser.
package paneltest

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"azure-partner-connector/sandbox/browser"
)

// A Driver uses one page of a browser as a person does. Every method fails the test if what it waits for does not happen.
type Driver struct {
	T   testing.TB
	Ctx context.Context // of the page's tab
	URL string          // of the panel, without a trailing slash

	requests *requestLog
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
	browser.Resize(t, d.Ctx, Desktop, 900)
	d.logRequests()
	d.Do(chromedp.Navigate(url))
	return d
}

// LogIn opens the panel at url in a tab of its own, at a location such as #/ux1/en_US, and logs in as the user with a
// name.
func LogIn(t testing.TB, url, location, name string) *Driver {
	t.Helper()
	d := Open(t, url+"/"+location)
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

// Do runs actions of chromedp.
func (d *Driver) Do(actions ...chromedp.Action[chromedp.Void]) {
	d.T.Helper()
	if err := chromedp.Do(d.Ctx, actions...); err != nil {
		d.T.Fatal(err)
	}
}

// Wait waits until a JavaScript expression is true in the page, as browser.Wait does.
func (d *Driver) Wait(condition string) {
	d.T.Helper()
	if err := browser.Wait(d.Ctx, condition); err != nil {
		shown, _ := chromedp.Run(d.Ctx, chromedp.Evaluate[string](`(`+Frame+` || document).body.innerText`))
		d.T.Fatalf("waiting for %s: %v; shown is:\n%s", condition, err, shown)
	}
}

// Until waits until a condition of this process is true. It checks whenever a timer of the page fires.
func (d *Driver) Until(what string, condition func() bool) {
	d.T.Helper()
	deadline, stop := context.WithTimeout(d.Ctx, browser.WaitLimit)
	defer stop()
	tick := chromedp.Evaluate[chromedp.Void](`new Promise(done => setTimeout(done, 50))`, chromedp.EvalAwaitPromise)
	for !condition() {
		if err := chromedp.Do(deadline, tick); err != nil {
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

// Click presses the last visible, enabled button or link with a label, with a real mouse event, because browsers open
// windows only for those. Dijit's buttons are other elements with the role button.
func (d *Driver) Click(document, label string) {
	d.T.Helper()
	d.clickOn(fmt.Sprintf(`Array.from(%s.querySelectorAll("button:not(:disabled), a, summary, [role=button]:not([aria-disabled=true])")).filter(b => b.innerText.trim().split("\n")[0] === %s && b.offsetParent !== null || b.closest("dialog") && b.innerText === %[2]s).pop()`, document, strconv.Quote(label)))
}

// ClickOn presses the first visible element of the page that a CSS selector finds.
func (d *Driver) ClickOn(selector string) {
	d.T.Helper()
	d.clickOn(fmt.Sprintf(`Array.from(document.querySelectorAll(%s)).find(b => b.offsetParent !== null)`, strconv.Quote(selector)))
}

// clickTries is how often clickOn clicks on an element that moves away from the mouse.
const clickTries = 5

// clickOn clicks on the element of an expression. Elements move while a screen receives its data, so a click may miss its
// element; such a click is repeated.
func (d *Driver) clickOn(element string) {
	d.T.Helper()
	for range clickTries {
		d.Wait(element)
		at := Evaluate[[]float64](d, `(b => {
			b.scrollIntoView({ block: "center", behavior: "instant" });
			window.clickArrived = false;
			b.addEventListener("click", () => { window.clickArrived = true; }, { capture: true, once: true });
			const r = b.getBoundingClientRect();
			const f = b.ownerDocument.defaultView.frameElement;
			const o = f ? f.getBoundingClientRect() : { x: 0, y: 0 };
			return [o.x + r.x + r.width / 2, o.y + r.y + r.height / 2];
		})(`+element+`)`)
		arrived := false
		err := chromedp.Do(d.Ctx, chromedp.MouseClickXY(at[0], at[1]))
		if err == nil {
			arrived, err = chromedp.Run(d.Ctx, chromedp.Evaluate[bool](`window.clickArrived !== false`)) // another page has no such variable
		}
		if navigated(err) { // by the click, before it was answered
			return
		}
		if err != nil {
			d.T.Fatalf("clicking on %s: %v", element, err)
		}
		if arrived {
			return
		}
	}
	d.T.Fatalf("clicking %d times on %s: it received no click", clickTries, element)
}

// navigated reports whether a command failed because its page was replaced by another one.
func navigated(err error) bool {
	return err != nil && strings.Contains(err.Error(), "Inspected target navigated or closed")
}

// Press clicks a button or link of the open screen.
func (d *Driver) Press(label string) {
	d.T.Helper()
	d.Click(Frame, label)
}

// Widget returns an expression for the element of a widget of the open screen, in either panel.
func Widget(name string) string {
	return `Array.from(` + Frame + `.querySelectorAll('[id$="_` + name + `"], [id^="azp-"][id$="-` + name + `"]')).find(w => w.parentNode.closest(".aps-page-content > [hidden]") === null)`
}

// Enter types into a field of the open screen.
func (d *Driver) Enter(name, text string) {
	d.T.Helper()
	input := Field(name)
	// A field that is not shown yet takes no focus.
	d.Wait(`(i => { i.ownerDocument.defaultView.focus(); i.focus(); return i.ownerDocument.activeElement === i; })(` + input + `)`)
	Evaluate[bool](d, input+`.value = "", true`)
	if Evaluate[bool](d, input+`.type === "date"`) {
		d.enterDay(input, text)
		return
	}
	if text == "" { // no key is pressed that would tell the screen
		Evaluate[bool](d, input+`.dispatchEvent(new Event("input", { bubbles: true }))`)
	}
	d.Do(chromedp.KeyEvent(text))
	// The screen may write a code in groups.
	const plain = `(s => s.replace(/[\s-]/g, "").toUpperCase())`
	d.Wait(plain + `(` + input + `.value) === ` + plain + `(` + strconv.Quote(text) + `)`)
}

// enterDay types a day into the browser's own field for it, as in 2027-11-23, or something that is none.
func (d *Driver) enterDay(input, text string) {
	d.T.Helper()
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		d.Do(chromedp.KeyEvent(text))
		d.Wait(input + `.validity.badInput`)
		return
	}
	d.Do(chromedp.KeyEvent(day.Format("01022006"))) // as an American writes it
	d.Wait(input + `.value === ` + strconv.Quote(text))
}

// Field returns an expression for the input element of a widget.
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
