// Package dbserver runs private MariaDB and MySQL servers for tests, each in its own folder and on a free port of the
// loopback interface.
package dbserver

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
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	// The driver by which Run checks that the server answers.
	_ "github.com/go-sql-driver/mysql"
)

// ErrNotInstalled is returned by Start when a program of the server is missing.
var ErrNotInstalled = errors.New("the database server is not installed")

// errPortTaken is the error of starting a server on whose port another process listens.
var errPortTaken = errors.New("another process listens on its port")

const (
	startTimeout = time.Minute
	pollInterval = 50 * time.Millisecond
	// portAttempts is how many ports a new server tries: another process may take a free port before the server does.
	portAttempts = 10
)

// Config configures a server. The zero Config is a MariaDB for tests.
type Config struct {
	// Flavor is the kind of server. Default: MariaDB.
	Flavor Flavor

	// Durable makes committed transactions survive when the server is killed. Default: they may be lost.
	Durable bool

	// Arguments are further arguments of the server, for creating its files and for running it. A later one overrides an
	// earlier one.
	Arguments []string
}

// A Server is a private database server. Its administrator is root, without a password. It is not safe for concurrent use.
type Server struct {
	cfg     Config
	folder  string
	daemon  string // its program
	as      *syscall.Credential
	port    int
	fixed   bool          // the port must not change any more
	process *os.Process   // nil before the first Run
	done    chan struct{} // closed when the process has ended
}

// Start creates a new, empty server and returns when it answers. Its files are in a new temporary folder. The caller stops
// it. On Linux, the server ends at the latest when the caller's process ends.
func Start(ctx context.Context, cfg Config) (*Server, error) {
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
	if cfg.Flavor == nil {
		cfg.Flavor = MariaDB{}
	}
	found, err := cfg.Flavor.find()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "dbserver-*")
	if err != nil {
		return nil, fmt.Errorf("creating a folder for %s: %w", cfg.Flavor.Name(), err)
	}
	s := &Server{cfg: cfg, folder: folder, daemon: found.daemon}
	if err := s.create(ctx, found.creator); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	return s, nil
}

func (s *Server) file(name string) string { return filepath.Join(s.folder, name) }

func (s *Server) create(ctx context.Context, program string) error {
	var err error
	if s.as, err = s.cfg.Flavor.account(s.folder); err != nil {
		return err
	}
	if s.port, err = freePort(); err != nil {
		return err
	}
	more, err := s.cfg.Flavor.creation(s.folder)
	if err != nil {
		return err
	}
	arguments := slices.Concat([]string{"--no-defaults", "--datadir=" + s.file("data")}, more, s.cfg.Arguments)
	creating := exec.CommandContext(ctx, program, arguments...)
	creating.Dir = s.folder
	creating.Env = s.environment()
	creating.SysProcAttr = attributes(s.as)
	if output, err := creating.CombinedOutput(); err != nil {
		return fmt.Errorf("creating the tables of %s: %w: %s", s.name(), err, bytes.TrimSpace(output))
	}
	return nil
}

func (s *Server) name() string { return s.cfg.Flavor.Name() }

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

// environment returns an environment with which the server's programs create temporary files in our folder: their account may
// be unable to write elsewhere.
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
		"--skip-log-bin", "--performance-schema=OFF", "--max-connections=500", "--innodb-buffer-pool-size=64M",
		"--character-set-server=utf8mb4",
	}, durability...)
	return slices.Concat(arguments, s.cfg.Flavor.arguments(s.folder), s.cfg.Arguments)
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
		return fmt.Errorf("starting %s: %w: %w", s.name(), errPortTaken, err)
	}
	if err := listener.Close(); err != nil {
		return fmt.Errorf("starting %s: %w", s.name(), err)
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
		return fmt.Errorf("connecting to %s: %w", s.name(), err)
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
			return fmt.Errorf("%s ended during its start", s.name())
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s to start: %w", s.name(), ctx.Err())
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
		return fmt.Errorf("sending %s a signal: %w", s.name(), err)
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

// Stop ends the server and removes its files. It kills it, because nobody reads the files again, and because a server that
// stops in order takes long on a busy machine, or waits for its group.
func (s *Server) Stop() error {
	var err error
	if s.process != nil {
		err = s.Kill()
	}
	return errors.Join(err, os.RemoveAll(s.folder))
}
