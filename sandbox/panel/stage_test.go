package panel_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"azure-partner-connector/sandbox/browser"
	"azure-partner-connector/sandbox/panel/paneltest"
)

// A stage is a panel in one language, in which scenes are played.
type stage struct {
	*driver
	panel, locale string
	words         map[string]string // English text → text of locale
	user          string            // who is logged in
}

// newStage opens the panel. Nobody is logged in yet.
func newStage(t *testing.T, panel, locale string) *stage {
	t.Helper()
	p := newPlatform(t)
	s := &stage{&driver{paneltest.Open(t, serve(t, p, nil)), p}, panel, locale, catalogues(t)[locale], ""}
	s.Pose()
	return s
}

// as logs in as another user.
func (s *stage) as(user string) {
	s.T.Helper()
	if s.user == user {
		return
	}
	s.Do(chromedp.Evaluate[chromedp.Void](`fetch("/panel/api/session", { method: "POST", body: JSON.stringify({ user: "`+user+`" }) })`, chromedp.EvalAwaitPromise))
	s.user = user
}

// open opens a view anew, as by an address that was kept; "" is the home page.
func (s *stage) open(view string) {
	s.T.Helper()
	place := "#/" + s.panel + "/" + s.locale
	if view == "" {
		s.Do(chromedp.Navigate("about:blank"), chromedp.Navigate(s.URL+"/"+place))
		s.Wait(`!document.getElementById("home").hidden`)
		return
	}
	if s.panel == "classic" {
		view += "-classic"
	}
	s.Do(chromedp.Navigate("about:blank"), chromedp.Navigate(s.URL+"/"+place+"/"+packageID+"/"+view))
	s.WaitLoaded()
}

// word is an English text in the language of the stage, its places filled from pairs.
func (s *stage) word(text string, pairs ...string) string {
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

// press presses what is labelled with an English text.
func (s *stage) press(label string) {
	s.T.Helper()
	s.Press(s.word(label))
}

// pressBelow presses a button that the panel draws below the screen.
func (s *stage) pressBelow(label string) {
	s.T.Helper()
	s.Click(paneltest.Document, s.word(label))
}

// reads waits until the page or one of its frames shows a text as it is.
func (s *stage) reads(text string) {
	s.T.Helper()
	s.Wait(`[document].concat(Array.from(document.querySelectorAll("iframe")).filter(f => f.offsetParent !== null).map(f => f.contentDocument)).some(d => d.body.innerText.includes(` + strconv.Quote(text) + `))`)
}

// tells waits until a failure is told: what happened, what to do, and the reference.
func (s *stage) tells(f object) {
	s.T.Helper()
	params, _ := f["params"].(map[string]string)
	var pairs []string
	for name, value := range params {
		if name == "api" {
			value = s.word(map[string]string{"partnercenter": "Partner Center", "graph": "Microsoft Graph", "arm": "Azure Resource Manager"}[value])
		}
		pairs = append(pairs, name, value)
	}
	s.reads(s.word(f["text"].(string), pairs...))
	s.reads(s.word(f["adviceText"].(string), pairs...))
	s.reads(s.word("Reference: __reference__.", "reference", f["reference"].(string)))
}

// hurry makes the open screen ask at once what it would ask some seconds later.
func (s *stage) hurry() {
	s.T.Helper()
	evaluate[bool](s.driver, `(w => { const later = w.setTimeout; w.setTimeout = (f, delay) => later(f, delay > 10000 ? delay : 20); return true; })(`+frame+`.defaultView)`)
}

// signIn presses Update Refresh Token and waits for the window that opens.
func (s *stage) signIn() (window *paneltest.Driver) {
	s.T.Helper()
	s.hurry()
	s.press("Update Refresh Token")
	window = s.Popup(s.p.microsoft)
	s.reads(s.word("Waiting for the consent. Finish the sign-in in the new window; the result appears here by itself."))
	return window
}

// leave closes all windows that were opened.
func (s *stage) leave() {
	s.T.Helper()
	windows, err := browser.Windows(s.Ctx)
	if err != nil {
		s.T.Fatal(err)
	}
	for _, one := range windows {
		if strings.HasPrefix(one.URL, s.p.microsoft) {
			window, stop := chromedp.NewContext(s.Ctx, chromedp.WithTargetID(one.TargetID))
			if err := chromedp.Do(window); err == nil {
				err = chromedp.Cancel(window)
				if err != nil {
					s.T.Errorf("closing %s: %v", one.URL, err)
				}
			}
			stop()
		}
	}
}

// refused has the connector refuse an operation.
func refused(operation string, f object) func(*platform) {
	return func(p *platform) { p.refuse[operation] = f }
}

// status has the connector tell a status.
func status(s object) func(*platform) { return func(p *platform) { p.status = s } }

// trouble is a status that a failure goes with.
func trouble(state string, f object, changes ...any) object {
	s := withStatus(object{"state": state, "failure": f})
	for i := 0; i+1 < len(changes); i += 2 {
		s[changes[i].(string)] = changes[i+1]
	}
	return s
}

// manyEvents are more than one page of the history.
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

// detailsOf opens the details of a reseller as the provider.
func (s *stage) detailsOf(name string) {
	s.T.Helper()
	s.Click(`Array.from(`+widget("list")+`.querySelectorAll("tr")).find(r => r.innerText.includes("`+name+`"))`, s.word("Details"))
	s.State("active")
	s.reads(s.word("Token Status of __name__", "name", name))
}
