package pack

import (
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// applicationType is implemented by the root service only (docs/reference/aps-protocol.md §4.7).
const applicationType = "http://aps-standard.org/types/core/application/1.0"

// A typeDefinition is the part of a schema that the checks read (docs/reference/aps-protocol.md §4).
type typeDefinition struct {
	APSVersion string               `json:"apsVersion"`
	Name       string               `json:"name"`
	ID         string               `json:"id"`
	Implements []string             `json:"implements"`
	Access     map[string]bool      `json:"access"`
	Properties map[string]property  `json:"properties"`
	Structures map[string]structure `json:"structures"`
	Operations map[string]operation `json:"operations"`
	Relations  map[string]relation  `json:"relations"`
}

type property struct {
	Type        string          `json:"type"`
	Title       string          `json:"title"`
	Description string          `json:"description"`
	Enum        []any           `json:"enum"`
	EnumTitles  []string        `json:"enumTitles"`
	Pattern     string          `json:"pattern"`
	Items       *property       `json:"items"`
	Access      map[string]bool `json:"access"`
}

type structure struct {
	Properties map[string]property `json:"properties"`
}

type operation struct {
	Verb       string               `json:"verb"`
	Path       string               `json:"path"`
	Access     map[string]bool      `json:"access"`
	Parameters map[string]parameter `json:"parameters"`
	Response   *property            `json:"response"`
}

type parameter struct {
	Kind string `json:"kind"`
	Type string `json:"type"`
}

type relation struct {
	Type   string          `json:"type"`
	Title  string          `json:"title"`
	Access map[string]bool `json:"access"`
}

var (
	identifierPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
	// A definition names its minor version; a reference may omit it (docs/reference/aps-protocol.md §4.1).
	typeIDPattern    = regexp.MustCompile(`^http://[A-Za-z0-9.-]+/[^\s"'<>\\#?]+/(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$`)
	typeRefPattern   = regexp.MustCompile(`^http://[A-Za-z0-9.-]+/[^\s"'<>\\#?]+/(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))?$`)
	pathPattern      = regexp.MustCompile(`^(/([A-Za-z0-9._~-]+|\{[A-Za-z_][A-Za-z0-9_]*\}))+$`)
	parameterPattern = regexp.MustCompile(`\{([^}]*)\}`)
)

// A typeChecker checks the types of one package.
type typeChecker struct {
	packageID string
	ids       map[string]bool // of the package's own types
	out       *findings
}

// checkTypes checks the schema of every service and returns the readable schemas by path.
func checkTypes(meta *element, files map[string][]byte, out *findings) map[string]typeDefinition {
	types := make(map[string]typeDefinition)
	checker := typeChecker{packageID: meta.textOf("id"), ids: make(map[string]bool), out: out}
	var roots []string
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
		var t typeDefinition
		if err := strictJSON(content, &t); err != nil {
			out.add(name, "cannot be read: %v", err)
			continue
		}
		if checker.ids[t.ID] {
			out.add(name, "has the type id of another schema")
		}
		checker.ids[t.ID] = true
		if slices.Contains(t.Implements, applicationType) {
			roots = append(roots, s.attrs["id"])
		}
		types[name] = t
	}
	// Tools expect the root resource under this name (docs/reference/aps-protocol.md §6.2).
	if meta != nil && !slices.Equal(roots, []string{"app"}) {
		out.add(metaName, "exactly one service, named app, must implement %s; these do: %q", applicationType, roots)
	}
	for name, t := range types {
		checker.check(name, t)
	}
	return types
}

func (c typeChecker) check(where string, t typeDefinition) {
	if t.APSVersion != "2.0" {
		c.out.add(where, "apsVersion is %q instead of 2.0", t.APSVersion)
	}
	if !identifierPattern.MatchString(t.Name) {
		c.out.add(where, "the name %q is not an identifier", t.Name)
	}
	if !typeIDPattern.MatchString(t.ID) || !strings.HasPrefix(t.ID, c.packageID+"/") {
		c.out.add(where, "the type id %q is not %s/<name>/<major>.<minor>", t.ID, c.packageID)
	}
	if len(t.Implements) == 0 {
		c.out.add(where, "implements nothing")
	}
	for _, ref := range t.Implements {
		c.reference(where, ref)
	}
	c.access(where, t.Access)
	for name, p := range t.Properties {
		c.property(where+" property "+name, name, p, t)
	}
	for structureName, s := range t.Structures {
		for name, p := range s.Properties {
			c.property(where+" structure "+structureName+"."+name, name, p, t)
		}
	}
	for name, r := range t.Relations {
		element := where + " relation " + name
		c.name(element, name)
		c.reference(element, r.Type)
		c.access(element, r.Access)
		if _, ok := t.Properties[name]; ok {
			c.out.add(element, "a property has the same name")
		}
	}
	c.operations(where, t)
}

func (c typeChecker) name(where, name string) {
	if !identifierPattern.MatchString(name) {
		c.out.add(where, "the name is not an identifier")
	}
}

// access checks the roles of docs/reference/aps-protocol.md §4.5.
func (c typeChecker) access(where string, access map[string]bool) {
	for role := range access {
		if !slices.Contains([]string{"owner", "referrer", "admin", "global", "public"}, role) {
			c.out.add(where, "there is no role %q", role)
		}
	}
}

// reference checks that ref is the id of a type, and that a type of the package exists.
func (c typeChecker) reference(where, ref string) {
	if !typeRefPattern.MatchString(ref) {
		c.out.add(where, "%q is not a type id", ref)
		return
	}
	if strings.HasPrefix(ref, c.packageID+"/") && !c.own(ref) {
		c.out.add(where, "the package has no type %s", ref)
	}
}

// own reports whether the package has a type that ref refers to: one of the same major version, and of the minor version that
// ref names or a later one (docs/reference/aps-protocol.md §4.1).
func (c typeChecker) own(ref string) bool {
	name, major, minor := splitTypeID(ref)
	for id := range c.ids {
		if ownName, ownMajor, ownMinor := splitTypeID(id); ownName == name && ownMajor == major && ownMinor >= minor {
			return true
		}
	}
	return false
}

// splitTypeID returns the parts of a type id that has the form of a reference; minor is -1 without one.
func splitTypeID(id string) (name, major string, minor int) {
	i := strings.LastIndexByte(id, '/')
	name, version := id[:max(i, 0)], id[i+1:]
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

func (c typeChecker) property(where, name string, p property, t typeDefinition) {
	c.name(where, name)
	c.access(where, p.Access)
	c.valueType(where, p, t)
	if _, err := regexp.Compile(p.Pattern); err != nil {
		c.out.add(where, "the pattern does not compile")
	}
	if len(p.EnumTitles) > 0 && len(p.EnumTitles) != len(p.Enum) {
		c.out.add(where, "has %d values but %d titles", len(p.Enum), len(p.EnumTitles))
	}
}

// valueType checks a type attribute: a primitive, a structure of the schema, or typeURI#Structure.
func (c typeChecker) valueType(where string, p property, t typeDefinition) {
	uri, structureName, foreign := strings.Cut(p.Type, "#")
	switch {
	case p.Type == "array":
		if p.Items == nil {
			c.out.add(where, "an array needs items")
			return
		}
		c.valueType(where, *p.Items, t)
	case slices.Contains([]string{"string", "number", "integer", "boolean", "object"}, p.Type):
	case foreign:
		c.reference(where, uri)
		c.name(where, structureName)
	default:
		if _, ok := t.Structures[p.Type]; !ok {
			c.out.add(where, "there is no type %q", p.Type)
		}
	}
}

func (c typeChecker) operations(where string, t typeDefinition) {
	seen := make(map[string]string) // verb and path without names of parameters → operation
	for _, name := range slices.Sorted(maps.Keys(t.Operations)) {
		o := t.Operations[name]
		element := where + " operation " + name
		c.name(element, name)
		c.access(element, o.Access)
		if !slices.Contains([]string{"GET", "POST", "PUT", "DELETE"}, o.Verb) {
			c.out.add(element, "there is no verb %q", o.Verb)
		}
		if !pathPattern.MatchString(o.Path) {
			c.out.add(element, "the path %q is not understood", o.Path)
			continue
		}
		call := o.Verb + " " + parameterPattern.ReplaceAllString(o.Path, "{}")
		if other, ok := seen[call]; ok {
			c.out.add(element, "has the verb and path of %s", other)
		}
		seen[call] = name
		// Calls to a relation have the same form, so the platform couldn't distinguish them
		// (docs/reference/aps-protocol.md §3.1).
		if _, ok := t.Relations[strings.TrimPrefix(o.Path, "/")]; ok {
			c.out.add(element, "has the path of a relation")
		}
		c.parameters(element, o, t)
		if o.Response != nil && o.Response.Type != "" {
			// The items of a list may be undeclared.
			response := *o.Response
			if response.Type == "array" && response.Items == nil {
				response.Type = "object"
			}
			c.valueType(element+" response", response, t)
		}
	}
}

func (c typeChecker) parameters(where string, o operation, t typeDefinition) {
	var inPath []string
	for _, match := range parameterPattern.FindAllStringSubmatch(o.Path, -1) {
		if slices.Contains(inPath, match[1]) {
			c.out.add(where, "the parameter {%s} is repeated in the path", match[1])
		}
		inPath = append(inPath, match[1])
		if o.Parameters[match[1]].Kind != "path" {
			c.out.add(where, "{%s} in the path is not a parameter of kind path", match[1])
		}
	}
	for name, p := range o.Parameters {
		switch p.Kind {
		case "path":
			if !slices.Contains(inPath, name) {
				c.out.add(where, "the parameter %s is not in the path", name)
			}
		case "body", "query", "header":
		default:
			c.out.add(where, "the parameter %s has the unknown kind %q", name, p.Kind)
		}
		if p.Type != "" && p.Type != "array" {
			c.valueType(where+" parameter "+name, property{Type: p.Type}, t)
		}
	}
}
