package egress_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/httpclient"
)

// TestHeaders_OfRequests forwards what the api needs, and nothing that is between the client and us.
func TestHeaders_OfRequests(t *testing.T) {
	h := newHarness(t)
	got := h.rawBody(http.MethodPost, "/graph/"+tenantA+"/v1.0/users", `{"a":1}`, bearer, "Content-Length: 7", "Content-Type: application/json",
		"If-Match: W/\"7\"", "Prefer: return=minimal", "client-request-id: 17", "Accept: */*", "ConsistencyLevel: eventual", "MS-RequestId: 18",
		"Cookie: a=b", "X-Connect-Vendor-ID: v", "Connect-Request-ID: r", "X-HTTP-Method: DELETE", "X-HTTP-Method-Override: DELETE", "x-method-override: PUT",
		"X_HTTP_Method_Override: DELETE", "X_Method_Override: PUT", "X_Connect_Vendor_ID: v",
		"X-Original-URL: /v1.0/groups", "X-Rewrite-URL: /v1.0/groups", "X_Original_URL: /v1.0/groups",
		"X-Forwarded-For: 192.0.2.1", "X-Forwarded-Host: x", "Forwarded: for=192.0.2.1", "X-Real-IP: 192.0.2.1", "Via: 1.1 x", "Proxy-Authorization: Basic x",
		"Connection: X-Private", "X-Private: 1", "Keep-Alive: 1", "TE: gzip", "x-ms-authorization-auxiliary: Bearer x", "X-IDENTITY-HEADER: x")
	sent := h.take()
	if got.status != http.StatusOK || len(sent) != 1 {
		t.Fatalf("the call = %d %s, want it forwarded", got.status, got.body)
	}
	var names []string
	for name := range sent[0].header {
		names = append(names, name)
	}
	slices.Sort(names)
	want := []string{"Accept", "Authorization", "Client-Request-Id", "Consistencylevel", "Content-Length", "Content-Type", "If-Match", "Ms-Requestid", "Prefer"}
	if !slices.Equal(names, want) || sent[0].body != `{"a":1}` {
		t.Errorf("the upstream got %v and %s, want %v and the body", names, sent[0].body, want)
	}
}

// TestHeaders_OfAnswers passes status, headers and body of Microsoft on.
func TestHeaders_OfAnswers(t *testing.T) {
	h := newHarness(t)
	for _, status := range []int{200, 201, 202, 204, 302, 304, 400, 401, 403, 404, 409, 412, 429, 500, 503} {
		h.setAnswer(func(w http.ResponseWriter, _ *http.Request) {
			header := w.Header()
			for name, value := range map[string]string{
				"Retry-After": "17", "ETag": `W/"7"`, "Location": "https://graph.microsoft.com/v1.0/users/8", "Azure-AsyncOperation": "https://management.azure.com/x",
				"WWW-Authenticate": `Bearer error="invalid_token"`, "Content-Encoding": "gzip", "request-id": "9",
				"Set-Cookie": "a=b", "Authorization": "Bearer x", "X-Connector-Failure": "invented", "Alt-Svc": `h3=":443"`, "Strict-Transport-Security": "max-age=1",
				"Connection": "X-Private", "X-Private": "1",
			} {
				header.Set(name, value)
			}
			w.WriteHeader(status)
			if status != 204 && status != 304 {
				_, _ = io.WriteString(w, "the body")
			}
		})
		got := h.get("/v1.0/users", "Accept-Encoding: gzip")
		for name, want := range map[string]string{
			"Retry-After": "17", "ETag": `W/"7"`, "Location": "https://graph.microsoft.com/v1.0/users/8", "Azure-AsyncOperation": "https://management.azure.com/x",
			"WWW-Authenticate": `Bearer error="invalid_token"`, "Content-Encoding": "gzip", "Request-Id": "9",
			"Set-Cookie": "", "Authorization": "", "X-Connector-Failure": "", "Alt-Svc": "", "Strict-Transport-Security": "", "X-Private": "",
		} {
			if got.header.Get(name) != want {
				t.Errorf("%d has %s %q, want %q", status, name, got.header.Get(name), want)
			}
		}
		if body := map[bool]string{true: "", false: "the body"}[status == 204 || status == 304]; got.status != status || got.body != body {
			t.Errorf("%d arrived as %d %q", status, got.status, got.body)
		}
		if refs := got.header.Values("X-Reference"); len(refs) != 1 || refs[0] == "" {
			t.Errorf("%d has the references %q, want one", status, refs)
		}
	}
}

// TestHeaders_OfTrailers passes trailers of Microsoft on, but not those that would be removed from its headers.
func TestHeaders_OfTrailers(t *testing.T) {
	h := newHarness(t)
	h.setAnswer(func(w http.ResponseWriter, _ *http.Request) {
		header := w.Header()
		header.Set("Trailer", "Set-Cookie, X-Checksum")
		_, _ = io.WriteString(w, "the body")
		_ = http.NewResponseController(w).Flush()
		header.Set("Set-Cookie", "a=b")
		header.Set("X-Checksum", "7")
		for _, name := range []string{"X-Connector-Failure", "X-Reference", "Set-Cookie2", "Alt-Svc"} { // not announced
			header.Set(http.TrailerPrefix+name, "invented")
		}
	})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.server.URL+"/graph/"+tenantA+"/v1.0/users", nil)
	h.must(err)
	r.Header.Set("Authorization", "Bearer "+key)
	got, err := h.server.Client().Do(r)
	h.must(err)
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	h.must(err)
	if string(body) != "the body" || got.Trailer.Get("X-Checksum") != "7" || len(got.Trailer) != 1 {
		t.Errorf("the answer %q has the trailers %v, want only X-Checksum", body, got.Trailer)
	}
}

// TestFailures_OfACallerThatHangsUp tells nobody of a failure: there is none of ours.
func TestFailures_OfACallerThatHangsUp(t *testing.T) {
	h := newHarness(t)
	connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", h.server.Listener.Addr().String())
	h.must(err)
	h.tokens.hangUp = func() { _ = connection.Close() }
	_, err = io.WriteString(connection, "GET /graph/"+tenantA+"/v1.0/users HTTP/1.1\r\nHost: egress.example\r\n"+bearer+"\r\n\r\n")
	h.must(err)
	if got := h.lastCall(1); got != "billing graph 0 aborted" {
		t.Errorf("the call was observed as %q, want aborted", got)
	}
	if refused := h.takeRefused(); refused != "" {
		t.Errorf("the refusal %q was recorded, want none", refused)
	}
}

// TestRetry_AfterAChallenge sends a call again, once, with another access token.
func TestRetry_AfterAChallenge(t *testing.T) {
	const challenge = `Bearer error="insufficient_claims", claims="eyJ9"`
	const repeated = 64 << 10 // bytes of the largest body that is sent again
	for name, tc := range map[string]struct {
		challenge, refusal string
		body               string
		chunked, always    bool
		calls, replaced    int
		status             int
	}{
		"a challenge":               {challenge: challenge, calls: 2, replaced: 1, status: 200},
		"Partner Center's code":     {refusal: `{"code":"900421"}`, calls: 2, replaced: 1, status: 200},
		"a small body":              {challenge: challenge, body: "small", calls: 2, replaced: 1, status: 200},
		"the largest body":          {challenge: challenge, body: strings.Repeat("x", repeated), calls: 2, replaced: 1, status: 200},
		"a larger body":             {challenge: challenge, body: strings.Repeat("x", repeated+1), calls: 1, replaced: 0, status: 401},
		"a body of unknown length":  {challenge: challenge, body: "small", chunked: true, calls: 1, replaced: 0, status: 401},
		"another reason":            {challenge: `Bearer error="invalid_token"`, refusal: "no", calls: 1, replaced: 0, status: 401},
		"a refusal of both tokens":  {challenge: challenge, always: true, calls: 2, replaced: 2, status: 401},
		"a long refusal, of a list": {challenge: challenge, refusal: strings.Repeat("y", 200_000), always: true, calls: 2, replaced: 2, status: 401},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t)
			h.setAnswer(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") == "Bearer "+firstOne || tc.always {
					w.Header().Set("WWW-Authenticate", tc.challenge)
					w.WriteHeader(http.StatusUnauthorized)
					_, _ = io.WriteString(w, tc.refusal)
				}
			})
			lines := []string{bearer, "Content-Length: " + strconv.Itoa(len(tc.body))}
			body := tc.body
			if tc.chunked {
				lines[1] = "Transfer-Encoding: chunked"
				body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(tc.body), tc.body)
			}
			got := h.rawBody(http.MethodPost, "/graph/"+tenantA+"/v1.0/users", body, lines...)
			sent := h.take()
			if got.status != tc.status || len(sent) != tc.calls || h.tokens.replaced != tc.replaced || got.header.Get("X-Connector-Failure") != "" {
				t.Errorf("the answer is %d after %d calls with %d replacements, want %d, %d, %d", got.status, len(sent), h.tokens.replaced, tc.status, tc.calls, tc.replaced)
			}
			for _, call := range sent {
				if call.body != tc.body {
					t.Errorf("a call had %d bytes, want %d", len(call.body), len(tc.body))
				}
			}
			if tc.status == 401 && got.body != tc.refusal {
				t.Errorf("the answer has %d bytes, want the %d of the upstream", len(got.body), len(tc.refusal))
			}
		})
	}
}

// TestStreaming_BothWays passes bodies on while they come, and keeps none in memory.
func TestStreaming_BothWays(t *testing.T) {
	h := newHarness(t)
	const size = 100 << 20
	h.setAnswer(func(w http.ResponseWriter, r *http.Request) { // an echo
		_ = http.NewResponseController(w).EnableFullDuplex()
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		_, _ = io.Copy(w, r.Body)
	})
	var peak atomic.Uint64
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	measure := func() {
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		peak.Store(max(peak.Load(), now.HeapAlloc))
	}
	in, out := io.Pipe()
	go func() {
		chunk := bytes.Repeat([]byte("0123456789abcdef"), 4096)
		for sent := 0; sent < size; sent += len(chunk) {
			if _, err := out.Write(chunk); err != nil {
				return
			}
		}
		_ = out.Close()
	}()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.server.URL+"/graph/"+tenantA+"/stream", in)
	h.must(err)
	r.Header.Set("Authorization", "Bearer "+key)
	answer, err := h.server.Client().Do(r)
	h.must(err)
	defer answer.Body.Close()
	got, buffer := 0, make([]byte, 1<<20)
	for {
		n, err := io.ReadFull(answer.Body, buffer)
		if got += n; got%(10<<20) == 0 {
			measure()
		}
		if err != nil {
			break
		}
	}
	if got != size {
		t.Fatalf("%d bytes came back, want %d", got, size)
	}
	if grown := int64(peak.Load()) - int64(before.HeapAlloc); grown > 16<<20 {
		t.Errorf("the heap grew by %d MiB, want at most 16", grown>>20)
	}
}

// TestBounds_OfBodies ends calls whose bodies are too large or end early.
func TestBounds_OfBodies(t *testing.T) {
	h := newHarness(t, func(h *harness) { h.MaxRequest, h.MaxAnswer = 100_000, 1000 })
	post := func(body string, lines ...string) reply {
		return h.rawBody(http.MethodPost, "/graph/"+tenantA+"/v1.0/users", body, append(lines, bearer)...)
	}
	if got := post("x", "Content-Length: 100001"); !got.ours("body_too_large") || got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("a body that says that it is too large = %d %s", got.status, got.body)
	}
	chunk := fmt.Sprintf("%x\r\n%s\r\n", 60_000, strings.Repeat("x", 60_000))
	if got := post(chunk+chunk+"0\r\n\r\n", "Transfer-Encoding: chunked"); !got.ours("body_too_large") {
		t.Errorf("a body that becomes too large = %d %s", got.status, got.body)
	}
	h.halfClose = true
	for name, lines := range map[string]string{"small": "Content-Length: 10", "large": "Content-Length: 90000", "chunked": "Transfer-Encoding: chunked"} {
		if got := post("3\r\nabc", lines); !got.ours("bad_request") || !strings.Contains(got.body, "ended early") {
			t.Errorf("a %s body that ends early = %d %s, want bad_request", name, got.status, got.body)
		}
	}
	h.halfClose = false
	if sent := h.take(); slices.ContainsFunc(sent, func(r received) bool { return r.header.Get("Content-Length") == "10" }) {
		t.Errorf("a call whose small body ended early was sent")
	}
	h.setAnswer(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 1001)) })
	if got := h.get("/v1.0/users"); !got.ours("microsoft_answer") || !strings.Contains(got.body, "Ask for less at once") {
		t.Errorf("an answer that says that it is too large = %d %s", got.status, got.body)
	}
	for _, size := range []int{100, 2000} { // of what one read may return
		h.setAnswer(func(w http.ResponseWriter, _ *http.Request) {
			for range 20 {
				_, _ = io.WriteString(w, strings.Repeat("x", size))
				_ = http.NewResponseController(w).Flush()
			}
		})
		if got := h.get("/v1.0/users"); got.status != http.StatusOK || len(got.body) > 1000 || !got.cut {
			t.Errorf("an answer that becomes too large by %d bytes = %d with %d bytes, cut %v, want it cut", size, got.status, len(got.body), got.cut)
		}
	}
}

// TestBounds_OfTime ends calls in which nothing moves.
func TestBounds_OfTime(t *testing.T) {
	h := newHarness(t, func(h *harness) { h.Timeout, h.Idle = 300*time.Millisecond, 300*time.Millisecond })
	released := make(chan struct{})
	h.setAnswer(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "half") {
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
		}
		<-released
	})
	defer close(released)
	if got := h.get("/v1.0/hangs"); !got.ours("microsoft_unavailable") || got.header.Get("Retry-After") == "" {
		t.Errorf("an upstream that hangs = %d %s, want microsoft_unavailable", got.status, got.body)
	}
	if got := h.get("/v1.0/half"); got.status != http.StatusOK || got.body != "half" || !got.cut {
		t.Errorf("an answer that stands still = %d %q, want it cut", got.status, got.body)
	}
	if got := h.lastCall(2); got != "billing graph 200 aborted" {
		t.Errorf("the answer that stood still was observed as %q", got)
	}
	if got := h.raw(http.MethodPost, "/graph/"+tenantA+"/v1.0/users", bearer, "Content-Length: 10"); !got.ours("bad_request") || !strings.Contains(got.body, "stood still") {
		t.Errorf("a body that does not come = %d %s, want bad_request", got.status, got.body)
	}
}

// TestBounds_OfRefusedBodies ends the connection of a call that was refused and whose body does not come. Anybody can make one.
func TestBounds_OfRefusedBodies(t *testing.T) {
	h := newHarness(t, func(h *harness) { h.Idle = 50 * time.Millisecond })
	for _, length := range []string{"Content-Length: 10", "Transfer-Encoding: chunked"} {
		connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", h.server.Listener.Addr().String())
		h.must(err)
		t.Cleanup(func() { _ = connection.Close() })
		_, err = io.WriteString(connection, "POST /graph/"+tenantA+"/v1.0/users HTTP/1.1\r\nHost: egress.example\r\n"+length+"\r\n\r\n")
		h.must(err)
		all, err := io.ReadAll(connection) // to the end of the connection
		h.must(err)
		if !strings.HasPrefix(string(all), "HTTP/1.1 401 ") || !strings.Contains(string(all), "key_unknown") {
			t.Errorf("a call with %s and without body was answered %q, want key_unknown", length, all)
		}
	}
}

// TestBounds_EndWithTheirCall calls again on the connection of an earlier call, later than a body may stand still.
func TestBounds_EndWithTheirCall(t *testing.T) {
	h := newHarness(t, func(h *harness) { h.Idle = 50 * time.Millisecond })
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	for _, status := range []int{http.StatusOK, http.StatusNoContent, http.StatusOK} {
		h.setAnswer(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			if status == http.StatusOK {
				_, _ = io.WriteString(w, "upstream")
			}
		})
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.server.URL+"/graph/"+tenantA+"/v1.0/users", strings.NewReader("body"))
		h.must(err)
		r.Header.Set("Authorization", "Bearer "+key)
		answer, err := client.Do(r)
		if err != nil {
			t.Fatalf("a call that is answered with %d = %v", status, err)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		h.must(answer.Body.Close())
		if answer.StatusCode != status {
			t.Errorf("a call that is answered with %d = %d", status, answer.StatusCode)
		}
		<-time.After(2 * h.Idle) // deadlines of connections know no other clock
	}
}

// TestFailures_OfLending answers in our form what the token service refuses, and records nothing, because it has.
func TestFailures_OfLending(t *testing.T) {
	h := newHarness(t)
	h.tokens.err = failure.New(failure.GrantAbsent)
	if got := h.get("/v1.0/me"); !got.ours("grant_absent") || got.header.Get("Retry-After") != "" {
		t.Errorf("a call without a grant = %d %s, want grant_absent", got.status, got.body)
	}
	h.tokens.err = failure.New(failure.MicrosoftThrottled)
	if got := h.get("/v1.0/me"); !got.ours("microsoft_throttled") || got.header.Get("Retry-After") != "30" || strings.Contains(got.body, "retry automatically") {
		t.Errorf("a throttled call = %d %s, Retry-After %q, want microsoft_throttled", got.status, got.body, got.header.Get("Retry-After"))
	}
	tooMany := failure.New(failure.TooManyRequests)
	tooMany.RetryAfter = 8 * time.Second
	h.tokens.err = tooMany
	if got := h.get("/v1.0/me"); !got.ours("too_many_requests") || got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") != "8" {
		t.Errorf("one call too many = %d %s, Retry-After %q, want 429 in our form", got.status, got.body, got.header.Get("Retry-After"))
	}
	if got := h.takeRefused(); got != "" {
		t.Errorf("refusals = %s, want none", got)
	}
	if got := h.lastCall(2); got != "billing graph 0 microsoft_throttled" {
		t.Errorf("the call was observed as %q", got)
	}
}

// TestFailures_OfTheUpstream answers in our form when there is no answer.
func TestFailures_OfTheUpstream(t *testing.T) {
	h := newHarness(t)
	h.upstream.Close()
	if got := h.get("/v1.0/c4n4ry-path?c4n4ry-query"); !got.ours("microsoft_unavailable") || got.status != http.StatusBadGateway {
		t.Errorf("an upstream that is down = %d %s, want microsoft_unavailable", got.status, got.body)
	}
	if got := h.raw(http.MethodPost, "/graph/"+tenantA+"/v1.0/users", bearer, "Content-Length: 0"); !strings.Contains(got.body, "find out first whether it did") || strings.Contains(got.body, "retry automatically") {
		t.Errorf("POST to an upstream that is down = %s, want the advice of a call that nobody repeats", got.body)
	}
	if got := h.raw(http.MethodHead, "/graph/"+tenantA+"/v1.0/me", bearer); got.header.Get("X-Connector-Failure") != "microsoft_unavailable" || got.body != "" {
		t.Errorf("HEAD = %d %q, want a refusal without a body", got.status, got.body)
	}
}

// TestTransport_Unencrypted refuses a key that others could have read.
func TestTransport_Unencrypted(t *testing.T) {
	h := newHarness(t)
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "/graph/"+tenantA+"/v1.0/me", nil)
	h.must(err)
	r.Header.Set("Authorization", "Bearer "+key)
	r.RemoteAddr, r.RequestURI = "198.51.100.9:1234", r.URL.Path
	w := newRecorder()
	h.server.Config.Handler.ServeHTTP(w, r)
	if w.header.Get("X-Connector-Failure") != "transport_insecure" || w.status != http.StatusForbidden {
		t.Errorf("an unencrypted call = %d, want transport_insecure", w.status)
	}
}

// TestTransport_Certificates recognises a client by the certificate of its connection, when it sends no key.
func TestTransport_Certificates(t *testing.T) {
	h := newHarness(t)
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "/graph/"+tenantA+"/v1.0/me", nil)
	h.must(err)
	r.RemoteAddr, r.RequestURI = "198.51.100.9:1234", r.URL.Path
	for name, tc := range map[string]struct {
		certificate, key string
		want             int
	}{
		"its certificate":               {"billing", "", http.StatusOK},
		"another certificate":           {"attacker", "", http.StatusUnauthorized},
		"a wrong key and a certificate": {"billing", "Bearer apck_x", http.StatusUnauthorized},
		"none":                          {"", "", http.StatusUnauthorized},
	} {
		r.TLS = &tls.ConnectionState{}
		if tc.certificate != "" {
			r.TLS.PeerCertificates = []*x509.Certificate{{Subject: pkix.Name{CommonName: tc.certificate}}}
		}
		r.Header = http.Header{}
		if tc.key != "" {
			r.Header.Set("Authorization", tc.key)
		}
		w := newRecorder()
		h.server.Config.Handler.ServeHTTP(w, r)
		if w.status != tc.want {
			t.Errorf("%s = %d, want %d", name, w.status, tc.want)
		}
	}
}

// A recorder is a connection that cannot do anything but write.
type recorder struct {
	header http.Header
	status int
	bytes.Buffer
}

func newRecorder() *recorder               { return &recorder{header: http.Header{}} }
func (w *recorder) Header() http.Header    { return w.header }
func (w *recorder) WriteHeader(status int) { w.status = status }

// TestTransport_LeavesBodiesAlone makes sure that the maker of transports neither compresses nor follows.
func TestTransport_LeavesBodiesAlone(t *testing.T) {
	transport, err := httpclient.Transport(httpclient.Config{})
	if err != nil || !transport.DisableCompression {
		t.Errorf("Transport() = %+v, %v, want one that does not decompress", transport, err)
	}
}
