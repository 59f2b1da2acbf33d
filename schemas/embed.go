// Package schemas holds the APS types of the application as the platform imports them (docs/reference/aps-protocol.md §4).
package schemas

import (
	"embed"
	"strconv"
)

// Version is the version of the package that Files belong to, which is the major version of its types.
const Version = 2

// Files are app.schema and tenant.schema of the current package.
//
//go:embed app.schema tenant.schema
var Files embed.FS

// earlier are the types of earlier packages, by their version. Instances that were not upgraded still have them.
//
//go:embed 1/app.schema 1/tenant.schema
var earlier embed.FS

// Type returns the type of a service, "app" or "tenant", in the package with a version.
func Type(service string, version int) (text []byte, ok bool) {
	var err error
	if version == Version {
		text, err = Files.ReadFile(service + ".schema")
	} else {
		text, err = earlier.ReadFile(strconv.Itoa(version) + "/" + service + ".schema")
	}
	return text, err == nil
}
