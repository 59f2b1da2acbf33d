package panel_test

import (
	"fmt"
	"maps"
	"net/url"
	"strconv"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/sandbox/panel"
)

// customerDirectory returns the ID of the nth customer's directory.
func customerDirectory(n int) string { return fmt.Sprintf("c0000000-0000-4000-8000-%012d", n) }

// aCustomer returns the nth customer, who is ready, with changes.
func aCustomer(n int, name string, changes object) object {
	at := func(days int) string { return noon.AddDate(0, 0, days).Format(time.RFC3339) }
	c := object{
		"directory": customerDirectory(n), "name": name, "domain": fmt.Sprintf("customer%d.example", n), "active": true, "roles": []string{}, "endsAt": at(400),
		"autoExtends": true, "consent": "yes", "consentedAt": at(-20), "outdated": false, "lastResult": "ok", "lastAt": at(-1), "lastFailure": nil,
	}
	maps.Copy(c, changes)
	return c
}

// someCustomers returns the answer to customers with one in each state.
func someCustomers() object {
	unused := object{"consentedAt": nil, "lastResult": "", "lastAt": nil}
	with := func(pairs ...any) object {
		changed := maps.Clone(unused)
		for i := 0; i+1 < len(pairs); i += 2 {
			changed[pairs[i].(string)] = pairs[i+1]
		}
		return changed
	}
	lately := noon.AddDate(0, 0, -1).Format(time.RFC3339)
	blocked := local(failure.CustomerAccessBlocked, "directory", customerDirectory(5))
	missing := local(failure.CustomerConsentMissing, "directory", customerDirectory(2))
	return object{
		"customers": []object{
			aCustomer(1, "Aurora Bakery", nil),
			aCustomer(2, "Birch Timber", with("consent", "no", "lastResult", "customer_consent_missing", "lastAt", lately, "lastFailure", missing)),
			aCustomer(3, "Cedar Clinics", object{"autoExtends": false, "endsAt": noon.AddDate(0, 0, 6).Format(time.RFC3339)}),
			aCustomer(4, "Dune Travel", with("active", false, "endsAt", nil, "consent", "unknown")),
			aCustomer(5, "Elm Energy", object{"lastResult": "customer_access_blocked", "lastFailure": blocked}),
			aCustomer(6, "Fjord Foods", object{"outdated": true}),
			aCustomer(7, "Grove Media", with("consent", "unknown")),
		},
		"incomplete": nil, "customerDirectories": "listed", "now": noon.Format(time.RFC3339),
	}
}

// manyCustomers returns the answer to customers with n of them, all without a consent.
func manyCustomers(n int) object {
	all := someCustomers()
	var customers []object
	for i := range n {
		customers = append(customers, aCustomer(i+1, fmt.Sprintf("Customer %04d", i+1), object{"consent": "unknown", "consentedAt": nil, "lastResult": "", "lastAt": nil}))
	}
	all["customers"] = customers
	return all
}

// customersPage answers customers like the connector. The caller holds mu.
func (p *platform) customersPage(query string) panel.Answer {
	asked, err := url.ParseQuery(query)
	if err != nil {
		return refusal(fail(failure.BadRequest, "reason", "not a query"))
	}
	all := p.customers["customers"].([]object)
	offset, _ := strconv.Atoi(asked.Get("offset"))
	limit, err := strconv.Atoi(asked.Get("limit"))
	if err != nil || limit > 500 {
		return refusal(fail(failure.BadRequest, "reason", "limit"))
	}
	page := maps.Clone(p.customers)
	page["total"] = len(all)
	page["customers"] = all[min(offset, len(all)):min(offset+limit, len(all))]
	return answer(page)
}

// changeConsent answers consentCustomer and withdrawCustomer like the connector. The caller holds mu.
func (p *platform) changeConsent(name, directory string) panel.Answer {
	p.consented = append(p.consented, name+" "+directory)
	if f, ok := p.noConsents[directory]; ok {
		return refusal(f)
	}
	if name == "withdrawCustomer" {
		return answer(object{"directory": directory, "consentedAt": nil})
	}
	return answer(object{"directory": directory, "consentedAt": noon.Format(time.RFC3339)})
}
