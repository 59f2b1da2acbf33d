package panel_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/sandbox/panel/paneltest"
)

const (
	settings        = "#/ux1/en_US/" + packageID + "/settings"
	settingsClassic = "#/classic/en_US/" + packageID + "/settings-classic"
	ownApplication  = "3f0c8d52-9b7a-4f0e-a1c2-7d6e5f4a3b21"
)

// allowOwn lets resellers use an application of their own.
func allowOwn(p *platform) { p.status["tenantApplication"] = true }

// inBothPanels runs a test in UX1 and in the classic panel, each with a platform of its own that prepare, if there is one, has
// changed.
func inBothPanels(t *testing.T, inUX1, inClassic string, prepare func(*platform), test func(t *testing.T, p *platform, d *driver)) {
	t.Helper()
	for name, location := range map[string]string{"UX1": inUX1, "classic": inClassic} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			if prepare != nil {
				p.change(prepare)
			}
			test(t, p, open(t, p, location))
		})
	}
}

// wrong waits until a field is invalid and its description says why.
func (d *driver) wrong(name, why string) {
	d.T.Helper()
	field := paneltest.Field(name)
	d.Wait(field + `.getAttribute("aria-invalid") === "true" && ` + frame + `.getElementById(` + field + `.getAttribute("aria-describedby")).innerText.includes(` + strconv.Quote(why) + `)`)
}

func (d *driver) save() {
	d.T.Helper()
	d.Click(paneltest.Document, "Save")
}

func TestSettings_Directory(t *testing.T) {
	t.Parallel()
	inBothPanels(t, ux1, classic, nil, func(t *testing.T, p *platform, d *driver) {
		d.State("active")
		d.Press("More")
		d.Press("Settings")
		d.Wait(paneltest.Field("directory") + `.value === "contoso-partner.onmicrosoft.com"`)
		d.Wait(`document.getElementById("loading").hidden`)
		d.WaitText("Your provider's application is used.")
		d.WaitText(ownApplication)
		if got := d.Text(); strings.Contains(got, "Your Own Application") {
			t.Errorf("Text() = %q, want no own application", got)
		}

		d.Enter("directory", " ")
		d.Enter("noticeRecipients", "ada@contoso.example, it")
		d.Enter("noticeLanguage", "sv")
		d.save()
		d.wrong("directory", "Enter the directory (tenant) ID or its onmicrosoft.com domain.")
		d.wrong("noticeRecipients", "This isn't an email address: it")
		d.wrong("noticeLanguage", "Enter de, en, es, fr, it, ja, nl, pt or ru, or leave the field empty.")
		d.Enter("noticeLanguage", "DE")
		d.Enter("noticeRecipients", "a@c.example b@c.example c@c.example d@c.example e@c.example f@c.example")
		d.save()
		d.wrong("noticeRecipients", "Enter no more than five email addresses.")
		d.Enter("noticeRecipients", "ada@contoso.example, it@contoso.example")
		p.change(func(p *platform) {
			p.refuse["save"] = fail(failure.DirectoryUnknown, "directory", "contoso.example")
		})
		d.Enter("directory", "contoso.example")
		d.save()
		d.wrong("directory", "Microsoft doesn't know a directory named contoso.example. Check the directory (tenant) ID or domain")
		p.change(func(p *platform) { p.refuse["save"] = fail(failure.RecipientsInvalid, "most", "5") })
		d.save()
		d.wrong("noticeRecipients", "A recipient of notices isn't an email address, or there are more than 5. Enter email addresses")
		d.Wait(frame + `.activeElement === ` + paneltest.Field("noticeRecipients"))
		p.change(func(p *platform) { delete(p.refuse, "save") })
		d.save()
		d.WaitText("The settings have been saved.")
		want := object{
			"aps": map[string]any{"id": tenantID, "type": tenantType}, "directory": "contoso.example",
			"noticeRecipients": []any{"ada@contoso.example", "it@contoso.example"}, "noticeLanguage": "de",
		}
		if diff := cmp.Diff(want, p.saved); diff != "" {
			t.Errorf("what was saved (-want +got):\n%s", diff)
		}
		if got := evaluate[bool](d, paneltest.Field("directory")+`.hasAttribute("aria-invalid")`); got {
			t.Error("the field is still marked as wrong")
		}
		if got := d.Value("noticeRecipients"); got != "ada@contoso.example\nit@contoso.example" {
			t.Errorf("Value(noticeRecipients) = %q, want an address a line", got)
		}
		d.Click(paneltest.Document, "Close")
		d.State("active")
	})
}

// TestSettings_OwnApplication has a tenant of version 1 of the package, which knows no notices.
func TestSettings_OwnApplication(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	allowOwn(p)
	earlierType := strings.Replace(tenantType, "2.0", "1.0", 1)
	p.tenant["aps"] = object{"id": tenantID, "type": earlierType}
	d := open(t, p, settings)
	d.WaitText("Your Own Application")
	for _, name := range []string{"applicationSecret", "nextApplicationSecret"} {
		if got := evaluate[string](d, paneltest.Field(name)+`.type + " " + `+paneltest.Field(name)+`.autocomplete`); got != "password new-password" {
			t.Errorf("field %s is %q, want a password that is not remembered", name, got)
		}
	}

	if got := d.Text(); strings.Contains(got, "Recipients of notices") {
		t.Errorf("Text() = %q, want no notices", got)
	}

	d.Enter("applicationSecret", ownApplication)
	d.save()
	d.wrong("applicationId", "Enter the ID of the application to which the credentials belong.")
	d.wrong("applicationSecret", "This is the ID of a secret.")
	d.Enter("applicationId", "my application")
	d.Enter("applicationSecretEnd", "11") // a month
	d.save()
	d.wrong("applicationId", "looks like 00000000-0000-0000-0000-000000000000")
	d.wrong("applicationSecretEnd", "Enter a date such as 2027-11-23.")
	d.Enter("applicationId", ownApplication)
	d.Enter("applicationSecret", " ")
	d.Enter("applicationSecretEnd", "2027-11-23")
	d.save()
	d.wrong("applicationSecret", "Enter a client secret or a certificate of the new application.")
	if got := p.called("save"); got != 0 {
		t.Fatalf("called(save) with something wrong = %d, want 0", got)
	}

	d.Enter("applicationSecret", "a~secret.value")
	d.save()
	d.WaitText("The settings have been saved.")
	want := object{
		"aps": map[string]any{"id": tenantID, "type": earlierType}, "directory": "contoso-partner.onmicrosoft.com", "applicationId": ownApplication,
		"applicationSecret": "a~secret.value", "applicationSecretEnd": "2027-11-23", "nextApplicationSecretEnd": "",
	}
	if diff := cmp.Diff(want, p.saved); diff != "" {
		t.Errorf("what was saved (-want +got):\n%s", diff)
	}
	d.Wait(paneltest.Field("applicationSecret") + `.value === "" && ` + paneltest.Field("applicationId") + `.value === "` + ownApplication + `"`)

	d.save() // empty secrets keep what is stored
	d.Until("a second saving", func() bool { return p.called("save") == 2 })
	d.Wait(`document.getElementById("loading").hidden`)
	if _, sent := p.saved["applicationSecret"]; sent {
		t.Error("an empty secret was sent, want none")
	}
	p.change(func(p *platform) { p.refuse["save"] = fail(failure.CertificateMismatch) })
	d.Enter("applicationCertificate", "-----BEGIN CERTIFICATE-----")
	d.save()
	d.wrong("applicationCertificate", "The private key doesn't belong to the certificate.")
	p.change(func(p *platform) { p.refuse["save"] = fail(failure.Forbidden) })
	d.save()
	d.Wait(frame + `.querySelector(".aps-message-error").innerText.includes("This account isn't allowed to do that here.")`)
}

// TestSettings_RemoveCredential removes each credential after a question, and leaves what is being entered alone.
func TestSettings_RemoveCredential(t *testing.T) {
	t.Parallel()
	inBothPanels(t, settings, settingsClassic, allowOwn, func(t *testing.T, p *platform, d *driver) {
		d.WaitText("Your Own Application")
		d.Wait(widget("applicationSecretRemove") + `.disabled`) // nothing is stored
		p.change(func(p *platform) {
			p.tenant["applicationId"], p.tenant["applicationSecretEnd"], p.tenant["applicationCertificateEnd"] = ownApplication, "2027-11-23", "2027-10-01"
		})
		d.Click(paneltest.Document, "Close")
		d.State("active")
		d.Press("More")
		d.Press("Settings")
		d.Wait(paneltest.Field("applicationSecretEnd") + `.value === "2027-11-23"`)
		d.Enter("directory", "half.example")

		d.Press("Remove Client Secret")
		d.WaitText("Nothing changes at Microsoft.")
		d.Press("Cancel")
		d.Wait(frame + `.querySelector("dialog") === null`)
		if got := p.called("removeCredential"); got != 0 {
			t.Errorf("called(removeCredential) after Cancel = %d, want 0", got)
		}
		p.change(func(p *platform) { p.refuse["removeCredential"] = fail(failure.Forbidden) })
		remove := func(label string) {
			d.Press(label)
			d.Wait(frame + `.querySelector("dialog") !== null`)
			d.Press(label)
		}
		beside := func(button, result, text string) {
			t.Helper()
			d.Wait(widget(result) + `.innerText.includes(` + strconv.Quote(text) + `)`)
			if got := evaluate[float64](d, widget(result)+`.getBoundingClientRect().top - `+widget(button)+`.getBoundingClientRect().bottom`); got < 0 || got > 60 {
				t.Errorf("%q stands %v px below the button, want it beside", text, got)
			}
		}
		remove("Remove Client Secret")
		beside("applicationSecretRemove", "applicationSecretRemoved", "This account isn't allowed to do that here.")
		p.change(func(p *platform) { delete(p.refuse, "removeCredential") })
		remove("Remove Client Secret")
		d.Wait(paneltest.Field("applicationSecretEnd") + `.value === ""`)
		beside("applicationSecretRemove", "applicationSecretRemoved", "The credential has been removed.")
		if got := d.Value("directory"); got != "half.example" {
			t.Errorf("Value(directory) = %q, want what was entered", got)
		}
		remove("Remove Certificate")
		d.WaitText("Certificate expires")
		d.Until("the second removal", func() bool { return p.called("removeCredential") == 3 })
		remove("Remove Next Client Secret")
		d.Until("the third removal", func() bool { return p.called("removeCredential") == 4 })
		p.mu.Lock()
		defer p.mu.Unlock()
		if diff := cmp.Diff([]string{"applicationSecret", "applicationCertificate", "nextApplicationSecret"}, p.removed); diff != "" {
			t.Errorf("what was removed (-want +got):\n%s", diff)
		}
	})
}

// TestSettings_TellWhoMayBorrow: an application is shown by the name that the provider gave, or by its ID, and the clients of the
// token API below, by their names, with a text of their own.
func TestSettings_TellWhoMayBorrow(t *testing.T) {
	t.Parallel()
	inBothPanels(t, settings, settingsClassic, nil, func(t *testing.T, p *platform, d *driver) {
		cells := func(list string) string {
			return `Array.from(` + widget(list) + `.querySelectorAll("tbody tr")).map(row => Array.from(row.cells).map(cell => cell.innerText.trim()).join("|")).join("; ")`
		}
		d.Wait(cells("borrowers") + ` === "Azure CSP (NCE)|Partner Center, Microsoft Graph|Partner directory, Customer directories; e1000000-0000-4000-8000-000000000001|Azure Resource Manager|Partner directory"`)
		d.Wait(cells("clients") + ` === "billing|Access tokens, Forwarded calls|Microsoft Graph, Azure Resource Manager|Customer directories|Nov 23, 2026, 11:00 AM UTC; ` +
			`idle|Forwarded calls|Azure Resource Manager|Partner directory|Never; reports|Access tokens|Microsoft Graph|Partner directory|Not shown (shared with other resellers)"`)
		if got := evaluate[float64](d, widget("clientsText")+`.getBoundingClientRect().top - `+widget("borrowers")+`.getBoundingClientRect().bottom`); got < 14 || got > 40 {
			t.Errorf("the text about the clients is %v px below the table of the applications, want it apart like other paragraphs", got)
		}
		reopen := func() {
			d.Click(paneltest.Document, "Close")
			d.State("active")
			d.Press("More")
			d.Press("Settings")
		}
		p.change(func(p *platform) { p.status["borrowers"], p.clients = []object{}, []object{} })
		reopen()
		d.WaitText("No application on this platform may get access tokens.")
		d.Wait(widget("clients") + `.offsetParent === null && ` + widget("clientsText") + `.offsetParent === null`)
		p.change(func(p *platform) { // an earlier package
			delete(p.status, "borrowers")
			p.clients = nil
		})
		reopen()
		d.Wait(widget("borrowersPanel") + `.offsetParent === null && ` + widget("providerPanel") + `.offsetParent !== null`)
	})
}

// TestSettings_TestCredentials tries credentials at Microsoft before they are saved. What it finds stands beside the button.
func TestSettings_TestCredentials(t *testing.T) {
	t.Parallel()
	inBothPanels(t, settings, settingsClassic, allowOwn, func(t *testing.T, p *platform, d *driver) {
		d.WaitText("Your Own Application")
		d.Press("Test Credentials")
		d.wrong("applicationId", "Enter the ID of the application to which the credentials belong.")
		d.Enter("noticeRecipients", "office") // which Microsoft is not asked about
		d.Enter("applicationId", ownApplication)
		d.Enter("applicationSecret", "right")
		d.Enter("nextApplicationSecret", "wrong")
		d.Press("Test Credentials")
		d.Wait(widget("testResult") + `.innerText === "Client secret: Microsoft accepted it. Next client secret: Microsoft doesn't accept the client secret. ` +
			`Enter the value of a valid client secret of the app registration. A new one may take a few minutes to work. Microsoft's code: 7000215. Reference: R7W2-KD5M."`)
		d.Wait(frame + `.activeElement.innerText === "Test Credentials"`)
		if got := evaluate[float64](d, widget("testResult")+`.getBoundingClientRect().top - `+widget("test")+`.getBoundingClientRect().bottom`); got < 0 || got > 60 {
			t.Errorf("the result is %v px below its button, want it beside", got)
		}
		want := []map[string]string{{
			"directory": "contoso-partner.onmicrosoft.com", "applicationId": ownApplication, "applicationSecret": "right", "nextApplicationSecret": "wrong",
		}}
		if diff := cmp.Diff(want, p.tested); diff != "" || p.called("save") != 0 {
			t.Errorf("what was tested (-want +got), with %d savings:\n%s", p.called("save"), diff)
		}
		if got := d.Value("applicationSecret"); got != "right" {
			t.Error("what was entered is gone, want it kept")
		}

		p.change(func(p *platform) {
			p.refuse["testCredentials"] = fail(failure.DirectoryUnknown, "directory", "contoso.example")
		})
		d.Enter("directory", "contoso.example")
		d.Wait(widget("testResult") + `.innerText === ""`)
		d.Press("Test Credentials")
		d.wrong("directory", "Microsoft doesn't know a directory named contoso.example.")
		p.change(func(p *platform) { p.refuse["testCredentials"] = fail(failure.MicrosoftUnavailable) })
		d.Press("Test Credentials")
		d.Wait(widget("testResult") + `.innerText.includes("Nothing was changed. Start again in a few minutes.")`)
	})
}

func TestSettings_ForgetUnsavedInput(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	allowOwn(p)
	d := open(t, p, settings)
	d.WaitText("Your Own Application")
	d.Enter("directory", "typo.example")
	d.Enter("applicationSecret", "half a secret")
	evaluate[bool](d, `panelHost.notify(), true`)
	if got := d.Value("directory"); got != "typo.example" {
		t.Errorf("Value(directory) after a notification = %q, want what was entered", got)
	}
	d.Click(paneltest.Document, "Close")
	d.WaitText("What you entered has not been saved.")
	d.Press("Keep Editing")
	d.Wait(`document.getElementById("loading").hidden && ` + frame + `.querySelector("dialog") === null`)
	if got := d.Value("applicationSecret"); got != "half a secret" {
		t.Error("what was entered is gone, want it kept")
	}
	d.Click(paneltest.Document, "Close")
	d.Press("Discard Changes")
	d.State("active")
	d.Press("More")
	d.Press("Settings")
	d.Wait(paneltest.Field("directory") + `.value === "contoso-partner.onmicrosoft.com"`)
	if got := d.Value("applicationSecret"); got != "" {
		t.Error("the secret is still in its field, want it gone")
	}
}

// TestSettings_KeepInputOfWhoLeavesByTheMenu: the panel's menu asks no screen. Secrets are not kept.
func TestSettings_KeepInputOfWhoLeavesByTheMenu(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	allowOwn(p)
	d := open(t, p, settings)
	asks := func() bool { // the browser, before it leaves the page
		return evaluate[bool](d, `(w => { const e = new w.Event("beforeunload", { cancelable: true }); w.dispatchEvent(e); return e.defaultPrevented; })(`+frame+`.defaultView)`)
	}
	d.WaitText("Your Own Application")
	if asks() {
		t.Error("a screen in which nothing was entered asks before the page is left")
	}
	d.Enter("directory", "typo.example")
	d.Enter("applicationSecret", "half a secret")
	if !asks() {
		t.Error("a screen with input that was not saved does not ask before the page is left")
	}
	d.Click(`document.getElementById("menu")`, "Manage Refresh Token")
	d.State("active")
	if asks() {
		t.Error("another screen asks before the page is left")
	}
	d.Press("More")
	d.Press("Settings")
	d.WaitText("What you entered earlier is here again, except secrets and certificates. It has not been saved.")
	if directory, secret := d.Value("directory"), d.Value("applicationSecret"); directory != "typo.example" || secret != "" {
		t.Errorf("the directory is %q, and the secret has %d characters, want what was entered, without the secret", directory, len(secret))
	}
	d.Click(paneltest.Document, "Close")
	d.WaitText("What you entered has not been saved.")
	d.Press("Discard Changes")
	d.State("active")
	d.Press("More")
	d.Press("Settings")
	d.Wait(paneltest.Field("directory") + `.value === "contoso-partner.onmicrosoft.com"`)
}

// TestClassic_GoesOnAfterBack: a browser may keep a page that a person leaves, and show it again as it was.
func TestClassic_GoesOnAfterBack(t *testing.T) {
	t.Parallel()
	back := func(d *driver) {
		d.T.Helper()
		for _, event := range []string{"pagehide", "pageshow"} {
			evaluate[bool](d, `(w => w.dispatchEvent(new w.PageTransitionEvent("`+event+`", { persisted: true })))(`+frame+`.defaultView)`)
		}
	}
	p := newPlatform(t)
	d := open(t, p, classic)
	d.State("active")
	p.change(func(p *platform) { p.status = absentStatus() })
	back(d)
	d.State("absent")

	d = open(t, p, settingsClassic)
	d.Wait(paneltest.Field("directory") + `.value !== ""`)
	back(d)
	d.waitCalls("read", 2)
	d.Wait(paneltest.Field("directory") + `.offsetParent !== null`)
	d.Enter("directory", "contoso.example")
	d.save()
	d.WaitText("The settings have been saved.")
	if got := p.saved["directory"]; got != "contoso.example" {
		t.Errorf("the saved directory is %v, want contoso.example", got)
	}
}

// TestSettings_AskForNothingBeforeTheyAreRead: what was entered before would be overwritten, or could not be saved.
func TestSettings_AskForNothingBeforeTheyAreRead(t *testing.T) {
	t.Parallel()
	inPanels(t, settings, settingsClassic, func(t *testing.T, location string) {
		p := newPlatform(t)
		allowOwn(p)
		held := make(chan struct{})
		p.held = map[string]chan struct{}{"read": held}
		d := logIn(t, p, location)
		d.waitCalls("read", 1)
		d.WaitText("Who May Get Access Tokens") // the status is there
		fields := `Array.from(` + frame + `.querySelectorAll("input, textarea")).filter(f => f.offsetParent !== null).length`
		if got := evaluate[int](d, fields); got != 0 {
			t.Errorf("%d fields are shown before the settings are read, want none", got)
		}
		p.change(func(p *platform) { p.refuse["read"] = fail(failure.InternalError) })
		close(held)
		d.WaitText("Reference: R7W2-KD5M.")
		d.Wait(`document.getElementById("loading").hidden`)
		d.save()
		d.Wait(`document.getElementById("loading").hidden`)
		d.WaitText("Reference: R7W2-KD5M.")
		if got := evaluate[int](d, fields); got != 0 {
			t.Errorf("%d fields are shown though the settings can't be read, want none", got)
		}

		p.change(func(p *platform) { delete(p.refuse, "read") })
		d.Click(paneltest.Document, "Close")
		d.State("active")
		d.Press("More")
		d.Press("Settings")
		d.Wait(paneltest.Field("directory") + `.value === "contoso-partner.onmicrosoft.com"`)
		d.WaitText("Your Own Application")
	})
}

func TestSettings_NotInTheMenu(t *testing.T) {
	t.Parallel()
	d := logIn(t, newPlatform(t), "")
	d.Wait(`!document.getElementById("home").hidden`)
	for _, part := range []string{"menu", "home"} {
		if got := evaluate[string](d, `document.getElementById("`+part+`").innerText`); strings.Contains(got, "Settings") {
			t.Errorf("%s = %q, want no settings", part, got)
		}
	}
}
