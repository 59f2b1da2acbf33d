package panel_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
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
	"azure-partner-connector/connector/token"
	"azure-partner-connector/sandbox/browser"
	"azure-partner-connector/sandbox/panel/paneltest"
)

// A visit is one way to an onboarding page, and what the page must say.
type visit struct {
	name, about string
	path        string // empty: Microsoft's answer to a sign-in
	landing     consent.Landing
	out         consent.Outcome
	fails       *failure.Error // from the link, or from the sign-in
	reads       []string       // English
}

// visits are all that end well or say where one is. The first needs a browser that has seen no outcome yet.
func visits() []visit {
	landing := consent.Landing{
		Procedure: token.Manual, TenantName: "Harbour Cloud Resale", Marketplace: "Larkfield Cloud Marketplace",
		Directory: "contoso-partner.onmicrosoft.com", ApplicationID: ownApplication, ExpiresAt: noon.AddDate(0, 0, 7),
	}
	done := consent.Outcome{Procedure: token.Automatic, ConsentedBy: token.Person{Username: "ada@contoso-partner.onmicrosoft.com", Name: "Ada Novak"}, TenantName: "Harbour Cloud Resale"}
	claim := done
	claim.Procedure, claim.ClaimCode, claim.ClaimExpiresAt = token.Manual, claimCode, noon.AddDate(0, 0, 1)
	return []visit{
		{name: "page-nothing", about: "Nothing to show", path: "/done", reads: []string{"The result of a sign-in is shown here for an hour, in the browser in which it was made."}},
		{name: "page-landing", about: "The link of the manual procedure", path: "/consent/x", landing: landing, reads: []string{"Continue to Microsoft", "Who has to sign in"}},
		{name: "page-granted", about: "Success, automatic", out: done, reads: []string{
			"The consent has been granted successfully. The authorization code has been sent to Azure Partner connector. You can close this window.",
		}},
		{name: "page-claim", about: "Success, manual", out: claim, reads: []string{
			"The consent has been granted successfully. One step is left: send this authentication code to the person who asked you.", "Copy",
		}},
		{name: "page-home", about: "The door itself", path: "/", reads: []string{"To begin, open the link that was sent to you, or use Manage Refresh Token in the panel of your marketplace."}},
		{name: "page-not-found", about: "No such page", path: "/none", reads: []string{"Page not found", "Check the address; the resource may have been removed."}},
	}
}

// refusals are the pages of all links and sign-ins that are refused.
func refusals() []visit {
	const ada = "ada@contoso-partner.onmicrosoft.com"
	var all []visit
	link := func(code failure.Code, about string) {
		all = append(all, visit{name: pageOf(code), about: about, path: "/consent/x", fails: failure.New(code)})
	}
	signIn := func(code failure.Code, about string, pairs ...string) {
		all = append(all, visit{name: pageOf(code), about: about, fails: failure.New(code, pairs...)})
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
	signIn(failure.WrongDirectory, "Wrong directory", "seen", "fabrikam.onmicrosoft.com", "expected", "contoso-partner.onmicrosoft.com")
	signIn(failure.WrongApplication, "Wrong application", "seen", appID, "expected", ownApplication)
	signIn(failure.GuestAccount, "A guest", "username", ada)
	signIn(failure.PersonalAccount, "A personal account", "username", "ada@outlook.example")
	signIn(failure.MFAMissing, "No multi-factor authentication")
	signIn(failure.MFAUnknown, "Multi-factor authentication not known")
	signIn(failure.RoleMissing, "A role is missing", "username", ada, "role", "Admin agent")
	signIn(failure.NotAPartner, "No partner", "username", ada)
	signIn(failure.NoRefreshToken, "No refresh token came")
	signIn(failure.RedirectType, "Redirect address of the wrong type")
	signIn(failure.PermissionMissing, "A permission is missing")
	signIn(failure.ApplicationUnknown, "The application is unknown or disabled")
	signIn(failure.ClientSecretWrong, "Wrong client secret")
	signIn(failure.ClientSecretExpired, "The client secret has expired")
	signIn(failure.AccessBlocked, "Blocked by Conditional Access")
	signIn(failure.AccountDisabled, "A disabled account")
	signIn(failure.MicrosoftUnavailable, "Microsoft cannot be reached")
	signIn(failure.MicrosoftThrottled, "Microsoft asks to slow down")
	signIn(failure.InternalError, "Our own fault")
	return all
}

func pageOf(code failure.Code) string { return "page-" + strings.ReplaceAll(string(code), "_", "-") }

// A clerk answers the onboarding pages in the consent service's stead.
type clerk struct {
	mu  sync.Mutex // guards now
	now visit
}

func (c *clerk) serve(v visit) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = v
}

func (c *clerk) served() visit {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (v visit) err() error {
	if v.fails == nil {
		return nil
	}
	return v.fails
}

func (c *clerk) Landing(context.Context, string) (consent.Landing, error) {
	v := c.served()
	return v.landing, v.err()
}

func (c *clerk) Authorize(context.Context, string, string, string) (string, error) {
	return "", errors.New("nobody goes on to Microsoft here")
}

func (c *clerk) Complete(context.Context, consent.Callback) (consent.Outcome, error) {
	v := c.served()
	return v.out, v.err()
}

// openDoor serves the onboarding pages.
func openDoor(t *testing.T) (at string, c *clerk) {
	t.Helper()
	keys, err := seal.Create()
	if err != nil {
		t.Fatal(err)
	}
	c = &clerk{}
	var door http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { door.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	door, err = onboarding.New(onboarding.Config{
		PublicURL: server.URL, Consents: c, Seal: keys, Now: func() time.Time { return noon }, Limit: onboarding.Limit{PerMinute: 6000, Burst: 1000},
	})
	if err != nil {
		t.Fatal(err)
	}
	return server.URL, c
}

// pageWords are the texts of the pages in a language: their own, and those of failures.
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

// A pageShot is a way in which pictures of pages are taken.
type pageShot struct{ device, locale, scheme string }

func pageShots() []pageShot {
	return []pageShot{{"desktop", "en_US", "light"}, {"phone", "de_DE", "dark"}}
}

func (sh pageShot) file(page string) string {
	return path.Join(page, sh.device+"-"+sh.locale[:2]+"-"+sh.scheme)
}

// TestEveryPage shows every onboarding page, in English and in German, as on a phone and as on a desktop, from left to
// right as from right to left. Every refusal says what to do, and has a reference.
func TestEveryPage(t *testing.T) {
	t.Parallel()
	for _, sh := range pageShots() {
		t.Run(sh.locale, func(t *testing.T) {
			t.Parallel()
			url, c := openDoor(t)
			d := paneltest.Open(t, "about:blank")
			d.Pose()
			media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: sh.scheme}}}
			if _, err := chromedp.Call(d.Ctx, emulation.SetEmulatedMedia, media); err != nil {
				t.Fatal(err)
			}
			s := &stage{driver: &driver{Driver: d}, locale: sh.locale, words: pageWords(t, sh.locale)}
			d.Do(chromedp.Navigate(url + "/done?ui_locales=" + sh.locale[:2]))
			for _, v := range append(visits(), refusals()...) {
				t.Run(v.name, func(t *testing.T) {
					on := *s
					page := *d
					page.T, page.URL = t, url
					on.driver = &driver{Driver: &page}
					c.serve(v)
					on.visit(v, sh)
				})
			}
		})
	}
}

// visit opens a page and checks it.
func (s *stage) visit(v visit, sh pageShot) {
	s.T.Helper()
	at := v.path
	if at == "" {
		at = "/callback?code=any&state=" + v.name // an answer that comes twice shows the first outcome
	}
	if strings.HasPrefix(at, "/consent/") || at == "/done" || at == "/" {
		at += "?ui_locales=" + s.locale[:2]
	}
	s.Do(chromedp.Navigate(s.URL + at))
	s.Wait(`document.querySelector("h1") !== null && document.documentElement.lang === "` + s.locale[:2] + `"`)
	for _, text := range v.reads {
		s.WaitPageText(s.word(text))
	}
	if v.fails != nil {
		s.refusal(v.fails)
	}
	s.LaidOut(v.name, widths()...)
	s.Accessible(v.name)
	s.Look(sh.file(v.name), paneltest.Picture{Phone: sh.device == "phone", Small: sh.device == "desktop", Whole: true})
}

// refusal checks what a page says of a failure. Its reference is another each time, so that of pictures is made up.
func (s *stage) refusal(f *failure.Error) {
	s.T.Helper()
	sentence, advice := f.Code.Template()
	if f.Kind() == failure.Transient {
		advice = "Nothing was changed. Start again in some minutes."
	}
	var pairs []string
	for name, value := range f.Params {
		if translated, ok := s.words[value]; ok {
			value = translated
		}
		pairs = append(pairs, name, value)
	}
	s.WaitPageText(s.word(sentence, pairs...))
	s.WaitPageText(s.word(advice, pairs...))
	reference := `document.getElementById("reference")`
	s.Wait(`/^[0-9A-Z]{8}$/.test(` + reference + `.innerText)`)
	evaluate[bool](s.driver, `(e => { e.textContent = "R7W2KD5M"; return true; })(`+reference+`)`)
}

func TestKeyboard_Pages(t *testing.T) {
	t.Parallel()
	url, c := openDoor(t)
	d := &driver{Driver: paneltest.Open(t, "about:blank")}
	browser.AllowClipboard(t, d.Ctx, url)
	for _, v := range visits() {
		c.serve(v)
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
