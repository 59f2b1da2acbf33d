package pack

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// formats are those of properties in the documentation and in published types (docs/reference/aps-protocol.md §4.2).
var formats = []string{
	"uri", "email", "date-time", "date", "time", "utc-millisec", "regex", "color", "style", "phone", "host-name",
	"ip-address", "ipv4", "ipv6", "domain-name", "password", "decimal", "float", "double", "base64", "byte",
}

var primitives = []string{"string", "number", "integer", "boolean", "array", "object"}

func (c typeChecker) property(where, name string, p property, t typeDefinition) {
	c.name(where, name)
	c.valueType(where, p, t)
	c.values(where, p)
}

// valueType checks a type attribute: a primitive, a structure of the schema, or typeURI#Structure.
func (c typeChecker) valueType(where string, p property, t typeDefinition) {
	i := strings.LastIndexByte(p.Type, '#')
	switch {
	case p.Type == "array":
		if p.Items == nil {
			c.out.refuse(where, "an array needs items")
			return
		}
		c.valueType(where, *p.Items, t)
		c.values(where+" items", *p.Items)
	case slices.Contains(primitives, p.Type):
	case i >= 0:
		c.structure(where, p.Type[:i], p.Type[i+1:])
	default:
		if _, ok := t.Structures[p.Type]; !ok {
			c.out.refuse(where, "there is no type %q", printable(p.Type))
		}
	}
}

// structure checks a reference to a structure of another type.
func (c typeChecker) structure(where, ref, name string) {
	c.reference(where, ref)
	c.name(where, name)
	if t, ok := c.ownType(ref); ok {
		if _, ok := t.Structures[name]; !ok && !t.broken {
			c.out.refuse(where, "%s has no structure %s", printable(ref), printable(name))
		}
		return
	}
	c.core.checkStructure(where, ref, name, c.out)
}

// values checks the rules for the values of a property against its type and against each other.
func (c typeChecker) values(where string, p property) {
	if _, err := regexp.Compile(p.Pattern); err != nil {
		// The platform's expressions may do more than ours.
		c.out.advise(where, "the pattern does not compile: %v", err)
	}
	if len(p.EnumTitles) > 0 && len(p.EnumTitles) != len(p.Enum) {
		c.out.refuse(where, "has %d values but %d titles", len(p.Enum), len(p.EnumTitles))
	}
	for _, v := range p.Enum {
		if !fitsType(v, p.Type) {
			c.out.refuse(where, "the value %s of the enumeration is not of type %s", shown(v), p.Type)
		}
	}
	switch {
	case p.Default == nil:
	case !fitsType(p.Default, p.Type):
		c.out.refuse(where, "the default %s is not of type %s", shown(p.Default), p.Type)
	case slices.Contains([]string{"string", "number", "integer", "boolean"}, p.Type) && len(p.Enum) > 0 && !slices.Contains(p.Enum, p.Default):
		c.out.refuse(where, "the default %s is not in the enumeration", shown(p.Default))
	case !hasLength(p.Default, p):
		c.out.refuse(where, "the default %s is longer or shorter than allowed", shown(p.Default))
	}
	c.items(where, p)
	if p.Format != "" && !slices.Contains(formats, p.Format) {
		c.out.advise(where, "there is no format %q", printable(p.Format))
	}
	if p.MinLength != nil && p.MaxLength != nil && *p.MinLength > *p.MaxLength || p.MinItems != nil && p.MaxItems != nil && *p.MinItems > *p.MaxItems {
		c.out.refuse(where, "the least length is above the greatest")
	}
}

// items checks the values of a list in a default.
func (c typeChecker) items(where string, p property) {
	list, _ := p.Default.([]any)
	for _, v := range list {
		if p.Items != nil && !fitsType(v, p.Items.Type) {
			c.out.refuse(where, "the value %s of the default is not of type %s", shown(v), p.Items.Type)
		}
	}
}

// hasLength reports whether v has a length that p allows.
func hasLength(v any, p property) bool {
	within := func(n int, least, most *int) bool {
		return (least == nil || n >= *least) && (most == nil || n <= *most)
	}
	switch v := v.(type) {
	case string:
		return within(utf8.RuneCountInString(v), p.MinLength, p.MaxLength)
	case []any:
		return within(len(v), p.MinItems, p.MaxItems)
	}
	return true
}
