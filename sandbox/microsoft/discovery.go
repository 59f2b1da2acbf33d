package microsoft

import (
	"encoding/json"
	"net/http"
	"net/url"
)

// loginRoutes are the paths of the identity platform (docs/reference/microsoft-identity.md §1.2).
func (s *Simulator) loginRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{tenant}/v2.0/.well-known/openid-configuration", s.discovery(2))
	mux.HandleFunc("GET /{tenant}/.well-known/openid-configuration", s.discovery(1))
	mux.HandleFunc("GET /{tenant}/discovery/v2.0/keys", s.signingKeys)
	mux.HandleFunc("GET /{tenant}/discovery/keys", s.signingKeys)
	mux.HandleFunc("GET /common/discovery/instance", s.instanceDiscovery)
	mux.HandleFunc("GET /{tenant}/oauth2/v2.0/authorize", s.authorize(2))
	mux.HandleFunc("GET /{tenant}/oauth2/authorize", s.authorize(1))
	mux.HandleFunc("POST /{tenant}/signin/{step}", s.signInStep)
	mux.HandleFunc("/{tenant}/oauth2/v2.0/token", s.token(2))
	mux.HandleFunc("/{tenant}/oauth2/token", s.token(1))
	mux.HandleFunc("GET /{tenant}/v2.0/adminconsent", s.adminConsent)
	mux.HandleFunc("GET /{tenant}/adminconsent", s.adminConsent)
	mux.HandleFunc("GET /{tenant}/oauth2/v2.0/logout", s.logout)
	mux.HandleFunc("GET /{tenant}/oauth2/logout", s.logout)
	return mux
}

// issuerOf is the issuer of a directory, or the template of the shared endpoints, with its braces.
func (s *Simulator) issuerOf(tenant string, version int) string {
	if version == 1 {
		return s.cfg.Cloud.Issuer + "/" + tenant + "/"
	}
	return s.LoginURL() + "/" + tenant + "/v2.0"
}

// authorityOf resolves the tenant of a path to the name in issuers.
func (s *Simulator) authorityOf(tenant string) (string, *refusal) {
	if tenant == "common" || tenant == "organizations" {
		return "{tenantid}", nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.state.directory(tenant)
	if d == nil || d.Cloud != "" {
		refused := refuse(90002)
		refused.error = "invalid_tenant" // only discovery uses this error (docs/reference/microsoft-identity.md §1.2)
		return "", refused
	}
	return d.ID, nil
}

// discovery serves the discovery document (docs/reference/microsoft-identity.md §1.3): no
// code_challenge_methods_supported, no revocation, no introspection.
func (s *Simulator) discovery(version int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		tenant := r.PathValue("tenant")
		authority, refused := s.authorityOf(tenant)
		if refused != nil {
			s.writeRefusal(w, r, refused)
			return
		}
		base, oauth, keys := s.LoginURL()+"/"+tenant, "/oauth2/v2.0", "/discovery/v2.0/keys"
		claims := []string{
			"sub", "iss", "cloud_instance_name", "cloud_graph_host_name", "msgraph_host", "aud", "exp", "iat",
			"auth_time", "acr", "nonce", "preferred_username", "name", "tid", "ver", "at_hash", "c_hash", "email",
		}
		if version == 1 {
			oauth, keys = "/oauth2", "/discovery/keys"
			claims = append(claims, "amr", "upn", "unique_name")
		}
		graph, _ := url.Parse(s.GraphURL())
		document := map[string]any{
			"issuer":                                s.issuerOf(authority, version),
			"authorization_endpoint":                base + oauth + "/authorize",
			"token_endpoint":                        base + oauth + "/token",
			"device_authorization_endpoint":         base + oauth + "/devicecode",
			"end_session_endpoint":                  base + oauth + "/logout",
			"jwks_uri":                              base + keys,
			"userinfo_endpoint":                     s.GraphURL() + "/oidc/userinfo",
			"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
			"response_modes_supported":              []string{"query", "fragment", "form_post"},
			"response_types_supported":              []string{"code", "id_token", "code id_token", "id_token token"},
			"subject_types_supported":               []string{"pairwise"},
			"id_token_signing_alg_values_supported": []string{"RS256"},
			"scopes_supported":                      []string{"openid", "profile", "email", "offline_access"},
			"claims_supported":                      claims,
			"request_uri_parameter_supported":       false,
			"http_logout_supported":                 true,
			"frontchannel_logout_supported":         true,
			"tenant_region_scope":                   "EU",
			"cloud_instance_name":                   s.cfg.Cloud.Instance,
			"msgraph_host":                          graph.Host,
		}
		if version == 1 {
			document["microsoft_multi_refresh_token"] = true
		}
		w.Header().Set("Cache-Control", "max-age=86400, private")
		writeJSON(w, http.StatusOK, document)
	}
}

// signingKeys serves the JWKS.
func (s *Simulator) signingKeys(w http.ResponseWriter, r *http.Request) {
	if _, refused := s.authorityOf(r.PathValue("tenant")); refused != nil {
		s.writeRefusal(w, r, refused)
		return
	}
	s.mu.Lock()
	keys := s.state.keys.jwks(s.issuerOf("{tenantid}", 2))
	s.mu.Unlock()
	w.Header().Set("Cache-Control", "max-age=86400, private")
	writeJSON(w, http.StatusOK, keys)
}

// instanceDiscovery answers MSAL, which calls it for an authority that it does not know.
func (s *Simulator) instanceDiscovery(w http.ResponseWriter, r *http.Request) {
	login, _ := url.Parse(s.LoginURL())
	endpoint, err := url.Parse(r.URL.Query().Get("authorization_endpoint"))
	if err != nil || endpoint.Host != login.Host {
		s.writeRefusal(w, r, refuse(9002313))
		return
	}
	tenant, _, _ := cutPath(endpoint.Path)
	writeJSON(w, http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": s.LoginURL() + "/" + tenant + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata": []map[string]any{{
			"preferred_network": login.Host, "preferred_cache": login.Host, "aliases": []string{login.Host},
		}},
	})
}

// writeJSON answers with a document. Caches must not store any answer except discovery.
func writeJSON(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if w.Header().Get("Cache-Control") == "" {
		w.Header().Set("Cache-Control", "no-store, no-cache")
		w.Header().Set("Pragma", "no-cache")
	}
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(document); err != nil {
		panic(http.ErrAbortHandler) // the client has disconnected
	}
}

// writeRefusal answers with the error document of docs/reference/microsoft-identity.md §3.5.
func (s *Simulator) writeRefusal(w http.ResponseWriter, r *http.Request, refused *refusal) {
	s.mu.Lock()
	odd := s.state.odd
	s.mu.Unlock()
	entryOf(r).ErrorCode = refused.code
	details := refused.body(s.now(), r.Header.Get("client-request-id"), odd.LineBreaks)
	body := map[string]any{"error": refused.error, "error_description": details.description, "error_codes": []int{refused.code}}
	if !odd.OmitOptional {
		body["timestamp"], body["trace_id"], body["correlation_id"] = details.timestamp, details.trace, details.correlation
		body["error_uri"] = s.errorURI(refused.code)
		if refused.suberror != "" {
			body["suberror"] = refused.suberror
		}
	}
	if refused.claims != "" {
		body["claims"] = refused.claims
	}
	if odd.ExtraFields {
		body["xms_surprise"] = true
	}
	w.Header().Set("x-ms-request-id", details.trace)
	writeJSON(w, refused.status, body)
}
