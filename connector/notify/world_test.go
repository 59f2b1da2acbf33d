package notify_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

const (
	day         = 24 * time.Hour
	instanceKey = "key-1"
	providerID  = "99999999-0000-4000-8000-000000000009"
)

var start = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// A world is one tenant whose status the test decides, with everything that is told of it.
type world struct {
	*testing.T
	store    *store.Store
	tenantID string
	service  *notify.Service
	panel    *channel
	mail     *channel

	mu      sync.Mutex // guards what follows
	clock   time.Time
	status  token.Status
	pushed  []map[string]any
	refused error // what the platform answers to a push
}

// A channel keeps what was sent through it.
type channel struct {
	name string

	mu    sync.Mutex // guards what follows
	sent  []notify.Notice
	tries int
	err   error
}

func (c *channel) Name() string { return c.name }

func (c *channel) Send(_ context.Context, n notify.Notice) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tries++
	if c.err == nil {
		c.sent = append(c.sent, n)
	}
	return c.err
}

func (c *channel) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
}

// take returns what was sent since it was last called, each as its kind and its days.
func (c *channel) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := []string{}
	for _, n := range c.sent {
		taken = append(taken, told(n))
	}
	c.sent = nil
	return taken
}

func told(n notify.Notice) string {
	text := fmt.Sprintf("%s %d", n.Kind, n.Days)
	if n.Kind == notify.Alarm {
		text += " " + string(n.Reason.Code)
	}
	return text
}

func newWorld(t *testing.T, st *store.Store) *world {
	t.Helper()
	w := &world{T: t, store: st, tenantID: random.ID(), panel: &channel{name: "panel"}, mail: &channel{name: "mail"}, clock: start}
	in := tenant.Instance{Key: instanceKey, ID: "aps-1", RootID: "root-1", CreatedAt: start, UpdatedAt: start}
	w.must(st.SaveInstance(t.Context(), &in))
	w.must(st.SaveTenant(t.Context(), &tenant.Tenant{
		ID: w.tenantID, InstanceKey: instanceKey, Name: "Alpine Cloud", Marketplace: "Larkfield", AccountID: "account-1", CreatedAt: start, UpdatedAt: start,
	}))
	w.restart()
	w.granted()
	return w
}

// replica returns one more process on the same store; the world's own is replaced by restart.
func (w *world) replica(channels ...notify.Channel) *notify.Service {
	w.Helper()
	s, err := notify.New(notify.Config{
		Store: w.store, Statuses: w, Platform: w, Channels: channels, Now: w.now,
		Properties: func(s token.Status) map[string]any { return map[string]any{"tokenStatus": string(s.State)} },
	})
	w.must(err)
	return s
}

func (w *world) restart() {
	w.Helper()
	w.service = w.replica(w.panel, w.mail)
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

// Status implements notify.Statuses: what the test says, as old as it is by now.
func (w *world) Status(context.Context, tenant.Resolved) (token.Status, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.status
	if s.IssuedAt.IsZero() || s.State == token.StateActionRequired {
		return s, nil
	}
	switch left := s.ExpiresAt.Sub(w.clock); {
	case left <= 0:
		s.State, s.Failure = token.StateExpired, &failure.Record{Code: failure.GrantExpired}
	case s.Failure == nil && left <= 30*day:
		s.State, s.Failure = token.StateExpiring, &failure.Record{Code: failure.GrantExpiring}
	}
	return s, nil
}

// PushTenant implements notify.Platform.
func (w *world) PushTenant(_ context.Context, _ tenant.Instance, _ string, properties map[string]any) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refused == nil {
		w.pushed = append(w.pushed, properties)
	}
	return w.refused
}

// takePushed returns the states that were pushed since it was last called.
func (w *world) takePushed() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	taken := []string{}
	for _, p := range w.pushed {
		taken = append(taken, p["tokenStatus"].(string))
	}
	w.pushed = nil
	return taken
}

func (w *world) refusePushes(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refused = err
}

// become changes the status and writes the event that goes with it.
func (w *world) become(change func(s *token.Status), action audit.Action) {
	w.Helper()
	w.mu.Lock()
	change(&w.status)
	w.mu.Unlock()
	w.happen(action)
}

func (w *world) happen(action audit.Action) {
	w.Helper()
	w.must(w.store.AppendEvent(w.Context(), audit.Event{ID: random.ID(), At: w.now(), InstanceKey: instanceKey, TenantID: w.tenantID, Action: action, Result: audit.OK}))
}

// granted is a consent, or a renewal, that works.
func (w *world) granted() {
	w.Helper()
	w.become(func(s *token.Status) {
		*s = token.Status{State: token.StateActive, IssuedAt: w.clock, ExpiresAt: w.clock.Add(token.Life), SecretEnds: s.SecretEnds}
	}, audit.GrantRenewed)
}

// fails is a renewal that does not work.
func (w *world) fails(state token.State, code failure.Code) {
	w.Helper()
	w.become(func(s *token.Status) { s.State, s.Failure = state, &failure.Record{Code: code} }, audit.RenewalFailed)
}

func (w *world) sweep() {
	w.Helper()
	w.must(w.service.Sweep(w.Context()))
}

// checkSent asserts what both channels sent since the last check.
func (w *world) checkSent(want ...string) {
	w.Helper()
	w.checkSentBy(w.panel, want...)
	w.checkSentBy(w.mail, want...)
}

func (w *world) checkSentBy(c *channel, want ...string) {
	w.Helper()
	if got := c.take(); fmt.Sprint(got) != fmt.Sprint(want) {
		w.Errorf("by %s on %s: sent %q, want %q", c.name, w.now().Format(time.DateOnly), got, want)
	}
}

func (w *world) changeTenant(change func(t *tenant.Tenant)) {
	w.Helper()
	t, err := w.store.Tenant(w.Context(), w.tenantID)
	w.must(err)
	change(&t)
	w.must(w.store.SaveTenant(w.Context(), &t))
	w.happen(audit.TenantConfigured)
}

func (w *world) changeInstance(change func(in *tenant.Instance)) {
	w.Helper()
	in, err := w.store.Instance(w.Context(), instanceKey)
	w.must(err)
	change(&in)
	w.must(w.store.SaveInstance(w.Context(), &in))
	w.must(w.store.AppendEvent(w.Context(), audit.Event{ID: random.ID(), At: w.now(), InstanceKey: instanceKey, Action: audit.InstanceConfigured}))
}

func application(ends time.Time) tenant.Application {
	return tenant.Application{ID: "33333333-cccc-4ccc-8ccc-333333333333", Secret: tenant.Credential{Value: secret.New("app-secret"), Ends: ends}}
}

var errDown = errors.New("nobody answers")

// each runs a test on both databases.
func each(t *testing.T, test func(w *world)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) { test(newWorld(t, db.Open(t))) })
}
