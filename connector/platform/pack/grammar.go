package pack

import "slices"

// A rule says what an element may contain.
type rule struct {
	required []string // attributes
	optional []string
	text     bool    // it contains text, which must not be empty
	mixed    bool    // it may contain text
	children []child // in this order, unless free
	free     bool    // children may come in any order
}

// A child says how often an element may occur in another.
type child struct {
	name string
	min  int
	many bool // more than once
}

func one(name string) child   { return child{name: name, min: 1} }
func maybe(name string) child { return child{name: name} }
func any0(name string) child  { return child{name: name, many: true} }
func any1(name string) child  { return child{name: name, min: 1, many: true} }

// grammar is the form of APP-META.xml in real packages (docs/reference/aps-protocol.md §6.2, docs/reference/aps-ui.md
// §1.2): path of names below the root, or the name alone for elements that nest, → rule. No public schema exists to
// derive it from.
var grammar = map[string]rule{
	"application": {required: []string{"version"}, optional: []string{"packaged"}, children: []child{
		one("id"), one("name"), one("version"), one("release"), maybe("homepage"), one("vendor"), maybe("packager"),
		maybe("capabilities"), maybe("categories"), one("presentation"), maybe("license-agreement"), maybe("upgrade"),
		any1("service"), maybe("privileges"),
	}},
	"id": {text: true}, "name": {text: true}, "release": {text: true}, "homepage": {text: true}, "uri": {text: true},
	"application/version": {text: true},
	"vendor":              {children: []child{one("name"), maybe("homepage"), maybe("icon")}},
	"packager":            {children: []child{one("name"), maybe("homepage"), maybe("icon"), maybe("uri")}},
	"icon":                {required: []string{"path"}},

	"application/presentation": {children: []child{
		one("summary"), one("description"), maybe("icon"), any0("screenshot"),
		maybe("changelog"), maybe("categories"), maybe("languages"), any0("navigation"),
	}},
	"summary": {text: true}, "description": {text: true}, "category": {text: true}, "language": {text: true},
	"entry":             {text: true},
	"screenshot":        {required: []string{"path"}, children: []child{one("description")}},
	"changelog":         {children: []child{any1("version")}},
	"changelog/version": {required: []string{"version", "release"}, children: []child{any1("entry")}},
	"categories":        {children: []child{any1("category")}},
	"languages":         {children: []child{any1("language")}},
	"capabilities":      {children: []child{maybe("business-mode")}},
	"business-mode":     {text: true},

	"license-agreement": {optional: []string{"must-accept"}, children: []child{maybe("free"), one("text")}},
	"free":              {},
	"text":              {children: []child{one("name"), maybe("url"), maybe("file")}},
	"url":               {text: true}, "file": {text: true},
	"upgrade": {required: []string{"match"}},

	"service": {required: []string{"id"}, free: true, children: []child{maybe("code"), one("schema"), one("presentation")}},
	"schema":  {required: []string{"path"}},
	"code":    {required: []string{"engine", "path"}},
	"service/presentation": {children: []child{
		one("name"), maybe("summary"), maybe("infolinks"),
	}},
	"infolinks":  {children: []child{any1("link")}},
	"link":       {required: []string{"class", "href"}, mixed: true},
	"privileges": {children: []child{any1("privilege")}},
	"privilege":  {required: []string{"area", "name", "title"}},

	"navigation": {
		required: []string{"id", "label"}, optional: []string{"icon", "visible", "shown-by-privilege"}, free: true,
		children: []child{any0("var"), any0("plugs-to"), any0("item"), any0("view"), any0("view-plugin"), any0("popup")},
	},
	"item": {
		required: []string{"id", "label"}, optional: []string{"icon", "visible", "shown-by-privilege"}, free: true,
		children: []child{any0("var"), any0("plugs-to"), any0("item"), any0("view"), any0("popup")},
	},
	"view": {
		required: []string{"id", "label"}, optional: []string{"src", "icon", "visible", "shown-by-privilege"}, free: true,
		children: []child{any0("var"), any0("plugs-to"), maybe("params"), maybe("controls"), any0("view"), any0("popup"), any0("placeholder")},
	},
	"popup": {
		required: []string{"id", "label", "src"}, optional: []string{"visible", "shown-by-privilege"}, free: true,
		children: []child{any0("var"), maybe("params"), maybe("controls")},
	},
	"view-plugin": {
		required: []string{"id", "src"}, optional: []string{"visible", "shown-by-privilege"}, free: true,
		children: []child{any0("var"), any0("plugs-to")},
	},
	"var":         {required: []string{"name", "type-id"}, optional: []string{"required", "collection", "filter"}},
	"plugs-to":    {required: []string{"id"}},
	"placeholder": {required: []string{"id"}},
	"params":      {children: []child{any1("param")}},
	"param":       {required: []string{"name", "type"}, optional: []string{"required"}},
	"controls": {free: true, children: []child{
		maybe("submit"), maybe("cancel"), maybe("prev"), maybe("next"),
	}},
	"submit": {optional: []string{"label"}}, "cancel": {optional: []string{"label"}},
	"prev": {optional: []string{"label"}}, "next": {optional: []string{"label"}},
}

// ruleOf returns the rule of e in parent; a rule for the path takes precedence over one for the name.
func ruleOf(e, parent *element) (rule, bool) {
	if parent != nil {
		if r, ok := grammar[parent.name+"/"+e.name]; ok {
			return r, true
		}
	}
	r, ok := grammar[e.name]
	return r, ok
}

// checkGrammar checks e and all elements below it by the grammar.
func checkGrammar(e, parent *element, out *findings) {
	where := at(e)
	r, ok := ruleOf(e, parent)
	if !ok || e.space != metaSpace {
		out.refuse(where, "there is no element {%s}%s in this format", printable(e.space), printable(e.name))
		return
	}
	for _, name := range r.required {
		if e.attrs[name] == "" {
			out.refuse(where, "%s needs the attribute %s", e.name, name)
		}
	}
	if e.name == "license-agreement" && e.attrs["must-accept"] == "" {
		out.advise(where, "license-agreement does not say whether it must be accepted")
	}
	for name := range e.attrs {
		if !slices.Contains(r.required, name) && !slices.Contains(r.optional, name) {
			out.refuse(where, "%s has no attribute %s", e.name, printable(name))
		}
	}
	switch {
	case r.text && e.text == "":
		out.refuse(where, "%s is empty", e.name)
	case !r.text && !r.mixed && e.text != "":
		out.refuse(where, "%s contains text", e.name)
	}
	checkChildren(e, r, out)
}

func checkChildren(e *element, r rule, out *findings) {
	count := make(map[string]int)
	last := 0
	for _, c := range e.children {
		i := slices.IndexFunc(r.children, func(want child) bool { return want.name == c.name })
		if i < 0 {
			out.refuse(at(c), "%s does not belong in %s", printable(c.name), e.name)
			continue
		}
		if i < last && !r.free {
			out.refuse(at(c), "%s is after %s; it belongs before it", c.name, r.children[last].name)
		}
		last = max(last, i)
		count[c.name]++
		if count[c.name] == 2 && !r.children[i].many {
			out.refuse(at(c), "%s is repeated in %s", c.name, e.name)
		}
		checkGrammar(c, e, out)
	}
	for _, want := range r.children {
		if count[want.name] < want.min {
			out.refuse(at(e), "%s needs the element %s", e.name, want.name)
		}
	}
}
