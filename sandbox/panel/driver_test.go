package panel_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"azure-partner-connector/sandbox/browser"
	"azure-partner-connector/sandbox/panel"
)

// A driver uses the panel as a person does.
type driver struct {
	t   *testing.T
	ctx context.Context
	url string
	p   *platform
}

const (
	ux1     = "#/ux1/en_US/" + packageID + "/token"
	ux1de   = "#/ux1/de_DE/" + packageID + "/token"
	classic = "#/classic/en_US/" + packageID + "/token-classic"
)

// frame is the document of the open screen.
const frame = `(document.querySelector("iframe:not([hidden])") || {}).contentDocument`

// open logs in as the reseller and opens a screen in front of p.
func open(t *testing.T, p *platform, place string) *driver {
	t.Helper()
	d := logIn(t, p, place)
	d.wait(frame + ` && document.getElementById("loading").hidden`)
	return d
}

// logIn logs in as the reseller at a place of the panel.
func logIn(t *testing.T, p *platform, place string) *driver {
	t.Helper()
	handler, err := panel.New(panel.Config{Backend: p})
	if err != nil {
		t.Fatalf("New() = %v, want no error", err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	d := &driver{t: t, ctx: browser.Start(t), url: server.URL, p: p}
	browser.Resize(t, d.ctx, 1280, 900)
	d.do(chromedp.Navigate(d.url + "/" + place))
	d.wait(`document.querySelector("#login .card") !== null`)
	d.click("document", "Mara Lind")
	d.wait(`document.getElementById("login").hidden`)
	return d
}

func (d *driver) do(steps ...chromedp.Action[chromedp.Void]) {
	d.t.Helper()
	if err := chromedp.Do(d.ctx, steps...); err != nil {
		d.t.Fatal(err)
	}
}

// wait waits until a JavaScript expression is true.
func (d *driver) wait(condition string) {
	d.t.Helper()
	wait(d.t, d.ctx, condition)
}

func wait(t *testing.T, ctx context.Context, condition string) {
	t.Helper()
	// What is not there yet has no properties either.
	tried := "(() => { try { return Boolean(" + condition + "); } catch (notYet) { return false; } })()"
	_, err := chromedp.Run(ctx, chromedp.Poll[bool](tried, chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(patience)))
	if err != nil {
		shown, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`(`+frame+` || document).body.innerText`))
		t.Fatalf("waiting for %s: %v; shown is:\n%s", condition, err, shown)
	}
}

// evaluate returns the value of a JavaScript expression.
func evaluate[T any](d *driver, expression string) T {
	d.t.Helper()
	value, err := chromedp.Run(d.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		d.t.Fatalf("evaluating %s: %v", expression, err)
	}
	return value
}

// waitText waits until the screen shows a text.
func (d *driver) waitText(text string) {
	d.t.Helper()
	d.wait(frame + `.body.innerText.includes(` + strconv.Quote(text) + `)`)
}

// text returns what the screen shows.
func (d *driver) text() string {
	d.t.Helper()
	return evaluate[string](d, frame+`.body.innerText`)
}

// click presses the last visible, enabled button or link with a label, with a real mouse event: only that counts as
// an act of a person, without which browsers open no window.
func (d *driver) click(document, label string) {
	d.t.Helper()
	find := fmt.Sprintf(`Array.from(%s.querySelectorAll("button:not(:disabled), a")).filter(b => b.innerText.trim().split("\n")[0] === %s && b.offsetParent !== null || b.closest("dialog") && b.innerText === %[2]s).pop()`, document, strconv.Quote(label))
	d.wait(find)
	at := evaluate[[]float64](d, `(b => {
		b.scrollIntoView({ block: "center", behavior: "instant" });
		const r = b.getBoundingClientRect();
		const f = b.ownerDocument.defaultView.frameElement;
		const o = f ? f.getBoundingClientRect() : { x: 0, y: 0 };
		return [o.x + r.x + r.width / 2, o.y + r.y + r.height / 2];
	})(`+find+`)`)
	d.do(chromedp.MouseClickXY(at[0], at[1]))
}

// press clicks in the screen.
func (d *driver) press(label string) {
	d.t.Helper()
	d.click(frame, label)
}

// widget is the element of a widget of the screen, in either panel.
func widget(name string) string {
	return frame + `.querySelector('[id$="_` + name + `"], [id="azp-token-` + name + `"]')`
}

// enter types into a field of the screen.
func (d *driver) enter(name, text string) {
	d.t.Helper()
	input := widget(name) + `.querySelector("input")`
	evaluate[bool](d, `(i => { i.value = ""; i.ownerDocument.defaultView.focus(); i.focus(); return true; })(`+input+`)`)
	d.do(chromedp.KeyEvent(text))
	d.wait(input + `.value === ` + strconv.Quote(text))
}

// value returns the content of a field.
func (d *driver) value(name string) string {
	d.t.Helper()
	return evaluate[string](d, widget(name)+`.querySelector("input").value`)
}

// state waits until the status group shows a state.
func (d *driver) state(want string) {
	d.t.Helper()
	d.wait(widget("state") + `.dataset.status === ` + strconv.Quote(want))
}

// patience is how long a condition may take to come true.
const patience = 40 * time.Second

// until waits until a condition of this process is true, asking it at every turn of a timer of the page.
func (d *driver) until(what string, condition func() bool) {
	d.t.Helper()
	deadline, stop := context.WithTimeout(d.ctx, patience)
	defer stop()
	turn := chromedp.Evaluate[chromedp.Void](`new Promise(done => setTimeout(done, 50))`, chromedp.EvalAwaitPromise)
	for !condition() {
		if err := chromedp.Do(deadline, turn); err != nil {
			d.t.Fatalf("waiting for %s: %v", what, err)
		}
	}
}

// waitCalls waits until an operation was called so often.
func (d *driver) waitCalls(operation string, n int) {
	d.t.Helper()
	d.until(fmt.Sprintf("%d calls of %s", n, operation), func() bool { return d.p.called(operation) >= n })
}

// popup waits for the window that the screen opened and returns its tab.
func (d *driver) popup(url string) context.Context {
	d.t.Helper()
	var found *target.Info
	d.until("the window "+url, func() bool {
		infos, err := chromedp.Targets(d.ctx)
		if err != nil {
			d.t.Fatalf("looking for the window %s: %v", url, err)
		}
		for _, info := range infos {
			if info.Type == "page" && strings.HasPrefix(info.URL, url) {
				found = info
			}
		}
		return found != nil
	})
	tab, stop := chromedp.NewContext(d.ctx, chromedp.WithTargetID(found.TargetID))
	d.t.Cleanup(stop)
	if err := chromedp.Do(tab); err != nil {
		d.t.Fatalf("attaching to the window %s: %v", url, err)
	}
	return tab
}

// look writes screenshots of the whole screen as on a desktop and as on a phone, when PANEL_SCREENSHOTS names a folder.
func (d *driver) look(name string) {
	d.t.Helper()
	folder := screenshots()
	if folder == "" {
		return
	}
	for width, suffix := range map[int64]string{1280: "desktop", 390: "phone"} {
		browser.Resize(d.t, d.ctx, width, 700)
		height := evaluate[int64](d, `(f => f ? Math.ceil(f.contentDocument.documentElement.scrollHeight + f.getBoundingClientRect().top) : 700)(document.querySelector("iframe:not([hidden])"))`)
		browser.Resize(d.t, d.ctx, width, height+10)
		evaluate[bool](d, `(`+frame+` || document).documentElement.scrollTop = 0, true`)
		browser.Screenshot(d.t, d.ctx, filepath.Join(folder, name+"-"+suffix+".png"))
	}
	browser.Resize(d.t, d.ctx, 1280, 900)
}
