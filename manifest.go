// Package azurepartner holds the manifest of the application.
package azurepartner

import _ "embed"

//go:embed app.yaml
var manifest []byte

// Manifest returns a copy of app.yaml.
func Manifest() []byte { return append([]byte(nil), manifest...) }
