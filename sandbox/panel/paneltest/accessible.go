package paneltest

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/chromedp/chromedp"

	"azure-partner-connector/sandbox/npm"
)

// axe pins axe-core, which examines pages by the rules of WCAG and by good practice.
//
//go:embed axe/package.json axe/package-lock.json
var axe embed.FS

// A violation is a violation that axe-core reports.
type violation struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Nodes []struct {
		HTML           string `json:"html"`
		FailureSummary string `json:"failureSummary"`
	} `json:"nodes"`
}

// Accessible fails the test if axe-core reports violations in the page or in its frames. what names their state.
func (d *Driver) Accessible(what string) {
	d.T.Helper()
	for _, found := range d.Violations() {
		d.T.Errorf("%s: %s", what, found)
	}
}

// withoutAxe lists the windows of the page and of its frames into which axe-core was not loaded yet.
const withoutAxe = `[window].concat(Array.from(document.querySelectorAll("iframe")).map(f => f.contentWindow)).filter(w => typeof w.axe !== "object")`

// Violations returns the violations that axe-core reports in the page and in all its frames.
func (d *Driver) Violations() []string {
	d.T.Helper()
	if Evaluate[int](d, withoutAxe+`.length`) > 0 {
		// The debugger may evaluate the script in pages whose policy forbids inline scripts, so these need no change.
		Evaluate[bool](d, `(source => { `+withoutAxe+`.forEach(w => w.eval(source)); return true; })(`+quoted(d.axe())+`)`)
	}
	text, err := chromedp.Run(d.Ctx, chromedp.Evaluate[string](`axe.run(document, { resultTypes: ["violations"] }).then(r => JSON.stringify(r.violations))`, chromedp.EvalAwaitPromise))
	if err != nil {
		d.T.Fatalf("examining %s: %v", d.URL, err)
	}
	var violations []violation
	if err := json.Unmarshal([]byte(text), &violations); err != nil {
		d.T.Fatalf("examining %s: %v", d.URL, err)
	}
	var found []string
	for _, v := range violations {
		for _, n := range v.Nodes {
			found = append(found, fmt.Sprintf("%s (%s) at %s: %s", v.Help, v.ID, n.HTML, n.FailureSummary))
		}
	}
	return found
}

// axe returns the source of axe-core.
func (d *Driver) axe() []byte {
	d.T.Helper()
	pinned, err := fs.Sub(axe, "axe")
	if err != nil {
		d.T.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(npm.Install(d.T, "axe-core", pinned), "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		d.T.Fatal(err)
	}
	return source
}

// quoted returns a script as a JavaScript string.
func quoted(script []byte) string {
	text, err := json.Marshal(string(script))
	if err != nil {
		panic("paneltest: a string is always JSON")
	}
	return string(text)
}
