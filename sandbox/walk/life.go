package walk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/platform"
	"azure-partner-connector/sandbox/world"
)

const day = 24 * time.Hour

// lent is an access token as a borrower receives it.
type lent struct {
	AccessToken string    `json:"accessToken"`
	ExpiresAt   time.Time `json:"expiresAt"`
	Directory   string    `json:"directory"`
}

// borrow requests an access token as the Azure CSP application.
func (w *walker) borrow(ctx context.Context, login, api string) (lent, error) {
	return w.request(ctx, login, fmt.Appendf(nil, `{"api":%q}`, api))
}

// borrowFor is borrow for a customer's directory.
func (w *walker) borrowFor(ctx context.Context, login, api, directory string) (lent, error) {
	return w.request(ctx, login, fmt.Appendf(nil, `{"api":%q,"directory":%q}`, api, directory))
}

func (w *walker) request(ctx context.Context, login string, body []byte) (lent, error) {
	var l lent
	answer := w.world.Platform.Call(ctx, platform.AsApplication(w.world.Borrower().ID), http.MethodPost, w.world.TenantOf(login).ID, "accessToken", body)
	err := read(answer, &l)
	return l, err
}

func lend(ctx context.Context, w *walker) (string, error) {
	err := w.call(ctx, world.Rita, http.MethodPost, w.world.TenantOf(world.Rita).ID, "accessToken", map[string]string{"api": "graph"}, nil)
	if err == nil {
		return "", errors.New("a user received an access token; only applications on the allow list may")
	}
	for api, address := range map[string]string{
		"partnercenter": w.world.Microsoft.PartnerCenterURL() + "/v1/profiles/organization",
		"graph":         w.world.Microsoft.GraphURL() + "/v1.0/organization?$select=id,displayName,verifiedDomains",
		"arm":           w.world.Microsoft.ARMURL() + "/tenants?api-version=2022-12-01",
	} {
		l, err := w.borrow(ctx, world.Rita, api)
		if err != nil {
			return "", fmt.Errorf("borrowing for %s: %w", api, err)
		}
		content, err := w.use(ctx, address, l)
		if err != nil {
			return "", fmt.Errorf("using the token for %s: %w", api, err)
		}
		if !strings.Contains(content, world.AlpineDirectory) {
			return "", fmt.Errorf("the answer of %s is not about Alpine Cloud's directory", api)
		}
	}
	return "Partner Center, Graph and ARM answered for Alpine Cloud's directory", nil
}

func (w *walker) use(ctx context.Context, address string, l lent) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	request.Header.Set("Authorization", "Bearer "+l.AccessToken)
	request.Header.Set("Accept", "application/json")
	answer, err := world.NewBrowser().Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("the answer is %s", answer.Status)
	}
	return string(content), err
}

// renewed waits until a tenant's last renewal is later than after.
func (w *walker) renewed(ctx context.Context, login string, after time.Time) (status, error) {
	return w.await(ctx, login, "the renewal", func(st status) bool {
		return st.LastRenewal != nil && st.LastRenewal.OK && st.LastRenewal.At != nil && st.LastRenewal.At.After(after)
	})
}

func renewal(ctx context.Context, w *walker) (string, error) {
	before, err := w.status(ctx, world.Rita)
	if err != nil {
		return "", err
	}
	// From here on, a Conditional Access policy of Baltic IT's directory blocks renewals.
	if err := w.world.Microsoft.SetPolicy(world.BalticDirectory, microsoft.Policy{Block: true}); err != nil {
		return "", err
	}
	moved := w.world.Clock.Now()
	w.world.Clock.Advance(10*day + time.Hour)
	after, err := w.renewed(ctx, world.Rita, moved)
	if err != nil {
		return "", err
	}
	if after.State != "active" || !after.ExpiresAt.After(before.ExpiresAt.Add(9*day)) {
		return "", fmt.Errorf("the status is %+v, want active and ten days more", after)
	}
	return fmt.Sprintf("automatic; it was valid until %s and is now valid until %s", before.ExpiresAt.Format(time.DateOnly), after.ExpiresAt.Format(time.DateOnly)), nil
}

func longLife(ctx context.Context, w *walker) (string, error) {
	st, err := w.await(ctx, world.Bjorn, "the refusal", func(st status) bool { return st.State == "action_required" })
	if err != nil {
		return "", err
	}
	if st.Failure == nil || st.Failure.Code != "access_blocked" {
		return "", fmt.Errorf("the failure is %+v, want access_blocked", st.Failure)
	}
	for range 8 {
		moved := w.world.Clock.Now()
		w.world.Clock.Advance(10*day + time.Hour)
		if _, err := w.renewed(ctx, world.Rita, moved); err != nil {
			return "", err
		}
	}
	w.world.Clock.Advance(16 * time.Hour)
	st, err = w.status(ctx, world.Rita)
	if err != nil {
		return "", err
	}
	if st.State != "active" || st.DaysLeft < 80 {
		return "", fmt.Errorf("the status is %+v, want active", st)
	}
	if _, err := w.borrow(ctx, world.Rita, "partnercenter"); err != nil {
		return "", err
	}
	return fmt.Sprintf("renewed 9 times, active, %d days left, access tokens are still issued", st.DaysLeft), nil
}

func expired(ctx context.Context, w *walker) (string, error) {
	st, err := w.status(ctx, world.Bjorn)
	if err != nil {
		return "", err
	}
	if st.State != "expired" || st.DaysLeft != 0 || st.Failure == nil {
		return "", fmt.Errorf("the status is %+v, want expired", st)
	}
	_, err = w.borrow(ctx, world.Bjorn, "graph")
	var refused *refusal
	if !errors.As(err, &refused) || refused.Details.Code != "grant_expired" {
		return "", fmt.Errorf("lending was not refused with grant_expired: %w", err)
	}
	return fmt.Sprintf("%s: %q, and nothing is issued", st.State, st.Failure.Message), nil
}

func history(ctx context.Context, w *walker) (string, error) {
	var events []struct {
		Action string `json:"action"`
		Result string `json:"result"`
	}
	if err := w.call(ctx, world.Rita, http.MethodGet, w.world.TenantOf(world.Rita).ID, "history?limit=100", nil, &events); err != nil {
		return "", err
	}
	counts := map[string]int{}
	for _, e := range events {
		counts[e.Action]++
	}
	if counts["consent.granted"] != 3 || counts["consent.confirmed"] != 2 || counts["consent.refused"] != 1 || counts["grant.renewed"] != 9 || counts["token.lent"] != 13 || counts["call.forwarded"] != 3 || counts["token.lending_refused"] == 0 {
		return "", fmt.Errorf("the history contains %v", counts)
	}
	return fmt.Sprintf("%d events: 3 consents granted, 2 of them confirmed, 1 refused, 9 renewals, 13 lendings, calls forwarded", len(events)), nil
}
