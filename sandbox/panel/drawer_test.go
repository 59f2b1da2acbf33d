package panel_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"azure-partner-connector/sandbox/panel"
	"azure-partner-connector/sandbox/panel/paneltest"
)

// fakeControls has one switch that stays on and one that acts once.
type fakeControls struct {
	mu      sync.Mutex // guards all
	now     time.Time
	on      bool
	actions int
	tour    []panel.TourStep
	answer  *panel.Borrowed
	mails   []panel.Mail
	outage  string
}

func (w *fakeControls) Drawer() panel.Drawer {
	w.mu.Lock()
	defer w.mu.Unlock()
	return panel.Drawer{
		Now: w.now, Tour: slices.Clone(w.tour),
		Switches: []panel.Switch{
			{ID: "down", Label: "Microsoft is down", About: "Everything answers 503. Renewals are retried automatically.", On: w.on},
			{ID: "move", Label: "Move the subscription", About: "Refused here.", OfPlatform: true},
			{ID: "revoke", Label: "Revoke all sessions", About: "Found out by the next check.", Momentary: true},
			{ID: "borrow", Label: "Azure CSP (NCE) borrows a token", About: "And calls Azure.", Momentary: true, OfBorrower: true},
		},
		Borrowed: w.answer,
		Accounts: []panel.SignIn{{Name: "ada@contoso.example", About: "everything works"}},
		Password: "Toy-1",
	}
}

func (w *fakeControls) Mails() []panel.Mail {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mails
}

func (w *fakeControls) Outage() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.outage
}

func (w *fakeControls) Advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
	if len(w.tour) > 0 {
		w.tour[0].Done = true
	}
}

// TestTour_FromTheFirstPage starts the tour before anybody is logged in. A step counts by its button, and one that a person does
// elsewhere counts without a press in the drawer.
func TestTour_FromTheFirstPage(t *testing.T) {
	t.Parallel()
	world := &fakeControls{now: noon, tour: []panel.TourStep{
		{ID: "renewal", Title: "Let ten days pass", Text: "The connector renews the token when it is due.", Label: "10 days later", Advance: "240h"},
		{ID: "provider", Title: "Look as the provider", Text: "Log in as Petra Provider and open Refresh Tokens."},
	}}
	p := newPlatform(t)
	d := &driver{paneltest.Open(t, serve(t, p, world)+"/"), p}
	d.WaitPageText("The connector is the real one.")
	d.WaitPageText("Every ten days, the connector renews the refresh token.")
	for _, width := range []int64{390, 1280} {
		d.Do(chromedp.EmulateViewport(width, 844))
		d.Wait(`document.documentElement.scrollWidth <= innerWidth`)
		d.Accessible("the first page")
		d.Capture(fmt.Sprintf("tour/first-%d", width), paneltest.Picture{Phone: width == 390})
	}
	d.ClickOn("#startTour")
	d.WaitPageText("The connector renews the token when it is due.")
	d.Wait(`document.activeElement.id === "drawerTitle"`)
	d.Accessible("the tour")
	d.Capture("tour/drawer", paneltest.Picture{})
	d.ClickOn("#tour-renewal")
	d.WaitPageText("Log in as Petra Provider and open Refresh Tokens.")
	d.Wait(`document.querySelectorAll("#tour .tour-done").length === 1 && document.getElementById("tour-renewal") === null`)
	world.mu.Lock()
	world.tour[1].Done = true
	world.mu.Unlock()
	d.WaitPageText("You have seen it all.")
	d.Wait(`document.querySelectorAll("#tour .tour-done").length === 2`)
}

func (w *fakeControls) Set(id string, on bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch id {
	case "down":
		w.on = on
	case "stop":
		w.outage = ""
	case "move":
		return &panel.RefusedError{Message: "It has a refresh token."}
	case "revoke":
		w.actions++
	case "borrow":
		expires := w.now.Add(time.Hour)
		w.answer = &panel.Borrowed{Label: "Azure CSP (NCE) borrows a token", ExpiresAt: &expires, Request: "GET https://management.example/subscriptions", Status: "200 OK", Body: `{"value": "<b>one</b>"}`}
	default:
		return panel.ErrUnknownSwitch
	}
	return nil
}

// serve serves a panel in front of p, with or without a drawer.
func serve(t *testing.T, p *platform, drawer panel.DrawerControls) string {
	t.Helper()
	handler, err := panel.New(panel.Config{Backend: p, Drawer: drawer})
	if err != nil {
		t.Fatalf("New() = %v, want no error", err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

func TestDrawer_Keyboard(t *testing.T) {
	t.Parallel()
	world := &fakeControls{now: noon}
	p := newPlatform(t)
	d := &driver{paneltest.LogIn(t, serve(t, p, world), ux1, "Mara Lind"), p}
	d.WaitLoaded()
	d.State("active")

	focus := func(id string) { evaluate[bool](d, `document.getElementById("`+id+`").focus(), true`) }
	focused := func(id string) { d.T.Helper(); d.Wait(`document.activeElement.id === "` + id + `"`) }
	focus("drawerToggle")
	d.Do(chromedp.KeyEvent(kb.Enter))
	focused("drawerTitle")
	d.WaitPageText("Monday, November 23, 2026")
	d.WaitPageText("Only this simulated platform has this drawer.")

	before := p.called("tokenStatus")
	d.Do(chromedp.KeyEvent(kb.Tab + kb.Tab + kb.Tab))
	focused("advance240h")
	d.Do(chromedp.KeyEvent(kb.Enter))
	d.WaitPageText("The clock now shows: Thursday, December 3, 2026")
	focused("advance240h")
	d.waitCalls("tokenStatus", before+1)

	d.Do(chromedp.KeyEvent(kb.Tab + kb.Tab + kb.Tab))
	focused("switch-borrow")
	d.Do(chromedp.KeyEvent(kb.Enter))
	d.WaitPageText("The answer: 200 OK")
	d.WaitPageText(`{"value": "<b>one</b>"}`)
	d.WaitPageText("GET https://management.example/subscriptions")
	focused("switch-borrow")
	d.Accessible("the drawer with an answer")

	d.Do(chromedp.KeyEvent(kb.Tab + kb.Tab)) // the answer can be scrolled with the keyboard
	focused("switch-down")
	d.Do(chromedp.KeyEvent(" "))
	d.WaitPageText("On: Microsoft is down")
	d.Wait(`document.getElementById("switch-down").checked`)
	d.Do(chromedp.KeyEvent(" "))
	d.WaitPageText("Off: Microsoft is down")
	d.Do(chromedp.KeyEvent(kb.Tab + kb.Enter))
	d.WaitPageText("Done: Revoke all sessions")
	if world.on || world.actions != 1 {
		t.Errorf("switch = %v, %d actions, want false, 1", world.on, world.actions)
	}
	d.Do(chromedp.KeyEvent(kb.Tab + " "))
	d.WaitPageText("Refused: It has a refresh token.")
	d.Wait(`!document.getElementById("switch-move").checked`)
	d.fits()

	d.Do(chromedp.KeyEvent(kb.Escape))
	d.Wait(`document.getElementById("drawer").hidden`)
	focused("drawerToggle")
}

func TestDrawer_GermanInTheClassicPanel(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	d := &driver{paneltest.LogIn(t, serve(t, p, &fakeControls{now: noon}), strings.Replace(classic, "en_US", "de_DE", 1), "Mara Lind"), p}
	d.WaitLoaded()
	d.State("active")
	d.Click(paneltest.Document, "Sandbox")
	d.WaitPageText("Montag, 23. November 2026")
	d.WaitPageText("Microsoft ist ausgefallen")
	p.change(func(p *platform) {
		p.status = absentStatus()
		p.newcomers = []panel.User{{ID: "u-9", Name: "Nia Neu", Account: "Northwind", AccountID: "a-9", Role: panel.Reseller}}
	})
	d.Click(paneltest.Document, "1 Tag später")
	d.WaitPageText("Die Uhr zeigt jetzt: Dienstag, 24. November 2026")
	d.State("absent")
	d.Wait(`Array.from(document.getElementById("user").options).some(one => one.text.includes("Nia Neu"))`)
	d.Wait(`document.getElementById("user").selectedOptions[0].text.includes("Mara Lind")`)
}

func TestDrawer_AbsentWithoutControls(t *testing.T) {
	t.Parallel()
	d := logIn(t, newPlatform(t), "")
	d.Wait(`!document.getElementById("home").hidden && document.getElementById("drawerToggle").hidden`)
	c := newClient(t, newPlatform(t))
	c.logIn(resellerID)
	if got, _ := c.call(http.MethodGet, "/panel/api/drawer", "", nil); got != http.StatusNotFound {
		t.Errorf("GET drawer without controls = %d, want 404", got)
	}
}

func TestDrawer_Refuses(t *testing.T) {
	t.Parallel()
	world := &fakeControls{now: noon}
	c := newClient(t, newPlatform(t))
	c.url = serve(t, newPlatform(t), world)
	if got, _ := c.call(http.MethodGet, "/panel/api/drawer", "", nil); got != http.StatusUnauthorized {
		t.Errorf("GET drawer of nobody = %d, want 401", got)
	}
	c.logIn(resellerID)
	own := http.Header{"Aps-Token": {c.token}}
	for name, tc := range map[string]struct {
		body   string
		header http.Header
		want   int
	}{
		"without token":   {`{"advance":"24h"}`, nil, http.StatusForbidden},
		"no JSON":         {`advance`, own, http.StatusBadRequest},
		"no duration":     {`{"advance":"a day"}`, own, http.StatusBadRequest},
		"backwards":       {`{"advance":"-1h"}`, own, http.StatusBadRequest},
		"too far":         {`{"advance":"90000h"}`, own, http.StatusBadRequest},
		"unknown switch":  {`{"switch":"none","on":true}`, own, http.StatusNotFound},
		"as it should be": {`{"switch":"down","on":true}`, own, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			if got, body := c.call(http.MethodPost, "/panel/api/drawer", tc.body, tc.header); got != tc.want {
				t.Errorf("POST drawer %s = %d %s, want %d", tc.body, got, body, tc.want)
			}
		})
	}
	if !world.now.Equal(noon) {
		t.Errorf("clock = %v after refusals, want %v", world.now, noon)
	}
}
