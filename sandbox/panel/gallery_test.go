package panel_test

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"azure-partner-connector/sandbox/panel/paneltest"
)

// gallery is where the pictures are kept.
const gallery = "../../docs/screens"

// elsewhere are the pictures that the tests of the whole sandbox take.
func elsewhere() []string { return []string{"sandbox/sign-in", "sandbox/accept", "sandbox/drawer"} }

// A row is one line of the table of pictures: what is shown, and the pictures in the order of the columns.
type row struct {
	about string
	files []string
}

// rowOf are the pictures of a scene.
func rowOf(sc scene) row {
	r := row{about: sc.about}
	for _, sh := range shots() {
		if !sc.ux1 || sh.panel == "ux1" {
			r.files = append(r.files, sh.file(sc.name))
		}
	}
	return r
}

func rowOfPage(v visit) row {
	r := row{about: v.about}
	for _, sh := range pageShots() {
		r.files = append(r.files, sh.file(v.name))
	}
	return r
}

// writeTable writes a table of pictures.
func writeTable(b *strings.Builder, title string, columns []string, rows []row) {
	fmt.Fprintf(b, "\n## %s\n\n| |", title)
	for _, name := range columns {
		fmt.Fprintf(b, " %s |", name)
	}
	fmt.Fprintf(b, "\n|%s\n", strings.Repeat(" --- |", len(columns)+1))
	for _, r := range rows {
		fmt.Fprintf(b, "| %s |", r.about)
		for _, file := range r.files {
			width := 300
			if strings.Contains(file, "phone") {
				width = 130
			}
			fmt.Fprintf(b, ` <a href="%s.png"><img src="%[1]s.png" width="%d" alt="%s"></a> |`, file, width, alt(file))
		}
		b.WriteString(strings.Repeat(" – |", len(columns)-len(r.files)) + "\n")
	}
}

// alt tells what a picture shows to those who do not see it.
func alt(file string) string {
	return strings.NewReplacer("-", " ", "/", ", ").Replace(file)
}

// table is docs/screens/README.md.
func table() string {
	var b strings.Builder
	b.WriteString("# Every screen and every page\n\n" +
		"What a person may see, in one picture each per column. The tests `TestEveryScreen` and `TestEveryPage` go to all of it, in both panels,\n" +
		"in English and in German, 390 and 1280 pixels wide, and check that the text is there, that a failure has its reference, that nothing\n" +
		"lies on something else, sticks out or scrolls sideways, and all of that from right to left as well. `make screens` takes the pictures\n" +
		"anew, and writes this page. Names, codes and links in them are made up.\n")
	var columns []string
	for _, sh := range shots() {
		columns = append(columns, strings.Join([]string{map[string]string{"ux1": "UX1", "classic": "classic panel"}[sh.panel], sh.device, sh.locale[:2]}, ", "))
	}
	for _, c := range book() {
		var rows []row
		for _, sc := range c.scenes {
			rows = append(rows, rowOf(sc))
		}
		writeTable(&b, c.title, columns, rows)
	}
	columns = nil
	for _, sh := range pageShots() {
		columns = append(columns, strings.Join([]string{sh.device, sh.locale[:2], sh.scheme}, ", "))
	}
	writeTable(&b, "Onboarding pages", columns, rowsOfPages(visits()))
	writeTable(&b, "Onboarding pages: refusals", columns, rowsOfPages(refusals()))
	writeTable(&b, "The sandbox", []string{"desktop, en"}, []row{
		{"The simulated Microsoft: sign-in", []string{"sandbox/sign-in"}},
		{"The simulated Microsoft: the consent", []string{"sandbox/accept"}},
		{"The drawer that moves the clock and makes Microsoft misbehave", []string{"sandbox/drawer"}},
	})
	return b.String()
}

func rowsOfPages(list []visit) []row {
	var rows []row
	for _, v := range list {
		rows = append(rows, rowOfPage(v))
	}
	return rows
}

// expected are the files of all pictures that the lists of scenes and pages name.
func expected() map[string]bool {
	files := map[string]bool{}
	add := func(names ...string) {
		for _, name := range names {
			files[name+".png"] = true
		}
	}
	for _, c := range book() {
		for _, sc := range c.scenes {
			add(rowOf(sc).files...)
		}
	}
	for _, v := range append(visits(), refusals()...) {
		add(rowOfPage(v).files...)
	}
	add(elsewhere()...)
	return files
}

// TestPicturesAreThere checks that docs/screens holds the pictures of all scenes and pages, their table, and nothing
// else. Pictures are not compared: a newer browser may draw a line elsewhere.
func TestPicturesAreThere(t *testing.T) {
	if folder := os.Getenv(paneltest.ScreensVariable); folder != "" {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "README.md"), []byte(table()), 0o644); err != nil {
			t.Fatal(err)
		}
		return // the pictures are being taken
	}
	want := expected()
	want["README.md"] = true
	found := map[string]bool{}
	var size int64
	err := fs.WalkDir(os.DirFS(gallery), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		found[path.Clean(name)] = true
		size += info.Size()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !found[name] {
			t.Errorf("docs/screens/%s is missing: run make screens", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if !want[name] {
			t.Errorf("docs/screens/%s is of no scene and no page: remove it", name)
		}
	}
	if limit := int64(6 << 20); size > limit {
		t.Errorf("docs/screens has %d bytes, want at most %d", size, limit)
	}
	if got, err := os.ReadFile(filepath.Join(gallery, "README.md")); err == nil && string(got) != table() {
		t.Error("docs/screens/README.md is not what the lists say: run make screens")
	}
}
