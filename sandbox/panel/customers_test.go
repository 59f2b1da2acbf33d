package panel_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"
	"github.com/google/go-cmp/cmp"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/sandbox/panel/paneltest"
)

const (
	customers        = "#/ux1/en_US/" + packageID + "/customers"
	customersClassic = "#/classic/en_US/" + packageID + "/customers-classic"
)

// rowOfCustomer returns an expression for the row of the customer with a name.
func rowOfCustomer(name string) string {
	return `Array.from(` + widget("list") + `.querySelectorAll("tbody tr")).find(r => r.innerText.includes("` + name + `"))`
}

// waitRow waits until the row of a customer shows a text.
func (d *driver) waitRow(name, text string) {
	d.T.Helper()
	d.Wait(`(row => row !== undefined && row.innerText.includes(` + fmt.Sprintf("%q", text) + `))(` + rowOfCustomer(name) + `)`)
}

func customerStates() []state {
	unknown := fail(failure.CustomersUnknown, "directory", customerDirectory(2))
	incomplete := func(p *platform) { p.customers["incomplete"] = fail(failure.APIRefused, "api", "graph") }
	return inView("customers", []state{
		{name: "customers", classic: true, about: "Customers in every state", whole: true, reach: func(s *tab) {
			for _, label := range []string{"Ready", "Consent Missing", "Relationship Ends Soon", "No Relationship", "Access Refused", "Consent Outdated", "Consent Unknown"} {
				s.waitText(label)
			}
			s.waitText("Shown: __shown__ of __total__", "shown", "7", "total", "7")
		}},
		{name: "customers-none-allowed", about: "The provider allows no access tokens for customers", phone: true, set: func(p *platform) { p.customers["customerDirectories"] = "none" }, reach: func(s *tab) {
			s.waitText("The provider doesn't allow access tokens for customers (customerDirectories). You can already grant consents; they become useful once it's allowed.")
		}},
		{name: "customers-incomplete", about: "Relationships cannot be read", set: incomplete, reach: func(s *tab) {
			s.waitText("Some customers may be missing from this list.")
			s.waitText("Until the whole list can be read, no access tokens are issued for customers that are missing from it.")
			s.waitFailure(fail(failure.APIRefused, "api", "graph"))
		}},
		{name: "customers-search", about: "A search without a result", reach: func(s *tab) {
			s.waitText("Ready")
			s.Enter("search", "nobody")
			s.waitText("No customer matches the search.")
		}},
		{name: "customers-empty", about: "No customers", set: func(p *platform) { p.customers["customers"] = []object{} }, reach: func(s *tab) {
			s.waitText("The partner account has no customers.")
			s.Wait(widget("all") + `.disabled`)
		}},
		{name: "customers-unknown", about: "Microsoft tells neither customers nor relationships", set: refused("customers", unknown), reach: func(s *tab) {
			s.waitText("The list can't be read at the moment.")
			s.waitFailure(unknown)
		}},
		{name: "customers-no-token", about: "There is no refresh token", set: refused("customers", fail(failure.GrantAbsent)), reach: func(s *tab) {
			s.waitText("The list can't be read at the moment.")
			s.waitFailure(fail(failure.GrantAbsent))
		}},
		{name: "customers-unreachable", about: "The connector can't be reached", set: func(p *platform) { p.unreachable = true }, reach: func(s *tab) {
			s.waitText("The list can't be read at the moment.")
			s.waitText("The connector can't be reached at the moment. Try again in a few minutes.")
			s.waitText("Reference: __reference__.", "reference", transaction)
		}},
		{name: "customers-refused", about: "A consent that Microsoft refuses", set: func(p *platform) {
			p.noConsents[customerDirectory(2)] = fail(failure.CustomerRelationshipEnded, "directory", customerDirectory(2))
		}, reach: func(s *tab) {
			s.waitRow("Birch", s.text("Consent Missing"))
			s.Click(rowOfCustomer("Birch"), s.text("Consent"))
			s.waitFailure(fail(failure.CustomerRelationshipEnded, "directory", customerDirectory(2)))
			s.waitRow("Birch", "R7W2-KD5M")
		}},
		{name: "customers-all", classic: true, phone: true, about: "Consent for All asks first", reach: func(s *tab) {
			s.waitText("Ready")
			s.press("Consent for All")
			s.Wait(frame + `.querySelector("dialog[open]") !== null`)
		}},
		{name: "customers-running", about: "Consents for all are under way", set: func(p *platform) { p.held = map[string]chan struct{}{"consentCustomer": make(chan struct{})} }, reach: func(s *tab) {
			s.waitText("Ready")
			s.press("Consent for All")
			s.Wait(frame + `.querySelector("dialog[open]") !== null`)
			s.press("Consent for All")
			s.waitText("Consents granted: __granted__ of __all__. Failed: __failed__.", "granted", "0", "all", "3", "failed", "0")
			s.waitText("Stop")
		}},
		{name: "customers-granted", about: "Consents for all, one of which failed", whole: true, set: func(p *platform) {
			p.noConsents[customerDirectory(7)] = fail(failure.CustomerRelationshipEnded, "directory", customerDirectory(7))
		}, reach: func(s *tab) {
			s.waitText("Ready")
			s.press("Consent for All")
			s.Wait(frame + `.querySelector("dialog[open]") !== null`)
			s.press("Consent for All")
			s.waitText("Consents granted: __granted__ of __all__. Failed: __failed__.", "granted", "2", "all", "3", "failed", "1")
			s.waitText("See the list for the reasons.")
		}},
	})
}

// TestCustomers_ConsentAndRemove works on the rows of the list in both panels.
func TestCustomers_ConsentAndRemove(t *testing.T) {
	t.Parallel()
	inPanels(t, customers, customersClassic, func(t *testing.T, location string) {
		p := newPlatform(t)
		d := open(t, p, location)
		d.waitRow("Birch Timber", "Consent Missing")
		d.waitRow("Birch Timber", "The application has no consent for this service")
		d.waitRow("Aurora Bakery", "then extended automatically")
		d.waitRow("Dune Travel", "None active")

		d.Click(rowOfCustomer("Birch Timber"), "Consent")
		d.announces("The consent for Birch Timber has been granted.")
		d.waitRow("Birch Timber", "Ready")
		d.Wait(rowOfCustomer("Birch Timber") + `.contains(` + frame + `.activeElement) && ` + frame + `.activeElement.innerText === "Remove"`)

		d.Click(rowOfCustomer("Aurora Bakery"), "Remove")
		d.WaitText("The application loses its consent in the directory of Aurora Bakery.")
		d.Press("Cancel")
		d.Wait(frame + `.querySelector("dialog") === null`)
		d.Click(rowOfCustomer("Aurora Bakery"), "Remove")
		d.Wait(frame + `.querySelector("dialog") !== null`)
		d.Click(frame+`.querySelector("dialog")`, "Remove Consent")
		d.announces("The consent for Aurora Bakery has been removed.")
		d.waitRow("Aurora Bakery", "Consent Unknown")
		d.waitRow("Aurora Bakery", "None yet")

		want := []string{"consentCustomer " + customerDirectory(2), "withdrawCustomer " + customerDirectory(1)}
		p.change(func(p *platform) {
			if diff := cmp.Diff(want, p.consented); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
		})
	})
}

// TestCustomers_ConsentForAll leaves out customers without a relationship and those with a consent, goes on after a refusal for one
// customer, and stops when Microsoft does not answer, or when a person wants it.
func TestCustomers_ConsentForAll(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.noConsents[customerDirectory(2)] = fail(failure.CustomerRelationshipEnded, "directory", customerDirectory(2))
	d := open(t, p, customers)
	d.waitRow("Grove Media", "Consent Unknown")
	all := func() {
		d.Press("Consent for All")
		d.Wait(frame + `.querySelector("dialog") !== null`)
		d.Click(frame+`.querySelector("dialog")`, "Consent for All")
	}
	asked := func(want ...int) {
		t.Helper()
		var calls []string
		for _, n := range want {
			calls = append(calls, "consentCustomer "+customerDirectory(n))
		}
		p.change(func(p *platform) {
			if diff := cmp.Diff(calls, p.consented); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			p.consented = nil
		})
	}
	all()
	d.announces("Consents granted: 2 of 3. Failed: 1. See the list for the reasons.")
	d.waitRow("Birch Timber", "the relationship (GDAP) has ended")
	d.waitRow("Birch Timber", "Reference: R7W2-KD5M.")
	d.waitRow("Fjord Foods", "Ready")
	asked(2, 6, 7)
	d.Wait(`!` + widget("all") + `.disabled && ` + widget("all") + `.contains(` + frame + `.activeElement)`)

	p.change(func(p *platform) { delete(p.noConsents, customerDirectory(2)) })
	all()
	d.announces("Consents granted: 1 of 1. Failed: 0.")
	d.Wait(widget("all") + `.disabled`) // there is none left
	asked(2)

	p.change(func(p *platform) {
		p.customers = manyCustomers(40)
		p.refuse["consentCustomer"] = fail(failure.MicrosoftUnavailable)
	})
	d.Press("Reload")
	d.WaitText("Shown: 40 of 40")
	all()
	d.announces("Consents granted: 0 of 40. Failed: 3. ")
	d.Wait(`!` + widget("all") + `.disabled`)
	if got := p.called("consentCustomer"); got != 7 {
		t.Errorf("called(consentCustomer) = %d, want 7: it stops after three failures that are about no customer", got)
	}

	held := make(chan struct{})
	p.change(func(p *platform) {
		delete(p.refuse, "consentCustomer")
		p.held = map[string]chan struct{}{"consentCustomer": held}
	})
	all()
	d.Until("a consent under way", func() bool { return p.called("consentCustomer") == 8 })
	d.Press("Stop")
	close(held)
	d.announces("Consents granted: 1 of 40. Failed: 0.")
	d.Wait(widget("stop") + `.hidden && ` + widget("all") + `.contains(` + frame + `.activeElement)`)
	if got := p.called("consentCustomer"); got != 8 {
		t.Errorf("called(consentCustomer) after Stop = %d, want 8", got)
	}
}

func TestCustomers_LaidOutInEveryLanguage(t *testing.T) {
	t.Parallel()
	d := open(t, newPlatform(t), customers)
	d.waitRow("Grove Media", "Consent Unknown")
	d.fitsInEveryLanguage()
}

// TestCustomers_LeavingEndsConsents checks that leaving the screen ends consents for all, and that the list is read anew afterwards.
func TestCustomers_LeavingEndsConsents(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	held := make(chan struct{})
	p.held = map[string]chan struct{}{"consentCustomer": held}
	d := open(t, p, customers)
	d.waitRow("Grove Media", "Consent Unknown")
	d.Press("Consent for All")
	d.Wait(frame + `.querySelector("dialog") !== null`)
	d.Click(frame+`.querySelector("dialog")`, "Consent for All")
	d.Until("a consent under way", func() bool { return p.called("consentCustomer") == 1 })
	d.Click(paneltest.Document, "Manage Refresh Token")
	d.State("active")
	close(held)
	d.Click(paneltest.Document, "Customers")
	d.waitRow("Grove Media", "Consent Unknown")
	d.Wait(widget("stop") + `.hidden && !` + widget("all") + `.disabled`)
	d.waitCalls("customers", 2)
	if got := p.called("consentCustomer"); got != 1 {
		t.Errorf("called(consentCustomer) = %d, want 1: nobody watches the others", got)
	}
}

// TestCustomers_ManyPages reads a list of several pages, and searches in all of it.
func TestCustomers_ManyPages(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.customers = manyCustomers(1203)
	d := open(t, p, customers)
	d.WaitText("Shown: 1,203 of 1,203")
	d.WaitText("1–25 / 1203")
	if got := p.called("customers"); got != 3 {
		t.Errorf("called(customers) = %d, want 3 pages", got)
	}
	for text, want := range map[string]string{"mer 0007": "Customer 0007", "CUSTOMER1203.EXAMPLE": "Customer 1203", customerDirectory(600): "Customer 0600"} {
		d.Enter("search", text)
		d.WaitText("Shown: 1 of 1,203")
		d.waitRow(want, want)
	}
	if got := p.called("customers"); got != 3 {
		t.Errorf("called(customers) after searching = %d, want 3: it searches in what it read", got)
	}

	// What was read of a list stays when the rest cannot be read.
	p.change(func(p *platform) { p.refuse["customers"] = fail(failure.MicrosoftUnavailable) })
	d.Press("Reload")
	d.WaitText("Microsoft couldn't be reached")
	d.WaitText("Shown: 1 of 1,203")
	d.Wait(widget("all") + `.disabled`)
}

// TestCustomers_NamesAreText checks that names of customers, which strangers choose, are no markup.
func TestCustomers_NamesAreText(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.customers["customers"] = []object{aCustomer(1, "<img src=x>", object{"domain": "<b>b</b>.example"})}
	d := open(t, p, customers)
	d.waitRow("img src=x>", "Ready")
	d.Click(rowOfCustomer("img src"), "Remove")
	d.WaitText("‹img src=x>")
	d.Click(frame+`.querySelector("dialog")`, "Remove Consent")
	d.announces("The consent for ‹img src=x> has been removed.")
	if got := evaluate[int](d, frame+`.querySelectorAll("img, td b").length`); got != 0 {
		t.Errorf("%d elements of a name, want none", got)
	}

	long := strings.Repeat("Wolkenkunde", 9)
	p.change(func(p *platform) {
		p.customers["customers"] = []object{aCustomer(2, long, object{"domain": long + ".example"}), aCustomer(3, "سحابة", nil)}
	})
	d.Press("Reload")
	d.waitRow(long, "Ready")
	for _, name := range []string{long, "سحابة"} {
		if got, want := evaluate[string](d, rowOfCustomer(name)+`.querySelector("button").getAttribute("aria-label")`), "Remove: "+name; got != want {
			t.Errorf("the button is called %q, want %q", got, want)
		}
	}
	d.LaidOut("the list", nil)
}

func TestKeyboard_Customers(t *testing.T) {
	t.Parallel()
	inPanels(t, customers, customersClassic, func(t *testing.T, location string) {
		p := newPlatform(t)
		d := open(t, p, location)
		d.waitRow("Grove Media", "Consent Unknown")
		search := widget("search") + `.querySelector("input")`
		d.tabTo(search)
		d.keys("birch")
		d.announces("Shown: 1 of 7")
		d.focused(search)
		d.keys(strings.Repeat(kb.Backspace, len("birch")))
		d.announces("Shown: 7 of 7")
		d.tabTo(buttonIn(rowOfCustomer("Birch Timber")))
		d.keys(kb.Enter)
		d.announces("The consent for Birch Timber has been granted.")
		d.focused(buttonIn(rowOfCustomer("Birch Timber")))

		all := widget("all")
		d.tabTo(all)
		d.keys(kb.Enter)
		d.focused(buttonOf("Cancel"))
		d.keys(kb.Escape)
		d.Wait(frame + `.querySelector("dialog") === null`)
		d.focused(all)
		d.keys(kb.Enter)
		d.tabTo(buttonOf("Consent for All"))
		d.keys(kb.Enter)
		d.announces("Consents granted: 2 of 2. Failed: 0.")
		d.focused(widget("reload")) // there is none left to consent for
		d.keys(kb.Enter)
		d.waitRow("Grove Media", "Consent Unknown") // the fake does not remember
		d.focused(widget("reload"))
	})
}

// buttonIn returns an expression for the button in a row.
func buttonIn(row string) string { return row + `.querySelector("button")` }
