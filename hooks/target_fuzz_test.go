package hooks_test

import (
	"bufio"
	"bytes"
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/platform/oauth1"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/hooks"
)

// An edit changes a request in a way that its signature may not notice. The request is a method, a target and further
// parameters of the Authorization header.
type edit func(r *[3]string, at int, with byte)

// atEnd is the place behind the target.
const atEnd = 255

func edits() []edit {
	insert := func(text string) edit {
		return func(r *[3]string, at int, _ byte) {
			if at == atEnd {
				at = len(r[1])
			}
			at %= len(r[1]) + 1
			r[1] = r[1][:at] + text + r[1][at:]
		}
	}
	return []edit{
		insert("#"), insert("?"), insert("&"), insert(";"), insert("//"), insert("/"), insert("/../"), insert("%2F"), insert("%"), insert("\\"),
		insert("+"), insert("%20"), insert("&limit=1"), insert("="), insert("&oauth_nonce=n"), insert("\t"), insert(" "),
		func(r *[3]string, at int, with byte) {
			at %= len(r[1]) + 1
			r[1] = r[1][:at] + string(with) + r[1][at:]
		},
		func(r *[3]string, at int, with byte) { // another byte
			if len(r[1]) > 0 {
				b := []byte(r[1])
				b[at%len(b)] = with
				r[1] = string(b)
			}
		},
		func(r *[3]string, at int, _ byte) { // one byte encoded
			const digits = "0123456789ABCDEF"
			if len(r[1]) > 0 {
				at %= len(r[1])
				c := r[1][at]
				r[1] = r[1][:at] + "%" + string(digits[c>>4]) + string(digits[c&15]) + r[1][at+1:]
			}
		},
		func(r *[3]string, at int, _ byte) { // decoded
			if u, err := url.QueryUnescape(r[1]); err == nil {
				r[1] = u
			}
		},
		func(r *[3]string, _ int, _ byte) { // parameters in another order
			path, query, _ := strings.Cut(r[1], "?")
			pairs := strings.Split(query, "&")
			slices.Reverse(pairs)
			r[1] = path + "?" + strings.Join(pairs, "&")
		},
		func(r *[3]string, at int, _ byte) { // a parameter moved to the header
			path, query, _ := strings.Cut(r[1], "?")
			pairs := strings.Split(query, "&")
			name, value, _ := strings.Cut(pairs[at%len(pairs)], "=")
			pairs = slices.Delete(pairs, at%len(pairs), at%len(pairs)+1)
			r[1], r[2] = path+"?"+strings.Join(pairs, "&"), r[2]+`,`+name+`="`+value+`"`
		},
		func(r *[3]string, _ int, _ byte) { r[1] = "http://connector.example.com" + r[1] },
		func(r *[3]string, _ int, _ byte) { r[1] = "x:" + r[1] },
		func(r *[3]string, _ int, _ byte) { r[1] = "http:" + strings.TrimPrefix(r[1], "/") },
		func(r *[3]string, _ int, _ byte) { r[1] = strings.TrimPrefix(r[1], "/aps") },
		func(r *[3]string, _ int, _ byte) { r[1] = "/aps" + r[1] },
		func(r *[3]string, _ int, _ byte) { r[0] = strings.ToLower(r[0]) },
	}
}

// FuzzTarget signs one target and sends an edited one. Whatever the handler accepts must mean the same: the route and the
// parameters that the router reads are those that the signer signed, as net/url reads them.
func FuzzTarget(f *testing.F) {
	for _, signed := range []string{
		"/aps/tenant/" + tenantA + "/history?limit=10&before=2026-11-23T08%3A20%3A00Z", "/aps/app/" + rootA + "/upgrade?version=1-1", "/aps//app/" + rootA + "/",
		"/tenant/" + tenantA, "/aps", "/", "/aps/tenant/a%20b?implementing(http://aps-standard.org/types/core/account/1.0),limit(0,10)", "/aps/aps/app?a&b=&c==1",
	} {
		for i := range edits() {
			f.Add(signed, []byte{byte(i), 30, '='})
		}
		f.Add(signed, []byte{})
	}
	for i := range edits() {
		for j := range edits() {
			f.Add("/aps/tenant/"+tenantA+"/history?a=b", []byte{byte(i), atEnd, '=', byte(j), atEnd, '='})
		}
	}
	const public = "http://connector.example.com/aps"
	now := time.Date(2026, 11, 23, 8, 20, 0, 0, time.UTC)
	s := secret.New(secretA)
	handler, err := hooks.New(hooks.Config{
		PublicURL: public, Credentials: func(string) ([]secret.Text, bool) { return []secret.Text{s}, true }, Now: func() time.Time { return now },
		Tenants: newFakeTenants(), Tokens: newFakeTokens(), Consents: &fakeConsents{}, Accounts: newFakeAccounts(), Nonces: allNonces{},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, signed string, program []byte) {
		u, err := url.ParseRequestURI(signed)
		if err != nil || !strings.HasPrefix(signed, "/") || strings.Contains(signed, "#") {
			return // nobody signs this
		}
		u.Scheme, u.Host = "http", "connector.example.com"
		out := (&http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}}).WithContext(t.Context())
		if err := oauth1.Sign(out, oauth1.Credentials{Key: keyA, Secret: s}, now, "0123456789abcdef"); err != nil {
			return
		}
		r := [3]string{http.MethodGet, u.RequestURI(), ""}
		for all := edits(); len(program) >= 3; program = program[3:] {
			all[int(program[0])%len(all)](&r, int(program[1]), program[2])
		}
		in, err := http.ReadRequest(bufio.NewReader(strings.NewReader(r[0] + " " + r[1] + " HTTP/1.1\r\nHost: connector.example.com\r\nAuthorization: " + out.Header.Get("Authorization") + r[2] + "\r\n\r\n")))
		if err != nil {
			return // no server reads this
		}
		route, parameters, accepted := handler.Read(in)
		if !accepted {
			return
		}
		meant, wanted := meaning(u)
		if route != meant || !maps.EqualFunc(parameters, wanted, sameValues) {
			t.Errorf("%s %q with %q, signed for %q, is read as %q %v, want %q %v", r[0], r[1], r[2], signed, route, parameters, meant, wanted)
		}
	})
}

// meaning returns what a signer means by a URL: the route below the public URL, and its parameters. Empty and doubled
// slashes mean nothing.
func meaning(u *url.URL) (route string, parameters url.Values) {
	var segments []string
	for segment := range strings.SplitSeq(u.Path, "/") {
		if segment != "" {
			segments = append(segments, segment)
		}
	}
	if len(segments) > 0 && segments[0] == "aps" {
		segments = segments[1:]
	}
	return "/" + strings.Join(segments, "/"), u.Query()
}

// sameValues compares the values of a parameter, in any order: operations refuse more than one.
func sameValues(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// allNonces takes every nonce for fresh.
type allNonces struct{}

func (allNonces) RememberNonce(context.Context, string, string, time.Time, time.Time) (bool, error) {
	return true, nil
}
func (allNonces) ForgetNonce(context.Context, string, string) error { return nil }

// TestFuzzTarget_Accepts checks that the fuzz test compares something: what nobody edited is accepted.
func TestFuzzTarget_Accepts(t *testing.T) {
	h := installed(t)
	h.accepted(request{method: http.MethodGet, path: "/app/" + rootA}, http.StatusOK)
	in := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/aps/app/"+rootA+"?a=1", bytes.NewReader(nil))
	u, err := url.Parse(h.url + "/app/" + rootA + "?a=1")
	if err != nil {
		t.Fatal(err)
	}
	out := &http.Request{Method: http.MethodGet, URL: u, Header: http.Header{}}
	if err := oauth1.Sign(out, oauth1.Credentials{Key: keyA, Secret: secret.New(secretA)}, h.clock(), oauth1.NewNonce()); err != nil {
		t.Fatal(err)
	}
	in.Header = out.Header
	route, parameters, accepted := h.handler.Read(in)
	if !accepted || route != "/app/"+rootA || parameters.Get("a") != "1" {
		t.Errorf("Read() = %s %v %v, want what was signed", route, parameters, accepted)
	}
}
