package microsoft

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// globalAdministrator is the role's template ID (docs/reference/microsoft-identity.md §4.4).
const globalAdministrator = "62e90394-69f5-4237-9190-012177145e10"

// graphPage is Graph's default page size.
const graphPage = 100

func (s *Simulator) graphRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1.0/me", s.graphCall(s.graphMe))
	mux.HandleFunc("GET /v1.0/organization", s.graphCall(s.graphOrganization))
	mux.HandleFunc("GET /v1.0/me/memberOf", s.graphCall(func(w http.ResponseWriter, r *http.Request, who *caller) { s.graphMemberOf(w, r, who, false) }))
	mux.HandleFunc("GET /v1.0/me/transitiveMemberOf", s.graphCall(func(w http.ResponseWriter, r *http.Request, who *caller) { s.graphMemberOf(w, r, who, true) }))
	mux.HandleFunc("GET /v1.0/tenantRelationships/delegatedAdminRelationships", s.graphCall(s.graphRelationships))
	mux.HandleFunc("GET /v1.0/{object}", s.graphCall(s.graphApplication))
	mux.HandleFunc("POST /v1.0/me/revokeSignInSessions", s.graphCall(s.graphRevoke))
	return mux
}

func (s *Simulator) graphCall(next func(http.ResponseWriter, *http.Request, *caller)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("request-id", uuid.NewString())
		w.Header().Set("client-request-id", r.Header.Get("client-request-id"))
		s.mu.Lock()
		defer s.mu.Unlock()
		who, fault := s.authorizeCall(r, Graph)
		if fault != tokenGood {
			w.Header().Set("WWW-Authenticate", `Bearer realm="", error="invalid_token"`)
			graphError(w, http.StatusUnauthorized, "InvalidAuthenticationToken", "The access token is "+string(fault)+".")
			return
		}
		if s.state.odd.GraphWantsMFA {
			graphError(w, http.StatusForbidden, "Unauthorized_MissingMFA", "The token was issued without multi-factor authentication.")
			return
		}
		next(w, r, who)
	}
}

func graphError(w http.ResponseWriter, status int, code, message string) {
	id := uuid.NewString()
	writeJSON(w, status, map[string]any{"error": map[string]any{
		"code": code, "message": message, "innerError": map[string]string{"request-id": id, "client-request-id": id},
	}})
}

func graphDenied(w http.ResponseWriter) {
	graphError(w, http.StatusForbidden, "Authorization_RequestDenied", "The token's permissions do not suffice.")
}

func (s *Simulator) graphMe(w http.ResponseWriter, _ *http.Request, who *caller) {
	if !who.may("User.Read", "User.Read.All", "Directory.Read.All") {
		graphDenied(w)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"@odata.context": s.GraphURL() + "/v1.0/$metadata#users/$entity",
		"id":             who.user.objectID, "displayName": who.user.Name, "userPrincipalName": who.user.UPN, "mail": who.user.UPN,
	})
}

func (s *Simulator) graphOrganization(w http.ResponseWriter, _ *http.Request, who *caller) {
	if !who.may("User.Read", "Directory.Read.All") {
		graphDenied(w)
		return
	}
	d := who.directory
	writeJSON(w, http.StatusOK, map[string]any{
		"@odata.context": s.GraphURL() + "/v1.0/$metadata#organization",
		"value": []map[string]any{{
			"id": d.ID, "displayName": d.Name,
			"verifiedDomains": []map[string]any{{"name": d.Domain, "isDefault": true, "isInitial": true}},
		}},
	})
}

// graphMemberOf lists roles and groups. With User.Read alone, the entries have IDs but neither names nor templates, which
// proves nothing (docs/reference/microsoft-identity.md §4.4).
func (s *Simulator) graphMemberOf(w http.ResponseWriter, r *http.Request, who *caller, transitive bool) {
	names := who.may("Directory.Read.All", "GroupMember.Read.All", "RoleManagement.Read.Directory", "Directory.AccessAsUser.All")
	if !names && !who.may("User.Read") {
		graphDenied(w)
		return
	}
	entries := memberships(who.user, transitive)
	if !names {
		for _, entry := range entries {
			entry["displayName"] = nil
			if _, role := entry["roleTemplateId"]; role {
				entry["roleTemplateId"] = nil
			}
		}
	}
	s.writeGraphPage(w, r, entries)
}

func memberships(u *user, transitive bool) []map[string]any {
	var entries []map[string]any
	id := func(name string) string { return uuid.NewSHA1(uuid.MustParse(u.DirectoryID), []byte(name)).String() }
	group := func(name string) {
		entries = append(entries, map[string]any{
			"@odata.type": "#microsoft.graph.group", "id": id(name), "displayName": name, "securityEnabled": true,
		})
	}
	for _, name := range u.Groups {
		group(name)
	}
	if u.RoleGroup {
		group("Administrators of Contoso")
		entries[len(entries)-1]["isAssignableToRole"] = true
	}
	if u.GlobalAdmin {
		entries = append(entries, map[string]any{
			"@odata.type": "#microsoft.graph.directoryRole", "id": id(globalAdministrator), "displayName": "Global Administrator",
			"roleTemplateId": globalAdministrator,
		})
	}
	if u.NestedAdminAgent {
		group("Partner operations")
	}
	if u.AdminAgent || u.NestedAdminAgent && transitive {
		group("AdminAgents")
	}
	return entries
}

// writeGraphPage answers with $top entries and, if there are more, the address of the next page.
func (s *Simulator) writeGraphPage(w http.ResponseWriter, r *http.Request, entries []map[string]any) {
	query := r.URL.Query()
	top, err := strconv.Atoi(query.Get("$top"))
	if query.Has("$top") && (err != nil || top < 1 || top > 999) {
		graphError(w, http.StatusBadRequest, "Request_BadRequest", "$top must be between 1 and 999.")
		return
	}
	if !query.Has("$top") {
		top = graphPage
	}
	if s.state.odd.GraphPage > 0 {
		top = min(top, s.state.odd.GraphPage)
	}
	from, _ := strconv.Atoi(strings.TrimPrefix(query.Get("$skiptoken"), "at-"))
	from = max(0, min(from, len(entries)))
	until := min(from+top, len(entries))
	body := map[string]any{"@odata.context": s.GraphURL() + "/v1.0/$metadata#directoryObjects", "value": append([]map[string]any{}, entries[from:until]...)}
	if until < len(entries) {
		next := url.Values{"$skiptoken": {"at-" + strconv.Itoa(until)}}
		if query.Has("$top") {
			next.Set("$top", query.Get("$top"))
		}
		body["@odata.nextLink"] = s.GraphURL() + r.URL.Path + "?" + next.Encode()
	}
	writeJSON(w, http.StatusOK, body)
}

// graphRevoke is the only real revocation (docs/reference/microsoft-identity.md §6.4).
func (s *Simulator) graphRevoke(w http.ResponseWriter, _ *http.Request, who *caller) {
	if !who.may("User.RevokeSessions.All", "Directory.AccessAsUser.All") {
		graphDenied(w)
		return
	}
	who.user.revoke(s.now())
	writeJSON(w, http.StatusOK, map[string]any{"@odata.context": s.GraphURL() + "/v1.0/$metadata#Edm.Boolean", "value": true})
}
