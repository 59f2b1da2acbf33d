package notify_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// lends makes the instance issue access tokens for customers.
func (h *harness) lends(directories string) {
	h.Helper()
	h.changeInstance(func(in *tenant.Instance) { in.Settings.CustomerDirectories = directories })
}

// end sets which relationships end, by the names of the customers, in days after start.
func (h *harness) end(days map[string]int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ends = nil
	for n, name := range []string{"Aurora", "Birch", "Cedar"} {
		if after, ok := days[name]; ok {
			h.ends = append(h.ends, token.RelationshipEnd{DirectoryID: fmt.Sprintf("%08d-0000-4000-8000-000000000000", n), Name: name, EndsAt: start.Add(time.Duration(after) * day)})
		}
	}
}

func (h *harness) readings() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.reads
}

// customersSent returns the customers that both channels warned of since the last call, in one text for each notice.
func (h *harness) customersSent() string {
	h.Helper()
	said := map[string]string{}
	for _, c := range []*channel{h.panel, h.mail} {
		c.mu.Lock()
		for _, n := range c.sent {
			var names []string
			for _, customer := range n.Customers {
				names = append(names, customer.Name)
			}
			said[c.name] += fmt.Sprintf("[%s]", strings.Join(names, " "))
		}
		c.sent = nil
		c.mu.Unlock()
	}
	if said["panel"] != said["mail"] {
		h.Errorf("the panel warned of %q, the mail of %q, want the same", said["panel"], said["mail"])
	}
	return said["mail"]
}

func (h *harness) warnings() []audit.Event {
	h.Helper()
	events, err := h.store.EventsOf(h.Context(), h.tenantID, []audit.Action{audit.RelationshipsEnding}, 100)
	h.must(err)
	return events
}

// TestRelationships_WarnsOnceEach warns of all customers of a day by one notice, 30, 7 and 1 days before, across restarts.
func TestRelationships_WarnsOnceEach(t *testing.T) {
	each(t, func(h *harness) {
		h.lends(tenant.ListedCustomers)
		h.end(map[string]int{"Aurora": 40, "Birch": 35, "Cedar": 40})
		// A notice is sent at the last look before the time of the warning.
		want := map[int]string{4: "[Birch]", 9: "[Aurora Cedar]", 27: "[Birch]", 32: "[Aurora Cedar]", 33: "[Birch]", 38: "[Aurora Cedar]"}
		for age := range 43 {
			h.sweep()
			h.restart()
			h.sweep()
			if got := h.customersSent(); got != want[age] {
				h.Errorf("after %d days, people were warned of %q, want %q", age, got, want[age])
			}
			h.advance(day)
		}
		events := h.warnings()
		if len(events) != len(want) || events[len(events)-2].Details["customers"] != "Aurora, Cedar" || events[0].Details["count"] != "2" || events[0].Actor.Kind != audit.Scheduler {
			h.Errorf("events = %+v, want one for each notice", events)
		}
		if got := h.readings(); got > 44 {
			h.Errorf("relationships were read %d times in 43 days, want once a day", got)
		}
	})
}

// TestRelationships_ChangedEnds warns anew when a relationship was extended, but not because one is gone for a while.
func TestRelationships_ChangedEnds(t *testing.T) {
	each(t, func(h *harness) {
		h.lends(tenant.AnyCustomers)
		for _, step := range []struct {
			after time.Duration
			ends  map[string]int
			want  string
		}{
			{0, map[string]int{"Aurora": 20}, "[Aurora]"},
			{day, nil, ""}, // it extends itself
			{day, map[string]int{"Aurora": 20}, ""},
			{day, map[string]int{"Aurora": 100}, ""},
			{68 * day, map[string]int{"Aurora": 100}, "[Aurora]"},
			{26 * day, map[string]int{"Aurora": 100, "Birch": 98}, "[Aurora Birch]"}, // one that is known a day before its end
			{day, map[string]int{"Aurora": 100, "Birch": 98}, "[Aurora]"},
		} {
			h.advance(step.after)
			h.end(step.ends)
			h.granted()
			h.sweep()
			if got := h.customersSent(); got != step.want {
				h.Errorf("on %s with %v, people were warned of %q, want %q", h.now().Format(time.DateOnly), step.ends, got, step.want)
			}
		}
	})
}

// TestRelationships_ClockChanges sets the clock forth and back: what people were warned of isn't repeated.
func TestRelationships_ClockChanges(t *testing.T) {
	each(t, func(h *harness) {
		h.lends(tenant.ListedCustomers)
		h.end(map[string]int{"Aurora": 20})
		h.sweep()
		if got := h.customersSent(); got != "[Aurora]" {
			h.Fatalf("people were warned of %q, want [Aurora]", got)
		}
		for _, by := range []time.Duration{-10 * day, 10 * day, 5 * day, -5 * day} {
			h.advance(by)
			h.happen(audit.GrantRenewed)
			h.sweep()
			if got := h.customersSent(); got != "" {
				h.Errorf("with the clock at %s, people were warned of %q again", h.now().Format(time.DateOnly), got)
			}
		}
		if got := h.readings(); got < 3 {
			h.Errorf("relationships were read %d times, want again after the clock was set back", got)
		}
	})
}

// TestRelationships_OnlyWhereTheyMatter reads no relationships where no access tokens for customers are issued, or none can be.
func TestRelationships_OnlyWhereTheyMatter(t *testing.T) {
	each(t, func(h *harness) {
		h.end(map[string]int{"Aurora": 20})
		h.sweep()
		h.lends(tenant.NoCustomers)
		h.sweep()
		h.lends(tenant.ListedCustomers)
		h.fails(token.StateActionRequired, failure.GrantRevoked)
		h.sweep()
		h.become(func(s *token.Status) { *s = token.Status{State: token.StateAbsent} }, audit.GrantForgotten)
		h.sweep()
		if got := h.readings(); got != 0 {
			h.Errorf("relationships were read %d times, want never", got)
		}
		h.mail.take()
		h.panel.take()
		h.granted()
		h.sweep()
		if got := h.customersSent(); got != "[Aurora]" {
			h.Errorf("with a token, people were warned of %q, want [Aurora]", got)
		}
	})
}

// TestRelationships_Unreadable reads again later, and goes on with everything else.
func TestRelationships_Unreadable(t *testing.T) {
	for code, after := range map[failure.Code]time.Duration{failure.MicrosoftUnavailable: time.Hour, failure.APIRefused: day} {
		t.Run(string(code), func(t *testing.T) {
			each(t, func(h *harness) {
				h.lends(tenant.ListedCustomers)
				h.end(map[string]int{"Aurora": 20})
				h.unread = failure.New(code)
				h.sweep()
				h.advance(after - time.Second)
				h.happen(audit.GrantChecked)
				h.sweep()
				if got := h.readings(); got != 1 {
					h.Errorf("relationships were read %d times, want no second time before %s", got, after)
				}
				h.unread = nil
				h.advance(time.Second)
				h.sweep()
				if got := h.customersSent(); got != "[Aurora]" {
					h.Errorf("%s later, people were warned of %q, want [Aurora]", after, got)
				}
			})
		})
	}
}

// TestRelationships_Many names the first customers of a long list and counts the others.
func TestRelationships_Many(t *testing.T) {
	h := newHarness(t, storetest.SQLite(t).Open(t))
	h.lends(tenant.ListedCustomers)
	for n := range notify.MaxRelationships + 10 {
		h.ends = append(h.ends, token.RelationshipEnd{DirectoryID: fmt.Sprintf("%08d-0000-4000-8000-000000000000", n), Name: "Customer\n" + strings.Repeat("x", 300), EndsAt: start.Add(20 * day)})
	}
	h.sweep()
	h.mail.mu.Lock()
	sent := h.mail.sent
	h.mail.mu.Unlock()
	if len(sent) != 1 || len(sent[0].Customers) != notify.MaxNamed || sent[0].Count != notify.MaxRelationships || strings.Contains(sent[0].Customers[0].Name, "\n") {
		t.Fatalf("sent %+v, want one notice that names the first", sent)
	}
	h.advance(day)
	h.sweep()
	h.mail.take()
	h.panel.take()
	h.advance(day)
	h.sweep()
	if got := h.customersSent(); got != "" {
		t.Errorf("people were warned of %q again", got)
	}
}
