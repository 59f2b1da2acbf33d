package oauth1_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/platform/oauth1"
	"azure-partner-connector/connector/secret"
)

// python is Debian's own interpreter, because no other one finds Debian's package python3-oauthlib.
const python = "/usr/bin/python3"

// A judge is oauthlib, an independent implementation, in a process of its own. Both known production connectors verify
// and sign with it, so it shows how other applications of the platform behave (docs/reference/aps-protocol.md §2.1).
type judge struct {
	testing.TB
	in  io.Writer
	out *bufio.Scanner
}

func newJudge(t testing.TB) *judge {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), python, "testdata/oauthlib/judge.py") // ends with its input
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatalf("%s, which judges our signatures, does not start: %v. `build/prerequisites.sh oauthlib` installs it.", python, err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the judge of our signatures ended with %v. `build/prerequisites.sh oauthlib` installs what it needs. Its output: %s", err, stderr.String())
		}
	})
	return &judge{t, in, bufio.NewScanner(out)}
}

// A task is one request to the judge; testdata/oauthlib/judge.py describes it.
type task struct {
	Task      string            `json:"task"`
	Key       string            `json:"key"`
	Secret    string            `json:"secret"`
	Method    string            `json:"method"`
	URL       string            `json:"url"`
	Algorithm string            `json:"algorithm,omitempty"`
	Nonce     string            `json:"nonce,omitempty"`
	Timestamp string            `json:"timestamp,omitempty"`
	Header    string            `json:"header,omitempty"`
	Headers   map[string]string `json:"headers,omitempty"`
	Body      string            `json:"body,omitempty"`
}

type verdict struct {
	Accepted bool
	Refused  string
	Header   string
}

func (j *judge) do(q task) verdict {
	j.Helper()
	line, err := json.Marshal(q)
	if err != nil {
		j.Fatal(err)
	}
	if _, err := j.in.Write(append(line, '\n')); err != nil {
		j.Fatalf("writing to oauthlib: %v", err)
	}
	if !j.out.Scan() {
		j.Fatalf("oauthlib didn't answer: %v", j.out.Err())
	}
	var v verdict
	if err := json.Unmarshal(j.out.Bytes(), &v); err != nil {
		j.Fatalf("oauthlib answered %q: %v", j.out.Text(), err)
	}
	return v
}

// A call is one request that one side signs and the other verifies.
type call struct{ method, url, key, secret string }

// header returns what we sign for c.
func (c call) header(t testing.TB, now time.Time, nonce string) string {
	t.Helper()
	req, err := http.NewRequest(c.method, c.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := oauth1.Sign(req, oauth1.Credentials{Key: c.key, Secret: secret.New(c.secret)}, now, nonce); err != nil {
		t.Fatalf("Sign(%s %s) = %v, want no error", c.method, c.url, err)
	}
	return req.Header.Get("Authorization")
}

// verify makes oauthlib verify header for c.
func (j *judge) verify(c call, header string) verdict {
	j.Helper()
	return j.do(task{Task: "verify", Key: c.key, Secret: c.secret, Method: c.method, URL: c.url, Header: header})
}

// sign makes oauthlib sign c and returns the parsed header.
func (j *judge) sign(c call, algorithm string, at time.Time, change func(*task)) *oauth1.Params {
	j.Helper()
	q := task{
		Task: "sign", Key: c.key, Secret: c.secret, Method: c.method, URL: c.url,
		Algorithm: algorithm, Nonce: oauth1.NewNonce(), Timestamp: strconv.FormatInt(at.Unix(), 10),
	}
	if change != nil {
		change(&q)
	}
	v := j.do(q)
	if v.Refused != "" {
		j.Fatalf("oauthlib does not sign %s %s: %s", c.method, c.url, v.Refused)
	}
	return parse(j, v.Header)
}

func (c call) verify(p *oauth1.Params, now time.Time) error {
	return oauth1.Verify(p, c.method, c.url, []secret.Text{secret.New("another"), secret.New(c.secret)}, now, oauth1.DefaultWindow)
}

// edgeCases are addresses that implementations are likely to treat differently.
func edgeCases() []string {
	const (
		ours         = "https://connector.example.com/aps"
		apsc         = "https://apsc.example.net:6308/aps/2/resources"
		type1, type2 = "http://aps-standard.org/types/core/account/1.0", "http://aps.example.com/azure-partner-connector/tenant/1.0"
	)
	return []string{
		"https://connector.example.com", "https://connector.example.com/", ours + "/app", ours + "/app/",
		"http://connector.example.com/aps", "http://connector.example.com:80/aps", "https://connector.example.com:443/aps",
		"https://connector.example.com:80/aps", "https://CONNECTOR.example.com:8443/aps/App", "https://192.0.2.7:6308/aps", "https://[2001:db8::1]:6308/aps",
		ours + "/a%20b/%C3%BC/%2F/~-._", ours + "/a(b),c:d@e!f$g*h'i", ours + "//double//slashes", ours + "/a+b%2Bc", ours + "/dot/./../dot",
		ours + "/app?", ours + "/app?a", ours + "/app?a=", ours + "/app?=a", ours + "/app?a=1&&b=2&", ours + "/app?a=b=c", ours + "/app?a==",
		ours + "/app?q=a%20b", ours + "/app?q=a+b", ours + "/app?q=a%2Bb", ours + "/app?q=%2520", ours + "/app?q=%C3%BC%E2%82%AC%F0%9F%94%91", ours + "/app?%C3%BC=1",
		ours + "/app?q=a%26b%3Dc", ours + "/app?a=2&a=1&a=10&a", ours + "/app?b=1&a=1&B=1&A=1&a%20=1&aa=1", ours + "/app?q=~-._&r=%7e%2d", ours + "/app?q=%c3%bc",
		ours + "/app?version=1.0-3&a=;b&c;d=e", ours + "/tenant/1/history?limit=50&before=2026-11-23T08%3A20%3A00Z", ours + "/app?q=%00%0A",
		apsc + "?implementing(" + type1 + "),limit(0,10)", apsc + "?implementing(" + type1 + "),eq(id,1),limit(0,10)",
		apsc + "?implementing(" + type2 + "),and(eq(status,aps:ready),like(name,*Contoso%20Ltd*)),sort(+name,-id)",
		apsc + "?implementing(" + type1 + ")&eq(a,b)&limit(0,10)", apsc + "?eq(name,M%C3%BCller%20%26%20S%C3%B6hne)", apsc + "?in(id,(1,2,3)),select(a,b)",
		apsc + "?eq(a,b%2Cc)=&or(eq(a,1),eq(b,2))=x", apsc + "?account.id=6e1f2a34-0c5b-4d7e-9a8b-1c2d3e4f5061,limit(0,1)", apsc + "?limit(0,10)&limit(0,10)",
	}
}

// requests returns the edge cases and two hundred pseudorandom requests, which are the same in every run.
func requests() []call {
	const key, plain = "azcsp-0f1e2d3c4b5a69788796a5b4c3d2e1f0", "00112233445566778899aabbccddeeff"
	var calls []call
	for _, address := range edgeCases() {
		calls = append(calls, call{http.MethodGet, address, key, plain})
	}
	random := rand.New(rand.NewPCG(1849, 5849))
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	word := func() string {
		var b strings.Builder
		for range random.IntN(5) {
			b.WriteString(pick("a", "B", "7", "-", "~", ".", "_", "%20", "%2B", "%25", "%26", "%3D", "%2C", "%28", "%c3%bc", "%E2%82%AC", "(", ")", ",", ":", "/", "*", "!", "@", "$", "'"))
		}
		return b.String()
	}
	query := func() string {
		var b strings.Builder
		for range 1 + random.IntN(5) {
			switch random.IntN(6) {
			case 0:
				b.WriteString("implementing(http://" + pick("aps-standard.org", "x.org") + "/" + word() + ")")
			case 1:
				b.WriteString(pick("eq", "ne", "like", "in") + "(" + word() + "," + word() + ")," + pick("limit(0,10)", "sort(-id)", ""))
			case 2:
				b.WriteString(word())
			default:
				b.WriteString(pick("a", "b", "a%20a", "", "q") + "=" + word() + pick("", "", "+", "="))
			}
			b.WriteString(pick("&", "&", "&", "&&"))
		}
		return pick("?", "?") + strings.TrimRight(b.String(), pick("&", ""))
	}
	for range 200 {
		address := pick("http", "https") + "://" + pick("connector.example.com", "Apsc.Example.net", "127.0.0.1") + pick("", ":80", ":443", ":6308", ":8443")
		for range random.IntN(4) {
			address += "/" + word()
		}
		if random.IntN(4) > 0 {
			address += query()
		}
		calls = append(calls, call{
			pick(http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, "get"), address,
			pick(key, "k", "a key of ü+words"), pick(plain, "s&cret=+/ ü", "%41"),
		})
	}
	return calls
}

func TestSign_AcceptedByOauthlib(t *testing.T) {
	j := newJudge(t)
	for _, c := range requests() {
		header := c.header(t, time.Now(), oauth1.NewNonce())
		if got := j.verify(c, header); !got.Accepted {
			t.Errorf("oauthlib refused %s %s signed as %s: %q", c.method, c.url, header, got.Refused)
		}
	}
}

func TestVerify_AcceptsOauthlib(t *testing.T) {
	j := newJudge(t)
	for _, algorithm := range []string{oauth1.HMACSHA1, oauth1.HMACSHA256} {
		for _, c := range requests() {
			now := time.Now()
			if err := c.verify(j.sign(c, algorithm, now, nil), now); err != nil {
				t.Errorf("Verify(%s %s) signed by oauthlib with %s = %v, want no error", c.method, c.url, algorithm, err)
			}
		}
	}
}

// Neither side accepts a signature for another request than the one signed.
func TestVerify_RefusesWhatOauthlibRefuses(t *testing.T) {
	const address = "https://connector.example.com:8443/aps/tenant/1?implementing(http://x.org/1.0),eq(id,1)&a=b%20c"
	signed := call{http.MethodGet, address, "azcsp-1", "00112233445566778899aabbccddeeff"}
	j := newJudge(t)
	for name, change := range map[string]func(*call){
		"another method":       func(c *call) { c.method = http.MethodPost },
		"another scheme":       func(c *call) { c.url = strings.Replace(address, "https", "http", 1) },
		"another host":         func(c *call) { c.url = strings.Replace(address, "connector.", "connect0r.", 1) },
		"another port":         func(c *call) { c.url = strings.Replace(address, "8443", "443", 1) },
		"another path":         func(c *call) { c.url = strings.Replace(address, "tenant/1", "tenant/2", 1) },
		"path in capitals":     func(c *call) { c.url = strings.Replace(address, "tenant", "Tenant", 1) },
		"path with a slash":    func(c *call) { c.url = strings.Replace(address, "1?", "1/?", 1) },
		"another RQL":          func(c *call) { c.url = strings.Replace(address, "eq(id,1)", "eq(id,2)", 1) },
		"another value":        func(c *call) { c.url = strings.Replace(address, "b%20c", "b%2Bc", 1) },
		"one more parameter":   func(c *call) { c.url += "&a=b%20c" },
		"one parameter less":   func(c *call) { c.url = strings.TrimSuffix(address, "&a=b%20c") },
		"no query":             func(c *call) { c.url, _, _ = strings.Cut(address, "?") },
		"another secret":       func(c *call) { c.secret = "ffeeddccbbaa99887766554433221100" },
		"a parameter of OAuth": func(c *call) { c.url += "&oauth_nonce=abcdefghijklmnopqrst" },
	} {
		t.Run(name, func(t *testing.T) {
			received, now := signed, time.Now()
			change(&received)
			if got := j.verify(received, signed.header(t, now, oauth1.NewNonce())); got.Accepted {
				t.Errorf("oauthlib accepted %s %s, signed for %s %s", received.method, received.url, signed.method, signed.url)
			}
			if err := received.verify(j.sign(signed, oauth1.HMACSHA1, now, nil), now); err == nil {
				t.Errorf("Verify(%s %s) signed by oauthlib for %s %s = nil, want an error", received.method, received.url, signed.method, signed.url)
			}
		})
	}
}

func TestVerify_NonceAndTimeLikeOauthlib(t *testing.T) {
	c := call{http.MethodGet, "https://apsc.example.net/aps/2/resources?limit(0,10)", "azcsp-1", "00112233445566778899aabbccddeeff"}
	j := newJudge(t)
	now := time.Now()
	for name, tc := range map[string]struct {
		at   time.Time
		want bool
	}{
		"ten minutes and more ago": {now.Add(-20 * time.Minute), false}, "ten minutes and more ahead": {now.Add(20 * time.Minute), false},
		"nearly ten minutes ago": {now.Add(-9 * time.Minute), true}, "nearly ten minutes ahead": {now.Add(9 * time.Minute), true},
	} {
		if got := j.verify(c, c.header(t, tc.at, oauth1.NewNonce())).Accepted; got != tc.want {
			t.Errorf("oauthlib accepts what was signed %s = %v, want %v", name, got, tc.want)
		}
		if err := c.verify(j.sign(c, oauth1.HMACSHA1, tc.at, nil), now); (err == nil) != tc.want {
			t.Errorf("Verify of what oauthlib signed %s = %v, want success %v", name, err, tc.want)
		}
	}
	header := c.header(t, now, oauth1.NewNonce())
	for i, want := range []bool{true, false} {
		if got := j.verify(c, header).Accepted; got != want {
			t.Errorf("oauthlib accepts use %d of a nonce = %v, want %v", i+1, got, want)
		}
	}
}

// The differences from oauthlib are intended. No known sender meets them, and we never sign what oauthlib refuses.
func TestVerify_DifferencesFromOauthlib(t *testing.T) {
	const key, plain = "azcsp-1", "00112233445566778899aabbccddeeff"
	j := newJudge(t)
	now := time.Now()

	// We accept any nonce up to a length; oauthlib requires 16 to 50 letters and digits. Ours have 32 hexadecimal
	// digits.
	c := call{http.MethodGet, "https://connector.example.com/aps/app", key, plain}
	for _, nonce := range []string{"n", "with-hyphens-in-it-as-uuids-have", strings.Repeat("n", 51)} {
		header := c.header(t, now, nonce)
		if j.verify(c, header).Accepted {
			t.Errorf("oauthlib accepted the nonce %q, want it refused", nonce)
		}
		if err := c.verify(parse(t, header), now); err != nil {
			t.Errorf("Verify with the nonce %q = %v, want no error", nonce, err)
		}
	}

	// Characters that should be percent-encoded in a query: oauthlib refuses the request; we sign the bytes as they
	// are, because other senders of the platform are less strict. Our own client encodes them.
	for _, query := range []string{"q=ü", `q="a"`, "q=[1]", "q={a}", "q=a|b", "q=<a>", "q=^"} {
		c := call{http.MethodGet, "https://connector.example.com/aps/app?" + query, key, plain}
		header := c.header(t, now, oauth1.NewNonce())
		if got := j.verify(c, header); got.Refused == "" {
			t.Errorf("oauthlib read the query %s, want it refused", query)
		}
		if err := c.verify(parse(t, header), now); err != nil {
			t.Errorf("Verify with the query %s = %v, want no error", query, err)
		}
	}

	// An incomplete escape: oauthlib accepts it literally; we refuse it.
	c = call{http.MethodGet, "https://connector.example.com/aps/app?q=%2", key, plain}
	if err := c.verify(j.sign(c, oauth1.HMACSHA1, now, nil), now); !errors.Is(err, oauth1.ErrMalformed) {
		t.Errorf("Verify with the query q=%%2 = %v, want %v", err, oauth1.ErrMalformed)
	}

	// The protocol signs the fields of a form. APS sends only JSON, which isn't signed (docs/reference/aps-protocol.md
	// §2.1).
	c = call{http.MethodPost, "https://connector.example.com/aps/app", key, plain}
	for body, want := range map[string]error{`{"a":1}`: nil, "a=1": oauth1.ErrSignature} {
		kind := "application/json"
		if want != nil {
			kind = "application/x-www-form-urlencoded"
		}
		p := j.sign(c, oauth1.HMACSHA1, now, func(q *task) { q.Body, q.Headers = body, map[string]string{"Content-Type": kind} })
		if err := c.verify(p, now); !errors.Is(err, want) {
			t.Errorf("Verify of a body of %s = %v, want %v", kind, err, want)
		}
	}
}
