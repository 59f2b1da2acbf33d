package hooks

import (
	"net/http"
	"strings"

	"azure-partner-connector/connector/peer"
)

// routedPath returns path as the router expects it: below the public URL, and without the doubled or trailing slashes
// that production platforms send (docs/reference/aps-protocol.md §3.1, §7.3).
func (h *Handler) routedPath(path string) string {
	path = collapsed(path)
	if below, ok := h.below(path); ok {
		path = below
	}
	path = strings.TrimRight(path, "/")
	if path == "" {
		return "/"
	}
	return path
}

// below returns path without the path of the public URL; ok is false when path is not below that.
func (h *Handler) below(path string) (string, bool) {
	rest, ok := strings.CutPrefix(path, h.public.Path)
	return rest, ok && (rest == "" || rest[0] == '/')
}

// collapsed replaces every run of slashes by one, and adds a leading one.
func collapsed(path string) string {
	var b strings.Builder
	b.Grow(len(path) + 1)
	b.WriteByte('/')
	last := byte('/')
	for i := range len(path) {
		if path[i] != '/' || last != '/' {
			b.WriteByte(path[i])
		}
		last = path[i]
	}
	return b.String()
}

// publicURL returns the URL that the platform signed: scheme and host from the configuration or from a trusted proxy,
// path and query exactly as received.
func (h *Handler) publicURL(r *http.Request) string {
	scheme, host := h.public.Scheme, h.public.Host
	if h.fromProxy(r) {
		if proto := forwarded(r, "X-Forwarded-Proto"); proto == "http" || proto == "https" {
			scheme = proto
		}
		if name := forwarded(r, "X-Forwarded-Host"); name != "" {
			host = name
		}
	}
	received := r.RequestURI
	if !strings.HasPrefix(received, "/") {
		// Absolute form, which only proxies use.
		_, received, _ = strings.Cut(received, "://")
		if i := strings.IndexAny(received, "/?"); i >= 0 {
			received = received[i:]
		} else {
			received = "/"
		}
	}
	path, _, _ := strings.Cut(received, "?")
	if _, ok := h.below(collapsed(path)); !ok {
		received = h.public.EscapedPath() + received
	}
	return scheme + "://" + host + received
}

func (h *Handler) fromProxy(r *http.Request) bool {
	return peer.In(h.cfg.TrustedProxies, peer.Parse(r.RemoteAddr))
}

// forwarded returns the first element of a forwarding header, which the outermost proxy set.
func forwarded(r *http.Request, name string) string {
	first, _, _ := strings.Cut(r.Header.Get(name), ",")
	return strings.TrimSpace(first)
}
