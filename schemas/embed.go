// Package schemas holds the APS types of the application as the platform imports them (docs/reference/aps-protocol.md §4).
package schemas

import "embed"

// Files are app.schema and tenant.schema.
//
//go:embed app.schema tenant.schema
var Files embed.FS
