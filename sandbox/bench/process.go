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
	// waitLimit bounds how long a process may take to be ready or to stop. It only guards against a hang.
	waitLimit = 5 * time.Minute
	// pollInterval is how often a process is asked whether it is ready.
	pollInterval = 500 * time.Microsecond
)

// A process is a program under load.
type process struct {
	command *exec.Cmd
	in      io.WriteCloser // a subprocess exits when this is closed
	address string         // where it accepts requests
	ready   time.Duration  // from start until it serves
	used    time.Duration  // processor time until then, with that of an idle database server
	log     *os.File
	ended   chan struct{}
}

func (e *Env) newProcess(command *exec.Cmd) (*process, error) {
	log, err := os.CreateTemp(e.folder, "log-")
	if err != nil {
		return nil, fmt.Errorf("creating a log: %w", err)
	}
	command.Stderr = log
	if e.cfg.Profiles != "" {
		command.Env = append(os.Environ(), profilesVariable+"="+e.cfg.Profiles)
	}
	p := &process{command: command, log: log, ended: make(chan struct{})}
	if p.in, err = command.StdinPipe(); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *process) start() error {
	err := p.command.Start()
	p.log.Close() // the process has its own handle
	if err != nil {
		return fmt.Errorf("starting %s: %w", p.command.Path, err)
	}
	go func() {
		_ = p.command.Wait() // ProcessState tells how it exited
		close(p.ended)
	}()
	return nil
}

// stop asks the process to end and waits for that.
func (p *process) stop() error {
	_ = p.in.Close() // fails if the process has exited
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping %s: %w", p.command.Path, err)
	}
	limit := time.NewTimer(waitLimit)
	defer limit.Stop()
	select {
	case <-p.ended:
		return nil
	case <-limit.C:
		err := errors.Join(fmt.Errorf("%s did not stop when asked to", p.command.Path), p.command.Process.Kill())
		<-p.ended
		return err
	}
}

// stopAfter stops p and returns err joined with the error of stopping.
func stopAfter(err error, p *process) error { return errors.Join(err, p.stop()) }

func (p *process) lastLog() []byte {
	content, _ := os.ReadFile(p.log.Name())
	return bytes.TrimSpace(content[max(0, len(content)-2000):])
}

// startSubprocess starts this program again as a subprocess (RunSubprocess) and waits until it listens.
func (e *Env) startSubprocess(ctx context.Context, name string, arguments ...string) (*process, error) {
	command := exec.Command(e.cfg.Program, append([]string{name}, arguments...)...)
	p, err := e.newProcess(command)
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
	printed := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n')
		printed <- strings.TrimSpace(line)
	}()
	limit := time.NewTimer(waitLimit)
	defer limit.Stop()
	select {
	case p.address = <-printed:
	case <-limit.C:
	case <-ctx.Done():
	}
	if p.address == "" {
		return nil, stopAfter(fmt.Errorf("%s printed no address: %s", name, p.lastLog()), p)
	}
	return p, nil
}

// startConnector starts the connector with a fake Microsoft.
func (e *Env) startConnector(ctx context.Context, db database) (*process, error) {
	hooks, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	file, err := e.configuration(db, hooks, "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return e.startSubprocess(ctx, "connector", file)
}

// serve starts the connector as it is shipped and waits until it is ready.
func (e *Env) serve(ctx context.Context, db database) (*process, error) {
	hooks, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	private, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	file, err := e.configuration(db, hooks, private)
	if err != nil {
		return nil, err
	}
	p, err := e.newProcess(exec.Command(e.connector, "serve", "--config", file))
	if err != nil {
		return nil, err
	}
	p.address = hooks
	before, err := processorTime()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := p.start(); err != nil {
		return nil, err
	}
	if err := p.awaitReady(ctx, private); err != nil {
		return nil, stopAfter(fmt.Errorf("%w: %s", err, p.lastLog()), p)
	}
	p.ready = time.Since(began)
	after, err := processorTime()
	if err != nil {
		return nil, stopAfter(err, p)
	}
	p.used = after - before
	return p, nil
}

// configuration writes a configuration file like an operator's. Nothing is due under load, so the tick is long.
func (e *Env) configuration(db database, hooks, private string) (string, error) {
	source := fmt.Sprintf("{driver: mysql, dsn: %q}", db.dsn)
	if db.driver == sqldb.SQLite {
		source = fmt.Sprintf("{driver: sqlite, path: %q}", db.dsn)
	}
	text := fmt.Sprintf(`hooks: {listen: %q, publicURL: %s, connections: {perClient: %d}}
onboarding: {listen: "127.0.0.1:0", publicURL: https://onboarding.example.com}
private: {listen: %q}
database: %s
keys: {file: %q}
instances: [{key: %q, secret: %q}]
renewal: {tick: 24h}
`, hooks, publicURL, maxConnections, private, source, e.file("keys"), e.credentials.Key, e.credentials.Secret.Reveal())
	file, err := os.CreateTemp(e.folder, "connector-*.yaml")
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

// awaitReady polls until the connector reports that it is ready.
func (p *process) awaitReady(ctx context.Context, private string) error {
	ctx, cancel := context.WithTimeout(ctx, waitLimit)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+private+"/readyz", http.NoBody)
		if err != nil {
			return err
		}
		if response, err := client.Do(request); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
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

// resident returns the resident memory of the process in MiB.
func (p *process) resident() (float64, error) { return p.memory("VmRSS:") }

// memory returns one of the sizes that the kernel reports, in MiB.
func (p *process) memory(name string) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("reading the memory of a process: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, found := strings.CutPrefix(line, name); found {
			kilobytes, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 64)
			return kilobytes / 1024, err
		}
	}
	return 0, errors.New("the kernel does not report the memory of a process")
}
