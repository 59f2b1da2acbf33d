package panel_test

import (
	"maps"
	"strconv"
	"testing"

	"azure-partner-connector/connector/failure"
)

// comeBack makes the open screen read everything again, as when a person comes back to it from another window.
func (d *driver) comeBack() {
	d.T.Helper()
	evaluate[bool](d, frame+`.dispatchEvent(new Event("visibilitychange"))`)
}

// answersTo is an expression for how many answers to an operation the open screen has received.
func answersTo(operation string) string {
	return frame + `.defaultView.performance.getEntriesByType("resource").filter(e => e.name.includes("/` + operation + `")).length`
}

// answered waits until the open screen has received n answers to an operation.
func (d *driver) answered(operation string, n int) {
	d.T.Helper()
	d.Wait(answersTo(operation) + ` >= ` + strconv.Itoa(n))
}

// by returns an event of the history that a person has caused.
func by(id, actor string) object {
	e := maps.Clone(someEvents()[0])
	e["id"], e["actor"] = id, object{"kind": "user", "name": actor}
	return e
}

// TestScreens_IgnoreAnOlderAnswer asks twice for status and history, and lets the first answers come after the second ones.
func TestScreens_IgnoreAnOlderAnswer(t *testing.T) {
	t.Parallel()
	for name, opened := range map[string]func(t *testing.T, p *platform) *driver{
		"UX1":     func(t *testing.T, p *platform) *driver { return open(t, p, ux1) },
		"classic": func(t *testing.T, p *platform) *driver { return open(t, p, classic) },
		"provider": func(t *testing.T, p *platform) *driver {
			d := openAsProvider(t, p, provider)
			d.details("Harbour Cloud Resale")
			return d
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlatform(t)
			d := opened(t, p)
			d.State("active")
			d.WaitText("Automatic renewal")

			first, second := make(chan struct{}), make(chan struct{})
			defer close(second)
			p.change(func(p *platform) { p.late = map[string]chan struct{}{"tokenStatus": first, "history": first} })
			d.comeBack()
			d.waitCalls("tokenStatus", 2)
			d.waitCalls("history", 2)
			p.change(func(p *platform) {
				p.status = trouble("expired", local(failure.GrantExpired), "expiresAt", at(-day), "daysLeft", 0)
				p.events = append([]object{by("n1", "Seen Later")}, p.events...)
			})
			d.comeBack()
			d.State("expired")
			d.WaitText("Seen Later")

			close(first)
			d.answered("tokenStatus", 3)
			d.answered("history", 3)
			p.change(func(p *platform) { // whose status does not come before the end, so that it can't mend anything
				p.late = map[string]chan struct{}{"tokenStatus": second}
				p.events = append([]object{by("n2", "Seen Last")}, p.events...)
			})
			d.comeBack()
			d.WaitText("Seen Last")
			d.State("expired")
			const people = `.querySelectorAll("tbody tr td:nth-child(3)")`
			if got := evaluate[string](d, `Array.from(`+widget("history")+people+`).slice(0, 3).map(c => c.innerText.trim()).join(", ")`); got != "Seen Last, Seen Later, Automatic renewal" {
				t.Errorf("the history begins with %s, want the newest first", got)
			}
		})
	}
}

// TestTenants_KeepButtonsBusyWhileAnOperationRuns lets the details be read meanwhile, as when a person comes back to the screen.
func TestTenants_KeepButtonsBusyWhileAnOperationRuns(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	held := make(chan struct{})
	p.held = map[string]chan struct{}{"renew": held}
	d := openAsProvider(t, p, provider)
	d.details("Harbour Cloud Resale")
	d.State("active")
	d.Press("Renew Now")
	disabled := widget("renew") + `.disabled`
	d.Wait(disabled)
	for _, actor := range []string{"Seen First", "Seen Second"} { // the first status has arrived by the second time
		p.change(func(p *platform) { p.events = append([]object{by(actor, actor)}, p.events...) })
		d.comeBack()
		d.WaitText(actor)
	}
	if got := evaluate[bool](d, disabled); !got {
		t.Error("Renew Now is enabled while a renewal runs, want it disabled until its answer")
	}
	close(held)
	d.Wait(widget("said") + `.innerText === "The refresh token has been renewed."`)
	d.Wait(`!` + disabled)
	d.Wait(frame + `.activeElement === ` + widget("renew"))
}

// TestTenants_HistoryIsUnknownUntilItIsRead: a history that is still to come is not an empty one.
func TestTenants_HistoryIsUnknownUntilItIsRead(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.events = []object{}
	held := make(chan struct{})
	p.held = map[string]chan struct{}{"history": held}
	d := openAsProvider(t, p, provider)
	d.details("Harbour Cloud Resale")
	d.State("active")
	if got := evaluate[string](d, widget("history")+`.innerText.trim()`); got != "Loading" {
		t.Errorf("the history says %q before it is read, want Loading", got)
	}
	close(held)
	d.WaitText("Nothing has happened yet.")
}

// TestScreens_AnnounceNothingTwice: reading everything again, as screens do now and then, changes nothing that screen readers announce
// as long as it says the same, and leaves the focus where it is.
func TestScreens_AnnounceNothingTwice(t *testing.T) {
	t.Parallel()
	// watch notes every change in what screen readers announce, and announced returns how many there were.
	watch := func(d *driver) {
		evaluate[bool](d, `(w => {
			w.announced = [];
			const observer = new w.MutationObserver(all => all.forEach(m => w.announced.push(m.target.innerText || m.target.data)));
			w.document.querySelectorAll('[aria-live], [role="alert"], [role="status"]').forEach(e => observer.observe(e, { childList: true, characterData: true, subtree: true }));
			return true;
		})(`+frame+`.defaultView)`)
	}
	announced := func(d *driver, want int) {
		d.T.Helper()
		if got := evaluate[[]string](d, frame+`.defaultView.announced`); len(got) != want {
			d.T.Errorf("the screen announces %q, want %d changes", got, want)
		}
	}
	t.Run("token", func(t *testing.T) {
		p := newPlatform(t)
		p.status = trouble("action_required", fail(failure.SignInFrequency), "nextRenewalAt", nil)
		p.link = openLink()
		d := open(t, p, ux1)
		d.State("action_required")
		mail := widget("mail") + `.querySelector("a")`
		d.Wait(mail)
		d.tabTo(mail)
		watch(d)
		d.comeBack()
		d.answered("tokenStatus", 2)
		p.change(func(p *platform) { p.events = append([]object{by("n1", "Seen Later")}, p.events...) })
		d.comeBack()
		d.WaitText("Seen Later")
		d.focused(mail)
		announced(d, 0)
	})
	t.Run("tenants", func(t *testing.T) {
		p := newPlatform(t)
		d := openAsProvider(t, p, provider)
		d.WaitText("Shown: 1–3 of 3")
		watch(d)
		before := evaluate[int](d, answersTo("tenants"))
		d.comeBack()
		d.answered("tenants", before+1)
		p.change(func(p *platform) { p.list = p.list[:2] })
		d.comeBack()
		d.WaitText("Shown: 1–2 of 2")
		announced(d, 1)
	})
}
