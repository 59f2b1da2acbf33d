package config

import (
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"azure-partner-connector/connector/peer"
	"azure-partner-connector/connector/secret"
)

// A decoder stores YAML nodes and environment variables in a Config by its yaml tags. Unlike yaml's own decoder it
// names the path of every problem, continues after the first, distinguishes upper and lower case, and never quotes a
// secret.
type decoder struct {
	report
	cfg      *Config
	override map[string]bool // paths that the environment sets
}

func (d *decoder) decode(file *yaml.Node, environ []string) {
	variables := d.variables(environ)
	d.override = make(map[string]bool, len(variables))
	for _, v := range variables {
		d.override[v.path] = true
	}
	root := reflect.ValueOf(d.cfg).Elem()
	if file != nil {
		d.value("", file, root)
	}
	d.override = nil
	for _, v := range variables {
		if target, ok := d.locate(root, v.steps); ok {
			d.lines[v.path] = fromEnvironment
			d.value(v.path, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: v.value}, target)
		}
	}
}

// value stores node in v. A key without a value leaves v as it is.
func (d *decoder) value(path string, node *yaml.Node, v reflect.Value) {
	if d.override[path] {
		return
	}
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	t := v.Type()
	switch s, isScalar := scalars[t]; {
	case node.ShortTag() == "!!null":
	case isScalar:
		d.scalar(path, node, v, s)
	case t.Kind() == reflect.Slice:
		d.list(path, node, v)
	case t.Kind() == reflect.Pointer: // nil is the default
		v.Set(reflect.New(t.Elem()))
		d.value(path, node, v.Elem())
	default:
		d.group(path, node, v)
	}
}

// A scalar describes how values of one type are read.
type scalar struct {
	allowed string
	parse   func(text string) (any, error)
}

func parser[T any](parse func(string) (T, error)) func(string) (any, error) {
	return func(text string) (any, error) { return parse(text) }
}

var scalars = map[reflect.Type]scalar{
	reflect.TypeFor[string]():        {"text, in quotes where it looks like something else", parser(func(s string) (string, error) { return s, nil })},
	reflect.TypeFor[secret.Text]():   {"text in quotes", parser(func(s string) (secret.Text, error) { return secret.New(s), nil })},
	reflect.TypeFor[bool]():          {"true or false", parser(strconv.ParseBool)},
	reflect.TypeFor[int]():           {"a whole number", parser(strconv.Atoi)},
	reflect.TypeFor[time.Duration](): {"a duration with its unit, for example 90s, 15m or 240h", parser(time.ParseDuration)},
	reflect.TypeFor[netip.Prefix]():  {"a network or an address, for example 10.0.0.0/8 or 192.0.2.7", parser(prefix)},
	reflect.TypeFor[slog.Level]():    {"debug, info, warn or error", parser(level)},
	reflect.TypeFor[peer.Source]():   {"x-forwarded-for, forwarded or x-real-ip", parser(peer.ParseSource)},
}

func prefix(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), err
}

func level(text string) (slog.Level, error) {
	var l slog.Level
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, text) {
		return l, strconv.ErrSyntax
	}
	err := l.UnmarshalText([]byte(text))
	return l, err
}

func (d *decoder) scalar(path string, node *yaml.Node, v reflect.Value, s scalar) {
	if text, ok := plain(node, v.Kind()); ok {
		if value, err := s.parse(text); err == nil {
			v.Set(reflect.ValueOf(value))
			return
		}
	}
	switch {
	case v.Type() == reflect.TypeFor[secret.Text]():
		d.problem(path, "invalid value: must be %s", s.allowed)
	case node.Kind == yaml.SequenceNode:
		d.problem(path, "a list is invalid: must be %s", s.allowed)
	case node.Kind == yaml.MappingNode:
		d.problem(path, "a group of keys is invalid: must be %s", s.allowed)
	case node.ShortTag() == "!!str":
		d.problem(path, "%q is invalid: must be %s", node.Value, s.allowed)
	default:
		d.problem(path, "%s is invalid: must be %s", node.Value, s.allowed)
	}
}

// plain returns the text of node if it is a scalar for a value of kind. A number is not text: YAML has read 0123 as an
// octal number, so it must be in quotes. A switch may be 0 or 1.
func plain(node *yaml.Node, kind reflect.Kind) (string, bool) {
	var number int
	var text string
	switch tag := node.ShortTag(); {
	case node.Kind != yaml.ScalarNode:
	case tag == "!!str", tag == "!!bool" && kind == reflect.Bool:
		return node.Value, true
	case tag == "!!int" && (kind == reflect.Int || kind == reflect.Bool) && node.Decode(&number) == nil:
		return strconv.Itoa(number), true
	case (tag == "!!binary" || !strings.HasPrefix(tag, "!!")) && node.Decode(&text) == nil:
		return text, true
	}
	return "", false
}

func (d *decoder) group(path string, node *yaml.Node, v reflect.Value) {
	if node.Kind != yaml.MappingNode {
		d.problem(path, "must be a group of keys: %s", validKeys(v.Type()))
		return
	}
	for _, e := range entries(node) {
		path := join(path, e.key.Value)
		d.lines[path] = e.key.Line
		f, ok := field(v.Type(), func(key string) bool { return key == e.key.Value })
		if !ok {
			d.problem(path, "unknown key; valid keys are %s", validKeys(v.Type()))
			continue
		}
		d.value(path, e.value, v.FieldByIndex(f.Index))
	}
}

// An entry is one key of a mapping.
type entry struct{ key, value *yaml.Node }

// entries returns the keys of a mapping, then those that it merges (<<) and does not have itself.
func entries(node *yaml.Node) []entry {
	var own, merged []entry
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.ShortTag() == "!!merge" {
			merged = append(merged, merge(value)...)
		} else {
			own = append(own, entry{key, value})
		}
	}
	for _, m := range merged {
		if !slices.ContainsFunc(own, func(e entry) bool { return e.key.Value == m.key.Value }) {
			own = append(own, m)
		}
	}
	return own
}

func merge(node *yaml.Node) []entry {
	switch node.Kind {
	case yaml.AliasNode:
		return merge(node.Alias)
	case yaml.MappingNode:
		return entries(node)
	}
	var all []entry
	for _, member := range node.Content {
		all = append(all, merge(member)...)
	}
	return all
}

func (d *decoder) list(path string, node *yaml.Node, v reflect.Value) {
	var members []*yaml.Node
	switch {
	case node.Kind == yaml.SequenceNode:
		members = node.Content
	case node.Kind == yaml.MappingNode:
		byNumber := map[string]*yaml.Node{}
		for _, e := range entries(node) {
			byNumber[e.key.Value] = e.value
		}
		for i := range len(byNumber) {
			member, ok := byNumber[strconv.Itoa(i)]
			if !ok {
				d.problem(path, gap, i)
				return
			}
			members = append(members, member)
		}
	case node.ShortTag() == "!!str" && !isGroupList(v.Type()):
		for member := range strings.SplitSeq(node.Value, ",") {
			if member = strings.TrimSpace(member); member != "" {
				members = append(members, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: member})
			}
		}
	default:
		d.problem(path, "must be a list")
		return
	}
	list := reflect.MakeSlice(v.Type(), len(members), len(members))
	for i, member := range members {
		path := fmt.Sprintf("%s[%d]", path, i)
		if member.Line > 0 {
			d.lines[path] = member.Line
		}
		d.value(path, member, list.Index(i))
	}
	v.Set(list)
}

const gap = "members must be numbered from 0 without a gap; number %d is missing"

func isGroup(t reflect.Type) bool {
	_, isScalar := scalars[t]
	return t.Kind() == reflect.Struct && !isScalar
}

func isGroupList(t reflect.Type) bool { return t.Kind() == reflect.Slice && isGroup(t.Elem()) }

// keyOf returns the key of a field; "" for one that has none.
func keyOf(f reflect.StructField) string { return strings.TrimSuffix(f.Tag.Get("yaml"), "-") }

// field returns the field of a group whose key matches.
func field(t reflect.Type, matches func(key string) bool) (reflect.StructField, bool) {
	for f := range t.Fields() {
		if key := keyOf(f); key != "" && matches(key) {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

func validKeys(t reflect.Type) string {
	var keys []string
	for f := range t.Fields() {
		if key := keyOf(f); key != "" {
			keys = append(keys, key)
		}
	}
	return strings.Join(keys, ", ")
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
