package paneltest

import (
	"path/filepath"
	"strconv"
	"strings"

	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"azure-partner-connector/sandbox/browser"
)

// Popup waits for the window whose address begins with url, which a screen has opened, and returns its driver.
func (d *Driver) Popup(url string) *Driver {
	d.T.Helper()
	var found *target.Info
	d.Until("the window "+url, func() bool {
		infos, err := chromedp.Targets(d.Ctx)
		if err != nil {
			d.T.Fatalf("looking for the window %s: %v", url, err)
		}
		for _, info := range infos {
			if info.Type == "page" && strings.HasPrefix(info.URL, url) {
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
	return &Driver{T: d.T, Ctx: tab, URL: d.URL}
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

// A Picture says how a screenshot is taken. The zero Picture is the whole page as on a desktop.
type Picture struct {
	Phone bool
	// Small is a small window, for pages that hold a card and nothing else.
	Small bool
	// Fold takes what fits on the display instead of the whole page.
	Fold bool
	// From is a JavaScript expression of the element that comes to the top of the display; with Fold.
	From string
}

// Look writes a screenshot of the page to file.
func (d *Driver) Look(file string, p Picture) {
	d.T.Helper()
	width, height := int64(1280), int64(820)
	switch {
	case p.Phone:
		width, height = 390, 780
	case p.Small:
		width, height = 720, 480
	}
	browser.Resize(d.T, d.Ctx, width, height)
	inner := `((` + Frame + `) || document).documentElement`
	if !p.Fold {
		height = max(height, Evaluate[int64](d, `(e => Math.ceil(e.scrollHeight + (e.ownerDocument.defaultView.frameElement || { getBoundingClientRect: () => ({ top: 0 }) }).getBoundingClientRect().top))(`+inner+`)`)+10)
		browser.Resize(d.T, d.Ctx, width, height)
	}
	Evaluate[bool](d, inner+`.scrollTop = 0, true`)
	if p.From != "" {
		Evaluate[bool](d, `(e => { e.scrollIntoView({ block: "start", behavior: "instant" }); return true; })(`+p.From+`)`)
	}
	browser.Screenshot(d.T, d.Ctx, filepath.Clean(file))
	browser.Resize(d.T, d.Ctx, 1280, 900)
}
