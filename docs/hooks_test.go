package docs_test

import (
	"strings"
	"testing"

	"azure-partner-connector/hooks"
)

// TestReference_ListsEveryHook compares the table in reference/hooks.md with the one that the handler decides by. Each row
// also says what is answered, and names a test.
func TestReference_ListsEveryHook(t *testing.T) {
	shown := map[hooks.Verdict]string{hooks.Performed: "yes", hooks.Confirmed: "confirmed", hooks.Refused: "–"}
	listed := map[string]string{} // first columns of a row → the rest
	for line := range strings.Lines(read(t, "reference/hooks.md")) {
		if cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|"); len(cells) == 10 {
			listed[strings.Join(cells[:8], "|")] = cells[8] + "|" + cells[9]
		}
	}
	rules := hooks.Rules()
	for i := 0; i < len(rules); i += 6 { // the six kinds of callers
		for _, again := range []bool{false, true} {
			first := rules[i]
			verb := "`" + first.Verb + " /" + first.Service
			if first.Name != "provision" {
				verb += "/{id}" + first.Path
			}
			row := []string{" " + first.Service + " " + first.Name, " " + verb + "`"}
			differs := false
			for _, r := range rules[i : i+6] {
				differs = differs || r.First != r.Repeat
				verdict := r.First
				if again {
					verdict = r.Repeat
				}
				cell := shown[verdict]
				if r.Borrowers && r.Caller == "application" {
					cell = "borrowers"
				}
				row = append(row, " "+cell)
			}
			if again && !differs {
				continue
			}
			if again {
				row[0] += ", again"
			}
			key := strings.Join(row, " |") + " "
			rest, ok := listed[key]
			if !ok {
				t.Errorf("reference/hooks.md lacks the row\n|%s| … |", key)
				continue
			}
			if answer, test, _ := strings.Cut(rest, "|"); strings.TrimSpace(answer) == "" || !testName.MatchString(test) {
				t.Errorf("reference/hooks.md says neither answer nor test of\n|%s|", key)
			}
			delete(listed, key)
		}
	}
	for key := range listed {
		if !strings.HasPrefix(key, " operation ") && !strings.Contains(key, "---") {
			t.Errorf("reference/hooks.md has the row\n|%s|\nwhich the handler does not", key)
		}
	}
}
