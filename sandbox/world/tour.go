package world

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/sandbox/panel"
)

// Tour returns the tour: what a newcomer does with Alpine Cloud, in this order.
func Tour() []panel.TourStep {
	return []panel.TourStep{
		{ID: "consent", Title: "Give consent", Text: "Log in as Rita Reseller and open Manage Refresh Token. Select Update Refresh Token, and on Microsoft's page admin@alpine.onmicrosoft.com, which fills in the password."},
		{ID: "renewal", Title: "Let ten days pass", Text: "The connector renews the token when it is due.", Label: "10 days later", Advance: "240h"},
		{ID: "borrow", Title: "Let an application borrow", Text: "It gets an access token from the connector, and calls Azure with it.", Label: "Azure CSP (NCE) borrows a token", Switch: "borrow"},
		{ID: "revoke", Title: "Revoke the sessions", Text: "An administrator does so after losing a password. The refresh token stops working.", Label: "Revoke all sessions", Switch: "revoke"},
		{ID: "alarm", Title: "See the alarm", Text: "Select Check Now on the screen, or let a day pass. The state changes, and the panel shows a notification."},
		{ID: "manual", Title: "Send a link instead", Text: "Copy the link under Manual Update and open it in a private window: that is the administrator's browser. Enter the code that it shows."},
		{ID: "provider", Title: "Look as the provider", Text: "Log in as Petra Provider and open Refresh Tokens."},
		{ID: "suspend", Title: "Suspend the subscription", Text: "As during a credit hold: nothing is issued until you turn it off again.", Label: "Suspend the subscription of Alpine Cloud", Switch: "suspend"},
	}
}

// A tour records which steps were done. A step counts once the one before it is done.
type tour struct {
	mu      sync.Mutex // guards all
	done    int        // how many steps
	seen    map[string]bool
	revoked time.Time
}

// note records something that only this program sees: a switch, or a call of a user.
func (t *tour) note(id string, at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen == nil {
		t.seen = map[string]bool{}
	}
	// What was done before its turn counts only when it is done again.
	steps := Tour()
	if i := slices.IndexFunc(steps, func(s panel.TourStep) bool { return s.ID == id }); i < 0 || i > t.done {
		return
	}
	t.seen[id] = true
	if id == "revoke" {
		t.revoked = at
	}
}

// tourNow returns the steps with what was done.
func (w *World) tourNow() []panel.TourStep {
	steps := Tour()
	if w.TenantOf(Rita).ID == "" {
		return nil
	}
	happened := w.happened()
	w.tour.mu.Lock()
	defer w.tour.mu.Unlock()
	for w.tour.done < len(steps) && (happened[steps[w.tour.done].ID] || w.tour.seen[steps[w.tour.done].ID]) {
		w.tour.done++
	}
	for i := range steps {
		steps[i].Done = i < w.tour.done
	}
	return steps
}

// happened returns the steps of which the history of Alpine Cloud, or the platform, tells.
func (w *World) happened() map[string]bool {
	var history []struct {
		Action audit.Action
		Result string
	}
	answer := w.As(context.Background(), Petra, http.MethodGet, w.TenantOf(Rita).ID, "history?limit=200", nil)
	if answer.Status != http.StatusOK || json.Unmarshal(answer.Body, &history) != nil {
		return nil // the connector is restarting
	}
	happened := map[string]bool{}
	for _, e := range history {
		switch {
		case e.Result != audit.OK:
		case e.Action == audit.ConsentGranted:
			happened["consent"] = true
		case e.Action == audit.GrantRenewed:
			happened["renewal"] = true
		case e.Action == audit.TokenLent:
			happened["borrow"] = true
		case e.Action == audit.ClaimAccepted:
			happened["manual"] = true
		}
	}
	w.tour.mu.Lock()
	revoked := w.tour.revoked
	w.tour.mu.Unlock()
	for _, n := range w.Platform.Notifications(w.TenantOf(Rita).AccountID) {
		happened["alarm"] = happened["alarm"] || !revoked.IsZero() && !n.At.Before(revoked)
	}
	return happened
}

// A touredBackend tells the tour what the provider opens.
type touredBackend struct {
	panel.Backend
	w *World
}

// Call implements panel.Backend.
func (b touredBackend) Call(ctx context.Context, userID string, c panel.Call) (panel.Answer, error) {
	answer, err := b.Backend.Call(ctx, userID, c)
	if userID == b.w.User(Petra).ID && c.Path == "tenants" && answer.Status == http.StatusOK {
		b.w.tourNow() // what was done before
		b.w.tour.note("provider", b.w.Clock.Now())
	}
	return answer, err
}
