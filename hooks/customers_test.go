package hooks_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

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
				Outdated      bool
				LastFailure   *struct{ Code, Message string }
			}
			Total               int
			CustomerDirectories string
			Now                 time.Time
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
			if c.Name == "Aardvark" && (c.LastFailure == nil || c.LastFailure.Code != "customer_access_blocked" || !strings.Contains(c.LastFailure.Message, unknownID)) {
				t.Errorf("the last failure of Aardvark = %+v, want that its directory blocks the access", c.LastFailure)
			}
			if c.Name == "Zebra" && (!c.Outdated || c.LastFailure != nil) {
				t.Errorf("Zebra = %+v, want an outdated consent and no failure", c)
			}
		}
		if page.CustomerDirectories != "none" || page.Now.IsZero() {
			t.Errorf("customers%s says %q at %s, want the instance's setting and the time", query, page.CustomerDirectories, page.Now)
		}
		if names != want {
			t.Errorf("customers%s = %s, want %s", query, names, want)
		}
	}
	for _, query := range []string{"?limit=0", "?limit=x", "?offset=-1"} {
		h.refused(request{identity: userR2, method: http.MethodGet, path: "/tenant/" + tenantA + "/customers" + query}, failure.BadRequest)
	}
}
