package panel_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// home is an expression for the document of the home page's tiles.
const home = `(document.querySelector("#home iframe.dashboard") || {}).contentDocument`

func TestTile_Active(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	d := logIn(t, p, "#/ux1/en_US")
	for _, want := range []string{"Azure Partner (NCE)", "Active", "Valid Until", "Feb 17, 2027, 12:00 PM UTC (86 days left)"} {
		d.Wait(home + `.body.innerText.includes("` + want + `")`)
	}
	d.Wait(`document.querySelector("iframe.dashboard").getBoundingClientRect().height > 100`)
	d.Click(home, "Manage Refresh Token")
	d.WaitLoaded()
	d.State("active")
}

func TestTile_GermanAndTrouble(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	d := logIn(t, p, "#/ux1/de_DE")
	d.Wait(home + `.body.innerText.includes("17.02.2027, 12:00 UTC (noch 86 Tage)")`)
	p.change(func(p *platform) { p.status = absentStatus() })
	d.Do(chromedp.Reload())
	d.Wait(home + `.body.innerText.includes("Kein Token gespeichert")`)
	p.change(func(p *platform) { p.unreachable = true })
	d.Do(chromedp.Reload())
	d.Wait(home + `.body.innerText.includes("Unbekannt")`)
}

func TestTile_OnlyForResellersWithATenant(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		location, user string
		tenants        int
	}{
		"classic":          {"#/classic/en_US", "Mara Lind", 1},
		"provider":         {"#/ux1/en_US", "Olu Adeyemi", 1},
		"without a tenant": {"#/ux1/en_US", "Mara Lind", 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			p.tenants = p.tenants[:tc.tenants]
			d := logInAs(t, p, tc.location, tc.user)
			d.Wait(`!document.getElementById("home").hidden`)
			d.Wait(`document.querySelector("iframe.dashboard") === null || ` + home + `.getElementById("tiles") !== null`)
			if got := evaluate[string](d, `(`+home+` || document.implementation.createHTMLDocument()).documentElement.textContent`); strings.Contains(got, "Valid Until") {
				t.Errorf("home = %q, want no tile", got)
			}
			if got := p.called("tokenStatus"); got != 0 {
				t.Errorf("called(tokenStatus) = %d, want 0", got)
			}
		})
	}
}
