package panel_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"azure-partner-connector/sandbox/panel"
	"azure-partner-connector/sandbox/panel/paneltest"
)

// TestNews_BellMailAndOutage reads notifications and mails, on a desktop and a phone, and starts a connector that was stopped.
func TestNews_BellMailAndOutage(t *testing.T) {
	t.Parallel()
	world := &fakeControls{now: noon, mails: []panel.Mail{
		{ID: "1", At: noon, From: "connector@example.com", To: []string{"ops@example.com"}, Subject: "The refresh token of Harbour Cloud Resale expired", Text: "What to do:\n<b>Sign in again.</b>"},
	}}
	p := newPlatform(t)
	p.change(func(p *platform) {
		p.bell = []panel.Notification{{ID: "1", At: noon, Status: "error", Text: "The older notice.", Details: "Sign in again."}, {ID: "2", At: noon.Add(time.Hour), Status: "ready", Text: "The newer notice."}}
	})
	d := &driver{paneltest.LogIn(t, serve(t, p, world), "", "Mara Lind"), p}
	counted := func(id, count, label string) {
		t.Helper()
		d.Wait(`(b => b.querySelector(".news-count").innerText === "` + count + `" && b.getAttribute("aria-label") === "` + label + `")(document.getElementById("` + id + `"))`)
	}
	counted("bell", "2", "Notifications, unread: 2")
	counted("mailbox", "1", "Mail, unread: 1")

	d.ClickOn("#bell")
	d.Wait(`document.activeElement.id === "inboxTitle" && document.getElementById("bell").getAttribute("aria-expanded") === "true"`)
	d.Wait(`Array.from(document.querySelectorAll("#news li strong")).map(e => e.innerText).join() === "The newer notice.,The older notice."`)
	d.Wait(`document.querySelectorAll("#news .news-new").length === 2`)
	d.Wait(`Array.from(document.querySelectorAll(".news-when")).every(e => e.innerText.includes("UTC"))`)
	counted("bell", "", "Notifications")
	d.accessible("the notifications")
	d.LaidOutAt(paneltest.Desktop, "the notifications", nil)
	p.change(func(p *platform) {
		p.bell = append(p.bell, panel.Notification{ID: "3", At: noon.Add(2 * time.Hour), Status: "error", Text: "The third notice."})
	})
	d.Wait(`document.querySelectorAll("#news li").length === 3 && document.querySelectorAll("#news .news-new").length === 1`) // it comes without a press

	d.ClickOn("#mailbox")
	d.Click(`document.getElementById("news")`, "The refresh token of Harbour Cloud Resale expired")
	d.WaitPageText("<b>Sign in again.</b>")
	d.WaitPageText("To: ops@example.com")
	d.accessible("the mail")
	counted("mailbox", "", "Mail")
	d.ClickOn("#drawerToggle") // one of them is open at a time
	d.Wait(`document.getElementById("inbox").hidden && document.getElementById("mailbox").getAttribute("aria-expanded") === "false"`)
	d.ClickOn("#mailbox")
	d.Wait(`document.getElementById("drawer").hidden && !document.getElementById("inbox").hidden`)
	d.ClickOn("#inboxClose")
	d.Wait(`document.activeElement.id === "mailbox"`)

	for _, pressed := range []struct{ ids, open string }{{"bell,bell", ""}, {"bell,mailbox", "mailbox"}, {"mailbox,bell,bell", ""}} {
		d.pressAtOnce(pressed.ids)
		d.Wait(`["bell", "mailbox"].filter(id => document.getElementById(id).getAttribute("aria-expanded") === "true").join() === "` + pressed.open + `"`)
		d.Wait(`document.getElementById("inbox").hidden === ` + strconv.FormatBool(pressed.open == ""))
		if pressed.open != "" {
			d.ClickOn("#inboxClose")
		}
	}

	world.mu.Lock()
	world.outage = "500 Internal Server Error, ConnectionFailure: connection refused"
	world.mu.Unlock()
	d.Wait(`document.getElementById("outage").offsetParent !== null && document.getElementById("outageSeen").innerText === "500 Internal Server Error, ConnectionFailure: connection refused"`)
	d.accessible("a stopped connector")
	for _, width := range []int64{360, 1280} {
		d.Do(chromedp.EmulateViewport(width, 800))
		d.Wait(`document.documentElement.scrollWidth <= innerWidth`)
	}
	d.Click(paneltest.Document, "Start the Connector")
	d.Wait(`document.getElementById("outage").hidden`)

	d.choose("user", providerID) // who has read nothing yet
	counted("bell", "3", "Notifications, unread: 3")
	counted("mailbox", "", "Mail")
}

// pressAtOnce presses buttons of the header faster than any answer comes, and returns once all answers have been dealt with.
func (d *driver) pressAtOnce(ids string) {
	const lists = `performance.getEntriesByType("resource").filter(e => /(notifications|mails)$/.test(e.name)).length`
	evaluate[bool](d, `(performance.clearResourceTimings(), "`+ids+`".split(",").forEach(id => document.getElementById(id).click()), true)`)
	d.Wait(lists + ` >= new Set("` + ids + `".split(",")).size`)
	evaluate[bool](d, `(window.dealt = false, fetch("/panel/api/news").then(() => { window.dealt = true; }), true)`)
	d.Wait(`window.dealt`)
}

func TestNews_Refuses(t *testing.T) {
	t.Parallel()
	c := newClient(t, newPlatform(t))
	c.url = serve(t, newPlatform(t), &fakeControls{now: noon})
	for _, path := range []string{"notifications", "mails"} {
		if got, _ := c.call(http.MethodPost, "/panel/api/"+path, "{}", nil); got != http.StatusUnauthorized {
			t.Errorf("POST %s of nobody = %d, want 401", path, got)
		}
	}
	c.logIn(resellerID)
	for _, path := range []string{"notifications", "mails"} {
		if got, _ := c.call(http.MethodPost, "/panel/api/"+path, "{}", nil); got != http.StatusForbidden {
			t.Errorf("POST %s without the token = %d, want 403", path, got)
		}
		if got, body := c.call(http.MethodPost, "/panel/api/"+path, "{}", http.Header{"Aps-Token": {c.token}}); got != http.StatusOK || strings.TrimSpace(body) != "[]" {
			t.Errorf("POST %s = %d %s, want an empty list", path, got, body)
		}
	}
}

// TestNews_WithoutADrawer: a platform has notifications, but no mailbox.
func TestNews_WithoutADrawer(t *testing.T) {
	t.Parallel()
	c := newClient(t, newPlatform(t))
	c.logIn(resellerID)
	if got, body := c.call(http.MethodGet, "/panel/api/news", "", nil); got != http.StatusOK || !strings.Contains(body, `"mails":0`) {
		t.Errorf("GET news = %d %s, want 200 and no mail", got, body)
	}
	if got, _ := c.call(http.MethodPost, "/panel/api/mails", "{}", http.Header{"Aps-Token": {c.token}}); got != http.StatusNotFound {
		t.Errorf("POST mails = %d, want 404", got)
	}
}
