// Package browser starts a headless Chromium for tests of what people see.
package browser

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// patience is how long one browser may live. It only ends what would wait for ever, so it is far longer than any test
// takes on a busy machine.
const patience = 15 * time.Minute

// Start starts a Chromium with an empty profile and returns the context of its first tab, for chromedp.Run and
// chromedp.Do. The browser ends with the test. Each browser is a process of its own, so tests may run in parallel. A
// machine without Chromium fails the test: what people see is not optional.
func Start(t testing.TB) context.Context {
	t.Helper()
	if os.Getenv("TEST_QUICK") != "" {
		t.Fatalf("%s needs a browser: name it so that make test-quick leaves it out (it contains Browser)", t.Name())
	}
	deadline, stopWaiting := context.WithTimeout(t.Context(), patience)
	t.Cleanup(stopWaiting)
	allocator, stopAllocator := chromedp.NewExecAllocator(deadline,
		chromedp.ExecPath(executable(t)),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("headless", "new"),
		chromedp.NoSandbox,
		chromedp.DisableGPU,
		chromedp.NoFirstRun,
		chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
		// Windows that lie behind another one keep their timers, so that screens go on asking.
		chromedp.Flag("disable-background-timer-throttling", true),
		chromedp.Flag("disable-backgrounding-occluded-windows", true),
		chromedp.Flag("disable-renderer-backgrounding", true),
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("password-store", "basic"),
		chromedp.Flag("lang", "en-US"),
		chromedp.WindowSize(1280, 900),
	)
	t.Cleanup(stopAllocator)
	ctx, stop := chromedp.NewContext(allocator)
	t.Cleanup(stop)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("starting the browser: %v", err)
	}
	return ctx
}

// executable returns the first Chromium in PATH.
func executable(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			return found
		}
	}
	t.Fatal("no chromium, chromium-browser or google-chrome in PATH; install the package chromium")
	return ""
}

// Resize gives the page of ctx a size in CSS pixels.
func Resize(t testing.TB, ctx context.Context, width, height int64) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, height)); err != nil {
		t.Fatalf("resizing to %d × %d: %v", width, height, err)
	}
}

// Screenshot returns what the tab of ctx shows as PNG. It brings the tab to the front, because Chromium draws none that
// lies behind another.
func Screenshot(t testing.TB, ctx context.Context) []byte {
	t.Helper()
	if _, err := chromedp.Call(ctx, page.BringToFront, cdp.Empty{}); err != nil {
		t.Fatalf("bringing a tab to the front: %v", err)
	}
	drawn, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	image, err := chromedp.Run(drawn, chromedp.CaptureScreenshot())
	if err != nil {
		t.Fatalf("taking a screenshot: %v", err)
	}
	return image
}

// AllowClipboard lets pages of origin read and write the clipboard without asking. Headless Chromium refuses to write
// without the second permission (aps-ui.md §4.2).
func AllowClipboard(t testing.TB, ctx context.Context, origin string) {
	t.Helper()
	for _, permission := range []*cdpbrowser.PermissionDescriptor{
		{Name: "clipboard-read", AllowWithoutSanitization: true},
		{Name: "clipboard-write"},
	} {
		_, err := chromedp.CallBrowser(ctx, cdpbrowser.SetPermission, cdpbrowser.SetPermissionParams{
			Permission: permission,
			Setting:    cdpbrowser.PermissionSettingGranted,
			Origin:     origin,
		})
		if err != nil {
			t.Fatalf("allowing %s for %s: %v", permission.Name, origin, err)
		}
	}
}
