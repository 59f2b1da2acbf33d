package microsoft_test

import (
	"strings"
	"testing"

	"azure-partner-connector/sandbox/microsoft"
)

// TestList_FillsIn selects accounts of the list on the sign-in page.
func TestList_FillsIn(t *testing.T) {
	w := newWorld(t, func(c *microsoft.Config) { c.ListAccounts = true })
	browser := w.browser()
	_, _, page := w.openPage(browser, w.authorizeURL())
	own, others, _ := strings.Cut(page, "Accounts of other directories")
	for _, want := range []string{"Ada Admin: Global admin, Admin agent; MFA<", "Carl Clerk: no role; no second factor yet<"} {
		if !strings.Contains(own, want) {
			t.Errorf("the sign-in page is %s, want %q among the accounts of the directory", own, want)
		}
	}
	if !strings.Contains(others, "fay@fabrikam.example") || !strings.Contains(others, "Fabrikam: Global admin;") || strings.Contains(own, "fabrikam") {
		t.Errorf("the sign-in page lists %s, want Fay with the directory and only there", others)
	}
	if strings.Contains(page, password) {
		t.Error("the sign-in page has a password before an account was selected")
	}

	if page := w.press(browser, page, "fill", "fay@fabrikam.example"); !strings.Contains(page, "AADSTS50020") || strings.Contains(page, password) {
		t.Errorf("after an account of another directory, the page is %s, want AADSTS50020 and no password", page)
	}
	filled := w.press(browser, page, "fill", admin)
	if !strings.Contains(filled, `value="`+password+`"`) || !strings.Contains(filled, `id="signed-in-as">`+admin) {
		t.Fatalf("after an account, the page is %s, want its password filled in", filled)
	}
	if page := w.press(browser, filled, "password", "wrong"); !strings.Contains(page, "AADSTS50126") || strings.Contains(page, `value="`+password) {
		t.Errorf("after a wrong password, the page is %s, want AADSTS50126 and no password", page)
	}
	if page := w.press(browser, filled, "password", password); !strings.Contains(page, "mfa-approve") {
		t.Errorf("after the password, the page is %s, want the second factor", page)
	}
	if page := w.press(browser, page, "username", admin); strings.Contains(page, password) {
		t.Errorf("after a typed address, the page is %s, want no password", page)
	}
}

// TestList_NotWithoutTheOption: Microsoft has no such list, and knows no such field.
func TestList_NotWithoutTheOption(t *testing.T) {
	w := newWorld(t)
	browser := w.browser()
	_, _, page := w.openPage(browser, w.authorizeURL())
	if strings.Contains(page, "Simulated accounts") || strings.Contains(page, admin) {
		t.Errorf("the sign-in page is %s, want no list", page)
	}
	if page := w.press(browser, page, "fill", admin); strings.Contains(page, `id="password"`) || !strings.Contains(page, "Enter your address.") {
		t.Errorf("after a field that there is not, the page is %s, want the question for the address", page)
	}
}
