package panel_test

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"azure-partner-connector/sandbox/panel/paneltest"
)

// views returns the panels and languages in which states are shown. German is only for pictures: tests check translations on the
// English page.
func views() []struct{ panel, locale string } {
	all := []struct{ panel, locale string }{{"ux1", "en_US"}, {"classic", "en_US"}, {"ux1", "de_DE"}, {"classic", "de_DE"}}
	if paneltest.TakesPictures() {
		return all
	}
	return all[:2]
}

// TestScreens_EveryState shows every state of every screen and checks it: it shows its texts, the layout is correct at
// every width, from right to left, in German and Japanese, and at the narrowest width in every language, and axe-core reports
// nothing. In the classic panel, that is one state of each kind; the others are laid out on a phone and a desktop. With
// paneltest.ScreensVariable it takes the pictures of the gallery.
func TestScreens_EveryState(t *testing.T) {
	for _, v := range views() {
		for _, c := range chapters() {
			states := statesIn(v.panel, c)
			if len(states) == 0 {
				continue
			}
			t.Run(v.panel+" "+v.locale+" "+c.title, func(t *testing.T) {
				t.Parallel()
				s := newTab(t, v.panel, v.locale)
				for _, st := range states {
					t.Run(st.name, func(t *testing.T) { s.check(t, st) })
				}
			})
		}
	}
}

// statesIn returns the states of a chapter that are shown in a panel.
func statesIn(panel string, c chapter) []state {
	return slices.DeleteFunc(slices.Clone(c.states), func(st state) bool {
		return panel == "classic" && st.ux1
	})
}

// check shows a state and checks it.
func (s *tab) check(t *testing.T, st state) {
	t.Helper()
	on := s.showState(t, st)
	if st.view == "token" {
		on.onePrimaryButton(st.name)
	}
	if s.locale == "en_US" {
		if s.panel == "classic" && !st.classic { // which differ from UX1 as another state of their kind does
			on.LaidOutAt(paneltest.Phone, st.name, on.translations)
			on.LaidOutAt(paneltest.Desktop, st.name, nil)
		} else {
			on.LaidOut(st.name, on.translations)
		}
		on.Accessible(st.name)
		if st.phone || st.whole && s.panel == "ux1" {
			on.accessibleOnPhone(st.name)
		}
	}
	on.pictures(st)
	on.closeWindows()
}

// onePrimaryButton checks that a screen emphasizes at most one button, besides those of a question.
func (s *tab) onePrimaryButton(state string) {
	s.T.Helper()
	const primary = `Array.from(` + frame + `.querySelectorAll(".aps-button-primary")).filter(b => b.offsetParent !== null && !b.closest("dialog")).map(b => b.innerText).join(", ")`
	if got := evaluate[string](s.driver, primary); strings.Contains(got, ",") {
		s.T.Errorf("%s has the primary buttons %s, want one", state, got)
	}
}

// showState resets the platform, brings the tab into a state, and returns the tab with t as its test.
func (s *tab) showState(t *testing.T, st state) *tab {
	t.Helper()
	page := *s.Driver
	page.T = t
	on := *s
	on.driver = &driver{&page, s.p}
	on.p.restart()
	if st.set != nil {
		on.p.change(st.set)
	}
	if st.user == "" {
		st.user = resellerID
	}
	on.logInAs(st.user)
	evaluate[bool](on.driver, `sessionStorage.clear(), true`) // where the state before was on a screen
	on.open(st.view)
	s.user, s.loads = on.user, on.loads
	st.reach(&on)
	return &on
}

// A shot is one way to take the pictures of all states.
type shot struct{ panel, device, locale string }

// shots returns the shots of every state: each panel, each device and each language, but not all combinations, which would
// be twice as many pictures without new information.
func shots() []shot {
	return []shot{{"ux1", "desktop", "en_US"}, {"ux1", "phone", "de_DE"}, {"classic", "desktop", "de_DE"}, {"classic", "phone", "en_US"}}
}

// file returns the name of a state's picture in the gallery.
func (sh shot) file(state string) string {
	return path.Join(state, strings.Join([]string{sh.panel, sh.device, sh.locale[:2]}, "-"))
}

func (s *tab) pictures(st state) {
	s.T.Helper()
	for _, sh := range shots() {
		if sh.panel != s.panel || sh.locale != s.locale {
			continue
		}
		p := paneltest.Picture{Phone: sh.device == "phone", Whole: st.whole && sh.panel == "ux1", ToEnd: st.toEnd}
		if st.from != "" {
			p.From = paneltest.Section(s.text(st.from))
		}
		s.Capture(sh.file(st.name), p)
	}
}

// TestLaidOut_FindsFaults checks that LaidOut reports a text that overlaps another, one that sticks out to a side, and a
// wide one.
func TestLaidOut_FindsFaults(t *testing.T) {
	t.Parallel()
	d := open(t, newPlatform(t), ux1)
	d.State("active")
	for fault, style := range map[string]string{
		"overlaps":         "position: fixed; inset: 0; font-size: 70px",
		"sticks out":       "position: fixed; bottom: 0; right: -60px; white-space: nowrap",
		"scrolls sideways": "width: 3000px",
	} {
		found := &recorder{TB: t}
		page := *d.Driver
		page.T = found
		evaluate[bool](d, `(d => { const p = d.createElement("p"); p.id = "planted"; p.textContent = "A text that was planted here"; p.style.cssText = "`+style+`"; d.body.append(p); return true; })(`+frame+`)`)
		page.LaidOut("a planted fault", nil)
		evaluate[bool](d, frame+`.getElementById("planted").remove(), true`)
		if !strings.Contains(found.errors, fault) {
			t.Errorf("LaidOut() with %q = %q, want that something %s", style, found.errors, fault)
		}
	}
	d.LaidOut("the screen", nil)
}

// TestLaidOut_FindsALongTranslation checks that LaidOut reports a translation that is too long for its button, although the
// page is in English.
func TestLaidOut_FindsALongTranslation(t *testing.T) {
	t.Parallel()
	d := open(t, newPlatform(t), ux1)
	d.State("active")
	found := &recorder{TB: t}
	page := *d.Driver
	page.T = found
	page.LaidOut("a long label", map[string]paneltest.Catalogue{"de_DE": {"Check Now": strings.Repeat("Erneuerung", 20)}})
	if !strings.Contains(found.errors, "de_DE: it scrolls sideways") || strings.Contains(found.errors, "ltr") {
		t.Errorf("LaidOut() with a translation of 200 letters = %q, want that it scrolls sideways in de_DE only", found.errors)
	}
}

// TestLaidOut_FindsABrokenWord checks that LaidOut reports a label that breaks inside a word, and none that breaks at a soft hyphen,
// between words, or between Japanese characters.
func TestLaidOut_FindsABrokenWord(t *testing.T) {
	t.Parallel()
	d := open(t, newPlatform(t), ux1)
	d.State("active")
	long := strings.Repeat("Aktualisierung", 5)
	for label, fault := range map[string]string{
		long: "breaks inside " + long,
		strings.Repeat("Aktualisierung\u00ad", 5): "",
		strings.Repeat("token ", 12):              "",
		strings.Repeat("更新トークン", 12):              "",
	} {
		found := &recorder{TB: t}
		page := *d.Driver
		page.T = found
		evaluate[bool](d, `(d => { const h = d.createElement("h2"); h.id = "planted"; h.textContent = `+strconv.Quote(label)+`; h.style.overflowWrap = "anywhere"; d.querySelector(".aps-page").append(h); return true; })(`+frame+`)`)
		page.LaidOutAt(paneltest.Narrow, "a planted label", nil)
		evaluate[bool](d, frame+`.getElementById("planted").remove(), true`)
		if fault == "" && found.errors != "" || !strings.Contains(found.errors, fault) {
			t.Errorf("LaidOutAt(320) with the label %s = %q, want %q", label, found.errors, fault)
		}
	}
}

// A recorder is a test that records its errors instead of failing.
type recorder struct {
	testing.TB
	errors string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.errors += fmt.Sprintf(format, args...) + "\n"
}
