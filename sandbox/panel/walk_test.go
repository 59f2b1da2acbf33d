package panel_test

import (
	"fmt"
	"path"
	"strings"
	"testing"

	"azure-partner-connector/sandbox/panel/paneltest"
)

// widths are those of a phone and of a desktop.
func widths() []int64 { return []int64{390, 1280} }

// stages are the panels and languages in which every scene is played.
func stages() []struct{ panel, locale string } {
	return []struct{ panel, locale string }{{"ux1", "en_US"}, {"ux1", "de_DE"}, {"classic", "en_US"}, {"classic", "de_DE"}}
}

// TestEveryScreen plays every scene in both panels, in English and in German, as on a phone and as on a desktop: it must
// tell what it has to, everything in it must have its place, from left to right as from right to left, and axe-core must
// find nothing. With paneltest.ScreensVariable it takes the pictures of docs/screens.
func TestEveryScreen(t *testing.T) {
	t.Parallel()
	for _, where := range stages() {
		t.Run(where.panel+" "+where.locale, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, where.panel, where.locale)
			for _, chapter := range book() {
				for _, scene := range chapter.scenes {
					if !scene.ux1 || where.panel == "ux1" {
						s.perform(t, scene)
					}
				}
			}
		})
	}
}

// perform plays a scene and checks what is shown.
func (s *stage) perform(t *testing.T, sc scene) {
	t.Run(sc.name, func(t *testing.T) {
		on := s.act(t, sc)
		on.LaidOut(sc.name, widths()...)
		on.pictures(sc)
		on.examine(sc)
		on.leave()
	})
}

// examine has axe-core look at a scene in both panels, and at one of each kind of screen as on a phone, too.
func (s *stage) examine(sc scene) {
	s.T.Helper()
	switch {
	case s.panel == "classic" && s.locale == "en_US", s.panel == "ux1" && s.locale == "de_DE": // no other elements
	case sc.whole:
		s.accessible(sc.name)
	default:
		s.Accessible(sc.name)
	}
}

// act plays a scene, on a platform that is as at first, and returns the stage as it then is.
func (s *stage) act(t *testing.T, sc scene) *stage {
	t.Helper()
	page := *s.Driver
	page.T = t
	on := *s
	on.driver = &driver{&page, s.p}
	on.p.restart()
	if sc.set != nil {
		on.p.change(sc.set)
	}
	if sc.user == "" {
		sc.user = resellerID
	}
	on.as(sc.user)
	s.user = on.user
	on.open(sc.view)
	sc.play(&on)
	return &on
}

// A shot is one way in which pictures of a scene are taken.
type shot struct{ panel, device, locale string }

// shots are such that every scene is shown in each panel, on each device and in each language; all combinations would
// be twice as many pictures that tell no more.
func shots() []shot {
	return []shot{{"ux1", "desktop", "en_US"}, {"ux1", "phone", "de_DE"}, {"classic", "desktop", "de_DE"}, {"classic", "phone", "en_US"}}
}

// file is the name of a scene's picture below docs/screens.
func (sh shot) file(scene string) string {
	return path.Join(scene, strings.Join([]string{sh.panel, sh.device, sh.locale[:2]}, "-"))
}

func (s *stage) pictures(sc scene) {
	s.T.Helper()
	for _, sh := range shots() {
		if sh.panel != s.panel || sh.locale != s.locale {
			continue
		}
		p := paneltest.Picture{Phone: sh.device == "phone", Whole: sc.whole && sh.panel == "ux1", ToEnd: sc.toEnd}
		if sc.from != "" {
			p.From = paneltest.Section(s.word(sc.from))
		}
		s.Look(sh.file(sc.name), p)
	}
}

// What finds nothing wrong must have looked: a text that lies on another, one that sticks out to a side, and a wide one.
func TestLayoutFaultsAreFound(t *testing.T) {
	d := open(t, newPlatform(t), ux1)
	d.State("active")
	for fault, style := range map[string]string{
		"lies on":          "position: fixed; inset: 0; font-size: 70px",
		"sticks out":       "position: fixed; bottom: 0; right: -60px; white-space: nowrap",
		"scrolls sideways": "width: 3000px",
	} {
		found := &silent{TB: t}
		page := *d.Driver
		page.T = found
		evaluate[bool](d, `(d => { const p = d.createElement("p"); p.id = "planted"; p.textContent = "A text that was planted here"; p.style.cssText = "`+style+`"; d.body.append(p); return true; })(`+frame+`)`)
		page.LaidOut("a planted fault", widths()...)
		evaluate[bool](d, frame+`.getElementById("planted").remove(), true`)
		if !strings.Contains(found.said, fault) {
			t.Errorf("LaidOut() with %q = %q, want that something %s", style, found.said, fault)
		}
	}
	d.LaidOut("the screen", widths()...)
}

// silent is a test that keeps what it is told of errors.
type silent struct {
	testing.TB
	said string
}

func (s *silent) Errorf(format string, args ...any) { s.said += fmt.Sprintf(format, args...) + "\n" }
