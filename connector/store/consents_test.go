package store_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

func TestSaveConsent_ReturnsWhatWasSaved(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		owner := addTenant(t, s)
		c := newConsent(owner.ID)
		if err := s.SaveConsent(ctx, &c); err != nil || c.Version != 1 {
			t.Fatalf("SaveConsent() = %v, version %d, want version 1", err, c.Version)
		}
		c.Failure = &failure.Record{Code: failure.MFAMissing, Reference: "REF"}
		c.ConsentedBy = token.Person{Username: "admin@reseller.example"}
		c.Status, c.EndedAt = consent.Claimable, noon.Add(time.Hour)
		if err := s.SaveConsent(ctx, &c); err != nil || c.Version != 2 {
			t.Fatalf("SaveConsent() = %v, version %d, want version 2", err, c.Version)
		}
		got, err := s.Consent(ctx, c.ID)
		if diff := cmp.Diff(c, got, cmp.Comparer(revealed)); err != nil || diff != "" {
			t.Errorf("Consent() = _, %v, differs (-want +got):\n%s", err, diff)
		}
		got, err = s.ConsentByLink(ctx, c.LinkHash)
		if diff := cmp.Diff(c, got, cmp.Comparer(revealed)); err != nil || diff != "" {
			t.Errorf("ConsentByLink() = _, %v, differs (-want +got):\n%s", err, diff)
		}
		linkless := newConsent(owner.ID)
		linkless.LinkHash = ""
		another := linkless
		another.ID = random.ID()
		if err := errors.Join(s.SaveConsent(ctx, &linkless), s.SaveConsent(ctx, &another)); err != nil {
			t.Errorf("SaveConsent() of two without a link = %v", err)
		}
	})
}

func TestSaveConsent_Errors(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		owner := addTenant(t, s)
		c := newConsent(owner.ID)
		if err := s.SaveConsent(ctx, &c); err != nil {
			t.Fatalf("SaveConsent() = %v", err)
		}
		for name, tc := range map[string]struct {
			change func(c *consent.Consent)
			want   error
		}{
			"exists":                   {func(c *consent.Consent) { c.Version, c.LinkHash = 0, random.Token() }, tenant.ErrChanged},
			"new, the link of another": {func(c *consent.Consent) { c.Version, c.ID = 0, random.ID() }, tenant.ErrChanged},
			"changed":                  {func(c *consent.Consent) { c.Version = 3 }, tenant.ErrChanged},
			"never stored":             {func(c *consent.Consent) { c.ID = random.ID() }, tenant.ErrChanged},
			"of no tenant": {func(c *consent.Consent) {
				c.Version, c.ID, c.LinkHash, c.TenantID = 0, random.ID(), random.Token(), "nobody"
			}, tenant.ErrNotFound},
		} {
			refused := c
			tc.change(&refused)
			version := refused.Version
			if err := s.SaveConsent(ctx, &refused); !errors.Is(err, tc.want) || refused.Version != version {
				t.Errorf("SaveConsent() of one that is %s = %v, version %d, want %v, version %d", name, err, refused.Version, tc.want, version)
			}
		}
		if _, err := s.Consent(ctx, random.ID()); !errors.Is(err, tenant.ErrNotFound) {
			t.Errorf("Consent() of an unknown one = _, %v, want %v", err, tenant.ErrNotFound)
		}
		for _, hash := range []string{"", random.Token()} {
			if _, err := s.ConsentByLink(ctx, hash); !errors.Is(err, tenant.ErrNotFound) {
				t.Errorf("ConsentByLink(%q) = _, %v, want %v", hash, err, tenant.ErrNotFound)
			}
		}
	})
}

func TestOpenConsent_IsTheNewestThatIsOpen(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		owner, other := addTenant(t, s), addTenant(t, s)
		names := map[string]string{} // consent ID → name in this test
		add := func(name, tenantID string, p token.Procedure, status consent.Status, created time.Time) {
			c := newConsent(tenantID)
			c.Procedure, c.Status, c.CreatedAt = p, status, created
			if err := s.SaveConsent(ctx, &c); err != nil {
				t.Fatalf("SaveConsent() = %v", err)
			}
			names[c.ID] = name
		}
		check := func(p token.Procedure, want string, wantErr error) {
			t.Helper()
			c, err := s.OpenConsent(ctx, owner.ID, p)
			if names[c.ID] != want || !errors.Is(err, wantErr) {
				t.Errorf("OpenConsent(%s) = %q, %v, want %q, %v", p, names[c.ID], err, want, wantErr)
			}
		}
		add("another tenant's", other.ID, token.Manual, consent.Waiting, noon)
		for i, ended := range []consent.Status{consent.Succeeded, consent.Failed, consent.Closed} {
			add("ended", owner.ID, token.Manual, ended, noon.Add(time.Duration(i+1)*time.Hour))
		}
		check(token.Manual, "", tenant.ErrNotFound)
		add("older", owner.ID, token.Manual, consent.Waiting, noon)
		add("newer", owner.ID, token.Manual, consent.Claimable, noon.Add(time.Second))
		add("automatic", owner.ID, token.Automatic, consent.Waiting, noon.Add(time.Minute))
		check(token.Manual, "newer", nil)
		check(token.Automatic, "automatic", nil)
		add("ended", owner.ID, token.Automatic, consent.Succeeded, noon.Add(time.Hour))
		check(token.Automatic, "automatic", nil)
		if got, err := s.NewestConsent(ctx, owner.ID, token.Automatic); err != nil || names[got.ID] != "ended" {
			t.Errorf("NewestConsent() = %q, %v, want the one that ended", names[got.ID], err)
		}
		if _, err := s.NewestConsent(ctx, "nobody", token.Automatic); !errors.Is(err, tenant.ErrNotFound) {
			t.Errorf("NewestConsent() without one = _, %v, want %v", err, tenant.ErrNotFound)
		}
	})
}

func TestAddState_IsUsedOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		c := newConsent(addTenant(t, s).ID)
		if err := s.SaveConsent(ctx, &c); err != nil {
			t.Fatalf("SaveConsent() = %v", err)
		}
		direct := newState(c)
		direct.BrowserHash = ""
		if err := s.AddState(ctx, direct); err != nil {
			t.Fatalf("AddState() = %v", err)
		}
		if got, err := s.Consent(ctx, c.ID); err != nil || !got.OpenedAt.IsZero() {
			t.Errorf("Consent() of a link that nobody opened = opened at %s, %v, want never", got.OpenedAt, err)
		}
		if err := s.UseState(ctx, direct.Hash, noon); err != nil {
			t.Fatalf("UseState() = %v", err)
		}
		if _, err := s.State(ctx, "unknown"); !errors.Is(err, tenant.ErrNotFound) {
			t.Errorf("State() of an unknown one = _, %v, want %v", err, tenant.ErrNotFound)
		}
		if err := s.UseState(ctx, "unknown", noon); !errors.Is(err, tenant.ErrNotFound) {
			t.Errorf("UseState() of an unknown one = %v, want %v", err, tenant.ErrNotFound)
		}
		older, newer, used, expired := newState(c), newState(c), newState(c), newState(c)
		newer.CreatedAt = noon.Add(time.Second)
		expired.ExpiresAt = noon
		elsewhere := newState(newConsent(c.TenantID))
		for _, state := range []consent.State{older, newer, used, expired, elsewhere} {
			if err := s.AddState(ctx, state); err != nil {
				t.Fatalf("AddState() = %v", err)
			}
		}
		if err := s.AddState(ctx, older); !errors.Is(err, tenant.ErrChanged) {
			t.Errorf("second AddState() = %v, want %v", err, tenant.ErrChanged)
		}
		// Opening collides with no other change of the consent, which does not undo it either.
		if err := s.SaveConsent(ctx, &c); err != nil {
			t.Errorf("SaveConsent() after the openings = %v", err)
		}
		if got, err := s.Consent(ctx, c.ID); err != nil || !got.OpenedAt.Equal(noonStored) {
			t.Errorf("Consent() after the openings = opened at %s, %v, want %s", got.OpenedAt, err, noonStored)
		}
		if err := s.UseState(ctx, used.Hash, noon); err != nil {
			t.Errorf("UseState() = %v", err)
		}
		if err := s.UseState(ctx, used.Hash, noon.Add(time.Second)); !errors.Is(err, tenant.ErrChanged) {
			t.Errorf("second UseState() = %v, want %v", err, tenant.ErrChanged)
		}

		used.CreatedAt, used.ExpiresAt, used.UsedAt = noonStored, noonStored.Add(15*time.Minute), noonStored
		got, err := s.State(ctx, used.Hash)
		if diff := cmp.Diff(used, got, cmp.Comparer(revealed)); err != nil || diff != "" {
			t.Errorf("State() = _, %v, differs (-want +got):\n%s", err, diff)
		}
		open, err := s.OpenStates(ctx, c.ID, noon)
		var hashes []string
		for _, state := range open {
			hashes = append(hashes, state.Hash)
		}
		if want := []string{newer.Hash, older.Hash}; err != nil || !slices.Equal(hashes, want) {
			t.Errorf("OpenStates() = %q, %v, want %q", hashes, err, want)
		}
	})
}

func TestUseState_Once(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		state := newState(newConsent(addTenant(t, s).ID))
		if err := s.AddState(t.Context(), state); err != nil {
			t.Fatalf("AddState() = %v", err)
		}
		results := make(chan error, 16)
		var all errgroup.Group
		for range cap(results) {
			replica := db.Open(t)
			all.Go(func() error {
				results <- replica.UseState(t.Context(), state.Hash, noon)
				return nil
			})
		}
		_ = all.Wait()
		checkOneWinner(t, results, tenant.ErrChanged)
	})
}

func TestPurge_KeepsWhatIsOpen(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx := t.Context()
		owner := addTenant(t, s)
		earlier, later := noon.Add(-time.Hour), noon.Add(time.Hour)
		for name, tc := range map[string]struct {
			ended, expires, claim time.Time
			kept                  bool
		}{
			"ended":                          {ended: earlier, expires: later, claim: later},
			"timed out":                      {expires: earlier, claim: earlier},
			"ended at that time":             {ended: noon, expires: noon, kept: true},
			"open":                           {expires: later, kept: true},
			"timed out, code still accepted": {expires: earlier, claim: later, kept: true},
		} {
			c := newConsent(owner.ID)
			c.EndedAt, c.ExpiresAt, c.ClaimExpiresAt = tc.ended, tc.expires, tc.claim
			if err := s.SaveConsent(ctx, &c); err != nil {
				t.Fatalf("SaveConsent() = %v", err)
			}
			if err := s.Purge(ctx, noon); err != nil {
				t.Fatalf("Purge() = %v", err)
			}
			got, err := s.ConsentByLink(ctx, c.LinkHash)
			if kept := !got.Link.Empty() && got.ClaimHash != ""; kept != tc.kept || !kept && !errors.Is(err, tenant.ErrNotFound) {
				t.Errorf("Purge() keeps a consent that is %s: %v, %v, want %v", name, kept, err, tc.kept)
			}
			if err := s.SaveConsent(ctx, &c); !tc.kept && !errors.Is(err, tenant.ErrChanged) {
				t.Errorf("SaveConsent() of a consent that was purged meanwhile = %v, want %v", err, tenant.ErrChanged)
			}
		}

		c := newConsent(owner.ID)
		for name, tc := range map[string]struct {
			expires, used time.Time
			want          error
		}{
			"expired":             {expires: earlier, want: tenant.ErrNotFound},
			"used":                {expires: later, used: earlier, want: tenant.ErrNotFound},
			"expired at the time": {expires: noon},
			"open":                {expires: later},
		} {
			state := newState(c)
			state.ExpiresAt = tc.expires
			if err := s.AddState(ctx, state); err != nil {
				t.Fatalf("AddState() = %v", err)
			}
			if !tc.used.IsZero() {
				if err := s.UseState(ctx, state.Hash, tc.used); err != nil {
					t.Fatalf("UseState() = %v", err)
				}
			}
			if err := s.Purge(ctx, noon); err != nil {
				t.Fatalf("Purge() = %v", err)
			}
			if _, err := s.State(ctx, state.Hash); !errors.Is(err, tc.want) {
				t.Errorf("State() after Purge() of one that is %s = _, %v, want %v", name, err, tc.want)
			}
		}
	})
}

// latest returns the latest times that may be stored at now, for the settings of these tests.
func latest(now time.Time) consent.Latest {
	return consent.Latest{Now: now, Happened: now.Add(10 * time.Minute), SignIn: now.Add(2 * time.Hour), Link: now.AddDate(0, 0, 7), Claim: now.AddDate(0, 0, 1)}
}

// TestEndMisdated_EndsWhatNoRightClockStored has rows whose times no clock that is right can have stored, as older programs left them.
func TestEndMisdated_EndsWhatNoRightClockStored(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		s := db.Open(t)
		ctx, at := t.Context(), latest(noon)
		owner := addTenant(t, s)
		tick := time.Millisecond
		for name, tc := range map[string]struct {
			procedure                      token.Procedure
			created, expires, claim, ended time.Time
			kept                           bool
		}{
			"manual":                        {procedure: token.Manual, created: at.Happened, expires: at.Link, claim: at.Claim, kept: true},
			"automatic":                     {procedure: token.Automatic, created: at.Happened, expires: at.SignIn, kept: true},
			"created later":                 {procedure: token.Manual, created: at.Happened.Add(tick), expires: at.Link, claim: at.Claim},
			"manual, expiring later":        {procedure: token.Manual, created: noon, expires: at.Link.Add(tick)},
			"automatic, expiring later":     {procedure: token.Automatic, created: noon, expires: at.SignIn.Add(tick)},
			"claimable for longer":          {procedure: token.Manual, created: noon, expires: at.Link, claim: at.Claim.Add(tick)},
			"ended in half a year":          {procedure: token.Manual, created: noon, expires: at.Link, ended: noon.AddDate(0, 6, 0)},
			"of a clock half a year ahead":  {procedure: token.Manual, created: noon.AddDate(0, 6, 0), expires: noon.AddDate(0, 6, 7), claim: noon.AddDate(0, 6, 1)},
			"of a clock half an hour ahead": {procedure: token.Manual, created: noon.Add(30 * time.Minute), expires: noon.AddDate(0, 0, 7)},
		} {
			c := newConsent(owner.ID)
			c.Procedure, c.CreatedAt, c.ExpiresAt, c.ClaimExpiresAt, c.EndedAt = tc.procedure, tc.created, tc.expires, tc.claim, tc.ended
			if err := s.SaveConsent(ctx, &c); err != nil {
				t.Fatalf("SaveConsent() = %v", err)
			}
			if err := s.EndMisdated(ctx, at); err != nil {
				t.Fatalf("EndMisdated() = %v", err)
			}
			got, err := s.Consent(ctx, c.ID)
			if err != nil {
				t.Fatal(err)
			}
			if kept := !got.Link.Empty() && got.ClaimHash != "" && got.Version == c.Version; kept != tc.kept {
				t.Errorf("EndMisdated() keeps a consent that is %s: %t, want %t", name, kept, tc.kept)
			}
			for what, stored := range map[string]time.Time{"created": got.CreatedAt, "expires": got.ExpiresAt, "ended": got.EndedAt, "claim": got.ClaimExpiresAt} {
				if !tc.kept && stored.After(noon) {
					t.Errorf("%s is at %s in a consent that was %s, want not later than %s", what, stored, name, noon)
				}
			}
		}

		c := newConsent(owner.ID)
		for name, tc := range map[string]struct {
			browser                string
			created, expires, used time.Time
			want                   error
		}{
			"of a browser":               {browser: "b", created: at.Happened, expires: at.SignIn},
			"of a link":                  {created: at.Happened, expires: at.Link},
			"of a browser, for longer":   {browser: "b", created: noon, expires: at.SignIn.Add(tick), want: tenant.ErrNotFound},
			"of a link, for longer":      {created: noon, expires: at.Link.Add(tick), want: tenant.ErrNotFound},
			"created later":              {browser: "b", created: at.Happened.Add(tick), expires: at.SignIn, want: tenant.ErrNotFound},
			"used in the future":         {browser: "b", created: noon, expires: at.SignIn, used: at.Happened.Add(tick), want: tenant.ErrNotFound},
			"used just now, not a fault": {browser: "b", created: noon, expires: at.SignIn, used: noon},
		} {
			state := newState(c)
			state.BrowserHash, state.CreatedAt, state.ExpiresAt = tc.browser, tc.created, tc.expires
			if err := s.AddState(ctx, state); err != nil {
				t.Fatalf("AddState() = %v", err)
			}
			if !tc.used.IsZero() {
				if err := s.UseState(ctx, state.Hash, tc.used); err != nil {
					t.Fatalf("UseState() = %v", err)
				}
			}
			if err := s.EndMisdated(ctx, at); err != nil {
				t.Fatalf("EndMisdated() = %v", err)
			}
			if _, err := s.State(ctx, state.Hash); !errors.Is(err, tc.want) {
				t.Errorf("State() after EndMisdated() of one that is %s = _, %v, want %v", name, err, tc.want)
			}
		}
	})
}
