// Package store keeps instances, tenants, grants, schedules, consents, events and nonces in SQLite or MySQL, and seals
// what is secret in them.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// The kinds of database, for Config.Driver.
const (
	SQLite = "sqlite"
	MySQL  = "mysql" // MySQL 8, MariaDB from 10.6 on, and what speaks their language as a cluster
)

// A Sealer encrypts a value for one place and opens it only there; seal.Keyring is one.
type Sealer interface {
	Seal(plaintext []byte, table, row, column string) ([]byte, error)
	Open(ciphertext []byte, table, row, column string) ([]byte, error)
}

// Config is what a Store needs.
type Config struct {
	// Driver is SQLite or MySQL. Required.
	Driver string

	// DSN names the database: of SQLite the path of the file, which is made when it is missing; of MySQL
	// user:password@tcp(host:port)/database. Times are always read and written in UTC, whatever the DSN says.
	// Required.
	DSN string

	// Keyring seals secrets. Opening a database with another keyring than it was filled with makes every secret in it
	// unreadable. Required.
	Keyring Sealer

	// MaxConnections bounds the open connections. Default: 16.
	MaxConnections int

	// Now is the clock that gorm is given. The times that are stored come from the callers. Default: time.Now.
	Now func() time.Time

	// Wait pauses for d before a transaction is tried again, or until ctx ends. Default: a timer.
	Wait func(ctx context.Context, d time.Duration) error

	// Jitter returns a number in [0,1) that spreads those pauses. Default: math/rand/v2.
	Jitter func() float64

	// Log receives a record when a transaction is tried again and when the schema is migrated; never a value of a row.
	// Default: discard.
	Log *slog.Logger
}

// A Store implements the stores that the domain declares. It is safe for concurrent use; the context of a transaction
// is not, it belongs to one goroutine.
type Store struct {
	driver  string
	dsn     string
	db      *gorm.DB
	pool    *sql.DB
	sealer  Sealer
	wait    func(ctx context.Context, d time.Duration) error
	jitter  func() float64
	log     *slog.Logger
	writing chan struct{} // holds one token while somebody writes to SQLite; nil for MySQL

	// What many ask for at once.
	nonces    gathering[usedNonce, bool]
	events    gathering[audit.Event, error]
	resolved  gathering[string, found[tenant.Resolved]]
	snapshots gathering[string, found[token.Snapshot]]
	grants    gathering[string, found[token.Grant]]
	releases  gathering[heldLease, error]
}

var (
	_ tenant.Store  = (*Store)(nil)
	_ token.Store   = (*Store)(nil)
	_ consent.Store = (*Store)(nil)
)

// Open opens the database and makes sure that it answers. It changes no schema: call Migrate next. Close it when done.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Keyring == nil {
		return nil, errors.New("opening the store: no keyring")
	}
	if cfg.DSN == "" {
		return nil, errors.New("opening the store: no DSN")
	}
	if cfg.MaxConnections == 0 {
		cfg.MaxConnections = 16
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Wait == nil {
		cfg.Wait = clock.Sleep
	}
	if cfg.Jitter == nil {
		cfg.Jitter = rand.Float64
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{driver: cfg.Driver, dsn: cfg.DSN, sealer: cfg.Keyring, wait: cfg.Wait, jitter: cfg.Jitter, log: cfg.Log}
	s.nonces.do, s.events.do = s.rememberNonces, s.appendEvents
	s.resolved.do, s.snapshots.do = s.readResolved, s.readSnapshots
	s.grants.do, s.releases.do = s.readGrants, s.releaseAll
	if err := s.connect(ctx, cfg); err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	return s, nil
}

func (s *Store) connect(ctx context.Context, cfg Config) error {
	var dialector gorm.Dialector
	var err error
	switch s.driver {
	case SQLite:
		s.writing = make(chan struct{}, 1)
		s.pool, dialector, err = openSQLite(s.dsn)
	case MySQL:
		s.pool, dialector, err = openMySQL(s.dsn, s.log, queryTimeout)
	default:
		err = fmt.Errorf("the driver is %q, not %s or %s", s.driver, SQLite, MySQL)
	}
	if err != nil {
		return err
	}
	s.pool.SetMaxOpenConns(cfg.MaxConnections)
	s.pool.SetMaxIdleConns(cfg.MaxConnections)
	if err := s.pool.PingContext(ctx); err != nil {
		return errors.Join(err, s.pool.Close())
	}
	s.db, err = gorm.Open(dialector, &gorm.Config{
		SkipDefaultTransaction: true, // Transact decides what belongs together
		TranslateError:         true,
		DisableAutomaticPing:   true,
		NowFunc:                cfg.Now,
		Logger:                 logger.Discard, // gorm's own would write values of rows
	})
	if err != nil {
		return errors.Join(err, s.pool.Close())
	}
	return nil
}

// Ping returns an error when the database does not answer.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.pool.PingContext(ctx); err != nil {
		return fmt.Errorf("asking the database: %w", err)
	}
	return nil
}

// Close closes all connections. Nobody may use the Store afterwards.
func (s *Store) Close() error {
	if err := s.pool.Close(); err != nil {
		return fmt.Errorf("closing the store: %w", err)
	}
	return nil
}

// seal returns text sealed for its place, or nil for an empty one.
func (s *Store) seal(text secret.Text, table, row, column string) ([]byte, error) {
	if text.Empty() {
		return nil, nil
	}
	return s.sealer.Seal([]byte(text.Reveal()), table, row, column)
}

// unseal returns what seal made ciphertext of.
func (s *Store) unseal(ciphertext []byte, table, row, column string) (secret.Text, error) {
	if ciphertext == nil {
		return secret.Text{}, nil
	}
	plaintext, err := s.sealer.Open(ciphertext, table, row, column)
	if err != nil {
		return secret.Text{}, err
	}
	return secret.New(string(plaintext)), nil
}
