// Package releases holds the packages that were released before the present one, as they were released.
package releases

import _ "embed"

//go:embed azure-partner-connector-1-1.app.zip
var first []byte

// First returns a copy of package 1-1, of commit 470e62b.
func First() []byte { return append([]byte(nil), first...) }
