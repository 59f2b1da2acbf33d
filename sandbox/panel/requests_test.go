package panel_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"azure-partner-connector/connector/failure"
)

// What the first rendering of a screen may load at most.
const (
	mostRequests = 12
	mostBytes    = 60 << 10 // compressed with gzip, with the headers of the answers
)

// ours matches the addresses of the package's files and of our operations: all that a screen loads, except for the panel's own.
var ours = regexp.MustCompile(`/aps/2/(?:packages/[^/]+/(?:ui|i18n|images)|resources/[^/?]+)/([^?]+)`)

// A load is what a browser has loaded of ours.
type load struct {
	mu    sync.Mutex                   // guards all below
	names map[network.RequestID]string // of those that have begun
	files []string                     // names of those that have ended, with their bytes
	bytes int
}

// listen counts what the browser loads of ours from now on.
func (d *driver) listen() *load {
	d.T.Helper()
	l := &load{names: make(map[network.RequestID]string)}
	err := chromedp.Listen(d.Ctx, func(event any) {
		l.mu.Lock()
		defer l.mu.Unlock()
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			if match := ours.FindStringSubmatch(e.Request.URL); match != nil {
				l.names[e.RequestID] = match[1]
			}
		case *network.EventLoadingFinished:
			if name, ok := l.names[e.RequestID]; ok {
				l.files = append(l.files, fmt.Sprintf("%s %d", name, int(e.EncodedDataLength)))
				l.bytes += int(e.EncodedDataLength)
			}
		}
	})
	if err != nil {
		d.T.Fatal(err)
	}
	return l
}

// ended reports whether all requests that have begun have ended.
func (l *load) ended() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.files) == len(l.names)
}

// fullPage returns as many events as the first page of the history holds, with IDs and references that hardly compress, behind far
// more access tokens.
func fullPage() []object {
	events := lentTokens(500)
	for i := range 50 {
		sum := sha256.Sum256([]byte{byte(i)})
		e := someEvents()[i%5]
		e["id"], e["reference"] = hex.EncodeToString(sum[:16]), strings.ToUpper(hex.EncodeToString(sum[16:20]))
		e["at"] = noon.Add(-time.Duration(binary.BigEndian.Uint32(sum[20:])) * time.Millisecond).Format(time.RFC3339Nano)
		events = append(events, e)
	}
	return events
}

// TestToken_LoadsLittle: whatever the state and the language, Manage Refresh Token is there after few requests and bytes. The
// pages in which panels show screens count, too.
func TestToken_LoadsLittle(t *testing.T) {
	t.Parallel()
	red := fail(failure.SignInFrequency)
	states := map[string]object{
		"active": wellStatus(), "absent": absentStatus(), "action_required": trouble("action_required", red, "nextRenewalAt", nil),
	}
	type screen struct{ state, panel, locale string }
	screens := []screen{
		{"active", "ux1", "ru_RU"},
		{"action_required", "ux1", "ru_RU"},
		{"active", "classic", "ru_RU"},
		{"absent", "classic", "ru_RU"},
		{"action_required", "classic", "ru_RU"},
	}
	for _, locale := range languages() {
		screens = append(screens, screen{"absent", "ux1", locale})
	}
	p := newPlatform(t)
	p.events = fullPage()
	d := logIn(t, p, "")
	if _, err := chromedp.Call(d.Ctx, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: true}); err != nil {
		t.Fatal(err)
	}
	for _, s := range screens {
		t.Run(fmt.Sprintf("%s %s %s", s.state, s.panel, s.locale), func(t *testing.T) {
			page := *d.Driver
			page.T = t
			on := &driver{&page, p}
			p.change(status(states[s.state]))
			on.Do(chromedp.Navigate("about:blank")) // ends what the page before still loads
			loaded := on.listen()
			view := map[string]string{"ux1": "token", "classic": "token-classic"}[s.panel]
			on.Do(chromedp.Navigate(fmt.Sprintf("%s/#/%s/%s/%s/%s", d.URL, s.panel, s.locale, packageID, view)))
			on.State(s.state)
			on.Wait(widget("history") + `.querySelector("tbody td") !== null`)
			on.Until("the end of all requests", loaded.ended)
			loaded.mu.Lock()
			defer loaded.mu.Unlock()
			t.Logf("%d requests, %d bytes: %q", len(loaded.files), loaded.bytes, loaded.files)
			if got := len(loaded.files); got > mostRequests || got < 8 {
				t.Errorf("requests for the first rendering = %d, want at most %d", got, mostRequests)
			}
			if got := loaded.bytes; got > mostBytes {
				t.Errorf("bytes for the first rendering = %d, want at most %d", got, mostBytes)
			}
		})
	}
}
