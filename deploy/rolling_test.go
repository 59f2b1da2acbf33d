//go:build rolling

package deploy_test

import (
	"bytes"
	"crypto/tls"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// TestRolling_NoCallFails restarts two replicas, one after the other, three times, behind each shipped sample of a proxy and
// under load, and counts the answers that are not the connector's.
func TestRolling_NoCallFails(t *testing.T) {
	d := newRolling(t)
	eachSample(t, func(t *testing.T, s sample) {
		at := addresses(t)
		var replicas []*replica
		for i, a := range at {
			r := d.replica(t, fmt.Sprintf("%s-%d", s.file, i+1), a)
			r.start()
			replicas = append(replicas, r)
		}
		p := newProxy(t, s, at, unchanged)
		p.start()
		l := startLoad(t, p.address)
		for range 3 {
			for _, r := range replicas {
				r.stop()
				r.start()
				time.Sleep(noticed)
			}
		}
		calls, failed := l.end()
		t.Logf("%d calls, %d failed: %v", calls, len(failed), failed[:min(len(failed), 10)])
		if len(failed) > 0 || calls < 500 {
			t.Errorf("%d of %d calls failed, want none of 500 or more", len(failed), calls)
		}
	})
}

// A rolling has what all replicas share.
type rolling struct{ folder, binary, dsn string }

func newRolling(t *testing.T) *rolling {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	d := &rolling{folder: t.TempDir()}
	d.binary = filepath.Join(d.folder, "connector")
	build := exec.Command("go", "build", "-o", d.binary, "./connector")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cfg, err := mysql.ParseDSN(os.Getenv("TEST_MYSQL_DSN"))
	must(err)
	pool, err := sql.Open("mysql", cfg.FormatDSN())
	must(err)
	defer pool.Close()
	cfg.DBName = fmt.Sprintf("rolling_%d", os.Getpid())
	_, err = pool.Exec("CREATE DATABASE " + cfg.DBName + " CHARACTER SET utf8mb4")
	must(err)
	d.dsn = cfg.FormatDSN()
	if out, err := exec.Command(d.binary, "keys", "create", d.keys()).CombinedOutput(); err != nil {
		t.Fatalf("connector keys create: %v\n%s", err, out)
	}
	return d
}

func (d *rolling) keys() string { return filepath.Join(d.folder, "keys.json") }

// A replica is one connector at addresses of its own.
type replica struct {
	*testing.T
	*rolling
	config string
	at     listeners

	process *exec.Cmd
	ended   chan error // has what the process ended with
	log     bytes.Buffer
}

func (d *rolling) replica(t *testing.T, name string, at listeners) *replica {
	t.Helper()
	r := &replica{T: t, rolling: d, config: filepath.Join(d.folder, name+".yaml"), at: at}
	if err := os.WriteFile(r.config, fmt.Appendf(nil, `hooks: {listen: %q, publicURL: "https://connector.example.com/aps", trustedProxies: [127.0.0.1]}
onboarding: {listen: %q, publicURL: "https://onboarding.example.com", trustedProxies: [127.0.0.1]}
private: {listen: %q}
database: {driver: mysql, dsn: %q}
keys: {file: %q}
instances: [{key: key-1, secret: "a-secret-of-the-rolling-restart-0123456789"}]
shutdown: {drain: 5s}
`, at.hooks, at.onboarding, at.private, d.dsn, d.keys()), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if r.process != nil {
			_ = r.process.Process.Kill()
			<-r.ended
		}
	})
	return r
}

// noticed is how long the guide has an operator wait before the next replica is stopped: a proxy asks who is ready every second.
const noticed = 2 * time.Second

// start starts the replica and waits until it is ready.
func (r *replica) start() {
	r.Helper()
	process := exec.Command(r.binary, "serve", "--config", r.config)
	process.Stderr = &r.log
	if err := process.Start(); err != nil {
		r.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- process.Wait() }()
	r.process, r.ended = process, ended
	deadline := time.Now().Add(time.Minute)
	for {
		answer, err := http.Get("http://" + r.at.private + "/readyz")
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case err := <-ended:
			r.process = nil
			r.Fatalf("a replica ended: %v\n%s", err, r.log.String())
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			r.Fatalf("a replica does not become ready: %v", err)
		}
	}
}

// stop stops the replica as systemd, Docker and Kubernetes do.
func (r *replica) stop() {
	r.Helper()
	if err := r.process.Process.Signal(syscall.SIGTERM); err != nil {
		r.Fatal(err)
	}
	err := <-r.ended
	r.process = nil
	if err != nil {
		r.Fatalf("a replica ended with %v\n%s", err, r.log.String())
	}
}

// A load calls the hooks from several clients until it ends. A call that the connector refuses has been answered.
type load struct {
	stop    chan struct{}
	stopped sync.Once // closes stop
	calling sync.WaitGroup
	calls   atomic.Int64
	mu      sync.Mutex // guards failed
	failed  []string
}

func startLoad(t *testing.T, address string) *load {
	l := &load{stop: make(chan struct{})}
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: hooksHost}, MaxIdleConnsPerHost: 16,
	}}
	t.Cleanup(func() {
		l.end()
		client.CloseIdleConnections()
	})
	for i := range 8 {
		l.calling.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				default:
				}
				method, path, want := http.MethodGet, "/aps/", http.StatusOK
				if i%2 == 0 { // without a signature
					method, path, want = http.MethodPost, "/aps/tenant", http.StatusUnauthorized
				}
				l.call(t, client, method, "https://"+address+path, want)
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	return l
}

func (l *load) call(t *testing.T, client *http.Client, method, url string, want int) {
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader("{}"))
	if err != nil {
		l.fail(err.Error())
		return
	}
	request.Host = hooksHost
	l.calls.Add(1)
	answer, err := client.Do(request)
	if err != nil {
		l.fail(err.Error())
		return
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		l.fail(err.Error())
	} else if answer.StatusCode != want {
		l.fail(fmt.Sprintf("%s %s = %d", method, url, answer.StatusCode))
	}
}

func (l *load) fail(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = append(l.failed, text)
}

func (l *load) end() (calls int64, failed []string) {
	l.stopped.Do(func() { close(l.stop) })
	l.calling.Wait()
	return l.calls.Load(), l.failed
}
