package pack

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// at returns the position of an element in APP-META.xml.
func at(e *element) string { return fmt.Sprintf("%s:%d", metaName, e.line) }

var (
	matchPattern   = regexp.MustCompile(`^(version|release)=(eq|ne|gt|ge|lt|le)=[0-9]+(\.[0-9]+)*$`)
	servicePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)
)

// ValidID returns why id can't be the id of a package, or nil (docs/reference/aps-protocol.md §4.1, §6.2). The error is
// a sentence without its subject.
func ValidID(id string) error {
	u, err := url.Parse(id)
	switch {
	case err != nil:
		return errors.New("is not an address")
	case u.Scheme != "http" || u.Hostname() == "":
		return errors.New("must begin with http:// and a host")
	case u.Port() != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(id, "#"):
		return errors.New("must be scheme, host and path only")
	case strings.HasSuffix(id, "/"):
		return errors.New("must not end in a slash")
	case strings.ContainsAny(id, " \t\r\n\"'<>\\"):
		return errors.New("has a character that is not allowed")
	}
	return nil
}

// checkMetadata checks APP-META.xml without types and screens. It returns the document, or nil without one.
func checkMetadata(files map[string][]byte, out *findings) *element {
	content, ok := files[metaName]
	if !ok {
		out.add(metaName, "is missing")
		return nil
	}
	root, err := parseXML(content)
	if err != nil {
		out.add(metaName, "cannot be read: %v", err)
		return nil
	}
	if root.space != metaSpace || root.name != "application" {
		out.add(at(root), "has the root {%s}%s instead of {%s}application", printable(root.space), printable(root.name), metaSpace)
		return nil
	}
	checkGrammar(root, nil, out)
	checkIdentity(root, out)
	checkServices(root, files, out)

	presentation := root.child("presentation")
	for _, e := range append(presentation.all("icon"), presentation.all("screenshot")...) {
		requireFile(at(e), e.attrs["path"], files, out)
	}
	for _, p := range []string{"vendor", "packager"} {
		for _, e := range root.child(p).all("icon") {
			requireFile(at(e), e.attrs["path"], files, out)
		}
	}
	if file := root.child("license-agreement").child("text").child("file"); file != nil {
		requireFile(at(file), file.text, files, out)
	}
	return root
}

func checkIdentity(root *element, out *findings) {
	if root.attrs["version"] != "2.0" {
		out.add(at(root), "the format version is %q instead of 2.0", printable(root.attrs["version"]))
	}
	if packaged, ok := root.attrs["packaged"]; ok {
		if _, err := time.Parse(packagedLayout, packaged); err != nil {
			out.add(at(root), "packaged %q is not of the form %s", printable(packaged), packagedLayout)
		}
	}
	if e := root.child("id"); e != nil {
		if err := ValidID(e.text); err != nil {
			out.add(at(e), "the id %s", err)
		}
	}
	for _, name := range []string{"version", "release"} {
		if e := root.child(name); e != nil {
			if n, err := strconv.Atoi(e.text); err != nil || n < 1 || strconv.Itoa(n) != e.text {
				out.add(at(e), "the %s %q is not a whole number", name, printable(e.text))
			}
		}
	}
	if e := root.child("upgrade"); e != nil {
		for _, term := range strings.Split(e.attrs["match"], ",") {
			if !matchPattern.MatchString(term) {
				out.add(at(e), "the condition %q is not understood", printable(term))
			}
		}
	}
}

func checkServices(root *element, files map[string][]byte, out *findings) {
	ids := make(map[string]bool)
	schemas := make(map[string]bool)
	for _, s := range root.all("service") {
		id := s.attrs["id"]
		if !servicePattern.MatchString(id) {
			out.add(at(s), "the service id %q cannot be a segment of an address", printable(id))
		}
		if ids[id] {
			out.add(at(s), "there are two services %s", printable(id))
		}
		ids[id] = true
		if e := s.child("schema"); e != nil {
			name := e.attrs["path"]
			requireFile(at(e), name, files, out)
			if schemas[name] {
				out.add(at(e), "%s serves two services", printable(name))
			}
			schemas[name] = true
		}
	}
	for name := range files {
		if strings.HasPrefix(name, "schemas/") && !schemas[name] {
			out.add(name, "no service uses this schema")
		}
	}
}
