package uiextension_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"azure-partner-connector/connector/failure"
)

// The screens say "start again in some minutes" instead of "it is tried again" where only renewals are retried.
func TestFailure_KnowsWhatRenewalsRetry(t *testing.T) {
	script, err := os.ReadFile("ui/lib/connector.js")
	if err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(`const retried = \[([^\]]*)\]`).FindSubmatch(script)
	if list == nil {
		t.Fatal("connector.js has no list of retried failures")
	}
	var got []string
	for _, name := range regexp.MustCompile(`"([a-z_]+)"`).FindAllSubmatch(list[1], -1) {
		got = append(got, string(name[1]))
	}
	var want []string
	for _, code := range failure.Codes() {
		if code.Kind() == failure.Transient && strings.HasPrefix(string(code), "microsoft_") {
			want = append(want, string(code))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("retried failures of Microsoft (-failure.Codes +connector.js):\n%s", diff)
	}
}
