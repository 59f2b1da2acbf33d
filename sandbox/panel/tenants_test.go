package panel_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/sandbox/panel/paneltest"
)

const (
	provider        = "#/ux1/en_US/" + packageID + "/tenants"
	providerde      = "#/ux1/de_DE/" + packageID + "/tenants"
	providerClassic = "#/classic/en_US/" + packageID + "/tenants-classic"
)

// openAsProvider logs in as the provider and opens a screen in front of p.
func openAsProvider(t *testing.T, p *platform, location string) *driver {
	t.Helper()
	d := logInAs(t, p, location, "Olu Adeyemi")
	d.WaitLoaded()
	return d
}

// names waits until the list shows n tenants, and returns their names in its order.
func (d *driver) names(n int) string {
	d.T.Helper()
	const first = `.querySelectorAll("tbody tr td:first-child")`
	d.Wait(widget("list") + first + `.length === ` + string(rune('0'+n)))
	return evaluate[string](d, `Array.from(`+widget("list")+first+`).map(c => c.innerText.trim()).join(", ")`)
}

func TestTenants_LaidOutInEveryLanguage(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.list = manyTenants(60)
	d := openAsProvider(t, p, provider)
	d.WaitText("Shown: 1–50 of 60")
	d.fitsInEveryLanguage()
}

func TestTenants_FiltersSearchesAndPages(t *testing.T) {
	t.Parallel()
	for name, location := range map[string]string{"UX1": provider, "classic": providerClassic} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			d := openAsProvider(t, p, location)
			if got, want := d.names(3), "Tidewater IT, Quay Hosting, Harbour Cloud Resale"; got != want {
				t.Errorf("names() = %q, want the most urgent first: %q", got, want)
			}
			for _, want := range []string{
				"No Token", "Expiring Soon", "Active", "No token is stored", "Feb 17, 2027", "contoso-partner.onmicrosoft.com", "Shown: 1–3 of 3",
				"3f0c8d52-9b7a-4f0e-a1c2-7d6e5f4a3b21", "Certificate: Until Jun 11, 2027; Federated token: No end",
			} {
				d.WaitText(want)
			}
			d.Press("Expiring Soon: 1")
			d.names(1)
			d.Wait(widget("count-expiring") + `.getAttribute("aria-pressed") === "true"`)
			d.Press("✓ Expiring Soon: 1")
			d.names(3)
			d.WaitText("✓ All: 3")
			d.Enter("search", "tide")
			d.names(1)
			d.WaitText("All: 1")
			d.Enter("search", "nobody")
			d.WaitText("No reseller matches.")

			p.change(func(p *platform) { p.list = manyTenants(1203) })
			d.Enter("search", "reseller")
			d.WaitText("Shown: 1–50 of 1,203")
			d.WaitText("Sign-In Needed: 100")
			d.Wait(widget("previous") + `.disabled`)
			d.Press("Next Page")
			d.WaitText("Shown: 51–100 of 1,203")
			d.Press("Active: 1,103")
			d.WaitText("Shown: 1–50 of 1,103")
			d.Enter("search", "Reseller 12")
			d.WaitText("Shown: 1–3 of 3")
			d.Wait(widget("next") + `.offsetParent === null`)
			d.Do(chromedp.Reload()) // keeps what was asked for
			d.WaitLoaded()
			d.WaitText("Shown: 1–3 of 3")
			d.WaitText("✓ Active: 3")
			if got := d.Value("search"); got != "Reseller 12" {
				t.Errorf("Value(search) after a reload = %q, want what was entered", got)
			}
		})
	}
}

// details opens the details of the reseller with the given name.
func (d *driver) details(name string) {
	d.T.Helper()
	d.Click(`Array.from(`+widget("list")+`.querySelectorAll("tr")).find(r => r.innerText.includes("`+name+`"))`, "Details")
}

func TestTenants_DetailsAndRenewal(t *testing.T) {
	t.Parallel()
	for name, location := range map[string]string{"UX1": provider, "classic": providerClassic} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			d := openAsProvider(t, p, location)
			d.details("Harbour Cloud Resale")
			d.State("active")
			for _, want := range []string{"Token Status of Harbour Cloud Resale", "(86 days left)", "Partner Center: Reachable", "Automatic renewal"} {
				d.WaitText(want)
			}
			for _, other := range []string{"Delete Token", "Update Refresh Token", "Authentication Code"} {
				if got := d.Text(); strings.Contains(got, other) {
					t.Errorf("Text() = %q, want nothing of %q", got, other)
				}
			}

			d.Press("Check Now")
			d.WaitText("All services accepted the token.")
			d.Press("Renew Now")
			d.WaitText("The refresh token has been renewed.")
			p.change(func(p *platform) { p.refuse["renew"] = fail(failure.GrantRevoked) })
			d.Press("Renew Now")
			d.WaitText("Microsoft no longer accepts the refresh token")

			d.WaitText("There's nothing to do.")
			d.Wait(widget("remind") + `.offsetParent === null`)
			d.Press("Copy Support Summary")
			d.Wait(`(text => text.includes("Reseller: Harbour Cloud Resale\n") && text.includes("Resource ID: ` + tenantID + `\n") && text.includes("Date: 2026-11-23T"))(` + widget("summary") + `.querySelector("textarea").value)`)
			d.Press("Customers")
			d.WaitText("Birch Timber")
			for _, other := range []string{"Consent for All", "You can already grant consents"} {
				if got := d.Text(); strings.Contains(got, other) {
					t.Errorf("Text() has %q, which only the reseller may do", other)
				}
			}
			d.Do(chromedp.Reload()) // comes back to the same reseller
			d.WaitLoaded()
			d.State("active")
			d.WaitText("Token Status of Harbour Cloud Resale")
			d.Press("Back to the List")
			d.Wait(widget("detail") + `.hidden`)
			d.Wait(frame + `.activeElement.innerText === "Details" && ` + frame + `.activeElement.closest("tr").innerText.includes("Harbour Cloud Resale")`)
		})
	}
}

func TestTenants_CannotRenewAnAbsentToken(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.status = absentStatus()
	d := openAsProvider(t, p, provider)
	d.details("Harbour Cloud Resale")
	d.State("absent")
	d.Wait(widget("renew") + `.disabled && ` + widget("check") + `.disabled`)

	d.Press("Remind Reseller")
	d.WaitText("The reseller has been reminded.")
	if got := p.called("remind"); got != 1 {
		t.Errorf("called(remind) = %d, want 1", got)
	}
	d.Wait(frame + `.activeElement.innerText === "Remind Reseller"`)
	p.change(func(p *platform) { p.refuse["remind"] = fail(failure.RemindedRecently, "time", "2026-11-23 12:00 UTC") })
	d.Press("Remind Reseller")
	d.WaitText("This reseller was already reminded on 2026-11-23 12:00 UTC. Wait a day")
}

func TestTenants_UnreadableList(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.unreachable = true
	d := openAsProvider(t, p, provider)
	d.WaitText("The list can't be read at the moment.")
	d.WaitText("The connector can't be reached at the moment.")
	d.Wait(widget("instances") + `.innerText.includes("Unknown") && !` + widget("instances") + `.innerText.match(/Loading|Not set/)`)
}

func TestTenants_EmptyList(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.list = []object{}
	d := openAsProvider(t, p, provider)
	d.WaitText("No reseller has an Azure Partner subscription yet.")
}

func TestTenants_UnreadableListIsReadAgain(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.refuse["tenants"] = fail(failure.InternalError)
	d := openAsProvider(t, p, provider)
	d.WaitText("The list can't be read at the moment.")
	p.change(func(p *platform) { delete(p.refuse, "tenants") })
	d.Press("Reload")
	d.names(3)
	d.Wait(widget("failure") + `.innerText === ""`)
}

func TestTenants_OfAllInstances(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.apps = append(p.apps, json.RawMessage(`{"aps":{"id":"`+otherAppID+`","type":"`+appType+`"}}`))
	d := openAsProvider(t, p, provider)
	d.Wait(widget("list") + `.querySelectorAll("tbody tr").length > 0`)
	d.WaitText("All: 3")
	d.Press("Show Resellers")
	d.WaitText("All: 1")
	d.Press("Show Resellers")
	d.WaitText("All: 3")
}

func TestTenants_German(t *testing.T) {
	t.Parallel()
	d := openAsProvider(t, newPlatform(t), providerde)
	for _, want := range []string{"Wiederverkäufer", "Tage übrig", "Läuft bald ab", "17.02.2027", "Kein Token gespeichert"} {
		d.WaitText(want)
	}
	if got, want := evaluate[string](d, `document.getElementById("title").textContent`), "Aktualisierungstoken"; got != want {
		t.Errorf("title = %q, want %q", got, want)
	}
}

// TestTenants_HiddenFromResellers checks that neither the menu nor a typed address opens the provider's screen for a
// reseller.
func TestTenants_HiddenFromResellers(t *testing.T) {
	t.Parallel()
	for name, location := range map[string]string{"UX1": provider, "classic": providerClassic} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			d := logIn(t, p, location)
			d.Wait(`!document.getElementById("home").hidden && document.getElementById("menu").innerText.includes("Manage Refresh Token")`)
			for _, part := range []string{"menu", "home"} {
				if got := evaluate[string](d, `document.getElementById("`+part+`").innerText`); strings.Contains(got, "Refresh Tokens") {
					t.Errorf("%s of a reseller = %q, want nothing of the provider's", part, got)
				}
			}
			if got := evaluate[int](d, `document.querySelectorAll("#content iframe").length`); got != 0 {
				t.Errorf("screens that are open = %d, want 0", got)
			}
			if got := p.called("tenants"); got != 0 {
				t.Errorf("called(tenants) = %d, want 0", got)
			}
		})
	}
}

// TestTenants_NamesOfEveryKind: resellers choose their names, which break no layout, are no markup, and tell the buttons of the list
// apart.
func TestTenants_NamesOfEveryKind(t *testing.T) {
	t.Parallel()
	names := []string{
		strings.Repeat("Wolkenhandelsgesellschaft", 4), "حلول السحابة العربية", "☁️👩🏽‍💻 Cloud", "<img src=x onerror=alert(1)>", "__state__ & \"Söhne\"",
	}
	p := newPlatform(t)
	p.list = nil
	for i, name := range names {
		row := maps.Clone(someTenants()[2])
		if row["name"] = name; i > 0 {
			row["id"] = fmt.Sprintf("0b9a7a52-6a0e-4bb0-9d5e-%012d", i)
		}
		row["directory"] = strings.Repeat("x", 200) + ".example"
		p.list = append(p.list, row)
	}
	d := openAsProvider(t, p, provider)
	if got, want := d.names(len(names)), strings.Join(names, ", "); got != want {
		t.Errorf("names() = %q, want %q", got, want)
	}
	d.LaidOut("the list", nil)
	buttons := evaluate[[]string](d, `Array.from(`+widget("list")+`.querySelectorAll("tbody button")).map(b => b.getAttribute("aria-label"))`)
	for i, name := range names {
		if want := "Details: " + name; buttons[i] != want && !strings.Contains(name, "<") && !strings.Contains(name, "__") {
			t.Errorf("the button of %s is called %q, want %q", name, buttons[i], want)
		}
	}
	d.details(names[0])
	d.State("active")
	d.WaitText("Token Status of " + names[0])
	for _, width := range []int64{paneltest.Phone, 768, paneltest.Desktop} { // a word of a hundred letters breaks on the narrowest
		d.LaidOutAt(width, "the details", nil)
	}
	d.fits()
	if got := evaluate[int](d, frame+`.querySelectorAll("img").length`); got != 0 {
		t.Errorf("%d pictures from a name, want none", got)
	}
}

// TestTenants_FailureLeavesNoNumbers: the numbers at the filters are of what is listed, or of nothing.
func TestTenants_FailureLeavesNoNumbers(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	d := openAsProvider(t, p, provider)
	d.WaitText("✓ All: 3")
	p.change(func(p *platform) { p.refuse["tenants"] = fail(failure.InternalError) })
	d.Press("Expiring Soon: 1")
	d.WaitText("The list can't be read at the moment.")
	d.Wait(widget("count-all") + `.innerText === "All" && ` + widget("count-expiring") + `.innerText === "✓ Expiring Soon"`)
	p.change(func(p *platform) { delete(p.refuse, "tenants") })
	d.Press("Reload")
	d.WaitText("✓ Expiring Soon: 1")
	d.WaitText("All: 3")
}

// TestTenants_PageThatIsGone: the tenants of the last page are removed meanwhile, and are still in the connector's numbers.
func TestTenants_PageThatIsGone(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.list = manyTenants(101)
	d := openAsProvider(t, p, provider)
	d.WaitText("Shown: 1–50 of 101")
	p.change(func(p *platform) { p.list[100]["removed"] = true })
	d.Press("Next Page")
	d.WaitText("Shown: 51–100 of 101")
	d.Press("Next Page")
	d.waitCalls("tenants", 4) // the third page, which is empty, and the second one again
	d.WaitText("Shown: 51–100 of 101")
	d.Wait(`!` + widget("next") + `.disabled`)
	if got := p.called("tenants"); got != 4 {
		t.Errorf("called(tenants) = %d, want 4", got)
	}
}

// TestTenants_KeepTheFocus: a button that goes away, or can't be pressed any more, passes the focus to the one beside it, and one that
// is drawn anew gets it back.
func TestTenants_KeepTheFocus(t *testing.T) {
	t.Parallel()
	inPanels(t, provider, providerClassic, func(t *testing.T, location string) {
		p := newPlatform(t)
		p.apps = append(p.apps, json.RawMessage(`{"aps":{"id":"`+otherAppID+`","type":"`+appType+`"}}`))
		p.list = append(manyTenants(120), someTenants()[0])
		d := openAsProvider(t, p, location)
		d.WaitText("Shown: 1–50 of 121")
		next, previous, all := widget("next"), widget("previous"), widget("count-all")
		for _, step := range []struct{ press, shown, focused string }{
			{next, "51–100", next}, {next, "101–121", previous}, {previous, "51–100", previous}, {previous, "1–50", next},
		} {
			d.tabTo(step.press)
			d.keys(kb.Enter)
			d.WaitText("Shown: " + step.shown + " of 121")
			d.focused(step.focused)
		}

		d.tabTo(widget("count-expiring"))
		d.keys(kb.Enter)
		d.WaitText("✓ Expiring Soon: 1")
		d.focused(widget("count-expiring"))
		p.change(func(p *platform) { p.list = manyTenants(120) })
		d.keys(kb.Enter)
		d.Wait(widget("count-expiring") + `.offsetParent === null`)
		d.focused(all)

		other := widget("instances") + `.querySelector("tbody button")`
		d.tabTo(other)
		before := evaluate[int](d, answersTo("tenants"))
		d.comeBack()
		d.answered("tenants", before+2)
		d.focused(other)
		d.keys(kb.Enter)
		d.WaitText("✓ All: 1")
		d.focused(all)
	})
}
