package chaos

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
	"strings"
	"sync"
	"syscall"
	"time"

	"azure-partner-connector/connector/token"
)

// replicaOptions say how a replica differs from a healthy one.
type replicaOptions struct {
	skew      time.Duration // of its clock
	killAt    token.Step    // empty: at none
	killOn    int
	database  int   // which of the deployment's
	fileLimit int64 // 0: none
	// descriptors is how many files may be open at once; 0 is the machine's own limit.
	descriptors int
}

// A replica is one process of the connector.
type replica struct {
	deployment *Deployment
	skew       time.Duration
	database   int
	command    *exec.Cmd
	in         io.WriteCloser
	ready      chan struct{} // closed when it serves, or has exited
	exited     chan struct{} // closed when it has exited
	logFile    string
	logRead    int64 // how much of its log newLog has returned

	mu       sync.Mutex // guards what follows
	steps    map[token.Step]int
	marks    int               // sent
	sweptAt  map[int]int       // mark → sweeps that had ended when the replica returned it
	killedAt string            // the step at which it killed itself
	stopping bool              // it has begun to stop
	listens  map[string]string // listener → address, once that is known
}

// start starts a replica and returns when it serves or has killed itself.
func (d *Deployment) start(ctx context.Context, o replicaOptions) (*replica, error) {
	d.mu.Lock()
	number, ahead := len(d.replicas), d.ahead+o.skew
	d.mu.Unlock()
	file, err := d.configuration(o.database)
	if err != nil {
		return nil, err
	}
	arguments := []string{"-config", file, "-ahead", ahead.String(), "-file-limit", strconv.FormatInt(o.fileLimit, 10), "-descriptors", strconv.Itoa(o.descriptors)}
	if o.killAt != "" {
		arguments = append(arguments, "-kill-at", string(o.killAt), "-kill-on", strconv.Itoa(o.killOn))
	}
	r := &replica{
		deployment: d, skew: o.skew, database: o.database, ready: make(chan struct{}), exited: make(chan struct{}),
		steps: map[token.Step]int{}, sweptAt: map[int]int{},
	}
	r.command = exec.Command(d.env.program, arguments...)
	r.logFile = d.file(fmt.Sprintf("replica-%05d.log", number))
	if err := r.launch(); err != nil {
		return nil, err
	}
	d.mu.Lock()
	d.replicas = append(d.replicas, r)
	r.setClock(d.ahead + r.skew) // the clock may have moved meanwhile
	d.mu.Unlock()
	select {
	case <-r.ready:
	case <-ctx.Done():
		return r, ctx.Err()
	}
	if r.hasExited() && r.killStep() == "" {
		said, _ := os.ReadFile(r.logFile) // as far as it can be read
		return r, fmt.Errorf("replica %d exited as it started: %s: %s", number, r.command.ProcessState, said[max(0, len(said)-500):])
	}
	return r, nil
}

// startReplicas starts n replicas.
func (d *Deployment) startReplicas(ctx context.Context, n int, options func(i int) replicaOptions) ([]*replica, error) {
	replicas := make([]*replica, n)
	for i := range replicas {
		var err error
		if replicas[i], err = d.start(ctx, options(i)); err != nil {
			return nil, err
		}
	}
	return replicas, nil
}

func healthy(int) replicaOptions { return replicaOptions{} }

// launch starts the process with its log in a file. The log goes through a pipe, because the limit on the size of files
// must apply only to the database.
func (r *replica) launch() error {
	log, err := os.OpenFile(r.logFile, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("creating a log: %w", err)
	}
	r.command.Stderr = struct{ io.Writer }{log}
	in, inErr := r.command.StdinPipe()
	out, outErr := r.command.StdoutPipe()
	if err := errors.Join(inErr, outErr); err != nil {
		return errors.Join(err, log.Close())
	}
	r.in = in
	if err := r.command.Start(); err != nil {
		return errors.Join(fmt.Errorf("starting a replica: %w", err), log.Close())
	}
	go func() {
		served := r.readReports(out)
		_ = r.command.Wait() // how it exited is in its state
		log.Close()
		close(r.exited)
		if !served {
			close(r.ready)
		}
	}()
	return nil
}

// readReports records what the replica reports until it exits, and returns whether it has served.
func (r *replica) readReports(out io.Reader) (served bool) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		report, value, _ := strings.Cut(lines.Text(), " ")
		if report == "ready" && !served {
			served = true
			close(r.ready)
		}
		r.record(report, value)
	}
	return served
}

func (r *replica) record(report, value string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch report {
	case "step":
		step := token.Step(value)
		r.steps[step]++
		if step != token.SweepEnded {
			r.deployment.steps.Add(1)
		}
	case "mark":
		if mark, err := strconv.Atoi(value); err == nil {
			r.sweptAt[mark] = r.steps[token.SweepEnded]
		}
	case "killed":
		r.killedAt = value
	case "stopping":
		r.stopping = true
	}
}

// setClock sets how far the replica's clock is ahead. It has no effect on a replica that has exited.
func (r *replica) setClock(ahead time.Duration) { r.send("clock " + ahead.String()) }

// setSkew sets how far the replica's clock is ahead of the harness's.
func (r *replica) setSkew(skew time.Duration) {
	r.deployment.mu.Lock()
	defer r.deployment.mu.Unlock()
	r.skew = skew
	r.setClock(r.deployment.ahead + skew)
}

// sendMark makes the replica repeat a mark among its reports: what it reports after the mark happened after this call.
func (r *replica) sendMark() int {
	r.mu.Lock()
	r.marks++
	mark := r.marks
	r.mu.Unlock()
	r.send("mark " + strconv.Itoa(mark))
	return mark
}

func (r *replica) send(line string) { _, _ = io.WriteString(r.in, line+"\n") } // it may have exited

// sweptSince reports whether a sweep has ended after the replica returned a mark.
func (r *replica) sweptSince(mark int) bool { return r.sweepsSince(mark) > 0 }

// sweepsSince returns how many sweeps have ended after the replica returned a mark.
func (r *replica) sweepsSince(mark int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, returned := r.sweptAt[mark]
	if !returned {
		return 0
	}
	return r.steps[token.SweepEnded] - before
}

// reached returns how often the replica has reached a step.
func (r *replica) reached(step token.Step) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.steps[step]
}

func (r *replica) waitingForMicrosoft() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.steps[token.BeforeRedeem] - r.steps[token.AfterAnswer]
}

func (r *replica) killStep() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.killedAt
}

func (r *replica) isStopping() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stopping
}

// isIsolated reports whether a fault keeps the replica from its database.
func (r *replica) isIsolated() bool {
	r.deployment.mu.Lock()
	defer r.deployment.mu.Unlock()
	return r.deployment.isolated[r.database]
}

func (r *replica) hasExited() bool {
	select {
	case <-r.exited:
		return true
	default:
		return false
	}
}

// newLog returns what the replica has logged since newLog was last called.
func (r *replica) newLog() ([]byte, error) {
	file, err := os.Open(r.logFile)
	if err != nil {
		return nil, fmt.Errorf("reading a log: %w", err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.NewSectionReader(file, r.logRead, 1<<62))
	r.logRead += int64(len(content))
	return content, err
}

// kill ends the process as a crash does, and waits for that.
func (r *replica) kill() {
	_ = r.command.Process.Kill() // it may have exited already
	<-r.exited
}

// stop asks the process to stop, and returns an error if it does not stop or exits with an error.
func (r *replica) stop(ctx context.Context) error {
	if err := r.askToStop(); err != nil {
		return err
	}
	return r.awaitStopped(ctx)
}

func (r *replica) askToStop() error {
	if err := r.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping a replica: %w", err)
	}
	return nil
}

func (r *replica) awaitStopped(ctx context.Context) error {
	if err := r.awaitExit(ctx); err != nil {
		r.kill()
		return err
	}
	if state := r.command.ProcessState; !state.Success() {
		return fmt.Errorf("a replica that was asked to stop exited with %s", state)
	}
	return nil
}

// awaitExit waits until the process has exited.
func (r *replica) awaitExit(ctx context.Context) error {
	return await(ctx, "a replica's exit", func(context.Context) (bool, error) { return r.hasExited(), nil })
}

// stopAll asks all replicas to stop.
func (d *Deployment) stopAll(ctx context.Context) error {
	var errs []error
	for _, r := range d.running() {
		errs = append(errs, r.stop(ctx))
	}
	return errors.Join(errs...)
}

// configuration writes what an operator would write, for one of the databases, and returns the file's name.
func (d *Deployment) configuration(database int) (string, error) {
	dsn := d.spec.dsns[database]
	if d.spec.restricted {
		dsn = strings.Replace(dsn, administrator, restricted, 1)
	}
	hooksURL, onboardingURL, installed := "https://connector.example.com/aps", "https://onboarding.example.com", ""
	if m := d.market; m != nil {
		hooksURL, onboardingURL = m.hooks.url+"/aps", m.onboarding.url
		installed = fmt.Sprintf(", {key: %q, secret: %q}", marketKey, m.secret.Reveal())
	}
	source := fmt.Sprintf("{driver: mysql, dsn: %q}", dsn)
	if d.spec.sqlite {
		source = fmt.Sprintf("{driver: sqlite, path: %q}", dsn)
	}
	text := fmt.Sprintf(`hooks: {listen: "127.0.0.1:0", publicURL: %q}
onboarding:
  {listen: "127.0.0.1:0", publicURL: %q, trustedProxies: [127.0.0.1], connections: {idle: 1h}, requestsPerMinute: 100000, requestBurst: 10000}
private: {listen: "127.0.0.1:0"}
database: %s
keys: {file: %q}
instances: [{key: %q, secret: %q}%s]
renewal: {every: %s, jitter: %s, tick: %s, lease: %s, workers: %d}
shutdown: {grace: %s}
log: {level: debug}
clouds:
  - name: global
    authority: %q
    partnerCenter: {baseURL: %q}
    graph: {baseURL: %q}
    arm: {baseURL: %q}
`, hooksURL, onboardingURL, source, d.file("keys"), instanceKey, sharedSecret, installed, every, jitter, tick, lease, d.spec.workers, grace,
		d.Microsoft.LoginURL(), d.Microsoft.PartnerCenterURL(), d.Microsoft.GraphURL(), d.Microsoft.ARMURL())
	file := filepath.Join(d.folder, fmt.Sprintf("connector-%d.yaml", database))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("writing the configuration: %w", err)
	}
	return file, nil
}
