package dojotest_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/panel/dojotest"
	"azure-partner-connector/sandbox/panel/paneltest"
	"azure-partner-connector/sandbox/platform"
	"azure-partner-connector/sandbox/world"
)

const ownApplication = "0a9d0b0c-0000-4000-8000-000000000a9d"

func TestSettings_OwnApplication(t *testing.T) {
	t.Parallel()
	inBothPanels(t, rita, func(d session) {
		installed, err := d.World.Register(d.T.Context(), nil)
		check(d.T, err)
		check(d.T, d.World.Platform.Configure(d.T.Context(), "", installed.RootID, map[string]any{"tenantApplication": true}))
		check(d.T, d.World.Microsoft.AddApplication(microsoft.Application{
			ID: ownApplication, Name: "Alpine's own", Publisher: "Alpine Cloud", DirectoryID: world.AlpineDirectory,
			Secrets: []microsoft.Secret{{Value: "alpine~secret"}}, RedirectURIs: []microsoft.RedirectURI{{URI: d.World.OnboardingURL + "/callback"}},
		}))
		d.open(tokenScreen)
		d.state("absent")
		d.Press("More")
		d.Press("Settings")
		d.WaitText("Your Own Application")
		d.Wait(widget("directory") + `.get("value") === "alpine.onmicrosoft.com"`)
		for _, name := range []string{"applicationSecret", "nextApplicationSecret"} {
			if got := paneltest.Evaluate[string](d.Driver, widget(name)+`.focusNode.type`); got != "password" {
				d.T.Errorf("the type of the field %s = %q, want password", name, got)
			}
		}
		if got := paneltest.Evaluate[bool](d.Driver, widget("applicationCertificate")+`.focusNode.spellcheck`); got {
			d.T.Error("the browser checks the spelling of the certificate, want it not to")
		}

		d.enter("directory", " ")
		d.Click(paneltest.Document, "Save")
		d.wrong("directory", "Enter the directory (tenant) ID or its onmicrosoft.com domain.")
		d.focused("directory")
		d.enter("directory", "nowhere.onmicrosoft.com")
		d.Click(paneltest.Document, "Save")
		d.wrong("directory", "Microsoft doesn't know a directory named nowhere.onmicrosoft.com.")
		d.enter("directory", world.AlpineDirectory)
		d.enter("noticeRecipients", "office@alpine.example it@alpine.example")
		d.enter("noticeLanguage", "de")
		d.enter("applicationId", ownApplication)
		d.enter("applicationSecret", "alpine~secret")
		d.enter("applicationSecretEnd", "2027-11-23")
		d.Click(paneltest.Document, "Save")
		d.WaitText("The settings have been saved.")
		d.Wait(`document.getElementById("loading").hidden`)
		if got := d.value("applicationSecret"); got != "" {
			d.T.Error("the secret is still in its field, want it gone")
		}
		kept, _ := d.World.Platform.Resource(d.World.TenantOf(world.Rita).ID)
		if kept["applicationId"] != ownApplication || kept["applicationSecretEnd"] != "2027-11-23" {
			d.T.Errorf("the platform has %v, want the new application", kept)
		}
		if got := fmt.Sprintf("%v %v", kept["noticeRecipients"], kept["noticeLanguage"]); got != "[office@alpine.example it@alpine.example] de" {
			d.T.Errorf("the platform has the notices %s, want what was entered", got)
		}
		d.Click(paneltest.Document, "Close")
		d.WaitLoaded()
		d.Press("Details")
		d.WaitText(ownApplication)
	})
}

// markup is the name of a malicious reseller.
const markup = "<img src=x>"

func TestTenants_ListAndDetails(t *testing.T) {
	t.Parallel()
	inBothPanels(t, petra, func(d session) {
		d.granted()
		mallory, err := d.World.Platform.AddAccount(platform.Account{Name: markup})
		check(d.T, err)
		_, err = d.World.Platform.CreateTenant(d.T.Context(), mallory.ID, map[string]any{"directory": world.CoralDirectory})
		check(d.T, err)
		d.open("Refresh Tokens")
		rows := widget("list") + `.domNode.querySelectorAll("tbody tr")`
		row := func(name string) string {
			return `Array.from(` + rows + `).find(r => r.innerText.includes(` + strconv.Quote(name) + `))`
		}
		// names waits until the list has these resellers in this order, with any others between them.
		names := func(want ...string) {
			d.Helper()
			list, err := json.Marshal(want)
			check(d.T, err)
			d.Wait(`(want => Array.from(` + rows + `).map(r => r.firstChild.innerText.trim()).filter(n => want.includes(n)).join() === want.join())(` + string(list) + `)`)
		}
		names(markup, "Baltic IT", "Alpine Cloud") // the most urgent first
		d.Wait(row("Baltic IT") + `.innerText.includes("No Token")`)
		d.Wait(row("Alpine Cloud") + `.innerText.includes("Active")`)
		d.enter("search", "alpine cl")
		d.WaitText("Shown: 1–1 of 1")
		d.Press("Active: 1")
		d.Wait(widget("count-active") + `.focusNode.getAttribute("aria-pressed") === "true" || ` + widget("count-active") + `.domNode.getAttribute("aria-pressed") === "true"`)
		d.Press("✓ Active: 1")
		d.enter("search", "")
		names(markup, "Baltic IT", "Alpine Cloud")

		d.Click(row("Alpine Cloud"), "Details")
		d.state("active")
		d.WaitText("Token Status of Alpine Cloud")
		d.focused("close")
		d.Press("Renew Now")
		d.WaitText("The refresh token has been renewed.")
		d.WaitText("Petra Provider")
		d.Press("Copy Support Summary")
		d.Wait(widget("summary") + `.get("value").includes("Reseller: Alpine Cloud")`)
		d.Press("Customers")
		d.WaitText("Fjord Foods")
		d.Press("Back to the List")
		d.Wait(`!` + widget("detail") + `.get("visible")`)
		d.Wait(row("Alpine Cloud") + `.contains(` + paneltest.Frame + `.activeElement)`)

		d.Click(row(markup), "Details")
		d.WaitText("Token Status of ‹img src=x>")
		if got := paneltest.Evaluate[int](d.Driver, paneltest.Frame+`.querySelectorAll("img").length`); got != 0 {
			d.T.Errorf("%d pictures, want none: names are no markup", got)
		}
	})
}

// TestCustomers_ConsentAndRemove lists the customers that the simulated Microsoft has, searches among them, consents for all, and
// removes a consent.
func TestCustomers_ConsentAndRemove(t *testing.T) {
	t.Parallel()
	inBothPanels(t, rita, func(d session) {
		d.open("Customers")
		d.WaitText("The list can't be read at the moment.") // there is no token yet
		d.granted()
		d.Press("Reload")
		row := `Array.from(` + widget("list") + `.domNode.querySelectorAll("tbody tr")).find(r => r.innerText.includes("Fjord Foods"))`
		shows := func(text string) {
			d.Helper()
			d.Wait(`(r => Boolean(r) && r.innerText.includes(` + strconv.Quote(text) + `))(` + row + `)`)
		}
		shows("Consent Unknown")
		d.WaitText("The provider doesn't allow access tokens for customers (customerDirectories).")
		d.enter("search", "nobody")
		d.WaitText("Shown: 0 of 1")
		d.enter("search", "fjord")
		shows(world.FjordDomain)

		d.Press("Consent for All")
		d.waitDialog("one after the other: 1.")
		d.Do(chromedp.KeyEvent(kb.Enter))
		d.WaitText("Consents granted: 1 of 1. Failed: 0.")
		shows("Ready")
		d.Click(row, "Remove")
		d.waitDialog("The application loses its consent in the directory of Fjord Foods.")
		d.Do(chromedp.KeyEvent(kb.Enter))
		d.WaitText("The consent for Fjord Foods has been removed.")
		shows("Consent Unknown")
		check(d.T, d.World.Set("relationship", true))
		d.Click(row, "Consent")
		d.Wait(paneltest.Frame + `.querySelector(".aps-message-error").innerText.includes("the relationship (GDAP) has ended")`)
		shows("the relationship (GDAP) has ended")
	})
}

func TestTile_German(t *testing.T) {
	t.Parallel()
	w := start(t)
	d := logIn(t, w, dojotest.Config{}, "#/ux1/de_DE", rita)
	const home = `document.querySelector("#home iframe.dashboard").contentDocument`
	d.Wait(home + `.body.innerText.includes("Kein Token gespeichert")`)
	d.Click(home, "Aktualisierungstoken verwalten")
	d.WaitLoaded()
	d.state("absent")
	for _, want := range []string{"Tokenstatus", "Kein Token", "Aktualisierungstoken aktualisieren", "Manuelle Aktualisierung", "Verlauf"} {
		d.WaitText(want)
	}
	if got := paneltest.Evaluate[string](d.Driver, window+`.require("dijit/_ConfirmDialogMixin").prototype.buttonCancel`); got != "Abbrechen" {
		t.Errorf("Dijit's word for Cancel = %q, want German", got)
	}
}

func TestLoader_Synchronous(t *testing.T) {
	t.Parallel()
	d := logIn(t, start(t), dojotest.Config{Sync: true}, "#/ux1/en_US", rita)
	d.granted()
	for _, panel := range []string{"ux1", "classic"} {
		d.openPanel(panel)
		d.open(tokenScreen)
		d.state("active")
		if paneltest.Evaluate[bool](d.Driver, `Boolean(`+window+`.require.async)`) {
			t.Error("require.async = true, want modules loaded one after the other")
		}
		d.Press("More")
		d.Press("Renew Now")
		d.WaitText("The refresh token has been renewed.")
	}
}
