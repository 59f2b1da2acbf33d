package pack

import (
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A typeDefinition is the part of a schema that the checks read (docs/reference/aps-protocol.md §4).
type typeDefinition struct {
	APSVersion string               `json:"apsVersion"`
	Name       string               `json:"name"`
	ID         string               `json:"id"`
	Implements []string             `json:"implements"`
	Properties map[string]property  `json:"properties"`
	Structures map[string]structure `json:"structures"`
	Operations map[string]operation `json:"operations"`
	Relations  map[string]relation  `json:"relations"`

	broken bool // only ID and Implements are known
}

type property struct {
	Type        string    `json:"type"`
	Title       string    `json:"title"`
	Description string    `json:"description"`
	Default     any       `json:"default"`
	Enum        []any     `json:"enum"`
	EnumTitles  []string  `json:"enumTitles"`
	Format      string    `json:"format"`
	Pattern     string    `json:"pattern"`
	MinLength   *int      `json:"minLength"`
	MaxLength   *int      `json:"maxLength"`
	MinItems    *int      `json:"minItems"`
	MaxItems    *int      `json:"maxItems"`
	Items       *property `json:"items"`
}

type structure struct {
	Properties map[string]property `json:"properties"`
}

type operation struct {
	Verb       string               `json:"verb"`
	Path       string               `json:"path"`
	Static     bool                 `json:"static"`
	Access     map[string]bool      `json:"access"`
	Parameters map[string]parameter `json:"parameters"`
	Response   *property            `json:"response"`
	Errors     *property            `json:"errorResponse"`
}

type parameter struct {
	property
	Kind string `json:"kind"`
}

type relation struct {
	Type        string `json:"type"`
	Title       string `json:"title"`
	Requirement string `json:"requirement"`
}

var (
	identifierPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	// A definition names both versions, a reference the major one or none (docs/reference/aps-protocol.md §4.1, §6.8). Types of
	// the platform's own packages have a fragment before the version.
	typeIDPattern  = regexp.MustCompile(`^https?://[A-Za-z0-9.-]+/[^\s"'<>\\?]+/(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$`)
	typeRefPattern = regexp.MustCompile(`^https?://[A-Za-z0-9.-]+(/[^\s"'<>\\?/]+)+$`)
	versionPattern = regexp.MustCompile(`^(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))?$`)
)

// A typeChecker checks the types of one package.
type typeChecker struct {
	packageID string
	own       map[string]typeDefinition // id → type of the package
	core      core
	out       *findings
}

// newTypeChecker returns a checker of references to the package's own types and to core types.
func newTypeChecker(meta *element, types map[string]typeDefinition, out *findings) typeChecker {
	c := typeChecker{packageID: meta.textOf("id"), own: make(map[string]typeDefinition), core: newCore(), out: out}
	for _, t := range types {
		c.own[t.ID] = t
	}
	return c
}

// checkTypes checks the schema of every service and returns the readable schemas by path.
func checkTypes(meta *element, files map[string][]byte, out *findings) map[string]typeDefinition {
	types := make(map[string]typeDefinition)
	ids := make(map[string]bool)
	var roots []string
	unread := false
	for _, s := range meta.all("service") {
		schema := s.child("schema")
		if schema == nil {
			continue
		}
		name := schema.attrs["path"]
		content, ok := files[name]
		if _, twice := types[name]; !ok || twice {
			continue
		}
		t, ok := readType(name, content, out)
		if !ok {
			unread = true
			continue
		}
		if ids[t.ID] {
			out.refuse(name, "has the type id of another schema")
		}
		ids[t.ID] = true
		if slices.Contains(t.Implements, applicationType) {
			roots = append(roots, s.attrs["id"])
		}
		types[name] = t
	}
	switch {
	case meta == nil || unread && len(roots) == 0:
	case len(roots) != 1:
		out.refuse(metaName, "exactly one service must implement %s; these do: %q", applicationType, roots)
	case roots[0] != "app":
		out.advise(metaName, "the root service is %s; installers look for app (docs/reference/aps-protocol.md §6.2)", printable(roots[0]))
	}
	checker := newTypeChecker(meta, types, out)
	for name, t := range types {
		if !t.broken {
			checker.check(name, t)
		}
	}
	return types
}

func (c typeChecker) check(where string, t typeDefinition) {
	if t.APSVersion != "2.0" {
		c.out.refuse(where, "apsVersion is %q instead of 2.0", printable(t.APSVersion))
	}
	if !identifierPattern.MatchString(t.Name) {
		c.out.refuse(where, "the name %q is not an identifier", printable(t.Name))
	}
	switch {
	case !typeIDPattern.MatchString(t.ID):
		c.out.refuse(where, "the type id %q is not <address>/<name>/<major>.<minor>", printable(t.ID))
	case strings.HasPrefix(t.ID, "https:"):
		c.out.advise(where, "the type id begins with https; the standard's begin with http")
	case !strings.HasPrefix(t.ID, c.packageID+"/"):
		c.out.advise(where, "the type id %s is not below the id of the package", printable(t.ID))
	}
	if len(t.Implements) == 0 {
		c.out.refuse(where, "implements nothing")
	}
	for _, ref := range t.Implements {
		c.reference(where, ref)
	}
	from := c.inheritance(t)
	for name, p := range t.Properties {
		element := where + " property " + name
		c.property(element, name, p, t)
		if _, ok := from.relations[name]; ok {
			c.out.refuse(element, "an inherited relation has the same name")
		}
		c.notReserved(element, name)
	}
	for structureName, s := range t.Structures {
		for name, p := range s.Properties {
			c.property(where+" structure "+structureName+"."+name, name, p, t)
		}
	}
	for name, r := range t.Relations {
		element := where + " relation " + name
		c.name(element, name)
		c.notReserved(element, name)
		c.reference(element, r.Type)
		if _, err := conditionTerms(r.Requirement); err != nil {
			c.out.advise(element, "requirement is no RQL: %s", printable(err.Error()))
		}
		if _, ok := t.Properties[name]; ok {
			c.out.refuse(element, "a property has the same name")
		}
	}
	c.operations(where, t, from)
}

// inheritance returns what a type has from the core types and from the types of the package that it implements.
func (c typeChecker) inheritance(t typeDefinition) inherited {
	all := inherited{relations: make(map[string]string), operations: make(map[string]string)}
	above := []string{resourceType} // everything is a resource
	seen := map[string]bool{t.ID: true}
	for queue := t.Implements; len(queue) > 0; queue = queue[1:] {
		above = append(above, queue[0])
		base, ok := c.ownType(queue[0])
		if !ok || seen[base.ID] {
			continue
		}
		seen[base.ID] = true
		queue = append(slices.Clone(queue), base.Implements...)
		for name, r := range base.Relations {
			all.relations[name] = r.Type
		}
		for name, o := range base.Operations {
			all.operations[name] = o.Verb + " " + o.Path
		}
	}
	known := c.core.inherit(above)
	maps.Copy(all.relations, known.relations)
	maps.Copy(all.operations, known.operations)
	return all
}

func (c typeChecker) name(where, name string) {
	if !identifierPattern.MatchString(name) {
		c.out.refuse(where, "the name is not an identifier")
	}
}

// notReserved refuses the member of a resource that is the platform's.
func (c typeChecker) notReserved(where, name string) {
	if name == "aps" {
		c.out.refuse(where, "aps is the platform's own part of a resource")
	}
}

// reference checks that ref is the id of a type, and that a type of the package or of the core exists.
func (c typeChecker) reference(where, ref string) {
	if !typeRefPattern.MatchString(ref) {
		c.out.refuse(where, "%q is not a type id", printable(ref))
		return
	}
	if _, ok := c.ownType(ref); ok {
		return
	}
	if strings.HasPrefix(ref, c.packageID+"/") {
		c.out.refuse(where, "the package has no type %s", printable(ref))
		return
	}
	c.core.check(where, ref, c.out)
}

// ownType returns the type of the package that ref refers to.
func (c typeChecker) ownType(ref string) (typeDefinition, bool) {
	for id, t := range c.own {
		if refersTo(ref, id) {
			return t, true
		}
	}
	return typeDefinition{}, false
}

// refersTo reports whether ref refers to the type id: it names the same major version or none, and a minor version that is not
// later (docs/reference/aps-protocol.md §4.1).
func refersTo(ref, id string) bool {
	name, major, minor := splitTypeID(ref)
	ownName, ownMajor, ownMinor := splitTypeID(id)
	return name == ownName && (major == "" || major == ownMajor && ownMinor >= minor)
}

// splitTypeID returns the parts of a type id that has the form of a reference; major is empty and minor is -1 where it has none.
func splitTypeID(id string) (name, major string, minor int) {
	i := strings.LastIndexByte(id, '/')
	if i < 0 || !versionPattern.MatchString(id[i+1:]) {
		return id, "", -1
	}
	name, version := id[:i], id[i+1:]
	major, digits, ok := strings.Cut(version, ".")
	if !ok {
		return name, major, -1
	}
	minor, err := strconv.Atoi(digits)
	if err != nil {
		minor = math.MaxInt // no type has it
	}
	return name, major, minor
}
