package microsoft_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"azure-partner-connector/sandbox/microsoft"
)

const (
	globalAdministrator = "62e90394-69f5-4237-9190-012177145e10"
	relationshipScope   = "https://graph.microsoft.com/DelegatedAdminRelationship.Read.All"
)

// multiTenant makes the application usable in other directories, and consents for ARM in the customer's.
func (w *world) multiTenant() {
	w.t.Helper()
	app := w.application()
	app.MultiTenant = true
	w.must(w.AddApplication(app))
	w.must(w.GrantConsent(customer, appID, "", armScope))
}

func TestS30_RelationshipsDecideWhoReachesACustomer(t *testing.T) {
	w := newWorld(t)
	w.multiTenant()
	token := w.grant().text("refresh_token")
	set := func(r microsoft.Relationship) {
		t.Helper()
		r.Partner, r.Customer = contoso, customer
		w.must(w.SetRelationship(r))
	}
	renew := func() answer { return w.renew(token, "tenant="+customer, "scope=offline_access "+armScope) }
	refused := func(what string) {
		t.Helper()
		w.checkRefused("renewing for a customer "+what, renew(), 400, "invalid_grant", 50020)
	}
	w.checkOK("renewing for a customer", renew())
	set(microsoft.Relationship{Status: microsoft.RelationshipPending})
	refused("that has not approved the relationship")
	set(microsoft.Relationship{EndsAt: epoch.Add(days(30))})
	w.checkOK("renewing for a customer again", renew())
	w.Advance(days(30))
	refused("whose relationship expired")
	set(microsoft.Relationship{EndsAt: w.Now().Add(days(10)), AutoExtend: true, Roles: []string{microsoft.DirectoryReaders}})
	w.Advance(days(20))
	w.checkOK("renewing for a customer whose relationship extended itself", renew())
	w.must(w.EndRelationships(customer))
	refused("that ended the relationship")
	w.checkOK("renewing at home", w.renew(token))

	for name, r := range map[string]microsoft.Relationship{
		"unknown directory":                        {Partner: contoso, Customer: "44444444-4444-4444-8444-444444444444"},
		"unknown status":                           {Partner: contoso, Customer: customer, Status: "maybe"},
		"self-extending with Global Administrator": {Partner: contoso, Customer: customer, AutoExtend: true, Roles: []string{globalAdministrator}},
	} {
		if err := w.SetRelationship(r); err == nil {
			t.Errorf("SetRelationship with %s = nil, want an error", name)
		}
	}
}

func TestS30_ConsentsForACustomerNeedARoleThere(t *testing.T) {
	w := newWorld(t)
	granted := w.grant()
	w.must(w.SetRelationship(microsoft.Relationship{Partner: contoso, Customer: customer, Roles: []string{microsoft.DirectoryReaders}}))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.PartnerCenterURL()+"/v1/customers/"+customer+"/applicationconsents", strings.NewReader("{}"))
	w.must(err)
	r.Header.Set("Authorization", "Bearer "+granted.text("access_token"))
	if got := w.do(r); got.status != http.StatusForbidden {
		t.Errorf("application consent with the role of a reader = %d, want 403", got.status)
	}
}

func TestS31_CustomersHaveTheirOwnPolicies(t *testing.T) {
	w := newWorld(t)
	w.multiTenant()
	token := w.grant().text("refresh_token")
	w.must(w.SetPolicy(customer, microsoft.Policy{Block: true}))
	w.checkRefused("renewing for a customer that blocks it", w.renew(token, "tenant="+customer, "scope="+armScope), 400, "invalid_grant", 53003)
	w.checkOK("renewing at home meanwhile", w.renew(token))
	w.must(w.SetPolicy(customer, microsoft.Policy{}))
	w.must(w.SetPolicy(contoso, microsoft.Policy{Block: true}))
	w.checkOK("renewing for a customer while the partner blocks it at home", w.renew(token, "tenant="+customer, "scope="+armScope))
	w.checkRefused("renewing in no directory", w.renew(token, "tenant=44444444-4444-4444-8444-444444444444"), 400, "invalid_request", 90002)
}

func TestS32_PartnerCenterListsCustomersInPages(t *testing.T) {
	w := newWorld(t)
	for i := range 5 {
		w.must(w.AddDirectory(microsoft.Directory{
			ID: fmt.Sprintf("55555555-5555-4555-8555-%012d", i), Domain: fmt.Sprintf("c%d.example", i), Name: fmt.Sprint("Customer ", i), CustomerOf: contoso,
		}))
	}
	access := w.grant().text("access_token")
	list := func(query, position string) answer {
		headers := []string{"Authorization", "Bearer " + access}
		if position != "" {
			headers = append(headers, "MS-ContinuationToken", position)
		}
		return w.get(w.PartnerCenterURL()+"/v1/customers"+query, headers...)
	}
	type page struct {
		Items []struct {
			ID      string
			Profile struct{ TenantID, Domain, CompanyName string } `json:"companyProfile"`
		}
		Links struct {
			Next *struct{ Headers []struct{ Key, Value string } }
		}
	}
	seen, query, position := map[string]bool{}, "?size=4", ""
	for pages := 1; ; pages++ {
		var p page
		w.must(json.Unmarshal([]byte(list(query, position).raw), &p))
		for _, item := range p.Items {
			seen[item.Profile.TenantID] = true
		}
		if p.Links.Next == nil {
			if pages != 2 {
				t.Errorf("%d pages, want 2", pages)
			}
			break
		}
		query, position = "?size=4&seekOperation=Next", p.Links.Next.Headers[0].Value
	}
	if len(seen) != 6 || !seen[customer] || seen[fabrikam] {
		t.Errorf("customers = %v, want the six of Contoso", seen)
	}
	for name, query := range map[string]string{"size 0": "?size=0", "size 501": "?size=501", "no position": "?seekOperation=Next", "unknown seek": "?seekOperation=Up"} {
		if got := list(query, ""); got.status != http.StatusBadRequest {
			t.Errorf("customers with %s = %d, want 400", name, got.status)
		}
	}
}

func TestS33_GraphListsRelationships(t *testing.T) {
	w := newWorld(t)
	app := w.application()
	app.Permissions = []string{partnerCenterScope, graphScope, relationshipScope}
	w.must(w.AddApplication(app))
	const path = "/v1.0/tenantRelationships/delegatedAdminRelationships"
	token := w.grant("scope=" + oidcScopes + " " + partnerCenterScope + " " + graphScope).text("refresh_token")
	if got := w.get(w.GraphURL()+path, "Authorization", "Bearer "+w.access(token, graphScope)); got.status != http.StatusForbidden {
		t.Errorf("relationships without the permission = %d, want 403", got.status)
	}
	w.must(w.GrantConsent(contoso, appID, "", relationshipScope))
	w.must(w.SetRelationship(microsoft.Relationship{ID: "b", Partner: contoso, Customer: fabrikam, Status: microsoft.RelationshipPending}))
	w.must(w.SetRelationship(microsoft.Relationship{ID: "c", Partner: fabrikam, Customer: contoso}))
	var page struct {
		Value []struct {
			Status, EndDateTime, AutoExtendDuration string
			Customer                                struct{ TenantID string }
			AccessDetails                           struct {
				UnifiedRoles []struct{ RoleDefinitionID string }
			}
		}
		Next string `json:"@odata.nextLink"`
	}
	access := w.access(token, relationshipScope)
	w.must(json.Unmarshal([]byte(w.get(w.GraphURL()+path+"?$top=1", "Authorization", "Bearer "+access).raw), &page))
	if len(page.Value) != 1 || page.Next == "" {
		t.Fatalf("the first page = %+v, want one relationship and a next page", page)
	}
	w.must(json.Unmarshal([]byte(w.get(w.GraphURL()+path, "Authorization", "Bearer "+access).raw), &page))
	active := 0
	for _, r := range page.Value {
		if r.Status == "active" && r.Customer.TenantID == customer && r.AutoExtendDuration == "PT0S" && r.EndDateTime != "" &&
			r.AccessDetails.UnifiedRoles[0].RoleDefinitionID == microsoft.CloudApplicationAdministrator {
			active++
		}
	}
	if len(page.Value) != 2 || active != 1 {
		t.Errorf("relationships = %+v, want the active one and the pending one", page.Value)
	}
	if got := w.get(w.GraphURL()+path+"?$top=301", "Authorization", "Bearer "+access); got.status != http.StatusBadRequest {
		t.Errorf("relationships with $top=301 = %d, want 400", got.status)
	}
}

func TestControl_Relationships(t *testing.T) {
	w := newWorld(t)
	body := fmt.Sprintf(`{"partner":%q,"customer":%q,"endsAt":"2027-01-01T00:00:00Z"}`, contoso, fabrikam)
	if got := w.control(http.MethodPost, "/_sim/relationships", body); got.status != http.StatusNoContent {
		t.Fatalf("adding a relationship = %d %s, want 204", got.status, got.raw)
	}
	if got := w.control(http.MethodGet, "/_sim/state", ""); !strings.Contains(got.raw, `"endsAt":"2027-01-01T00:00:00Z"`) {
		t.Errorf("the state does not have the relationship: %s", got.raw)
	}
	if got := w.control(http.MethodDelete, "/_sim/relationships/"+fabrikam, ""); got.status != http.StatusNoContent {
		t.Errorf("ending it = %d %s, want 204", got.status, got.raw)
	}
	for name, path := range map[string]string{"an unknown customer": "/_sim/relationships/nobody.example"} {
		if got := w.control(http.MethodDelete, path, ""); got.status != http.StatusNotFound {
			t.Errorf("ending those of %s = %d, want 404", name, got.status)
		}
	}
}
