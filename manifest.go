// Package azurepartner holds the manifest of the application.
package azurepartner

import _ "embed"

//go:embed app.yaml
var manifest []byte

// Manifest returns app.yaml as it stands in the repository.
func Manifest() []byte { return append([]byte(nil), manifest...) }
