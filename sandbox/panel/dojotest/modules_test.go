package dojotest_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"azure-partner-connector/sandbox/panel/dojotest"
	"azure-partner-connector/sandbox/panel/paneltest"
	"azure-partner-connector/sandbox/platform/backend"
)

const extension = "../../../ui-extension/ui"

// dependency matches the modules of Dojo that a screen requires.
var dependency = regexp.MustCompile(`"((?:dojo|dijit|dojox)/[^"!]*)!?[^"]*"`)

// screens returns the files of the screens, below their folder.
func screens(t *testing.T) []string {
	t.Helper()
	var found []string
	err := fs.WalkDir(os.DirFS(extension), ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			found = append(found, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// required returns the modules of Dojo that the screens require, each with a file that requires it.
func required(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, name := range screens(t) {
		source, err := os.ReadFile(filepath.Join(extension, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range dependency.FindAllStringSubmatch(string(source), -1) {
			found[match[1]] = name
		}
	}
	return found
}

func TestModules_ScreensRequireOnlyThoseOfDojo(t *testing.T) {
	t.Parallel()
	p := dojotest.Serve(t, dojotest.Config{Backend: backend.New(nil)})
	all := required(t)
	if len(all) < 2 {
		t.Errorf("required() = %v, want what the screens require", all)
	}
	for id, file := range all {
		if !p.Exists(id) {
			t.Errorf("%s requires %s, which Dojo %s does not have", file, id, dojotest.Version)
		}
	}
	for _, id := range []string{"dojo/fetch", "dijit/form/Nothing", "aps/View"} {
		if p.Exists(id) {
			t.Errorf("Exists(%q) = true, want false", id)
		}
	}
}

// TestModules_EveryScreenRunsOnDojo opens every screen and reads the state of Dojo's loader: the screens' modules of Dojo
// came from npm, and every module of the screens ran.
func TestModules_EveryScreenRunsOnDojo(t *testing.T) {
	t.Parallel()
	d := logIn(t, start(t), dojotest.Config{}, "#/ux1/en_US", rita)
	ran := map[string]bool{}
	const home = `document.querySelector("#home iframe.dashboard").contentWindow`
	d.Wait(home + `.document.body.innerText.includes("No token is stored")`)
	d.examine(home, ran)
	for _, panel := range []string{"ux1", "classic"} {
		d.openPanel(panel)
		d.open(tokenScreen)
		d.state("absent")
		d.examine(window, ran)
		d.Press("More")
		d.Press("Settings")
		d.Wait(widget("directory") + `.get("value") === "alpine.onmicrosoft.com"`)
		d.examine(window, ran)
		d.open("Customers")
		d.WaitText("The list can't be read at the moment.") // there is no token
		d.examine(window, ran)
		d.loadedFromDojo()
	}
	d.logInAs(petra)
	for _, panel := range []string{"ux1", "classic"} {
		d.openPanel(panel)
		d.open("Refresh Tokens")
		d.WaitText("Baltic IT")
		d.examine(window, ran)
	}
	for _, name := range screens(t) {
		if strings.HasSuffix(name, ".js") && !ran[name] {
			t.Errorf("%s did not run on Dojo", name)
		}
	}
}

// examine records which modules of the screens ran in a frame, and checks that their modules of Dojo came from npm.
func (d session) examine(frame string, ran map[string]bool) {
	d.Helper()
	own := `Object.values(` + frame + `.require.modules).filter(m => m.executed === "executed" && m.url && m.url.includes("/packages/"))`
	for _, url := range paneltest.Evaluate[[]string](d.Driver, own+`.map(m => m.url)`) {
		_, name, _ := strings.Cut(url, "/ui/")
		ran[name] = true
	}
	fetched := d.Fetched()
	for _, id := range paneltest.Evaluate[[]string](d.Driver, own+`.flatMap(m => m.deps.map(d => d.mid)).filter(id => /^(dojo|dijit|dojox)\//.test(id))`) {
		if !slices.Contains(fetched, id+".js") {
			d.T.Errorf("%s, which a screen requires, was not served from npm", id)
		}
	}
}

// TestModules_StatefulIsLikeThePanels compares objects of real Dojo with what the panel's own part of it is tested against.
func TestModules_StatefulIsLikeThePanels(t *testing.T) {
	t.Parallel()
	p := dojotest.Serve(t, dojotest.Config{Backend: backend.New(nil)})
	d := paneltest.Open(t, p.URL+"/panel/home.html") // any page with Dojo
	d.Wait(`window.require !== undefined`)
	paneltest.Evaluate[bool](d, paneltest.Stateful+`(window).then(log => { window.statefulLog = log; }), true`)
	d.Wait(`window.statefulLog !== undefined`)
	if got := paneltest.Evaluate[string](d, `window.statefulLog`); got != paneltest.StatefulResult {
		t.Errorf("Stateful = %s, want %s", got, paneltest.StatefulResult)
	}
}

// TestModules_ReportsMissingOnes requires a module that Dojo does not have.
func TestModules_ReportsMissingOnes(t *testing.T) {
	t.Parallel()
	p := dojotest.Serve(t, dojotest.Config{Backend: backend.New(nil)})
	d := paneltest.Open(t, p.URL+"/panel/home.html") // any page with Dojo
	paneltest.Evaluate[bool](d, `require(["dojo/request/fetch"]), true`)
	d.Until("a missing module", func() bool { return slices.Contains(p.Missing(), "dojo/request/fetch.js") })
}
