package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
)

// appendEvent appends e with a new ID.
func appendEvent(t *testing.T, s *store.Store, e audit.Event) {
	t.Helper()
	e.ID = random.ID()
	if err := s.AppendEvent(t.Context(), e); err != nil {
		t.Fatalf("AppendEvent(%s) = %v", e.Action, err)
	}
}

func ofTenant(id string) notify.Subject { return notify.Subject{Kind: notify.OfTenant, ID: id} }

// checkDue asserts which subjects are due.
func checkDue(t *testing.T, s *store.Store, now time.Time, want ...notify.Subject) {
	t.Helper()
	got, err := s.DueAnnouncements(t.Context(), now, 10)
	if err != nil {
		t.Fatalf("DueAnnouncements() = _, %v", err)
	}
	if diff := cmp.Diff(append([]notify.Subject{}, want...), got); diff != "" {
		t.Errorf("DueAnnouncements(%s) differs (-want +got):\n%s", now, diff)
	}
}

// leaseAnnouncement leases a subject for a minute.
func leaseAnnouncement(t *testing.T, s *store.Store, subject notify.Subject, owner string, now time.Time) notify.Announcement {
	t.Helper()
	a, err := s.LeaseAnnouncement(t.Context(), subject, owner, now, now.Add(time.Minute))
	if err != nil {
		t.Fatalf("LeaseAnnouncement(%v) = _, %v", subject, err)
	}
	return a
}

func TestAppendEvent_MakesAnnouncementsDue(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		in := newInstance()
		if err := s.SaveInstance(t.Context(), &in); err != nil {
			t.Fatalf("SaveInstance() = %v", err)
		}
		one, two := addTenant(t, s), addTenant(t, s)
		checkDue(t, s, noon)
		appendEvent(t, s, audit.Event{At: noon, TenantID: random.ID(), Action: audit.TenantRemoved}) // of a tenant that does not exist
		checkDue(t, s, noon)
		appendEvent(t, s, audit.Event{At: noon, TenantID: one.ID, InstanceKey: in.Key, Action: audit.TenantProvisioned})
		checkDue(t, s, noon.Add(-time.Second))
		checkDue(t, s, noon, ofTenant(one.ID))
		appendEvent(t, s, audit.Event{At: noon.Add(time.Second), InstanceKey: in.Key, Action: audit.InstanceConfigured})
		got, err := s.DueAnnouncements(t.Context(), noon.Add(time.Second), 10)
		if err != nil || len(got) != 3 || got[0] != ofTenant(one.ID) {
			t.Errorf("DueAnnouncements() after an event of the instance = %v, %v, want %s first, then %s and the instance", got, err, one.ID, two.ID)
		}
		if err := s.DeleteTenant(t.Context(), one.ID); err != nil {
			t.Fatalf("DeleteTenant() = %v", err)
		}
		appendEvent(t, s, audit.Event{At: noon, TenantID: one.ID, InstanceKey: in.Key, Action: audit.TenantRemoved})
		if got, err := s.DueAnnouncements(t.Context(), noon.Add(time.Hour), 10); err != nil || len(got) != 2 {
			t.Errorf("DueAnnouncements() after the tenant was deleted = %v, %v, want the other and the instance", got, err)
		}
	})
}

func TestAppendEvent_SuccessorOfLendingIsAnnouncedADayLater(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		added := addTenant(t, s)
		appendEvent(t, s, audit.Event{At: noon, TenantID: added.ID, Action: audit.TokenLent})
		checkDue(t, s, noon.Add(48*time.Hour))
		for minute := range 3 {
			appendEvent(t, s, audit.Event{At: noon.Add(time.Duration(minute) * time.Minute), TenantID: added.ID, Action: audit.GrantRotated})
		}
		checkDue(t, s, noon.Add(24*time.Hour-time.Second))
		checkDue(t, s, noon.Add(24*time.Hour), ofTenant(added.ID))
		appendEvent(t, s, audit.Event{At: noon.Add(time.Hour), TenantID: added.ID, Action: audit.RenewalFailed})
		checkDue(t, s, noon.Add(time.Hour), ofTenant(added.ID))
	})
}

func TestLeaseAnnouncement_IsForOneReplica(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		subject := ofTenant(addTenant(t, s).ID)
		if _, err := s.LeaseAnnouncement(t.Context(), subject, "first", noon, noon.Add(time.Minute)); !errors.Is(err, notify.ErrLeased) {
			t.Errorf("LeaseAnnouncement() of a subject that is not due = _, %v, want %v", err, notify.ErrLeased)
		}
		appendEvent(t, s, audit.Event{At: noon, TenantID: subject.ID})
		first := leaseAnnouncement(t, s, subject, "first", noon)
		checkDue(t, s, noon)
		if _, err := s.LeaseAnnouncement(t.Context(), subject, "second", noon, noon.Add(time.Minute)); !errors.Is(err, notify.ErrLeased) {
			t.Errorf("LeaseAnnouncement() of a leased subject = _, %v, want %v", err, notify.ErrLeased)
		}
		first.State.Trouble = "grant_revoked"
		first.State.Outbox = []notify.Delivery{{Channel: "mail", Notice: notify.Notice{ID: "n", At: noonStored, Kind: notify.Alarm}}}
		if err := s.SaveAnnouncement(t.Context(), first); err != nil {
			t.Fatalf("SaveAnnouncement() = %v", err)
		}

		// The lease of a replica that was killed expires.
		later := noon.Add(2 * time.Minute)
		checkDue(t, s, later, subject)
		second := leaseAnnouncement(t, s, subject, "second", later)
		if diff := cmp.Diff(first.State, second.State); diff != "" {
			t.Errorf("LeaseAnnouncement(): state (-want +got)\n%s", diff)
		}
		if err := s.SaveAnnouncement(t.Context(), first); !errors.Is(err, notify.ErrLeased) {
			t.Errorf("SaveAnnouncement() by the former owner = %v, want %v", err, notify.ErrLeased)
		}
		if err := s.ReleaseAnnouncement(t.Context(), first, time.Time{}); err != nil {
			t.Errorf("ReleaseAnnouncement() by the former owner = %v, want no error", err)
		}
		if err := s.SaveAnnouncement(t.Context(), second); err != nil {
			t.Errorf("SaveAnnouncement() by the owner = %v, want no error", err)
		}
		if err := s.ReleaseAnnouncement(t.Context(), second, later.Add(time.Hour)); err != nil {
			t.Fatalf("ReleaseAnnouncement() = %v", err)
		}
		checkDue(t, s, later)
		checkDue(t, s, later.Add(time.Hour), subject)
	})
}

func TestReleaseAnnouncement_KeepsWhatLaterEventsMadeDue(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		subject := ofTenant(addTenant(t, s).ID)
		appendEvent(t, s, audit.Event{At: noon, TenantID: subject.ID})
		leased := leaseAnnouncement(t, s, subject, "owner", noon)
		appendEvent(t, s, audit.Event{At: noon.Add(time.Second), TenantID: subject.ID})
		if err := s.DropAnnouncement(t.Context(), leased); err != nil {
			t.Fatalf("DropAnnouncement() = %v", err)
		}
		if err := s.ReleaseAnnouncement(t.Context(), leased, time.Time{}); err != nil {
			t.Fatalf("ReleaseAnnouncement() = %v", err)
		}
		checkDue(t, s, noon.Add(time.Second), subject)
		leased = leaseAnnouncement(t, s, subject, "owner", noon.Add(time.Second))
		if err := s.ReleaseAnnouncement(t.Context(), leased, time.Time{}); err != nil {
			t.Fatalf("ReleaseAnnouncement() = %v", err)
		}
		checkDue(t, s, noon.AddDate(1, 0, 0))
		appendEvent(t, s, audit.Event{At: noon, TenantID: subject.ID})
		if err := s.DropAnnouncement(t.Context(), leaseAnnouncement(t, s, subject, "owner", noon)); err != nil {
			t.Fatalf("DropAnnouncement() = %v", err)
		}
		checkDue(t, s, noon.AddDate(1, 0, 0))
	})
}

func TestLeaseAnnouncement_OneConcurrentCallerWins(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		subject := ofTenant(addTenant(t, s).ID)
		appendEvent(t, s, audit.Event{At: noon, TenantID: subject.ID})
		owners := make(chan string, 8)
		var calls errgroup.Group
		for range cap(owners) {
			owner := random.ID()
			replica := db.Unmigrated(t)
			calls.Go(func() error {
				_, err := replica.LeaseAnnouncement(t.Context(), subject, owner, noon, noon.Add(time.Minute))
				if errors.Is(err, notify.ErrLeased) {
					return nil
				}
				owners <- owner
				return err
			})
		}
		if err := calls.Wait(); err != nil || len(owners) != 1 {
			t.Errorf("LeaseAnnouncement() by %d at once = %v, %d leased it, want one", cap(owners), err, len(owners))
		}
	})
}

func TestMigrate_MakesExistingTenantsDue(t *testing.T) {
	t.Parallel()
	storetest.EachEmpty(t, func(t *testing.T, db *storetest.Database) {
		db.MigrateTo(t, 1)
		for _, statement := range []string{
			"INSERT INTO instances (instance_key, instance_id, controller_uri, package_version, cloud, application_id, mfa_request, skip_landing," +
				" direct_link, tenant_application, version) VALUES ('key', 'id', '', '', '', '', '', 0, 0, 0, 1)",
			"INSERT INTO tenants (id, instance_key, account_id, subscription_id, name, marketplace, directory, application_id, version)" +
				" VALUES ('some', 'key', 'account', '', '', '', '', '', 1)",
		} {
			if _, err := db.Raw(t).ExecContext(t.Context(), statement); err != nil {
				t.Fatalf("%s = %v", statement, err)
			}
		}
		s, subject := db.Open(t), ofTenant("some")
		soon := time.Now().Add(time.Minute)
		got, err := s.DueAnnouncements(t.Context(), soon, 10)
		if err != nil || len(got) != 2 {
			t.Fatalf("DueAnnouncements() after the migration = %v, %v, want the tenant and its instance", got, err)
		}
		if a := leaseAnnouncement(t, s, subject, "owner", soon); a.State.Trouble != "" || a.State.Pushed != "" {
			t.Errorf("LeaseAnnouncement() = %+v, want an empty state", a)
		}
	})
}
