package store_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

var errRefused = errors.New("refused")

func TestTransact_RollsBack(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		stored := addTenant(t, s)
		before := stored
		added := newTenant()
		work := func(ctx context.Context) error {
			stored.Name = "changed"
			g := newGrant(stored.ID, token.Active, noon)
			return errors.Join(
				s.SaveTenant(ctx, &stored), s.SaveTenant(ctx, &stored), s.SaveTenant(ctx, &added), s.SaveGrant(ctx, &g),
				s.AppendEvent(ctx, audit.Event{ID: random.ID(), At: noon, TenantID: stored.ID}))
		}
		endings := map[string]func(ctx context.Context) error{
			"an error": func(ctx context.Context) error { return errors.Join(work(ctx), errRefused) },
			"an inner error": func(ctx context.Context) error {
				return s.Transact(ctx, func(ctx context.Context) error { return errors.Join(work(ctx), errRefused) })
			},
			"an error after inner success": func(ctx context.Context) error { return errors.Join(s.Transact(ctx, work), errRefused) },
		}
		for name, fn := range endings {
			if err := s.Transact(ctx, fn); !errors.Is(err, errRefused) {
				t.Errorf("Transact() with %s = %v, want %v", name, err, errRefused)
			}
			checkRolledBack(t, s, before, stored, added)
		}
		func() {
			defer func() {
				if got := recover(); got != "panic" {
					t.Errorf("Transact() with a panic recovers %v, want panic", got)
				}
			}()
			_ = s.Transact(ctx, func(ctx context.Context) error {
				if err := work(ctx); err != nil {
					t.Errorf("working = %v", err)
				}
				panic("panic")
			})
		}()
		checkRolledBack(t, s, before, stored, added)

		ending, cancel := context.WithCancel(ctx)
		err := s.Transact(ending, func(ctx context.Context) error {
			err := work(ctx)
			cancel()
			return err
		})
		if err == nil {
			t.Error("Transact() whose context ended = nil, want an error")
		}
		checkRolledBack(t, s, before, stored, added)

		if err := s.Transact(ctx, work); err != nil || stored.Version != 3 || added.Version != 1 {
			t.Errorf("Transact() = %v, versions %d and %d, want 3 and 1", err, stored.Version, added.Version)
		}
	})
}

// checkRolledBack asserts that a transaction left neither rows nor advanced versions.
func checkRolledBack(t *testing.T, s *store.Store, before, stored, added tenant.Tenant) {
	t.Helper()
	ctx := t.Context()
	if stored.Version != before.Version || added.Version != 0 {
		t.Errorf("rolled back Transact() leaves versions %d and %d, want %d and 0", stored.Version, added.Version, before.Version)
	}
	if got, err := s.Tenant(ctx, before.ID); err != nil || got.Name != before.Name || got.Version != before.Version {
		t.Errorf("Tenant() = %q version %d, %v, want %q version %d", got.Name, got.Version, err, before.Name, before.Version)
	}
	if _, err := s.Tenant(ctx, added.ID); !errors.Is(err, tenant.ErrNotFound) {
		t.Errorf("Tenant() of the added one = _, %v, want %v", err, tenant.ErrNotFound)
	}
	if _, err := s.Grant(ctx, before.ID, token.Active); !errors.Is(err, tenant.ErrNotFound) {
		t.Errorf("Grant() = _, %v, want %v", err, tenant.ErrNotFound)
	}
	if events, err := s.Events(ctx, before.ID, time.Time{}, 10); err != nil || len(events) != 0 {
		t.Errorf("Events() = %d events, %v, want none", len(events), err)
	}
}

// A pauses records the pauses of a store and ends them at once.
type pauses struct{ all []time.Duration }

func (p *pauses) settings(cfg *store.Config) {
	cfg.Wait = func(_ context.Context, d time.Duration) error {
		p.all = append(p.all, d)
		return nil
	}
	cfg.Jitter = func() float64 { return 0.5 }
}

func TestTransact_Retries(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err   error
		retry bool
	}{
		"deadlock or failed certification": {&mysqldriver.MySQLError{Number: 1213}, true},
		"lock wait timeout":                {&mysqldriver.MySQLError{Number: 1205}, true},
		"node without a quorum":            {&mysqldriver.MySQLError{Number: 1047}, true},
		"lost connection":                  {mysqldriver.ErrInvalidConn, true},
		"bad connection":                   {driver.ErrBadConn, true},
		"SQLITE_BUSY":                      {busy(t), true},
		"wrapped deadlock":                 {errors.Join(errRefused, &mysqldriver.MySQLError{Number: 1213}), true},
		"syntax":                           {&mysqldriver.MySQLError{Number: 1064}, false},
		"refusal":                          {errRefused, false},
		"stale":                            {token.ErrStale, false},
		"ended context":                    {context.Canceled, false},
	} {
		t.Run(name, func(t *testing.T) {
			var p pauses
			s := storetest.New(t, p.settings)
			added := newTenant()
			calls := 0
			err := s.Transact(t.Context(), func(ctx context.Context) error {
				calls++
				if err := s.SaveTenant(ctx, &added); err != nil || calls > 2 {
					return err
				}
				return tc.err
			})
			if tc.retry {
				if err != nil || calls != 3 || added.Version != 1 || len(p.all) != 2 {
					t.Errorf("Transact() = %v after %d calls, version %d, pauses %v, want 3 calls, version 1, 2 pauses", err, calls, added.Version, p.all)
				}
				return
			}
			if !errors.Is(err, tc.err) || calls != 1 || added.Version != 0 || len(p.all) != 0 {
				t.Errorf("Transact() = %v after %d calls, version %d, want %v after one, version 0", err, calls, added.Version, tc.err)
			}
		})
	}
}

func TestTransact_GivesUp(t *testing.T) {
	t.Parallel()
	var p pauses
	s := storetest.New(t, p.settings)
	deadlock := &mysqldriver.MySQLError{Number: 1213}
	calls := 0
	err := s.Transact(t.Context(), func(context.Context) error {
		calls++
		return deadlock
	})
	if !errors.Is(err, deadlock) || calls != 10 {
		t.Errorf("Transact() = %v after %d calls, want the deadlock after 10", err, calls)
	}
	longest, total := time.Duration(0), time.Duration(0)
	for _, d := range p.all {
		if d < longest {
			t.Errorf("pauses %v get shorter, want them to grow", p.all)
		}
		longest, total = max(longest, d), total+d
	}
	if longest > time.Second || total > 5*time.Second {
		t.Errorf("pauses %v, want none over one second and at most five seconds in all", p.all)
	}

	ctx, cancel := context.WithCancel(t.Context())
	calls = 0
	err = s.Transact(ctx, func(context.Context) error {
		calls++
		cancel()
		return deadlock
	})
	if err == nil || calls != 1 {
		t.Errorf("Transact() whose context ended = %v after %d calls, want an error after one", err, calls)
	}
}

// busy returns SQLite's error for a database that another connection is writing to.
func busy(t *testing.T) error {
	t.Helper()
	db := storetest.SQLite(t)
	db.Open(t)
	writer, err := db.Raw(t).Conn(t.Context())
	if err != nil {
		t.Fatalf("Conn() = _, %v", err)
	}
	defer writer.Close()
	if _, err := writer.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatalf("BEGIN IMMEDIATE = %v", err)
	}
	other, err := db.Raw(t).Conn(t.Context())
	if err != nil {
		t.Fatalf("Conn() = _, %v", err)
	}
	defer other.Close()
	if _, err := other.ExecContext(t.Context(), "PRAGMA busy_timeout(0)"); err != nil {
		t.Fatalf("PRAGMA busy_timeout = %v", err)
	}
	_, err = other.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	if err == nil {
		t.Fatal("BEGIN IMMEDIATE beside another connection = nil, want SQLITE_BUSY")
	}
	return err
}

// TestTransact_MySQLDeadlock makes two transactions change two tenants in opposite order. The server rolls one of them back.
// Its work must then start over, even though the function ignores the error.
func TestTransact_MySQLDeadlock(t *testing.T) {
	t.Parallel()
	storetest.OnMySQL(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		first, second := addTenant(t, s), addTenant(t, s)
		touch := func(ctx context.Context, id string) error {
			touched, err := s.Tenant(ctx, id)
			if err != nil {
				return err
			}
			return s.SaveTenant(ctx, &touched)
		}
		var both sync.WaitGroup // until both have locked their first tenant
		both.Add(2)
		var all errgroup.Group
		for _, order := range [][2]string{{first.ID, second.ID}, {second.ID, first.ID}} {
			calls := 0
			all.Go(func() error {
				return s.Transact(t.Context(), func(ctx context.Context) error {
					calls++
					if err := touch(ctx, order[0]); err != nil {
						return err
					}
					if calls == 1 {
						both.Done()
						both.Wait()
					}
					_ = touch(ctx, order[1])
					return nil
				})
			})
		}
		if err := all.Wait(); err != nil {
			t.Fatalf("Transact() = %v", err)
		}
		for _, id := range []string{first.ID, second.ID} {
			if got, err := s.Tenant(t.Context(), id); err != nil || got.Version != 3 {
				t.Errorf("Tenant() after two transactions = version %d, %v, want 3", got.Version, err)
			}
		}
	})
}

// TestTransact_WritersQueue lets many transactions read and then change one row: none fails, and no change is lost.
func TestTransact_WritersQueue(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		replicas := []*store.Store{db.Open(t), db.Open(t)}
		stored := addTenant(t, replicas[0])
		const writers = 24
		var all errgroup.Group
		for i := range writers {
			s := replicas[i%len(replicas)]
			all.Go(func() error {
				for { // the server lets two read the same version; the loser reads again
					err := s.Transact(t.Context(), func(ctx context.Context) error {
						got, err := s.Tenant(ctx, stored.ID)
						if err != nil {
							return err
						}
						return s.SaveTenant(ctx, &got)
					})
					if !errors.Is(err, tenant.ErrChanged) {
						return err
					}
				}
			})
		}
		if err := all.Wait(); err != nil {
			t.Fatalf("Transact() = %v", err)
		}
		if got, err := replicas[0].Tenant(t.Context(), stored.ID); err != nil || got.Version != 1+writers {
			t.Errorf("Tenant() = version %d, %v, want %d", got.Version, err, 1+writers)
		}
	})
}

func TestTransact_TwoStoresAreIndependent(t *testing.T) {
	t.Parallel()
	one, other := storetest.New(t), storetest.New(t)
	added := newTenant()
	err := one.Transact(t.Context(), func(ctx context.Context) error {
		return errors.Join(other.SaveTenant(ctx, &added), errRefused)
	})
	if !errors.Is(err, errRefused) {
		t.Errorf("Transact() = %v, want %v", err, errRefused)
	}
	if _, err := other.Tenant(t.Context(), added.ID); err != nil {
		t.Errorf("Tenant() of the other store = _, %v", err)
	}
}
