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

// publicURLs returns the URLs that the platform may have signed: that of the configuration and, through a trusted proxy,
// the one that its headers name. Path and query are exactly as received.
func (h *Handler) publicURLs(r *http.Request, t target) []string {
	rest := t.rawPath
	if _, ok := h.below(collapsed(t.path)); !ok {
		rest = h.public.EscapedPath() + rest
	}
	if t.query != "" {
		rest += "?" + t.query
	}
	urls := []string{h.public.Scheme + "://" + h.public.Host + rest}
	if h.fromProxy(r) {
		scheme, host := h.public.Scheme, h.public.Host
		if proto := forwarded(r, "X-Forwarded-Proto"); proto == "http" || proto == "https" {
			scheme = proto
		}
		if name := forwarded(r, "X-Forwarded-Host"); isHost(name) {
			host = name
		}
		if said := scheme + "://" + host + rest; said != urls[0] {
			urls = append(urls, said)
		}
	}
	return urls
}

// isHost reports whether text is a host with an optional port, and nothing that ends a host.
func isHost(text string) bool {
	return text != "" && len(text) <= 255 && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]") == ""
}

func (h *Handler) fromProxy(r *http.Request) bool {
	return peer.In(h.cfg.TrustedProxies, peer.Parse(r.RemoteAddr))
}

// forwarded returns the first element of a forwarding header, which the outermost proxy set.
func forwarded(r *http.Request, name string) string {
	first, _, _ := strings.Cut(r.Header.Get(name), ",")
	return strings.TrimSpace(first)
}
