package main_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// grace is how long requests and renewals may take to finish.
const grace = 30 * time.Second

// configured writes a complete configuration and its keys.
func (c *terminal) configured() (file string) {
	c.Helper()
	c.check("keys create", c.run("keys", "create", "connector.keys"), 0)
	return c.write("connector.yaml", `
hooks: {listen: "127.0.0.1:0", publicURL: https://connector.example.com/aps}
onboarding: {listen: "127.0.0.1:0", publicURL: https://onboarding.example.com}
private: {listen: "127.0.0.1:0"}
database: {path: connector.db}
keys: {file: connector.keys}
instances: [{key: key-1, secret: `+c.hide()+`}]
log: {level: debug}
shutdown: {grace: `+grace.String()+`}
`)
}

// A process is a running connector.
type process struct {
	*terminal
	command   *exec.Cmd
	records   chan string // of its log, closed at its end
	log       strings.Builder
	listeners map[string]string // listener → address
}

// serve starts the connector and waits until it listens everywhere.
func (c *terminal) serve(args ...string) *process {
	c.Helper()
	return c.start(c.command(append([]string{"serve"}, args...)...))
}

// start starts a command that serves, and waits until it listens everywhere.
func (c *terminal) start(command *exec.Cmd) *process {
	c.Helper()
	s := &process{terminal: c, command: command, records: make(chan string, 10_000), listeners: map[string]string{}}
	stderr, err := s.command.StderrPipe()
	c.must(err)
	c.must(s.command.Start())
	go func() {
		defer close(s.records)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			s.records <- lines.Text()
		}
	}()
	for len(s.listeners) < 3 {
		record, more := s.next()
		if !more {
			c.Fatalf("connector serve ended before it listened everywhere:\n%s", s.log.String())
		}
		if record.Msg == "listening" {
			s.listeners[record.Listener] = record.Address
		}
	}
	return s
}

type record struct{ Level, Msg, Listener, Address string }

// await reads the log up to the record with a message.
func (s *process) await(message string) record {
	s.Helper()
	for {
		r, more := s.next()
		if !more {
			s.Fatalf("connector serve ended without logging %q:\n%s", message, s.log.String())
		}
		if r.Msg == message {
			return r
		}
	}
}

// next returns the next record of the log; ok is false at its end.
func (s *process) next() (r record, ok bool) {
	s.Helper()
	line, more := <-s.records
	if !more {
		return record{}, false
	}
	s.log.WriteString(line + "\n")
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		s.Errorf("the log contains %q, want JSON", line)
	}
	return r, true
}

// end stops the connector with a signal and returns its exit code. It kills a connector that exceeds its grace; the
// exit code is not 0 then.
func (s *process) end(signal syscall.Signal) int {
	s.Helper()
	s.must(s.command.Process.Signal(signal))
	killing := time.AfterFunc(grace, func() { _ = s.command.Process.Kill() })
	defer killing.Stop()
	for more := true; more; _, more = s.next() {
	}
	_ = s.command.Wait() // the exit code has the result
	s.checkSecrets(s.log.String())
	return s.command.ProcessState.ExitCode()
}

// get returns the status of a page on a listener.
func (s *process) get(listener, path string) int {
	s.Helper()
	status, _ := s.page(listener, path)
	return status
}

// page returns the status and the content of a page on a listener. It uses a connection of its own.
func (s *process) page(listener, path string) (status int, content string) {
	s.Helper()
	request, err := http.NewRequestWithContext(s.Context(), http.MethodGet, "http://"+s.listeners[listener]+path, nil)
	s.must(err)
	answer, err := (&http.Client{Timeout: commandTimeout, Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	s.must(err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	s.must(err)
	return answer.StatusCode, string(text)
}

func TestServe_StopsOnSignal(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			c := newTerminal(t)
			s := c.serve("--config", c.configured())
			for _, page := range []struct {
				listener, path string
				want           int
			}{
				{"private", "/healthz", http.StatusOK},
				{"private", "/readyz", http.StatusOK},
				{"private", "/metrics", http.StatusOK},
				{"hooks", "/aps/", http.StatusOK},
				{"hooks", "/aps/app", http.StatusUnauthorized},
				{"onboarding", "/consent/nobody", http.StatusNotFound},
				{"onboarding", "/healthz", http.StatusNotFound},
			} {
				if got := s.get(page.listener, page.path); got != page.want {
					t.Errorf("GET %s on the listener %s = %d, want %d", page.path, page.listener, got, page.want)
				}
			}
			if code := s.end(signal); code != 0 {
				t.Errorf("connector serve ended with the exit code %d, want 0:\n%s", code, s.log.String())
			}
			lines := strings.Split(strings.TrimSpace(s.log.String()), "\n")
			if last := lines[len(lines)-1]; !strings.Contains(last, `"msg":"connector stopped"`) || strings.Contains(last, `"err"`) {
				t.Errorf("the last line of the log is %s, want that it stopped, without an error", last)
			}
		})
	}
}

func TestServe_RefusesToStart(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(c *terminal, file string) (args []string)
		want  string
	}{
		"no configuration": {func(*terminal, string) []string { return nil }, "hooks.publicURL"},
		"no keys": {func(c *terminal, file string) []string {
			c.environ = append(c.environ, "CONNECTOR_KEYS__FILE=nowhere.keys")
			return []string{"--config", file}
		}, "nowhere.keys: no such file or directory; restore it from a copy"},
		"address is taken": {func(c *terminal, file string) []string {
			other := newTerminal(c.T)
			s := other.serve("--config", other.configured())
			c.Cleanup(func() { s.end(syscall.SIGTERM) })
			c.environ = append(c.environ, "CONNECTOR_HOOKS__LISTEN="+s.listeners["hooks"])
			return []string{"--config", file}
		}, "address already in use; set hooks.listen"},
		"database is a folder": {func(c *terminal, file string) []string {
			c.environ = append(c.environ, "CONNECTOR_DATABASE__PATH=.")
			return []string{"--config", file}
		}, "database"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTerminal(t)
			args := tc.spoil(c, c.configured())
			c.check("serve", c.run(append([]string{"serve"}, args...)...), 1, tc.want)
		})
	}
}
