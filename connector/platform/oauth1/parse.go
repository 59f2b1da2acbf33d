package oauth1

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// ErrMalformed is returned for an Authorization header that is not OAuth 1.0a as this package speaks it.
var ErrMalformed = errors.New("the Authorization header is not well-formed two-legged OAuth 1.0a")

// Bounds of an Authorization header. The platform stays far below them.
const (
	maxHeader = 4096
	maxFields = 16
	maxKey    = 255
	maxNonce  = 128
	maxDigits = 12 // of a timestamp
)

type field struct{ name, value string }

// Params are the parameters of one Authorization header, decoded. Make them with Parse.
type Params struct {
	fields [maxFields]field
	count  int

	key, method, signature, nonce string
	timestamp                     time.Time
}

// Key returns the consumer key, 1 to 255 characters without control characters. Nothing is proven about it yet.
func (p *Params) Key() string { return p.key }

// Nonce returns the nonce, 1 to 128 characters without control characters.
func (p *Params) Nonce() string { return p.nonce }

// Timestamp returns when the caller says that it signed.
func (p *Params) Timestamp() time.Time { return p.timestamp }

func (p *Params) add(name, value string) {
	p.fields[p.count] = field{name, value}
	p.count++
}

// Parse reads an Authorization header. It refuses, with ErrMalformed and the place, whatever is missing, repeated, too
// long or not understood.
func Parse(header string) (Params, error) {
	var p Params
	if len(header) > maxHeader {
		return Params{}, malformed("it is too long")
	}
	scheme, rest, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "OAuth") {
		return Params{}, malformed("it has another scheme")
	}
	for more := true; more; {
		name, value, remainder, ok := next(rest)
		if !ok {
			return Params{}, malformed("it is not a list of names and quoted values")
		}
		if p.has(name) {
			return Params{}, malformed("a parameter is repeated")
		}
		if p.count == maxFields {
			return Params{}, malformed("it has too many parameters")
		}
		p.add(name, value)
		rest, more = strings.CutPrefix(remainder, ",")
		if !more && rest != "" {
			return Params{}, malformed("there is text behind its end")
		}
	}
	if err := p.check(); err != nil {
		return Params{}, err
	}
	return p, nil
}

// next reads one name="value", with blanks around it, from the front of text.
func next(text string) (name, value, rest string, ok bool) {
	text = strings.TrimLeft(text, " \t")
	name, text, ok = strings.Cut(text, `="`)
	if !ok || name == "" {
		return "", "", "", false
	}
	for i := range len(name) {
		if !unreserved(name[i]) {
			return "", "", "", false
		}
	}
	value, rest, ok = strings.Cut(text, `"`)
	if !ok {
		return "", "", "", false
	}
	if value, ok = decoded(value); !ok {
		return "", "", "", false
	}
	return name, value, strings.TrimLeft(rest, " \t"), true
}

// decoded undoes percent-encoding. Unlike in a query, + is itself.
func decoded(text string) (string, bool) {
	escaped := false
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' || text[i] == '\\' {
			return "", false
		}
		escaped = escaped || text[i] == '%'
	}
	if !escaped {
		return text, true
	}
	plain := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '%' {
			var ok bool
			if c, ok = unhex(text[i:]); !ok {
				return "", false
			}
			i += 2
		}
		plain = append(plain, c)
	}
	return string(plain), true
}

func (p *Params) has(name string) bool {
	for i := range p.fields[:p.count] {
		if p.fields[i].name == name {
			return true
		}
	}
	return false
}

// check takes the parameters that we know apart. Others are only signed.
func (p *Params) check() error {
	var timestamp string
	for i := range p.fields[:p.count] {
		value := p.fields[i].value
		switch p.fields[i].name {
		case "oauth_consumer_key":
			p.key = value
		case "oauth_signature_method":
			p.method = value
		case "oauth_signature":
			p.signature = value
		case "oauth_nonce":
			p.nonce = value
		case "oauth_timestamp":
			timestamp = value
		case "oauth_version":
			if value != "1.0" {
				return malformed("it has another version")
			}
		case "oauth_token":
			if value != "" {
				return malformed("it carries a token")
			}
		}
	}
	switch {
	case !printable(p.key, maxKey):
		return malformed("the consumer key is missing, too long or not text")
	case !printable(p.nonce, maxNonce):
		return malformed("the nonce is missing, too long or not text")
	case p.method != HMACSHA1 && p.method != HMACSHA256:
		return malformed("the signature method is missing or not supported")
	case p.signature == "":
		return malformed("the signature is missing")
	case len(timestamp) == 0 || len(timestamp) > maxDigits || strings.Trim(timestamp, "0123456789") != "":
		return malformed("the timestamp is missing or not a number of seconds")
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return malformed("the timestamp is not a number")
	}
	p.timestamp = time.Unix(seconds, 0).UTC()
	return nil
}

func printable(text string, limit int) bool {
	if text == "" || !utf8.ValidString(text) || utf8.RuneCountInString(text) > limit {
		return false
	}
	return strings.IndexFunc(text, unicode.IsControl) < 0
}

func malformed(why string) error { return fmt.Errorf("%w: %s", ErrMalformed, why) }
