package main_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// descriptors is a low limit of the operating system, and idle are more connections than that.
const descriptors, idle = 256, 260

var openDescriptors = regexp.MustCompile(`(?m)^process_open_fds (\d+)$`)

// serveWith starts the connector with a limit of file descriptors.
func (c *terminal) serveWith(limit int, args ...string) *process {
	c.Helper()
	command := c.command(append([]string{"serve"}, args...)...)
	command.Args = append([]string{"sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, limit), command.Path}, command.Args[1:]...)
	command.Path = "/bin/sh"
	return c.start(command)
}

// occupy opens idle connections to a listener, as browsers keep them after their first request.
func (s *process) occupy(listener string) {
	s.Helper()
	for range idle {
		conn, err := new(net.Dialer).DialContext(s.Context(), "tcp", s.listeners[listener])
		s.must(err)
		s.Cleanup(func() { conn.Close() })
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: onboarding.example.com\r\n\r\n") // it may be closed already
	}
}

// TestServe_OneListenerDoesNotStarveTheOthers opens more connections to the public listener than the process may have
// file descriptors: the other listeners serve, and descriptors remain for the database and for calls out.
func TestServe_OneListenerDoesNotStarveTheOthers(t *testing.T) {
	for name, tc := range map[string]struct {
		proxies string
		most    int // connections
		log     string
	}{
		"one client":      {"", 32, "closing connections of a client that has too many: if it is a proxy, list it in trustedProxies"},
		"a trusted proxy": {"127.0.0.0/8", descriptors / 2 / 3, "listener is full: further connections wait"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTerminal(t)
			c.environ = append(c.environ, "CONNECTOR_ONBOARDING__TRUSTEDPROXIES="+tc.proxies, "CONNECTOR_ONBOARDING__CONNECTIONS__IDLE=1h")
			s := c.serveWith(descriptors, "--config", c.configured())
			s.occupy("onboarding")
			s.await(tc.log)
			for _, page := range []struct {
				listener, path string
				want           int
			}{
				{"hooks", "/aps/", http.StatusOK},
				{"hooks", "/aps/app", http.StatusUnauthorized},
				{"private", "/readyz", http.StatusOK},
			} {
				if got := s.get(page.listener, page.path); got != page.want {
					t.Errorf("GET %s of %s beside %d idle connections = %d, want %d", page.path, page.listener, idle, got, page.want)
				}
			}
			_, metrics := s.page("private", "/metrics")
			if want := fmt.Sprintf("connector_connections{listener=\"onboarding\"} %d\n", tc.most); !strings.Contains(metrics, want) {
				t.Errorf("the metrics lack %s", want)
			}
			for _, want := range []string{
				"connector_requests_total{listener=\"hooks\",status=\"401\"} 1\n", "connector_requests_total{listener=\"hooks\",status=\"429\"} 0\n",
				"connector_requests_total{listener=\"private\",status=\"200\"} 1\n", "connector_limited_total{limit=\"consents\"} 0\n",
				"connector_claims_refused_total{result=\"claim_wrong\"} 0\n", "connector_connections_refused_total{listener=\"hooks\",reason=\"client\"} 0\n",
				"connector_actions_total{action=\"grant.renewed\",kind=\"\",result=\"ok\"} 0\n",
			} {
				if !strings.Contains(metrics, want) {
					t.Errorf("the metrics lack %s", want)
				}
			}
			if m := openDescriptors.FindStringSubmatch(metrics); m == nil {
				t.Error("the metrics lack process_open_fds")
			} else if open, err := strconv.Atoi(m[1]); err != nil || open > descriptors*3/4 {
				t.Errorf("%d of %d file descriptors are open, want at least a quarter left", open, descriptors)
			}
			if code := s.end(syscall.SIGTERM); code != 0 {
				t.Errorf("connector serve ended with the exit code %d, want 0:\n%s", code, s.log.String())
			}
		})
	}
}
