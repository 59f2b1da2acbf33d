package oauth1

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"azure-partner-connector/connector/secret"
)

// ErrMalformed is returned for an Authorization header that is not the OAuth 1.0a of this package.
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

// Params are the decoded parameters of one Authorization header. Parse creates them.
type Params struct {
	fields [maxFields]field
	count  int

	key, method, nonce string
	signature          secret.Text
	timestamp          time.Time
}

// Key returns the consumer key, 1 to 255 characters without control characters. It is unverified until
// Verify succeeds.
func (p *Params) Key() string { return p.key }

// Nonce returns the nonce, 1 to 128 characters without control characters.
func (p *Params) Nonce() string { return p.nonce }

// Timestamp returns the time that the caller claims to have signed at.
func (p *Params) Timestamp() time.Time { return p.timestamp }

func (p *Params) add(name, value string) {
	p.fields[p.count] = field{name, value}
	p.count++
}

// Parse reads an Authorization header. It returns ErrMalformed, with the reason, for parameters that are missing,
// repeated, too long or malformed.
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
		// A signature does not tell where a parameter was: one of the query could be moved here, where nobody reads it.
		if name != "realm" && !strings.HasPrefix(name, "oauth_") {
			return Params{}, malformed("it has a parameter of the query")
		}
		if p.count == maxFields {
			return Params{}, malformed("it has too many parameters")
		}
		p.add(name, value)
		rest, more = strings.CutPrefix(remainder, ",")
		if !more && rest != "" {
			return Params{}, malformed("there is text after its end")
		}
	}
	if err := p.check(); err != nil {
		return Params{}, err
	}
	return p, nil
}

// next reads one name="value", with optional blanks around it, from the start of text.
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

// decoded decodes percent-encoding. Unlike in a query, + stands for itself.
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

// check reads and checks the known parameters. Other ones of OAuth are only part of the signature.
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
			p.signature, p.fields[i].value = secret.New(value), "" // the value is not part of what is signed
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
	case p.signature.Empty():
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
