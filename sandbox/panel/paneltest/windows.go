package paneltest

import (
	"strconv"
	"strings"

	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"azure-partner-connector/sandbox/browser"
)

// Popup waits for a window that a screen has opened and whose address begins with url, and returns its driver.
func (d *Driver) Popup(url string) *Driver {
	d.T.Helper()
	var found *target.Info
	d.Until("the window "+url, func() bool {
		windows, err := browser.Windows(d.Ctx)
		if err != nil {
			d.T.Fatalf("looking for the window %s: %v", url, err)
		}
		for _, info := range windows {
			if strings.HasPrefix(info.URL, url) {
				found = info
			}
		}
		return found != nil
	})
	tab, stop := chromedp.NewContext(d.Ctx, chromedp.WithTargetID(found.TargetID))
	d.T.Cleanup(stop)
	if err := chromedp.Do(tab); err != nil {
		d.T.Fatalf("attaching to the window %s: %v", url, err)
	}
	if err := browser.Focus(tab); err != nil {
		d.T.Fatal(err)
	}
	window := &Driver{T: d.T, Ctx: tab, URL: d.URL}
	window.logRequests()
	return window
}

// Fill types into the field of the page that a CSS selector finds.
func (d *Driver) Fill(selector, text string) {
	d.T.Helper()
	field := `document.querySelector(` + strconv.Quote(selector) + `)`
	d.Wait(field + `.offsetParent !== null`)
	Evaluate[bool](d, `(i => { i.value = ""; i.focus(); return true; })(`+field+`)`)
	d.Do(chromedp.KeyEvent(text))
	d.Wait(field + `.value === ` + strconv.Quote(text))
}
