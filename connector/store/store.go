// Package store keeps instances, tenants, grants, schedules, consents, events and nonces in SQLite or MySQL, and seals
// their secrets.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// A Keyring encrypts a value for one column of one row, and opens it only there; *seal.Keyring is one.
type Keyring interface {
	Seal(plaintext []byte, table, row, column string, bound ...string) ([]byte, error)
	Open(ciphertext []byte, table, row, column string, bound ...string) ([]byte, error)
	// Sealed reports whether ciphertext is sealed with the primary key.
	Sealed(ciphertext []byte) bool
	// Keys returns the IDs of all keys, and Primary that of the one that seals.
	Keys() []uint32
	Primary() uint32
	// With returns a keyring in which another of the keys seals.
	With(key uint32) (*seal.Keyring, error)
	Hash(purpose, value string) (string, error)
	// MAC returns a code that proves parts, CheckMAC checks one, and CurrentMAC reports whether the primary key made it.
	MAC(purpose string, parts ...string) []byte
	CheckMAC(mac []byte, purpose string, parts ...string) bool
	CurrentMAC(mac []byte) bool
}

// Config is what a Store needs.
type Config struct {
	sqldb.Config

	// Keyring seals secrets. No secret in the database can be read with another keyring than the one that sealed it.
	// Required.
	Keyring Keyring

	// Deployment returns what the configuration says of an instance. Default: nothing.
	Deployment func(instanceKey string) tenant.Deployment
}

// A Store implements the stores that the domain declares. It is safe for concurrent use; the context of a transaction is
// not, because it belongs to one goroutine.
type Store struct {
	db      *sqldb.DB
	keyring Keyring
	// deployment is Config.Deployment.
	deployment func(instanceKey string) tenant.Deployment
	now        func() time.Time
	log        *slog.Logger

	// Batchers of what many callers request at the same time.
	nonces    *sqldb.Batcher[usedNonce, bool]
	events    *sqldb.Batcher[audit.Event, struct{}]
	resolved  *sqldb.Batcher[string, result[tenant.Resolved]]
	snapshots *sqldb.Batcher[string, result[token.Snapshot]]
	wholes    *sqldb.Batcher[string, result[whole]]
	grants    *sqldb.Batcher[string, result[token.Grant]]
	releases  *sqldb.Batcher[leaseKey, error]
}

var (
	_ tenant.Store  = (*Store)(nil)
	_ token.Store   = (*Store)(nil)
	_ consent.Store = (*Store)(nil)
)

// Open opens the database and checks that it answers. It does not change the schema: call Migrate next. The caller closes
// the Store.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.Keyring == nil {
		return nil, errors.New("opening the store: no keyring")
	}
	db, err := sqldb.Open(ctx, cfg.Config)
	if err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	s := &Store{db: db, keyring: cfg.Keyring, deployment: cfg.Deployment, now: cfg.Now, log: cfg.Log}
	if s.deployment == nil {
		s.deployment = func(string) tenant.Deployment { return tenant.Deployment{} }
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.nonces = sqldb.NewBatcher(db, sqldb.Writes, s.rememberNonces)
	s.events = sqldb.NewBatcher(db, sqldb.Writes, s.appendEvents)
	s.resolved = sqldb.NewBatcher(db, sqldb.Reads, s.readResolved)
	s.snapshots = sqldb.NewBatcher(db, sqldb.Reads, s.readSnapshots)
	s.wholes = sqldb.NewBatcher(db, sqldb.Reads, s.readWholes)
	s.grants = sqldb.NewBatcher(db, sqldb.Reads, s.readGrants)
	s.releases = sqldb.NewBatcher(db, sqldb.Writes, s.releaseAll)
	return s, nil
}

// Migrate brings the schema to the version that this program knows; see sqldb.DB.Migrate. It refuses, with ErrWrongKeys and
// before it changes anything, a keyring that does not open what the database contains.
func (s *Store) Migrate(ctx context.Context) error {
	return s.db.Migrate(ctx, s.around(nil))
}

// MigrateNothing is Migrate for a schema that must be up to date already; see sqldb.Around.
func (s *Store) MigrateNothing(ctx context.Context) error {
	around := s.around(nil)
	around.NoMigrate = true
	return s.db.Migrate(ctx, around)
}

// Check returns an error unless the schema is up to date and the keyring belongs to the database. It changes nothing and waits
// for nobody.
func (s *Store) Check(ctx context.Context) error {
	if err := s.db.CheckSchema(ctx); err != nil {
		return err
	}
	return s.keysBefore(ctx, keyChecksVersion, nil)
}

// Transact runs fn in one transaction, which fn's context carries, and retries it; see sqldb.DB.Transact. Versions that
// fn advanced are restored when the transaction is rolled back.
func (s *Store) Transact(ctx context.Context, fn func(ctx context.Context) error) error {
	return s.db.Transact(ctx, func(ctx context.Context) error {
		if s.expiries(ctx) != nil {
			return fn(ctx) // in another Transact, which ends with setSlacks
		}
		expiries := map[string]expiry{}
		if err := fn(context.WithValue(ctx, expiriesKey{s}, expiries)); err != nil {
			return err
		}
		return s.setSlacks(ctx, expiries)
	})
}

// expiriesKey is the context key of the map that expiries returns.
type expiriesKey struct{ store *Store }

// An expiry is when an active grant expires that a transaction has saved.
type expiry struct {
	at        time.Time
	scheduled bool // the transaction has saved the schedule since, with this time
}

// expiries returns the expiries of the active grants that the transaction of ctx has saved, by tenant; nil outside a
// transaction. It saves statements: a renewal saves the grant and then the schedule, which has that time, too.
func (s *Store) expiries(ctx context.Context) map[string]expiry {
	expiries, _ := ctx.Value(expiriesKey{s}).(map[string]expiry)
	return expiries
}

// Ready returns an error when the database does not answer, and one that wraps sqldb.ErrReadOnly when it accepts no changes.
func (s *Store) Ready(ctx context.Context) error { return s.db.Ready(ctx) }

// Settings returns what correctness rests on; see sqldb.DB.Settings.
func (s *Store) Settings(ctx context.Context) ([]sqldb.Setting, error) { return s.db.Settings(ctx) }

// Close closes all connections. The Store must not be used afterwards.
func (s *Store) Close() error {
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("closing the store: %w", err)
	}
	return nil
}

// seal returns text sealed for a column of a row and for bound, which are other columns of the row; nil for an empty text.
func (s *Store) seal(text secret.Text, table, row, column string, bound ...string) ([]byte, error) {
	if text.Empty() {
		return nil, nil
	}
	return s.keyring.Seal([]byte(text.Reveal()), table, row, column, boundForm(bound)...)
}

// unseal returns the text that seal sealed. It returns false for a value that does not open: whoever reads its row must go on,
// so that the secret can be replaced and the row removed. CheckSealed reports such values.
func (s *Store) unseal(ciphertext []byte, table, row, column string, bound ...string) (secret.Text, bool) {
	if ciphertext == nil {
		return secret.Text{}, true
	}
	plaintext, err := s.keyring.Open(ciphertext, table, row, column, boundForm(bound)...)
	if err != nil {
		return secret.Text{}, false
	}
	return secret.New(string(plaintext)), true
}
