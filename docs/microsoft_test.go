package docs_test

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	codeName   = regexp.MustCompile(`(?m)^\s+(\w+)\s+Code = "(\w+)"`)
	codeNumber = regexp.MustCompile(`(?m)^\s+(\d+):\s+failure\.(\w+),`)
	codeFamily = regexp.MustCompile(`(?m)^\s+\{(\d+), (\d+), failure\.(\w+)\},`)
)

// TestReference_ListsEveryCodeOfMicrosoft compares the table of Microsoft's codes with the classification.
func TestReference_ListsEveryCodeOfMicrosoft(t *testing.T) {
	codes := map[string]string{}
	for _, m := range codeName.FindAllStringSubmatch(read(t, filepath.Join(root, "connector", "failure", "code.go")), -1) {
		codes[m[1]] = m[2]
	}
	table := read(t, filepath.Join(root, "connector", "microsoft", "classify.go"))
	numbers, others := map[string][]int{}, map[string][]string{}
	for _, m := range codeNumber.FindAllStringSubmatch(table, -1) {
		number, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		numbers[codes[m[2]]] = append(numbers[codes[m[2]]], number)
	}
	for _, m := range codeFamily.FindAllStringSubmatch(table, -1) {
		others[codes[m[3]]] = append(others[codes[m[3]]], m[1]+" to "+m[2])
	}
	if len(numbers) < 20 || len(others) < 5 {
		t.Fatalf("classify.go has numbers for %d codes and ranges for %d only", len(numbers), len(others))
	}
	all := slices.Concat(slices.Collect(maps.Keys(numbers)), slices.Collect(maps.Keys(others)))
	slices.Sort(all)
	listed := read(t, "reference/failures.md")
	for _, code := range slices.Compact(all) {
		var parts []string
		slices.Sort(numbers[code])
		for _, number := range numbers[code] {
			parts = append(parts, strconv.Itoa(number))
		}
		if ranges := others[code]; len(ranges) > 0 {
			parts = append(parts, "others of "+strings.Join(ranges, " and "))
		}
		if row := "| `" + code + "` | " + strings.Join(parts, ", ") + " |"; !strings.Contains(listed, row) {
			t.Errorf("reference/failures.md does not list\n%s", row)
		}
	}
}
