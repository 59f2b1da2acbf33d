// Package uiextension holds the screens of the application as they are packed: pages, scripts, texts and images.
package uiextension

import "embed"

//go:embed ui i18n images
var files embed.FS

// Files returns the folders ui, i18n and images.
func Files() embed.FS { return files }
