package panel_test

import (
	"strings"
	"testing"
)

// openAsParent logs in as a reseller with a reseller below them.
func openAsParent(t *testing.T, p *platform, location string) *driver {
	t.Helper()
	d := logInAs(t, p, location, "Piet Vos")
	d.WaitLoaded()
	return d
}

func TestParent_SeesTheirOwnTenant(t *testing.T) {
	t.Parallel()
	inPanels(t, ux1, classic, func(t *testing.T, location string) {
		d := openAsParent(t, newPlatform(t), location)
		d.State("active")
		for _, want := range []string{"(86 days left)", "Partner Center: Reachable", "Grant Consent Again", "Manual Update", "More"} {
			d.WaitText(want)
		}
		d.Wait(`document.getElementById("user").selectedOptions[0].text === "Piet Vos · Northern Cloud Group · Parent reseller"`)
	})
}

// TestParent_SeesOnlyTheStateOfATenantBelow opens such a tenant, since a platform may include the tenants of resellers below
// in what an account sees (docs/reference/aps-protocol.md §4.5).
func TestParent_SeesOnlyTheStateOfATenantBelow(t *testing.T) {
	t.Parallel()
	inPanels(t, ux1, classic, func(t *testing.T, location string) {
		p := newPlatform(t)
		p.parents = p.parents[:1]
		d := openAsParent(t, p, location)
		d.State("active")
		d.WaitText("You can see its status only.")
		for _, other := range []string{"Valid Until", "Update Refresh Token", "Manual Update", "History", "Check Now", "More", "Details", "Reachable"} {
			if got := d.Text(); strings.Contains(got, other) {
				t.Errorf("Text() = %q, want nothing of %q", got, other)
			}
		}
	})
}

func TestParent_HomeTile(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	d := logInAs(t, p, "#/ux1/en_US", "Piet Vos")
	d.Wait(home + `.body.innerText.includes("86 days left")`)
	p = newPlatform(t)
	p.parents = p.parents[:1]
	d = logInAs(t, p, "#/ux1/en_US", "Piet Vos")
	d.Wait(home + `.body.innerText.includes("Not shown to this account")`)
}
