package panel_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"golang.org/x/text/language"
	numbers "golang.org/x/text/message"

	"azure-partner-connector/sandbox/browser"
	"azure-partner-connector/sandbox/panel/paneltest"
)

// A tab shows a panel in one language, one state after the other.
type tab struct {
	*driver
	panel, locale string
	words         map[string]string // English text → text of locale
	user          string            // the logged-in user
	loads         int               // how often it has loaded the panel

	// translations are those in which layouts are checked: all but English.
	translations map[string]paneltest.Catalogue
}

// newTab opens the panel. Nobody is logged in yet.
func newTab(t *testing.T, panel, locale string) *tab {
	t.Helper()
	p := newPlatform(t)
	all := catalogues(t)
	s := &tab{
		driver: &driver{paneltest.Open(t, serve(t, p, nil)), p}, panel: panel, locale: locale, words: all[locale],
		translations: translations(func(locale string) paneltest.Catalogue { return all[locale] }),
	}
	s.Stabilize()
	return s
}

// translations returns the catalogues of all languages but English.
func translations(of func(locale string) paneltest.Catalogue) map[string]paneltest.Catalogue {
	found := make(map[string]paneltest.Catalogue)
	for _, locale := range languages()[1:] { // the first is English
		found[locale] = of(locale)
	}
	return found
}

// logInAs logs in as another user.
func (s *tab) logInAs(user string) {
	s.T.Helper()
	if s.user == user {
		return
	}
	s.Do(chromedp.Evaluate[chromedp.Void](`fetch("/panel/api/session", { method: "POST", body: JSON.stringify({ user: "`+user+`" }) })`, chromedp.EvalAwaitPromise))
	s.user = user
}

// open opens a view in a reloaded panel, as a bookmark does; "" is the home page.
func (s *tab) open(view string) {
	s.T.Helper()
	location := "#/" + s.panel + "/" + s.locale
	if view == "" {
		s.load("/" + location)
		s.Wait(`!document.getElementById("home").hidden`)
		return
	}
	if s.panel == "classic" {
		view += "-classic"
	}
	s.load("/" + location + "/" + packageID + "/" + view)
	s.WaitLoaded()
}

// load reloads the panel. The query makes it another document, because an address that differs only after # would be another
// view of the same document.
func (s *tab) load(location string) {
	s.T.Helper()
	s.loads++
	// All states have the same consent, whose end would be told once.
	evaluate[bool](s.driver, `(() => { try { localStorage.clear(); } catch (none) { return false; } return true; })()`)
	s.Do(chromedp.Navigate(fmt.Sprintf("%s/?n=%d%s", s.URL, s.loads, strings.TrimPrefix(location, "/"))))
}

// text translates an English text into the language of the tab and fills its placeholders from pairs.
func (s *tab) text(text string, pairs ...string) string {
	s.T.Helper()
	translated, ok := s.words[text]
	if !ok {
		s.T.Fatalf("i18n/%s.json has no %q", s.locale, text)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		translated = strings.ReplaceAll(translated, "__"+pairs[i]+"__", pairs[i+1])
	}
	return translated
}

// press presses the button with an English label.
func (s *tab) press(label string) {
	s.T.Helper()
	s.Press(s.text(label))
}

// pressBelow presses a button that the panel shows below the screen.
func (s *tab) pressBelow(label string) {
	s.T.Helper()
	s.Click(paneltest.Document, s.text(label))
}

// waitText waits until the page or one of its frames shows the translation of an English text.
func (s *tab) waitText(text string, pairs ...string) {
	s.T.Helper()
	s.waitShown(s.text(text, pairs...))
}

// number returns n as people of the locale write it.
func (s *tab) number(n int) string {
	return numbers.NewPrinter(language.Make(s.locale)).Sprint(n)
}

// waitShown waits until the page or one of its frames shows a text as it is.
func (s *tab) waitShown(text string) {
	s.T.Helper()
	s.Wait(`[document].concat(Array.from(document.querySelectorAll("iframe")).filter(f => f.offsetParent !== null).map(f => f.contentDocument)).some(d => d.body.innerText.includes(` + strconv.Quote(text) + `))`)
}

// waitFailure waits until the page explains a failure: what happened, what to do, and the reference.
func (s *tab) waitFailure(f object) {
	s.T.Helper()
	params, _ := f["params"].(map[string]string)
	var pairs []string
	for name, value := range params {
		switch name {
		case "role":
			value = s.text(value)
		case "api":
			value = s.text(map[string]string{"partnercenter": "Partner Center", "graph": "Microsoft Graph", "arm": "Azure Resource Manager"}[value])
		}
		pairs = append(pairs, name, value)
	}
	s.waitText(f["text"].(string), pairs...)
	s.waitText(f["adviceText"].(string), pairs...)
	if seen, ok := f["microsoft"].(object); ok {
		s.waitText("Microsoft's code: __code__.", "code", seen["code"].(string))
	}
	s.waitText("Reference: __reference__.", "reference", f["reference"].(string))
}

// shortenTimers makes timers of up to ten seconds in the open screen fire at once, except the one for the start page.
func (d *driver) shortenTimers() {
	d.T.Helper()
	evaluate[bool](d, `(w => { const later = w.setTimeout; w.setTimeout = (f, delay) => later(f, delay > 10000 || delay === 5000 ? delay : 20); return true; })(`+frame+`.defaultView)`)
}

// blockWindows blocks new windows as extensions and settings of browsers do. The headless shell itself blocks none.
func (d *driver) blockWindows() {
	d.T.Helper()
	evaluate[bool](d, `(w => { w.open = () => null; return true; })(`+frame+`.defaultView)`)
}

// openSignIn presses Update Refresh Token and waits for the window that opens.
func (s *tab) openSignIn() (window *paneltest.Driver) {
	s.T.Helper()
	s.shortenTimers()
	s.unfold()
	s.press("Update Refresh Token")
	window = s.Popup(s.p.microsoft)
	s.waitText("Waiting for the consent. Finish the sign-in in the new window. The result appears here automatically.")
	return window
}

// unfold shows the two procedures, which are folded while the token works.
func (s *tab) unfold() {
	s.T.Helper()
	s.driver.unfold(s.text("Grant Consent Again"))
}

// closeWindows closes all windows that the screen opened.
func (s *tab) closeWindows() {
	s.T.Helper()
	windows, err := browser.Windows(s.Ctx)
	if err != nil {
		s.T.Fatal(err)
	}
	for _, info := range windows {
		if strings.HasPrefix(info.URL, s.p.microsoft) {
			window, stop := chromedp.NewContext(s.Ctx, chromedp.WithTargetID(info.TargetID))
			if err := chromedp.Do(window); err == nil {
				err = chromedp.Cancel(window)
				if err != nil {
					s.T.Errorf("closing %s: %v", info.URL, err)
				}
			}
			stop()
		}
	}
}

// refused makes the connector refuse an operation.
func refused(operation string, f object) func(*platform) {
	return func(p *platform) { p.refuse[operation] = f }
}

// status makes the connector answer with a status.
func status(s object) func(*platform) { return func(p *platform) { p.status = s } }

// trouble returns a status with a failure.
func trouble(state string, f object, changes ...any) object {
	s := withStatus(object{"state": state, "failure": f})
	for i := 0; i+1 < len(changes); i += 2 {
		s[changes[i].(string)] = changes[i+1]
	}
	return s
}

// manyEvents returns more events than one page of the history holds.
func manyEvents() []object {
	var events []object
	for i := range 23 {
		e := someEvents()[i%5]
		e["id"] = fmt.Sprintf("m%d", i)
		e["at"] = noon.AddDate(0, 0, -i).Format("2006-01-02T15:04:05Z07:00")
		events = append(events, e)
	}
	return events
}

// openDetails opens the details of a reseller with an active token as the provider.
func (s *tab) openDetails(name string) {
	s.T.Helper()
	s.openDetailsIn(name, "active")
}

func (s *tab) openDetailsIn(name, state string) {
	s.T.Helper()
	s.Click(`Array.from(`+widget("list")+`.querySelectorAll("tr")).find(r => r.innerText.includes("`+name+`"))`, s.text("Details"))
	s.State(state)
	s.waitText("Token Status of __name__", "name", name)
}
