package platform

import (
	"math"
	"net/mail"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"time"
)

// checkProperties refuses values that their definitions do not allow.
func checkProperties(t *typeDefinition, values map[string]any) error {
	for name, v := range values {
		d, ok := t.Properties[name]
		if !ok {
			return badRequest("type %s has no property %s", t.ID, name)
		}
		if err := checkValue(t, name, d, v); err != nil {
			return err
		}
	}
	return nil
}

// checkCreated refuses values that a new resource may not have, and fills in defaults.
func checkCreated(t *typeDefinition, values map[string]any) error {
	for name, d := range t.Properties {
		v, ok := values[name]
		if ok && d.Readonly {
			return badRequest("the property %s is set by the application only", name)
		}
		if !ok && d.Default != nil {
			values[name] = d.Default
		} else if d.Required && !d.Readonly && (!ok || v == nil || v == "") {
			return badRequest("the property %s is required", name)
		}
	}
	return checkProperties(t, values)
}

// checkChanged refuses changes that a user may not make.
func checkChanged(t *typeDefinition, old, changed map[string]any) error {
	for name, v := range changed {
		d := t.Properties[name]
		if d != nil && (d.Readonly || d.Final) && !reflect.DeepEqual(old[name], v) {
			return badRequest("the property %s cannot be changed", name)
		}
	}
	return checkProperties(t, changed)
}

func checkValue(t *typeDefinition, name string, d *propertyDefinition, v any) error {
	if v == nil {
		return nil
	}
	wrong := badRequest("the property %s is not of type %s", name, d.Type)
	switch d.Type {
	case "string":
		text, ok := v.(string)
		if !ok {
			return wrong
		}
		return checkText(name, d, text)
	case "boolean":
		if _, ok := v.(bool); !ok {
			return wrong
		}
	case "number", "integer":
		n, ok := v.(float64)
		if whole, isInt := v.(int); isInt {
			n, ok = float64(whole), true
		}
		if !ok || d.Type == "integer" && n != math.Trunc(n) {
			return wrong
		}
	case "array":
		list, ok := v.([]any)
		if !ok {
			return wrong
		}
		return checkList(t, name, d, list)
	case "object":
		if _, ok := v.(map[string]any); !ok {
			return wrong
		}
	default:
		members, ok := v.(map[string]any)
		if !ok {
			return wrong
		}
		if s := t.Structures[d.Type]; s != nil {
			return checkProperties(&typeDefinition{ID: t.ID + "#" + d.Type, Properties: s.Properties, Structures: t.Structures}, members)
		}
	}
	return nil
}

func checkList(t *typeDefinition, name string, d *propertyDefinition, list []any) error {
	if d.MinItems != nil && len(list) < *d.MinItems || d.MaxItems != nil && len(list) > *d.MaxItems {
		return badRequest("the property %s has %d items", name, len(list))
	}
	for i, item := range list {
		if d.Items != nil {
			if err := checkValue(t, name, d.Items, item); err != nil {
				return err
			}
		}
		for _, other := range list[:i] {
			if d.UniqueItems && reflect.DeepEqual(item, other) {
				return badRequest("the property %s has the same item twice", name)
			}
		}
	}
	return nil
}

func checkText(name string, d *propertyDefinition, text string) error {
	switch {
	case d.MinLength != nil && len([]rune(text)) < *d.MinLength:
		return badRequest("the property %s is too short", name)
	case d.MaxLength != nil && len([]rune(text)) > *d.MaxLength:
		return badRequest("the property %s is too long", name)
	case text == "":
		return nil // empty means no value; the other rules apply to values
	case len(d.Enum) > 0 && !containsValue(d.Enum, text):
		return badRequest("the property %s cannot be %q", name, text)
	}
	if d.Pattern != "" {
		if ok, err := regexp.MatchString(d.Pattern, text); err != nil || !ok {
			return badRequest("the property %s does not match %s", name, d.Pattern)
		}
	}
	if !hasFormat(d.Format, text) {
		return badRequest("the property %s is not of the format %s", name, d.Format)
	}
	return nil
}

func containsValue(list []any, v any) bool {
	for _, item := range list {
		if item == v {
			return true
		}
	}
	return false
}

// hasFormat checks the formats that are unambiguous; others pass.
func hasFormat(format, text string) bool {
	var err error
	switch format {
	case "date-time":
		_, err = time.Parse(time.RFC3339, text)
	case "date":
		_, err = time.Parse(time.DateOnly, text)
	case "email":
		_, err = mail.ParseAddress(text)
	case "uri":
		var u *url.URL
		if u, err = url.Parse(text); err == nil {
			return u.IsAbs()
		}
	case "host-name":
		return !strings.ContainsAny(text, " /:@")
	}
	return err == nil
}
