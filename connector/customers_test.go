package main_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/world"
)

// TestCustomers_GetConsentsBesideTheRunningConnector consents for the application in the directory of a customer of the sandbox,
// beside the running connector.
func TestCustomers_GetConsentsBesideTheRunningConnector(t *testing.T) {
	d := newDeployment(t)
	run := func(args ...string) output { d.Helper(); return d.run(append(args, "--config", d.config)...) }
	d.check("list without a token", run("customers", "list", d.tenant()), 1, "There is no refresh token")
	d.consent()
	d.check("list", run("customers", "list", "Alpine Cloud"), 0, "CONSENT", "unknown", "Fjord Foods", world.FjordDirectory, "1 of 1 customers")
	d.check("list of none", run("customers", "list", "Alpine Cloud", "--search", "nobody"), 0, "0 of 1 customers")
	d.check("consent for nobody", run("customers", "consent", "Alpine Cloud"), 1, "name a directory, or use --all instead")
	d.check("consent for another directory", run("customers", "consent", "Alpine Cloud", world.CoralDirectory), 1, "(customer_unknown)")
	d.check("consent", run("customers", "consent", "Alpine Cloud", world.FjordDomain), 0, "consented in "+world.FjordDirectory, "arm user_impersonation")
	d.check("consent again", run("customers", "consent", "Alpine Cloud", world.FjordDirectory), 0, "consented in ")
	var listed struct {
		Customers []struct {
			Name, Consent string
			Active        bool
			Relationships []struct{ Roles []string }
		}
	}
	d.must(json.Unmarshal([]byte(run("customers", "list", d.tenant(), "--json").stdout), &listed))
	if len(listed.Customers) != 1 || listed.Customers[0].Consent != "yes" {
		t.Errorf("connector customers list --json = %+v, want one customer with a consent", listed)
	}
	d.check("consent for all, where none is missing", run("customers", "consent", "Alpine Cloud", "--all"), 0, "0 consented, 0 failed")
	d.write("more.yaml", strings.Replace(d.read("connector.yaml"), "[DelegatedAdminRelationship.Read.All]", "[DelegatedAdminRelationship.Read.All, GroupMember.Read.All]", 1))
	more := func(args ...string) output { d.Helper(); return d.run(append(args, "--config", "more.yaml")...) }
	d.check("list after the permissions have changed", more("customers", "list", "Alpine Cloud"), 0, "outdated")
	d.check("consent for all after that", more("customers", "consent", "Alpine Cloud", "--all"), 0, "1/1 Fjord Foods consented", "1 consented, 0 failed")
	d.check("consent for all again", more("customers", "consent", "Alpine Cloud", "--all"), 0, "0 consented, 0 failed")
	d.check("withdraw", run("customers", "withdraw", "Alpine Cloud", world.FjordDomain), 0, "no consent is left in "+world.FjordDirectory)
	d.check("withdraw again", run("customers", "withdraw", "Alpine Cloud", world.FjordDomain), 0, "no consent is left")
	d.check("events", run("events", "list", "--tenant", "Alpine Cloud", "--action", "customer.consented"), 0, "customer.consented", "customer_unknown")
	d.hideStored()
}

// TestCustomers_ConsentOfAnotherProgram consents for a customer that has a consent for the application already, with other
// permissions, of which the connector knows nothing.
func TestCustomers_ConsentOfAnotherProgram(t *testing.T) {
	d := newDeployment(t)
	run := func(args ...string) output { d.Helper(); return d.run(append(args, "--config", d.config)...) }
	d.consent()
	d.must(d.world.Microsoft.GrantConsent(world.FjordDirectory, world.ApplicationID, "", "https://graph.microsoft.com/User.Read"))
	check := func(what string) {
		t.Helper()
		got, err := d.world.Microsoft.Consented(world.FjordDirectory, world.ApplicationID)
		d.must(err)
		if want := map[microsoft.Host][]string{microsoft.Graph: {"DelegatedAdminRelationship.Read.All", "Directory.Read.All", "User.Read"}, microsoft.ARM: {"user_impersonation"}}; !reflect.DeepEqual(got, want) {
			t.Errorf("after %s, the customer has consented to %v, want %v", what, got, want)
		}
	}
	d.check("consent", run("customers", "consent", "Alpine Cloud", world.FjordDomain), 0, "consented in "+world.FjordDirectory, "graph User.Read Directory.Read.All")
	check("the consent")
	d.check("events", run("events", "list", "--tenant", "Alpine Cloud", "--action", "customer.withdrawn"), 0, "customer.withdrawn")
	d.world.Microsoft.ForgetRequests()
	d.check("consent again", run("customers", "consent", "Alpine Cloud", world.FjordDomain), 0, "consented in "+world.FjordDirectory)
	for _, r := range d.world.Microsoft.Requests() {
		if r.Method == http.MethodDelete {
			t.Errorf("the same consent again sent %s %s, want what is right left alone", r.Method, r.Path)
		}
	}
	check("the same consent")
	d.hideStored()
}

// TestCustomers_KilledDuringConsentForAll kills consent --all while Microsoft's answer to each of its calls is under way. The next run
// makes what is missing: nothing is taken for done that is not.
func TestCustomers_KilledDuringConsentForAll(t *testing.T) {
	d := newDeployment(t)
	d.consent()
	const second = "c1000000-0000-4000-8000-00000000000a"
	d.must(d.world.Microsoft.AddDirectory(microsoft.Directory{ID: second, Domain: "second.example", Name: "Second", CustomerOf: world.AlpineDirectory}))
	d.must(d.world.Microsoft.SetRelationship(microsoft.Relationship{Partner: world.AlpineDirectory, Customer: second}))
	customers := []string{world.FjordDirectory, second}
	consented := func() (apis int) {
		t.Helper()
		for _, customer := range customers {
			consents, err := d.world.Microsoft.Consented(customer, world.ApplicationID)
			d.must(err)
			apis += len(consents)
		}
		return apis
	}
	for answered := range 4 { // of two customers and two APIs
		d.world.Microsoft.AddFault(microsoft.Fault{
			Host: microsoft.PartnerCenter, Method: http.MethodPost, Path: "/applicationconsents", Skip: answered, Times: 1, Hold: make(chan struct{}), AfterProcessing: true,
		})
		command := d.command("customers", "consent", "Alpine Cloud", "--all", "--config", d.config)
		d.must(command.Start())
		for consented() <= answered {
			select {
			case <-t.Context().Done():
				t.Fatal("the call was not made")
			case <-time.After(time.Millisecond):
			}
		}
		d.must(command.Process.Kill())
		_ = command.Wait() // says that it was killed
		d.world.Microsoft.ClearFaults()

		missing := len(customers) - answered/2 // the one of the call under way is not known to be done
		d.check("consent for all after it was killed", d.run("customers", "consent", "Alpine Cloud", "--all", "--config", d.config), 0, strconv.Itoa(missing)+" consented, 0 failed")
		if n := consented(); n != 4 {
			t.Errorf("killed at call %d, and run again: %d consents, want all 4", answered+1, n)
		}
		d.check("consent for all again", d.run("customers", "consent", "Alpine Cloud", "--all", "--config", d.config), 0, "0 consented, 0 failed")
		for _, customer := range customers {
			d.check("withdraw", d.run("customers", "withdraw", "Alpine Cloud", customer, "--config", d.config), 0, "no consent is left")
		}
	}
	d.hideStored()
}
