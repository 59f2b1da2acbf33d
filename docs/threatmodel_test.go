package docs_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var (
	tableRow     = regexp.MustCompile(`(?m)^\|.*\|$`)
	shownByOther = regexp.MustCompile("^the same(; .*)?$|`\\w+` in sandbox/walk")
	ofRFC        = regexp.MustCompile(`^(\d+\.\d+)`)
	ofASVS       = regexp.MustCompile(`V(\d+)\b`)
)

// TestThreatModel_EveryRowNamesItsTest: what holds is shown by a test, in the last cell of each row. TestDocuments_NamedTestsExist
// checks that it exists. The table of actors claims nothing.
func TestThreatModel_EveryRowNamesItsTest(t *testing.T) {
	rows, testsLast := 0, false
	for _, line := range strings.Split(read(t, "explanation/threat-model.md"), "\n") {
		if !tableRow.MatchString(line) {
			testsLast = false
			continue
		}
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		last := cells[len(cells)-1]
		switch {
		case last == "shown by" || last == "test":
			testsLast = true
		case testsLast && !strings.HasPrefix(line, "| ---"):
			if rows++; !testName.MatchString(last) && !shownByOther.MatchString(last) {
				t.Errorf("a row of the threat model names no test: %s", line)
			}
		}
	}
	if rows < 110 {
		t.Errorf("only %d rows were found", rows)
	}
}

// TestThreatModel_CoversTheStandards checks that each attack of RFC 9700 (its sections 4.1 to 4.17) has a row, and each chapter of
// ASVS 5 a row or a place in the sentence that says why it has none.
func TestThreatModel_CoversTheStandards(t *testing.T) {
	_, text, _ := strings.Cut(read(t, "explanation/threat-model.md"), "\n## RFC 9700")
	rfc, asvs, found := strings.Cut(text, "\n## OWASP ASVS 5")
	if !found {
		t.Fatal("the threat model has no sections of RFC 9700 and OWASP ASVS 5")
	}
	covered := map[string]bool{}
	for _, row := range tableRow.FindAllString(rfc, -1) {
		if m := ofRFC.FindStringSubmatch(strings.Trim(row, "| ")); m != nil {
			covered[m[1]] = true
		}
	}
	for section := 1; section <= 17; section++ {
		if number := "4." + strconv.Itoa(section); !covered[number] {
			t.Errorf("section %s of RFC 9700 has no row", number)
		}
	}
	table, without, _ := strings.Cut(asvs, "\nFour chapters have no row")
	clear(covered)
	for _, row := range tableRow.FindAllString(table, -1) {
		first, _, _ := strings.Cut(strings.Trim(row, "| "), " | ")
		for _, m := range ofASVS.FindAllStringSubmatch(first, -1) {
			covered[m[1]] = true
		}
	}
	without, _, _ = strings.Cut(without, ". ")
	for _, m := range ofASVS.FindAllStringSubmatch(without, -1) {
		covered[m[1]] = true
	}
	for chapter := 1; chapter <= 17; chapter++ {
		if !covered[strconv.Itoa(chapter)] {
			t.Errorf("chapter V%d of ASVS is not covered", chapter)
		}
	}
}
