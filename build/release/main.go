// Command release makes what a release needs besides the program: the notices of third parties, a bill of materials and
// checksums. Equal sources give equal files.
//
//	release notices            writes THIRD-PARTY-NOTICES.txt
//	release sbom PROGRAM VERSION
//	                           prints the bill of materials of a built program, as CycloneDX 1.6 in JSON
//	release changes VERSION    prints what CHANGELOG.md says of a version
//	release sums FILE...       prints the SHA-256 of files, as sha256sum does
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New("one of notices, sbom, changes and sums is required")
	}
	switch args[0] {
	case "notices":
		text, err := notices(".")
		if err != nil {
			return err
		}
		return os.WriteFile(noticesFile, text, 0o644)
	case "sbom":
		if len(args) != 3 {
			return errors.New("sbom needs a program and its version")
		}
		text, err := sbom(".", args[1], args[2])
		if err != nil {
			return err
		}
		_, err = out.Write(text)
		return err
	case "changes":
		if len(args) != 2 {
			return errors.New("changes needs a version")
		}
		changelog, err := os.ReadFile(changelogFile)
		if err != nil {
			return err
		}
		text, err := changes(string(changelog), args[1])
		if err != nil {
			return err
		}
		_, err = io.WriteString(out, text)
		return err
	case "sums":
		return sums(out, args[1:])
	}
	return fmt.Errorf("unknown command %q", args[0])
}
