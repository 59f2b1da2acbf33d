package panel_test

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"azure-partner-connector/sandbox/panel/paneltest"
)

// views are the panels and languages in which states are brought up. German and the rest of the classic panel are only
// for pictures: tests judge translations on the English page, and the classic panel by one state of each kind.
func views() []struct{ panel, locale string } {
	all := []struct{ panel, locale string }{{"ux1", "en_US"}, {"classic", "en_US"}, {"ux1", "de_DE"}, {"classic", "de_DE"}}
	if paneltest.TakesPictures() {
		return all
	}
	return all[:2]
}

// TestScreens_EveryState brings up every state of every screen and judges it: it must show its texts, its layout must be
// sound at every width, from right to left, and in German and Japanese, and axe-core must find nothing. With
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
					t.Run(st.name, func(t *testing.T) { s.judge(t, st) })
				}
			})
		}
	}
}

// statesIn returns the states of a chapter that are brought up in a panel.
func statesIn(panel string, c chapter) []state {
	return slices.DeleteFunc(slices.Clone(c.states), func(st state) bool {
		return panel == "classic" && (st.ux1 || !st.classic && !paneltest.TakesPictures())
	})
}

// judge brings up a state and checks what is shown.
func (s *tab) judge(t *testing.T, st state) {
	t.Helper()
	on := s.bringUp(t, st)
	if s.locale == "en_US" {
		on.LaidOut(st.name, on.translations)
		on.Accessible(st.name)
		if st.phone || st.whole && s.panel == "ux1" {
			on.accessibleOnPhone(st.name)
		}
	}
	on.pictures(st)
	on.closeWindows()
}

// bringUp brings up a state on a platform as at first, and returns the tab as it then is.
func (s *tab) bringUp(t *testing.T, st state) *tab {
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
	on.open(st.view)
	s.user, s.loads = on.user, on.loads
	st.reach(&on)
	return &on
}

// A shot is one way to take the pictures of all states.
type shot struct{ panel, device, locale string }

// shots show every state in each panel, on each device and in each language; all combinations would be twice as many
// pictures without new information.
func shots() []shot {
	return []shot{{"ux1", "desktop", "en_US"}, {"ux1", "phone", "de_DE"}, {"classic", "desktop", "de_DE"}, {"classic", "phone", "en_US"}}
}

// file is the name of a state's picture in the gallery.
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

// A check that finds nothing must be able to find something: here a text that overlaps another, one that sticks out to a
// side, and a wide one.
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

// A translation that is too long for its button must be found, although the page is in English.
func TestLaidOut_FindsALongTranslation(t *testing.T) {
	t.Parallel()
	d := open(t, newPlatform(t), ux1)
	d.State("active")
	found := &recorder{TB: t}
	page := *d.Driver
	page.T = found
	page.LaidOut("a long label", map[string]paneltest.Catalogue{"de_DE": {"Renew Now": strings.Repeat("Erneuerung", 20)}})
	if !strings.Contains(found.errors, "de_DE: it scrolls sideways") || strings.Contains(found.errors, "ltr") {
		t.Errorf("LaidOut() with a translation of 200 letters = %q, want that it scrolls sideways in de_DE only", found.errors)
	}
}

// recorder is a test that records its errors instead of failing.
type recorder struct {
	testing.TB
	errors string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.errors += fmt.Sprintf(format, args...) + "\n"
}
