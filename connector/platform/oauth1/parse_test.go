package oauth1_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/platform/oauth1"
)

// header returns a well-formed header after the replacements, which are pairs of old and new text.
func header(replacements ...string) string {
	const wellFormed = `OAuth oauth_consumer_key="key",oauth_nonce="n0nce",oauth_signature_method="HMAC-SHA1",` +
		`oauth_timestamp="1795422000",oauth_version="1.0",oauth_signature="eM05gAFXZeSyj67S1%2BYAKOEMnKg%3D"`
	return strings.NewReplacer(replacements...).Replace(wellFormed)
}

func TestParse_Refuses(t *testing.T) {
	for name, h := range map[string]string{
		"empty":                 "",
		"another scheme":        header("OAuth ", "Bearer "),
		"scheme only":           "OAuth",
		"no parameters":         "OAuth ",
		"only commas":           "OAuth ,,",
		"unquoted value":        header(`"1795422000"`, `1795422000`),
		"single quotes":         header(`"`, `'`),
		"unclosed value":        header(`eM05gAFXZeSyj67S1%2BYAKOEMnKg%3D"`, ""),
		"double comma":          header(`"1.0",`, `"1.0",,`),
		"semicolons":            header(",", ";"),
		"trailing text":         header() + " x",
		"trailing comma":        header() + ",",
		"nameless":              header("oauth_version=", "="),
		"odd name":              header("oauth_version", "oauth/version"),
		"blank before equals":   header("oauth_version=", "oauth_version ="),
		"backslash":             header(`"key"`, `"k\ey"`),
		"raw control character": header(`"key"`, "\"k\x01ey\""),
		"raw UTF-8":             header(`"key"`, `"kéy"`),
		"bad percent":           header("%3D", "%3"),
		"bad percent digits":    header("%3D", "%3G"),
		"no key":                header(`oauth_consumer_key="key",`, ""),
		"empty key":             header(`"key"`, `""`),
		"long key":              header(`"key"`, `"`+strings.Repeat("k", 256)+`"`),
		"key with newline":      header(`"key"`, `"k%0Aey"`),
		"key not UTF-8":         header(`"key"`, `"k%FFey"`),
		"no nonce":              header(`oauth_nonce="n0nce",`, ""),
		"empty nonce":           header(`"n0nce"`, `""`),
		"long nonce":            header(`"n0nce"`, `"`+strings.Repeat("n", 129)+`"`),
		"no method":             header(`oauth_signature_method="HMAC-SHA1",`, ""),
		"PLAINTEXT":             header("HMAC-SHA1", "PLAINTEXT"),
		"RSA-SHA1":              header("HMAC-SHA1", "RSA-SHA1"),
		"method in lower case":  header("HMAC-SHA1", "hmac-sha1"),
		"no signature":          header(`oauth_signature="eM05gAFXZeSyj67S1%2BYAKOEMnKg%3D"`, `realm=""`),
		"empty signature":       header("eM05gAFXZeSyj67S1%2BYAKOEMnKg%3D", ""),
		"no timestamp":          header(`oauth_timestamp="1795422000",`, ""),
		"empty timestamp":       header("1795422000", ""),
		"negative timestamp":    header("1795422000", "-1795422000"),
		"fractional timestamp":  header("1795422000", "1795422000.5"),
		"timestamp too long":    header("1795422000", "1795422000000"),
		"another version":       header(`"1.0"`, `"2.0"`),
		"a token":               header("oauth_version", `oauth_token="t",oauth_version`),
		"a key twice":           header("oauth_version", `oauth_consumer_key="key",oauth_version`),
		"a nonce twice":         header("oauth_version", `oauth_nonce="other",oauth_version`),
		"a signature twice":     header("oauth_version", `oauth_signature="other",oauth_version`),
		"realm twice":           header("OAuth ", `OAuth realm="a",realm="b",`),
		"too many":              header("oauth_version", `oauth_a="",oauth_b="",oauth_c="",oauth_d="",oauth_e="",oauth_f="",oauth_g="",oauth_h="",oauth_i="",oauth_j="",oauth_k="",oauth_version`),
		"of the query":          header("oauth_version", `limit="1",oauth_version`),
		"too long":              header("OAuth ", `OAuth realm="`+strings.Repeat("r", 4096)+`",`),
	} {
		t.Run(name, func(t *testing.T) {
			if p, err := oauth1.Parse(h); !errors.Is(err, oauth1.ErrMalformed) {
				t.Errorf("Parse(%q) = %q, %v, want %v", h, p.Key(), err, oauth1.ErrMalformed)
			}
		})
	}
}

func TestParse_Accepts(t *testing.T) {
	for name, tc := range map[string]struct{ header, key, nonce string }{
		"plain":              {header(), "key", "n0nce"},
		"blanks":             {header(",", " ,\t "), "key", "n0nce"},
		"scheme in capitals": {header("OAuth ", "OAUTH "), "key", "n0nce"},
		"realm":              {header("OAuth ", `OAuth realm="Platform",`), "key", "n0nce"},
		"empty token":        {header("oauth_version", `oauth_token="",oauth_version`), "key", "n0nce"},
		"no version":         {header(`oauth_version="1.0",`, ""), "key", "n0nce"},
		"encoded key":        {header(`"key"`, `"a%20%C3%BC"`), "a ü", "n0nce"},
		"SHA-256":            {header("HMAC-SHA1", "HMAC-SHA256"), "key", "n0nce"},
		"one-letter nonce":   {header("n0nce", "n"), "key", "n"},
		"longest nonce":      {header("n0nce", strings.Repeat("n", 128)), "key", strings.Repeat("n", 128)},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := oauth1.Parse(tc.header)
			if err != nil || p.Key() != tc.key || p.Nonce() != tc.nonce || !p.Timestamp().Equal(time.Unix(1795422000, 0)) {
				t.Errorf("Parse(%q) = %q, %q, %s, %v, want %q, %q", tc.header, p.Key(), p.Nonce(), p.Timestamp(), err, tc.key, tc.nonce)
			}
		})
	}
}

func TestParse_ErrorsQuoteNothing(t *testing.T) {
	const canary = "c4n4ry"
	for _, h := range []string{
		header(`"key"`, `"`+canary+`" "`), header(`"key"`, `"`+canary+`"x`), header("n0nce", canary+"%0A"),
		header("HMAC-SHA1", canary), header("1795422000", canary), header(`"1.0"`, `"`+canary+`"`), "Basic " + canary,
	} {
		if _, err := oauth1.Parse(h); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("Parse(%q) = %v, want an error without %q", h, err, canary)
		}
	}
}
