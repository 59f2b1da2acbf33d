package microsoft

import (
	"context"
	"net/http"
	"sync"
	"time"

	"azure-partner-connector/connector/clock"
)

const (
	// compareTimeout limits a request that only compares clocks, because a sweep waits for it.
	compareTimeout = 10 * time.Second
	// compareAgain is how long after such a request failed the next one is sent.
	compareAgain = time.Minute
	// anyDirectory stands for the directory of any organization in addresses (docs/reference/microsoft-identity.md §1.2).
	anyDirectory = "organizations"
)

// A comparison compares our clock with Microsoft's. It is safe for concurrent use.
type comparison struct {
	reference *clock.Reference
	elapsed   func() time.Duration

	mu     sync.Mutex // guards again; locked during a request, so that concurrent calls share it
	failed bool
	again  time.Duration // elapsed when the next request may be sent after one failed
}

// ClockSkew returns how far Microsoft's clock is ahead of ours: by any answer of the last five minutes, else by that to a
// request for the discovery document of a cloud, which is asked for only then. When Microsoft does not answer, it is what it
// was before, unless our clock was set since: then it is unknown.
func (c *Client) ClockSkew(ctx context.Context, cloud func(ctx context.Context) string) clock.Skew {
	if skew := c.comparison.reference.Skew(); skew.Known {
		return skew
	}
	c.comparison.mu.Lock()
	defer c.comparison.mu.Unlock()
	if skew := c.comparison.reference.Skew(); skew.Known {
		return skew
	}
	if !c.comparison.failed || c.comparison.elapsed() >= c.comparison.again {
		if name := cloud(ctx); c.compare(ctx, name) {
			c.compare(ctx, name)
		}
		c.comparison.failed, c.comparison.again = !c.comparison.reference.Skew().Known, c.comparison.elapsed()+compareAgain
	}
	return c.comparison.reference.Last()
}

// compare sends one request whose answer tells Microsoft's time, whatever else it says. It reports whether our clock was set
// meanwhile, so that the answer tells nothing.
func (c *Client) compare(ctx context.Context, cloud string) (set bool) {
	profile, err := c.profile(cloud)
	if err != nil {
		return false // its tenants cannot be renewed either
	}
	began, passed := c.now().Round(0), c.comparison.elapsed()
	defer func() {
		set = (c.now().Round(0).Sub(began) - (c.comparison.elapsed() - passed)).Abs() > clock.StepTolerance
	}()
	ctx, cancel := context.WithTimeout(ctx, compareTimeout)
	defer cancel()
	req, f := newGet(ctx, profile.directoryURL(anyDirectory, "/v2.0/.well-known/openid-configuration"))
	if f != nil {
		return false
	}
	if resp, err := c.http.Do(req); err == nil {
		resp.Body.Close()
	}
	return false
}

// compared returns a copy of client whose every answer compares our clock with Microsoft's.
func (c *Client) compared(client *http.Client) *http.Client {
	next := client.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	observed := *client
	observed.Transport = &clockTransport{next, c.now, c.comparison.reference}
	return &observed
}

// A clockTransport observes the time in every answer.
type clockTransport struct {
	next      http.RoundTripper
	now       func() time.Time
	reference *clock.Reference
}

// RoundTrip implements http.RoundTripper.
func (t *clockTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	began := t.now()
	resp, err := t.next.RoundTrip(req)
	if err == nil && resp.Header.Get("Age") == "" { // an answer of a cache is older than its Date says
		t.reference.Observe(dateOf(resp.Header), began, t.now())
	}
	return resp, err
}

// CloseIdleConnections lets http.Client close those of the next transport.
func (t *clockTransport) CloseIdleConnections() {
	if closer, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

// within reports whether less than life has passed since at. A time in the future is one of a clock that was wrong.
func within(life time.Duration, at, now time.Time) bool {
	age := now.Sub(at)
	return age >= 0 && age < life
}

// dateOf returns the time in the header Date, in whole seconds; zero when it is absent or invalid.
func dateOf(header http.Header) time.Time {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return date
}
