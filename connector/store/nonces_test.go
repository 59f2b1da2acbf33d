package store_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
)

func TestRememberNonce_IsFreshOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		until := noon.Add(10 * time.Minute)
		for _, step := range []struct {
			key, nonce string
			at         time.Time
			want       bool
		}{
			{"key", "nonce", noon, true},
			{"key", "nonce", noon, false},
			{"key", "nonce", until, false},
			{"key", "NONCE", noon, true},
			{"key", "nonce ", noon, true},
			{"other", "nonce", noon, true},
			{"key", "nonce", until.Add(time.Millisecond), true},
			{"key", "nonce", until.Add(time.Millisecond), false},
		} {
			fresh, err := s.RememberNonce(t.Context(), step.key, step.nonce, step.at, step.at.Add(10*time.Minute))
			if fresh != step.want || err != nil {
				t.Errorf("RememberNonce(%q, %q, %v) = %v, %v, want %v", step.key, step.nonce, step.at, fresh, err, step.want)
			}
		}
	})
}

func TestForgetNonce_MakesItFreshAgain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		for _, key := range []string{"key", "other"} {
			if fresh, err := s.RememberNonce(t.Context(), key, "nonce", noon, noon.Add(time.Hour)); !fresh || err != nil {
				t.Fatalf("RememberNonce(%s) = %v, %v, want true", key, fresh, err)
			}
		}
		for range 2 { // a nonce that is fresh stays so
			if err := s.ForgetNonce(t.Context(), "key", "nonce"); err != nil {
				t.Errorf("ForgetNonce() = %v", err)
			}
		}
		for key, want := range map[string]bool{"key": true, "other": false} {
			if fresh, err := s.RememberNonce(t.Context(), key, "nonce", noon, noon.Add(time.Hour)); fresh != want || err != nil {
				t.Errorf("RememberNonce(%s) after ForgetNonce() = %v, %v, want %v", key, fresh, err, want)
			}
		}
	})
}

func TestRememberNonce_OneConcurrentCallerWins(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		errReplay := errors.New("replay")
		results := make(chan error, 16)
		var all errgroup.Group
		for range cap(results) {
			replica := db.Open(t)
			all.Go(func() error {
				fresh, err := replica.RememberNonce(t.Context(), "key", "nonce", noon, noon.Add(time.Minute))
				if err == nil && !fresh {
					err = errReplay
				}
				results <- err
				return nil
			})
		}
		_ = all.Wait()
		checkOneWinner(t, results, errReplay)
	})
}

func TestPurgeNonces_KeepsWhatHasNotEnded(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		const ended = 2500 // more than two batches, many with the same time
		err := s.Transact(ctx, func(ctx context.Context) error {
			for i := range ended {
				until := noon.Add(-time.Duration(1+i/700) * time.Second)
				if _, err := s.RememberNonce(ctx, "key", strconv.Itoa(i), until, until); err != nil {
					return err
				}
			}
			_, err := s.RememberNonce(ctx, "key", "kept", noon, noon)
			return err
		})
		if err != nil {
			t.Fatalf("RememberNonce() = _, %v", err)
		}
		if err := s.PurgeNonces(ctx, noon); err != nil {
			t.Fatalf("PurgeNonces() = %v", err)
		}
		var left int
		if err := db.Raw(t).QueryRowContext(ctx, "SELECT COUNT(*) FROM nonces").Scan(&left); err != nil || left != 1 {
			t.Errorf("PurgeNonces() leaves %d nonces, %v, want 1", left, err)
		}
	})
}

// TestRememberNonce_OneOfAThousandReplaysCounts replays one request at two replicas.
func TestRememberNonce_OneOfAThousandReplaysCounts(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		const replays = 1000
		replicas := []*store.Store{db.Open(t), db.Open(t)}
		errReplay := errors.New("replay")
		results := make(chan error, replays)
		var all errgroup.Group
		all.SetLimit(100)
		for i := range replays {
			all.Go(func() error {
				fresh, err := replicas[i%2].RememberNonce(t.Context(), "key", "nonce", noon, noon.Add(time.Minute))
				if err == nil && !fresh {
					err = errReplay
				}
				results <- err
				return nil
			})
		}
		_ = all.Wait()
		checkOneWinner(t, results, errReplay)
	})
}
