package docs_test

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// mergeMark begins or ends what git leaves in a file where two changes meet.
var mergeMark = regexp.MustCompile(`(?m)^(<{7}|>{7}) `)

// TestFiles_HaveNoMergeMarks finds conflicts that were committed unresolved: documents are not compiled, so that nothing else would.
func TestFiles_HaveNoMergeMarks(t *testing.T) {
	for _, name := range sources(t) {
		if mark := mergeMark.FindString(read(t, name)); mark != "" {
			t.Errorf("%s has a line that begins with %q", filepath.ToSlash(name), mark)
		}
	}
}

// declaredTest matches the names of test functions. TestMain is none.
var declaredTest = regexp.MustCompile(`(?m)^func (Test\w+)\(t(?:b)? \*?testing\.TB?\)`)

// TestFiles_NameTestsByTheirBehaviour: a test is named after what it tests, and after the behaviour that it states.
func TestFiles_NameTestsByTheirBehaviour(t *testing.T) {
	tests := 0
	for _, name := range sources(t) {
		if !strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, match := range declaredTest.FindAllStringSubmatch(read(t, name), -1) {
			tests++
			if _, behaviour, _ := strings.Cut(match[1], "_"); behaviour == "" {
				t.Errorf("%s: %s does not say what it states: name it %s_ and the behaviour", filepath.ToSlash(name), match[1], match[1])
			}
		}
	}
	if tests < 1_500 {
		t.Errorf("only %d tests were found", tests)
	}
}

// editorWidth matches the width that editors wrap at.
var editorWidth = regexp.MustCompile(`(?m)^\[\*\]\n[^[]*\nmax_line_length = (\d+)$`)

// TestFiles_WrapCommentsWhereEditorsDo compares the comments of code with .editorconfig, so that it says what is true.
func TestFiles_WrapCommentsWhereEditorsDo(t *testing.T) {
	match := editorWidth.FindStringSubmatch(read(t, filepath.Join(root, ".editorconfig")))
	if match == nil {
		t.Fatal(".editorconfig has no max_line_length for all files")
	}
	width, err := strconv.Atoi(match[1])
	if err != nil {
		t.Fatal(err)
	}
	comments := 0
	for _, name := range sources(t) {
		switch filepath.Ext(name) {
		case ".go", ".js", ".mjs":
		default:
			continue
		}
		block := false // whether the line is in a comment that an earlier line began
		for i, line := range strings.Split(read(t, name), "\n") {
			text := strings.TrimSpace(line)
			block = block || strings.HasPrefix(text, "/*")
			if block || strings.HasPrefix(text, "//") {
				comments++
				if got := utf8.RuneCountInString(strings.ReplaceAll(line, "\t", "    ")); got > width {
					t.Errorf("%s:%d: a comment of %d columns, want at most %d", filepath.ToSlash(name), i+1, got, width)
				}
			}
			block = block && !strings.Contains(text, "*/")
		}
	}
	if comments < 5_000 {
		t.Errorf("only %d lines of comments were found", comments)
	}
}
