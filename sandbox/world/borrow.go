package world

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"azure-partner-connector/sandbox/panel"
	"azure-partner-connector/sandbox/platform"
)

const (
	// borrowWithin bounds borrowing an access token and using it.
	borrowWithin = time.Minute
	// maxShown bounds the answer that the drawer shows.
	maxShown = 4000
)

// borrowSwitches returns the switches that make the Azure CSP application borrow, in display order.
func borrowSwitches() []faultSwitch {
	return []faultSwitch{
		{
			id: "borrow", label: "Azure CSP (NCE) borrows a token", about: "For Azure Resource Manager and Alpine Cloud. It then reads Alpine Cloud's directory in Azure.",
			borrow: func(ctx context.Context, w *World) panel.Borrowed {
				return w.borrowAndCall(ctx, "", "/tenants?api-version=2022-12-01")
			},
		},
		{
			id: "borrowcustomer", label: "Azure CSP (NCE) borrows a token for Fjord Foods", about: "It then lists the customer's subscriptions. First allow access tokens for customers, and grant the consent on the screen Customers.",
			borrow: func(ctx context.Context, w *World) panel.Borrowed {
				return w.borrowAndCall(ctx, FjordDirectory, "/subscriptions?api-version=2022-12-01")
			},
		},
	}
}

// LendForCustomers changes the settings of the instance, as the provider does in the panel, so that the Azure CSP application may
// borrow for customers, or no longer.
func (w *World) LendForCustomers(ctx context.Context, on bool) error {
	allowed, directories := "none", []any{"partner"}
	if on {
		allowed, directories = "listed", []any{"partner", "customers"}
	}
	return w.Platform.Configure(ctx, "", w.installed.rootID, map[string]any{
		"customerDirectories": allowed,
		"borrowers":           []any{map[string]any{"id": w.installed.borrower.ID, "name": borrowerName, "directories": directories}},
	})
}

// borrow keeps what a switch of a borrower showed. It does not hold the lock of the switches meanwhile, because Microsoft may not
// answer until another switch is turned off.
func (w *World) borrow(label string, do func(context.Context, *World) panel.Borrowed) {
	ctx, cancel := context.WithTimeout(context.Background(), borrowWithin)
	defer cancel()
	borrowed := do(ctx, w)
	borrowed.Label = label
	w.switches.mu.Lock()
	defer w.switches.mu.Unlock()
	w.switches.borrowed = &borrowed
}

// borrowAndCall borrows an access token of Azure Resource Manager, as the Azure CSP application does for Alpine Cloud, and reads a
// path with it. directory is a customer's, or empty.
func (w *World) borrowAndCall(ctx context.Context, directory, path string) panel.Borrowed {
	body := fmt.Appendf(nil, `{"api":"arm","directory":%q}`, directory)
	answer := w.Platform.Call(ctx, platform.AsApplication(w.Borrower().ID), http.MethodPost, w.TenantOf(Rita).ID, "accessToken", body)
	if answer.Status != http.StatusOK {
		return panel.Borrowed{Request: "POST …/accessToken " + string(body), Status: statusText(answer.Status), Body: indented(answer.Body)}
	}
	address := w.Microsoft.ARMURL() + path
	var loan struct {
		AccessToken string     `json:"accessToken"`
		ExpiresAt   *time.Time `json:"expiresAt"`
	}
	if err := json.Unmarshal(answer.Body, &loan); err != nil {
		return panel.Borrowed{Request: "GET " + address, Status: "–", Body: "The answer of the connector is not JSON."}
	}
	shown := panel.Borrowed{ExpiresAt: loan.ExpiresAt, Request: "GET " + address}
	status, content, err := get(ctx, address, loan.AccessToken)
	if err != nil {
		shown.Status, shown.Body = "–", "Azure did not answer."
		return shown
	}
	shown.Status, shown.Body = statusText(status), indented(content)
	return shown
}

func statusText(status int) string { return fmt.Sprint(status, " ", http.StatusText(status)) }

// get reads an address with an access token.
func get(ctx context.Context, address, accessToken string) (status int, content []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+accessToken)
	answer, err := NewBrowser().Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	content, err = io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	return answer.StatusCode, content, err
}

// indented returns JSON for people to read, and anything else as it is.
func indented(content []byte) string {
	var b bytes.Buffer
	if err := json.Indent(&b, content, "", "  "); err != nil {
		b.Reset()
		b.Write(content)
	}
	text := []rune(b.String())
	if len(text) > maxShown {
		return string(text[:maxShown]) + " …"
	}
	return string(text)
}
