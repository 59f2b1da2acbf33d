package deploy_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"azure-partner-connector/connector/peer"
)

// An arrival is one request as a replica reads it.
type arrival struct {
	replica, listener  string
	host, target, body string
	connection         string // the address of the proxy's end
	client             netip.Addr
	secure             bool
	header             http.Header
}

// A standIn stands in for a replica: it accepts whatever arrives, and remembers it.
type standIn struct {
	*testing.T
	at      listeners
	asked   bool // by the proxy, whether it is ready
	servers []*http.Server

	mu       sync.Mutex // guards the rest
	arrived  []arrival
	stopping bool
	answers  int // to probes, since it began or ceased to be ready
}

// start listens, and returns once the proxy knows it.
func (s *standIn) start() {
	s.Helper()
	s.readyIs(true)
	s.listen(s.at.private, func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.answers++; s.stopping || r.URL.Path != "/readyz" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	// Forwarded headers are read as the connector does.
	reader := peer.Reader{Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
	for name, address := range map[string]string{"hooks": s.at.hooks, "onboarding": s.at.onboarding} {
		s.listen(address, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return // it did not arrive
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.arrived = append(s.arrived, arrival{address, name, r.Host, r.RequestURI, string(body), r.RemoteAddr, reader.Of(r), reader.Secure(r), r.Header.Clone()})
			w.Header().Set("Location", "https://"+onboardingHost+"/consent/canary-of-an-answer")
			w.WriteHeader(http.StatusAccepted)
		})
	}
}

func (s *standIn) listen(address string, handler http.HandlerFunc) {
	s.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		s.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	s.servers = append(s.servers, server)
	go func() { _ = server.Serve(listener) }()
}

// stop says that the replica stops, serves until the proxy knows that, and closes the listeners.
func (s *standIn) stop() {
	s.Helper()
	s.readyIs(false)
	s.awaitAnswers()
	s.kill()
}

// kill closes the listeners.
func (s *standIn) kill() {
	for _, server := range s.servers {
		_ = server.Shutdown(context.Background())
	}
	s.servers = nil
}

func (s *standIn) readyIs(ready bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping, s.answers = !ready, 0
}

// awaitAnswers waits until the proxy, if it asks, has been answered so often that it has taken the first answer into account, for
// the hooks and for the onboarding pages.
func (s *standIn) awaitAnswers() {
	for s.asked {
		s.mu.Lock()
		enough := s.answers >= 6
		s.mu.Unlock()
		if enough {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// A scene is a proxy in front of two replicas.
type scene struct {
	*proxy
	replicas [2]*standIn
	end      func() // of the proxy
}

// newScene starts a sample. changed changes its text before.
func newScene(t *testing.T, s sample, changed func(string) string) *scene {
	t.Helper()
	sc := &scene{}
	at := addresses(t)
	for i := range at {
		sc.replicas[i] = &standIn{T: t, at: at[i], asked: s.asks}
		sc.replicas[i].start()
		t.Cleanup(sc.replicas[i].kill)
	}
	sc.proxy = newProxy(t, s, at, func(text string) string {
		return changed(strings.NewReplacer("health_interval 1s", "health_interval 100ms", "lb_try_duration 5s", "lb_try_duration 500ms").Replace(text))
	})
	sc.end = sc.proxy.start()
	return sc
}

func unchanged(text string) string { return text }

// arrivals returns what has arrived since the last call.
func (s *scene) arrivals() (all []arrival) {
	for _, r := range s.replicas {
		r.mu.Lock()
		all, r.arrived = append(all, r.arrived...), nil
		r.mu.Unlock()
	}
	return all
}

// send sends a request from an address of this machine exactly as it is written, and returns the status.
func (s *scene) send(from, host, method, target, body string, header ...string) int {
	s.Helper()
	dialer := tls.Dialer{
		NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}},
		Config:    &tls.Config{InsecureSkipVerify: true, ServerName: strings.Replace(host, otherHost, hooksHost, 1)},
	}
	conn, err := dialer.DialContext(s.Context(), "tcp", s.address)
	s.must(err)
	defer conn.Close()
	lines := append([]string{method + " " + target + " HTTP/1.1", "Host: " + host, "Connection: close", fmt.Sprintf("Content-Length: %d", len(body))}, header...)
	_, sent := io.WriteString(conn, strings.Join(lines, "\r\n")+"\r\n\r\n"+body) // a proxy may answer before it has read everything
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		s.Fatal(errors.Join(sent, err))
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	s.must(err)
	return answer.StatusCode
}

// otherHost is a name that no sample serves. A client names it only once TLS stands.
const otherHost = "other.example.com"

// client is where requests come from. The proxy has another address, which the replicas trust.
const client = "127.0.0.2"

func eachSample(t *testing.T, test func(t *testing.T, s sample)) {
	for name, s := range samples() {
		t.Run(name, func(t *testing.T) { test(t, s) })
	}
}

// TestProxy_InteropPassesOnWhatWasSigned sends addresses as a platform may sign them.
func TestProxy_InteropPassesOnWhatWasSigned(t *testing.T) {
	eachSample(t, func(t *testing.T, sample sample) {
		s := newScene(t, sample, unchanged)
		const body, signature = `{"a":1}`, `OAuth oauth_signature="a%2Bb%3D"`
		for _, target := range []string{
			"/aps", "/aps/", "/aps/tenant?limit(0,50)&sort(+name)", "/aps/tenant/a%2Fb?x=1&x=2&y", "/aps/a%20b%7E?q=%C3%BC+%2B", "/aps//tenant", "/aps/tenant/?a=b;c&=",
		} {
			status := s.send(client, hooksHost, http.MethodPost, target, body, "Authorization: "+signature, "APS-Token: abc")
			got := s.arrivals()
			if status != http.StatusAccepted || len(got) != 1 || got[0].listener != "hooks" || got[0].target != target || got[0].body != body {
				t.Errorf("POST %s = %d, arrived as %+v, want it unchanged at the hooks", target, status, got)
			} else if h := got[0].header; h.Get("Authorization") != signature || h.Get("APS-Token") != "abc" || got[0].host != hooksHost {
				t.Errorf("POST %s arrived for %s with %v", target, got[0].host, h)
			}
		}
	})
}

// TestProxy_InteropPassesOnCallsOfClients adds to each sample what the guide shows for the token API and the egress. The stand-ins for
// replicas listen for hooks and onboarding pages, and take their places.
func TestProxy_InteropPassesOnCallsOfClients(t *testing.T) {
	for name, add := range map[string]func(text, shown string) string{
		"nginx": func(text, shown string) string {
			return strings.TrimSuffix(strings.TrimSpace(text), "}") + shown + "}\n"
		},
		"Caddy": func(text, shown string) string { return text + "\n" + shown },
		"HAProxy": func(text, shown string) string {
			return strings.Replace(text, "\nbackend nobody\n", "\n"+shown+"backend nobody\n", 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			shown := regexp.MustCompile("(?s)```" + strings.ToLower(name) + "\n(.*?)```").FindStringSubmatch(read(t, "docs/guides/proxy.md"))
			if shown == nil {
				t.Fatal("the guide shows nothing")
			}
			s := newScene(t, samples()[name], func(text string) string {
				return add(text, strings.NewReplacer(":8082", ":8080", ":8083", ":8081").Replace(shown[1]))
			})
			s.passesOnCallsOfClients()
		})
	}
}

func (s *scene) passesOnCallsOfClients() {
	for host, listener := range map[string]string{"tokens.example.com": "hooks", "egress.example.com": "onboarding"} {
		const target, key = "/graph/a%2Fb/v1.0/users?$filter=a%20eq%20'b'&$top=5", "Bearer apck_key"
		body := "grant_type=client_credentials"
		if listener == "onboarding" { // more than the sample reads elsewhere
			body = strings.Repeat("x", 5<<20)
		}
		status := s.send(client, host, http.MethodPost, target, body, "Authorization: "+key, "X-Forwarded-Proto: http", "X-Forwarded-For: 203.0.113.5")
		got := s.arrivals()
		if status != http.StatusAccepted || len(got) != 1 || got[0].listener != listener || got[0].target != target || got[0].body != body {
			s.Errorf("POST %s to %s = %d, arrived %d times, want it once, unchanged", target, host, status, len(got))
			continue
		}
		if h := got[0].header; h.Get("Authorization") != key || !got[0].secure || got[0].client.String() != client {
			s.Errorf("a call to %s arrived from %s, secure %v, with %v", host, got[0].client, got[0].secure, h)
		}
	}
}

// TestProxy_InteropNamesTheClient sends headers with which a client lies about itself.
func TestProxy_InteropNamesTheClient(t *testing.T) {
	eachSample(t, func(t *testing.T, sample sample) {
		s := newScene(t, sample, unchanged)
		for _, host := range []string{hooksHost, onboardingHost} {
			s.send(client, host, http.MethodGet, "/aps/", "", "X-Forwarded-For: 203.0.113.5", "X-Forwarded-For: 203.0.113.6", "Forwarded: for=203.0.113.7;proto=http",
				"X-Forwarded-Proto: http", "X-Forwarded-Proto: ftp", "X-Forwarded-Host: attacker.example")
			got := s.arrivals()
			if len(got) != 1 || got[0].client.String() != client || !got[0].secure {
				t.Fatalf("a request to %s from %s arrived as %+v", host, client, got)
			}
			h := got[0].header
			if hosts := h.Values("X-Forwarded-Host"); len(hosts) != 1 || hosts[0] != host {
				t.Errorf("X-Forwarded-Host is %q, want %s", hosts, host)
			}
			if h.Values("Forwarded") != nil || strings.Contains(strings.Join(h.Values("X-Forwarded-For"), ","), "203.0.113") {
				t.Errorf("what the client said arrived: %v", h)
			}
		}
	})
}

// TestProxy_InteropServesNothingElse asks for what is not meant for others, and sends more than the connector reads.
func TestProxy_InteropServesNothingElse(t *testing.T) {
	eachSample(t, func(t *testing.T, sample sample) {
		s := newScene(t, sample, unchanged)
		for _, target := range []string{"/", "/metrics", "/healthz", "/readyz", "/apsx", "/aps/../metrics", "/consent/abc"} {
			if status := s.send(client, hooksHost, http.MethodGet, target, ""); status < 400 || status >= 500 {
				t.Errorf("GET %s of the hooks = %d, want a refusal", target, status)
			}
		}
		if status := s.send(client, hooksHost, http.MethodPost, "/aps/tenant", strings.Repeat("x", 1<<20+1)); status < 400 {
			t.Errorf("POST of more than 1 MiB to the hooks = %d, want a refusal", status)
		}
		if status := s.send(client, onboardingHost, http.MethodPost, "/claim", strings.Repeat("x", 64<<10+1)); status < 400 {
			t.Errorf("POST of more than 64 KiB to the onboarding pages = %d, want a refusal", status)
		}
		s.send(client, otherHost, http.MethodGet, "/consent/abc", "")
		for _, got := range s.arrivals() {
			t.Errorf("%s of %d bytes arrived at the %s", got.target, len(got.body), got.listener)
		}
	})
}

// TestProxy_InteropAdmitsOnlyThePlatform turns on the rule that the samples propose for the hooks.
func TestProxy_InteropAdmitsOnlyThePlatform(t *testing.T) {
	const platform = "127.0.0.3"
	proposed := regexp.MustCompile(`# (.*)192\.0\.2\.10`)
	eachSample(t, func(t *testing.T, sample sample) {
		s := newScene(t, sample, func(text string) string {
			if len(proposed.FindAllString(text, -1)) != 1 {
				t.Fatalf("%s does not propose one rule", sample.file)
			}
			return proposed.ReplaceAllString(text, "${1}"+platform)
		})
		for from, times := range map[string]int{platform: 1, client: 0} {
			s.send(from, hooksHost, http.MethodGet, "/aps/", "", "X-Forwarded-For: "+platform)
			if got := s.arrivals(); len(got) != times {
				t.Errorf("a request from %s arrived %d times, want %d", from, len(got), times)
			}
		}
		if status := s.send(client, onboardingHost, http.MethodGet, "/", ""); status != http.StatusAccepted {
			t.Errorf("the onboarding pages answer %d, want that everyone reaches them", status)
		}
	})
}

// TestProxy_InteropLosesNoCallWhileReplicasRestart stops one replica after the other. One that is back must be used at once, although
// the proxy has just been refused by it: the other one stops then.
func TestProxy_InteropLosesNoCallWhileReplicasRestart(t *testing.T) {
	eachSample(t, func(t *testing.T, sample sample) {
		s := newScene(t, sample, unchanged)
		for turn := range 2 {
			for i, r := range s.replicas {
				r.stop()
				for n := range 10 {
					for _, method := range []string{http.MethodGet, http.MethodPost} {
						body := fmt.Sprintf(`{"call":"%d, %d, %d"}`, turn, i, n)
						status := s.send(client, hooksHost, method, "/aps/tenant", body)
						if got := s.arrivals(); status != http.StatusAccepted || len(got) != 1 || got[0].body != body {
							t.Errorf("%s while replica %d is stopped = %d, arrived as %+v, want it once and whole", method, i+1, status, got)
						}
					}
				}
				r.start()
				r.awaitAnswers()
			}
		}
		used := map[string]bool{}
		both := func() bool { return used[s.upstream[0].hooks] && used[s.upstream[1].hooks] }
		for n := 0; n < 64 && !both(); n++ { // a proxy may choose at random
			s.send(client, hooksHost, http.MethodGet, "/aps/", "")
			got := s.arrivals()
			if len(got) != 1 || used[got[0].connection] {
				t.Fatalf("arrived as %+v, want it on a connection of its own", got)
			}
			used[got[0].connection], used[got[0].replica] = true, true
		}
		if !both() {
			t.Errorf("64 requests used %v, want both replicas", used)
		}
	})
}

// TestProxy_InteropFindsTheOtherReplicaForEachOfManyCalls sends calls side by side while one replica says that it stops, and is still
// there. Whoever chooses replicas in turn for all calls together may find none for one of them.
func TestProxy_InteropFindsTheOtherReplicaForEachOfManyCalls(t *testing.T) {
	eachSample(t, func(t *testing.T, sample sample) {
		s := newScene(t, sample, unchanged)
		s.replicas[0].readyIs(false)
		s.replicas[0].awaitAnswers()
		var calls sync.WaitGroup
		for range 8 {
			calls.Go(func() {
				transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: hooksHost}}
				defer transport.CloseIdleConnections()
				for range 500 {
					request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+s.address+"/aps/tenant", strings.NewReader("{}"))
					if err != nil {
						t.Error(err)
						return
					}
					request.Host = hooksHost
					answer, err := transport.RoundTrip(request)
					if err != nil {
						t.Error(err)
						return
					}
					_ = answer.Body.Close()
					if answer.StatusCode != http.StatusAccepted {
						t.Errorf("POST = %d while one replica of two is ready", answer.StatusCode)
						return
					}
				}
			})
		}
		calls.Wait()
	})
}

// TestProxy_InteropLogsNoSecret looks for what addresses of the onboarding pages contain in all that the proxy logs, also when it
// reaches no replica.
func TestProxy_InteropLogsNoSecret(t *testing.T) {
	eachSample(t, func(t *testing.T, sample sample) {
		s := newScene(t, sample, unchanged)
		visit := func() {
			for _, target := range []string{"/callback?code=canary-code&state=canary-state", "/consent/canary-link", "/tenants/consent/canary-link?canary"} {
				s.send(client, onboardingHost, http.MethodGet, target, "", "Referer: https://"+onboardingHost+"/consent/canary-before", "Authorization: canary-key")
			}
			s.send(client, hooksHost, http.MethodGet, "/aps/tenant", "", "Authorization: canary-signature")
		}
		visit()
		for _, r := range s.replicas {
			r.kill()
		}
		visit()
		s.end()
		logged := s.logged()
		if !strings.Contains(logged, "/callback") || !strings.Contains(logged, "/consent/-") {
			t.Errorf("the log has no records of the onboarding pages:\n%s", logged)
		}
		if at := strings.Index(logged, "canary"); at >= 0 {
			t.Errorf("the log has a secret: …%s", logged[max(0, at-200):min(len(logged), at+40)])
		}
	})
}
