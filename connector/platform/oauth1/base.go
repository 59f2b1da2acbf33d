package oauth1

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"hash"
	"slices"
	"strings"

	"azure-partner-connector/connector/secret"
)

// The signature methods. The platform uses the first; we accept both.
const (
	HMACSHA1   = "HMAC-SHA1"
	HMACSHA256 = "HMAC-SHA256"
)

// maxQueryFields bounds the work for one query.
const maxQueryFields = 256

var (
	errURL   = errors.New("the URL is not absolute, or has a fragment")
	errQuery = errors.New("the query is not percent-encoded properly, contains an OAuth parameter or has too many parameters")
)

// A span is one encoded parameter in a shared buffer: its name up to equals, its value after it up to end.
type span struct{ start, equals, end int }

// baseString returns the signature base string (RFC 5849 §3.4.1) of a request with the parameters of p.
func (p *Params) baseString(method, absoluteURL string) ([]byte, error) {
	scheme, rest, ok := strings.Cut(absoluteURL, "://")
	if !ok || strings.Contains(rest, "#") { // a fragment is no part of a request; who reads on behind it reads something else
		return nil, errURL
	}
	rest, query, _ := strings.Cut(rest, "?")
	host, path := rest, "/"
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		host, path = rest[:i], rest[i:]
	}
	if scheme == "" || host == "" {
		return nil, errURL
	}
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		host = host[i+1:]
	}

	var space [24]span
	encoded, spans, err := p.encodeFields(make([]byte, 0, 256+2*len(query)), space[:0], query)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(spans, func(a, b span) int {
		if c := bytes.Compare(encoded[a.start:a.equals], encoded[b.start:b.equals]); c != 0 {
			return c
		}
		return bytes.Compare(encoded[a.equals:a.end], encoded[b.equals:b.end])
	})

	scheme, host = strings.ToLower(scheme), strings.ToLower(host)
	base := make([]byte, 0, len(method)+len(absoluteURL)+2*len(encoded)+64)
	base = append(base, strings.ToUpper(method)...)
	base = append(base, '&')
	base = appendEncoded(base, scheme)
	base = appendEncoded(base, "://")
	base = appendEncoded(base, withoutDefaultPort(scheme, host))
	base = appendEncoded(base, path)
	base = append(base, '&')
	for i, s := range spans {
		if i > 0 {
			base = append(base, "%26"...)
		}
		base = appendEncoded(base, encoded[s.start:s.equals])
		base = append(base, "%3D"...)
		base = appendEncoded(base, encoded[s.equals:s.end])
	}
	return base, nil
}

// encodeFields appends the encoded names and values of p and of query to buffer, and their positions to spans.
func (p *Params) encodeFields(buffer []byte, spans []span, query string) ([]byte, []span, error) {
	for _, field := range p.fields[:p.count] {
		if field.name == "realm" || field.name == "oauth_signature" {
			continue
		}
		s := span{start: len(buffer)}
		buffer = appendEncoded(buffer, field.name)
		s.equals = len(buffer)
		buffer = appendEncoded(buffer, field.value)
		s.end = len(buffer)
		spans = append(spans, s)
	}
	inHeader := len(spans)
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		var ok bool
		s := span{start: len(buffer)}
		if buffer, ok = appendReencoded(buffer, name); !ok {
			return nil, nil, errQuery
		}
		s.equals = len(buffer)
		if buffer, ok = appendReencoded(buffer, value); !ok {
			return nil, nil, errQuery
		}
		s.end = len(buffer)
		// An OAuth parameter in the query would be a second one, or one that Parse has not checked.
		if bytes.HasPrefix(buffer[s.start:s.equals], []byte("oauth_")) || len(spans)-inHeader == maxQueryFields {
			return nil, nil, errQuery
		}
		spans = append(spans, s)
	}
	return buffer, spans, nil
}

func withoutDefaultPort(scheme, host string) string {
	switch scheme {
	case "https":
		return strings.TrimSuffix(host, ":443")
	case "http":
		return strings.TrimSuffix(host, ":80")
	}
	return host
}

// signature returns the MAC of base in base 64.
func signature(method string, s secret.Text, base []byte) []byte {
	newHash := sha1.New
	if method == HMACSHA256 {
		newHash = sha256.New
	}
	return sign(newHash, s, base)
}

func sign(newHash func() hash.Hash, s secret.Text, base []byte) []byte {
	key := append(appendEncoded(make([]byte, 0, 96), s.Reveal()), '&')
	mac := hmac.New(newHash, key)
	mac.Write(base)
	sum := mac.Sum(make([]byte, 0, sha256.Size))
	return base64.StdEncoding.AppendEncode(make([]byte, 0, base64.StdEncoding.EncodedLen(sha256.Size)), sum)
}

const upperHex = "0123456789ABCDEF"

// appendEncoded appends text percent-encoded by RFC 5849 §3.6: all but unreserved characters.
func appendEncoded[T string | []byte](buffer []byte, text T) []byte {
	for i := range len(text) {
		buffer = appendByte(buffer, text[i])
	}
	return buffer
}

func appendByte(buffer []byte, c byte) []byte {
	if unreserved(c) {
		return append(buffer, c)
	}
	return append(buffer, '%', upperHex[c>>4], upperHex[c&15])
}

// appendReencoded decodes text as part of a query and appends it encoded; ok is false for a malformed %xx.
func appendReencoded(buffer []byte, text string) (_ []byte, ok bool) {
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch c {
		case '+':
			c = ' '
		case '%':
			if c, ok = unhex(text[i:]); !ok {
				return buffer, false
			}
			i += 2
		}
		buffer = appendByte(buffer, c)
	}
	return buffer, true
}

// unhex decodes the %xx that text begins with.
func unhex(text string) (c byte, ok bool) {
	if len(text) < 3 {
		return 0, false
	}
	for _, digit := range []byte{text[1], text[2]} {
		c <<= 4
		switch {
		case '0' <= digit && digit <= '9':
			c |= digit - '0'
		case 'a' <= digit && digit <= 'f':
			c |= digit - 'a' + 10
		case 'A' <= digit && digit <= 'F':
			c |= digit - 'A' + 10
		default:
			return 0, false
		}
	}
	return c, true
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}
