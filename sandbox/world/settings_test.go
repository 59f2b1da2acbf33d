package world_test

import (
	"strings"
	"testing"

	"azure-partner-connector/connector/client"
	"azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/panel/paneltest"
	"azure-partner-connector/sandbox/world"
)

const ownApplication = "0a9d0b0c-0000-4000-8000-000000000a9d"

// TestPanel_Settings changes the settings of Rita's tenant and checks their effect.
func TestPanel_Settings(t *testing.T) {
	inBothPanels(t, func(t *testing.T, d ritasPanel) {
		root := d.root()
		if err := d.Platform.Configure(t.Context(), "", root, map[string]any{"tenantApplication": true}); err != nil {
			t.Fatalf("Configure() = %v", err)
		}
		check(t, d.Microsoft.AddApplication(microsoft.Application{
			ID: ownApplication, Name: "Alpine's own", Publisher: "Alpine Cloud", DirectoryID: world.AlpineDirectory,
			Secrets: []microsoft.Secret{{Value: "alpine~secret"}}, RedirectURIs: []microsoft.RedirectURI{{URI: d.OnboardingURL + "/callback"}},
		}))
		_, err := d.AddClient(t.Context(), "reports", client.Scopes{
			Tenants: []string{d.tenant()}, APIs: []string{"graph"}, Directories: []string{"partner"}, Operations: []client.Operation{client.Lend},
		})
		check(t, err)
		d.Press("More")
		d.Press("Settings")
		d.WaitText("Your Own Application")
		d.Wait(paneltest.Field("directory") + `.value === "alpine.onmicrosoft.com"`)
		d.WaitText("API Client") // of the token API, which may get access tokens
		d.WaitText("reports")
		d.WaitText("Never")

		save := func(text string) {
			t.Helper()
			d.Click(paneltest.Document, "Save")
			d.WaitText(text)
			d.Wait(`document.getElementById("loading").hidden`)
		}
		d.Enter("directory", "nowhere.onmicrosoft.com")
		save("Microsoft doesn't know a directory named nowhere.onmicrosoft.com.")
		d.checkKept("directory", "alpine.onmicrosoft.com")
		d.Enter("directory", "baltic.onmicrosoft.com") // another reseller's, which nobody learns by naming it
		save("The settings have been saved.")
		d.checkKept("directory", "baltic.onmicrosoft.com")
		d.Click(paneltest.Document, "Close")
		d.opened("Manage Refresh Token")
		d.Press("More")
		d.Press("Settings")
		d.opened("Settings")
		d.WaitText("Your Own Application")
		d.Wait(paneltest.Field("directory") + `.value === "baltic.onmicrosoft.com"`)

		d.Enter("directory", world.AlpineDirectory)
		d.Enter("applicationId", ownApplication)
		d.Enter("applicationSecret", "another~secret")
		d.Press("Test Credentials")
		d.WaitText("Microsoft doesn't accept the client secret.")
		d.Enter("applicationSecret", "alpine~secret")
		d.Press("Test Credentials")
		d.WaitText("Client secret: Microsoft accepted it.")
		d.checkKept("applicationId", "")
		d.Enter("applicationSecretEnd", "2027-11-23")
		save("The settings have been saved.")
		d.checkKept("applicationId", ownApplication)
		d.checkKept("applicationSecret", "")
		if got := d.Value("applicationSecret"); got != "" {
			t.Error("the field still contains the secret, want it empty")
		}
		d.Click(paneltest.Document, "Close")
		d.opened("Manage Refresh Token")
		d.details()
		d.WaitText(ownApplication)
		d.consent()
		d.again("active")
		d.details()
		if got := d.Text(); !strings.Contains(got, "Nov 23, 2027") || strings.Contains(got, "alpine~secret") {
			t.Errorf("Text() = %q, want the expiry of the secret and nothing of its value", got)
		}
	})
}

// details unfolds the details of the status, unless they are: in UX1, a screen keeps what it shows while it is hidden.
func (d ritasPanel) details() {
	d.Helper()
	d.Wait(`(list => list && (list.open = true))(Array.from(` + paneltest.Frame + `.querySelectorAll("details")).find(l => l.firstChild.textContent === "Details"))`)
}

// opened waits until a screen is open and has read its data: in UX1, it keeps what it shows while it is hidden.
func (d ritasPanel) opened(title string) {
	d.Helper()
	d.Wait(`document.getElementById("title").textContent === "` + title + `"`)
	d.WaitLoaded()
}

// checkKept checks a property of Rita's tenant on the platform.
func (d ritasPanel) checkKept(name, want string) {
	d.Helper()
	resource, _ := d.Platform.Resource(d.tenant())
	if got := resource[name]; got != want {
		d.Errorf("%s = %v on the platform, want %q", name, got, want)
	}
}

// TestPanel_HomeTile opens the screen from the tile on the home page.
func TestPanel_HomeTile(t *testing.T) {
	s := newScenario(t)
	s.visit(s.freshSignIn())
	d := ritasPanel{s, paneltest.LogIn(t, s.PanelURL, "#/ux1/en_US", "Rita Reseller"), true}
	const home = `document.querySelector("#home iframe.dashboard").contentDocument`
	d.Wait(home + `.body.innerText.includes("Active")`)
	d.Click(home, "Manage Refresh Token")
	d.WaitLoaded()
	d.State("active")
}
