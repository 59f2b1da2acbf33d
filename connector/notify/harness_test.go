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

// A harness has one tenant whose status the test sets, and records everything that is pushed and sent.
type harness struct {
	*testing.T
	store    *store.Store
	tenantID string
	service  *notify.Service
	panel    *channel
	mail     *channel

	// Set by escalating.
	reseller      *channel // nil: resellers get no mails
	escalateAfter time.Duration

	// Set by mails.
	digest  time.Duration
	perHour int

	mu      sync.Mutex // guards the fields below
	clock   time.Time
	status  token.Status
	pushed  []map[string]any
	refused error // the error of PushTenant
	ends    []token.RelationshipEnd
	unread  error          // the error of RelationshipEnds
	reads   int            // of RelationshipEnds
	results map[string]int // of attempts, by the channel and the result
}

// A channel records what it sends.
type channel struct {
	name     string
	audience notify.Audience

	mu    sync.Mutex // guards the fields below
	sent  []notify.Notice
	tries int
	err   error
}

func (c *channel) Name() string { return c.name }

func (c *channel) Audience() notify.Audience { return c.audience }

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

// take returns the kind and the days of each notice that was sent since the last call.
func (c *channel) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := []string{}
	for _, n := range c.sent {
		taken = append(taken, summary(n))
	}
	c.sent = nil
	return taken
}

func summary(n notify.Notice) string {
	text := fmt.Sprintf("%s %d", n.Kind, n.Days)
	if n.Kind == notify.Alarm || n.Kind == notify.ConsentWaiting {
		text += " " + string(n.Reason.Code)
	}
	return text
}

func newHarness(t *testing.T, st *store.Store) *harness {
	t.Helper()
	h := &harness{T: t, store: st, tenantID: random.ID(), panel: &channel{name: "panel"}, mail: &channel{name: "mail", audience: notify.Provider}, clock: start, results: map[string]int{}}
	in := tenant.Instance{Key: instanceKey, ID: "aps-1", RootID: "root-1", CreatedAt: start, UpdatedAt: start}
	h.must(st.SaveInstance(t.Context(), &in))
	h.must(st.SaveTenant(t.Context(), &tenant.Tenant{
		ID: h.tenantID, InstanceKey: instanceKey, Name: "Alpine Cloud", Marketplace: "Larkfield", AccountID: "account-1", CreatedAt: start, UpdatedAt: start,
	}))
	h.restart()
	h.granted()
	return h
}

// replica returns the service of another process on the same store.
func (h *harness) replica(channels ...notify.Channel) *notify.Service {
	h.Helper()
	s, err := notify.New(notify.Config{
		EscalateAfter: h.escalateAfter, Digest: h.digest, PerHour: h.perHour,
		Store: h.store, Statuses: h, Relationships: h, Platform: h, Channels: channels, Now: h.now, Observe: h.observe,
		Properties: func(s token.Status) map[string]any { return map[string]any{"tokenStatus": string(s.State)} },
	})
	h.must(err)
	return s
}

// restart replaces the service of the harness, as a restart of the process does.
func (h *harness) restart() {
	h.Helper()
	channels := []notify.Channel{h.panel, h.mail}
	if h.reseller != nil {
		channels = append(channels, h.reseller)
	}
	h.service = h.replica(channels...)
}

func (h *harness) observe(channel, result string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.results[channel+" "+result]++
}

func (h *harness) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *harness) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.clock
}

func (h *harness) advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.clock = h.clock.Add(d)
}

// Status implements notify.Statuses. It returns the status that the test set, with the state that its current age causes.
func (h *harness) Status(context.Context, tenant.Resolved) (token.Status, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.status
	if s.IssuedAt.IsZero() || s.State == token.StateActionRequired {
		return s, nil
	}
	switch left := s.ExpiresAt.Sub(h.clock); {
	case left <= 0:
		s.State, s.Failure = token.StateExpired, &failure.Record{Code: failure.GrantExpired}
	case s.Failure == nil && left <= 30*day:
		s.State, s.Failure = token.StateExpiring, &failure.Record{Code: failure.GrantExpiring}
	}
	return s, nil
}

// RelationshipEnds implements notify.Relationships.
func (h *harness) RelationshipEnds(context.Context, tenant.Resolved) ([]token.RelationshipEnd, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reads++
	return h.ends, h.unread
}

// PushTenant implements notify.Platform.
func (h *harness) PushTenant(_ context.Context, _ tenant.Instance, _ string, properties map[string]any) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refused == nil {
		h.pushed = append(h.pushed, properties)
	}
	return h.refused
}

// takePushed returns the states that were pushed since the last call.
func (h *harness) takePushed() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	taken := []string{}
	for _, p := range h.pushed {
		taken = append(taken, p["tokenStatus"].(string))
	}
	h.pushed = nil
	return taken
}

func (h *harness) refusePushes(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refused = err
}

// become changes the status and appends an event.
func (h *harness) become(change func(s *token.Status), action audit.Action) {
	h.Helper()
	h.mu.Lock()
	change(&h.status)
	h.mu.Unlock()
	h.happen(action)
}

func (h *harness) happen(action audit.Action) {
	h.Helper()
	h.must(h.store.AppendEvent(h.Context(), audit.Event{ID: random.ID(), At: h.now(), InstanceKey: instanceKey, TenantID: h.tenantID, Action: action, Result: audit.OK}))
}

// granted changes the status as a successful renewal does.
func (h *harness) granted() {
	h.Helper()
	h.become(func(s *token.Status) {
		*s = token.Status{State: token.StateActive, IssuedAt: h.clock, ExpiresAt: h.clock.Add(token.Life), Credentials: s.Credentials}
	}, audit.GrantRenewed)
}

// fails changes the status as a failed renewal does.
func (h *harness) fails(state token.State, code failure.Code) {
	h.Helper()
	h.become(func(s *token.Status) { s.State, s.Failure = state, &failure.Record{Code: code} }, audit.RenewalFailed)
}

func (h *harness) sweep() {
	h.Helper()
	h.must(h.service.Sweep(h.Context()))
}

// checkSent asserts what both channels sent since the last check.
func (h *harness) checkSent(want ...string) {
	h.Helper()
	h.checkSentBy(h.panel, want...)
	h.checkSentBy(h.mail, want...)
}

func (h *harness) checkSentBy(c *channel, want ...string) {
	h.Helper()
	if got := c.take(); fmt.Sprint(got) != fmt.Sprint(want) {
		h.Errorf("on %s, %s sent %q, want %q", h.now().Format(time.DateOnly), c.name, got, want)
	}
}

// keepState replaces what is known of the notices about the instance.
func (h *harness) keepState(state notify.State) {
	h.Helper()
	a, err := h.store.LeaseAnnouncement(h.Context(), notify.Subject{Kind: notify.OfInstance, ID: instanceKey}, "test", h.now(), h.now().Add(time.Minute))
	h.must(err)
	a.State = state
	h.must(h.store.SaveAnnouncement(h.Context(), a))
	h.must(h.store.ReleaseAnnouncement(h.Context(), a, h.now()))
}

func (h *harness) changeTenant(change func(t *tenant.Tenant)) {
	h.Helper()
	t, err := h.store.Tenant(h.Context(), h.tenantID)
	h.must(err)
	change(&t)
	h.must(h.store.SaveTenant(h.Context(), &t))
	h.happen(audit.TenantConfigured)
}

func (h *harness) changeInstance(change func(in *tenant.Instance)) {
	h.Helper()
	in, err := h.store.Instance(h.Context(), instanceKey)
	h.must(err)
	change(&in)
	h.must(h.store.SaveInstance(h.Context(), &in))
	h.must(h.store.AppendEvent(h.Context(), audit.Event{ID: random.ID(), At: h.now(), InstanceKey: instanceKey, Action: audit.InstanceConfigured}))
}

func application(ends time.Time) tenant.Application {
	return tenant.Application{ID: "33333333-cccc-4ccc-8ccc-333333333333", Secret: tenant.Credential{Value: secret.New("app-secret"), Ends: ends}}
}

var errDown = errors.New("connection refused")

// each runs a test on both databases.
func each(t *testing.T, test func(h *harness)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, db *storetest.Database) { test(newHarness(t, db.Open(t))) })
}
