package peer

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"net/netip"
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
		return strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
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

// forwardedHops returns the parameter "for" of each element of Forwarded. An element without one hides the client before it.
func forwardedHops(header http.Header) []string {
	var hops []string
	for _, element := range list(header, "Forwarded") {
		hop := ""
		for pair := range strings.SplitSeq(element, ";") {
			if name, value, ok := strings.Cut(pair, "="); ok && strings.EqualFold(strings.TrimSpace(name), "for") {
				hop = value
			}
		}
		hops = append(hops, hop)
	}
	return hops
}
