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
	"strings"
	"sync"
	"sync/atomic"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"

	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/sqldb"
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
	return d.recordChanges(ctx)
}

// openDatabase creates a database and opens the harness's own store on it.
func (d *Deployment) openDatabase(ctx context.Context) error {
	kind := sqldb.SQLite
	if d.spec.sqlite {
		d.spec.dsns = []string{d.file("connector.db")}
	} else {
		kind = sqldb.MySQL
		name := d.databaseName()
		if d.spec.dsns == nil {
			d.spec.dsns = []string{d.env.dsn}
		}
		if err := createDatabase(ctx, d.spec.dsns[0], name, d.spec.restricted); err != nil {
			return err
		}
		d.spec.dsns = slices.Clone(d.spec.dsns)
		for i, dsn := range d.spec.dsns {
			d.spec.dsns[i] = onDatabase(dsn, name)
		}
	}
	var err error
	if d.store, err = store.Open(ctx, store.Config{Config: sqldb.Config{Driver: kind, DSN: secret.New(d.spec.dsns[0])}, Keyring: d.keyring}); err != nil {
		return err
	}
	if err := d.store.Migrate(ctx); err != nil {
		return err
	}
	for _, dsn := range d.spec.dsns {
		pool, err := openPool(kind, dsn)
		if err != nil {
			return err
		}
		d.pools = append(d.pools, pool)
	}
	return nil
}

func (d *Deployment) databaseName() string { return fmt.Sprintf("chaos_%02d", d.number) }

// onDatabase returns the address of a database on the server that a DSN names.
func onDatabase(dsn, name string) string { return strings.Replace(dsn, "/?", "/"+name+"?", 1) }

// openPool opens plain connections. The driver's own log is discarded: scenarios break connections on purpose.
func openPool(kind, dsn string) (*sql.DB, error) {
	if kind == sqldb.SQLite {
		return sql.Open("sqlite", dsn)
	}
	cfg, err := mysqldriver.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("reading the address of the database: %w", err)
	}
	cfg.Logger = &mysqldriver.NopLogger{}
	cfg.Params = map[string]string{"autocommit": "1", "sql_select_limit": "18446744073709551615"} // whatever the server says
	connector, err := mysqldriver.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("connecting to the database: %w", err)
	}
	return sql.OpenDB(connector), nil
}

// The parts of a DSN that name the account: the administrator's, and that of replicas with a restricted one.
const (
	administrator = "root@"
	restricted    = "connector:x@"
)

// createDatabase creates a database, and for restricted replicas their account.
func createDatabase(ctx context.Context, dsn, name string, restricted bool) error {
	admin, err := openPool(sqldb.MySQL, dsn)
	if err != nil {
		return err
	}
	defer admin.Close()
	statements := []string{"CREATE DATABASE " + name}
	if restricted {
		statements = append(statements, "CREATE USER 'connector'@'127.0.0.1' IDENTIFIED BY 'x'", "GRANT ALL ON "+name+".* TO 'connector'@'127.0.0.1'")
	}
	for _, statement := range statements {
		if _, err := admin.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("creating the database %s: %w", name, err)
		}
	}
	return nil
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

// db returns the harness's connections to a database that no fault keeps from answering.
func (d *Deployment) db() *sql.DB {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, pool := range d.pools {
		if !d.isolated[i] {
			return pool
		}
	}
	return d.pools[0]
}

// setIsolated records whether a fault keeps a database from answering. As long as it does, the harness expects nothing
// from the replicas on it.
func (d *Deployment) setIsolated(database int, isolated bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.isolated[database] = isolated
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

// pending returns how many tenants are due and not leased, and the valid leases: tenant → owner.
func (d *Deployment) pending(ctx context.Context) (due int, leases map[string]string, err error) {
	ctx, cancel := context.WithTimeout(ctx, queryLimit)
	defer cancel()
	now := d.clock.Now().Format(timeFormat)
	rows, err := d.db().QueryContext(ctx, "SELECT tenant_id, lease_owner FROM schedules WHERE lease_until >= ? "+
		"UNION ALL SELECT tenant_id, NULL FROM schedules WHERE due_at <= ? AND (lease_until IS NULL OR lease_until < ?)", now, now, now)
	if err != nil {
		return 0, nil, err
	}
	defer rows.Close()
	leases = map[string]string{}
	for rows.Next() {
		var tenantID string
		var owner sql.NullString
		if err := rows.Scan(&tenantID, &owner); err != nil {
			return 0, nil, err
		}
		if owner.Valid {
			leases[tenantID] = owner.String
		} else {
			due++
		}
	}
	return due, leases, rows.Err()
}

// leasesExpired is the name under which the harness counts how often it let leases expire.
const leasesExpired = "times that leases had to expire"

// AwaitRenewals waits until no tenant is due or leased, and until the database answers. When the remaining leases are
// abandoned, it moves the clock past their end.
func (d *Deployment) AwaitRenewals(ctx context.Context) error {
	var (
		due     int
		leases  map[string]string
		lastErr error
		seen    *leaseSnapshot
	)
	err := await(ctx, "renewals", func(ctx context.Context) (bool, error) {
		abandoned := seen != nil && seen.abandoned() // checked before the leases are read, because they may be released in between
		due, leases, lastErr = d.pending(ctx)
		switch {
		case lastErr != nil: // the next poll tries again
		case due > 0: // a running replica leases it with its next sweep
			seen = nil
		case len(leases) == 0:
			return true, nil
		case seen == nil || !seen.includes(leases):
			seen = d.snapshot(leases)
		case abandoned:
			d.Advance(lease + time.Second)
			d.count(leasesExpired, 1)
			seen = nil
		}
		return false, nil //nolint:nilerr // a database that does not answer is asked again
	})
	if err != nil {
		return fmt.Errorf("%d tenants of %d are due and %d leased: %w", due, len(d.tenants), len(leases), errors.Join(err, lastErr))
	}
	return nil
}

// A leaseSnapshot is the set of leases at a moment, with the replicas that could release them.
type leaseSnapshot struct {
	leases map[string]string // tenant → owner
	marks  map[*replica]int  // a mark that was sent after the leases were read
}

func (d *Deployment) snapshot(leases map[string]string) *leaseSnapshot {
	s := &leaseSnapshot{leases: leases, marks: map[*replica]int{}}
	for _, r := range d.running() {
		s.marks[r] = r.sendMark()
	}
	return s
}

// includes reports whether the snapshot contains all the given leases.
func (s *leaseSnapshot) includes(leases map[string]string) bool {
	for tenantID, owner := range leases {
		if s.leases[tenantID] != owner {
			return false
		}
	}
	return true
}

// abandoned reports whether no replica will release the leases of the snapshot: each has exited, is kept from its
// database, or has ended a sweep since. A sweep ends after it has released, as far as that worked, everything that it
// leased, and a replica runs one sweep at a time.
func (s *leaseSnapshot) abandoned() bool {
	for r, mark := range s.marks {
		if !r.hasExited() && !r.isIsolated() && !r.sweptSince(mark) {
			return false
		}
	}
	return true
}

// queryLimit bounds one query of the harness, because a fault may make the database hang.
const queryLimit = 10 * time.Second

const (
	// longestRetry is more than the longest wait between two attempts of a renewal.
	longestRetry = 27 * time.Hour
	// soon separates tenants that wait for another attempt from those that were renewed: the former are due within
	// longestRetry, the latter not for most of a period.
	soon = 2 * longestRetry
	// recoveries bounds how often Recover advances by longestRetry, since each attempt may meet another fault. All of them
	// together leave more than soon of a period.
	recoveries = 6
)

// Recover is AwaitRenewals after a fault is over: it also waits for the next attempts of renewals that failed or were
// deferred.
func (d *Deployment) Recover(ctx context.Context) error {
	for range recoveries {
		if err := d.AwaitRenewals(ctx); err != nil {
			return err
		}
		waiting, err := d.waiting(ctx)
		if err == nil && waiting == 0 {
			return nil
		}
		if err != nil {
			continue // the database has just stopped answering; AwaitRenewals waits for it
		}
		d.count("renewals that worked later", waiting)
		d.Advance(longestRetry)
	}
	return d.AwaitRenewals(ctx)
}

// waiting returns how many tenants wait for another attempt.
func (d *Deployment) waiting(ctx context.Context) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, queryLimit)
	defer cancel()
	err = d.db().QueryRowContext(ctx, "SELECT COUNT(*) FROM schedules WHERE failure IS NOT NULL OR due_at < ?",
		d.clock.Now().Add(soon).Format(timeFormat)).Scan(&n)
	return n, err
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
