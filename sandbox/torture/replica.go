package torture

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"azure-partner-connector/connector/token"
)

// stopWithin bounds how long a replica may take to stop by itself; its grace is 20 seconds.
const stopWithin = 40 * time.Second

// A wish says how a replica is to be.
type wish struct {
	skew      time.Duration // of its clock
	dieAt     token.Step    // empty: nowhere
	dieOn     int
	database  int   // which of the rig's
	fileLimit int64 // 0: none
}

// A replica is one process of the connector.
type replica struct {
	rig     *Rig
	skew    time.Duration
	command *exec.Cmd
	in      io.WriteCloser
	ready   chan struct{} // closed when it serves, or has ended
	ended   chan struct{} // closed when it has ended
	diedAt  string        // the step at which it killed itself; read it after ended
	log     string        // the file of its log
	read    int           // how much of its log the scenario has seen
}

// start starts a replica and returns when it serves, or has killed itself already.
func (r *Rig) start(ctx context.Context, w wish) (*replica, error) {
	r.mu.Lock()
	number, ahead := len(r.replicas), r.ahead+w.skew
	r.mu.Unlock()
	file, err := r.configuration(w.database)
	if err != nil {
		return nil, err
	}
	arguments := []string{"-config", file, "-ahead", ahead.String(), "-file-limit", strconv.FormatInt(w.fileLimit, 10)}
	if w.dieAt != "" {
		arguments = append(arguments, "-die-at", string(w.dieAt), "-die-on", strconv.Itoa(w.dieOn))
	}
	one := &replica{rig: r, skew: w.skew, ready: make(chan struct{}), ended: make(chan struct{})}
	one.command = exec.Command(r.ground.program, arguments...)
	one.log = r.file(fmt.Sprintf("replica-%05d.log", number))
	if err := one.launch(); err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.replicas = append(r.replicas, one)
	one.tell(r.ahead + one.skew) // the clock may have been moved meanwhile
	r.mu.Unlock()
	select {
	case <-one.ready:
	case <-ctx.Done():
		return one, ctx.Err()
	}
	if one.hasEnded() && one.diedAt == "" {
		return one, fmt.Errorf("replica %d ended as it started: %s", number, one.command.ProcessState)
	}
	return one, nil
}

// launch starts the process with its log in a file. The log goes through a pipe: a limit on the size of files is meant
// for the database.
func (o *replica) launch() error {
	log, err := os.OpenFile(o.log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("making a log: %w", err)
	}
	o.command.Stderr = struct{ io.Writer }{log}
	in, inErr := o.command.StdinPipe()
	out, outErr := o.command.StdoutPipe()
	if err := errors.Join(inErr, outErr); err != nil {
		return errors.Join(err, log.Close())
	}
	o.in = in
	if err := o.command.Start(); err != nil {
		return errors.Join(fmt.Errorf("starting a replica: %w", err), log.Close())
	}
	go func() {
		o.follow(out)
		_ = o.command.Wait() // how it ended is in its state
		log.Close()
		close(o.ended)
	}()
	return nil
}

// follow reads what the replica says of itself until it ends.
func (o *replica) follow(out io.Reader) {
	served := false
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if lines.Text() == "ready" && !served {
			served = true
			close(o.ready)
		} else if step, ok := cut(lines.Text(), "dies at "); ok {
			o.diedAt = step
		}
	}
	if !served {
		go func() {
			<-o.ended
			close(o.ready)
		}()
	}
}

func cut(line, prefix string) (string, bool) {
	if len(line) <= len(prefix) || line[:len(prefix)] != prefix {
		return "", false
	}
	return line[len(prefix):], true
}

// news returns what the replica has logged since news was last called.
func (o *replica) news() ([]byte, error) {
	content, err := os.ReadFile(o.log)
	if err != nil {
		return nil, fmt.Errorf("reading a log: %w", err)
	}
	fresh := content[o.read:]
	o.read = len(content)
	return fresh, nil
}

// tell moves its clock. A replica that is dead does not hear it.
func (o *replica) tell(ahead time.Duration) { _, _ = io.WriteString(o.in, ahead.String()+"\n") }

func (o *replica) hasEnded() bool {
	select {
	case <-o.ended:
		return true
	default:
		return false
	}
}

// kill ends the process as a crash does, and waits for that.
func (o *replica) kill() {
	_ = o.command.Process.Kill() // it may have ended by itself
	<-o.ended
}

// stop asks the process to end, and fails when it does not, or not well.
func (o *replica) stop() error {
	if err := o.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping a replica: %w", err)
	}
	patience := time.NewTimer(stopWithin)
	defer patience.Stop()
	select {
	case <-o.ended:
	case <-patience.C:
		o.kill()
		return errors.New("a replica did not stop by itself")
	}
	if state := o.command.ProcessState; !state.Success() {
		return fmt.Errorf("a replica that was asked to stop ended with %s", state)
	}
	return nil
}

// awaitEnd waits until the replica has killed itself.
func (o *replica) awaitEnd(ctx context.Context) error {
	select {
	case <-o.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for a replica to die: %w", ctx.Err())
	}
}

// living returns the replicas that have not ended.
func (r *Rig) living() []*replica {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []*replica
	for _, one := range r.replicas {
		if !one.hasEnded() {
			all = append(all, one)
		}
	}
	return all
}

// stopAll asks all replicas to end.
func (r *Rig) stopAll() error {
	var errs []error
	for _, one := range r.living() {
		errs = append(errs, one.stop())
	}
	return errors.Join(errs...)
}

// configuration writes what an operator would write, for one of the rig's databases, and returns the file's name.
func (r *Rig) configuration(database int) (string, error) {
	dsn := r.layout.dsns[database]
	place := fmt.Sprintf("{driver: mysql, dsn: %q}", dsn)
	if r.layout.sqlite {
		place = fmt.Sprintf("{driver: sqlite, path: %q}", dsn)
	}
	text := fmt.Sprintf(`hooks: {listen: "127.0.0.1:0", publicURL: https://connector.example.com/aps}
onboarding: {listen: "127.0.0.1:0", publicURL: https://onboarding.example.com}
private: {listen: "127.0.0.1:0"}
database: %s
keys: {file: %q}
instances: [{key: %q, secret: %q}]
renewal: {every: %s, jitter: %s, tick: %s, lease: %s, workers: %d}
shutdown: {grace: %s}
log: {level: debug}
clouds:
  - name: global
    authority: %q
    partnerCenter: {baseURL: %q}
    graph: {baseURL: %q}
    arm: {baseURL: %q}
`, place, r.file("keys"), instanceKey, sharedSecret, every, jitter, tick, lease, r.layout.workers, r.layout.grace,
		r.Microsoft.LoginURL(), r.Microsoft.PartnerCenterURL(), r.Microsoft.GraphURL(), r.Microsoft.ARMURL())
	file := filepath.Join(r.folder, fmt.Sprintf("connector-%d.yaml", database))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("writing the configuration: %w", err)
	}
	return file, nil
}
