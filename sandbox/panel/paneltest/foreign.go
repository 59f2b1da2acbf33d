package paneltest

import (
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// A requestLog records the requests of a page to other machines.
type requestLog struct {
	mu      sync.Mutex // guards foreign
	foreign []string   // addresses
}

// logRequests records the requests of the page of d. The test fails at its end if one was sent to another machine.
func (d *Driver) logRequests() {
	d.T.Helper()
	d.requests = &requestLog{}
	err := chromedp.Listen(d.Ctx, func(event any) {
		if sent, ok := event.(*network.EventRequestWillBeSent); ok && leaves(sent.Request.URL) {
			d.requests.mu.Lock()
			defer d.requests.mu.Unlock()
			d.requests.foreign = append(d.requests.foreign, sent.Request.URL)
		}
	})
	if err != nil {
		d.T.Fatalf("recording the requests of %s: %v", d.URL, err)
	}
	d.T.Cleanup(func() {
		if foreign := d.Foreign(); len(foreign) > 0 {
			d.T.Errorf("pages of %s requested %q, want nothing from other machines", d.URL, foreign)
		}
	})
}

// Foreign returns the addresses on other machines that the page has requested since the last call.
func (d *Driver) Foreign() []string {
	d.requests.mu.Lock()
	defer d.requests.mu.Unlock()
	foreign := slices.Clone(d.requests.foreign)
	d.requests.foreign = nil
	return foreign
}

// leaves reports whether a request to an address goes to another machine.
func leaves(address string) bool {
	at, err := url.Parse(address)
	if err != nil {
		return true
	}
	switch at.Scheme {
	case "about", "blob", "data":
		return false
	}
	host := at.Hostname()
	ip := net.ParseIP(host)
	return host != "localhost" && !strings.HasSuffix(host, ".localhost") && (ip == nil || !ip.IsLoopback())
}
