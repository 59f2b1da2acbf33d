package api_test

import (
	"net/http"
	"strings"
	"testing"

	"azure-partner-connector/connector/failure"
)

// TestRefusals_AdviseToRepeatTheRequest says by every protocol that the client repeats what failed for a while: unlike renewals,
// nothing does so for it.
func TestRefusals_AdviseToRepeatTheRequest(t *testing.T) {
	h := newHarness(t)
	key := h.add("billing")
	for _, code := range []failure.Code{failure.MicrosoftUnavailable, failure.MicrosoftThrottled, failure.MicrosoftAnswer} {
		h.tokens.err = failure.New(code)
		for protocol, got := range map[string]string{
			"OAuth":            h.post("/oauth2/token", credentials("billing", key)).text("error_description"),
			"managed identity": h.identity("/msi/token", key, "resource", graph).text("message"),
			"REST":             h.rest(http.MethodPost, "/v1/tenants/"+tenantA+"/accessToken", key, `{"api":"graph"}`).text("error.advice"),
		} {
			if !strings.Contains(got, "Repeat the request later.") || strings.Contains(got, "retry automatically") {
				t.Errorf("%s by %s is explained as %q, want that the request is to be repeated", code, protocol, got)
			}
		}
	}
	h.tokens.err = failure.New(failure.GrantAbsent)
	if got := h.rest(http.MethodPost, "/v1/tenants/"+tenantA+"/accessToken", key, `{"api":"graph"}`).text("error.advice"); got != failure.New(failure.GrantAbsent).Advice() {
		t.Errorf("the advice of another failure = %q, want its own", got)
	}
}
