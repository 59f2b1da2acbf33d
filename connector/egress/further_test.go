package egress_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"azure-partner-connector/connector/client"
	"azure-partner-connector/connector/tenant"
)

// extendedTenants has an instance with an API that the operator added.
type extendedTenants struct {
	fakeTenants
	api tenant.API
}

func (e extendedTenants) FindRecent(ctx context.Context, id string) (tenant.Resolved, error) {
	r, err := e.fakeTenants.FindRecent(ctx, id)
	r.Instance.Deployment.APIs = []tenant.API{e.api}
	return r, err
}

// TestFurtherAPI_IsForwardedTo: the host of an API that the operator added is a target for the clients that may use the API, and
// for no others.
func TestFurtherAPI_IsForwardedTo(t *testing.T) {
	received := make(chan string, 10)
	prices := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		received <- r.Method + " " + r.RequestURI + " " + r.Header.Get("Authorization")
		_, _ = io.WriteString(w, "prices")
	}))
	t.Cleanup(prices.Close)
	for _, allowed := range []bool{true, false} {
		h := newHarness(t, func(h *harness) {
			h.Tenants = extendedTenants{api: tenant.API{Name: "prices", Resource: "https://api.partner.example", Scopes: []string{"x"}, Host: prices.Listener.Addr().String()}}
			if allowed {
				h.client.APIs = append(h.client.APIs, "prices")
				h.client.Forward = append(h.client.Forward, client.Rule{API: "prices", Methods: []string{"GET"}, Path: "/v1/**"})
			}
		})
		calls := []reply{
			h.wire(http.MethodGet, prices.URL+"/v1/sheets?a=b", ""),
			h.wire(http.MethodGet, prices.URL+"/v1/sheets", `{"Resource":"https://api.partner.example"}`),
		}
		if !allowed {
			for _, got := range calls {
				if got.status < 400 || len(received) > 0 {
					t.Errorf("a client without the API got %d %s, and the API received %d calls", got.status, got.body, len(received))
				}
			}
			continue
		}
		for _, got := range calls {
			if got.status != http.StatusOK || got.body != "prices" {
				t.Errorf("answer = %d %s, want that of the API", got.status, got.body)
			}
		}
		if len(received) != 2 {
			t.Fatalf("the API received %d calls, want both", len(received))
		}
		for _, want := range []string{"/v1/sheets?a=b", "/v1/sheets"} {
			if got := <-received; got != "GET "+want+" Bearer "+firstOne {
				t.Errorf("the API received %q, want %s with the access token", got, want)
			}
		}
		if got := h.wire(http.MethodGet, prices.URL+"/v2/sheets", ""); got.status != http.StatusForbidden || len(received) > 0 {
			t.Errorf("a path outside the rules = %d %s, want 403", got.status, got.body)
		}
	}
}
