package panel_test

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/sandbox/panel"
)

// tenantsPage answers tenants like the connector: a page of list, which is sorted by urgency.
func tenantsPage(instance string, list []object, query string) panel.Answer {
	asked, err := url.ParseQuery(query)
	if err != nil {
		return refusal(fail(failure.BadRequest, "reason", "not a query"))
	}
	limit, err := strconv.Atoi(asked.Get("limit"))
	if err != nil {
		return refusal(fail(failure.BadRequest, "reason", "limit"))
	}
	offset, _ := strconv.Atoi(asked.Get("offset"))
	counts, found, counted, unlisted := map[string]int{}, []object{}, 0, []string{}
	for _, state := range token.States() {
		counts[string(state)] = 0
	}
	for _, row := range list {
		if origin, ok := row["unlistedOrigin"].(string); ok && !slices.Contains(unlisted, origin) {
			unlisted = append(unlisted, origin)
		}
		name, state := row["name"].(string), row["state"].(string)
		search := strings.ToLower(asked.Get("search"))
		if id, _ := row["id"].(string); !strings.Contains(strings.ToLower(name), search) && !strings.Contains(strings.ToLower(id), search) {
			continue
		}
		counts[state]++
		if row["removed"] == true { // since it was counted
			counted++
			continue
		}
		if asked.Get("state") == "" || asked.Get("state") == state {
			found = append(found, row)
		}
	}
	return answer(object{
		"tenants": found[min(offset, len(found)):min(offset+limit, len(found))], "total": len(found) + counted, "counts": counts, "unlistedOrigins": unlisted,
		"instance": object{"id": instance, "applicationId": "3f0c8d52-9b7a-4f0e-a1c2-7d6e5f4a3b21", "credentials": []object{
			{"name": "applicationCertificate", "endsAt": noon.AddDate(0, 0, 200).Format(time.RFC3339)}, {"name": "federated", "endsAt": nil},
		}},
		"now": noon.Format(time.RFC3339),
	})
}

// manyTenants returns n tenants, sorted by urgency: the first 100 need a sign-in, the others are well.
func manyTenants(n int) []object {
	list := []object{}
	for i := range n {
		state := "active"
		if i < 100 {
			state = "action_required"
		}
		list = append(list, object{
			"id": fmt.Sprintf("0b9a7a52-6a0e-4bb0-9d5e-%012d", i), "name": fmt.Sprintf("Reseller %04d", i), "state": state,
			"expiresAt": noon.AddDate(0, 0, 60).Format(time.RFC3339), "daysLeft": 60, "directory": fmt.Sprintf("reseller%04d.onmicrosoft.com", i), "nextRenewalAt": nil,
		})
	}
	return list
}
