// Package browser gives tests tabs of a headless Chromium. The tests of a package share one Chromium, which starts with
// the first tab and ends with the package:
//
//	func TestMain(m *testing.M) { os.Exit(browser.Main(m)) }
package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// WaitLimit is how long a test waits for one thing that a page must show. It only guards against a hang: every wait ends
// as soon as its condition holds, so the limit is far longer than anything takes on a busy machine.
const WaitLimit = 4 * time.Minute

// tabLimit is how long one tab may stay open.
const tabLimit = 30 * time.Minute

// shared is the Chromium of this process. It is a variable because chromedp binds a browser to a context, and tests have
// no context in common.
var shared chromium

type chromium struct {
	mu      sync.Mutex      // guards all
	wanted  bool            // Main runs
	running context.Context // of the browser's first tab; nil before the first call of open
	stop    func()
}

// profile is the context key of the value that profileOf returns.
type profile struct{}

// Main runs the tests of a package and then ends the Chromium that they started. It returns the exit code.
func Main(m interface{ Run() int }) int {
	shared.mu.Lock()
	shared.wanted = true
	shared.mu.Unlock()
	defer shared.close()
	return m.Run()
}

// Start opens a tab and returns its context, for chromedp.Run and chromedp.Do. The tab has cookies, storage, permissions
// and windows of its own, and a background tab behaves as if it had the focus, so tests may run in parallel. Only the
// clipboard is common to all. A page that asks before it is left is left. The tab and the windows that it opened close with
// the test. When a script throws an exception that nobody catches, the test fails and the context ends, so that no wait goes
// on for what a broken page will never show. Without Chromium the test fails; it is not skipped.
func Start(t testing.TB) context.Context {
	t.Helper()
	if os.Getenv("TEST_QUICK") != "" {
		t.Fatalf("%s needs a browser: name it so that make test-quick leaves it out (it contains Browser)", t.Name())
	}
	parent, err := shared.open()
	if err != nil {
		t.Fatal(err)
	}
	tab, closeTab := chromedp.NewContext(parent, chromedp.WithNewBrowserContext())
	t.Cleanup(closeTab)
	limited, stop := context.WithTimeout(tab, tabLimit)
	t.Cleanup(stop)
	ctx, fail := context.WithCancelCause(limited)
	t.Cleanup(func() {
		if thrown, ok := errors.AsType[thrownError](context.Cause(ctx)); ok {
			t.Error(thrown)
		}
		fail(nil)
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("opening a tab: %v", err)
	}
	if err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			fail(thrownError{e.ExceptionDetails})
		case *page.EventJavascriptDialogOpening:
			if e.Type == page.DialogTypeBeforeunload {
				go leave(ctx)
			}
		}
	}); err != nil {
		t.Fatalf("listening to a tab: %v", err)
	}
	ctx = context.WithValue(ctx, profile{}, chromedp.FromContext(ctx).BrowserContextID)
	if err := Focus(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// leave answers the question of a page that asks before it is left: a test that goes elsewhere means it.
func leave(ctx context.Context) {
	_, _ = chromedp.Call(ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true}) // it fails once the tab is closed
}

// A thrownError is an exception that a script of a page did not catch.
type thrownError struct{ *runtime.ExceptionDetails }

// Error implements error.
func (e thrownError) Error() string {
	text := e.Text
	if e.Exception != nil {
		text += " " + e.Exception.Description
	}
	return fmt.Sprintf("a script of %s threw in line %d: %s", e.URL, e.LineNumber+1, text)
}

// Focus makes the tab of ctx behave as if it had the focus, whichever tab is in front.
func Focus(ctx context.Context) error {
	_, err := chromedp.Call(ctx, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	if err != nil {
		return fmt.Errorf("emulating the focus of a tab: %w", err)
	}
	return nil
}

// open returns the context of the running browser. It starts one if none runs, or if the last one crashed.
func (c *chromium) open() (context.Context, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.wanted {
		return nil, errors.New("no browser: TestMain of this package must call browser.Main")
	}
	if c.running != nil && c.running.Err() == nil {
		return c.running, nil
	}
	program, err := executable()
	if err != nil {
		return nil, err
	}
	allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), append(flags(), chromedp.ExecPath(program))...)
	ctx, stop := chromedp.NewContext(allocator)
	if err := chromedp.Do(ctx); err != nil {
		stop()
		stopAllocator()
		return nil, fmt.Errorf("starting %s: %w", program, err)
	}
	c.running, c.stop = ctx, func() { stop(); stopAllocator() }
	return ctx, nil
}

// close ends the browser and removes its profile.
func (c *chromium) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wanted = false
	if c.stop != nil {
		c.stop()
	}
}

// flags are those with which Chromium starts. The profile is a temporary folder of chromedp.
func flags() []chromedp.ExecAllocatorOption {
	return []chromedp.ExecAllocatorOption{
		chromedp.Flag("headless", "new"),
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.NoFirstRun,
		chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		// Windows behind other windows keep their timers, so that screens continue to poll.
		chromedp.Flag("disable-background-timer-throttling", true),
		chromedp.Flag("disable-backgrounding-occluded-windows", true),
		chromedp.Flag("disable-renderer-backgrounding", true),
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("password-store", "basic"),
		// A reloaded page stays in its process: starting another one takes longer than most tests.
		chromedp.Flag("process-per-site", true),
		chromedp.Flag("disable-features", "BackForwardCache,Translate,SpareRendererForSitePerProcess"),
		chromedp.Flag("lang", "en-US"),
		chromedp.WindowSize(1280, 900),
	}
}

// executable returns the first Chromium in PATH. The headless shell is the same engine without windows, tabs and extensions of
// its own, so tests take a quarter less processor time in it.
func executable() (string, error) {
	for _, name := range []string{"chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"} {
		if program, err := exec.LookPath(name); err == nil {
			return program, nil
		}
	}
	return "", errors.New("no chromium-headless-shell, chromium, chromium-browser or google-chrome in PATH. Install the package " +
		"chromium-headless-shell or chromium; all tests except those of screens and pages work without it")
}

// Wait waits until a JavaScript expression is true in the page, at most WaitLimit. An expression that throws is not true yet,
// for example because an element is missing.
func Wait(ctx context.Context, condition string) error {
	tried := "(() => { try { return Boolean(" + condition + "); } catch (notYet) { return false; } })()"
	poll := chromedp.Poll[bool](tried, chromedp.WithPollingInterval(50*time.Millisecond), chromedp.WithPollingTimeout(WaitLimit))
	deadline := time.Now().Add(WaitLimit)
	_, err := chromedp.Run(ctx, poll)
	for err != nil && time.Now().Before(deadline) && ctx.Err() == nil {
		_, err = chromedp.Run(ctx, poll) // a navigation ends a poll
	}
	return err
}

// Resize gives the page of ctx a size in CSS pixels.
func Resize(t testing.TB, ctx context.Context, width, height int64) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, height)); err != nil {
		t.Fatalf("resizing to %d × %d: %v", width, height, err)
	}
}

// Screenshot returns what the tab of ctx shows as PNG. It brings the tab to the front, because Chromium does not draw
// tabs in the background.
func Screenshot(t testing.TB, ctx context.Context) []byte {
	t.Helper()
	if _, err := chromedp.Call(ctx, page.BringToFront, cdp.Empty{}); err != nil {
		t.Fatalf("bringing a tab to the front: %v", err)
	}
	drawn, stop := context.WithTimeout(ctx, WaitLimit)
	defer stop()
	image, err := chromedp.Run(drawn, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatalf("taking a screenshot: %v", err)
	}
	return image
}

// AllowClipboard lets pages of origin in the tab of ctx read and write the clipboard without asking. Headless Chromium
// refuses to write without the second permission (docs/reference/aps-ui.md §4.2). All tabs share one clipboard: a test
// that reads it must not run in parallel with one that copies.
func AllowClipboard(t testing.TB, ctx context.Context, origin string) {
	t.Helper()
	for _, permission := range []*cdpbrowser.PermissionDescriptor{
		{Name: "clipboard-read", AllowWithoutSanitization: true},
		{Name: "clipboard-write"},
	} {
		_, err := chromedp.CallBrowser(ctx, cdpbrowser.SetPermission, cdpbrowser.SetPermissionParams{
			Permission:       permission,
			Setting:          cdpbrowser.PermissionSettingGranted,
			Origin:           origin,
			BrowserContextID: profileOf(ctx),
		})
		if err != nil {
			t.Fatalf("allowing %s for %s: %v", permission.Name, origin, err)
		}
	}
}

// Windows returns the windows of the test of ctx: its tab, and those that its pages opened.
func Windows(ctx context.Context) ([]*target.Info, error) {
	all, err := chromedp.Targets(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing windows: %w", err)
	}
	return slices.DeleteFunc(all, func(info *target.Info) bool {
		return info.Type != "page" || info.BrowserContextID != profileOf(ctx)
	}), nil
}

// profileOf returns the id of a test's own browser context: its cookies, storage and windows.
func profileOf(ctx context.Context) cdp.BrowserContextID {
	id, _ := ctx.Value(profile{}).(cdp.BrowserContextID)
	return id
}
