package pack

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// extensionPoints are those of the panels (docs/reference/aps-ui.md §1.1), with the number of menu levels below each; 0
// is unlimited.
var extensionPoints = map[string]int{
	"http://www.aps-standard.org/ui/application":              0,
	"http://www.parallels.com/poa/pcp/services":               3,
	"http://www.parallels.com/poa/pcp/operations":             3,
	"http://www.parallels.com/poa/pcp/products":               3,
	"http://www.parallels.com/poa/pcp/infrastructure":         3,
	"http://www.parallels.com/poa/pcp/system":                 3,
	"http://www.parallels.com/poa/pcp/services/cloud":         3,
	"http://www.parallels.com/poa/pcp/services/web":           3,
	"http://www.parallels.com/poa/pcp/services/collaboration": 3,
	"http://www.aps-standard.org/ui/rcp/2":                    2,
	"http://www.aps-standard.org/ui/pcp/2":                    2,
	"http://www.parallels.com/ccp/2":                          2,
	"http://www.aps-standard.org/ui/user/2":                   2,
	"http://www.aps-standard.org/ui/service":                  3,
	"http://www.aps-standard.org/ui/user":                     3,
	"http://www.parallels.com/ccp-dashboard#dashboard":        0,
	"http://www.parallels.com/ccp-dashboard#ux1-dashboard":    0,
}

// elementPattern is the form of an id in UX1 (docs/reference/aps-ui.md §1.2); we use it for all trees.
var elementPattern = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// checkScreens checks the navigation trees: ids, extension points, variables, privileges and sources.
func checkScreens(meta *element, types map[string]typeDefinition, files map[string][]byte, out *findings) {
	privileges := make(map[string]bool)
	for _, p := range meta.child("privileges").all("privilege") {
		if privileges[p.attrs["name"]] {
			out.add(at(p), "there are two privileges %s", printable(p.attrs["name"]))
		}
		privileges[p.attrs["name"]] = true
	}
	checker := typeChecker{packageID: meta.textOf("id"), ids: make(map[string]bool), out: out}
	for _, t := range types {
		checker.ids[t.ID] = true
	}
	ids := make(map[string]bool)
	sources := make(map[string]bool)
	for _, tree := range meta.child("presentation").all("navigation") {
		checkExtensionPoints(tree, meta.textOf("id"), 0, 0, out)
		tree.walk(func(e *element) {
			switch e.name {
			case "navigation", "item", "view", "view-plugin", "popup":
				checkElement(e, ids, privileges, out)
			case "var":
				checker.reference(at(e), e.attrs["type-id"])
				checker.name(at(e), e.attrs["name"])
				for _, flag := range []string{"required", "collection"} {
					if v, ok := e.attrs[flag]; ok && v != "true" && v != "false" {
						out.add(at(e), "%s must be true or false", flag)
					}
				}
			}
			switch e.name {
			case "view", "view-plugin", "popup":
				checkSource(e, sources, files, out)
			}
		})
	}
	for source := range sources {
		if path.Ext(source) == ".js" {
			if _, ok := files[bootstrapName]; !ok {
				out.add(bootstrapName, "is missing; UX1 loads screens into it")
			}
			break
		}
	}
	for name := range files {
		if ext := path.Ext(name); (ext == ".js" || ext == ".html") && !strings.HasPrefix(name, "ui/") {
			out.add(name, "scripts and pages must be below ui/")
		}
	}
}

func checkElement(e *element, ids, privileges map[string]bool, out *findings) {
	id := e.attrs["id"]
	if !elementPattern.MatchString(id) {
		out.add(at(e), "the id %q is not lower-case letters, digits and hyphens", printable(id))
	}
	if ids[id] {
		out.add(at(e), "the id %s is repeated", printable(id))
	}
	ids[id] = true
	if p, ok := e.attrs["shown-by-privilege"]; ok && !privileges[p] {
		out.add(at(e), "there is no privilege %s", printable(p))
	}
}

// checkExtensionPoints checks e and what is below it. limit is the number of menu levels at the extension point above
// (0: unlimited), and level how many of them are used. Views inside views are not menu entries.
func checkExtensionPoints(e *element, packageID string, limit, level int, out *findings) {
	for _, plug := range e.all("plugs-to") {
		id := plug.attrs["id"]
		levels, known := extensionPoints[id]
		if !known && !strings.HasPrefix(id, packageID+"#") {
			out.add(at(plug), "there is no extension point %q in any panel", printable(id))
		}
		limit, level = levels, 0
	}
	level++
	if limit > 0 && level == limit+1 {
		out.add(at(e), "the menu has only %d levels", limit)
	}
	for _, c := range e.children {
		if c.name == "item" || c.name == "view" && e.name != "view" {
			checkExtensionPoints(c, packageID, limit, level, out)
		}
	}
}

// checkSource checks the file of a screen. UX1 loads one module per source, so two screens can't share one
// (docs/reference/aps-ui.md §1.2).
func checkSource(e *element, sources map[string]bool, files map[string][]byte, out *findings) {
	source := e.attrs["src"]
	if source == "" {
		source = "ui/" + e.attrs["id"] + ".html"
	}
	if !strings.HasPrefix(source, "ui/") {
		out.add(at(e), "the source %s is not below ui/", printable(source))
	}
	if !slices.Contains([]string{".js", ".html"}, path.Ext(source)) {
		out.add(at(e), "the source %s is neither a script nor a page", printable(source))
	}
	requireFile(at(e), source, files, out)
	if sources[source] {
		out.add(at(e), "the source %s serves two screens", printable(source))
	}
	sources[source] = true
}
