package sqldb_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"

	"gorm.io/gorm"

	"azure-partner-connector/connector/store/sqldb"
)

// A batchedDatabase answers batches when the test lets it.
type batchedDatabase struct {
	mu      sync.Mutex
	batches [][]string
	proceed chan struct{} // one batch is answered for each value; all when it is closed
}

func (d *batchedDatabase) run(ctx context.Context, requests []string) ([]string, error) {
	d.mu.Lock()
	d.batches = append(d.batches, slices.Clone(requests))
	d.mu.Unlock()
	select {
	case <-d.proceed:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if slices.Contains(requests, "refused") {
		return nil, gorm.ErrDuplicatedKey
	}
	results := make([]string, len(requests))
	for i, r := range requests {
		results[i] = "did " + r
	}
	return results, nil
}

// sizes returns how many requests each batch had that has begun.
func (d *batchedDatabase) sizes() (sizes []int) {
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, b := range d.batches {
		sizes = append(sizes, len(b))
	}
	return sizes
}

// An answered is what callers got.
type answered struct {
	mu      sync.Mutex
	results map[string]string
	errs    map[string]error
	callers sync.WaitGroup
}

func (a *answered) ask(ctx context.Context, b *sqldb.Batcher[string, string], requests ...string) {
	for _, r := range requests {
		a.callers.Go(func() {
			result, err := b.Do(ctx, r)
			a.mu.Lock()
			defer a.mu.Unlock()
			if a.results == nil {
				a.results, a.errs = map[string]string{}, map[string]error{}
			}
			a.results[r], a.errs[r] = result, err
		})
		synctest.Wait() // so that they come in this order
	}
}

func numbered(from, to int) (requests []string) {
	for n := from; n < to; n++ {
		requests = append(requests, strconv.Itoa(n))
	}
	return requests
}

func TestBatcher_FewRunSideBySideAndManyShare(t *testing.T) {
	for name, tc := range map[string]struct {
		driver string
		access sqldb.Access
		first  []int // sizes of the batches that begin while none is answered
		next   []int // and of those that follow when one is
	}{
		"MySQL reads":   {sqldb.MySQL, sqldb.Reads, []int{1, 1, 1, 1}, []int{1, 1, 1, 1, 2}},
		"MySQL writes":  {sqldb.MySQL, sqldb.Writes, []int{1, 1, 1, 1}, []int{1, 1, 1, 1, 2}},
		"SQLite reads":  {sqldb.SQLite, sqldb.Reads, []int{1, 1, 1, 1}, []int{1, 1, 1, 1, 2}},
		"SQLite writes": {sqldb.SQLite, sqldb.Writes, []int{1}, []int{1, 5}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				db := &batchedDatabase{proceed: make(chan struct{})}
				b := sqldb.NewBatcher(sqldb.Unopened(tc.driver, 8), tc.access, db.run)
				var got answered
				got.ask(t.Context(), b, numbered(0, 6)...)
				if sizes := db.sizes(); !slices.Equal(sizes, tc.first) {
					t.Errorf("six callers made batches of %v at once, want %v", sizes, tc.first)
				}
				db.proceed <- struct{}{}
				if sizes := db.sizes(); !slices.Equal(sizes, tc.next) {
					t.Errorf("when one was answered, there were batches of %v, want %v", sizes, tc.next)
				}
				close(db.proceed)
				got.callers.Wait()
				for _, r := range numbered(0, 6) {
					if got.results[r] != "did "+r || got.errs[r] != nil {
						t.Errorf("Do(%s) = %q, %v, want its own result", r, got.results[r], got.errs[r])
					}
				}
			})
		})
	}
}

func TestBatcher_RefusedMemberAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &batchedDatabase{proceed: make(chan struct{})}
		b := sqldb.NewBatcher(sqldb.Unopened(sqldb.SQLite, 8), sqldb.Writes, db.run)
		var got answered
		got.ask(t.Context(), b, "0", "1", "refused", "2")
		close(db.proceed)
		got.callers.Wait()
		if sizes := db.sizes(); !slices.Equal(sizes, []int{1, 3, 1, 1, 1}) {
			t.Errorf("batches of %v, want the refused one repeated for each alone", sizes)
		}
		if !errors.Is(got.errs["refused"], gorm.ErrDuplicatedKey) || errors.Join(got.errs["0"], got.errs["1"], got.errs["2"]) != nil {
			t.Errorf("Do() = %v, want an error for the refused request only", got.errs)
		}
	})
}

func TestBatcher_CallerThatLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &batchedDatabase{proceed: make(chan struct{})}
		b := sqldb.NewBatcher(sqldb.Unopened(sqldb.SQLite, 8), sqldb.Writes, db.run)
		leaving, leave := context.WithCancel(t.Context())
		var left, stayed answered
		left.ask(leaving, b, "begun", "waiting")
		stayed.ask(t.Context(), b, "stayed")
		leave()
		left.callers.Wait()
		if !errors.Is(left.errs["begun"], context.Canceled) || !errors.Is(left.errs["waiting"], context.Canceled) {
			t.Errorf("Do() of callers that left = %v, want %v", left.errs, context.Canceled)
		}
		close(db.proceed)
		stayed.callers.Wait()
		if want := [][]string{{"begun"}, {"stayed"}}; !slices.EqualFunc(db.batches, want, slices.Equal) {
			t.Errorf("carried out %v, want %v: what had begun, and nothing else of who left", db.batches, want)
		}
	})
}

// TestBatcher_DatabaseHangs: a hanging database keeps callers no longer than a batch may take, and nothing is stuck afterwards.
func TestBatcher_DatabaseHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := &batchedDatabase{proceed: make(chan struct{})}
		b := sqldb.NewBatcher(sqldb.Unopened(sqldb.MySQL, 4), sqldb.Writes, db.run)
		var stuck, impatient answered
		short, cancel := context.WithTimeout(t.Context(), 1)
		defer cancel()
		stuck.ask(t.Context(), b, "0", "1")
		impatient.ask(short, b, numbered(2, 300)...)
		impatient.callers.Wait()
		stuck.callers.Wait()
		if !errors.Is(stuck.errs["0"], context.DeadlineExceeded) || !errors.Is(stuck.errs["1"], context.DeadlineExceeded) {
			t.Errorf("Do() while the database hangs = %v, want %v", stuck.errs, context.DeadlineExceeded)
		}
		close(db.proceed)
		if got, err := b.Do(t.Context(), "later"); got != "did later" || err != nil {
			t.Errorf("Do() afterwards = %q, %v", got, err)
		}
		if sizes := db.sizes(); !slices.Equal(sizes, []int{1, 1, 1}) {
			t.Errorf("batches of %v, want none for callers that left", sizes)
		}
	})
}
