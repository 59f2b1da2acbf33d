package paneltest

import (
	"bytes"
	"os"
	"path/filepath"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"azure-partner-connector/sandbox/browser"
)

// ScreensVariable is the environment variable with the folder for pictures. Without it, tests take no pictures.
// `make screens` sets it.
const ScreensVariable = "SCREENS"

// TakesPictures reports whether tests take pictures.
func TakesPictures() bool { return os.Getenv(ScreensVariable) != "" }

// A Picture says how to take a screenshot. The zero Picture shows what fits on a desktop's display.
type Picture struct {
	Phone bool
	// Small is a small window, for pages that hold a card and nothing else.
	Small bool
	// Whole is the whole page instead of what fits on the display.
	Whole bool
	// Fit leaves out what is empty below a page that is shown whole.
	Fit bool
	// From is a JavaScript expression of the element at the top of the display.
	From string
	// ToEnd puts that element at the bottom instead.
	ToEnd bool
}

// Capture puts a screenshot of the page into the folder of ScreensVariable, under a name with slashes and without
// extension.
func (d *Driver) Capture(name string, p Picture) {
	d.T.Helper()
	folder := os.Getenv(ScreensVariable)
	if folder == "" {
		return
	}
	width, height := Desktop, int64(720)
	switch {
	case p.Phone:
		width, height = Phone, 780
	case p.Small:
		width, height = 720, 480
	case p.Fit:
		height = 100
	}
	browser.Resize(d.T, d.Ctx, width, height)
	inner := `((` + Frame + `) || document).documentElement`
	if p.Whole {
		height = max(height, Evaluate[int64](d, `(e => Math.ceil(e.scrollHeight + (e.ownerDocument.defaultView.frameElement || { getBoundingClientRect: () => ({ top: 0 }) }).getBoundingClientRect().top + ((document.getElementById("foot") || {}).offsetHeight || 0)))(`+inner+`)`)+10)
		browser.Resize(d.T, d.Ctx, width, height)
	}
	Evaluate[bool](d, inner+`.scrollTop = 0, true`)
	if p.From != "" {
		edge := map[bool]string{false: "start", true: "end"}[p.ToEnd]
		Evaluate[bool](d, `(e => { e.scrollIntoView({ block: "`+edge+`", behavior: "instant" }); return true; })(`+p.From+`)`)
	}
	d.save(filepath.Join(folder, filepath.FromSlash(name)+".png"))
	browser.Resize(d.T, d.Ctx, Desktop, 900)
}

// Stabilize makes pages look the same on every machine: times are in UTC, and there are no scroll bars, as on a phone. Call
// it before the page opens.
func (d *Driver) Stabilize() {
	d.T.Helper()
	_, err := chromedp.Call(d.Ctx, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "UTC"})
	if err == nil {
		_, err = chromedp.Call(d.Ctx, emulation.SetScrollbarsHidden, emulation.SetScrollbarsHiddenParams{Hidden: true})
	}
	if err != nil {
		d.T.Fatal(err)
	}
}

func (d *Driver) save(file string) {
	d.T.Helper()
	// A browser under load may hand out a page of which a part is not drawn yet.
	shown := browser.Screenshot(d.T, d.Ctx)
	for range 10 {
		again := browser.Screenshot(d.T, d.Ctx)
		if bytes.Equal(shown, again) {
			break
		}
		shown = again
	}
	picture, err := Small(shown)
	if err != nil {
		d.T.Fatalf("taking %s: %v", file, err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		d.T.Fatal(err)
	}
	if err := os.WriteFile(file, picture, 0o644); err != nil {
		d.T.Fatal(err)
	}
}
