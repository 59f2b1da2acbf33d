package docs_test

import (
	"path/filepath"
	"regexp"
	"testing"
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
