package pack_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"azure-partner-connector/connector/platform/pack"

	"github.com/google/go-cmp/cmp"
)

func load(t *testing.T) *pack.Package {
	t.Helper()
	manifest, err := os.ReadFile("testdata/app.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := pack.Load(manifest, os.DirFS("testdata/schemas"), os.DirFS("testdata/ui"))
	if err != nil {
		t.Fatalf("Load() = %v, want a package", err)
	}
	return p
}

func build(t *testing.T, p *pack.Package) ([]byte, map[string][]byte) {
	t.Helper()
	content, err := p.Build()
	if err != nil {
		t.Fatalf("Build() = %v, want a package", err)
	}
	files, err := pack.Files(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatalf("Files() = %v, want files", err)
	}
	return content, files
}

func TestBuild_IsReproducible(t *testing.T) {
	first, _ := build(t, load(t))
	second, _ := build(t, load(t))
	if !bytes.Equal(first, second) {
		t.Errorf("Build() twice = two packages of %d and %d bytes, want the same bytes", len(first), len(second))
	}
	var written bytes.Buffer
	if err := load(t).Write(&written); err != nil || !bytes.Equal(written.Bytes(), first) {
		t.Errorf("Write() = %v and %d bytes, want the %d bytes of Build", err, written.Len(), len(first))
	}
}

func TestBuild_HasEveryFile(t *testing.T) {
	_, files := build(t, load(t))
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	want := []string{
		"APP-LIST.xml", "APP-META.xml", "i18n/de_DE.json", "i18n/en_US.json", "images/icon.png",
		"schemas/app.schema", "schemas/box.schema", "ui/bootstrapApp.html", "ui/ux1/box.js",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("files of Build() differ (-want +got):\n%s", diff)
	}
}

func TestBuild_Metadata(t *testing.T) {
	_, files := build(t, load(t))
	want, err := os.ReadFile("testdata/APP-META.xml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(files["APP-META.xml"])); diff != "" {
		t.Errorf("APP-META.xml differs (-want +got):\n%s", diff)
	}
	var list struct {
		XMLName xml.Name `xml:"http://apstandard.com/ns/1 files"`
		Files   []struct {
			Name string `xml:"name,attr"`
		} `xml:"file"`
	}
	if err := xml.Unmarshal(files["APP-LIST.xml"], &list); err != nil || len(list.Files) != len(files)-1 {
		t.Errorf("APP-LIST.xml = %d files, %v; want %d", len(list.Files), err, len(files)-1)
	}
}

func TestFileName_HasVersionAndRelease(t *testing.T) {
	if got, want := load(t).FileName(), "parcel-2-7.app.zip"; got != want {
		t.Errorf("FileName() = %s, want %s", got, want)
	}
}

func TestWithID_RenamesEverywhere(t *testing.T) {
	p := load(t)
	renamed, err := p.WithID("http://other.test/boxes")
	if err != nil {
		t.Fatalf("WithID() = %v, want a package", err)
	}
	_, files := build(t, renamed)
	for name, content := range files {
		if bytes.Contains(content, []byte("http://aps.test/parcel")) {
			t.Errorf("%s after WithID() contains the old id, want the new one only", name)
		}
	}
	for name, want := range map[string]string{
		"APP-META.xml":       `type-id="http://other.test/boxes/box/1.0"`,
		"schemas/app.schema": `"id": "http://other.test/boxes/app/1.0"`,
		"ui/ux1/box.js":      "http://other.test/boxes/box/1.0",
	} {
		if !bytes.Contains(files[name], []byte(want)) {
			t.Errorf("%s after WithID() = %s, want %s in it", name, files[name], want)
		}
	}
	if p.ID() != "http://aps.test/parcel" {
		t.Errorf("ID() after WithID = %s, want the package unchanged", p.ID())
	}
	if back, err := renamed.WithID(p.ID()); err != nil {
		t.Errorf("WithID() with the first id = %v, want a package", err)
	} else if again, _ := build(t, back); !bytes.Equal(again, first(build(t, p))) {
		t.Error("WithID() with the first id again = other bytes, want the same")
	}
}

func first(content []byte, _ map[string][]byte) []byte { return content }

func TestWithID_Refuses(t *testing.T) {
	p := load(t)
	for name, id := range map[string]string{
		"https":     "https://aps.test/parcel",
		"port":      "http://aps.test:80/parcel",
		"slash":     "http://aps.test/parcel/",
		"query":     "http://aps.test/parcel?x",
		"fragment":  "http://aps.test/parcel#x",
		"space":     "http://aps.test/par cel",
		"quote":     `http://aps.test/par"cel`,
		"no host":   "http:///parcel",
		"no scheme": "aps.test/parcel",
		"empty":     "",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := p.WithID(id); err == nil {
				t.Errorf("WithID(%q) = nil, want an error", id)
			}
		})
	}
}

func TestLoad_Refuses(t *testing.T) {
	manifest, err := os.ReadFile("testdata/app.yaml")
	if err != nil {
		t.Fatal(err)
	}
	replace := func(old, new string) string {
		if !strings.Contains(string(manifest), old) {
			t.Fatalf("the manifest has no %q", old)
		}
		return strings.Replace(string(manifest), old, new, 1)
	}
	for name, tc := range map[string]struct{ manifest, want string }{
		"unknown key":       {replace("services:", "servics: []\nservices:"), "servics"},
		"repeated key":      {replace("vendor:", "vendor: {name: x}\nvendor:"), "vendor"},
		"two documents":     {string(manifest) + "\n---\npackage: {}\n", "more than one document"},
		"no time":           {replace("packaged: 2026-11-23T08:20:00", "packaged: yesterday"), "yesterday"},
		"id":                {replace("id: http://aps.test/parcel", "id: ftp://aps.test/parcel"), "ftp://aps.test/parcel"},
		"no such operation": {replace("operations: [open]", "operations: [shake]"), `no operation "shake"`},
		"closed operation":  {replace("operations: [open]", "operations: [seal]"), "closed to the owner"},
		"no such service":   {replace("service: box", "service: crate"), `no service "crate"`},
		"empty":             {"", "reading the manifest"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := pack.Load([]byte(tc.manifest), os.DirFS("testdata/schemas"), os.DirFS("testdata/ui"))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Load() = %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func TestBuild_RefusesDefectiveSources(t *testing.T) {
	manifest, err := os.ReadFile("testdata/app.yaml")
	if err != nil {
		t.Fatal(err)
	}
	ui := make(fstest.MapFS)
	for _, name := range []string{"ui/ux1/box.js", "ui/bootstrapApp.html"} {
		content, err := os.ReadFile(path.Join("testdata/ui", name))
		if err != nil {
			t.Fatal(err)
		}
		ui[name] = &fstest.MapFile{Data: content}
	}
	p, err := pack.Load(manifest, os.DirFS("testdata/schemas"), ui)
	if err != nil {
		t.Fatalf("Load() = %v, want a package", err)
	}
	_, err = p.Build()
	faulty, ok := errors.AsType[*pack.FaultyError](err)
	if !ok || len(faulty.Findings) != 1 || !strings.Contains(err.Error(), "images/icon.png") {
		t.Errorf("Build() without the icon = %v, want one finding about it", err)
	}
}

// TestLoad_ShipsNoEnglishTextTwice: the English catalogue has only what it says otherwise than its keys, such as plurals.
func TestLoad_ShipsNoEnglishTextTwice(t *testing.T) {
	files := repositoryFiles(t)
	var english, german map[string]string
	for name, catalogue := range map[string]*map[string]string{"i18n/en_US.json": &english, "i18n/de_DE.json": &german} {
		if err := json.Unmarshal([]byte(files[name]), catalogue); err != nil {
			t.Fatalf("%s = %v, want a catalogue", name, err)
		}
	}
	for text, translation := range english {
		if text == translation {
			t.Errorf("the English catalogue of the package has %q, which a panel shows anyway", text)
		}
		if _, ok := german[text]; !ok {
			t.Errorf("the English catalogue of the package has %q, which the German one lacks", text)
		}
	}
	if len(german) < 300 {
		t.Errorf("the German catalogue of the package has %d texts, want all", len(german))
	}
}

// TestLoad_ShipsNoCommentLines: comments of scripts are for readers of the sources, so the package has none on lines of their own.
func TestLoad_ShipsNoCommentLines(t *testing.T) {
	for name, content := range repositoryFiles(t) {
		for i, line := range strings.Split(content, "\n") {
			if text := strings.TrimSpace(line); path.Ext(name) == ".js" && (strings.HasPrefix(text, "/*") || strings.HasPrefix(text, "//")) {
				t.Errorf("%s:%d of the package is a comment: %s", name, i+1, text)
			}
		}
	}
}

func TestTrimComments_LeavesCodeAndTextsAlone(t *testing.T) {
	for name, tc := range map[string]struct{ source, want string }{
		"comments": {
			"/*\n * About\n ** it. **/\ndefine([], function () {\n    // why\n    return 1; // one\n    /* what */\n});\n",
			"define([], function () {\n    return 1; // one\n});\n",
		},
		"code between comments": {"/* a */ one(); /* b */\ntwo();\n", "/* a */ one(); /* b */\ntwo();\n"},
		"text":                  {"one(`\n// two\n`);\n// three\n", "one(`\n// two\n`);\n// three\n"},
		"broken":                {"// one\ntwo(\n", "// one\ntwo(\n"},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string][]byte{"ui/ux1/box.js": []byte(tc.source)}
			pack.TrimComments(files)
			if got := string(files["ui/ux1/box.js"]); got != tc.want {
				t.Errorf("TrimComments(%q) = %q, want %q", tc.source, got, tc.want)
			}
		})
	}
}
