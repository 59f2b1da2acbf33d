//go:build rolling

package deploy_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
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

// TestRolling_NoCallFails restarts two replicas, one after the other, three times, behind the shipped sample of nginx and
// under load, and counts the answers that are not the connector's.
func TestRolling_NoCallFails(t *testing.T) {
	d := newRolling(t)
	replicas := []*replica{d.replica("connector-1"), d.replica("connector-2")}
	for _, r := range replicas {
		r.start()
	}
	address := d.nginx(replicas)
	l := startLoad(t, address)
	for range 3 {
		for _, r := range replicas {
			r.stop()
			r.start()
		}
	}
	calls, failed := l.end()
	t.Logf("%d calls, %d failed: %v", calls, len(failed), failed)
	if len(failed) > 0 || calls < 500 {
		t.Errorf("%d of %d calls failed", len(failed), calls)
	}
}

type rolling struct {
	*testing.T
	folder, binary, dsn string
}

func newRolling(t *testing.T) *rolling {
	d := &rolling{T: t, folder: t.TempDir()}
	d.binary = filepath.Join(d.folder, "connector")
	build := exec.Command("go", "build", "-o", d.binary, "./connector")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cfg, err := mysql.ParseDSN(os.Getenv("TEST_MYSQL_DSN"))
	d.must(err)
	pool, err := sql.Open("mysql", cfg.FormatDSN())
	d.must(err)
	defer pool.Close()
	cfg.DBName = fmt.Sprintf("rolling_%d", os.Getpid())
	_, err = pool.Exec("CREATE DATABASE " + cfg.DBName + " CHARACTER SET utf8mb4")
	d.must(err)
	d.dsn = cfg.FormatDSN()
	d.run("keys", "create", filepath.Join(d.folder, "keys.json"))
	return d
}

func (d *rolling) must(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

func (d *rolling) run(args ...string) {
	d.Helper()
	if out, err := exec.Command(d.binary, args...).CombinedOutput(); err != nil {
		d.Fatalf("connector %v: %v\n%s", args, err, out)
	}
}

func (d *rolling) port() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	d.must(err)
	defer l.Close()
	return l.Addr().String()
}

// A replica is one connector on ports of its own.
type replica struct {
	*rolling
	config                     string
	hooks, onboarding, private string
	process                    *exec.Cmd
	log                        bytes.Buffer
}

func (d *rolling) replica(name string) *replica {
	r := &replica{rolling: d, config: filepath.Join(d.folder, name+".yaml"), hooks: d.port(), onboarding: d.port(), private: d.port()}
	d.must(os.WriteFile(r.config, fmt.Appendf(nil, `hooks: {listen: %q, publicURL: "https://connector.example.com/aps", trustedProxies: [127.0.0.1]}
onboarding: {listen: %q, publicURL: "https://onboarding.example.com", trustedProxies: [127.0.0.1]}
private: {listen: %q}
database: {driver: mysql, dsn: %q}
keys: {file: %q}
instances: [{key: key-1, secret: "a-secret-of-the-rolling-restart-0123456789"}]
shutdown: {drain: 2s}
`, r.hooks, r.onboarding, r.private, d.dsn, filepath.Join(d.folder, "keys.json")), 0o600))
	return r
}

func (r *replica) start() {
	r.Helper()
	r.process = exec.Command(r.binary, "serve", "--config", r.config)
	r.process.Stderr = &r.log
	r.must(r.process.Start())
	deadline := time.Now().Add(time.Minute)
	for {
		answer, err := http.Get("http://" + r.private + "/readyz")
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(deadline) {
			r.Fatalf("a replica does not become ready: %v\n%s", err, r.log.String())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (r *replica) stop() {
	r.Helper()
	r.must(r.process.Process.Signal(syscall.SIGTERM))
	r.must(r.process.Wait())
}

// nginx starts the shipped sample with other addresses and returns where it serves the hooks.
func (d *rolling) nginx(replicas []*replica) (address string) {
	d.Helper()
	address = d.port()
	text := read(d.T, "deploy/proxy/nginx.conf")
	for i, r := range replicas {
		text = strings.ReplaceAll(text, fmt.Sprintf("connector-%d:8080", i+1), r.hooks)
		text = strings.ReplaceAll(text, fmt.Sprintf("connector-%d:8081", i+1), r.onboarding)
	}
	certificate, key := d.certificate()
	text = strings.NewReplacer("listen 443 ssl", "listen "+address+" ssl", "/etc/nginx/tls/tls.pem", certificate, "/etc/nginx/tls/tls.key", key, "/var/log/nginx", d.folder,
		"http {", "http {\n    client_body_temp_path body;\n    proxy_temp_path proxy;\n    fastcgi_temp_path f;\n    uwsgi_temp_path u;\n    scgi_temp_path s;\n    access_log off;").Replace(text)
	file := filepath.Join(d.folder, "nginx.conf")
	d.must(os.WriteFile(file, []byte(text), 0o600))
	process := exec.Command("nginx", "-p", d.folder, "-e", filepath.Join(d.folder, "nginx.log"), "-c", file, "-g", "daemon off; pid "+filepath.Join(d.folder, "nginx.pid")+";")
	process.Stderr = os.Stderr
	d.must(process.Start())
	d.Cleanup(func() {
		_ = process.Process.Signal(syscall.SIGQUIT)
		_ = process.Wait()
		for _, r := range replicas {
			_ = r.process.Process.Signal(syscall.SIGTERM)
			_ = r.process.Wait()
		}
	})
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return address
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (d *rolling) certificate() (certificateFile, keyFile string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	d.must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "connector.example.com"}, DNSNames: []string{"connector.example.com", "onboarding.example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	d.must(err)
	key, err := x509.MarshalPKCS8PrivateKey(private)
	d.must(err)
	certificateFile, keyFile = filepath.Join(d.folder, "tls.pem"), filepath.Join(d.folder, "tls.key")
	d.must(os.WriteFile(certificateFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	d.must(os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
	return certificateFile, keyFile
}

// A load calls the hooks from several clients until it ends. A call that the connector refuses has been answered.
type load struct {
	stop    chan struct{}
	calling sync.WaitGroup
	calls   atomic.Int64
	mu      sync.Mutex // guards failed
	failed  []string
}

func startLoad(t *testing.T, address string) *load {
	l := &load{stop: make(chan struct{})}
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "connector.example.com"}, MaxIdleConnsPerHost: 16,
	}}
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
	request.Host = "connector.example.com"
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
	close(l.stop)
	l.calling.Wait()
	return l.calls.Load(), l.failed
}
