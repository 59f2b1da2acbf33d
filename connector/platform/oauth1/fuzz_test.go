package oauth1_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/platform/oauth1"
	"azure-partner-connector/connector/secret"
)

// FuzzParse checks that what Parse accepts is within its bounds.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "OAuth", header(), header(",", " ,\t "), header("%3D", "%3"), header(`"key"`, `"%00"`), `OAuth a="",a=""`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, h string) {
		p, err := oauth1.Parse(h)
		if err != nil {
			if !errors.Is(err, oauth1.ErrMalformed) {
				t.Errorf("Parse(%q) = %v, want %v", h, err, oauth1.ErrMalformed)
			}
			return
		}
		if p.Key() == "" || p.Nonce() == "" || len([]rune(p.Nonce())) > 128 || strings.ContainsAny(p.Key()+p.Nonce(), "\x00\r\n") {
			t.Errorf("Parse(%q) accepted key %q and nonce %q, want an error", h, p.Key(), p.Nonce())
		}
		if p.Timestamp().Unix() < 0 || len(h) > 4096 {
			t.Errorf("Parse(%q) accepted timestamp %s, want an error", h, p.Timestamp())
		}
		if oauth1.Verify(&p, http.MethodGet, "https://connector.example.com/", nil, p.Timestamp(), time.Minute) == nil {
			t.Errorf("Verify(%q) without a secret = nil, want an error", h)
		}
	})
}

// FuzzQuery checks that Verify accepts what Sign signs, and that it accepts another query only when both mean the same.
func FuzzQuery(f *testing.F) {
	for _, seed := range [][2]string{
		{"", "a"},
		{"a=1&b=2", "b=2&a=1"},
		{"q=a%20b", "q=a+b"},
		{"a", "a="},
		{"a==", "a=%3D"},
		{"a=%2", "%zz"},
		{"implementing(http://aps-standard.org/types/core/account/1.0),limit(0,10)", "limit(0,10)"},
		{"&&a", "oauth_nonce=n"},
	} {
		f.Add(seed[0], seed[1])
	}
	s := secret.New("00112233445566778899aabbccddeeff")
	now := time.Unix(1795422000, 0)
	const base = "https://connector.example.com/aps/app"
	f.Fuzz(func(t *testing.T, signed, received string) {
		req := &http.Request{Method: http.MethodGet, Header: http.Header{}, URL: &url.URL{Scheme: "https", Host: "connector.example.com", Path: "/aps/app", RawQuery: signed}}
		if err := oauth1.Sign(req, oauth1.Credentials{Key: "k", Secret: s}, now, "n"); err != nil {
			return
		}
		p, err := oauth1.Parse(req.Header.Get("Authorization"))
		if err != nil {
			t.Fatalf("Parse(%q) = %v, want no error", req.Header.Get("Authorization"), err)
		}
		verify := func(query string) error {
			target := base
			if query != "" {
				target += "?" + query
			}
			return oauth1.Verify(&p, http.MethodGet, target, []secret.Text{s}, now, time.Minute)
		}
		if err := verify(signed); err != nil {
			t.Errorf("Verify(%q) = %v, want no error", signed, err)
		}
		if got, want := verify(received) == nil, normalized(signed) == normalized(received); got && !want {
			t.Errorf("Verify(%q) signed for %q succeeded, want %v", received, signed, oauth1.ErrSignature)
		}
	})
}

// normalized normalizes a query in another way: by net/url, which splits at the same characters.
func normalized(query string) string {
	if strings.Contains(query, "#") {
		return "bad"
	}
	values := url.Values{}
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return "bad"
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return "bad"
		}
		values.Add(name, value)
	}
	for _, list := range values {
		slices.Sort(list)
	}
	return values.Encode()
}
