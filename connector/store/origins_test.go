package store_test

import (
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/token"
)

func TestUnlistedOrigins_AreTheLatestOfAnInstance(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		first, second := addTenant(t, s), addTenant(t, s)
		for _, origin := range []string{"https://old.example", "https://panel.example"} {
			if err := s.SaveUnlistedOrigin(ctx, first.ID, origin, noon); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.SaveUnlistedOrigin(ctx, second.ID, "https://earlier.example", noon.Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
		check := func(key string, since time.Time, want map[string]string) {
			t.Helper()
			got, err := s.UnlistedOrigins(ctx, key, since)
			if err != nil || len(got) != len(want) {
				t.Errorf("UnlistedOrigins(%s) = %v, %v, want %v", key, got, err, want)
			}
			for id, origin := range want {
				if got[id] != origin {
					t.Errorf("UnlistedOrigins(%s) = %v, want %v", key, got, want)
				}
			}
		}
		check(first.InstanceKey, noon, map[string]string{first.ID: "https://panel.example"})
		if second.InstanceKey != first.InstanceKey {
			check(second.InstanceKey, noon.Add(-time.Hour), map[string]string{second.ID: "https://earlier.example"})
		}
		check("nobody's", noon.Add(-24*time.Hour), nil)
		if err := s.DeleteTenant(ctx, first.ID); err != nil {
			t.Fatal(err)
		}
		check(first.InstanceKey, noon, nil)
	})
}

func TestCloseOthers_ClosesAutomaticConsentsThatWait(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		owner, other := addTenant(t, s), addTenant(t, s)
		add := func(tenantID string, p token.Procedure, status consent.Status) consent.Consent {
			c := newConsent(tenantID)
			c.Procedure, c.Status, c.BrowserHash = p, status, "hash"
			if err := s.SaveConsent(ctx, &c); err != nil {
				t.Fatal(err)
			}
			return c
		}
		won := add(owner.ID, token.Automatic, consent.Waiting)
		others := map[string]consent.Consent{
			"closed":                 add(owner.ID, token.Automatic, consent.Waiting),
			"a link":                 add(owner.ID, token.Manual, consent.Waiting),
			"waiting for its code":   add(owner.ID, token.Automatic, consent.Claimable),
			"of another tenant":      add(other.ID, token.Automatic, consent.Waiting),
			"the one that succeeded": won,
		}
		if closed, err := s.CloseOthers(ctx, owner.ID, won.ID, noon); err != nil || len(closed) != 1 || closed[0] != others["closed"].ID {
			t.Fatalf("CloseOthers() = %q, %v, want the one that waited", closed, err)
		}
		for name, before := range others {
			want := before.Status
			if name == "closed" {
				want = consent.Closed
			}
			got, err := s.Consent(ctx, before.ID)
			if err != nil || got.Status != want || got.EndedAt.IsZero() == (want == consent.Closed) || got.BrowserHash != "hash" {
				t.Errorf("%s is %s, ended %s, %v, want %s", name, got.Status, got.EndedAt, err, want)
			}
		}
	})
}

func TestProgress_TellsOpenedAndAnswered(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		c := newConsent(addTenant(t, s).ID)
		if err := s.SaveConsent(ctx, &c); err != nil {
			t.Fatal(err)
		}
		check := func(opened, answered bool) {
			t.Helper()
			if o, a, err := s.Progress(ctx, c.ID); err != nil || o != opened || a != answered {
				t.Errorf("Progress() = %v, %v, %v, want %v, %v", o, a, err, opened, answered)
			}
		}
		check(false, false)
		state := newState(c)
		if err := s.AddState(ctx, state); err != nil {
			t.Fatal(err)
		}
		check(true, false)
		if err := s.UseState(ctx, state.Hash, noon); err != nil {
			t.Fatal(err)
		}
		check(true, true)
	})
}

// A consent that was taken back is remembered until the provider was told, whatever happens afterwards.
func TestAppendEvent_RemembersADisownedConsent(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		owner := addTenant(t, s)
		for i, action := range []audit.Action{audit.ConsentGranted, audit.ConsentDisowned, audit.ConsentGranted, audit.GrantForgotten} {
			e := audit.Event{InstanceKey: owner.InstanceKey, TenantID: owner.ID, Action: action}
			if err := audit.Append(ctx, s, noon.Add(time.Duration(i)*time.Minute), e); err != nil {
				t.Fatal(err)
			}
		}
		subject := notify.Subject{Kind: notify.OfTenant, ID: owner.ID}
		a, err := s.LeaseAnnouncement(ctx, subject, "owner", noon.Add(time.Hour), noon.Add(2*time.Hour))
		if err != nil || !a.DisownedAt.Equal(noon.Add(time.Minute).Truncate(time.Millisecond)) {
			t.Errorf("LeaseAnnouncement() = disowned at %s, %v, want %s", a.DisownedAt, err, noon.Add(time.Minute))
		}
	})
}
