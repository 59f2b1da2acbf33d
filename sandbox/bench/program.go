package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"azure-partner-connector/connector/store/sqldb"
)

const (
	// stopWithin bounds how long a program may take to end by itself.
	stopWithin = 30 * time.Second
	// readyWithin bounds how long a program may take to serve.
	readyWithin = time.Minute
	// askAgain is how often it is asked whether a program is ready.
	askAgain = 500 * time.Microsecond
)

// A program is a process under load.
type program struct {
	command *exec.Cmd
	in      io.WriteCloser // a part ends with this
	address string         // where it takes hooks, or what stands for them
	ready   time.Duration  // how long it took to serve
	log     *os.File
	ended   chan struct{}
}

func (g *Ground) program(command *exec.Cmd) (*program, error) {
	log, err := os.CreateTemp(g.folder, "log-")
	if err != nil {
		return nil, fmt.Errorf("making a log: %w", err)
	}
	command.Stderr = log
	p := &program{command: command, log: log, ended: make(chan struct{})}
	if p.in, err = command.StdinPipe(); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *program) start() error {
	err := p.command.Start()
	p.log.Close() // the process has its own
	if err != nil {
		return fmt.Errorf("starting %s: %w", p.command.Path, err)
	}
	go func() {
		_ = p.command.Wait() // how it ended is in its state
		close(p.ended)
	}()
	return nil
}

// stop asks the process to end and waits for that.
func (p *program) stop() error {
	_ = p.in.Close() // a process that has ended has closed it
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping %s: %w", p.command.Path, err)
	}
	patience := time.NewTimer(stopWithin)
	defer patience.Stop()
	select {
	case <-p.ended:
		return nil
	case <-patience.C:
		err := errors.Join(fmt.Errorf("%s did not stop by itself", p.command.Path), p.command.Process.Kill())
		<-p.ended
		return err
	}
}

// stopping stops p, besides telling err.
func stopping(err error, p *program) error { return errors.Join(err, p.stop()) }

func (p *program) lastLog() []byte {
	content, _ := os.ReadFile(p.log.Name())
	return bytes.TrimSpace(content[max(0, len(content)-2000):])
}

// play starts this program in one of its parts (Play), which says where it listens as soon as it does.
func (g *Ground) play(ctx context.Context, part string, arguments ...string) (*program, error) {
	command := exec.Command(g.cfg.Program, append([]string{part}, arguments...)...)
	p, err := g.program(command)
	if err != nil {
		return nil, err
	}
	out, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.start(); err != nil {
		return nil, err
	}
	said := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n')
		said <- strings.TrimSpace(line)
	}()
	patience := time.NewTimer(readyWithin)
	defer patience.Stop()
	select {
	case p.address = <-said:
	case <-patience.C:
	case <-ctx.Done():
	}
	if p.address == "" {
		return nil, stopping(fmt.Errorf("%s does not say where it listens: %s", part, p.lastLog()), p)
	}
	return p, nil
}

// lend starts the connector with a Microsoft of its own.
func (g *Ground) lend(ctx context.Context, db database) (*program, error) {
	hooks, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	file, err := g.configuration(db, hooks, "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return g.play(ctx, "lender", file)
}

// serve starts the connector as it is shipped, on a database, and returns when it is ready.
func (g *Ground) serve(ctx context.Context, db database) (*program, error) {
	hooks, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	private, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	file, err := g.configuration(db, hooks, private)
	if err != nil {
		return nil, err
	}
	p, err := g.program(exec.Command(g.connector, "serve", "--config", file))
	if err != nil {
		return nil, err
	}
	p.address = hooks
	began := time.Now()
	if err := p.start(); err != nil {
		return nil, err
	}
	if err := p.awaitReady(ctx, private); err != nil {
		return nil, stopping(fmt.Errorf("%w: %s", err, p.lastLog()), p)
	}
	p.ready = time.Since(began)
	return p, nil
}

// configuration writes what an operator would write. Nothing is due during a load, so the clocks rest.
func (g *Ground) configuration(db database, hooks, private string) (string, error) {
	place := fmt.Sprintf("{driver: mysql, dsn: %q}", db.dsn)
	if db.driver == sqldb.SQLite {
		place = fmt.Sprintf("{driver: sqlite, path: %q}", db.dsn)
	}
	text := fmt.Sprintf(`hooks: {listen: %q, publicURL: %s}
onboarding: {listen: "127.0.0.1:0", publicURL: https://onboarding.example.com}
private: {listen: %q}
database: %s
keys: {file: %q}
instances: [{key: %q, secret: %q}]
renewal: {tick: 24h}
`, hooks, publicURL, private, place, g.file("keys"), g.credentials.Key, g.credentials.Secret.Reveal())
	file, err := os.CreateTemp(g.folder, "connector-*.yaml")
	if err != nil {
		return "", fmt.Errorf("writing the configuration: %w", err)
	}
	_, err = file.WriteString(text)
	return file.Name(), errors.Join(err, file.Close())
}

func freeAddress(ctx context.Context) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("finding a free port: %w", err)
	}
	return listener.Addr().String(), listener.Close()
}

// awaitReady asks until the answer is yes.
func (p *program) awaitReady(ctx context.Context, private string) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	ticker := time.NewTicker(askAgain)
	defer ticker.Stop()
	for {
		ask, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+private+"/readyz", http.NoBody)
		if err != nil {
			return err
		}
		if answer, err := client.Do(ask); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ticker.C:
		case <-p.ended:
			return errors.New("the connector ended as it started")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// resident returns the memory that the process holds, in MiB.
func (p *program) resident() (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("reading the memory of a process: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, found := strings.CutPrefix(line, "VmRSS:"); found {
			kilobytes, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 64)
			return kilobytes / 1024, err
		}
	}
	return 0, errors.New("the kernel does not tell how much memory a process holds")
}
