package docs_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"go.yaml.in/yaml/v3"

	"azure-partner-connector/connector/store/storetest/dbserver"
	"azure-partner-connector/sandbox/mailserver"
	"azure-partner-connector/sandbox/world"
)

// A machine stands in for the Debian machine of the tutorial, on which the reader is root: a folder for its files, and a few commands
// that call ServeHTTP. Its services are processes of the test, which end with it.
type machine struct {
	*testing.T
	root       string // stands for /
	binary     string // the program that the package has
	world      *world.World
	mail       *mailserver.Server
	database   *mysql.Config // of the administrator
	https      string        // the port that stands for 443
	prometheus string        // where Prometheus listens

	replaced    []string // what the tutorial says and what is there instead, in pairs
	environment []string // of the shell

	mu  sync.Mutex   // guards log
	log bytes.Buffer // of the services
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin") // where Debian has servers
	m := &machine{T: t, root: t.TempDir(), https: strings.TrimPrefix(freePort(t), ":"), prometheus: "127.0.0.1" + freePort(t)}
	m.build()
	m.openDatabase()
	m.trust(m.certificate())
	var err error
	m.mail, err = mailserver.Start(t.Context(), mailserver.Config{})
	m.must(err)
	t.Cleanup(func() { _ = m.mail.Close() })
	m.world, err = world.Rehearse(t.Context(), world.Config{PanelListen: "127.0.0.1:0"}, "https://127.0.0.1:"+m.https)
	m.must(err)
	t.Cleanup(func() {
		if err := m.world.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	})
	m.replaced = m.substitutions()
	_, password := m.world.Platform.Admin()
	_, ofApplication := world.RehearsalApplication()
	m.write("/root/platform-password", password.Reveal())
	m.write("/root/application-secret", ofApplication)
	m.write("/root/"+m.deb(), "what apt installs")
	m.standIn()
	return m
}

func (m *machine) must(err error) {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
}

// path returns where a file of the machine is.
func (m *machine) path(name string) string { return filepath.Join(m.root, filepath.FromSlash(name)) }

func (m *machine) write(name, content string) {
	m.Helper()
	m.must(os.MkdirAll(filepath.Dir(m.path(name)), 0o755))
	m.must(os.WriteFile(m.path(name), []byte(content), 0o600))
}

// build builds the program, as the package of the version has it.
func (m *machine) build() {
	m.Helper()
	m.binary = filepath.Join(m.TempDir(), "connector")
	build := exec.CommandContext(m.Context(), "go", "build", "-ldflags", "-X main.version="+productionVersion, "-o", m.binary, "./connector")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		m.Fatalf("%v\n%s", err, out)
	}
}

// openDatabase starts a server that keeps what it acknowledges, unlike that of the other tests, of which the doctor warns.
func (m *machine) openDatabase() {
	m.Helper()
	server, err := dbserver.Start(context.WithoutCancel(m.Context()), dbserver.Config{Durable: true})
	m.must(err)
	m.Cleanup(func() {
		if err := server.Stop(); err != nil {
			m.Errorf("Stop() = %v", err)
		}
	})
	m.database, err = mysql.ParseDSN(server.DSN(""))
	m.must(err)
}

// certificate writes what the reader brings along, and returns the certificate.
func (m *machine) certificate() []byte {
	m.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	m.must(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "connector.example.com"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 3, 0), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	m.must(err)
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	m.must(err)
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	m.write("/root/tls.pem", string(chain))
	m.write("/root/tls.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})))
	m.write("/root/controller.pem", string(chain))
	return chain
}

// trust makes the simulators trust a certificate as they would one of a public authority.
func (m *machine) trust(chain []byte) {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(chain)
	before := http.DefaultTransport
	trusting := before.(*http.Transport).Clone()
	trusting.TLSClientConfig = &tls.Config{RootCAs: pool}
	http.DefaultTransport = trusting
	m.Cleanup(func() {
		trusting.CloseIdleConnections()
		http.DefaultTransport = before
	})
}

// standIn puts the commands that call the machine on the PATH of the shell, and makes its environment.
func (m *machine) standIn() {
	m.Helper()
	server := httptest.NewServer(m)
	m.Cleanup(server.Close)
	call := "#!/bin/sh\nprintf '%s\\n' \"$PWD\" \"${0##*/}\" \"$@\" | curl -sS --noproxy '*' --fail-with-body --data-binary @- " + server.URL + "\n"
	commands := m.TempDir()
	for name, text := range map[string]string{
		"apt": call, "systemctl": call, "nginx": call, "scp": call, "person": call,
		// The accounts of the machine do not exist here.
		"runuser": "#!/bin/sh\n[ \"$1 $2 $3\" = '-u connector --' ] || exit 1\nshift 3\nexec \"$@\"\n",
		"chgrp":   "#!/bin/sh\n[ \"$1\" = connector ] && [ -e \"$2\" ]\n",
	} {
		m.must(os.WriteFile(filepath.Join(commands, name), []byte(text), 0o755))
	}
	home := m.TempDir()
	for _, folder := range []string{"/var/backups", "/var/log/nginx"} {
		m.must(os.MkdirAll(m.path(folder), 0o755))
	}
	host, port, err := net.SplitHostPort(m.database.Addr)
	m.must(err)
	m.must(os.WriteFile(filepath.Join(home, ".my.cnf"), fmt.Appendf(nil, "[client]\nprotocol=tcp\nhost=%s\nport=%s\nuser=%s\n", host, port, m.database.User), 0o600))
	m.must(os.WriteFile(filepath.Join(home, ".curlrc"), []byte("cacert = "+m.path("/root/tls.pem")+"\nnoproxy = *\n"), 0o600))
	for _, assignment := range os.Environ() {
		if name, _, _ := strings.Cut(assignment, "="); !strings.HasPrefix(name, "CONNECTOR_") && name != "NOTIFY_SOCKET" {
			m.environment = append(m.environment, assignment)
		}
	}
	m.environment = append(m.environment,
		"HOME="+home, "PATH="+commands+":"+m.path("/usr/bin")+":"+os.Getenv("PATH"), "SSL_CERT_FILE="+m.path("/root/tls.pem"),
		"CONNECTOR_CLOUDS__0__NAME=global", "CONNECTOR_CLOUDS__0__AUTHORITY="+m.world.Microsoft.LoginURL(),
		"CONNECTOR_CLOUDS__0__PARTNERCENTER__BASEURL="+m.world.Microsoft.PartnerCenterURL(),
		"CONNECTOR_CLOUDS__0__GRAPH__BASEURL="+m.world.Microsoft.GraphURL(), "CONNECTOR_CLOUDS__0__ARM__BASEURL="+m.world.Microsoft.ARMURL(),
		"CONNECTOR_NOTIFY__MAIL__ENCRYPTION=off")
}

// program runs the installed program.
func (m *machine) program(ctx context.Context, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, m.binary, args...)
	command.Env = m.environment
	var complaint bytes.Buffer
	command.Stderr = &complaint
	out, err := command.Output()
	if err != nil {
		err = fmt.Errorf("connector %s: %w: %s", strings.Join(args, " "), err, complaint.String())
	}
	return out, err
}

func (m *machine) deb() string {
	return "azure-partner-connector_" + productionVersion + "_" + runtime.GOARCH + ".deb"
}

// apt installs our package, and sees whether the others' programs are there.
func (m *machine) apt(ctx context.Context, folder string, args []string) error {
	if len(args) < 3 || args[0] != "install" || args[1] != "-y" {
		return errors.New("the machine of the test can only install -y")
	}
	for _, name := range args[2:] {
		if file, ours := strings.CutPrefix(name, "./"); ours {
			if _, err := os.Stat(filepath.Join(folder, file)); err != nil || file != m.deb() {
				return fmt.Errorf("there is no package %s in %s: %w", file, folder, err)
			}
			if err := m.unpack(ctx); err != nil {
				return err
			}
			continue
		}
		has, known := map[string]struct{ command, folder string }{
			"mariadb-server": {"mariadbd", "/etc/mysql"}, "nginx": {"nginx", "/etc/nginx"}, "curl": {"curl", "/etc"}, "prometheus": {"prometheus", "/etc/prometheus"},
		}[name]
		if !known {
			return errors.New("unknown package " + name)
		}
		if _, err := exec.LookPath(has.command); err != nil {
			return fmt.Errorf("%w: build/prerequisites.sh installs it", err)
		}
		if err := os.MkdirAll(m.path(has.folder), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// unpack puts what deploy/nfpm.yaml lists where the package has it.
func (m *machine) unpack(ctx context.Context) error {
	text, err := os.ReadFile(filepath.Join(root, "deploy", "nfpm.yaml"))
	if err != nil {
		return err
	}
	var list struct {
		Contents []struct {
			Src, Dst, Type string
			FileInfo       struct{ Mode fs.FileMode } `yaml:"file_info"`
		}
	}
	if err := yaml.Unmarshal(text, &list); err != nil {
		return err
	}
	for _, c := range list.Contents {
		to, mode := m.path(c.Dst), c.FileInfo.Mode
		if c.Type == "dir" {
			if err := os.MkdirAll(to, mode); err != nil {
				return err
			}
			continue
		}
		var content []byte
		switch c.Src {
		case "${BINARY}":
			content, err = os.ReadFile(m.binary)
		case "dist/packages/connector.bash":
			content, err = m.program(ctx, "completion", "bash")
		default:
			content, err = os.ReadFile(filepath.Join(root, c.Src))
		}
		if err != nil {
			return err
		}
		if mode == 0 {
			mode = 0o644
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, content, mode)); err != nil {
			return err
		}
	}
	return nil
}

// scp copies a file to or from the machine that keeps the keys.
func (m *machine) scp(folder string, args []string) error {
	if len(args) != 2 {
		return errors.New("two arguments are wanted")
	}
	for i, name := range args {
		if _, remote, ok := strings.Cut(name, "@vault.example.com:"); ok {
			args[i] = m.path("/vault/" + remote)
		} else if !filepath.IsAbs(name) {
			args[i] = filepath.Join(folder, name)
		}
	}
	content, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(m.path("/vault"), 0o700), os.WriteFile(args[1], content, 0o600))
}

// systemctl starts a service and returns when it is ready.
func (m *machine) systemctl(args []string) error {
	switch strings.Join(args, " ") {
	case "enable --now " + unitName:
		return m.startUnit()
	case "restart nginx":
		file, err := m.nginxFile()
		if err != nil {
			return err
		}
		return m.start(exec.CommandContext(m.Context(), "nginx", append(file, "-g", "daemon off;")...), m.answers("127.0.0.1:"+m.https))
	case "restart prometheus":
		return m.start(exec.CommandContext(m.Context(), "prometheus", "--config.file="+m.path("/etc/prometheus/prometheus.yml"),
			"--storage.tsdb.path="+m.path("/var/lib/prometheus"), "--web.listen-address="+m.prometheus, "--log.level=warn"), m.answers(m.prometheus))
	}
	return errors.New("the machine of the test has no such service")
}

// startUnit starts what the installed unit says, with the environment that it says, and waits until it reports that it is ready.
func (m *machine) startUnit() error {
	text, err := os.ReadFile(m.path("/usr/lib/systemd/system/" + unitName + ".service"))
	if err != nil {
		return err
	}
	unit := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			unit[key] = value
		}
	}
	if unit["Type"] != "notify" || unit["User"] != "connector" {
		return fmt.Errorf("the unit has the type %q and the user %q", unit["Type"], unit["User"])
	}
	words := strings.Fields(unit["ExecStart"])
	for i, word := range words {
		if filepath.IsAbs(word) {
			words[i] = m.path(word)
		}
	}
	socket := fmt.Sprintf("@production-%d", os.Getpid()) // in no folder
	notified, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	m.Cleanup(func() { _ = notified.Close() })
	command := exec.CommandContext(m.Context(), words[0], words[1:]...)
	command.Dir = m.path(unit["WorkingDirectory"])
	command.Env = append(slices.Clone(m.environment), "NOTIFY_SOCKET="+socket, unit["Environment"])
	if err := os.MkdirAll(command.Dir, 0o700); err != nil {
		return err
	}
	return m.start(command, func() bool {
		_ = notified.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		message := make([]byte, 4096)
		n, _ := notified.Read(message)
		return strings.Contains(string(message[:n]), "READY=1")
	})
}

// start starts a process that ends with the test, and waits until it is ready or has ended.
func (m *machine) start(command *exec.Cmd, ready func() bool) error {
	command.Stdout, command.Stderr = m, m
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = time.Minute
	if err := command.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = command.Wait()
	}()
	m.Cleanup(func() { <-ended }) // the context of the test has ended before
	for !ready() {
		select {
		case <-ended:
			return fmt.Errorf("it ended: %s", m.journal())
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

// answers returns a function that reports whether something listens on an address.
func (m *machine) answers(address string) func() bool {
	return func() bool {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}
}

// testNginx checks the configuration of nginx.
func (m *machine) testNginx(ctx context.Context, args []string) error {
	file, err := m.nginxFile()
	if err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "nginx", append(file, args...)...).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// nginxFile writes the configuration of nginx with the folders of the test, the port that stands for 443, and names without a port,
// and returns the arguments that name it.
func (m *machine) nginxFile() ([]string, error) {
	text, err := os.ReadFile(m.path("/etc/nginx/nginx.conf"))
	if err != nil {
		return nil, err
	}
	folder := m.path("/var/lib/nginx")
	changed := strings.NewReplacer("listen 443 ssl", "listen 127.0.0.1:"+m.https+" ssl", ":"+m.https+";", ";",
		"http {", "http {\n    access_log off;\n    client_body_temp_path body;\n    proxy_temp_path proxy;\n    fastcgi_temp_path f;\n    uwsgi_temp_path u;\n    scgi_temp_path s;").
		Replace(m.here(string(text)))
	file := filepath.Join(folder, "nginx.conf")
	if err := errors.Join(os.MkdirAll(folder, 0o700), os.WriteFile(file, []byte("pid nginx.pid;\n"+changed), 0o600)); err != nil {
		return nil, err
	}
	return []string{"-p", folder, "-e", filepath.Join(folder, "error.log"), "-c", file}, nil
}

// Write implements io.Writer: the services write their log here.
func (m *machine) Write(text []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.log.Write(text)
}

// journal returns what the services logged.
func (m *machine) journal() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.log.String()
}
