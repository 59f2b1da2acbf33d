package dojotest_test

import (
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

// dependency finds what a screen requires of Dojo.
var dependency = regexp.MustCompile(`"((?:dojo|dijit|dojox)/[^"!]*)!?[^"]*"`)

// required returns the modules of Dojo that files of the screens require, with the file.
func required(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(extension, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, match := range dependency.FindAllStringSubmatch(string(source), -1) {
			found[match[1]] = path
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestModules_ScreensRequireOnlyWhatDojoHas(t *testing.T) {
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

// TestModules_EveryScreenRunsOnThePackages opens every screen, and looks at what Dojo's loader knows: what the screens
// require of Dojo, directly, came from the packages of npm, and every module of the screens was run.
func TestModules_EveryScreenRunsOnThePackages(t *testing.T) {
	t.Parallel()
	w := start(t)
	ran := map[string]bool{}
	look := func(d desk, frame string) {
		t.Helper()
		const modules = `.require.modules).filter(m => m.executed === "executed" && m.url && `
		for _, url := range paneltest.Evaluate[[]string](d.Driver, `Object.values(`+frame+modules+`m.url.includes("/ui/")).map(m => m.url)`) {
			if _, path, ours := strings.Cut(url, "/ui/"); ours && !strings.Contains(url, "/client/") {
				ran[path] = true
			}
		}
		const direct = `.flatMap(m => m.deps.map(d => d.mid)).filter(id => /^(dojo|dijit|dojox)\//.test(id))`
		fetched := d.Fetched()
		for _, id := range paneltest.Evaluate[[]string](d.Driver, `Object.values(`+frame+modules+`m.url.includes("/ui/") && !m.url.includes("/client/"))`+direct) {
			if !slices.Contains(fetched, id+".js") {
				t.Errorf("%s, which a screen requires, was not served from npm", id)
			}
		}
	}
	for _, panel := range []string{"ux1", "classic"} {
		d := sitDown(t, w, dojotest.Config{}, "#/"+panel+"/en_US", rita)
		if panel == "ux1" {
			const home = `document.querySelector("#home iframe.dashboard").contentWindow`
			d.Wait(home + `.document.body.innerText.includes("No token is stored")`)
			look(d, home)
		}
		d.open(tokenScreen)
		d.state("absent")
		look(d, window)
		d.Press("Settings")
		d.Wait(widget("directory") + `.get("value") === "alpine.onmicrosoft.com"`)
		look(d, window)
		d.loadedFromDojo()
		d = sitDown(t, w, dojotest.Config{}, "#/"+panel+"/en_US", petra)
		d.open("Refresh Tokens")
		d.WaitText("Baltic IT")
		look(d, window)
	}
	for _, pattern := range []string{"*.js", "*/*.js"} {
		files, err := filepath.Glob(filepath.Join(extension, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			name, err := filepath.Rel(extension, file)
			if err != nil || !ran[filepath.ToSlash(name)] {
				t.Errorf("%s did not run on Dojo (%v)", name, err)
			}
		}
	}
}

// A screen that requires what Dojo does not have must not pass unnoticed.
func TestModules_MissingOnesAreNoticed(t *testing.T) {
	t.Parallel()
	w := start(t)
	p := dojotest.Serve(t, dojotest.Config{Backend: backend.New(w.Platform)})
	d := desk{paneltest.LogIn(t, p.URL, "#/ux1/en_US", rita), p, w}
	d.open(tokenScreen)
	d.state("absent")
	paneltest.Evaluate[bool](d.Driver, window+`.require(["dojo/request/fetch"]), true`)
	d.Until("a missing module", func() bool { return slices.Equal(p.Missing(), []string{"dojo/request/fetch.js"}) })
}
