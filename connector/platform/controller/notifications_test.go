package controller_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/platform/transaction"
)

const (
	managerID      = "55555555-0000-4000-8000-000000000005"
	findManager    = "GET /aps/2/resources?implementing(http://www.parallels.com/pa/pa-core-services/notification-manager/1)"
	findProvider   = "GET /aps/2/resources?implementing(http://parallels.com/aps/types/pa/account/1.2),eq(id,1)"
	toManager      = "POST /aps/2/resources/" + managerID + "/notifications"
	managerAnswer  = `[{"aps":{"id":"` + managerID + `"}}]`
	providerAnswer = `[{"aps":{"id":"` + adminID + `"}}]`
)

func notification() notify.PanelNotice {
	return notify.PanelNotice{AccountID: resellID, Alarm: true, Message: "It has expired.", Details: "Sign in again."}
}

func TestNotify_Refuses(t *testing.T) {
	for name, tc := range map[string]struct {
		account string
		answers map[string]string
		want    failure.Code
	}{
		"no account":         {"", nil, failure.NotFound},
		"no UUID":            {"1", nil, failure.NotFound},
		"no manager":         {resellID, map[string]string{findManager: `[]`}, failure.PlatformRefused},
		"two managers":       {resellID, map[string]string{findManager: `[{},{}]`}, failure.PlatformRefused},
		"manager without id": {resellID, map[string]string{findManager: `[{"aps":{"id":"1/../2"}}]`}, failure.PlatformRefused},
		"manager is unknown": {resellID, map[string]string{findManager: managerAnswer}, failure.NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			p, c, in := start(t)
			for request, body := range tc.answers {
				p.on(request, http.StatusOK, body)
			}
			n := notification()
			n.AccountID = tc.account
			if err := c.Notify(t.Context(), in, n); !failure.Is(err, tc.want) {
				t.Errorf("Notify() = %v, want %s", err, tc.want)
			}
		})
	}
}

func TestNotify_SendsToTheAccount(t *testing.T) {
	for name, tc := range map[string]struct {
		details string
		want    map[string]any
	}{
		"with details": {"Sign in again.", map[string]any{
			"status": "error", "accountId": resellID,
			"message": map[string]any{"message": "It has expired."}, "details": map[string]any{"message": "Sign in again."},
		}},
		"without": {"", map[string]any{
			"status": "error", "accountId": resellID, "message": map[string]any{"message": "It has expired."},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			p, c, in := start(t)
			p.on(findManager, http.StatusOK, managerAnswer)
			p.on(toManager, http.StatusOK, "{}")
			n := notification()
			n.AccountID, n.Details = strings.ToUpper(resellID), tc.details
			if err := c.Notify(transaction.With(t.Context(), ""), in, n); err != nil {
				t.Fatalf("Notify() = %v", err)
			}
			var got map[string]any
			if err := json.Unmarshal([]byte(p.bodies[1]), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Notify() sent (-want +got):\n%s", diff)
			}
			for _, r := range p.seen {
				if r.Header.Get("APS-Resource-ID") != rootID || r.Header.Get("APS-Transaction-ID") != "" {
					t.Errorf("%s had the headers %v, want the provider's context and no transaction", r.RequestURI, r.Header)
				}
			}
		})
	}
}

func TestProviderAccount_IsAskedOfThePlatform(t *testing.T) {
	p, c, in := start(t)
	p.on(findProvider, http.StatusOK, providerAnswer)
	p.on("GET /aps/2/resources/"+adminID, http.StatusOK, account(adminID, "ADMIN", ""))
	got, err := c.ProviderAccount(t.Context(), in)
	if want := adminID; err != nil || got != want {
		t.Errorf("ProviderAccount() = %v, %v, want %v", got, err, want)
	}
	p.on(findProvider, http.StatusOK, `[]`)
	if got, err := c.ProviderAccount(t.Context(), in); !failure.Is(err, failure.PlatformRefused) {
		t.Errorf("ProviderAccount() without a provider = %v, %v, want %s", got, err, failure.PlatformRefused)
	}
}
