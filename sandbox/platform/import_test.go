package platform_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"azure-partner-connector/connector/platform/pack"
	"azure-partner-connector/sandbox/platform"
)

// changed returns the repository's package with replacements, old and new in turn, in one file.
func changed(t *testing.T, file string, edits ...string) []byte {
	t.Helper()
	content := archive(t, "1")
	files, err := pack.Files(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	for edit := range slices.Chunk(edits, 2) {
		if !bytes.Contains(files[file], []byte(edit[0])) {
			t.Fatalf("%s holds no %q", file, edit[0])
		}
		files[file] = bytes.Replace(files[file], []byte(edit[0]), []byte(edit[1]), 1)
	}
	delete(files, "APP-LIST.xml")
	var list strings.Builder
	list.WriteString(`<files xmlns="http://apstandard.com/ns/1">`)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(&list, `<file name=%q size="%d" sha256="%x"/>`, name, len(files[name]), sha256.Sum256(files[name]))
	}
	files["APP-LIST.xml"] = []byte(list.String() + `</files>`)
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for name, content := range files {
		entry, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := entry.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestImport_Refuses(t *testing.T) {
	for name, tc := range map[string]struct {
		archive []byte
		want    string
	}{
		"no archive":            {[]byte("x"), "not sound"},
		"the same again":        {archive(t, "1"), "already imported"},
		"unknown base":          {changed(t, "schemas/tenant.schema", "http://aps-standard.org/types/core/suspendable/1.0", "http://odin.com/gadget/1.0"), "Package metafile URI of type"},
		"unknown core type":     {changed(t, "schemas/tenant.schema", "core/subscription/service/1.0", "core/subscription/gadget/1.0"), "no core type"},
		"attribute of a text":   {changed(t, "schemas/app.schema", `"encrypted": true`, `"encrypted": "yes"`), "encrypted must be true or false"},
		"type changed silently": {changed(t, "schemas/app.schema", `"maxLength": 36`, `"maxLength": 40`), "needs a new version of the type"},
		"inherited relation":    {changed(t, "schemas/tenant.schema", `"tokenReason"`, `"account"`), "inherited relation has the same name"},
		"inherited operation":   {changed(t, "schemas/tenant.schema", `"forget": {`, `"configure": {`), "inherited"},
		"path of a relation":    {changed(t, "schemas/tenant.schema", `"path": "/forget"`, `"path": "/account"`), "path of the inherited relation account"},
	} {
		t.Run(name, func(t *testing.T) {
			// A known type keeps its content, unless the platform is in development mode.
			strict := strings.Contains(tc.want, "already") || strings.Contains(tc.want, "new version")
			p := start(t, func(c *platform.Config) { c.Development = !strict })
			if _, err := p.Import(t.Context(), tc.archive); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Import() = %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func TestImport_AgainInDevelopmentMode(t *testing.T) {
	p, _, made := installed(t)
	if _, err := p.Import(t.Context(), changed(t, "ui/bootstrapApp.html", "<title>", "<title>New ")); err != nil {
		t.Fatalf("Import() = %v", err)
	}
	files, ok := p.Files(path.Base(p.Navigation(platform.UX1Reseller)[0].PackageHref))
	if !ok {
		t.Fatal("Files() = nothing, want the package")
	}
	file, err := files.Open("ui/bootstrapApp.html")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var page bytes.Buffer
	if _, err := page.ReadFrom(file); err != nil || !strings.Contains(page.String(), "<title>New ") {
		t.Errorf("bootstrapApp.html = %v %.80q, want the new one", err, page.String())
	}
	if root, _ := p.Resource(made.RootID); root["aps"].(map[string]any)["status"] != "aps:ready" {
		t.Errorf("Resource(root) = %v, want it untouched", root)
	}
}
