package chaos

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/sandbox/clock"
	"azure-partner-connector/sandbox/microsoft"
)

// Settings of the renewals in every deployment. A period is longer than the longest time between two renewals, and shorter
// than twice the shortest: in each period every tenant is due exactly once.
const (
	every  = 10 * 24 * time.Hour
	jitter = time.Hour
	period = every + 2*jitter
	lease  = 2 * time.Minute
	tick   = 200 * time.Millisecond
	// grace is how long a replica may take to stop.
	grace = 20 * time.Second
)

// timeFormat is the format of times in the database.
const timeFormat = "2006-01-02 15:04:05.000"

// A spec says what a deployment consists of.
type spec struct {
	name    string
	tenants int
	workers int
	// dsns are the databases that replicas are spread over, all of one cluster. Default: the Env's server.
	dsns []string
	// sqlite uses a file instead, for one replica.
	sqlite bool
	// restricted gives the replicas an account without rights on the server: for administrators, servers make exceptions.
	restricted bool
	// market starts the simulated platform.
	market bool
	// lagging says that the harness may read from a server that does not know yet what another one has committed.
	lagging bool
	// leases is how often each of the workers that contend for one tenant tries to lease it, before replicas run.
	leases int
}

// A Deployment is one database with its tenants, one simulated Microsoft, and the replicas of one scenario.
type Deployment struct {
	Microsoft *microsoft.Simulator

	env         *Env
	number      int32
	spec        spec
	folder      string
	clock       *clock.Clock
	keyring     *seal.Keyring
	store       *store.Store // the harness's own access to the database
	pools       []*sql.DB    // one for each database
	tenants     []string
	directories []string       // of the tenants, in the same order
	secrets     []secretValue  // guarded by mu once replicas run
	market      *marketplace   // nil unless spec.market
	closers     []func() error // stop what else the scenario started, after everything of the deployment
	steps       atomic.Int64   // steps of renewals that replicas have reported

	mu       sync.Mutex // guards what follows
	ahead    time.Duration
	replicas []*replica   // all that were started, also those that have exited
	isolated map[int]bool // databases that a fault keeps from answering
	periods  int
	numbers  map[string]int // what a scenario counted
	// ownChanges are the changes that the harness itself made.
	ownChanges map[changeKey]int
	traffic    []*traffic // all that was started
	violation  error      // what its shoppers found
}

// deploy creates the tenants, each with a grant that is due after the first period.
func (e *Env) deploy(ctx context.Context, s spec) (*Deployment, error) {
	if s.workers == 0 {
		s.workers = 4
	}
	d := &Deployment{env: e, number: e.deployments.Add(1), spec: s, clock: &clock.Clock{}, isolated: map[int]bool{}, numbers: map[string]int{}, ownChanges: map[changeKey]int{}}
	if err := d.build(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *Deployment) build(ctx context.Context) error {
	var err error
	d.folder = filepath.Join(d.env.cfg.Folder, fmt.Sprintf("%02d-%s", d.number, d.spec.name))
	if err := os.Mkdir(d.folder, 0o700); err != nil {
		return fmt.Errorf("creating a folder: %w", err)
	}
	if d.keyring, err = seal.CreateFile(d.file("keys")); err != nil {
		return err
	}
	if d.Microsoft, err = microsoft.Start(microsoft.Config{Now: d.clock.Now}); err != nil {
		return fmt.Errorf("starting the simulated Microsoft: %w", err)
	}
	if d.spec.market {
		if err := d.openMarketplace(); err != nil {
			return err
		}
	}
	if err := d.openDatabase(ctx); err != nil {
		return err
	}
	if err := d.seed(ctx); err != nil {
		return err
	}
	// MariaDB 10.11 once said of a lease that another node took, too, that a trigger has an error in its body: so it comes before
	// the triggers.
	if d.spec.leases > 0 {
		if err := d.contend(ctx, d.spec.leases); err != nil {
			return err
		}
	}
	return d.recordChanges(ctx)
}

func (d *Deployment) file(name string) string { return filepath.Join(d.folder, name) }

// Close stops every replica and everything else that the deployment started. Its folder stays, with the logs.
func (d *Deployment) Close() error {
	var errs []error
	for _, r := range d.running() {
		r.kill()
	}
	for _, pool := range d.pools {
		_ = pool.Close() // a fault may have broken a connection
	}
	if d.store != nil {
		errs = append(errs, d.store.Close())
	}
	if d.market != nil {
		errs = append(errs, d.market.close())
	}
	if d.Microsoft != nil {
		errs = append(errs, d.Microsoft.Close())
	}
	for _, closer := range d.closers {
		errs = append(errs, closer())
	}
	return errors.Join(errs...)
}

// Advance moves the clocks of the harness, of Microsoft and of all replicas.
func (d *Deployment) Advance(by time.Duration) {
	d.clock.Advance(by)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ahead += by
	for _, r := range d.replicas {
		r.setClock(d.ahead + r.skew)
	}
}

// StartPeriod makes every tenant due once more.
func (d *Deployment) StartPeriod() {
	d.Advance(period)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.periods++
}

// periodsStarted returns how many periods have begun.
func (d *Deployment) periodsStarted() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.periods
}

// planned returns how many renewals all periods so far must have.
func (d *Deployment) planned() int { return d.periodsStarted() * len(d.tenants) }

// count adds n to a count of the scenario.
func (d *Deployment) count(what string, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.numbers[what] += n
}

// counted returns a count of the scenario.
func (d *Deployment) counted(what string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.numbers[what]
}

// inFlight returns how many renewals of running replicas wait for Microsoft's answer.
func (d *Deployment) inFlight() int {
	n := 0
	for _, r := range d.running() {
		n += r.waitingForMicrosoft()
	}
	return n
}

// running returns the replicas that have not exited.
func (d *Deployment) running() []*replica {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(d.replicas), (*replica).hasExited)
}

// figures returns the counts of the scenario.
func (d *Deployment) figures() map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return maps.Clone(d.numbers)
}

// anyOf returns a random number below n.
func anyOf(n int) int { return rand.IntN(n) }
