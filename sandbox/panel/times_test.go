package panel_test

import (
	"strconv"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// zone sets the time zone of the browser and loads the panel again.
func (d *driver) zone(id string) {
	d.T.Helper()
	if _, err := chromedp.Call(d.Ctx, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: id}); err != nil {
		d.T.Fatal(err)
	}
	d.Do(chromedp.Reload())
	d.WaitLoaded()
}

// waitSpaced waits until the open screen shows a text, whatever spaces the browser writes in times.
func (d *driver) waitSpaced(text string) {
	d.T.Helper()
	d.Wait(frame + `.body.innerText.replace(/\s/g, " ").includes(` + strconv.Quote(text) + `)`)
}

// TestTimes_InEveryZone: every time has its zone, in summer and in winter. The day on which a credential ends is the same everywhere,
// the one that people have entered.
func TestTimes_InEveryZone(t *testing.T) {
	t.Parallel()
	const end = "2027-11-23"
	p := newPlatform(t)
	allowOwn(p)
	p.link = openLink()
	p.status["credentials"] = []object{{"name": "applicationSecret", "endsAt": end + "T00:00:00Z", "used": true}}
	p.tenant["applicationId"], p.tenant["applicationSecretEnd"], p.tenant["applicationCertificateEnd"] = ownApplication, end, end
	d := open(t, p, ux1)
	for id, zone := range map[string]struct{ winter, summer, link string }{
		"UTC":                 {"Feb 17, 2027, 12:00 PM UTC", "Oct 20, 2026, 12:00 PM UTC", "Nov 30, 2026, 12:00 PM UTC"},
		"America/Los_Angeles": {"Feb 17, 2027, 4:00 AM PST", "Oct 20, 2026, 5:00 AM PDT", "Nov 30, 2026, 4:00 AM PST"},
		"Europe/Berlin":       {"Feb 17, 2027, 1:00 PM GMT+1", "Oct 20, 2026, 2:00 PM GMT+2", "Nov 30, 2026, 1:00 PM GMT+1"},
		"Pacific/Auckland":    {"Feb 18, 2027, 1:00 AM GMT+13", "Oct 21, 2026, 1:00 AM GMT+13", "Dec 1, 2026, 1:00 AM GMT+13"},
	} {
		d.zone(id)
		d.State("active")
		d.unfold("Grant Consent Again")
		d.Press("Details")
		d.waitSpaced(zone.winter + " (86 days left)")
		d.waitSpaced("Ada Novak (ada@contoso-partner.onmicrosoft.com), on " + zone.summer)
		d.waitSpaced("Client secret (in use): Nov 23, 2027")
		d.waitSpaced("The URL works until " + zone.link)
		if got := evaluate[string](d, `decodeURIComponent(`+widget("mail")+`.querySelector("a").href).replace(/\s/g, " ").split("works until ")[1]`); got != zone.link+"." {
			t.Errorf("the email in %s says that the link works until %s, want %s", id, got, zone.link)
		}

		d.Press("More")
		d.Press("Settings")
		d.WaitText("Certificate expires")
		d.Wait(widget("applicationCertificateEnd") + `.innerText.includes("Nov 23, 2027")`)
		d.Click("document", "Close")
		d.State("active")
	}
}
