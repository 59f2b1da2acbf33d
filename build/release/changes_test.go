package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestChanges_AreThoseOfTheVersion(t *testing.T) {
	const changelog = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- New.\n\n## [0.2.0] - 2027-01-02\n\n### Fixed\n\n- Old.\n\n## [0.1.0]\n"
	for _, tc := range []struct{ version, want, fails string }{
		{"v0.2.0", "# Azure Partner connector v0.2.0\n\n### Fixed\n\n- Old.\n", ""},
		{"0.2.0", "# Azure Partner connector 0.2.0\n\n### Fixed\n\n- Old.\n", ""},
		{"v0.2.0-3-gabc", "# Azure Partner connector v0.2.0-3-gabc\n\n### Added\n\n- New.\n", ""},
		{"v0.1.0", "", "says nothing about 0.1.0"},
		{"v0.3.0", "", "has no section 0.3.0"},
	} {
		got, err := changes(changelog, tc.version)
		if got != tc.want || (err == nil) != (tc.fails == "") || err != nil && !strings.Contains(err.Error(), tc.fails) {
			t.Errorf("changes(%s) = %q, %v, want %q and an error with %q", tc.version, got, err, tc.want, tc.fails)
		}
	}
}

// TestChanges_OfTheFirstRelease: whoever upgrades reads first what to do.
func TestChanges_OfTheFirstRelease(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, changelogFile))
	if err != nil {
		t.Fatal(err)
	}
	notes, err := changes(string(text), "v0.1.0")
	if err != nil {
		t.Fatal(err)
	}
	upgrade, added := strings.Index(notes, "### Upgrade notes"), strings.Index(notes, "### Added")
	if upgrade < 0 || added < upgrade {
		t.Errorf("the notes of v0.1.0 do not begin with how to upgrade:\n%.300s", notes)
	}
}
