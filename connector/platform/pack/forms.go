package pack

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
)

// A kind is a form of JSON value that an attribute may have.
type kind string

const (
	isText    kind = "a text"
	isBoolean kind = "true or false"
	isNumber  kind = "a number"
	isCount   kind = "a whole number that is not negative"
	isList    kind = "a list"
	isObject  kind = "an object"
	isAny     kind = ""
)

// Attributes of the parts of a type (docs/reference/aps-protocol.md §4), which include those of real types that no
// document tells of.
var (
	typeForm = map[string]kind{
		"apsVersion": isText, "name": isText, "id": isText, "title": isText, "description": isText, "implements": isList,
		"access": isObject, "properties": isObject, "structures": isObject, "operations": isObject, "relations": isObject,
		"aps": isObject,
	}
	propertyForm = map[string]kind{
		"type": isText, "title": isText, "description": isText, "headline": isBoolean, "required": isBoolean,
		"readonly": isBoolean, "final": isBoolean, "encrypted": isBoolean, "default": isAny, "unit": isText, "format": isText,
		"pattern": isText, "enum": isList, "enumTitles": isList, "minLength": isCount, "maxLength": isCount,
		"minItems": isCount, "maxItems": isCount, "minimum": isNumber, "maximum": isNumber, "uniqueItems": isBoolean,
		"items": isObject, "access": isObject,
	}
	structureForm = map[string]kind{
		"type": isText, "title": isText, "description": isText, "properties": isObject, "items": isObject,
	}
	operationForm = map[string]kind{
		"verb": isText, "path": isText, "title": isText, "description": isText, "static": isBoolean, "access": isObject,
		"parameters": isObject, "response": isObject, "errorResponse": isObject,
	}
	// Parameters and answers may have what properties have, too.
	parameterForm = merge(propertyForm, map[string]kind{"kind": isText, "contentType": isText})
	responseForm  = merge(propertyForm, map[string]kind{"contentType": isText})
	relationForm  = map[string]kind{
		"type": isText, "title": isText, "description": isText, "required": isBoolean, "collection": isBoolean,
		"requirement": isText, "allocate": isText, "access": isObject, "assign": isObject,
	}
)

func merge(forms ...map[string]kind) map[string]kind {
	all := make(map[string]kind)
	for _, f := range forms {
		maps.Copy(all, f)
	}
	return all
}

// readType reads a schema, and checks that its attributes have the right form. If they have not, only what identifies the type
// is read, and it is broken. ok is false if nothing can be read.
func readType(name string, content []byte, out *findings) (t typeDefinition, ok bool) {
	content = SchemaJSON(name, content)
	var raw map[string]any
	if err := strictJSON(content, &raw); err != nil {
		out.refuse(name, "cannot be read: %v", err)
		return t, false
	}
	f := formChecker{out: out, ok: true}
	f.definition(name, raw)
	if !f.ok {
		t.broken = true
		t.ID, _ = raw["id"].(string)
		bases, _ := raw["implements"].([]any)
		for _, base := range bases {
			if ref, ok := base.(string); ok {
				t.Implements = append(t.Implements, ref)
			}
		}
		return t, true
	}
	if err := json.Unmarshal(content, &t); err != nil {
		out.refuse(name, "cannot be read: %v", err)
		return t, false
	}
	return t, true
}

// A formChecker checks the form of attributes before they are read into Go types.
type formChecker struct {
	out *findings
	ok  bool // no attribute has the wrong form
}

func (f *formChecker) definition(where string, t map[string]any) {
	f.object(where, "the type", t, typeForm)
	f.access(where, t["access"])
	f.texts(where, "implements", t["implements"])
	f.members(where+" property ", t["properties"], f.property)
	f.members(where+" structure ", t["structures"], func(where string, s map[string]any) {
		f.object(where, "a structure", s, structureForm)
		f.members(where+".", s["properties"], f.property)
	})
	f.members(where+" operation ", t["operations"], f.operation)
	f.members(where+" relation ", t["relations"], func(where string, r map[string]any) {
		f.object(where, "a relation", r, relationForm)
		f.access(where, r["access"])
		if assign, ok := r["assign"].(map[string]any); ok {
			f.access(where, assign["access"])
		}
	})
}

func (f *formChecker) property(where string, p map[string]any) {
	f.value(where, "a property", p, propertyForm)
	f.access(where, p["access"])
}

func (f *formChecker) operation(where string, o map[string]any) {
	f.object(where, "an operation", o, operationForm)
	f.access(where, o["access"])
	f.members(where+" parameter ", o["parameters"], func(where string, p map[string]any) {
		f.value(where, "a parameter", p, parameterForm)
	})
	for _, name := range []string{"response", "errorResponse"} {
		if r, ok := o[name].(map[string]any); ok {
			f.value(where+" "+name, "an answer", r, responseForm)
		}
	}
}

// value checks a part that has a type, with its items.
func (f *formChecker) value(where, what string, v map[string]any, form map[string]kind) {
	f.object(where, what, v, form)
	f.texts(where, "enumTitles", v["enumTitles"])
	if items, ok := v["items"].(map[string]any); ok {
		f.value(where+" items", "a property", items, propertyForm)
	}
}

// object checks the attributes of one object. Real types have null where they have nothing.
func (f *formChecker) object(where, what string, v map[string]any, form map[string]kind) {
	for _, name := range slices.Sorted(maps.Keys(v)) {
		want, known := form[name]
		switch {
		case !known:
			f.out.advise(where, "%s has no attribute %q", what, printable(name))
		case v[name] != nil && !fits(v[name], want):
			f.wrong(where, "%s must be %s", name, want)
		}
	}
}

func (f *formChecker) members(prefix string, v any, check func(where string, member map[string]any)) {
	members, _ := v.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		where := prefix + printable(name)
		if member, ok := members[name].(map[string]any); ok {
			check(where, member)
		} else {
			f.wrong(where, "must be an object")
		}
	}
}

// access checks the rules for the roles of docs/reference/aps-protocol.md §4.5.
func (f *formChecker) access(where string, v any) {
	rules, _ := v.(map[string]any)
	for _, role := range slices.Sorted(maps.Keys(rules)) {
		if !slices.Contains([]string{"owner", "referrer", "admin", "global", "public"}, role) {
			f.out.refuse(where, "there is no role %q", printable(role))
		}
		if !fits(rules[role], isBoolean) {
			f.wrong(where, "the access of %s must be true or false", printable(role))
		}
	}
}

func (f *formChecker) texts(where, name string, v any) {
	list, _ := v.([]any)
	if slices.ContainsFunc(list, func(item any) bool { return !fits(item, isText) }) {
		f.wrong(where, "%s must be a list of texts", name)
	}
}

func (f *formChecker) wrong(where, format string, args ...any) {
	f.ok = false
	f.out.refuse(where, format, args...)
}

func fits(v any, want kind) bool {
	ok := true
	switch want {
	case isText:
		_, ok = v.(string)
	case isBoolean:
		_, ok = v.(bool)
	case isNumber:
		_, ok = v.(float64)
	case isCount:
		var n float64
		n, ok = v.(float64)
		ok = ok && n >= 0 && n == math.Trunc(n) && n <= math.MaxInt32
	case isList:
		_, ok = v.([]any)
	case isObject:
		_, ok = v.(map[string]any)
	}
	return ok
}

// fitsType reports whether a value has a primitive type of schemas. Other types fit.
func fitsType(v any, name string) bool {
	switch name {
	case "string":
		return fits(v, isText)
	case "boolean":
		return fits(v, isBoolean)
	case "number":
		return fits(v, isNumber)
	case "integer":
		n, ok := v.(float64)
		return ok && n == math.Trunc(n)
	case "array":
		return fits(v, isList)
	case "object":
		return fits(v, isObject)
	}
	return true
}

// shown returns a JSON value for a finding, on one line and not too long.
func shown(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%v", v)
	}
	return printable(string(text))
}
