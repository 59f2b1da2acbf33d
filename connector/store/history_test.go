package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/token"
)

// TestHistoryEvents_FindConsentsBehindAccessTokens: one page has all consents, though far more access tokens were issued since than
// a page holds, and the access tokens are a history of their own.
func TestHistoryEvents_FindConsentsBehindAccessTokens(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		owned := newTenant()
		if err := s.SaveTenant(t.Context(), &owned); err != nil {
			t.Fatalf("SaveTenant() = %v", err)
		}
		events := []audit.Event{
			{ID: "granted", At: noon, Action: audit.ConsentGranted},
			{ID: "failed", At: noon.Add(time.Second), Action: audit.RenewalFailed},
			{ID: "failed too", At: noon.Add(time.Second), Action: audit.RenewalFailed},
		}
		for i := range 1000 {
			action := audit.TokenLent
			if i%2 > 0 {
				action = audit.LendingRefused
			}
			events = append(events, audit.Event{ID: fmt.Sprint(i), At: noon.Add(time.Duration(i+1) * time.Minute), Action: action})
		}
		for i := range events {
			events[i].TenantID = owned.ID
		}
		if err := store.WriteEvents(t.Context(), s, events); err != nil {
			t.Fatalf("WriteEvents() = %v", err)
		}
		read := func(lendings token.Lendings, before time.Time, limit int) (ids []string) {
			t.Helper()
			page, err := s.HistoryEvents(t.Context(), owned.ID, lendings, before, limit)
			if err != nil {
				t.Fatalf("HistoryEvents() = %v", err)
			}
			for _, e := range page {
				ids = append(ids, e.ID)
			}
			return ids
		}
		if got, want := read(token.NoLendings, time.Time{}, 50), []string{"failed too", "failed", "granted"}; !slices.Equal(got, want) {
			t.Errorf("without access tokens = %q, want %q", got, want)
		}
		if got, want := read(token.NoLendings, noon.Add(time.Second), 50), []string{"granted"}; !slices.Equal(got, want) {
			t.Errorf("without access tokens before the failures = %q, want %q", got, want)
		}
		if got, want := read(token.OnlyLendings, time.Time{}, 3), []string{"999", "998", "997"}; !slices.Equal(got, want) {
			t.Errorf("access tokens = %q, want %q", got, want)
		}
		if got, want := read(token.OnlyLendings, noon.Add(3*time.Minute), 50), []string{"1", "0"}; !slices.Equal(got, want) {
			t.Errorf("access tokens before the third = %q, want %q", got, want)
		}
		if got := read(token.NoLendings, time.Time{}, 0); got != nil {
			t.Errorf("a page of none = %q, want none", got)
		}
		owned.MovedAt = noon.Add(time.Second)
		if err := s.SaveTenant(t.Context(), &owned); err != nil {
			t.Fatalf("SaveTenant() = %v", err)
		}
		moved := []audit.Event{
			{ID: "moved", At: noon.Add(time.Second), TenantID: owned.ID, Action: audit.TenantMoved},
			{ID: "granted again", At: noon.Add(time.Second), TenantID: owned.ID, Action: audit.ConsentGranted},
		}
		if err := store.WriteEvents(t.Context(), s, moved); err != nil {
			t.Fatalf("WriteEvents() = %v", err)
		}
		if got, want := read(token.NoLendings, time.Time{}, 50), []string{"granted again", "moved"}; !slices.Equal(got, want) {
			t.Errorf("after a move = %q, want %q", got, want)
		}
		if got := read(token.OnlyLendings, time.Time{}, 50); got != nil {
			t.Errorf("access tokens after a move = %q, want none", got)
		}
	})
}

// TestHistoryEvents_LookAtSoMany: where more access tokens were issued than one request looks at, the page says so by ending with
// the last of them, and the next page goes on there.
func TestHistoryEvents_LookAtSoMany(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		const tenantID = "busy"
		events := []audit.Event{{ID: "granted", At: noon, TenantID: tenantID, Action: audit.ConsentGranted}}
		for i := range 10_000 {
			events = append(events, audit.Event{ID: fmt.Sprint(i), At: noon.Add(time.Duration(i+1) * time.Second), TenantID: tenantID, Action: audit.TokenLent})
		}
		events = append(events, audit.Event{ID: "renewed", At: noon.Add(24 * time.Hour), TenantID: tenantID, Action: audit.GrantRenewed})
		for chunk := range slices.Chunk(events, 100) {
			if err := store.WriteEvents(t.Context(), s, chunk); err != nil {
				t.Fatalf("WriteEvents() = %v", err)
			}
		}
		var before time.Time
		for _, want := range [][]string{{"renewed", "1"}, {"granted"}} {
			page, err := s.HistoryEvents(t.Context(), tenantID, token.NoLendings, before, 50)
			if err != nil {
				t.Fatalf("HistoryEvents() = %v", err)
			}
			var got []string
			for _, e := range page {
				got = append(got, e.ID)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("the page before %s = %q, want %q", before, got, want)
			}
			before = page[len(page)-1].At
		}
		page, err := s.HistoryEvents(t.Context(), tenantID, token.NoLendings, time.Time{}, 1)
		if err != nil || len(page) != 1 || page[0].ID != "renewed" {
			t.Errorf("a page of one = %+v, %v, want the renewal alone", page, err)
		}
	})
}
