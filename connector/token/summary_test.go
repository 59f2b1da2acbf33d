package token_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// A population stores instances and tenants whose settings, grants and schedules are drawn at random.
type population struct {
	*harness
	random *rand.Rand
	ids    []string
}

func (p *population) oneOf(texts ...string) string { return texts[p.random.IntN(len(texts))] }

func (p *population) chance(percent int) bool { return p.random.IntN(100) < percent }

// ago is a time around one of the limits on which states depend.
func (p *population) ago() time.Time {
	const day = 24 * time.Hour
	limits := []time.Duration{0, time.Hour, 24 * time.Hour, 30 * day, 60 * day, 90 * day, -time.Hour, -token.Tolerance}
	return p.clock.Add(-limits[p.random.IntN(len(limits))] + time.Duration(p.random.IntN(5)-2)*time.Millisecond)
}

func (p *population) application() tenant.Application {
	a := tenant.Application{ID: p.oneOf("", applicationID, applicationID, borrowerID)}
	if p.chance(80) {
		a.Secret.Value = secret.New("value")
	}
	return a
}

func (p *population) addInstances(n int) {
	for i := range n {
		in := tenant.Instance{
			Key: fmt.Sprintf("drawn-%d", i), ID: fmt.Sprintf("drawn-%d", i), RootID: fmt.Sprintf("drawn-root-%d", i), CreatedAt: p.clock, UpdatedAt: p.clock,
			PackageVersion: p.oneOf("", "1-1", "2-1", "2-14", "10-1"),
			Settings:       tenant.Settings{Cloud: "global", TenantApplication: p.chance(50), Application: p.application()},
		}
		if i == 0 {
			in.RemovedAt = p.clock
		}
		p.must(p.store.SaveInstance(p.Context(), &in))
	}
}

func (p *population) addTenants(n, instances int) {
	for i := range n {
		directory := fmt.Sprintf("%08d-aaaa-4aaa-8aaa-aaaaaaaaaaaa", i)
		tn := tenant.Tenant{
			ID: fmt.Sprintf("drawn-%d", i), InstanceKey: fmt.Sprintf("drawn-%d", p.random.IntN(instances)), AccountID: "account-1",
			Name: p.oneOf("Ärger 100%", "Contoso_1", "contoso 2", "Fabrikam!"), Directory: p.oneOf("", directory, directory, directory),
			Application: p.application(), CreatedAt: p.clock, UpdatedAt: p.clock,
		}
		if p.chance(85) {
			tn.DirectoryID = directory
		}
		if p.chance(80) {
			tn.ProvenDirectoryID = directory
		}
		for _, at := range []*time.Time{&tn.SuspendedAt, &tn.UnlinkedAt, &tn.UnknownAt} {
			if p.chance(5) {
				*at = p.clock
			}
		}
		p.must(p.store.SaveTenant(p.Context(), &tn))
		p.ids = append(p.ids, tn.ID)
		p.addGrants(tn, directory)
		p.addSchedule(tn.ID)
	}
}

func (p *population) addGrants(tn tenant.Tenant, directory string) {
	for slot, percent := range map[token.Slot]int{token.Active: 70, token.Pending: 30} {
		if !p.chance(percent) {
			continue
		}
		g := token.Grant{
			TenantID: tn.ID, Slot: slot, RefreshToken: secret.New("refresh"), IssuedAt: p.ago(), ConsentedAt: p.ago(),
			InstanceKey: p.oneOf("", tn.InstanceKey, tn.InstanceKey, "another"), AccountID: p.oneOf("", tn.AccountID, tn.AccountID, "another"),
			DirectoryID: p.oneOf(directory, directory, directory, otherID), ApplicationID: p.oneOf(applicationID, applicationID, borrowerID),
		}
		p.must(p.store.SaveGrant(p.Context(), &g))
	}
}

func (p *population) addSchedule(id string) {
	if p.chance(15) {
		return
	}
	schedule := token.Schedule{TenantID: id, DueAt: p.ago(), LastSuccessAt: p.ago()}
	if p.chance(50) {
		codes := append(failure.Codes(), "of_a_later_program")
		schedule.Failure = &failure.Record{Code: codes[p.random.IntN(len(codes))]}
	}
	p.must(p.store.SaveSchedule(p.Context(), &schedule))
}

// states returns the state that Status tells of each tenant of an installed instance.
func (p *population) states() map[string]token.State {
	states := map[string]token.State{}
	for _, id := range p.ids {
		r, err := p.store.Resolve(p.Context(), id)
		p.must(err)
		if !r.Instance.RemovedAt.IsZero() {
			continue
		}
		status, err := p.tokens.Status(p.Context(), r)
		p.must(err)
		states[id] = status.State
	}
	return states
}

func TestList_DatabaseComputesTheStatesThatStatusTells(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		federated := db.Open(t, func(cfg *store.Config) {
			cfg.Deployment = func(key string) tenant.Deployment {
				return tenant.Deployment{Federated: strings.HasSuffix(key, "1") || strings.HasSuffix(key, "2")}
			}
		})
		p := &population{harness: newHarness(t, federated), random: rand.New(rand.NewPCG(seed, 0))}
		const instances = 12
		p.addInstances(instances)
		p.addTenants(200, instances)
		want := p.states()
		want[tenantID] = token.StateAbsent // of the harness

		list, err := p.tokens.List(t.Context(), token.Query{})
		p.must(err)
		counts := map[token.State]int{}
		for _, listed := range list.Tenants {
			if got := listed.State; got != want[listed.TenantID] {
				t.Errorf("the database says that %s is %s, Status says %s", listed.TenantID, got, want[listed.TenantID])
			}
			counts[listed.State]++
		}
		if len(list.Tenants) != len(want) {
			t.Errorf("%d tenants are listed, want %d", len(list.Tenants), len(want))
		}
		summary, err := p.tokens.Summary(t.Context())
		p.must(err)
		for _, state := range token.States() {
			if got := summary.Tenants[state]; got != counts[state] || list.Counts[state] != counts[state] {
				t.Errorf("%s: summary %d, counts of the list %d, want %d", state, got, list.Counts[state], counts[state])
			}
		}
		p.checkPages(list)
	})
}

// checkPages checks the order of a list and that pages, states and searches are parts of it.
func (p *population) checkPages(all token.List) {
	p.Helper()
	urgency := token.ByUrgency()
	if !slices.IsSortedFunc(all.Tenants, func(a, b token.Listed) int {
		return cmp.Compare(slices.Index(urgency, a.State), slices.Index(urgency, b.State))
	}) {
		p.Error("the list is not in the order of urgency")
	}
	var paged []token.Listed
	for offset := 0; offset < len(all.Tenants); offset += 70 {
		page, err := p.tokens.List(p.Context(), token.Query{Offset: offset, Limit: 70})
		p.must(err)
		paged = append(paged, page.Tenants...)
	}
	if !slices.Equal(paged, all.Tenants) {
		p.Error("the pages together are not the list")
	}
	some := []token.State{token.StateExpired, token.StateActive}
	page, err := p.tokens.List(p.Context(), token.Query{States: some})
	p.must(err)
	want := slices.DeleteFunc(slices.Clone(all.Tenants), func(l token.Listed) bool { return !slices.Contains(some, l.State) })
	if !slices.Equal(page.Tenants, want) || page.Counts[token.StateAbsent] != all.Counts[token.StateAbsent] {
		p.Errorf("of two states, %d tenants are listed, want %d", len(page.Tenants), len(want))
	}
}

func TestList_SearchTakesTheTextAsItIs(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		h := newHarness(t, db.Open(t))
		names := []string{"Contoso_1", "CONTOSO 2", "100% Fabrikam", "Wow! Ltd", `back\slash`, "Ärger"}
		for i, name := range names {
			tn := tenant.Tenant{
				ID: fmt.Sprintf("id-%d", i), InstanceKey: instanceKey, Name: name, Directory: fmt.Sprintf("d%d.example", i), CreatedAt: h.clock, UpdatedAt: h.clock,
			}
			h.must(h.store.SaveTenant(t.Context(), &tn))
		}
		for search, want := range map[string]string{
			"contoso": "id-0 id-1", "contoso_": "id-0", "%": "id-2", "!": "id-3", `\`: "id-4", "Ärger": "id-5", "d3.EXAMPLE": "id-3", "ID-2": "id-2", "nobody": "", "'": "",
		} {
			list, err := h.tokens.List(t.Context(), token.Query{Search: search, Instances: []string{instanceKey}})
			h.must(err)
			var got []string
			for _, listed := range list.Tenants {
				got = append(got, listed.TenantID)
			}
			slices.Sort(got)
			if strings.Join(got, " ") != want {
				t.Errorf("search for %q finds %v, want %s", search, got, want)
			}
		}
		if list, err := h.tokens.List(t.Context(), token.Query{Instances: []string{"another"}}); err != nil || len(list.Tenants) > 0 {
			t.Errorf("List() of another instance = %v, %v, want none", list.Tenants, err)
		}
	})
}

func TestSummary_CountsTenantsByState(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		h := newHarness(t, db.Open(t))
		empty, err := h.tokens.Summary(t.Context())
		h.must(err)
		if !empty.LastExport.IsZero() || empty.Tenants[token.StateAbsent] != 1 || empty.Grants != 0 || !empty.FirstEnd.IsZero() || empty.Remaining != 0 || empty.Due != 0 || empty.Overdue != 0 {
			t.Errorf("Summary() of a tenant without a token = %+v", empty)
		}
		g := token.Grant{
			TenantID: tenantID, Slot: token.Active, RefreshToken: secret.New("r"), IssuedAt: h.clock.Add(-88 * 24 * time.Hour), ConsentedAt: h.clock,
			DirectoryID: directoryID, ApplicationID: applicationID,
		}
		h.must(h.store.SaveGrant(t.Context(), &g))
		schedule := token.Schedule{TenantID: tenantID, DueAt: h.clock.Add(-time.Hour), LastSuccessAt: h.clock.Add(-time.Minute)}
		h.must(h.store.SaveSchedule(t.Context(), &schedule))
		if _, err := h.store.Lease(t.Context(), tenantID, "replica", h.clock, h.clock.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		h.must(h.store.AnnounceNow(t.Context(), "tenants", []string{tenantID}, h.clock.Add(-2*time.Hour)))
		h.must(h.tokens.RecordExport(t.Context(), map[string]int{instanceKey: 2, "another": 1}, "age1", owner))
		got, err := h.tokens.Summary(t.Context())
		h.must(err)
		if !got.LastExport.Equal(h.clock) {
			t.Errorf("Summary().LastExport = %s, want %s", got.LastExport, h.clock)
		}
		if got.Announcements == 0 || got.AnnouncementsOverdue < 2*time.Hour {
			t.Errorf("Summary() = %d announcements, overdue for %v, want one for 2h", got.Announcements, got.AnnouncementsOverdue)
		}
		const day = 24 * time.Hour
		if got.Grants != 1 || got.Remaining.Round(time.Second) != 2*day || !got.FirstEnd.Equal(h.clock.Add(2*day)) || got.Due != 1 ||
			got.Overdue != time.Hour || got.Leased != 1 || !got.LastSuccess.Equal(h.clock.Add(-time.Minute)) {
			t.Errorf("Summary() = %+v", got)
		}
		if want := []int{0, 0, 1, 1, 1, 1, 1, 1}; !slices.Equal(got.Ending, want) {
			t.Errorf("Summary().Ending = %v, want %v for %v", got.Ending, want, token.EndBounds())
		}
		h.advance(7 * day)
		if later, err := h.tokens.Summary(t.Context()); err != nil || !later.LastExport.IsZero() {
			t.Errorf("Summary().LastExport a week later = %s, %v, want none", later.LastExport, err)
		}
	})
}
