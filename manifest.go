// Package azurepartner holds the manifest of the application, and the licenses of the works of others in it.
package azurepartner

import _ "embed"

var (
	//go:embed app.yaml
	manifest []byte
	//go:embed THIRD-PARTY-NOTICES.txt
	notices []byte
)

// Manifest returns a copy of app.yaml.
func Manifest() []byte { return append([]byte(nil), manifest...) }

// NoticesName is the name of the file with the Notices.
const NoticesName = "THIRD-PARTY-NOTICES.txt"

// Notices returns the licenses of the works of others in the program.
func Notices() []byte { return append([]byte(nil), notices...) }
