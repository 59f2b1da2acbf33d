package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

var (
	// margin is a line's end with what begins the next line of a comment, so that a citation may be wrapped.
	margin = regexp.MustCompile(`\n[ \t]*(?://|/?\*+|#+|--)?[ \t]*`)
	// citation is a document, with sections or with a heading: docs/reference/aps-ui.md §2.1, §2.2.
	citation = regexp.MustCompile(`([\w.-]+(?:/[\w.-]+)*\.md)\b\)?((?:(?:,|,? and|,? or|,? to)? §\d+(?:\.\d+)*)*)`)
	section  = regexp.MustCompile(`§(\d+(?:\.\d+)*)`)
	// standard is a section of a document that everybody can open.
	standard = regexp.MustCompile(`RFC \d+,? §\d+(?:\.\d+)*`)
	numbered = regexp.MustCompile(`(?m)^#+ (\d+(?:\.\d+)*)\.? `)
)

// notCited are names that look like documents: files that tests and make write, and where a package installs one.
var notCited = []string{"benchmarks.md", "dist/release/NOTES.md", "usr/share/doc/azure-partner-connector/CHANGELOG.md"}

// TestCitations_CanBeOpened checks that each document that code, comments or documents cite is in this repository, with
// the section that is cited. A section without a document is a citation that nobody can follow.
func TestCitations_CanBeOpened(t *testing.T) {
	sections := map[string][]string{} // document → its numbered sections
	has := func(document, number string) bool {
		if _, known := sections[document]; !known {
			sections[document] = []string{}
			for _, m := range numbered.FindAllStringSubmatch(read(t, document), -1) {
				sections[document] = append(sections[document], m[1])
			}
		}
		return slices.Contains(sections[document], number)
	}
	found := 0
	for _, name := range sources(t) {
		switch filepath.Base(name) {
		case "citations_test.go", "THIRD-PARTY-NOTICES.txt":
			continue // its examples, and the texts of others
		}
		text := margin.ReplaceAllString(read(t, name), " ")
		rest := standard.ReplaceAllString(text, "")
		rest = citation.ReplaceAllStringFunc(rest, func(cited string) string {
			m := citation.FindStringSubmatch(cited)
			if slices.Contains(notCited, m[1]) {
				return ""
			}
			document := resolve(name, m[1])
			if document == "" {
				t.Errorf("%s cites %s, which is not in the repository", name, m[1])
				return ""
			}
			for _, s := range section.FindAllStringSubmatch(m[2], -1) {
				found++
				if !has(document, s[1]) {
					t.Errorf("%s cites §%s of %s, which has no such section", name, s[1], m[1])
				}
			}
			return ""
		})
		for _, s := range section.FindAllStringSubmatch(rest, -1) {
			switch {
			case filepath.Base(filepath.Dir(name)) != "reference":
				t.Errorf("%s cites §%s without its document", name, s[1])
			case !has(name, s[1]):
				t.Errorf("%s cites its own §%s, which does not exist", name, s[1])
			}
		}
	}
	if found < 200 {
		t.Errorf("only %d citations of sections were found", found)
	}
}

// resolve finds the document that a file cites: seen from the repository's root or, as links are, from the file. It
// returns "" where there is none.
func resolve(from, cited string) string {
	for _, dir := range []string{root, filepath.Dir(from)} {
		path := filepath.Join(dir, filepath.FromSlash(cited))
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}
