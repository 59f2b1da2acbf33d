package panel_test

import (
	"fmt"
	"testing"

	"azure-partner-connector/sandbox/panel/paneltest"
)

// A driver drives the panel in front of a fake platform.
type driver struct {
	*paneltest.Driver
	p *platform
}

const (
	ux1     = "#/ux1/en_US/" + packageID + "/token"
	ux1de   = "#/ux1/de_DE/" + packageID + "/token"
	classic = "#/classic/en_US/" + packageID + "/token-classic"
)

const frame = paneltest.Frame

// open logs in as the reseller and opens a screen in front of p.
func open(t *testing.T, p *platform, location string) *driver {
	t.Helper()
	d := logIn(t, p, location)
	d.WaitLoaded()
	return d
}

// logIn logs in as the reseller at a location of the panel.
func logIn(t *testing.T, p *platform, location string) *driver {
	t.Helper()
	return logInAs(t, p, location, "Mara Lind")
}

func logInAs(t *testing.T, p *platform, location, name string) *driver {
	t.Helper()
	return &driver{paneltest.LogIn(t, serve(t, p, nil), location, name), p}
}

func evaluate[V any](d *driver, expression string) V {
	d.T.Helper()
	return paneltest.Evaluate[V](d.Driver, expression)
}

func widget(name string) string { return paneltest.Widget(name) }

// unfold shows the two procedures, which are folded while the token works, by the button with a label.
func (d *driver) unfold(label string) {
	d.T.Helper()
	const shown = `.offsetParent !== null`
	d.Wait(widget("automaticBody") + shown + ` || ` + widget("again") + shown)
	if !evaluate[bool](d, widget("automaticBody")+shown) {
		d.Press(label)
		d.Wait(widget("automaticBody") + shown)
	}
}

// openUnfolded opens Manage Refresh Token with both procedures shown.
func openUnfolded(t *testing.T, p *platform, location string) *driver {
	t.Helper()
	d := open(t, p, location)
	d.unfold("Grant Consent Again")
	return d
}

// choose selects a value in one of the lists in the panel's header.
func (d *driver) choose(list, value string) {
	d.T.Helper()
	evaluate[bool](d, `(s => { s.value = "`+value+`"; s.dispatchEvent(new Event("change")); return s.value === "`+value+`"; })(document.getElementById("`+list+`"))`)
}

// waitCalls waits until an operation was called n times.
func (d *driver) waitCalls(operation string, n int) {
	d.T.Helper()
	d.Until(fmt.Sprintf("%d calls of %s", n, operation), func() bool { return d.p.called(operation) >= n })
}
