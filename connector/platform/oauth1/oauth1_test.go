package oauth1_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	dghubble "github.com/dghubble/oauth1"

	"azure-partner-connector/connector/platform/oauth1"
	"azure-partner-connector/connector/secret"
)

// vectors are those of docs/reference/aps-protocol.md §2.2, computed by an independent implementation.
type vectors struct {
	Key, Secret, Nonce string
	Timestamp          int64
	Requests           []struct{ Name, Method, URL, Signature string }
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func (v vectors) now() time.Time { return time.Unix(v.Timestamp, 0) }

func (v vectors) credentials() oauth1.Credentials {
	return oauth1.Credentials{Key: v.Key, Secret: secret.New(v.Secret)}
}

func (v vectors) header(signature string) string {
	return `OAuth oauth_consumer_key="` + v.Key + `",oauth_nonce="` + v.Nonce +
		`",oauth_signature_method="HMAC-SHA1",oauth_timestamp="1795422000",oauth_version="1.0",oauth_signature="` + url.QueryEscape(signature) + `"`
}

func parse(t testing.TB, header string) *oauth1.Params {
	t.Helper()
	p, err := oauth1.Parse(header)
	if err != nil {
		t.Fatalf("Parse(%q) = %v, want no error", header, err)
	}
	return &p
}

func TestSign_Vectors(t *testing.T) {
	v := readVectors(t)
	for _, r := range v.Requests {
		t.Run(r.Name, func(t *testing.T) {
			req, err := http.NewRequest(r.Method, r.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := oauth1.Sign(req, v.credentials(), v.now(), v.Nonce); err != nil {
				t.Fatalf("Sign(%s) = %v, want no error", r.URL, err)
			}
			if got, want := req.Header.Get("Authorization"), v.header(r.Signature); got != want {
				t.Errorf("Sign(%s) set %s, want %s", r.URL, got, want)
			}
		})
	}
}

func TestVerify_AcceptsVectors(t *testing.T) {
	v := readVectors(t)
	for _, r := range v.Requests {
		t.Run(r.Name, func(t *testing.T) {
			p := parse(t, v.header(r.Signature))
			if err := oauth1.Verify(p, r.Method, r.URL, []secret.Text{secret.New(v.Secret)}, v.now(), oauth1.DefaultWindow); err != nil {
				t.Errorf("Verify(%s) = %v, want no error", r.URL, err)
			}
		})
	}
}

func TestVerify_Refuses(t *testing.T) {
	v := readVectors(t)
	valid := v.Requests[3]
	secrets := []secret.Text{secret.New(v.Secret)}
	for name, tc := range map[string]struct {
		method, url string
		secrets     []secret.Text
		after       time.Duration
		want        error
	}{
		"another method":        {http.MethodPost, valid.URL, secrets, 0, oauth1.ErrSignature},
		"another path":          {valid.Method, strings.Replace(valid.URL, "/tokens", "/token", 1), secrets, 0, oauth1.ErrSignature},
		"another query value":   {valid.Method, valid.URL + "d", secrets, 0, oauth1.ErrSignature},
		"one more query field":  {valid.Method, valid.URL + "&x", secrets, 0, oauth1.ErrSignature},
		"another host":          {valid.Method, strings.Replace(valid.URL, "connector.", "connect0r.", 1), secrets, 0, oauth1.ErrSignature},
		"another port":          {valid.Method, strings.Replace(valid.URL, ".com/", ".com:8443/", 1), secrets, 0, oauth1.ErrSignature},
		"another scheme":        {valid.Method, strings.Replace(valid.URL, "https", "http", 1), secrets, 0, oauth1.ErrSignature},
		"another secret":        {valid.Method, valid.URL, []secret.Text{secret.New("ffeeddccbbaa99887766554433221100")}, 0, oauth1.ErrSignature},
		"no secret":             {valid.Method, valid.URL, nil, 0, oauth1.ErrSignature},
		"empty secret":          {valid.Method, valid.URL, []secret.Text{{}}, 0, oauth1.ErrSignature},
		"too old":               {valid.Method, valid.URL, secrets, 601 * time.Second, oauth1.ErrTimestamp},
		"from the future":       {valid.Method, valid.URL, secrets, -601 * time.Second, oauth1.ErrTimestamp},
		"old and wrong":         {http.MethodPost, valid.URL, secrets, time.Hour, oauth1.ErrSignature},
		"relative URL":          {valid.Method, "/azure-csp/app", secrets, 0, oauth1.ErrMalformed},
		"URL without a host":    {valid.Method, "https:///azure-csp/app", secrets, 0, oauth1.ErrMalformed},
		"bad percent-encoding":  {valid.Method, valid.URL + "%2", secrets, 0, oauth1.ErrMalformed},
		"bad percent digits":    {valid.Method, valid.URL + "%zz", secrets, 0, oauth1.ErrMalformed},
		"OAuth field in query":  {valid.Method, valid.URL + "&oauth_nonce=" + v.Nonce, secrets, 0, oauth1.ErrMalformed},
		"encoded OAuth field":   {valid.Method, valid.URL + "&oauth%5Fnonce=" + v.Nonce, secrets, 0, oauth1.ErrMalformed},
		"too many query fields": {valid.Method, valid.URL + strings.Repeat("&a=1", 256), secrets, 0, oauth1.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			p := parse(t, v.header(valid.Signature))
			if err := oauth1.Verify(p, tc.method, tc.url, tc.secrets, v.now().Add(tc.after), oauth1.DefaultWindow); !errors.Is(err, tc.want) {
				t.Errorf("Verify(%s %s) = %v, want %v", tc.method, tc.url, err, tc.want)
			}
		})
	}
}

func TestVerify_RefusesEmptySecret(t *testing.T) {
	const target = "https://connector.example.com/aps/app"
	now := time.Unix(1795422000, 0)
	req, err := http.NewRequest(http.MethodPost, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := oauth1.Sign(req, oauth1.Credentials{Key: "k"}, now, "n"); err != nil {
		t.Fatal(err)
	}
	p := parse(t, req.Header.Get("Authorization"))
	for name, secrets := range map[string][]secret.Text{"empty secret": {{}}, "no secrets": nil} {
		if err := oauth1.Verify(p, http.MethodPost, target, secrets, now, oauth1.DefaultWindow); !errors.Is(err, oauth1.ErrSignature) {
			t.Errorf("Verify with %s = %v, want %v", name, err, oauth1.ErrSignature)
		}
	}
}

func TestVerify_AcceptsEquivalentURLs(t *testing.T) {
	now := time.Unix(1795422000, 0)
	c := oauth1.Credentials{Key: "k", Secret: secret.New("s")}
	for name, tc := range map[string]struct{ signed, received string }{
		"host in capitals":   {"https://Connector.Example.com/a", "https://connector.example.com/a"},
		"default https port": {"https://connector.example.com:443/a", "https://connector.example.com/a"},
		"default http port":  {"http://connector.example.com:80/a", "http://connector.example.com/a"},
		"no path":            {"https://connector.example.com", "https://connector.example.com/"},
		"plus for a space":   {"https://connector.example.com/a?q=a%20b", "https://connector.example.com/a?q=a+b"},
		"order of fields":    {"https://connector.example.com/a?b=2&a=1&a=0", "https://connector.example.com/a?a=0&b=2&a=1"},
		"blank values":       {"https://connector.example.com/a?b", "https://connector.example.com/a?b=&"},
		"encoded RQL":        {"https://connector.example.com/a?implementing(http%3A//x.org/1.0),eq(a,b)", "https://connector.example.com/a?implementing(http://x.org/1.0),eq(a,b)"},
		"fragment":           {"https://connector.example.com/a?b=1#c", "https://connector.example.com/a?b=1"},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequest(http.MethodGet, tc.signed, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := oauth1.Sign(req, c, now, oauth1.NewNonce()); err != nil {
				t.Fatal(err)
			}
			p := parse(t, req.Header.Get("Authorization"))
			if err := oauth1.Verify(p, http.MethodGet, tc.received, []secret.Text{secret.New("other"), c.Secret}, now, oauth1.DefaultWindow); err != nil {
				t.Errorf("Verify(%s) = %v, want no error", tc.received, err)
			}
		})
	}
}

func TestVerify_AcceptsEdgesOfWindow(t *testing.T) {
	v := readVectors(t)
	r := v.Requests[0]
	for _, offset := range []time.Duration{-oauth1.DefaultWindow, oauth1.DefaultWindow} {
		p := parse(t, v.header(r.Signature))
		if err := oauth1.Verify(p, r.Method, r.URL, []secret.Text{secret.New(v.Secret)}, v.now().Add(offset), oauth1.DefaultWindow); err != nil {
			t.Errorf("Verify(%s) at %s = %v, want no error", r.URL, offset, err)
		}
	}
}

func TestSign_RefusesUnverifiableRequests(t *testing.T) {
	for name, target := range map[string]string{
		"no host":              "/aps/2/resources",
		"bad percent-encoding": "https://apsc.example.net/aps/2/resources?a=%2",
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequest(http.MethodGet, target, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := oauth1.Sign(req, oauth1.Credentials{Key: "k", Secret: secret.New("s")}, time.Unix(1795422000, 0), "n"); err == nil {
				t.Errorf("Sign(%s) = nil, want an error", target)
			}
			if got := req.Header.Get("Authorization"); got != "" {
				t.Errorf("Sign(%s) set %q, want nothing", target, got)
			}
		})
	}
}

// recorder answers every request itself and records the last one.
type recorder struct{ last *http.Request }

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.last = req
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: req}, nil
}

func TestVerify_AcceptsIndependentSigner(t *testing.T) {
	c := oauth1.Credentials{Key: "azcsp-0f1e", Secret: secret.New("s&cret=+/ ü")}
	for name, signer := range map[string]dghubble.Signer{
		oauth1.HMACSHA1:   &dghubble.HMACSigner{ConsumerSecret: c.Secret.Reveal()},
		oauth1.HMACSHA256: &dghubble.HMAC256Signer{ConsumerSecret: c.Secret.Reveal()},
	} {
		for _, target := range []string{
			"https://connector.example.com/aps/app",
			"https://connector.example.com:8443/aps/tenant/1/history?limit=50&before=2026-11-23T08%3A20%3A00Z",
			"https://connector.example.com/aps/a%20b?q=x%2By&r=%C3%BC&e=",
		} {
			t.Run(name+" "+target, func(t *testing.T) {
				config := &dghubble.Config{ConsumerKey: c.Key, Signer: signer}
				last := &recorder{}
				ctx := context.WithValue(t.Context(), dghubble.HTTPClient, &http.Client{Transport: last})
				client := config.Client(ctx, dghubble.NewToken("", ""))
				resp, err := client.Get(target)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				p := parse(t, last.last.Header.Get("Authorization"))
				if err := oauth1.Verify(p, http.MethodGet, target, []secret.Text{c.Secret}, time.Now(), oauth1.DefaultWindow); err != nil {
					t.Errorf("Verify(%s) = %v, want no error", target, err)
				}
			})
		}
	}
}
