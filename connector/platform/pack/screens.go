package pack

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"azure-partner-connector/connector/platform/rql"
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

// elementPattern is the form of an id of a screen in UX1 (docs/reference/aps-ui.md §1.2).
var elementPattern = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// paramTypes are the types of a view's parameters, besides those of schemas.
var paramTypes = append([]string{"any"}, primitives...)

// A screenChecker checks the navigation trees of one package.
type screenChecker struct {
	typeChecker
	files      map[string][]byte
	privileges map[string]bool
	ids        map[string]bool
	sources    map[string]bool
}

// checkScreens checks the navigation trees: ids, extension points, variables, privileges and sources.
func checkScreens(meta *element, types map[string]typeDefinition, files map[string][]byte, out *findings) {
	c := screenChecker{
		typeChecker: newTypeChecker(meta, types, out), files: files,
		privileges: make(map[string]bool), ids: make(map[string]bool), sources: make(map[string]bool),
	}
	for _, p := range meta.child("privileges").all("privilege") {
		if c.privileges[p.attrs["name"]] {
			out.refuse(at(p), "there are two privileges %s", printable(p.attrs["name"]))
		}
		c.privileges[p.attrs["name"]] = true
	}
	for _, tree := range meta.child("presentation").all("navigation") {
		checkExtensionPoints(tree, c.packageID, 0, 0, out)
		c.element(tree, inUX1(tree), nil)
	}
	for source := range c.sources {
		if path.Ext(source) == ".js" {
			if _, ok := files[bootstrapName]; !ok {
				out.refuse(bootstrapName, "is missing; UX1 loads screens into it")
			}
			break
		}
	}
	for name := range files {
		if ext := path.Ext(name); (ext == ".js" || ext == ".html") && !strings.HasPrefix(name, "ui/") {
			out.advise(name, "scripts and pages of screens must be below ui/")
		}
	}
}

// inUX1 reports whether a tree plugs into a menu of UX1.
func inUX1(tree *element) bool {
	return slices.ContainsFunc(tree.all("plugs-to"), func(plug *element) bool { return strings.HasSuffix(plug.attrs["id"], "/2") })
}

// element checks an element of a tree and those below it. variables are those of the elements above.
func (c screenChecker) element(e *element, ux1 bool, variables []*element) {
	variables = slices.Concat(variables, e.all("var"))
	switch e.name {
	case "navigation", "item", "view", "view-plugin", "popup":
		c.screen(e, ux1, variables)
	case "var":
		c.variable(e)
	case "param":
		if t := e.attrs["type"]; !slices.Contains(paramTypes, t) && !typeRefPattern.MatchString(t) {
			c.out.refuse(at(e), "there is no type %q", printable(t))
		}
		c.flags(e, "required")
	}
	if slices.Contains([]string{"view", "view-plugin", "popup"}, e.name) {
		c.source(e)
	}
	for _, below := range e.children {
		c.element(below, ux1, variables)
	}
}

func (c screenChecker) screen(e *element, ux1 bool, variables []*element) {
	id := e.attrs["id"]
	if ux1 && e.name == "view" && !elementPattern.MatchString(id) {
		c.out.refuse(at(e), "the id %q is not lower-case letters, digits and hyphens, as UX1 wants it", printable(id))
	}
	if c.ids[id] {
		c.out.advise(at(e), "the id %s is repeated", printable(id))
	}
	c.ids[id] = true
	if p, ok := e.attrs["shown-by-privilege"]; ok && !c.privileges[p] {
		c.out.refuse(at(e), "there is no privilege %s", printable(p))
	}
	if icon := e.attrs["icon"]; strings.Contains(icon, "/") && !strings.Contains(icon, "://") {
		if _, ok := c.files[icon]; !ok {
			c.out.advise(at(e), "the icon %s is not in the archive", printable(icon))
		}
		checkPicture(icon, c.files, c.out)
	}
	if condition, ok := e.attrs["visible"]; ok {
		names := c.condition(e, "visible", condition)
		for _, name := range names {
			name, _, _ = strings.Cut(name, ".")
			known := name == "_is_reseller" || slices.ContainsFunc(variables, func(v *element) bool { return v.attrs["name"] == name })
			if !known {
				c.out.refuse(at(e), "visible names the variable %s, which is not there", printable(name))
			}
		}
	}
}

func (c screenChecker) variable(e *element) {
	c.reference(at(e), e.attrs["type-id"])
	c.name(at(e), e.attrs["name"])
	c.flags(e, "required", "collection")
	filter, ok := e.attrs["filter"]
	if !ok {
		return
	}
	names := c.condition(e, "filter", filter)
	t, ok := c.ownType(e.attrs["type-id"])
	if !ok || t.broken {
		return
	}
	relations := c.inheritance(t).relations
	for _, name := range names {
		name, _, _ = strings.Cut(name, ".")
		_, property := t.Properties[name]
		_, relation := t.Relations[name]
		if relations[name] == "" && !property && !relation && name != "aps" {
			c.out.refuse(at(e), "filter names the property %s, which %s does not have", printable(name), printable(e.attrs["type-id"]))
		}
	}
}

// condition checks an attribute with RQL, and returns the names of variables or properties in it.
func (c screenChecker) condition(e *element, attribute, condition string) []string {
	terms, err := conditionTerms(condition)
	if err != nil {
		c.out.refuse(at(e), "%s is no RQL: %s", attribute, printable(err.Error()))
		return nil
	}
	return rql.Names(terms)
}

// conditionTerms parses RQL that may only use what is known of it.
func conditionTerms(condition string) ([]rql.Term, error) {
	terms, err := rql.Parse(condition)
	if err == nil {
		err = rql.Check(terms)
	}
	return terms, err
}

func (c screenChecker) flags(e *element, names ...string) {
	for _, name := range names {
		if v, ok := e.attrs[name]; ok && v != "true" && v != "false" {
			c.out.refuse(at(e), "%s must be true or false", name)
		}
	}
}

// checkExtensionPoints checks e and what is below it. limit is the number of menu levels at the extension point above
// (0: unlimited), and level how many of them are used. Views inside views are not menu entries.
func checkExtensionPoints(e *element, packageID string, limit, level int, out *findings) {
	for _, plug := range e.all("plugs-to") {
		id := plug.attrs["id"]
		levels, known := extensionPoints[id]
		switch {
		case known || strings.HasPrefix(id, packageID+"#"):
		case strings.HasPrefix(id, "http://www.aps-standard.org/"): // only panels have some there
			out.refuse(at(plug), "there is no extension point %q in any panel", printable(id))
		default:
			// of another package
			out.advise(at(plug), "the extension point %q is not one of the panels'", printable(id))
		}
		limit, level = levels, 0
	}
	level++
	if limit > 0 && level == limit+1 {
		out.refuse(at(e), "the menu has only %d levels", limit)
	}
	for _, c := range e.children {
		if c.name == "item" || c.name == "view" && e.name != "view" {
			checkExtensionPoints(c, packageID, limit, level, out)
		}
	}
}

// sourceOf returns the file of a screen, which for a page need not be named.
func sourceOf(e *element) string {
	if source := e.attrs["src"]; source != "" {
		return source
	}
	return "ui/" + e.attrs["id"] + ".html"
}

// source checks the file of a screen.
func (c screenChecker) source(e *element) {
	source, implied := sourceOf(e), e.attrs["src"] == ""
	if !strings.HasPrefix(source, "ui/") {
		c.out.refuse(at(e), "the source %s is not below ui/", printable(source))
	}
	if !slices.Contains([]string{".js", ".html"}, path.Ext(source)) {
		c.out.refuse(at(e), "the source %s is neither a script nor a page", printable(source))
	}
	if _, ok := c.files[source]; implied && !ok {
		c.out.advise(at(e), "the file %s is not in the archive", printable(source)) // seen in a published package
	} else {
		requireFile(at(e), source, c.files, c.out)
	}
	// UX1 loads a module once for each source (docs/reference/aps-ui.md §1.2). Pages may tell their screens apart.
	if c.sources[source] && path.Ext(source) == ".js" {
		c.out.advise(at(e), "the source %s serves two screens", printable(source))
	}
	c.sources[source] = true
}
