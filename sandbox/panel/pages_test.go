package panel_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/onboarding"
	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/sandbox/browser"
	"azure-partner-connector/sandbox/panel/paneltest"
)

// A page is one state of an onboarding page.
type page struct {
	name, about string
	path        string // empty: Microsoft's answer to a sign-in
	landing     consent.Landing
	out         consent.Outcome
	disown      bool           // press "This wasn't me"
	fails       *failure.Error // from the link, or from the sign-in
	texts       []string       // what it must show, in English
}

// pages returns all pages without a failure. The first one needs a browser that has not seen an outcome yet.
func pages() []page {
	landing := consent.Landing{
		Procedure: token.Manual, TenantName: "Harbour Cloud Resale", AccountID: "1000042", AskedBy: "Mara Lind", Marketplace: "Larkfield Cloud Marketplace",
		Directory: "contoso-partner.onmicrosoft.com", ApplicationID: ownApplication, ExpiresAt: noon.AddDate(0, 0, 7),
		Permissions: []consent.Permission{
			{Scope: "openid"},
			{Scope: "profile"},
			{Scope: "offline_access"},
			{API: token.PartnerCenter, Scope: "https://api.partnercenter.microsoft.com/user_impersonation"},
			{API: token.Graph, Scope: "https://graph.microsoft.com/User.Read"},
			{API: token.Graph, Scope: "https://graph.microsoft.com/Directory.Read.All"},
			{API: token.ARM, Scope: "https://management.azure.com/user_impersonation"},
		},
	}
	again := landing
	again.CodeWaits = true
	done := consent.Outcome{
		ConsentID: "c-1", Procedure: token.Automatic, TenantName: "Harbour Cloud Resale", AccountID: "1000042",
		ConsentedBy: token.Person{Username: "ada@contoso-partner.onmicrosoft.com", Name: "Ada Novak"},
	}
	claim := done
	claim.Procedure, claim.ClaimCode, claim.ClaimExpiresAt = token.Manual, claimCode, noon.AddDate(0, 0, 1)
	replaced := claim
	replaced.Replaced = true
	waiting := done
	waiting.Waiting, waiting.ClaimExpiresAt = true, claim.ClaimExpiresAt
	return []page{
		{name: "page-nothing", about: "No recent sign-in", path: "/done", texts: []string{"This page shows the result of a sign-in for an hour, in the browser that was used for it."}},
		{name: "page-landing", about: "The link of the manual procedure", path: "/consent/x", landing: landing, texts: []string{"Continue to Microsoft", "Who must sign in", "The reseller and its users chose these names. Nobody has verified them."}},
		{name: "page-landing-again", about: "The link, after somebody has signed in", path: "/consent/x", landing: again, texts: []string{
			"Someone has already signed in with this link. If you sign in too, a new authentication code replaces theirs.",
		}},
		{name: "page-granted", about: "Success, automatic", out: done, texts: []string{
			"The consent has been granted successfully. The authorization code has been sent to Azure Partner connector. You can close this window.",
		}},
		{name: "page-claim", about: "Success, manual", out: claim, texts: []string{
			"The consent has been granted successfully. One step is left: send this authentication code to the person who asked you.", "Copy",
			"Copy the code, then you can close this window.",
		}},
		{name: "page-claim-replaced", about: "Success, manual, for the second time", out: replaced, texts: []string{
			"This code replaces the one of an earlier sign-in with the same link. Only this code works now.",
		}},
		{name: "page-waiting", about: "Automatic, by another account than before", out: waiting, texts: []string{
			"Waiting for confirmation",
			"Your consent has been recorded. A different account gave the last one, so yours takes effect once it's confirmed under Manage Refresh Token. You can close this window.",
		}},
		{name: "page-disowned", about: "A consent that was taken back", out: done, disown: true, texts: []string{
			"The refresh token has been destroyed, and the provider of the marketplace has been alerted.",
			"Access tokens that were already issued keep working for up to 90 minutes. You can end the consent itself only at Microsoft:",
		}},
		{name: "page-start", about: "Before the panel knows the browser", path: "/start/x", texts: []string{"Opening Microsoft's sign-in page."}},
		{name: "page-home", about: "The address without a path", path: "/", texts: []string{"Partner Onboarding Web Application", "To begin, open the link that you received, or use Manage Refresh Token in the panel of your marketplace."}},
		{name: "page-not-found", about: "No such page", path: "/none", texts: []string{"Page not found", "Check the address. The resource may have been removed."}},
	}
}

// refusals returns the pages of all refused links and sign-ins.
func refusals() []page {
	const ada = "ada@contoso-partner.onmicrosoft.com"
	var all []page
	link := func(code failure.Code, about string) {
		all = append(all, page{name: pageOf(code), about: about, path: "/consent/x", fails: failure.New(code)})
	}
	// After a manual link, the visitor can sign in once more.
	signIn := func(code failure.Code, about string, pairs ...string) {
		p := page{name: pageOf(code), about: about, fails: failure.New(code, pairs...), out: consent.Outcome{Link: secret.New("x")}}
		switch code {
		case failure.StateUnknown, failure.StateBrowser:
			p.out = consent.Outcome{}
			p.texts = []string{"Close this window. Start again in the panel of your marketplace, or reopen the link that you received."}
		default:
			p.texts = []string{"Try again"}
		}
		all = append(all, p)
	}
	link(failure.LinkUnknown, "Unknown link")
	link(failure.LinkExpired, "The link has expired")
	signIn(failure.StateUnknown, "Not started here")
	signIn(failure.StateUsed, "Completed before")
	signIn(failure.StateExpired, "It took too long")
	signIn(failure.StateBrowser, "Another browser")
	signIn(failure.ConsentDeclined, "Declined")
	signIn(failure.ApprovalNeeded, "The account may not consent")
	signIn(failure.CodeUsed, "The authorization code was used before")
	signIn(failure.CodeInvalid, "The authorization code has expired")
	signIn(failure.IDTokenInvalid, "An answer that cannot be verified")
	signIn(failure.WrongDirectory, "Wrong directory", "username", "sam@fabrikam.onmicrosoft.com",
		"seen", "fabrikam.onmicrosoft.com (5c1f1a7e-0b55-4d4e-8f0c-1f1b6f2a9c11)", "expected", "contoso-partner.onmicrosoft.com (3d3c9a52-6d6f-4f0e-9f5e-2c7b3f6f0a11)")
	signIn(failure.WrongApplication, "Wrong application", "seen", appID, "expected", ownApplication)
	signIn(failure.GuestAccount, "A guest", "username", ada)
	signIn(failure.PersonalAccount, "A personal account", "username", "ada@outlook.example")
	signIn(failure.MFAMissing, "No multifactor authentication")
	signIn(failure.MFAUnknown, "Multifactor authentication unknown")
	signIn(failure.RoleMissing, "A role is missing", "username", ada, "role", "Admin agent")
	signIn(failure.NotAPartner, "No partner", "username", ada)
	signIn(failure.NoRefreshToken, "No refresh token came")
	signIn(failure.RedirectType, "Redirect address of the wrong type")
	signIn(failure.PermissionMissing, "A permission is missing")
	signIn(failure.ApplicationUnknown, "The application is unknown or disabled")
	signIn(failure.ClientSecretWrong, "Wrong client secret")
	signIn(failure.ClientSecretExpired, "The client secret has expired")
	signIn(failure.AccountMismatch, "An answer for another account")
	signIn(failure.AccessBlocked, "Blocked by Conditional Access")
	signIn(failure.AccountDisabled, "A disabled account")
	signIn(failure.MicrosoftUnavailable, "Microsoft cannot be reached")
	signIn(failure.MicrosoftThrottled, "Microsoft asks to slow down")
	signIn(failure.InternalError, "Our own fault")
	return all
}

func pageOf(code failure.Code) string { return "page-" + strings.ReplaceAll(string(code), "_", "-") }

// fakeConsents answers the onboarding pages in place of the consent service.
type fakeConsents struct {
	mu      sync.Mutex // guards current
	current page
}

func (c *fakeConsents) set(p page) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current = p
}

func (c *fakeConsents) page() page {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current
}

func (v page) err() error {
	if v.fails == nil {
		return nil
	}
	return v.fails
}

func (c *fakeConsents) Start(context.Context, string, string) (consent.Start, error) {
	return consent.Start{Browser: "hash"}, nil
}

func (c *fakeConsents) Disown(context.Context, string) error { return nil }

func (c *fakeConsents) Landing(context.Context, string, string) (consent.Landing, error) {
	v := c.page()
	return v.landing, v.err()
}

func (c *fakeConsents) Authorize(context.Context, string, consent.Visit) (string, error) {
	return "", errors.New("these tests do not call Microsoft")
}

func (c *fakeConsents) Complete(context.Context, consent.Callback) (consent.Outcome, error) {
	v := c.page()
	return v.out, v.err()
}

// serveOnboarding serves the onboarding pages.
func serveOnboarding(t *testing.T) (url string, c *fakeConsents) {
	t.Helper()
	keys, err := seal.Create()
	if err != nil {
		t.Fatal(err)
	}
	c = &fakeConsents{}
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	handler, err = onboarding.New(onboarding.Config{
		PublicURL: server.URL, Consents: c, Seal: keys, Now: func() time.Time { return noon }, Limit: onboarding.Limit{PerMinute: 6000, Burst: 1000},
	})
	if err != nil {
		t.Fatal(err)
	}
	return server.URL, c
}

// pageWords returns the texts of the pages in a language: their own, and those of failures.
func pageWords(t *testing.T, locale string) map[string]string {
	t.Helper()
	words := catalogues(t)[locale]
	content, err := os.ReadFile("../../connector/onboarding/catalogue/" + locale[:2] + ".json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(content, &words); err != nil {
		t.Fatal(err)
	}
	return words
}

// A pageShot is one combination of device, language and colour scheme for pictures of pages.
type pageShot struct{ device, locale, scheme string }

func pageShots() []pageShot {
	return []pageShot{{"desktop", "en_US", "light"}, {"phone", "de_DE", "dark"}}
}

func (sh pageShot) file(page string) string {
	return path.Join(page, sh.device+"-"+sh.locale[:2]+"-"+sh.scheme)
}

// TestPages_Every opens every onboarding page and checks it: it shows its texts, a refusal says what to do and has a
// reference, the layout is correct at every width, from right to left, and in German and Japanese, and axe-core reports
// nothing in light and in dark colours. With paneltest.ScreensVariable it takes the pictures of the gallery.
func TestPages_Every(t *testing.T) {
	t.Parallel()
	for _, sh := range pageShots() {
		if sh.locale == "en_US" || paneltest.TakesPictures() {
			t.Run(sh.locale, func(t *testing.T) { showPages(t, sh, append(pages(), refusals()...)) })
		}
	}
}

// TestPages_German shows one page of each kind in German, from the handler's catalogue to the browser.
func TestPages_German(t *testing.T) {
	t.Parallel()
	var some []page
	for _, p := range append(pages(), refusals()...) {
		if slices.Contains([]string{"page-landing", "page-claim", pageOf(failure.WrongDirectory), pageOf(failure.MicrosoftUnavailable)}, p.name) {
			some = append(some, p)
		}
	}
	if len(some) != 4 {
		t.Fatalf("%d pages, want one of each kind", len(some))
	}
	showPages(t, pageShot{"phone", "de_DE", "dark"}, some)
}

// showPages opens pages one after the other in one tab and checks each of them.
func showPages(t *testing.T, sh pageShot, list []page) {
	t.Helper()
	url, c := serveOnboarding(t)
	d := paneltest.Open(t, "about:blank")
	d.Stabilize()
	s := &tab{driver: &driver{Driver: d}, locale: sh.locale, words: pageWords(t, sh.locale)}
	if sh.locale == "en_US" {
		s.translations = translations(func(locale string) paneltest.Catalogue { return pageWords(t, locale) })
	}
	s.colours(sh.scheme)
	d.Do(chromedp.Navigate(url + "/done?ui_locales=" + sh.locale[:2]))
	for _, p := range list {
		t.Run(p.name, func(t *testing.T) {
			on := *s
			inTest := *d
			inTest.T, inTest.URL = t, url
			on.driver = &driver{Driver: &inTest}
			c.set(p)
			on.showPage(p, sh)
		})
	}
}

// colours chooses light or dark colours, as a person does in the browser's settings.
func (s *tab) colours(scheme string) {
	s.T.Helper()
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	if _, err := chromedp.Call(s.Ctx, emulation.SetEmulatedMedia, media); err != nil {
		s.T.Fatal(err)
	}
}

// showPage opens a page and checks it.
func (s *tab) showPage(p page, sh pageShot) {
	s.T.Helper()
	at := p.path
	if at == "" {
		at = "/callback?code=any&state=" + p.name // a second answer with the same state would show the first outcome
	}
	if strings.HasPrefix(at, "/consent/") || strings.HasPrefix(at, "/start/") || at == "/done" || at == "/" {
		at += "?ui_locales=" + s.locale[:2]
	}
	s.Do(chromedp.Navigate(s.URL + at))
	if p.disown {
		s.ClickOn("#disown")
		s.Wait(`document.getElementById("disown") === null`)
	}
	s.Wait(`document.querySelector("h1") !== null && document.documentElement.lang === "` + s.locale[:2] + `"`)
	for _, text := range p.texts {
		s.WaitPageText(s.text(text))
	}
	if p.fails != nil {
		s.waitRefusal(p.fails)
	}
	if s.translations != nil {
		s.LaidOut(p.name, s.translations)
		for _, scheme := range []string{"dark", "light"} {
			s.colours(scheme)
			s.Accessible(p.name + ", " + scheme)
		}
	}
	s.Capture(sh.file(p.name), paneltest.Picture{Phone: sh.device == "phone", Small: sh.device == "desktop", Whole: true})
}

// waitRefusal checks what a page says about a failure. Because the reference differs each time, it replaces that with a
// fixed one for pictures.
func (s *tab) waitRefusal(f *failure.Error) {
	s.T.Helper()
	sentence, advice := f.Code.Template()
	if f.Kind() == failure.Transient {
		advice = "Nothing was changed. Start again in a few minutes."
	}
	var pairs []string
	for name, value := range f.Params {
		if translated, ok := s.words[value]; ok {
			value = translated
		}
		pairs = append(pairs, name, value)
	}
	s.WaitPageText(s.text(sentence, pairs...))
	s.WaitPageText(s.text(advice, pairs...))
	reference := `document.getElementById("reference")`
	s.Wait(`/^[0-9A-Z]{8}$/.test(` + reference + `.innerText)`)
	evaluate[bool](s.driver, `(e => { e.textContent = "R7W2KD5M"; return true; })(`+reference+`)`)
}

func TestKeyboard_Pages(t *testing.T) {
	t.Parallel()
	url, c := serveOnboarding(t)
	d := &driver{Driver: paneltest.Open(t, "about:blank")}
	browser.AllowClipboard(t, d.Ctx, url)
	for _, v := range pages() {
		c.set(v)
		switch v.name {
		case "page-landing":
			d.Do(chromedp.Navigate(url + v.path))
			d.tabTo(`document.getElementById("continue")`)
		case "page-claim":
			d.Do(chromedp.Navigate(url + "/callback?code=any&state=" + v.name))
			d.Wait(`!document.getElementById("copy").hidden`)
			d.tabTo(`document.getElementById("copy")`)
			d.keys(kb.Enter)
			d.Wait(`document.querySelector('#copy-status[role="status"]').innerText === "Copied"`)
			d.focused(`document.getElementById("copy")`)
		}
	}
}
