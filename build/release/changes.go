package main

import (
	"fmt"
	"regexp"
	"strings"
)

const changelogFile = "CHANGELOG.md"

var releasedVersion = regexp.MustCompile(`^v?(\d+\.\d+\.\d+)$`)

// changes returns what a changelog says of a version, for the people who install it. A version that is none of a release, such as
// that of a commit in between, has what is not released yet.
func changes(changelog, version string) (string, error) {
	section := "Unreleased"
	if number := releasedVersion.FindStringSubmatch(version); number != nil {
		section = number[1]
	}
	_, text, found := strings.Cut(changelog, "\n## ["+section+"]")
	if !found {
		return "", fmt.Errorf("%s has no section %s: write it before the release", changelogFile, section)
	}
	_, text, _ = strings.Cut(text, "\n") // the rest of the heading
	text, _, _ = strings.Cut(text, "\n## [")
	text = strings.TrimSpace(text)
	if text == "" && section != "Unreleased" {
		return "", fmt.Errorf("%s says nothing about %s", changelogFile, section)
	}
	return "# Azure Partner connector " + version + "\n\n" + text + "\n", nil
}
