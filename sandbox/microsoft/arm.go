package microsoft

import (
	"net/http"

	"github.com/google/uuid"
)

// armMFAClaims is the challenge that ARM sends for mandatory MFA (docs/reference/microsoft-identity.md §2.2).
const armMFAClaims = `{"access_token":{"acrs":{"essential":true,"values":["p1"]}}}`

func (s *Simulator) armRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /tenants", s.armCall(s.armTenants))
	mux.HandleFunc("GET /subscriptions", s.armCall(s.armSubscriptions))
	mux.HandleFunc("PUT /subscriptions/{subscription}/resourcegroups/{group}", s.armCall(s.armWrite))
	return mux
}

func (s *Simulator) armCall(next func(http.ResponseWriter, *http.Request, *caller)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("x-ms-request-id", uuid.NewString())
		w.Header().Set("x-ms-correlation-request-id", uuid.NewString())
		w.Header().Set("x-ms-ratelimit-remaining-tenant-reads", "11999")
		s.mu.Lock()
		defer s.mu.Unlock()
		if r.URL.Query().Get("api-version") == "" {
			armError(w, http.StatusBadRequest, "MissingApiVersionParameter", "The api-version query parameter is required.")
			return
		}
		who, fault := s.authorizeCall(r, ARM)
		code := map[tokenFault]string{
			tokenMissing: "AuthenticationFailed", tokenInvalid: "InvalidAuthenticationToken",
			tokenExpired: "ExpiredAuthenticationToken", tokenAudience: "InvalidAuthenticationTokenAudience",
		}[fault]
		if fault != tokenGood {
			w.Header().Set("WWW-Authenticate", `Bearer authorization_uri="`+s.LoginURL()+`/common", error="invalid_token"`)
			armError(w, http.StatusUnauthorized, code, "The access token is "+string(fault)+".")
			return
		}
		if !who.may("user_impersonation") {
			armError(w, http.StatusForbidden, "AuthorizationFailed", "The client has no permission to do this.")
			return
		}
		next(w, r, who)
	}
}

func armError(w http.ResponseWriter, status int, code, message string) {
	writeJSON(w, status, map[string]any{"error": map[string]string{"code": code, "message": message}})
}

func (s *Simulator) armTenants(w http.ResponseWriter, _ *http.Request, who *caller) {
	d := who.directory
	writeJSON(w, http.StatusOK, map[string]any{"value": []map[string]any{{
		"id": "/tenants/" + d.ID, "tenantId": d.ID, "displayName": d.Name, "defaultDomain": d.Domain, "domains": []string{d.Domain},
		"tenantCategory": "Home", "tenantType": "AAD",
	}}})
}

// armSubscriptions lists the directory's subscriptions; an empty list is a success
// (docs/reference/microsoft-identity.md §5.5).
func (s *Simulator) armSubscriptions(w http.ResponseWriter, _ *http.Request, who *caller) {
	value := []map[string]any{}
	for _, id := range who.directory.Subscriptions {
		value = append(value, map[string]any{
			"id": "/subscriptions/" + id, "subscriptionId": id, "tenantId": who.directory.ID, "displayName": "Azure plan", "state": "Enabled",
		})
	}
	writeJSON(w, http.StatusOK, map[string]any{"value": value, "count": map[string]any{"type": "Total", "value": len(value)}})
}

// armWrite serves the only write, which, unlike reads, requires MFA (docs/reference/microsoft-identity.md §4.6).
func (s *Simulator) armWrite(w http.ResponseWriter, r *http.Request, who *caller) {
	switch {
	case who.mfa():
		writeJSON(w, http.StatusCreated, map[string]any{
			"id": r.URL.Path, "name": r.PathValue("group"), "type": "Microsoft.Resources/resourceGroups",
		})
	case s.state.odd.ARMPolicyDenies:
		armError(w, http.StatusForbidden, "RequestDisallowedByPolicy", "The resource was disallowed by policy: multi-factor authentication is required.")
	default:
		w.Header().Set("WWW-Authenticate", `Bearer authorization_uri="`+s.LoginURL()+"/"+who.directory.ID+`", error="insufficient_claims", claims="`+encodeClaims(armMFAClaims)+`"`)
		armError(w, http.StatusUnauthorized, "InvalidAuthenticationToken", "The request needs multi-factor authentication.")
	}
}
