package httpclient

import "net/http"

// Network returns the transport of a client that New has made, below what only observes it.
func Network(c *http.Client) *http.Transport {
	return c.Transport.(traced).RoundTripper.(*http.Transport)
}
