package hooks_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"azure-partner-connector/connector/failure"
)

func TestCustomers_Pages(t *testing.T) {
	h := installed(t)
	for query, want := range map[string]string{
		"": "Aardvark Zebra ", "?limit=1": "Aardvark ", "?limit=1&offset=1": "Zebra ", "?offset=9": "", "?search=ZEB": "Zebra ", "?search=aardvark.example": "Aardvark ", "?search=nobody": "",
	} {
		got := h.accepted(request{identity: userR2, method: http.MethodGet, path: "/tenant/" + tenantA + "/customers" + query}, http.StatusOK)
		var page struct {
			Customers []struct {
				Name, Consent string
				Active        bool
				EndsAt        *string
			}
			Total int
		}
		if err := json.Unmarshal([]byte(got.text), &page); err != nil {
			t.Fatal(err)
		}
		names := ""
		for _, c := range page.Customers {
			names += c.Name + " "
			if c.Name == "Zebra" && (!c.Active || c.Consent != "yes" || c.EndsAt == nil) {
				t.Errorf("Zebra = %+v, want an active relationship and a consent", c)
			}
		}
		if names != want {
			t.Errorf("customers%s = %s, want %s", query, names, want)
		}
	}
	for _, query := range []string{"?limit=0", "?limit=x", "?offset=-1"} {
		h.refused(request{identity: userR2, method: http.MethodGet, path: "/tenant/" + tenantA + "/customers" + query}, failure.BadRequest)
	}
}
