// Package docs_test checks the documents against the code and against each other.
package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"azure-partner-connector/connector/failure"
)

// root is the repository, seen from this folder.
const root = ".."

// built are folders that hold nothing that people write.
var built = []string{"bin", "dist", "node_modules", "testdata"}

// documents returns every document of the repository.
func documents(t *testing.T) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch name := entry.Name(); {
		case err != nil:
			return err
		case entry.IsDir():
			if strings.HasPrefix(name, ".") && path != root && name != ".github" || slices.Contains(built, name) {
				return fs.SkipDir
			}
		case filepath.Ext(name) == ".md":
			names = append(names, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// sources returns the files of the repository whose text people write: code, scripts, configuration and documents.
func sources(t *testing.T) []string {
	t.Helper()
	kinds := []string{
		".go", ".js", ".mjs", ".html", ".css", ".sql", ".yaml", ".yml", ".sh", ".py", ".json", ".md", ".schema", ".service", ".txt", ".tpl",
	}
	named := []string{"Makefile", "Dockerfile", "run", ".editorconfig"}
	var names []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch name := entry.Name(); {
		case err != nil:
			return err
		case entry.IsDir():
			hidden := strings.HasPrefix(name, ".") && path != root && name != ".ci" && name != ".github"
			if hidden || name != "testdata" && slices.Contains(built, name) {
				return fs.SkipDir
			}
		case slices.Contains(kinds, filepath.Ext(name)) || slices.Contains(named, name):
			names = append(names, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(names) < 300 {
		t.Fatalf("only %d files were found", len(names))
	}
	return names
}

func read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

var (
	place = regexp.MustCompile(`__(\w+)__`)
	row   = regexp.MustCompile("(?m)^\\| `(\\w+)` \\|.* \\|.* \\|.*$")
	// link finds [text](target), and ![text](target).
	link    = regexp.MustCompile(`\[[^\]]*\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	fence   = regexp.MustCompile("(?s)\n```.*?\n```")
)

// TestReference_ListsEveryFailure checks that the reference of failures has every failure code, with its kind, status, sentence and
// advice.
func TestReference_ListsEveryFailure(t *testing.T) {
	table := read(t, "reference/failures.md")
	listed := map[string]string{} // code → its row
	for _, m := range row.FindAllStringSubmatch(table, -1) {
		listed[m[1]] = m[0]
	}
	for _, code := range failure.Codes() {
		if got, want := listed[string(code)], failureRow(code); got != want {
			t.Errorf("row of %s in reference/failures.md =\n%s\nwant\n%s", code, got, want)
		}
		delete(listed, string(code))
	}
	for code := range listed {
		t.Errorf("reference/failures.md lists %s, which is no failure code", code)
	}
}

func failureRow(code failure.Code) string {
	sentence, advice := code.Template()
	kind := string(code.Kind())
	if kind == "" {
		kind = "–"
	}
	text := place.ReplaceAllString(sentence+" *"+advice+"*", "‹$1›")
	return "| `" + string(code) + "` | " + kind + " | " + strconv.Itoa(failure.New(code).Status()) + " | " + text + " |"
}

// TestDocuments_LinksResolve checks that what a document links to or shows of the repository exists, headings included.
func TestDocuments_LinksResolve(t *testing.T) {
	for _, name := range documents(t) {
		text := fence.ReplaceAllString(read(t, name), "")
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target := m[1]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			file, anchor, _ := strings.Cut(target, "#")
			path := name
			if file != "" {
				path = filepath.Join(filepath.Dir(name), filepath.FromSlash(file))
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s links to %s, which does not exist", name, target)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(read(t, path)), anchor) {
				t.Errorf("%s links to %s, and there is no such heading", name, target)
			}
		}
	}
}

// anchors returns the headings of a document in the form in which links name them.
func anchors(text string) []string {
	var names []string
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r > 0x7f:
				return r
			}
			return -1
		}, strings.ToLower(m[1]))
		names = append(names, name)
	}
	return names
}

var (
	testName  = regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w*)`")
	testFunc  = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	namedPath = regexp.MustCompile("`((?:connector|hooks|sandbox|docs|ui-extension|migrations|schemas|build)/[\\w./-]*)`")
	behaviour = regexp.MustCompile(`(?m)^\| S(\d+) \|([^|]*)\|([^|]*)\|([^|]*)\|$`)
)

// tests returns the names of all tests of the repository.
func tests(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			if err == nil && strings.HasPrefix(entry.Name(), ".") && entry.Name() != root {
				return fs.SkipDir
			}
			return err
		}
		if strings.HasSuffix(path, "_test.go") {
			for _, m := range testFunc.FindAllStringSubmatch(read(t, path), -1) {
				names[m[1]] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestDocuments_NamedTestsExist checks that every test that a document names is there.
func TestDocuments_NamedTestsExist(t *testing.T) {
	there := tests(t)
	for _, name := range documents(t) {
		for _, m := range testName.FindAllStringSubmatch(read(t, name), -1) {
			if !there[m[1]] {
				t.Errorf("%s names the test %s, which does not exist", name, m[1])
			}
		}
	}
}

// TestDocuments_NamedPathsExist checks that every file and folder of the repository that a document names is there.
func TestDocuments_NamedPathsExist(t *testing.T) {
	found := 0
	for _, name := range documents(t) {
		for _, m := range namedPath.FindAllStringSubmatch(read(t, name), -1) {
			found++
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(m[1]))); err != nil {
				t.Errorf("%s names %s, which does not exist", name, m[1])
			}
		}
	}
	if found < 50 {
		t.Errorf("only %d paths were found", found)
	}
}

// TestReference_ListsEveryBehaviour checks that the reference of the Microsoft client has a row for each of the 37 behaviours
// (docs/reference/microsoft-identity.md §8.2), with a test of the simulator's that is called after it, and one of ours
// unless we make no use of it.
func TestReference_ListsEveryBehaviour(t *testing.T) {
	rows := behaviour.FindAllStringSubmatch(read(t, "reference/microsoft-client.md"), -1)
	if len(rows) != 37 {
		t.Errorf("reference/microsoft-client.md has %d rows of behaviours, want 37", len(rows))
	}
	for i, m := range rows {
		if m[1] != strconv.Itoa(i+1) {
			t.Errorf("row %d of reference/microsoft-client.md is of S%s, want S%d", i+1, m[1], i+1)
		}
		if !strings.Contains(m[3], "`TestS"+m[1]+"_") {
			t.Errorf("S%s names no test of the simulator called TestS%s_…", m[1], m[1])
		}
		if !testName.MatchString(m[4]) && strings.TrimSpace(m[4]) != "not used by the client" {
			t.Errorf("S%s names no test of the connector", m[1])
		}
	}
}
