package panel_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/google/go-cmp/cmp"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/sandbox/panel/paneltest"
)

func TestToken_EveryState(t *testing.T) {
	t.Parallel()
	at := func(d time.Duration) string { return noon.Add(d).Format(time.RFC3339) }
	const day = 24 * time.Hour
	s := newTab(t, "ux1", "en_US")
	for name, tc := range map[string]struct {
		status object
		shown  []string
	}{
		"absent":  {absentStatus(), []string{"No Token", "There is no refresh token for this tenant yet.", "Use Update Refresh Token, or send the link", "No token is stored", "No one yet", "Not checked yet", "Step 1: Send the Link"}},
		"active":  {wellStatus(), []string{"Active", "(86 days left)", ": successful", "contoso-partner.onmicrosoft.com (6c9a2a4b", "Ada Novak (ada@contoso-partner.onmicrosoft.com)", "Mara Lind", "Verified", "Reachable (checked", "Valid until Feb 17, 2027; renews automatically on Nov 29, 2026.", "Today: Nov 23, 2026", "Next renewal: Nov 29, 2026"}},
		"pending": {pendingStatus(), []string{"Waiting for the Authentication Code", "Enter Code", "Ada Novak (ada@contoso-partner.onmicrosoft.com) granted the consent on"}},
		"expiring": {
			withStatus(object{"state": "expiring", "expiresAt": at(9*day + time.Hour), "daysLeft": 9, "failure": fail(failure.GrantExpiring, "days", "9")}),
			[]string{"Expiring Soon", "Days left: 9.", "(9 days left)"},
		},
		"last day": {withStatus(object{"state": "expiring", "expiresAt": at(day + time.Hour), "daysLeft": 1}), []string{"(1 day left)"}},
		"renewal_failing": {
			withStatus(object{"state": "renewal_failing", "failure": fail(failure.MicrosoftUnavailable), "lastRenewal": object{"at": at(-time.Hour), "ok": false, "failure": fail(failure.MicrosoftUnavailable)}}),
			[]string{"Renewal Failing", "There's nothing to do. We'll retry automatically.", "failed. Microsoft couldn't be reached"},
		},
		"action_required": {
			withStatus(object{"state": "action_required", "failure": fail(failure.SignInFrequency), "nextRenewalAt": nil, "mfa": "no"}),
			[]string{"Sign-In Needed", "A sign-in frequency policy in the directory ended the session", "None planned", "Not used", "Partner Center: Unknown", "Roles: Unknown"},
		},
		"misconfigured": {
			withStatus(object{"state": "misconfigured", "failure": fail(failure.ClientSecretExpired), "secretEndsAt": at(-day), "apis": []object{{"api": "graph", "works": "no", "checkedAt": at(-day), "failure": fail(failure.APIRefused, "api", "graph")}}}),
			[]string{"Configuration Error", "The client secret has expired.", "Ended on Nov 22, 2026", "The service Microsoft Graph rejected the access token.", "Microsoft Graph: Rejected", "The refresh token itself is valid until Feb 17, 2027."},
		},
		"permissions missing": {partialStatus(), []string{
			"Active", "Microsoft Graph: Permissions missing", "Reachable (checked Nov 22, 2026, 12:00 PM UTC). The consent lacks permissions: PartnerBilling.Read.All, Directory.Read.All.",
			"Additional Services", "partner: Unknown (checked",
			"Certificate (in use): Jun 11, 2027; Next certificate: Nov 23, 2027; Client secret: Ended on Nov 20, 2026; Next client secret: Unknown; Federated token: No end date",
		}},
		"suspended":  {withStatus(object{"state": "suspended", "failure": fail(failure.Suspended)}), []string{"Suspended", "The marketplace has suspended the subscription.", "Ask the provider of the marketplace to resume the subscription."}},
		"state only": {object{"state": "active", "now": noon.Format(time.RFC3339)}, []string{"Active", "You can see its status only."}},
		"expired":    {withStatus(object{"state": "expired", "expiresAt": at(-day), "daysLeft": 0, "failure": fail(failure.GrantExpired)}), []string{"Expired", "Expired on Nov 22, 2026", "because it wasn't renewed for 90 days"}},
	} {
		t.Run(name, func(t *testing.T) {
			on := s.showState(t, state{view: "token", set: status(tc.status), reach: func(s *tab) { s.State(tc.status["state"].(string)) }})
			if tc.status["expiresAt"] != nil || tc.status["apis"] != nil {
				on.Press("Details")
			}
			for _, want := range tc.shown {
				on.WaitText(want)
			}
			// Details say what was true, with its time; nothing else does.
			if broken := []string{"absent", "action_required", "misconfigured", "suspended", "expired"}; slices.Contains(broken, tc.status["state"].(string)) {
				if got := evaluate[int](on.driver, frame+`.querySelectorAll(".aps-status-success").length`); got > 0 {
					t.Errorf("%d chips say what was true before the failure, want none", got)
				}
			}
		})
	}
}

func pendingStatus() object {
	s := absentStatus()
	s["state"] = "pending"
	s["failure"] = local(failure.ClaimWaiting, "username", "ada@contoso-partner.onmicrosoft.com")
	s["pending"] = object{
		"consentedBy": object{"username": "ada@contoso-partner.onmicrosoft.com", "name": "Ada Novak"},
		"consentedAt": noon.Add(-time.Hour).Format(time.RFC3339), "expiresAt": noon.Add(23 * time.Hour).Format(time.RFC3339),
	}
	return s
}

// waitingOf returns the consent of another person than before.
func waitingOf(id, procedure string) object {
	return object{
		"id": id, "procedure": procedure,
		"consentedBy": object{"username": "bob@contoso-partner.onmicrosoft.com", "name": "Bob Kovar"},
		"replaces":    object{"username": "ada@contoso-partner.onmicrosoft.com", "name": "Ada Novak"},
		"consentedAt": noon.Add(-time.Hour).Format(time.RFC3339), "expiresAt": noon.Add(23 * time.Hour).Format(time.RFC3339),
	}
}

// unconfirmedStatus is the status while a consent waits until it is confirmed by its id, as the connector sends it also for
// older screens.
func unconfirmedStatus() object {
	s := wellStatus()
	s["waiting"] = waitingOf("c-1", "automatic")
	s["pending"] = s["waiting"]
	return s
}

// replacingStatus is the status while a manual consent of another person waits for its claim code.
func replacingStatus() object {
	s := wellStatus()
	s["pending"] = waitingOf("", "manual")
	s["waiting"] = s["pending"]
	return s
}

// TestToken_German shows the screen in German, from the catalogue to the browser. Translate must turn the English page into
// the same, except for dates, because the tests of layouts rely on that.
func TestToken_German(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	wrong := fail(failure.WrongDirectory, "seen", "fabrikam.example", "expected", "contoso.example")
	p.status = withStatus(object{"state": "action_required", "failure": wrong, "lastRenewal": object{"at": p.status["issuedAt"], "ok": false, "failure": wrong}})
	d := open(t, p, ux1de)
	d.State("action_required")
	for _, want := range []string{
		"Tokenstatus", "Anmeldung erforderlich", "Die Zustimmung kam aus dem Verzeichnis fabrikam.example, aber dieser Wiederverkäufer ist für contoso.example eingerichtet.",
		"Aktualisierungstoken aktualisieren", "Manuelle Aktualisierung", "Verlauf", "19.11.2026",
	} {
		d.WaitText(want)
	}
	if got, want := evaluate[string](d, `document.getElementById("title").textContent`), "Aktualisierungstoken verwalten"; got != want {
		t.Errorf("title = %q, want %q", got, want)
	}
	if got := p.panelLocale; got != "de_DE" {
		t.Errorf("locale of the calls = %q, want de_DE", got)
	}
	played := d.undated()
	d.choose("locale", "en_US")
	d.WaitText("Manual Update")
	d.State("action_required")
	d.WaitText("Consent granted")
	english := d.undated()
	restore := d.Translate("de_DE", catalogues(t)["de_DE"])
	if diff := cmp.Diff(played[1:], d.undated()[1:]); diff != "" { // without the panel's own first text, Home
		t.Errorf("the page after Translate differs from the German one (-German +translated):\n%s", diff)
	}
	restore()
	if diff := cmp.Diff(english, d.undated()); diff != "" {
		t.Errorf("the English page after restoring (-before +after):\n%s", diff)
	}
}

// dated matches dates as English and German write them.
var dated = regexp.MustCompile(`[A-Z][a-z]{2} \d+, 2\d{3}(, \d+:\d\d\s[AP]M)?|\d\d\.\d\d\.2\d{3}(, \d+:\d\d)?`)

// undated returns the lines that panel and screen show, without dates.
func (d *driver) undated() []string {
	d.T.Helper()
	shown := evaluate[string](d, `["menu", "title"].map(id => document.getElementById(id).innerText).join("\n")`) + "\n" + d.Text()
	return strings.Split(dated.ReplaceAllString(shown, "(date)"), "\n")
}

// TestToken_LaidOutInEveryLanguage checks the layout of the screen with the texts of every language.
func TestToken_LaidOutInEveryLanguage(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.status = pendingStatus()
	d := open(t, p, ux1)
	d.State("pending")
	d.fitsInEveryLanguage()
}

func TestToken_UnreachableConnector(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.unreachable = true
	d := open(t, p, ux1)
	d.State("unknown")
	d.WaitText("The connector can't be reached at the moment.")
	d.WaitText("The history can't be read at the moment.")
	d.Press("Update Refresh Token")
	d.Wait(widget("progress") + `.innerText.includes("The connector can't be reached")`) // beside the button
	if got := d.Text(); strings.Contains(got, "refused") {
		t.Errorf("text() = %q, want no text of the platform's own", got)
	}
	d.Wait(`!` + widget("update") + `.disabled`)
}

func TestToken_AccountWithoutTenant(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.tenants, p.required = nil, false
	d := open(t, p, ux1)
	d.WaitText("This account has no Azure Partner subscription")
	if got := d.Text(); strings.Contains(got, "Automatic Update") {
		t.Errorf("text() = %q, want no groups", got)
	}
	if got := p.called("tokenStatus"); got != 0 {
		t.Errorf("called(tokenStatus) = %d, want 0", got)
	}
}

func TestToken_ChoosesTheTenantOfTheSubscription(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	other := json.RawMessage(`{"aps":{"id":"00000000-0000-4000-8000-000000000000","subscription":"s-0"}}`)
	p.tenants = append([]json.RawMessage{other}, p.tenants...)
	d := open(t, p, ux1)
	d.State("active")
	d.WaitText("more than one Azure Partner subscription")
}

func TestToken_HistoryNamesNoPartOfTheProgram(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	by := func(kind, name string) object {
		e := someEvents()[0]
		e["actor"] = object{"kind": kind, "name": name}
		return e
	}
	p.events = []object{by("scheduler", "renewal"), by("scheduler", "binding"), by("platform", "platform")}
	d := open(t, p, ux1)
	d.WaitText("Automatic renewal")
	d.WaitText("Connector")
	d.WaitText("Platform")
}

// lentTokens returns the events of so many access tokens, one a minute, newest first.
func lentTokens(number int) []object {
	var events []object
	for i := range number {
		events = append(events, object{
			"id": fmt.Sprintf("l%d", i), "at": noon.Add(-time.Duration(i) * time.Minute).Format(time.RFC3339), "action": "token.lent",
			"actor": object{"kind": "application", "name": "=Azure CSP"}, "result": "ok", "failure": nil, "reference": "", "details": object{"api": "graph"},
		})
	}
	return events
}

// TestToken_History has so many access tokens that the consents are far behind them, and a history of several pages. One request
// gets the consents, and the access tokens are read when they are shown.
func TestToken_History(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.events = lentTokens(320)
	for i := range 300 {
		e := someEvents()[0]
		e["id"], e["at"] = fmt.Sprintf("r%d", i), noon.Add(-time.Duration(1000+i)*time.Minute).Format(time.RFC3339)
		p.events = append(p.events, e)
	}
	d := open(t, p, ux1)
	d.Wait(widget("history") + `.innerText.includes("1–10 / 50") && ` + widget("lendings") + `.hidden`)
	if got := p.called("history"); got != 1 {
		t.Errorf("called(history) = %d, want 1, however many access tokens were issued", got)
	}
	d.Press("Show Earlier")
	d.Wait(widget("history") + `.innerText.includes("1–10 / 250")`)
	d.Press("Show Earlier")
	d.Wait(widget("history") + `.innerText.includes("1–10 / 300")`)
	d.Wait(widget("earlier") + `.hidden`)

	d.Press("Access Tokens Issued")
	d.Wait(widget("history") + `.hidden && ` + widget("issued") + `.getAttribute("aria-pressed") === "true"`)
	cells := `Array.from(` + widget("lendings") + `.querySelectorAll("tbody tr")).map(row => Array.from(row.cells).slice(1).map(cell => cell.innerText.trim()).join("|")).join("; ")`
	for _, number := range []int{50, 250, 320} {
		d.Wait(cells + fmt.Sprintf(` === "Microsoft Graph|Partner directory|=Azure CSP|OK|%d"`, number))
		if number < 320 {
			d.Press("Show Earlier")
		}
	}
	d.Wait(widget("earlier") + `.hidden`)
	lines := strings.Split(downloadCSV(d), "\r\n")
	if want := `"2026-11-23T12:00:00.000Z","Access token issued","'=Azure CSP","OK","graph","",""`; len(lines) != 322 || lines[1] != want {
		t.Errorf("the file has %d lines, the second is %s, want 322 and %s", len(lines), lines[1], want)
	}
}

// downloadCSV presses Download CSV, and returns the file.
func downloadCSV(d *driver) string {
	evaluate[bool](d, `(w => { w.URL.createObjectURL = (blob) => { blob.text().then((text) => { window.saved = text; }); return "#"; }; return true; })(`+frame+`.defaultView)`)
	d.Press("Download CSV")
	d.Wait(`window.saved !== undefined`)
	return evaluate[string](d, `window.saved`)
}

// TestToken_CSVHasNoFormula: a program for spreadsheets takes a cell that begins with one of these characters for a formula; before a
// line break, some leave out the break.
func TestToken_CSVHasNoFormula(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.events = nil
	beginnings := []string{"=", "+", "-", "@", "\t", "\r", "\n", "\r\n="}
	for i, beginning := range beginnings {
		e := someEvents()[0]
		e["id"], e["actor"] = fmt.Sprintf("f%d", i), object{"kind": "user", "name": beginning + "1"}
		p.events = append(p.events, e)
	}
	d := open(t, p, ux1)
	d.Wait(widget("history") + `.innerText.includes("Refresh token renewed")`)
	saved := downloadCSV(d)
	for _, beginning := range beginnings {
		if want := `","'` + beginning + `1","`; !strings.Contains(saved, want) {
			t.Errorf("the file is %q, want %q in it", saved, want)
		}
	}
}

// TestToken_HistoryGoesOnWhereTheConnectorStopped: the connector looks at so many events, and the person decides to look further back.
func TestToken_HistoryGoesOnWhereTheConnectorStopped(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.events, p.looksAt = lentTokens(150), 100
	e := someEvents()[0]
	e["at"] = noon.AddDate(0, 0, -1).Format(time.RFC3339)
	p.events = append(p.events, e)
	d := open(t, p, ux1)
	d.WaitText("Nothing recent. Use Show Earlier to look further back.")
	d.Press("Show Earlier")
	d.Wait(widget("history") + `.innerText.includes("Refresh token renewed")`)
	d.Wait(widget("earlier") + `.hidden`)
}

// TestToken_ShowEarlier: what a press finds, or why it finds nothing, stands at the button, and the focus is not lost with it.
func TestToken_ShowEarlier(t *testing.T) {
	t.Parallel()
	inPanels(t, ux1, classic, func(t *testing.T, location string) {
		p := newPlatform(t)
		p.events = nil
		for i := range 60 {
			e := someEvents()[0]
			e["id"], e["at"] = fmt.Sprintf("r%d", i), noon.Add(-time.Duration(i)*time.Minute).Format(time.RFC3339)
			p.events = append(p.events, e)
		}
		d := open(t, p, location)
		d.Wait(widget("history") + `.innerText.includes("1–10 / 50")`)
		p.change(func(p *platform) { p.refuse["history"] = fail(failure.InternalError) })
		d.tabTo(widget("earlier"))
		d.keys(kb.Enter)
		d.announces("The history can't be read at the moment.")
		d.focused(widget("earlier"))
		if got := evaluate[float64](d, widget("earlierFailed")+`.getBoundingClientRect().top - `+widget("earlier")+`.getBoundingClientRect().bottom`); got < 0 || got > 60 {
			t.Errorf("the reason stands %v px below the button, want it beside", got)
		}
		p.change(func(p *platform) { delete(p.refuse, "history") })
		d.keys(kb.Enter)
		d.Wait(widget("history") + `.innerText.includes("1–10 / 60") && ` + widget("earlierFailed") + `.innerText === ""`)
		d.Wait(widget("earlier") + `.hidden`)
		d.focused(widget("consents"))
	})
}

// fits checks that neither the panel nor the open screen scrolls sideways at any width.
func (d *driver) fits() {
	d.T.Helper()
	for _, width := range []int64{320, paneltest.Phone, 768, paneltest.Desktop, 1920} {
		d.Do(chromedp.EmulateViewport(width, 900))
		d.fitsNow(fmt.Sprintf("at %d px", width))
	}
}

func (d *driver) fitsNow(how string) {
	d.T.Helper()
	for _, document := range []string{"document", frame} {
		over := evaluate[int](d, fmt.Sprintf(`(e => e.scrollWidth - e.clientWidth)(%s.documentElement)`, document))
		if over > 0 {
			d.T.Errorf("%s: the page %s is %d px too wide", how, document, over)
		}
	}
}

// fitsInEveryLanguage fails the test unless the open screen fits at each width with the texts of each translation.
func (d *driver) fitsInEveryLanguage() {
	d.T.Helper()
	all := catalogues(d.T)
	for _, width := range []int64{320, paneltest.Phone, 768, paneltest.Desktop, 1920} {
		for _, locale := range languages()[1:] { // the first is English
			d.Do(chromedp.EmulateViewport(width, 900))
			restore := d.Translate(locale, all[locale])
			d.fitsNow(fmt.Sprintf("%s at %d px", locale, width))
			restore()
		}
	}
}

// TestToken_KeepsButtonsBusyWhileAnOperationRuns lets the screen read the status meanwhile, as it does every now and then and when a
// person comes back to it: the status of before, and that of a renewal whose checks still run.
func TestToken_KeepsButtonsBusyWhileAnOperationRuns(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	held := make(chan struct{})
	p.change(func(p *platform) { p.held = map[string]chan struct{}{"renew": held} })
	d := open(t, p, ux1)
	d.State("active")
	d.Press("More")
	d.Press("Renew Now")
	disabled := widget("renew") + `.disabled`
	d.Wait(disabled)

	for _, actor := range []string{"Seen First", "Seen Second"} { // the first status has arrived by the second time
		p.change(func(p *platform) { p.events[0]["actor"] = object{"kind": "user", "name": actor} })
		evaluate[bool](d, frame+`.dispatchEvent(new Event("visibilitychange"))`)
		d.WaitText(actor)
	}
	if got := evaluate[bool](d, disabled); !got {
		t.Error("Renew Now is enabled while a renewal runs, want it disabled until its answer")
	}
	close(held)
	d.WaitText("The refresh token has been renewed.")
	d.Wait(`!` + disabled)
	if got := p.called("renew"); got != 1 {
		t.Errorf("called(renew) = %d, want 1", got)
	}
}

func TestToken_StatusButtons(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	d := open(t, p, ux1)
	d.State("active")

	d.Press("Check Now")
	d.WaitText("All services accepted the token.")
	p.change(func(p *platform) {
		p.status = withStatus(object{"apis": []object{{"api": "graph", "works": "no", "checkedAt": noon}, {"api": "arm", "works": "unknown", "checkedAt": noon}}})
	})
	d.Press("Check Now")
	d.WaitText("Microsoft Graph rejected the token. Azure Resource Manager didn't answer the check.")
	p.change(func(p *platform) { p.status = wellStatus() })
	d.Press("More")
	d.Press("Renew Now")
	d.WaitText("The refresh token has been renewed.")

	p.change(func(p *platform) { p.refuse["renew"] = fail(failure.GrantRevoked) })
	d.Press("Renew Now")
	d.WaitText("Microsoft no longer accepts the refresh token: it was revoked, or the password was changed. Use Update Refresh Token, or send the link from Manual Update. Microsoft's code: 50173. Reference: R7W2-KD5M.")
	d.Wait(widget("result") + `.innerText.includes("50173")`)
	if got := evaluate[float64](d, widget("renew")+`.getBoundingClientRect().top - `+widget("result")+`.getBoundingClientRect().bottom`); got < 0 || got > 150 {
		t.Errorf("the refusal stands %v px above its button, want it directly above", got)
	}

	d.Press("Delete Token")
	d.WaitText("Nothing is revoked at Microsoft")
	d.Press("Cancel")
	d.Wait(frame + `.querySelector("dialog") === null`)
	if got := p.called("forget"); got != 0 {
		t.Errorf("called(forget) after Cancel = %d, want 0", got)
	}
	d.Press("Delete Token")
	d.Wait(frame + `.querySelector("dialog") !== null`)
	d.Press("Delete Token")
	d.State("absent")
	d.WaitText("The token has been deleted.")
	if got := evaluate[bool](d, widget("forget")+`.disabled`); !got {
		t.Error("Delete Token is enabled without a token, want disabled")
	}
}
