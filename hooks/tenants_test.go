package hooks_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

func TestListTenants_LeavesOutWhatWasRemoved(t *testing.T) {
	h := installed(t)
	h.tokens.status = token.Status{State: token.StateExpiring, ExpiresAt: at(30, 8), DaysLeft: 6, NextRenewalAt: at(24, 8)}
	list := request{method: http.MethodGet, path: "/app/" + rootA + "/tenants", identity: userP}
	same(t, h.accepted(list, http.StatusOK), `[{"id":"`+tenantA+`","name":"Fabrikam","state":"expiring","expiresAt":"2026-11-30T08:00:00.123Z","daysLeft":6,
		"directory":"fabrikam.onmicrosoft.com","nextRenewalAt":"2026-11-24T08:00:00.123Z"}]`)
	h.tokens.err = failure.New(failure.NotFound) // removed since it was listed
	same(t, h.accepted(list, http.StatusOK), `[]`)
	h.tenants.tenants = map[string]tenant.Tenant{}
	same(t, h.accepted(list, http.StatusOK), `[]`)
}

func TestListTenants_Pages(t *testing.T) {
	h := installed(t)
	h.consents.unlisted = map[string]string{tenantA: "https://b.example", unknownID: "https://a.example", "another": "https://b.example"}
	in := h.tenants.instances[keyA]
	in.Settings.Application = tenant.Application{ID: "app-1", Federated: true}
	in.Settings.Application.Secret = tenant.Credential{Value: secret.New("c4n4ry-value"), Ends: at(30, 8)}
	h.tenants.instances[keyA] = in
	h.tokens.status = token.Status{State: token.StateExpiring, ExpiresAt: at(30, 8), DaysLeft: 6}
	h.tokens.list = token.List{
		Tenants: []token.Listed{{TenantID: unknownID, State: token.StateExpired}, {TenantID: tenantA, State: token.StateExpiring}}, // the first was removed since
		Counts:  map[token.State]int{token.StateExpiring: 7, token.StateExpired: 2},
	}
	list := request{method: http.MethodGet, identity: userP}
	var page struct {
		Tenants         []struct{ ID, Name string }
		Total           int
		Counts          map[token.State]int
		UnlistedOrigins []string
		Instance        struct {
			ID, ApplicationID string
			Credentials       []struct{ Name, EndsAt string }
		}
		Now time.Time
	}
	for query, want := range map[string]struct {
		query token.Query
		total int
	}{
		"limit=50":                              {token.Query{Limit: 50}, 9},
		"limit=9999&offset=100":                 {token.Query{Limit: 200, Offset: 100}, 9},
		"limit=5&state=expiring&search=50%25+a": {token.Query{Limit: 5, States: []token.State{token.StateExpiring}, Search: "50% a"}, 7},
		"limit=5&state=pending":                 {token.Query{Limit: 5, States: []token.State{token.StatePending}}, 0},
	} {
		want.query.Instances = []string{keyA}
		list.path = "/app/" + rootA + "/tenants?" + query
		answer := h.accepted(list, http.StatusOK)
		if err := json.Unmarshal([]byte(answer.text), &page); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.query, h.tokens.query); diff != "" {
			t.Errorf("List() for %s (-want +got):\n%s", query, diff)
		}
		if len(page.Tenants) != 1 || page.Tenants[0].ID != tenantA || page.Total != want.total || page.Counts[token.StateExpired] != 2 || len(page.Counts) != len(token.States()) {
			t.Errorf("tenants?%s = %+v, want the tenant that is left, %d in all, and the counts of all states", query, page, want.total)
		}
		if strings.Contains(answer.text, "c4n4ry") {
			t.Error("the answer has a credential's value")
		}
	}
	if diff := cmp.Diff([]string{"https://a.example", "https://b.example"}, page.UnlistedOrigins); diff != "" {
		t.Errorf("unlistedOrigins (-want +got):\n%s", diff)
	}
	if c := page.Instance.Credentials; page.Instance.ID != rootA || page.Instance.ApplicationID != "app-1" || len(c) != 2 || c[0].EndsAt != "" || c[1].EndsAt != "2026-11-30T08:00:00.123Z" || page.Now.IsZero() {
		t.Errorf("instance = %+v at %s, want its application and the ends of its credentials", page.Instance, page.Now)
	}
	for _, query := range []string{"limit=0", "limit=x", "limit=5&offset=-1", "limit=5&state=lost"} {
		list.path = "/app/" + rootA + "/tenants?" + query
		h.refused(list, failure.BadRequest)
	}
	// Screens of package 1 know no pages.
	h = atVersion1(t)
	list.path = "/app/" + rootA + "/tenants?limit=1"
	if got := h.accepted(list, http.StatusOK).text; !strings.HasPrefix(got, "[") {
		t.Errorf("the answer to an instance at version 1 is %s, want all tenants", got)
	}
}

// TestListTenants_PageIsSmall measures an answer with 50 of 1,200 tenants whose names and directories hardly compress.
func TestListTenants_PageIsSmall(t *testing.T) {
	h := installed(t)
	h.tokens.status = token.Status{State: token.StateExpiring, ExpiresAt: at(30, 8), DaysLeft: 6, NextRenewalAt: at(24, 8)}
	const all = 1200
	h.tokens.list.Counts = map[token.State]int{token.StateExpiring: all}
	for i := range all {
		sum := sha256.Sum256(strconv.AppendInt(nil, int64(i), 10))
		text := hex.EncodeToString(sum[:])
		id := text[:8] + "-" + text[8:12] + "-4" + text[13:16] + "-8" + text[17:20] + "-" + text[20:32]
		h.tenants.tenants[id] = tenant.Tenant{ID: id, InstanceKey: keyA, Name: "Reseller " + text[32:], Directory: text[:40] + ".onmicrosoft.com"}
		if i < 50 {
			h.tokens.list.Tenants = append(h.tokens.list.Tenants, token.Listed{TenantID: id, State: token.StateExpiring})
		}
	}
	answer := h.accepted(request{method: http.MethodGet, path: "/app/" + rootA + "/tenants?limit=50", identity: userP}, http.StatusOK)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte(answer.text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes, %d compressed", len(answer.text), packed.Len())
	if strings.Count(answer.text, `"daysLeft"`) != 50 || !strings.Contains(answer.text, `"total":1200`) || packed.Len() > 10<<10 {
		t.Errorf("a page with %d tenants has %d bytes, compressed, want 50 of 1,200 tenants in at most 10 KB", strings.Count(answer.text, `"daysLeft"`), packed.Len())
	}
}
