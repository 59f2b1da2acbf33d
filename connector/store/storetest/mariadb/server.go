// Package mariadb runs a private MariaDB server for tests, in its own folder and on a free port of the loopback interface.
package mariadb

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	// The driver by which Run checks that the server answers.
	_ "github.com/go-sql-driver/mysql"
)

// ErrNotInstalled is returned by Start when a program of MariaDB is missing.
var ErrNotInstalled = errors.New("MariaDB is not installed: install the package mariadb-server, or set TEST_MYSQL_DSN to the address of a server; " +
	"make test-quick needs neither")

// errPortTaken is the error of starting a server on whose port another process listens.
var errPortTaken = errors.New("another process listens on its port")

const (
	startTimeout = time.Minute
	stopTimeout  = 30 * time.Second
	pollInterval = 50 * time.Millisecond
	// portAttempts is how many ports a new server tries: another process may take a free port before the server does.
	portAttempts = 10
)

// Config configures a server. The zero Config is for tests.
type Config struct {
	// Durable makes committed transactions survive when the server is killed. Default: they may be lost.
	Durable bool

	// Arguments are further arguments of the server, for creating its files and for running it. A later one overrides an
	// earlier one.
	Arguments []string
}

// A Server is a private MariaDB. Its administrator is root, without a password. It is not safe for concurrent use.
type Server struct {
	cfg     Config
	folder  string
	daemon  string
	as      *syscall.Credential
	port    int
	fixed   bool          // the port must not change any more
	process *os.Process   // nil before the first Run
	done    chan struct{} // closed when the process has ended
}

// Start creates a new, empty server and returns when it answers. Its files are in a new temporary folder. The caller stops
// it. On Linux, the server ends at the latest when the caller's process ends.
func Start(ctx context.Context) (*Server, error) { return StartAs(ctx, Config{}) }

// StartAs is Start with a Config.
func StartAs(ctx context.Context, cfg Config) (*Server, error) {
	s, err := Prepare(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := s.Run(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// Prepare creates the files of a new server and does not start it. Stop removes the files.
func Prepare(ctx context.Context, cfg Config) (*Server, error) {
	install, err := program("mariadb-install-db", "mysql_install_db")
	if err != nil {
		return nil, err
	}
	daemon, err := program("mariadbd", "/usr/sbin/mariadbd", "mysqld", "/usr/sbin/mysqld")
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "mariadb-*")
	if err != nil {
		return nil, fmt.Errorf("creating a folder for MariaDB: %w", err)
	}
	s := &Server{cfg: cfg, folder: folder, daemon: daemon}
	if err := s.install(ctx, install); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	return s, nil
}

func program(names ...string) (string, error) {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is missing: %w", names[0], ErrNotInstalled)
}

func (s *Server) file(name string) string { return filepath.Join(s.folder, name) }

func (s *Server) install(ctx context.Context, program string) error {
	var err error
	if s.as, err = account(s.folder); err != nil {
		return err
	}
	if s.port, err = freePort(); err != nil {
		return err
	}
	creating := exec.CommandContext(ctx, program, append([]string{
		"--no-defaults", "--datadir=" + s.file("data"), "--auth-root-authentication-method=normal", "--skip-test-db",
	}, s.cfg.Arguments...)...)
	creating.Dir = s.folder
	creating.Env = s.environment()
	creating.SysProcAttr = attributes(s.as)
	if output, err := creating.CombinedOutput(); err != nil {
		return fmt.Errorf("creating the tables of MariaDB: %w: %s", err, bytes.TrimSpace(output))
	}
	return nil
}

// account returns the account that the server runs as, nil for our own. MariaDB refuses to run as root: when we are root, the
// server runs as the account that its package creates, and account makes it the owner of the folder.
func account(folder string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	owner, err := user.Lookup("mysql")
	if err != nil {
		return nil, fmt.Errorf("looking for the account of MariaDB: %w", err)
	}
	uid, uidErr := strconv.Atoi(owner.Uid)
	gid, gidErr := strconv.Atoi(owner.Gid)
	if err := errors.Join(uidErr, gidErr, os.Chown(folder, uid, gid)); err != nil {
		return nil, fmt.Errorf("giving the folder to MariaDB: %w", err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// freePort returns a port that is free now. It is below the range of ports for outgoing connections, so that none of these
// takes the port of a server that was killed before it runs again.
func freePort() (int, error) {
	const first, last = 15000, 32000
	var err error
	for range 100 {
		port := first + rand.IntN(last-first)
		var listener net.Listener
		if listener, err = net.Listen("tcp", address(port)); err == nil {
			return port, listener.Close()
		}
	}
	return 0, fmt.Errorf("finding a free port: %w", err)
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// environment returns an environment with which MariaDB's programs create temporary files in our folder: their account may be
// unable to write elsewhere.
func (s *Server) environment() []string { return append(os.Environ(), "TMPDIR="+s.folder) }

// arguments returns the arguments of the server: it needs little memory and, unless Durable, no durability.
func (s *Server) arguments() []string {
	durability := []string{"--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=OFF"}
	if s.cfg.Durable {
		durability = []string{"--innodb-flush-log-at-trx-commit=1"}
	}
	arguments := append([]string{
		"--no-defaults", "--datadir=" + s.file("data"), "--socket=" + s.file("s.sock"), "--pid-file=" + s.file("pid"),
		"--log-error=" + s.file("log"), "--port=" + strconv.Itoa(s.port), "--bind-address=127.0.0.1",
		"--skip-name-resolve", "--skip-log-bin", "--performance-schema=OFF", "--max-connections=500",
		"--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M", "--character-set-server=utf8mb4",
	}, durability...)
	return append(arguments, s.cfg.Arguments...)
}

// DSN returns the address of a database of the server, or of the server for an empty name, in the format of the Go driver.
// After the first call, the server keeps its port.
func (s *Server) DSN(name string) string {
	s.fixed = true
	return s.dsn(name)
}

func (s *Server) dsn(name string) string {
	return fmt.Sprintf("root@tcp(%s)/%s?parseTime=true&loc=UTC", address(s.port), name)
}

// Run starts a server that does not run on its existing files, and returns when it answers. The arguments are for this run
// only. When another process listens on its port, the server uses another one, unless DSN has returned the port.
func (s *Server) Run(ctx context.Context, arguments ...string) error {
	err := s.runOnce(ctx, arguments)
	for n := 1; n < portAttempts && !s.fixed && errors.Is(err, errPortTaken); n++ {
		if s.port, err = freePort(); err == nil {
			err = s.runOnce(ctx, arguments)
		}
	}
	return err
}

func (s *Server) runOnce(ctx context.Context, arguments []string) error {
	listener, err := net.Listen("tcp", address(s.port))
	if err != nil { // found at once; the server would need seconds
		return fmt.Errorf("starting MariaDB: %w: %w", errPortTaken, err)
	}
	if err := listener.Close(); err != nil {
		return fmt.Errorf("starting MariaDB: %w", err)
	}
	if err := s.launch(append(s.arguments(), arguments...)); err != nil {
		return err
	}
	if err := s.awaitAnswer(ctx); err != nil {
		log, _ := os.ReadFile(s.file("log"))
		if bytes.Contains(log, []byte("Bind on TCP/IP port")) {
			err = fmt.Errorf("%w: %w", errPortTaken, err)
		}
		return fmt.Errorf("%w; its log: %s", err, bytes.TrimSpace(log))
	}
	return nil
}

func (s *Server) awaitAnswer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	pool, err := sql.Open("mysql", s.dsn(""))
	if err != nil {
		return fmt.Errorf("connecting to MariaDB: %w", err)
	}
	defer pool.Close()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		if pool.PingContext(ctx) == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-s.done:
			return errors.New("MariaDB ended during its start")
		case <-ctx.Done():
			return fmt.Errorf("waiting for MariaDB to start: %w", ctx.Err())
		}
	}
}

// Running reports whether the server runs.
func (s *Server) Running() bool {
	select {
	case <-s.done:
		return false
	default:
		return s.process != nil
	}
}

// Signal sends a signal to a running server. After SIGSTOP it does not answer until SIGCONT.
func (s *Server) Signal(signal syscall.Signal) error {
	if err := s.process.Signal(signal); err != nil {
		return fmt.Errorf("sending MariaDB a signal: %w", err)
	}
	return nil
}

// Kill ends the server at once, like a crash, and waits until it has ended. Its files remain; Run recovers them.
func (s *Server) Kill() error {
	if err := s.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-s.done
	return nil
}

// Stop ends the server, waits until it has ended, and removes its files.
func (s *Server) Stop() error { return errors.Join(s.end(), os.RemoveAll(s.folder)) }

func (s *Server) end() error {
	if s.process == nil {
		return nil
	}
	if err := s.process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping MariaDB: %w", err)
	}
	timeout := time.NewTimer(stopTimeout)
	defer timeout.Stop()
	select {
	case <-s.done:
		return nil
	case <-timeout.C:
		err := errors.Join(errors.New("MariaDB did not stop in time"), s.process.Kill())
		<-s.done
		return err
	}
}
