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

	// The floor's driver of SQLite, the same as the store's.
	_ "github.com/glebarez/go-sqlite"

	"azure-partner-connector/connector/platform/oauth1"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/store/storetest/mariadb"
	"azure-partner-connector/connector/tenant"
)

// Config says how much is measured. The zero Config is the full measure.
type Config struct {
	// Duration is how long each run of a load lasts, in whole seconds. Default: 5 seconds.
	Duration time.Duration

	// Turns is how often floor and connector are loaded in turn. Default: 5.
	Turns int

	// Tenants is how many tenants a database holds under load. Default: 2,000.
	Tenants int

	// Many is how many tenants the large database holds. Default: 1,000,000.
	Many int

	// Loans is how many access tokens are held at once. Default: 100,000.
	Loans int

	// Idle is how many tenants the program that does nothing has. Default: 5,000.
	Idle int

	// Rest is how long a program is left alone before its memory is measured. Default: 15 seconds.
	Rest time.Duration

	// Only names what to measure, as Names does. Default: all.
	Only []string

	// Program is the program that plays parts (Play). Default: the one that runs.
	Program string

	// Out is told how it goes. Default: nobody is.
	Out io.Writer
}

func (c Config) withDefaults() (Config, error) {
	if c.Duration == 0 {
		c.Duration = 5 * time.Second
	}
	if c.Rest == 0 {
		c.Rest = 15 * time.Second
	}
	for _, field := range []struct {
		value *int
		usual int
	}{{&c.Turns, 5}, {&c.Tenants, 2000}, {&c.Many, 1_000_000}, {&c.Loans, 100_000}, {&c.Idle, 5000}} {
		if *field.value == 0 {
			*field.value = field.usual
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

// A Ground is what the rows share: the connector as it is shipped, a private MariaDB that keeps what was committed, and
// keys.
type Ground struct {
	cfg         Config
	folder      string
	connector   string // the program
	server      *mariadb.Server
	keyring     *seal.Keyring
	credentials oauth1.Credentials
	instance    tenant.Instance
	databases   int    // numbers them
	busy        string // how much the machine had to do before
}

// serverArguments give the server memory for the large database, as its operator would.
func (c Config) serverArguments() []string {
	if c.Many < 100_000 {
		return nil
	}
	return []string{"--innodb-buffer-pool-size=4G", "--innodb-log-file-size=1G"}
}

// Prepare builds the connector and starts the database. Close the Ground when done.
func Prepare(ctx context.Context, cfg Config) (*Ground, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	g := &Ground{
		cfg: cfg, instance: newInstance(time.Now().UTC()),
		credentials: oauth1.Credentials{Key: instanceKey, Secret: secret.New(random.Token())},
	}
	if err := g.prepare(ctx); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

func (g *Ground) prepare(ctx context.Context) error {
	var err error
	g.busy = "unknown"
	if content, err := os.ReadFile("/proc/loadavg"); err == nil {
		g.busy, _, _ = strings.Cut(string(content), " ")
	}
	if g.folder, err = os.MkdirTemp("", "bench-"); err != nil {
		return fmt.Errorf("making a folder: %w", err)
	}
	if err := os.WriteFile(g.file("replay.lua"), replay, 0o600); err != nil {
		return fmt.Errorf("writing the client's script: %w", err)
	}
	g.connector = g.file("connector")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w -X main.version=bench", "-o", g.connector, "azure-partner-connector/connector")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the connector: %w: %s", err, bytes.TrimSpace(said))
	}
	if g.keyring, err = seal.CreateFile(g.file("keys")); err != nil {
		return err
	}
	g.server, err = mariadb.StartAs(ctx, mariadb.Config{Durable: true, Arguments: g.cfg.serverArguments()})
	return err
}

// Close stops the database and removes what Prepare made.
func (g *Ground) Close() error {
	var errs []error
	if g.server != nil {
		errs = append(errs, g.server.Stop())
	}
	if g.folder != "" {
		errs = append(errs, os.RemoveAll(g.folder))
	}
	return errors.Join(errs...)
}

func (g *Ground) file(name string) string { return filepath.Join(g.folder, name) }

// quickFile is for what is written and read once, apart from the disk that is measured where there is such a place.
func (g *Ground) quickFile(name string) string {
	const memory = "/dev/shm"
	if info, err := os.Stat(memory); err == nil && info.IsDir() {
		return filepath.Join(memory, filepath.Base(g.folder)+"-"+name)
	}
	return g.file(name)
}

// A database is one that the connector may use.
type database struct{ driver, dsn string }

// mysql makes an empty database on the server.
func (g *Ground) mysql(ctx context.Context) (database, error) {
	g.databases++
	name := fmt.Sprintf("bench_%d", g.databases)
	pool, err := sql.Open("mysql", g.server.DSN(""))
	if err != nil {
		return database{}, err
	}
	defer pool.Close()
	if _, err := pool.ExecContext(ctx, "CREATE DATABASE "+name); err != nil {
		return database{}, fmt.Errorf("making a database: %w", err)
	}
	return database{sqldb.MySQL, g.server.DSN(name)}, nil
}

// sqlite names a file that is not there yet.
func (g *Ground) sqlite() database {
	g.databases++
	return database{sqldb.SQLite, g.file(fmt.Sprintf("bench-%d.db", g.databases))}
}

// open opens the store on a database and brings its schema up to date.
func (g *Ground) open(ctx context.Context, db database) (*store.Store, error) {
	s, err := store.Open(ctx, store.Config{Config: sqldb.Config{Driver: db.driver, DSN: db.dsn}, Keyring: g.keyring})
	if err != nil {
		return nil, err
	}
	if err := s.Migrate(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}
