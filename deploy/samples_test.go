package deploy_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	insecure "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hooksHost and onboardingHost are the names that the samples serve.
const (
	hooksHost      = "connector.example.com"
	onboardingHost = "onboarding.example.com"
)

// A sample is a shipped configuration of a proxy in front of two replicas.
type sample struct {
	file     string                     // below deploy/proxy
	asks     bool                       // the proxy asks /readyz whether a replica goes on serving
	examine  func(file string) []string // the command that examines a file
	serve    func(file string) []string // and the one that serves what it says
	replaced func(p *proxy) []string    // what is elsewhere in a test, in pairs
}

// samples returns the shipped samples by the names of the programs.
func samples() map[string]sample {
	return map[string]sample{
		"nginx": {
			file:    "nginx.conf",
			examine: func(file string) []string { return append(nginx(file), "-t") },
			serve: func(file string) []string {
				return append(nginx(file), "-g", "daemon off; pid "+filepath.Join(filepath.Dir(file), "nginx.pid")+";")
			},
			replaced: func(p *proxy) []string {
				return []string{
					"listen 443 ssl", "listen " + p.address + " ssl", "/etc/nginx/tls", p.folder, "/var/log/nginx", p.folder, "http {",
					"http {\n    client_body_temp_path body;\n    proxy_temp_path proxy;\n    fastcgi_temp_path f;\n    uwsgi_temp_path u;\n    scgi_temp_path s;\n    access_log off;",
				}
			},
		},
		"Caddy": {
			file: "Caddyfile", asks: true,
			examine: func(file string) []string {
				return []string{"caddy", "validate", "--adapter", "caddyfile", "--config", file}
			},
			serve: func(file string) []string {
				return []string{"caddy", "run", "--adapter", "caddyfile", "--config", file}
			},
			replaced: func(p *proxy) []string {
				host, port, err := net.SplitHostPort(p.address)
				p.must(err)
				_, private, err := net.SplitHostPort(p.upstream[0].private)
				p.must(err)
				return []string{
					"/etc/caddy/tls", p.folder, "\n{\n", "\n{\n\tadmin off\n\tdefault_bind " + host + "\n\thttps_port " + port + "\n", "health_port 9090", "health_port " + private,
				}
			},
		},
		"HAProxy": {
			file:    "haproxy.cfg",
			examine: func(file string) []string { return []string{"haproxy", "-c", "-f", file} },
			serve:   func(file string) []string { return []string{"haproxy", "-db", "-f", file} },
			replaced: func(p *proxy) []string {
				return []string{
					"bind :443", "bind " + p.address, "/etc/haproxy/tls", p.folder, "log /dev/log local0", "log stdout format raw local0",
					"    user haproxy\n    group haproxy\n", "", // only root can become another user
				}
			},
		},
	}
}

func nginx(file string) []string {
	folder := filepath.Dir(file)
	return []string{"nginx", "-p", folder, "-e", filepath.Join(folder, "nginx.log"), "-c", file}
}

// listeners are the addresses of one replica.
type listeners struct{ hooks, onboarding, private string }

// addresses returns those of two replicas. They differ in the host, as on two machines, because a proxy asks each at the same port
// whether it is ready.
func addresses(t *testing.T) [2]listeners {
	t.Helper()
	hooks, onboarding, private := freePort(t), freePort(t), freePort(t)
	var both [2]listeners
	for i, host := range []string{"127.0.0.11", "127.0.0.12"} {
		both[i] = listeners{net.JoinHostPort(host, hooks), net.JoinHostPort(host, onboarding), net.JoinHostPort(host, private)}
	}
	return both
}

// freePort returns a port at which nothing listens. It is below those that the system hands out, so that nobody gets it while a
// replica is stopped.
func freePort(t *testing.T) string {
	t.Helper()
	for {
		port := strconv.Itoa(10_000 + insecure.IntN(20_000))
		listener, err := net.Listen("tcp", ":"+port)
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
		return port
	}
}

// A proxy is a program that serves a sample with other addresses and folders. What it logs is in its folder.
type proxy struct {
	*testing.T
	sample
	upstream              [2]listeners // what the sample calls connector-1 and connector-2
	folder, file, address string
}

// newProxy writes the sample as it is served in a test. changed changes the text before.
func newProxy(t *testing.T, s sample, upstream [2]listeners, changed func(string) string) *proxy {
	t.Helper()
	p := &proxy{T: t, sample: s, upstream: upstream, folder: t.TempDir(), address: net.JoinHostPort("127.0.0.1", freePort(t))}
	text := changed(read(t, "deploy/proxy/"+s.file))
	pairs := s.replaced(p)
	for i, u := range upstream {
		pairs = append(pairs, fmt.Sprintf("connector-%d:8080", i+1), u.hooks, fmt.Sprintf("connector-%d:8081", i+1), u.onboarding)
	}
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("deploy/proxy/%s has no %q", s.file, pairs[i])
		}
	}
	p.certificate()
	p.file = filepath.Join(p.folder, s.file)
	p.must(os.WriteFile(p.file, []byte(strings.NewReplacer(pairs...).Replace(text)), 0o600))
	return p
}

func (p *proxy) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// command returns a command that writes only into the folder of the proxy.
func (p *proxy) command(words []string) *exec.Cmd {
	command := exec.Command(words[0], words[1:]...)
	command.Dir = p.folder
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.folder}
	return command
}

// start has the program examine the sample, starts it, waits until it accepts connections, and returns a function that ends it.
func (p *proxy) start() (end func()) {
	p.Helper()
	p.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin") // where Debian has servers
	if out, err := p.command(p.examine(p.file)).CombinedOutput(); err != nil {
		p.Fatalf("%s: %v (build/prerequisites.sh installs the program)\n%s", strings.Join(p.examine(p.file), " "), err, out)
	}
	log, err := os.Create(filepath.Join(p.folder, "output.log"))
	p.must(err)
	p.Cleanup(func() { _ = log.Close() })
	process := p.command(p.serve(p.file))
	process.Stdout, process.Stderr = log, log
	p.must(process.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = process.Wait()
	}()
	end = func() {
		_ = process.Process.Signal(syscall.SIGTERM)
		<-ended
	}
	p.Cleanup(end)
	for {
		conn, err := net.Dial("tcp", p.address)
		if err == nil {
			_ = conn.Close()
			return end
		}
		select {
		case <-ended:
			p.Fatalf("the proxy ended: %s", p.logged())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// logged returns what the proxy logged.
func (p *proxy) logged() string {
	p.Helper()
	files, err := filepath.Glob(filepath.Join(p.folder, "*.log"))
	p.must(err)
	var all strings.Builder
	for _, name := range files {
		text, err := os.ReadFile(name)
		p.must(err)
		all.Write(text)
	}
	return all.String()
}

// certificate writes a certificate for the names of the samples, where they expect it.
func (p *proxy) certificate() {
	p.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p.must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: hooksHost}, DNSNames: []string{hooksHost, onboardingHost},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	p.must(err)
	key, err := x509.MarshalPKCS8PrivateKey(private)
	p.must(err)
	encoded := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	for name, content := range map[string][]byte{
		"tls.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), "tls.key": encoded,
		"tls.pem.key": encoded, // where HAProxy looks for it
	} {
		p.must(os.WriteFile(filepath.Join(p.folder, name), content, 0o600))
	}
}
