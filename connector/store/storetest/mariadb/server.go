// Package mariadb runs a private MariaDB server for tests: in a folder of its own, on a free port of the loopback.
package mariadb

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	// The driver by which the server is asked whether it is up.
	_ "github.com/go-sql-driver/mysql"
)

// ErrNotInstalled is returned by Start when the programs of MariaDB are not there.
var ErrNotInstalled = errors.New("MariaDB is not installed: install the package mariadb-server, or set TEST_MYSQL_DSN to a server's")

const (
	startTimeout = time.Minute
	stopTimeout  = 30 * time.Second
	askAgain     = 50 * time.Millisecond
)

// Config says what kind of server is wanted. The zero Config is one for tests that start from nothing.
type Config struct {
	// Durable keeps what was committed when the server is killed. Default: nothing needs to outlive it.
	Durable bool

	// Arguments are further arguments of the server, for making its files and for running it; a later one wins.
	Arguments []string
}

// A Server is a private MariaDB. Its administrator is root, without a password. Its methods are not safe for
// concurrent use.
type Server struct {
	cfg     Config
	folder  string
	daemon  string
	as      *syscall.Credential
	port    int
	process *os.Process   // nil before the first Run
	done    chan struct{} // closed when the process has ended
}

// Start makes a new, empty server and returns when it answers. Its files are in a new folder below the one for
// temporary files. The caller stops it; if he dies first, it ends too.
func Start(ctx context.Context) (*Server, error) { return StartAs(ctx, Config{}) }

// StartAs is Start for a server of another kind.
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

// Prepare makes the files of a new server, which does not run yet. Stop removes them.
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
		return nil, fmt.Errorf("making a folder for MariaDB: %w", err)
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
	making := exec.CommandContext(ctx, program, append([]string{
		"--no-defaults", "--datadir=" + s.file("data"), "--auth-root-authentication-method=normal", "--skip-test-db",
	}, s.cfg.Arguments...)...)
	making.Dir = s.folder
	making.Env = s.environment()
	making.SysProcAttr = attributes(s.as)
	if said, err := making.CombinedOutput(); err != nil {
		return fmt.Errorf("making the tables of MariaDB: %w: %s", err, bytes.TrimSpace(said))
	}
	return nil
}

// account returns who the server runs as, nil for ourselves. MariaDB refuses to run as root; then it is the account
// that its package makes, which must own the folder.
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

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("finding a free port: %w", err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	return port, listener.Close()
}

// environment keeps temporary files of MariaDB's programs in our folder; that account may write nowhere else.
func (s *Server) environment() []string { return append(os.Environ(), "TMPDIR="+s.folder) }

// arguments of the server. Tests ask for little memory and, as a rule, no durability: each of them starts from nothing.
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

// DSN returns the address of a database of the server in the form of the Go driver. It stays the same as long as the
// Server is used.
func (s *Server) DSN(name string) string {
	return fmt.Sprintf("root@tcp(127.0.0.1:%d)/%s?parseTime=true&loc=UTC", s.port, name)
}

// Run starts a server that does not run, on the files that it has, and returns when it answers. The arguments are for
// this time only.
func (s *Server) Run(ctx context.Context, arguments ...string) error {
	if err := s.launch(append(s.arguments(), arguments...)); err != nil {
		return err
	}
	if err := s.awaitAnswer(ctx); err != nil {
		said, _ := os.ReadFile(s.file("log"))
		return fmt.Errorf("%w; its log: %s", err, bytes.TrimSpace(said))
	}
	return nil
}

func (s *Server) awaitAnswer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	pool, err := sql.Open("mysql", s.DSN(""))
	if err != nil {
		return fmt.Errorf("asking MariaDB: %w", err)
	}
	defer pool.Close()
	ticker := time.NewTicker(askAgain)
	defer ticker.Stop()
	for {
		if pool.PingContext(ctx) == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-s.done:
			return errors.New("MariaDB ended while it was starting")
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

// Signal sends a signal to a server that runs. SIGSTOP and SIGCONT take it away from everybody and give it back.
func (s *Server) Signal(signal syscall.Signal) error {
	if err := s.process.Signal(signal); err != nil {
		return fmt.Errorf("sending MariaDB a signal: %w", err)
	}
	return nil
}

// Kill ends the server at once, as a crash does, and waits for that. Its files stay as they are; Run recovers them.
func (s *Server) Kill() error {
	if err := s.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-s.done
	return nil
}

// Stop ends the server, waits for that, and removes its files.
func (s *Server) Stop() error { return errors.Join(s.end(), os.RemoveAll(s.folder)) }

func (s *Server) end() error {
	if s.process == nil {
		return nil
	}
	if err := s.process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping MariaDB: %w", err)
	}
	patience := time.NewTimer(stopTimeout)
	defer patience.Stop()
	select {
	case <-s.done:
		return nil
	case <-patience.C:
		err := errors.Join(errors.New("MariaDB did not stop by itself"), s.process.Kill())
		<-s.done
		return err
	}
}
