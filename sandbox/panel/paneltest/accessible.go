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

// A violation is what axe-core has found.
type violation struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Nodes []struct {
		HTML           string `json:"html"`
		FailureSummary string `json:"failureSummary"`
	} `json:"nodes"`
}

// Accessible fails the test unless axe-core finds nothing in the page and in its frames. what names their state.
func (d *Driver) Accessible(what string) {
	d.T.Helper()
	for _, found := range d.Violations() {
		d.T.Errorf("%s: %s", what, found)
	}
}

// Violations returns what axe-core finds in the page and in all its frames.
func (d *Driver) Violations() []string {
	d.T.Helper()
	pinned, err := fs.Sub(axe, "axe")
	if err != nil {
		d.T.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(npm.Install(d.T, "axe-core", pinned), "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		d.T.Fatal(err)
	}
	if !Evaluate[bool](d, `typeof axe === "object"`) {
		// As a debugger does: pages whose policy forbids inline scripts are examined as they are.
		d.Do(chromedp.Evaluate[chromedp.Void](string(source) + "; undefined"))
	}
	Evaluate[bool](d, `Array.from(document.querySelectorAll("iframe")).every(f => {
		if (f.contentWindow.axe === undefined) {
			const script = f.contentDocument.createElement("script");
			script.textContent = `+quoted(source)+`;
			f.contentDocument.head.append(script);
			script.remove();
		}
		return true;
	})`)
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

// quoted is a script as a JavaScript string.
func quoted(script []byte) string {
	text, err := json.Marshal(string(script))
	if err != nil {
		panic("paneltest: a string is always JSON")
	}
	return string(text)
}
