package main

import (
	"bytes"
	"fmt"
	"strings"
)

// noticesFile is what image and package carry, because the licenses of most parts require it.
const noticesFile = "THIRD-PARTY-NOTICES.txt"

// notices returns the licenses of everything that is linked into the program. The version of the standard library is left out: it
// is that of the compiler, and its license stays the same.
func notices(root string) ([]byte, error) {
	all, err := modules(root)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "The program contains these works of others. `make notices` writes this file.\n\n"+
		"The image also contains the certificate authorities of Mozilla's list, as Debian packages them (MPL-2.0), and the time zone\n"+
		"database of IANA (public domain). The package for the platform contains no works of others.\n")
	for _, m := range all {
		id, err := m.license()
		if err != nil {
			return nil, err
		}
		names, texts, err := m.licenses()
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&text, "\n%s\n%s\n\n", strings.Repeat("=", 100), strings.TrimSpace(m.Path+" "+m.Version+" ("+id+")"))
		for i, name := range names {
			if i > 0 {
				fmt.Fprintf(&text, "\n%s\n\n", strings.Repeat("-", 100))
			}
			fmt.Fprintf(&text, "%s\n", texts[name])
		}
	}
	return text.Bytes(), nil
}
