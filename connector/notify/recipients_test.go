package notify_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// A mailer is a channel that records its messages: "address: kind kind".
type mailer struct {
	channel
	recipients []notify.Recipient
}

func (m *mailer) Recipients(context.Context, notify.Notice) ([]notify.Recipient, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.recipients), nil
}

func (m *mailer) SendTo(_ context.Context, to notify.Recipient, notices []notify.Notice) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tries++
	if m.err == nil {
		kinds := make([]string, len(notices))
		for i, n := range notices {
			kinds[i] = string(n.Kind)
		}
		m.sent = append(m.sent, notify.Notice{Kind: notify.Kind(to.Address + " (" + to.Language + "): " + strings.Join(kinds, " "))})
	}
	return m.err
}

// messages returns what was sent since the last call.
func (m *mailer) messages() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	texts := []string{}
	for _, n := range m.sent {
		texts = append(texts, string(n.Kind))
	}
	m.sent = nil
	return texts
}

const ops, boss = "ops@example.com", "boss@example.com"

// mails makes the harness send mails to two mailboxes.
func (h *harness) mails(digest time.Duration, perHour int) *mailer {
	h.Helper()
	m := &mailer{channel: channel{name: "mails", audience: notify.Provider}, recipients: []notify.Recipient{{Address: ops, Language: "de"}, {Address: boss, Language: "en"}}}
	h.sweep() // nothing is wrong with the harness's own tenant
	h.digest, h.perHour = digest, perHour
	h.service = h.replica(m)
	return m
}

// trouble makes n tenants fail at once.
func (h *harness) trouble(n int) {
	h.Helper()
	h.mu.Lock()
	h.status.State, h.status.Failure = token.StateActionRequired, &failure.Record{Code: failure.GrantRevoked}
	h.mu.Unlock()
	for range n {
		id := random.ID()
		h.must(h.store.SaveTenant(h.Context(), &tenant.Tenant{ID: id, InstanceKey: instanceKey, Name: "Alpine Cloud", AccountID: random.ID(), CreatedAt: start, UpdatedAt: start}))
		h.must(h.store.AppendEvent(h.Context(), audit.Event{ID: random.ID(), At: h.now(), InstanceKey: instanceKey, TenantID: id, Action: audit.RenewalFailed, Result: audit.OK}))
	}
}

func (h *harness) checkMessages(m *mailer, want ...string) {
	h.Helper()
	got := m.messages()
	slices.Sort(got)
	slices.Sort(want)
	if fmt.Sprint(got) != fmt.Sprint(want) {
		h.Errorf("at %s, the messages are %q, want %q", h.now(), got, want)
	}
}

const toOps, toBoss = ops + " (de): ", boss + " (en): "

func TestSweep_OneMessageForEachNotice(t *testing.T) {
	t.Parallel()
	each(t, func(h *harness) {
		m := h.mails(0, 0)
		h.trouble(2)
		h.sweep()
		h.checkMessages(m, toOps+"alarm", toOps+"alarm", toBoss+"alarm", toBoss+"alarm")
		h.advance(time.Hour)
		h.sweep()
		h.checkMessages(m)
	})
}

func TestSweep_DigestGathersTheNoticesOfAWindow(t *testing.T) {
	t.Parallel()
	each(t, func(h *harness) {
		m := h.mails(10*time.Minute, 0)
		h.trouble(1)
		h.sweep()
		h.advance(9 * time.Minute)
		h.trouble(1)
		h.sweep()
		h.checkMessages(m)
		h.advance(time.Minute)
		h.service = h.replica(m) // a restart
		h.sweep()
		h.checkMessages(m, toOps+"alarm alarm", toBoss+"alarm alarm")
		h.trouble(1)
		h.sweep()
		h.checkMessages(m) // the window begins anew
		h.advance(10 * time.Minute)
		h.sweep()
		h.checkMessages(m, toOps+"alarm", toBoss+"alarm")
	})
}

func TestSweep_LimitsTheMessagesOfAnHour(t *testing.T) {
	t.Parallel()
	each(t, func(h *harness) {
		m := h.mails(0, 2)
		m.recipients = m.recipients[:1]
		h.trouble(1)
		h.sweep()
		h.advance(time.Minute)
		h.trouble(1)
		h.sweep()
		h.checkMessages(m, toOps+"alarm", toOps+"alarm")
		for range 3 {
			h.advance(time.Minute)
			h.trouble(1)
			h.sweep()
		}
		h.checkMessages(m)
		h.advance(55*time.Minute + 59*time.Second)
		h.sweep()
		h.checkMessages(m)
		h.advance(time.Second) // an hour after the first one
		h.sweep()
		h.checkMessages(m, toOps+"alarm alarm alarm")
	})
}

func TestSweep_ManyAtOnceAreDigests(t *testing.T) {
	t.Parallel()
	each(t, func(h *harness) {
		m := h.mails(time.Minute, 2)
		m.recipients = m.recipients[:1]
		h.trouble(103)
		h.sweep()
		h.advance(time.Minute)
		h.sweep()
		h.checkMessages(m, toOps+strings.TrimSpace(strings.Repeat("alarm ", 100)), toOps+"alarm alarm alarm")
	})
}

// TestSweep_SendsToPresentRecipients sends after a failure, and not to who is no recipient any more.
func TestSweep_SendsToPresentRecipients(t *testing.T) {
	t.Parallel()
	each(t, func(h *harness) {
		m := h.mails(0, 0)
		m.fail(errDown)
		h.trouble(1)
		h.sweep()
		m.mu.Lock()
		m.recipients = m.recipients[:1]
		m.mu.Unlock()
		m.fail(nil)
		h.sweep()
		h.checkMessages(m)
		h.advance(time.Minute)
		h.sweep()
		h.checkMessages(m, toOps+"alarm")
	})
}

func TestSweep_GivesUpWhatCannotBeSent(t *testing.T) {
	t.Parallel()
	each(t, func(h *harness) {
		m := h.mails(0, 0)
		m.recipients = m.recipients[:1]
		m.fail(errDown)
		h.trouble(1)
		h.sweep()
		for range 72 { // each hour
			h.advance(time.Hour)
			h.sweep()
		}
		m.fail(nil)
		h.advance(time.Hour)
		h.sweep()
		h.checkMessages(m)
		m.fail(fmt.Errorf("%w: no template", notify.ErrUndeliverable))
		h.trouble(1)
		h.sweep()
		m.fail(nil)
		h.advance(time.Hour)
		h.sweep()
		h.checkMessages(m)
	})
}

// TestSweep_RevivesQueues: a program before this one drops subjects that it does not know, and a clock that was ahead queued.
func TestSweep_RevivesQueues(t *testing.T) {
	t.Parallel()
	each(t, func(h *harness) {
		m := h.mails(10*time.Minute, 0)
		m.recipients = m.recipients[:1]
		h.trouble(1)
		h.sweep()
		subject := notify.Subject{Kind: notify.OfRecipient, ID: notify.RecipientID("mails", ops)}
		h.advance(10 * time.Minute)
		a, err := h.store.LeaseAnnouncement(h.Context(), subject, "older", h.now(), h.now().Add(time.Minute))
		h.must(err)
		h.must(h.store.DropAnnouncement(h.Context(), a))
		h.sweep()
		h.checkMessages(m, toOps+"alarm")

		ahead := []notify.Queued{{Recipient: subject.ID, Notice: notify.Notice{ID: "n-1", Kind: notify.Incident}, At: h.now().Add(240 * time.Hour)}}
		h.must(h.store.QueueNotices(h.Context(), ahead, h.now()))
		h.must(h.store.QueueNotices(h.Context(), ahead, h.now())) // again, after a crash
		h.sweep()
		h.checkMessages(m, toOps+"incident")
	})
}

func TestSweep_RemovedChannelForgetsItsQueue(t *testing.T) {
	t.Parallel()
	each(t, func(h *harness) {
		m := h.mails(10*time.Minute, 0)
		h.trouble(1)
		h.sweep()
		h.service = h.replica()
		h.advance(10 * time.Minute)
		h.sweep()
		h.service = h.replica(m)
		h.sweep()
		h.checkMessages(m)
		_, err := h.store.LeaseAnnouncement(h.Context(), notify.Subject{Kind: notify.OfRecipient, ID: notify.RecipientID("mails", ops)}, "test", h.now().Add(day), h.now().Add(2*day))
		if !errors.Is(err, notify.ErrLeased) {
			t.Errorf("LeaseAnnouncement() of a recipient without waiting notices = %v, want %v", err, notify.ErrLeased)
		}
	})
}
