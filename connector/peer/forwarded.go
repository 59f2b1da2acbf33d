package peer

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// A Source is the header in which proxies name their clients.
type Source string

// The sources. Without one, X-Forwarded-For counts, or Forwarded if there is none.
const (
	ForwardedFor Source = "x-forwarded-for"
	Forwarded    Source = "forwarded" // RFC 7239
	RealIP       Source = "x-real-ip"
)

// Sources returns all sources.
func Sources() []Source { return []Source{ForwardedFor, Forwarded, RealIP} }

// ParseSource returns the source with a name, in any case. The empty name is the default.
func ParseSource(name string) (Source, error) {
	source := Source(strings.ToLower(name))
	if source != "" && !slices.Contains(Sources(), source) {
		return "", fmt.Errorf("%q is none of %q", name, Sources())
	}
	return source, nil
}

// A Reader finds the client of a request that may have come through proxies. It is safe for concurrent use.
type Reader struct {
	// Trusted are the networks of proxies. The headers of all others are ignored, because anybody can write them.
	Trusted []netip.Prefix
	// Source is the header that the proxies set.
	Source Source
}

// Of returns the address of r's client: the connection's, or what trusted proxies say. The last proxy stands for a client that
// it names in no readable form.
func (reader Reader) Of(r *http.Request) netip.Addr {
	last := Parse(r.RemoteAddr)
	for _, hop := range slices.Backward(reader.hops(r.Header)) {
		if !In(reader.Trusted, last) {
			return last
		}
		address := Parse(hop)
		if !address.IsValid() {
			return last
		}
		last = address
	}
	return last
}

// Secure reports whether nobody between the client and us can read r: it came by TLS, to us or to a trusted proxy, or from this
// machine.
func (reader Reader) Secure(r *http.Request) bool {
	address := Parse(r.RemoteAddr)
	switch {
	case r.TLS != nil:
		return true
	case In(reader.Trusted, address):
		// A proxy that appends instead of replacing leaves what the client says of itself in front.
		proto := r.Header.Values("X-Forwarded-Proto")
		return len(proto) == 1 && strings.EqualFold(proto[0], "https")
	}
	return address.IsLoopback()
}

// Certificates returns the certificates that the client has shown, its own first; none without TLS of ours.
func Certificates(r *http.Request) []*x509.Certificate {
	if r.TLS == nil {
		return nil
	}
	return r.TLS.PeerCertificates
}

// hops returns the addresses in the headers, the client's first.
func (reader Reader) hops(header http.Header) []string {
	switch reader.Source {
	case RealIP:
		if values := header.Values("X-Real-IP"); len(values) == 1 {
			return values
		}
		return nil
	case Forwarded:
		return forwardedHops(header)
	case ForwardedFor:
		return list(header, "X-Forwarded-For")
	}
	if hops := list(header, "X-Forwarded-For"); len(hops) > 0 {
		return hops
	}
	return forwardedHops(header)
}

// list returns the elements of a header that may be repeated.
func list(header http.Header, name string) []string {
	values := header.Values(name)
	if len(values) == 0 {
		return nil
	}
	return strings.Split(strings.Join(values, ","), ",")
}

// forwardedHops returns the parameter "for" of each element of Forwarded. An element without one hides the client before it, and
// so does a header that cannot be read: a client may have begun a quoted string that the proxies behind it continue.
func forwardedHops(header http.Header) []string {
	var hops []string
	for _, value := range header.Values("Forwarded") {
		elements, ok := unquotedParts(value, ',')
		if !ok {
			hops = append(hops, "")
			continue
		}
		for _, element := range elements {
			hops = append(hops, forwardedFor(element))
		}
	}
	return hops
}

// forwardedFor returns the node in the only parameter "for" of an element, and "" when there is none.
func forwardedFor(element string) string {
	pairs, _ := unquotedParts(element, ';')
	node, found := "", false
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || !strings.EqualFold(strings.TrimSpace(name), "for") {
			continue
		}
		if found {
			return ""
		}
		node, found = strings.TrimSpace(value), true
	}
	if inner, ok := strings.CutPrefix(node, `"`); ok && strings.HasSuffix(inner, `"`) {
		node = escapedPair.ReplaceAllString(strings.TrimSuffix(inner, `"`), "$1")
	}
	return obfuscatedPort.ReplaceAllString(node, "")
}

var (
	// escapedPair matches a character that a quoted string escapes.
	escapedPair = regexp.MustCompile(`\\(.)`)
	// obfuscatedPort matches a port that a proxy does not tell (RFC 7239 §6).
	obfuscatedPort = regexp.MustCompile(`:_[A-Za-z0-9._-]+$`)
)

// unquotedParts splits text at a separator outside of quoted strings, which clients can fill: a proxy also forwards the host that
// a client names. ok is false unless each quoted string is a whole value.
func unquotedParts(text string, separator byte) (parts []string, ok bool) {
	start, quoted, closed := 0, false, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case quoted:
			if c == '"' {
				quoted, closed = false, true
			}
		case c == separator:
			parts, start, closed = append(parts, text[start:i]), i+1, false
		case c == ',', c == ';':
			closed = false
		case c == '"':
			if i == 0 || text[i-1] != '=' {
				return nil, false
			}
			quoted = true
		case closed && c != ' ' && c != '\t':
			return nil, false
		}
	}
	return append(parts, text[start:]), !quoted
}
