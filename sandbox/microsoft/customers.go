package microsoft

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Template IDs of roles, the same in every directory.
const (
	CloudApplicationAdministrator = "158c047a-c907-4556-b7ef-446551a6b5f7"
	ApplicationAdministrator      = "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3"
	DirectoryReaders              = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b"
)

const (
	maxCustomersPage     = 500
	maxRelationshipsPage = 300
	relationshipLife     = 2 * 365 * 24 * time.Hour
	extension            = 180 * 24 * time.Hour
)

// The states of a relationship that a test may set. An active one expires at its end.
const (
	RelationshipActive     = "active"
	RelationshipPending    = "approvalPending"
	RelationshipTerminated = "terminated"
)

// A Relationship gives a partner roles in a customer directory: granular delegated admin privileges, GDAP
// (docs/reference/microsoft-identity.md §5.7).
type Relationship struct {
	ID                string // default: of the two directories
	Name              string // default: the customer's name
	Partner, Customer string // directory IDs
	// Roles are template IDs. Default: CloudApplicationAdministrator.
	Roles  []string
	EndsAt time.Time // default: in two years
	// AutoExtend extends the relationship by 180 days whenever it ends. One with the role of Global Administrator cannot.
	AutoExtend bool
	Status     string // default: RelationshipActive
}

// SetRelationship adds a relationship or replaces the one with its ID.
func (s *Simulator) SetRelationship(r Relationship) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	partner, customer := s.state.directory(r.Partner), s.state.directory(r.Customer)
	if partner == nil || customer == nil {
		return fmt.Errorf("relationship of %q with %q: %w", r.Partner, r.Customer, ErrUnknown)
	}
	r.Partner, r.Customer = partner.ID, customer.ID
	if r.ID == "" {
		r.ID = uuid.NewSHA1(uuid.MustParse(r.Partner), []byte(r.Customer)).String()
	}
	if r.Name == "" {
		r.Name = customer.Name
	}
	if len(r.Roles) == 0 {
		r.Roles = []string{CloudApplicationAdministrator}
	}
	if r.EndsAt.IsZero() {
		r.EndsAt = s.now().Add(relationshipLife)
	}
	if r.Status == "" {
		r.Status = RelationshipActive
	}
	switch {
	case r.AutoExtend && slices.Contains(r.Roles, globalAdministrator):
		return fmt.Errorf("relationship %s: one with the role of Global Administrator cannot extend itself", r.Name)
	case !slices.Contains([]string{RelationshipActive, RelationshipPending, RelationshipTerminated}, r.Status):
		return fmt.Errorf("relationship %s: there is no status %q", r.Name, r.Status)
	}
	s.state.relationships[r.ID] = &r
	return nil
}

// EndRelationships terminates all relationships with a customer.
func (s *Simulator) EndRelationships(customer string) error {
	return s.onDirectory(customer, func(d *directory) {
		for _, r := range s.state.relationships {
			if r.Customer == d.ID {
				r.Status = RelationshipTerminated
			}
		}
	})
}

// settle returns the status and the end of a relationship at a time.
func (r *Relationship) settle(now time.Time) (status string, ends time.Time) {
	for r.AutoExtend && r.Status == RelationshipActive && !now.Before(r.EndsAt) {
		r.EndsAt = r.EndsAt.Add(extension)
	}
	if r.Status == RelationshipActive && !now.Before(r.EndsAt) {
		return "expired", r.EndsAt
	}
	return r.Status, r.EndsAt
}

// reaches reports whether accounts of a partner have one of the roles in a customer directory, or any if none is named.
func (st *state) reaches(partner, customer string, now time.Time, roles ...string) bool {
	for _, r := range st.relationships {
		status, _ := r.settle(now)
		if r.Partner != partner || r.Customer != customer || status != RelationshipActive {
			continue
		}
		if len(roles) == 0 || slices.ContainsFunc(r.Roles, func(role string) bool { return slices.Contains(roles, role) }) {
			return true
		}
	}
	return false
}

// listCustomers serves Partner Center's list, page by page: the next one is asked for with seekOperation=Next and the token
// that the page before returned (docs/reference/microsoft-identity.md §5.7).
func (s *Simulator) listCustomers(w http.ResponseWriter, r *http.Request, who *caller) {
	query := r.URL.Query()
	size := maxCustomersPage
	if query.Has("size") {
		var err error
		if size, err = strconv.Atoi(query.Get("size")); err != nil || size < 1 || size > maxCustomersPage {
			partnerError(w, http.StatusBadRequest, "400", "size must be between 1 and 500.")
			return
		}
	}
	if s.state.odd.CustomersPage > 0 {
		size = min(size, s.state.odd.CustomersPage)
	}
	from := 0
	switch seek := query.Get("seekOperation"); {
	case strings.EqualFold(seek, "Next"):
		position, err := base64.StdEncoding.DecodeString(r.Header.Get("MS-ContinuationToken"))
		if err == nil {
			from, err = strconv.Atoi(string(position))
		}
		if err != nil || from < 1 {
			partnerError(w, http.StatusBadRequest, "400", "The continuation token is missing or not valid.")
			return
		}
	case seek != "":
		partnerError(w, http.StatusBadRequest, "400", "There is no such seek operation.")
		return
	}
	var all []*directory
	for _, id := range slices.Sorted(maps.Keys(s.state.directories)) {
		if d := s.state.directories[id]; d.CustomerOf == who.directory.ID {
			all = append(all, d)
		}
	}
	from = min(from, len(all))
	until := min(from+size, len(all))
	items := []map[string]any{}
	for _, d := range all[from:until] {
		items = append(items, map[string]any{
			"id": d.ID, "commerceId": uuid.NewSHA1(uuid.MustParse(d.ID), []byte("commerce")).String(), "relationshipToPartner": "reseller",
			"companyProfile": map[string]any{
				"tenantId": d.ID, "domain": d.Domain, "companyName": d.Name, "attributes": map[string]string{"objectType": "CustomerCompanyProfile"},
			},
			"attributes": map[string]string{"objectType": "Customer"},
		})
	}
	links := map[string]any{"self": map[string]any{"uri": "/customers?size=" + strconv.Itoa(size), "method": "GET", "headers": []string{}}}
	if until < len(all) {
		position := base64.StdEncoding.EncodeToString([]byte(strconv.Itoa(until)))
		links["next"] = map[string]any{
			"uri": "/customers?size=" + strconv.Itoa(size) + "&seekOperation=Next", "method": "GET",
			"headers": []map[string]string{{"key": "MS-ContinuationToken", "value": position}},
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"totalCount": len(items), "items": items, "links": links, "attributes": map[string]string{"objectType": "Collection"},
	})
}

// graphRelationships lists the relationships of the caller's directory as a partner.
func (s *Simulator) graphRelationships(w http.ResponseWriter, r *http.Request, who *caller) {
	if !who.may("DelegatedAdminRelationship.Read.All", "DelegatedAdminRelationship.ReadWrite.All") {
		graphDenied(w)
		return
	}
	if top, err := strconv.Atoi(r.URL.Query().Get("$top")); err == nil && top > maxRelationshipsPage {
		graphError(w, http.StatusBadRequest, "Request_BadRequest", "$top must be at most 300.")
		return
	}
	entries := []map[string]any{}
	for _, id := range slices.Sorted(maps.Keys(s.state.relationships)) {
		relationship := s.state.relationships[id]
		if relationship.Partner != who.directory.ID {
			continue
		}
		status, ends := relationship.settle(s.now())
		roles := []map[string]string{}
		for _, role := range relationship.Roles {
			roles = append(roles, map[string]string{"roleDefinitionId": role})
		}
		entry := map[string]any{
			"id": relationship.ID, "displayName": relationship.Name, "duration": "P730D", "status": status,
			"customer":      map[string]any{"tenantId": relationship.Customer, "displayName": s.state.directories[relationship.Customer].Name},
			"accessDetails": map[string]any{"unifiedRoles": roles}, "autoExtendDuration": "PT0S", "endDateTime": ends.Format(time.RFC3339),
		}
		if relationship.AutoExtend {
			entry["autoExtendDuration"] = "P180D"
		}
		if status == RelationshipPending { // nobody approved it, so that its end and its customer are not known
			entry["endDateTime"], entry["customer"] = nil, map[string]any{"tenantId": nil, "displayName": nil}
		}
		entries = append(entries, entry)
	}
	s.writeGraphPage(w, r, entries)
}
