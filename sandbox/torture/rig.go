package torture

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"

	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/sandbox/clock"
	"azure-partner-connector/sandbox/microsoft"
)

// What every rig's renewals are set to. A period is longer than the longest time between two renewals, and shorter
// than twice the shortest: in each period every tenant is due exactly once.
const (
	every  = 10 * 24 * time.Hour
	jitter = time.Hour
	period = every + 2*jitter
	lease  = 2 * time.Minute
	tick   = 200 * time.Millisecond
)

// written is how times are kept in the database.
const written = "2006-01-02 15:04:05.000"

const (
	// stalled is how long nothing must happen until the harness takes the rest for held by the dead, and lets their
	// leases run out.
	stalled = 600 * time.Millisecond
	// lookAgain is how often the harness asks the database how far things are.
	lookAgain = 50 * time.Millisecond
	// settleWithin bounds one period in real time; it is far more than any needs.
	settleWithin = 5 * time.Minute
)

// A layout says what a rig is made of.
type layout struct {
	name    string
	tenants int
	workers int
	// dsns are the databases that replicas are spread over, all of one cluster. Default: the ground's server.
	dsns []string
	// grace is how long a replica that is asked to stop may take. Default: 20 seconds.
	grace time.Duration
	// sqlite uses a file instead, for one replica.
	sqlite bool
}

// A Rig is one database with its tenants, one simulated Microsoft, and the replicas of one scenario.
type Rig struct {
	Microsoft *microsoft.Simulator

	ground  *Ground
	number  int32
	layout  layout
	folder  string
	clock   *clock.Clock
	keyring *seal.Keyring
	store   *store.Store // the harness's own look at the database
	raw     *sql.DB
	tenants []string
	secrets []secretValue
	closing []func() error // what a scenario started besides, ended last

	mu       sync.Mutex // guards what follows
	ahead    time.Duration
	replicas []*replica // all that were ever started
	periods  int
	numbers  map[string]int // what a scenario counted
}

// newRig makes the tenants, each with a grant that is due after the first Period.
func (g *Ground) newRig(ctx context.Context, l layout) (*Rig, error) {
	if l.workers == 0 {
		l.workers = 4
	}
	if l.grace == 0 {
		l.grace = 20 * time.Second
	}
	r := &Rig{ground: g, number: g.rigs.Add(1), layout: l, clock: &clock.Clock{}, numbers: map[string]int{}}
	if err := r.build(ctx); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (r *Rig) build(ctx context.Context) error {
	var err error
	r.folder = filepath.Join(r.ground.cfg.Folder, fmt.Sprintf("%02d-%s", r.number, r.layout.name))
	if err := os.Mkdir(r.folder, 0o700); err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	if r.keyring, err = seal.CreateFile(r.file("keys")); err != nil {
		return err
	}
	if r.Microsoft, err = microsoft.Start(microsoft.Config{Now: r.clock.Now}); err != nil {
		return fmt.Errorf("starting the simulated Microsoft: %w", err)
	}
	if err := r.openDatabase(ctx); err != nil {
		return err
	}
	if err := r.seed(ctx); err != nil {
		return err
	}
	return r.watch(ctx)
}

// openDatabase makes a new database and a store on it, which is the harness's own.
func (r *Rig) openDatabase(ctx context.Context) error {
	kind := sqldb.SQLite
	if r.layout.sqlite {
		r.layout.dsns = []string{r.file("connector.db")}
	} else {
		kind = sqldb.MySQL
		name := fmt.Sprintf("torture_%02d", r.number)
		if r.layout.dsns == nil {
			r.layout.dsns = []string{r.ground.server.DSN("")}
		}
		if err := createDatabase(ctx, r.layout.dsns[0], name); err != nil {
			return err
		}
		r.layout.dsns = slices.Clone(r.layout.dsns)
		for i, dsn := range r.layout.dsns {
			r.layout.dsns[i] = strings.Replace(dsn, "/?", "/"+name+"?", 1)
		}
	}
	var err error
	if r.store, err = store.Open(ctx, store.Config{Config: sqldb.Config{Driver: kind, DSN: r.layout.dsns[0]}, Keyring: r.keyring}); err != nil {
		return err
	}
	if err := r.store.Migrate(ctx); err != nil {
		return err
	}
	r.raw, err = pool(kind, r.layout.dsns[0])
	return err
}

// pool opens plain connections. What the driver says about those that break is not wanted here: breaking them is what
// scenarios do.
func pool(kind, dsn string) (*sql.DB, error) {
	if kind == sqldb.SQLite {
		return sql.Open("sqlite", dsn)
	}
	cfg, err := mysqldriver.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("reading the address of the database: %w", err)
	}
	cfg.Logger = &mysqldriver.NopLogger{}
	connector, err := mysqldriver.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("connecting to the database: %w", err)
	}
	return sql.OpenDB(connector), nil
}

func createDatabase(ctx context.Context, dsn, name string) error {
	admin, err := pool(sqldb.MySQL, dsn)
	if err != nil {
		return err
	}
	defer admin.Close()
	if _, err := admin.ExecContext(ctx, "CREATE DATABASE "+name); err != nil {
		return fmt.Errorf("making the database %s: %w", name, err)
	}
	return nil
}

func (r *Rig) file(name string) string { return filepath.Join(r.folder, name) }

// Close ends every replica and all else that the rig started. Its folder stays, with the logs.
func (r *Rig) Close() error {
	var errs []error
	for _, one := range r.living() {
		one.kill()
	}
	if r.raw != nil {
		errs = append(errs, r.raw.Close())
	}
	if r.store != nil {
		if err := r.store.Close(); !errors.Is(err, driver.ErrBadConn) { // what was cut cannot be closed well
			errs = append(errs, err)
		}
	}
	if r.Microsoft != nil {
		errs = append(errs, r.Microsoft.Close())
	}
	for _, end := range r.closing {
		errs = append(errs, end())
	}
	return errors.Join(errs...)
}

// Advance moves everybody's clock.
func (r *Rig) Advance(d time.Duration) {
	r.clock.Advance(d)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ahead += d
	for _, one := range r.replicas {
		one.tell(r.ahead + one.skew)
	}
}

// Period makes every tenant due once more.
func (r *Rig) Period() {
	r.Advance(period)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.periods++
}

// planned returns how many renewals there will have been when all tenants are settled.
func (r *Rig) planned() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.periods * len(r.tenants)
}

// count adds to a figure of the scenario.
func (r *Rig) count(what string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.numbers[what] += n
}

// counted returns a figure of the scenario.
func (r *Rig) counted(what string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.numbers[what]
}

// open returns how many tenants are due or leased.
func (r *Rig) open(ctx context.Context) (int, error) {
	now := r.clock.Now().Format(written)
	var n int
	err := r.raw.QueryRowContext(ctx, "SELECT COUNT(*) FROM schedules WHERE due_at <= ? OR lease_until >= ?", now, now).Scan(&n)
	return n, err
}

// Settle waits until no tenant is due or leased. Where nothing happens any more, what is left is held by the dead, and
// it lets the time pass that their leases last. A database that does not answer is waited for.
func (r *Rig) Settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	ticker := time.NewTicker(lookAgain)
	defer ticker.Stop()
	last, since := -1, time.Now()
	for {
		left, err := r.open(ctx)
		switch {
		case err == nil && left == 0:
			return nil
		case err != nil || left != last:
			last, since = left, time.Now()
		case time.Since(since) > stalled:
			r.Advance(lease + time.Second)
			r.count("times that leases had to run out", 1)
			since = time.Now()
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting until %d tenants of %d are renewed: %w", left, len(r.tenants), errors.Join(ctx.Err(), err))
		}
	}
}

const (
	// longestWait is more than the longest wait between two tries of a renewal.
	longestWait = 27 * time.Hour
	// soon tells who waits for another try from who was renewed: the one is due within longestWait, the other not for
	// most of a period, whatever time passes within one.
	soon = 2 * longestWait
)

// healings bounds how often Heal lets that time pass: each try may meet another fault that was still on its way.
const healings = 3

// Heal is Settle for when the fault is over: it also lets those be tried again whose renewal failed by it or was put off.
func (r *Rig) Heal(ctx context.Context) error {
	for range healings {
		if err := r.Settle(ctx); err != nil {
			return err
		}
		var waiting int
		err := r.raw.QueryRowContext(ctx, "SELECT COUNT(*) FROM schedules WHERE failure IS NOT NULL OR due_at < ?",
			r.clock.Now().Add(soon).Format(written)).Scan(&waiting)
		if err == nil && waiting == 0 {
			return nil
		}
		if err != nil {
			continue // the database has just gone; Settle waits for it
		}
		r.count("renewals that worked later", waiting)
		r.Advance(longestWait)
	}
	return r.Settle(ctx)
}

// anyOf returns a number below n.
func anyOf(n int) int { return rand.IntN(n) }
