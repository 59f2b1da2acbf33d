package store_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// concurrentCalls is a number of calls that needs more than one batch.
const concurrentCalls = 300

func TestRememberNonce_Concurrently(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		replicas := []func(context.Context, string, string, time.Time, time.Time) (bool, error){db.Open(t).RememberNonce, db.Open(t).RememberNonce}
		const nonces = concurrentCalls / 3 // each is used three times
		var fresh atomic.Int32
		var all errgroup.Group
		for n := range concurrentCalls {
			all.Go(func() error {
				first, err := replicas[n%len(replicas)](t.Context(), "key", strconv.Itoa(n%nonces), noon, noon.Add(time.Minute))
				if first {
					fresh.Add(1)
				}
				return err
			})
		}
		if err := all.Wait(); err != nil || fresh.Load() != nonces {
			t.Errorf("RememberNonce() of %d nonces, each three times, = true %d times, %v, want once for each", nonces, fresh.Load(), err)
		}
	})
}

func TestAppendEvent_Concurrently(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		owner := addTenant(t, s)
		var refused atomic.Int32
		var all errgroup.Group
		for n := range concurrentCalls {
			e := audit.Event{ID: strconv.Itoa(n), At: noon, TenantID: owner.ID, Action: audit.TokenLent, Result: audit.OK}
			if n%10 == 0 { // MySQL rejects an ID that does not fit, and writes the others
				e.TenantID = strings.Repeat("x", 100)
			}
			all.Go(func() error {
				if err := s.AppendEvent(t.Context(), e); err != nil && len(e.TenantID) == 100 {
					refused.Add(1)
				} else if err != nil {
					return err
				}
				return nil
			})
		}
		if err := all.Wait(); err != nil {
			t.Errorf("AppendEvent() beside events that are refused = %v, want nil", err)
		}
		events, err := s.Events(t.Context(), owner.ID, time.Time{}, concurrentCalls)
		if err != nil || len(events) != concurrentCalls-concurrentCalls/10 {
			t.Errorf("Events() = %d events, %v, want %d", len(events), err, concurrentCalls-concurrentCalls/10)
		}
		if db.Driver == "mysql" && refused.Load() != concurrentCalls/10 {
			t.Errorf("AppendEvent() refused %d events, want %d", refused.Load(), concurrentCalls/10)
		}
	})
}

// waiting returns what a snapshot has of a grant that waits.
func waiting(g token.Grant) *token.Grant {
	return &token.Grant{
		TenantID: g.TenantID, Slot: g.Slot, DirectoryID: g.DirectoryID, Procedure: g.Procedure, ConsentID: g.ConsentID, ConsentedAt: g.ConsentedAt, ConsentedBy: g.ConsentedBy,
	}
}

func TestSnapshot_IsReadAsWasSaved(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		in := newInstance()
		if err := s.SaveInstance(ctx, &in); err != nil {
			t.Fatalf("SaveInstance() = %v", err)
		}
		bare, full, spoiled := addTenant(t, s), addTenant(t, s), addTenant(t, s)
		active, pending := newGrant(full.ID, token.Active, noon), newGrant(full.ID, token.Pending, noon)
		unconfirmed := newGrant(full.ID, token.Unconfirmed, noon.Add(time.Hour))
		schedule := token.Schedule{TenantID: full.ID, DueAt: noonStored, Attempt: 2, Failure: &failure.Record{Code: failure.MFARequired}}
		if err := errors.Join(s.SaveGrant(ctx, &active), s.SaveGrant(ctx, &pending), s.SaveGrant(ctx, &unconfirmed), s.SaveSchedule(ctx, &schedule)); err != nil {
			t.Fatalf("saving grants and schedule: %v", err)
		}
		if _, err := db.Raw(t).ExecContext(ctx, "UPDATE tenants SET credentials = ? WHERE id = ?", []byte("spoiled"), spoiled.ID); err != nil {
			t.Fatalf("UPDATE = %v", err)
		}
		active.RefreshToken = token.Grant{}.RefreshToken
		want := map[string]token.Snapshot{
			bare.ID: {Schedule: token.Schedule{TenantID: bare.ID}},
			full.ID: {Active: &active, Schedule: schedule, Pending: waiting(pending), Unconfirmed: waiting(unconfirmed)},
		}
		spoiledGrant := newGrant(spoiled.ID, token.Active, noon)
		if err := s.SaveGrant(ctx, &spoiledGrant); err != nil {
			t.Fatalf("SaveGrant() = %v", err)
		}
		execute(t, db, "UPDATE grants SET refresh_token = ? WHERE tenant_id = ?", []byte("spoiled"), spoiled.ID)
		spoiledGrant.RefreshToken, spoiledGrant.Unreadable = token.Grant{}.RefreshToken, true
		want[spoiled.ID] = token.Snapshot{Active: &spoiledGrant, Schedule: token.Schedule{TenantID: spoiled.ID}}
		spoiled.Application = tenant.Application{ID: spoiled.Application.ID, Unreadable: true}
		tenants := map[string]tenant.Tenant{bare.ID: bare, full.ID: full, spoiled.ID: spoiled}
		ids := []string{bare.ID, full.ID, spoiled.ID, random.ID(), full.ID + " "}
		check := func(ctx context.Context, id string) {
			got, err := s.Snapshot(ctx, id)
			resolved, resolveErr := s.Resolve(ctx, id)
			whole, snapshot, wholeErr := s.ResolveWithSnapshot(ctx, id)
			if diff := cmp.Diff(resolved, whole, cmp.Comparer(revealed)) + cmp.Diff(got, snapshot, cmp.Comparer(revealed)); diff != "" || (wholeErr == nil) != (err == nil) {
				t.Errorf("ResolveWithSnapshot() = _, _, %v, differs from Resolve() and Snapshot() (-want +got):\n%s", wholeErr, diff)
			}
			expected, exists := want[id]
			switch {
			case exists:
				if diff := cmp.Diff(expected, got, cmp.Comparer(revealed)); err != nil || diff != "" {
					t.Errorf("Snapshot() = _, %v, differs (-want +got):\n%s", err, diff)
				}
				if diff := cmp.Diff(tenants[id], resolved.Tenant, cmp.Comparer(revealed)); resolveErr != nil || diff != "" {
					t.Errorf("Resolve() = tenant, %v, differs (-want +got):\n%s", resolveErr, diff)
				}
				if diff := cmp.Diff(in, resolved.Instance, cmp.Comparer(revealed)); diff != "" {
					t.Errorf("Resolve() = instance, differs (-want +got):\n%s", diff)
				}
			default:
				if !errors.Is(err, tenant.ErrNotFound) || !errors.Is(resolveErr, tenant.ErrNotFound) || !errors.Is(wholeErr, tenant.ErrNotFound) {
					t.Errorf("Snapshot() and Resolve() of an unknown tenant = _, %v and %v, want %v", err, resolveErr, tenant.ErrNotFound)
				}
			}
		}
		var all errgroup.Group
		for n := range concurrentCalls {
			all.Go(func() error {
				check(ctx, ids[n%len(ids)])
				return nil
			})
		}
		_ = all.Wait()
		for _, id := range ids {
			err := s.Transact(ctx, func(ctx context.Context) error {
				check(ctx, id)
				return nil
			})
			if err != nil {
				t.Errorf("Transact() = %v", err)
			}
		}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := s.Snapshot(ended, full.ID); !errors.Is(err, context.Canceled) {
			t.Errorf("Snapshot() of a caller whose context ended = _, %v, want %v", err, context.Canceled)
		}
	})
}
