package panel_test

import (
	"context"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"azure-partner-connector/sandbox/panel"
	"azure-partner-connector/sandbox/panel/paneltest"
)

const (
	depotID   = "8d1c6f3a-52b7-4c1e-9b1f-6c2d4e8fa001"
	depotType = "http://views.test/depot/depot/1.0"
)

// A depot is the backend of a package whose views are written like CloudBlue's own for UX1: with base classes, widgets and modules
// that our screens do not use (docs/reference/aps-ui.md §2.8).
type depot struct {
	mu      sync.Mutex // guards changed
	changed []string   // bodies of the operation change
}

func (d *depot) Users(context.Context) ([]panel.User, error) {
	return []panel.User{
		{ID: "u-1", Name: "Rosa Reseller", Account: "North", AccountID: "a-1", Role: panel.Reseller},
		{ID: "u-2", Name: "Paul Provider", Account: "Larkfield", AccountID: "a-2", Role: panel.Provider},
	}, nil
}

func (d *depot) Navigation(_ context.Context, _, plug string) ([]panel.Node, error) {
	vars := []panel.Var{{Name: "depot", Type: depotType, Required: true}}
	view := func(id, label string, below ...panel.Node) panel.Node {
		return panel.Node{Package: packageID, ID: id, Label: label, Vars: vars, View: &panel.View{Src: "ui/ux1/" + id + ".js"}, Nodes: below}
	}
	edit := view("edit", "Edit Parcel")
	edit.View.Controls = []panel.Control{{Handler: "Submit", Label: "Save"}, {Handler: "Cancel", Label: "Cancel"}}
	switch plug {
	case panel.PlugUX1Reseller:
		return []panel.Node{view("parcels", "Parcels", view("parcel", "Parcel", edit))}, nil
	case panel.PlugUX1Provider:
		return []panel.Node{view("depot", "Depot"), view("stock", "Stock")}, nil
	}
	return nil, nil
}

func (d *depot) Files(context.Context, string) (fs.FS, error) {
	files := make(fstest.MapFS)
	err := fs.WalkDir(os.DirFS("testdata/views"), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile("testdata/views/" + name)
		files[name] = &fstest.MapFile{Data: content}
		return err
	})
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile("../../ui-extension/ui/bootstrapApp.html") // the same in every package
	files["ui/bootstrapApp.html"] = &fstest.MapFile{Data: content}
	return files, err
}

func (d *depot) Resources(_ context.Context, _, typeID string) ([]json.RawMessage, error) {
	if typeID != depotType {
		return nil, nil
	}
	return []json.RawMessage{json.RawMessage(`{"aps":{"id":"` + depotID + `","type":"` + depotType + `"},"owner":"Larkfield"}`)}, nil
}

func (*depot) Notifications(context.Context, string) ([]panel.Notification, error) { return nil, nil }

func (d *depot) Call(_ context.Context, _ string, c panel.Call) (panel.Answer, error) {
	const one = `{"id":"P-1","name":"Books","state":"open","note":"fragile","story":"From far <b>away</b>","route":{"to":"Oslo"},"load":{"weight":750},"sent":{"at":"2026-11-23"},` +
		`"params":[{"id":"lane","title":"Lane","value":"7"},{"id":"speed","title":"Speed","value":"slow","options":[{"label":"Slow","value":"slow"},{"label":"Fast","value":"fast"}]}]}`
	answers := map[string]string{
		"GET ":            `{"aps":{"id":"` + depotID + `","package":{"href":"/aps/2/packages/` + packageID + `"}}}`,
		"GET parcels":     `[` + one + `,{"id":"P-2","state":"sealed","route":{"to":"Turku"}},{"id":"X-9","state":"lost","route":{"to":"nowhere"}}]`,
		"GET parcels/P-1": one,
		"GET healthCheck": `{"status":"upgrade"}`,
		"POST upgrade":    `{}`,
		"POST change":     `{}`,
	}
	body, ok := answers[c.Method+" "+c.Path]
	status := http.StatusOK
	if !ok || c.Path == "parcels" && c.Query != "" && c.Query != "sort(+id)" {
		status, body = http.StatusNotFound, `{"message":"not here"}`
	}
	if c.Path == "change" {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.changed = append(d.changed, string(c.Body))
	}
	return panel.Answer{Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(body)}, nil
}

// TestSources_KeepToWhatEveryPlatformHas checks that our screens use nothing of what only the platform's own views use.
func TestSources_KeepToWhatEveryPlatformHas(t *testing.T) {
	all := sources(t)
	for _, part := range []string{
		`"aps/_View"`, `"aps/_PopupView"`, `"aps/Hr"`, `"aps/Select"`, `"aps/alert"`, `"aps/Toolbar"`, `"aps/i18n"`, `"aps/common"`,
		`"aps/tiles/`, `"dojox/`, "escapeHTML", "showPopup", "baseQuery", "innerHTML",
	} {
		for name, source := range all {
			if strings.Contains(source, part) {
				t.Errorf("%s uses %s, which docs/reference/aps-ui.md §2.8 keeps from our screens", name, part)
			}
		}
	}
}

func openDepot(t *testing.T, user, location string) (*paneltest.Driver, *depot) {
	t.Helper()
	backend := &depot{}
	handler, err := panel.New(panel.Config{Backend: backend})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	d := paneltest.LogIn(t, server.URL, location, user)
	d.WaitLoaded()
	return d, backend
}

// The views of a reseller: a list, its details, and a popup above them.
func TestViews_OfTheReseller(t *testing.T) {
	t.Parallel()
	d, backend := openDepot(t, "Rosa Reseller", "#/ux1/de_DE/"+packageID+"/parcels")
	d.WaitText("Verwalten Sie hier die Pakete Ihres Kontos.")
	d.WaitText("Turku")
	cells := paneltest.Evaluate[[]string](d, `Array.from(`+paneltest.Frame+`.querySelectorAll("tbody tr")).map(row => Array.from(row.cells).slice(0, 5).map(cell => cell.innerText.trim()).join("|"))`)
	if got := strings.Join(cells, "; "); got != "P-2|Turku|||sealed; P-1|Oslo|750|2026-11-23|open" {
		t.Errorf("rows = %s, want the parcels that the filter lets pass, sorted by their destination downwards, and nothing for what is missing", got)
	}
	d.Wait(paneltest.Frame + `.querySelector("td .aps-output b").innerText === "sealed"`)
	d.Wait(paneltest.Frame + `.querySelector("hr.aps-hr") !== null`)
	d.Wait(paneltest.Frame + `.querySelector("th[aria-sort=descending]").innerText.startsWith("To")`)
	paneltest.Evaluate[bool](d, paneltest.Frame+`.getElementById("manage_P-1").click(), true`)

	for _, text := range []string{"Books", "Open", "Parcels and where they are.", "750", "From far away", "Lane", "Back"} {
		d.WaitText(text)
	}
	d.Wait(paneltest.Frame + `.querySelector(".aps-output em b").innerText === "away"`)
	d.Wait(paneltest.Frame + `.querySelector("img").naturalWidth > 0`)
	d.Wait(paneltest.Field("note") + `.value === "fragile"`)
	d.Enter("note", "Handle with care")
	d.Wait(paneltest.Widget("echo") + `.innerText.includes("Handle with care")`)

	paneltest.Evaluate[bool](d, paneltest.Stateful+`(`+paneltest.Frame+`.defaultView).then(log => { window.statefulLog = log; }), true`)
	d.Wait(`window.statefulLog !== undefined`)
	if got := paneltest.Evaluate[string](d, `window.statefulLog`); got != paneltest.StatefulResult {
		t.Errorf("Stateful = %s, want %s", got, paneltest.StatefulResult)
	}

	popup := paneltest.Frame + `.querySelector("dialog.aps-popup[open]")`
	field := func(name string) string { return popup + `.querySelector('[id$="_p_` + name + `_input"]')` }
	d.Press("Edit")
	d.Wait(field("lane") + `.value === "7" && ` + field("speed") + `.value === "slow"`)
	d.Press("Abbrechen")
	d.Wait(popup + ` === null`)
	d.Press("Edit")
	d.Wait(field("lane") + ` !== null`)
	paneltest.Evaluate[bool](d, `(i => { i.value = ""; return true; })(`+field("lane")+`)`)
	d.Press("Speichern") // an empty field is not valid
	d.Wait(`document.getElementById("loading").hidden && ` + popup + ` !== null`)
	paneltest.Evaluate[bool](d, `(i => { i.value = "12"; return true; })(`+field("lane")+`)`)
	d.Press("Speichern")
	d.Wait(popup + ` === null`)
	d.WaitText("The parcel is being changed.")
	d.Wait(paneltest.Widget("edit") + `.disabled`)
	backend.mu.Lock()
	if got := strings.Join(backend.changed, " "); got != `{"id":"P-1","params":{"lane":"12","speed":"slow"}}` {
		t.Errorf("changed = %s, want the values of the popup, once", got)
	}
	backend.mu.Unlock()
	d.Press("Back")
	d.WaitText("Turku")
}

// The views of the provider: settings with a question, and an overview of several answers.
func TestViews_OfTheProvider(t *testing.T) {
	t.Parallel()
	d, _ := openDepot(t, "Paul Provider", "#/ux1/en_US/"+packageID+"/depot")
	for _, text := range []string{"Central management of the depot.", "Upgrade Available", "Larkfield", "The depot has these settings:"} {
		d.WaitText(text)
	}
	d.Wait(paneltest.Frame + `.querySelector("#depot_intro a").href === "https://views.test/docs"`)
	d.Press("Upgrade")
	d.Press("Yes")
	d.WaitText("Upgrading")
	d.Wait(paneltest.Widget("upgrade") + `.disabled`)

	for range 2 { // the second visit replaces what the first one added
		d.Click(paneltest.Document, "Stock")
		d.WaitText("No forecast")
		d.Click(paneltest.Document, "Depot")
		d.WaitText("Central management")
	}
	d.Click(paneltest.Document, "Stock")
	d.WaitText("Parcels in stock")
	d.Press("About")
	d.Press("OK")
	d.WaitText("You know it all.")
	if got := paneltest.Evaluate[int](d, paneltest.Frame+`.querySelectorAll('[id$="_forecast"]').length`); got != 1 {
		t.Errorf("there are %d forecasts, want one", got)
	}
}
