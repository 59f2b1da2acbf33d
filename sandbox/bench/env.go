package bench

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	// The baseline's driver of SQLite, the same as the store's.
	_ "github.com/glebarez/go-sqlite"

	"azure-partner-connector/connector/platform/oauth1"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/store/storetest/dbserver"
	"azure-partner-connector/connector/tenant"
)

// Config says how much is measured. The zero Config measures everything in full.
type Config struct {
	// Duration is how long each run of a load lasts, in whole seconds. Default: 2 seconds.
	Duration time.Duration

	// Connections are the numbers of connections that a load has in turn. Default: 1, for one caller who waits for each answer, 32
	// and 256. A bar whose number is missing is not measured.
	Connections []int

	// Turns is how often baseline and connector are loaded in turn. Default: 5.
	Turns int

	// Tenants is how many tenants a database holds under load. Default: 2,000.
	Tenants int

	// Many is how many tenants the large database holds. Default: 1,000,000.
	Many int

	// Idle is how many tenants the idle program has. Default: 5,000.
	Idle int

	// Rest is how long a program is idle before its memory is measured. Default: 15 seconds.
	Rest time.Duration

	// Only names what to measure, as Names does. Default: all.
	Only []string

	// Profiles is a folder that gets profiles of each connector that is loaded with a fake Microsoft. Default: none are taken.
	Profiles string

	// Program is the program that runs subprocesses (RunSubprocess). Default: the running program.
	Program string

	// Out receives progress and rows. Default: discard.
	Out io.Writer
}

func (c Config) withDefaults() (Config, error) {
	if c.Duration == 0 {
		c.Duration = 2 * time.Second
	}
	if len(c.Connections) == 0 {
		c.Connections = []int{1, fewConnections, maxConnections}
	}
	if c.Rest == 0 {
		c.Rest = 15 * time.Second
	}
	for _, field := range []struct {
		value *int
		def   int
	}{{&c.Turns, 5}, {&c.Tenants, 2000}, {&c.Many, 1_000_000}, {&c.Idle, 5000}} {
		if *field.value == 0 {
			*field.value = field.def
		}
	}
	if c.Out == nil {
		c.Out = io.Discard
	}
	if c.Program == "" {
		var err error
		if c.Program, err = os.Executable(); err != nil {
			return c, fmt.Errorf("finding this program: %w", err)
		}
	}
	return c, nil
}

// An Env is what the measurements share: the connector as it is shipped, a private MariaDB whose commits are durable, and
// keys.
type Env struct {
	cfg         Config
	folder      string
	connector   string // the program
	server      *dbserver.Server
	keyring     *seal.Keyring
	credentials oauth1.Credentials
	instance    tenant.Instance
	databases   int       // numbers them
	others      []float64 // what other work used of the processors in each run, in percent
	loadBefore  string    // the machine's load average at the start
}

// serverArguments returns the server's arguments, which give it memory for the large database as an operator would.
func (c Config) serverArguments() []string {
	if c.Many < 100_000 {
		return nil
	}
	return []string{"--innodb-buffer-pool-size=4G", "--innodb-log-file-size=1G"}
}

// Prepare builds the connector and starts the database. Close the Env when done.
func Prepare(ctx context.Context, cfg Config) (*Env, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	e := &Env{
		cfg: cfg, instance: newInstance(time.Now().UTC()),
		credentials: oauth1.Credentials{Key: instanceKey, Secret: secret.New(random.Token())},
	}
	if err := e.prepare(ctx); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

func (e *Env) prepare(ctx context.Context) error {
	var err error
	e.loadBefore = "unknown"
	if content, err := os.ReadFile("/proc/loadavg"); err == nil {
		e.loadBefore, _, _ = strings.Cut(string(content), " ")
	}
	if e.folder, err = os.MkdirTemp("", "bench-"); err != nil {
		return fmt.Errorf("creating a folder: %w", err)
	}
	if e.cfg.Profiles != "" {
		if err := os.MkdirAll(e.cfg.Profiles, 0o755); err != nil {
			return fmt.Errorf("creating the folder for profiles: %w", err)
		}
	}
	if err := os.WriteFile(e.file("replay.lua"), replay, 0o600); err != nil {
		return fmt.Errorf("writing the client's script: %w", err)
	}
	e.connector = e.file("connector")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w -X main.version=bench", "-o", e.connector, "azure-partner-connector/connector")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the connector: %w: %s", err, bytes.TrimSpace(output))
	}
	if e.keyring, err = seal.CreateFile(e.file("keys")); err != nil {
		return err
	}
	e.server, err = dbserver.Start(ctx, dbserver.Config{Durable: true, Arguments: e.cfg.serverArguments()})
	return err
}

// Close stops the database and removes what Prepare created.
func (e *Env) Close() error {
	var errs []error
	if e.server != nil {
		errs = append(errs, e.server.Stop())
	}
	if e.folder != "" {
		errs = append(errs, os.RemoveAll(e.folder))
	}
	return errors.Join(errs...)
}

func (e *Env) file(name string) string { return filepath.Join(e.folder, name) }

// tmpfsFile names a file for data that is written and read once. If possible, it is not on the measured disk.
func (e *Env) tmpfsFile(name string) string {
	const memory = "/dev/shm"
	if info, err := os.Stat(memory); err == nil && info.IsDir() {
		return filepath.Join(memory, filepath.Base(e.folder)+"-"+name)
	}
	return e.file(name)
}

// A database is a database for the connector.
type database struct{ driver, dsn string }

// mysql creates an empty database on the server.
func (e *Env) mysql(ctx context.Context) (database, error) {
	e.databases++
	name := fmt.Sprintf("bench_%d", e.databases)
	pool, err := sql.Open("mysql", e.server.DSN(""))
	if err != nil {
		return database{}, err
	}
	defer pool.Close()
	if _, err := pool.ExecContext(ctx, "CREATE DATABASE "+name); err != nil {
		return database{}, fmt.Errorf("creating a database: %w", err)
	}
	return database{sqldb.MySQL, e.server.DSN(name)}, nil
}

// sqlite names a file that does not exist yet.
func (e *Env) sqlite() database {
	e.databases++
	return database{sqldb.SQLite, e.file(fmt.Sprintf("bench-%d.db", e.databases))}
}

// open opens the store on a database and brings its schema up to date.
func (e *Env) open(ctx context.Context, db database) (*store.Store, error) {
	s, err := store.Open(ctx, store.Config{Config: sqldb.Config{Driver: db.driver, DSN: secret.New(db.dsn)}, Keyring: e.keyring})
	if err != nil {
		return nil, err
	}
	if err := s.Migrate(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}
