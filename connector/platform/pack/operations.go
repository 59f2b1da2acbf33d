package pack

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

var (
	pathPattern      = regexp.MustCompile(`^(/([A-Za-z0-9._~-]+|\{[A-Za-z_][A-Za-z0-9_]*\}))+$`)
	parameterPattern = regexp.MustCompile(`\{([^}]*)\}`)
)

// call returns the verb and path of an operation, without the names of parameters.
func (o operation) call() string {
	return o.Verb + " " + parameterPattern.ReplaceAllString(o.Path, "{}")
}

func (c typeChecker) operations(where string, t typeDefinition, from inherited) {
	seen := make(map[string]string) // verb and path → operation
	for _, name := range slices.Sorted(maps.Keys(t.Operations)) {
		o := t.Operations[name]
		element := where + " operation " + name
		c.name(element, name)
		if !slices.Contains([]string{"GET", "POST", "PUT", "DELETE"}, o.Verb) {
			c.out.refuse(element, "there is no verb %q", printable(o.Verb))
		}
		c.inheritedOperation(element, name, o, from)
		if o.Path != "/" && !pathPattern.MatchString(o.Path) {
			c.out.refuse(element, "the path %q is not understood", printable(o.Path))
			continue
		}
		if other, ok := seen[o.call()]; ok {
			c.out.refuse(element, "has the verb and path of %s", other)
		}
		seen[o.call()] = name
		// Calls to a relation have the same form, so the platform couldn't distinguish them
		// (docs/reference/aps-protocol.md §3.1).
		first, _, _ := strings.Cut(strings.TrimPrefix(o.Path, "/"), "/")
		if _, ok := t.Relations[first]; ok {
			c.out.refuse(element, "has the path of a relation")
		} else if _, ok := from.relations[first]; ok {
			c.out.refuse(element, "has the path of the inherited relation %s", first)
		}
		c.parameters(element, o, t)
		c.answer(element+" response", o.Response, t)
		c.answer(element+" errorResponse", o.Errors, t)
	}
}

// inheritedOperation checks an operation against the inherited ones. A redefinition has to restate the whole operation
// (docs/reference/aps-protocol.md §4.6).
func (c typeChecker) inheritedOperation(where, name string, o operation, from inherited) {
	if call, ok := from.operations[name]; ok {
		if call != o.call() {
			c.out.refuse(where, "the inherited operation of this name is %s", call)
		} else {
			c.out.advise(where, "the operation is inherited, and need not be declared")
		}
		return
	}
	for other, call := range from.operations {
		if call == o.call() {
			c.out.refuse(where, "has the verb and path of the inherited operation %s", other)
		}
	}
}

func (c typeChecker) answer(where string, declared *property, t typeDefinition) {
	if declared == nil || declared.Type == "" {
		return
	}
	response := *declared
	if response.Type == "array" && response.Items == nil {
		response.Type = "object" // the items of a list may be undeclared
	}
	c.valueType(where, response, t)
}

func (c typeChecker) parameters(where string, o operation, t typeDefinition) {
	var inPath, body []string
	structured := false
	isPlain := func(p parameter) bool {
		return slices.Contains([]string{"string", "number", "integer", "boolean", ""}, p.Type)
	}
	for _, match := range parameterPattern.FindAllStringSubmatch(o.Path, -1) {
		if slices.Contains(inPath, match[1]) {
			c.out.refuse(where, "the parameter {%s} is repeated in the path", match[1])
		}
		inPath = append(inPath, match[1])
		if o.Parameters[match[1]].Kind != "path" {
			c.out.refuse(where, "{%s} in the path is not a parameter of kind path", match[1])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.Parameters)) {
		p := o.Parameters[name]
		switch p.Kind {
		case "path":
			if !slices.Contains(inPath, name) {
				c.out.refuse(where, "the parameter %s is not in the path", name)
			}
		case "body":
			body = append(body, name)
			structured = structured || !isPlain(p)
		case "query", "header":
		default:
			c.out.refuse(where, "the parameter %s has the unknown kind %q", name, printable(p.Kind))
		}
		switch {
		case p.Type == "":
			c.out.advise(where, "the parameter %s has no type", name)
		case p.Kind != "body" && p.Type != "array" && !isPlain(p):
			c.out.advise(where, "the parameter %s is the structure %s, which a %s cannot hold", name, printable(p.Type), printable(p.Kind))
		}
		if p.Type != "" && (p.Type != "array" || p.Items != nil) {
			c.valueType(where+" parameter "+name, p.property, t)
			c.values(where+" parameter "+name, p.property)
		}
	}
	if len(body) > 0 && o.Verb == "GET" {
		c.out.refuse(where, "a GET has no body, but the parameter %s is in it", body[0])
	}
	// One structured parameter is the whole body, primitive ones are its members (docs/reference/aps-protocol.md §3.8).
	if len(body) > 1 && structured {
		c.out.refuse(where, "a structured parameter is the whole body, but the body has %s", strings.Join(body, " and "))
	}
}
