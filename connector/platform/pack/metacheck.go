package pack

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	_ "image/gif"  // pictures of packages
	_ "image/jpeg" // pictures of packages
	_ "image/png"  // pictures of packages
	"net/url"
	"regexp"
	"strings"
	"time"
)

// at returns the position of an element in APP-META.xml.
func at(e *element) string { return fmt.Sprintf("%s:%d", metaName, e.line) }

var (
	numberPattern  = regexp.MustCompile(`^(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*$`)
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
		out.refuse(metaName, "is missing")
		return nil
	}
	root, err := parseXML(content)
	if err != nil {
		out.refuse(metaName, "cannot be read: %v", err)
		return nil
	}
	if root.space != metaSpace || root.name != "application" {
		out.refuse(at(root), "has the root {%s}%s instead of {%s}application", printable(root.space), printable(root.name), metaSpace)
		return nil
	}
	checkGrammar(root, nil, out)
	checkIdentity(root, out)
	checkServices(root, files, out)

	presentation := root.child("presentation")
	pictures := append(presentation.all("icon"), presentation.all("screenshot")...)
	for _, p := range []string{"vendor", "packager"} {
		pictures = append(pictures, root.child(p).all("icon")...)
	}
	for _, e := range pictures {
		requireFile(at(e), e.attrs["path"], files, out)
		checkPicture(e.attrs["path"], files, out)
	}
	checkLicense(root.child("license-agreement"), files, out)
	return root
}

// checkLicense checks the agreement. Published packages give an address where a file belongs.
func checkLicense(e *element, files map[string][]byte, out *findings) {
	if v := e.attr("must-accept"); v != "" && v != "true" && v != "false" {
		out.refuse(at(e), "must-accept must be true or false")
	}
	file := e.child("text").child("file")
	if file == nil {
		return
	}
	if strings.Contains(file.text, "://") {
		out.advise(at(file), "the license is an address; it belongs into url")
		return
	}
	requireFile(at(file), file.text, files, out)
}

// checkPicture checks that a file is a picture that browsers show.
func checkPicture(name string, files map[string][]byte, out *findings) {
	content, ok := files[name]
	if !ok {
		return
	}
	if _, _, err := image.DecodeConfig(bytes.NewReader(content)); err == nil {
		return
	}
	if root, err := parseXML(content); err == nil && root.name == "svg" {
		return
	}
	out.advise(name, "is no picture (PNG, JPEG, GIF or SVG)")
}

func checkIdentity(root *element, out *findings) {
	if root.attrs["version"] != "2.0" {
		out.refuse(at(root), "the format version is %q instead of 2.0", printable(root.attrs["version"]))
	}
	if packaged, ok := root.attrs["packaged"]; ok {
		if _, err := time.Parse(packagedLayout, packaged); err != nil {
			out.refuse(at(root), "packaged %q is not of the form %s", printable(packaged), packagedLayout)
		}
	}
	if e := root.child("id"); e != nil {
		id := e.text
		if rest, ok := strings.CutPrefix(id, "https://"); ok {
			out.advise(at(e), "the id begins with https; ids of the standard begin with http://")
			id = "http://" + rest
		}
		if err := ValidID(id); err != nil {
			out.refuse(at(e), "the id %s", err)
		}
	}
	checkVersion(root, out)
	if e := root.child("upgrade"); e != nil {
		for _, term := range strings.Split(e.attrs["match"], ",") {
			if !matchPattern.MatchString(term) {
				out.refuse(at(e), "the condition %q is not understood", printable(term))
			}
		}
	}
}

// checkVersion checks the version and release of the package, and that its changelog has them.
func checkVersion(root *element, out *findings) {
	for _, name := range []string{"version", "release"} {
		e := root.child(name)
		switch {
		case e == nil:
		case !numberPattern.MatchString(e.text):
			out.refuse(at(e), "the %s %q is not a number", name, printable(e.text))
		case strings.Contains(e.text, "."):
			out.advise(at(e), "the %s %q is not a whole number, as CloudBlue's installer wants it", name, e.text)
		}
	}
	log := root.child("presentation").child("changelog")
	if log == nil {
		return
	}
	for _, v := range log.all("version") {
		if v.attrs["version"] == root.textOf("version") && v.attrs["release"] == root.textOf("release") {
			return
		}
	}
	out.advise(at(log), "the changelog does not have this release, %s-%s", printable(root.textOf("version")), printable(root.textOf("release")))
}

func checkServices(root *element, files map[string][]byte, out *findings) {
	ids := make(map[string]bool)
	schemas := make(map[string]bool)
	for _, s := range root.all("service") {
		id := s.attrs["id"]
		if !servicePattern.MatchString(id) {
			out.refuse(at(s), "the service id %q cannot be a segment of an address", printable(id))
		}
		if ids[id] {
			out.refuse(at(s), "there are two services %s", printable(id))
		}
		ids[id] = true
		if e := s.child("schema"); e != nil {
			name := e.attrs["path"]
			requireFile(at(e), name, files, out)
			if schemas[name] {
				out.refuse(at(e), "%s serves two services", printable(name))
			}
			schemas[name] = true
		}
	}
	for name := range files {
		if strings.HasPrefix(name, "schemas/") && !schemas[name] && !hidden(name) {
			out.advise(name, "no service uses this schema")
		}
	}
}
