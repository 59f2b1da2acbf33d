package panel_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"azure-partner-connector/sandbox/panel/paneltest"
)

// elsewhere returns the pictures that the tests of sandbox/world take.
func elsewhere() []string {
	return []string{"sandbox/sign-in", "sandbox/accept", "sandbox/drawer", "sandbox/borrowed", "sandbox/bell", "sandbox/mail", "sandbox/stopped", "sandbox/tenants-list", "sandbox/dashboard"}
}

// A row is one row of the table of pictures: what they show, and the pictures in the order of the columns.
type row struct {
	about string
	files []string
}

// rowOf returns the row of a state.
func rowOf(st state) row {
	r := row{about: st.about}
	for _, sh := range shots() {
		if !st.ux1 || sh.panel == "ux1" {
			r.files = append(r.files, sh.file(st.name))
		}
	}
	return r
}

func rowOfPage(p page) row {
	r := row{about: p.about}
	for _, sh := range pageShots() {
		r.files = append(r.files, sh.file(p.name))
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

// alt returns the alternative text of a picture.
func alt(file string) string {
	return strings.NewReplacer("-", " ", "/", ", ").Replace(file)
}

// table returns the README.md of the gallery.
func table() string {
	var b strings.Builder
	b.WriteString("# Every screen and every page\n\n" +
		"Each row is what a person may see, each column a panel, a device and a language. `make screens` takes these pictures and writes\n" +
		"this page; the tests `TestScreens_EveryState` and `TestPages_Every` check the same states. Names, codes and links are made up.\n")
	var columns []string
	for _, sh := range shots() {
		columns = append(columns, strings.Join([]string{map[string]string{"ux1": "UX1", "classic": "classic panel"}[sh.panel], sh.device, sh.locale[:2]}, ", "))
	}
	for _, c := range chapters() {
		var rows []row
		for _, st := range c.states {
			rows = append(rows, rowOf(st))
		}
		writeTable(&b, c.title, columns, rows)
	}
	columns = nil
	for _, sh := range pageShots() {
		columns = append(columns, strings.Join([]string{sh.device, sh.locale[:2], sh.scheme}, ", "))
	}
	writeTable(&b, "Onboarding pages", columns, rowsOfPages(pages()))
	writeTable(&b, "Onboarding pages: refusals", columns, rowsOfPages(refusals()))
	writeTable(&b, "The sandbox", []string{"desktop, en"}, []row{
		{"The simulated Microsoft: sign-in", []string{"sandbox/sign-in"}},
		{"The simulated Microsoft: the consent", []string{"sandbox/accept"}},
		{"The drawer that moves the clock and simulates failures", []string{"sandbox/drawer"}},
		{"An application borrows an access token, and calls Azure with it", []string{"sandbox/borrowed"}},
		{"The notifications of an account", []string{"sandbox/bell"}},
		{"The mail that the connector sent", []string{"sandbox/mail"}},
		{"The connector is stopped", []string{"sandbox/stopped"}},
		{"The command connector tenants list", []string{"sandbox/tenants-list"}},
		{"What the dashboard asks Prometheus, drawn without Grafana", []string{"sandbox/dashboard"}},
	})
	return b.String()
}

func rowsOfPages(list []page) []row {
	var rows []row
	for _, p := range list {
		rows = append(rows, rowOfPage(p))
	}
	return rows
}

// TestGallery_NamesEveryPictureOnce checks the table of pictures. With paneltest.ScreensVariable it writes the table; the
// tests of screens and pages take the pictures.
func TestGallery_NamesEveryPictureOnce(t *testing.T) {
	written := table()
	var files []string
	for _, c := range chapters() {
		for _, st := range c.states {
			files = append(files, rowOf(st).files...)
		}
	}
	for _, p := range append(pages(), refusals()...) {
		files = append(files, rowOfPage(p).files...)
	}
	for _, file := range append(files, elsewhere()...) {
		if n := strings.Count(written, `src="`+file+`.png"`); n != 1 {
			t.Errorf("the table has %s %d times, want once", file, n)
		}
	}
	folder := os.Getenv(paneltest.ScreensVariable)
	if folder == "" {
		folder = t.TempDir()
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "README.md"), []byte(written), 0o644); err != nil {
		t.Fatal(err)
	}
}
