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

	"azure-partner-connector/connector/secret"
)

// A decoder puts values into a struct by its koanf tags and notes everything that does not fit, where a general one
// would stop at the first fault or quote the value of a secret.
type decoder struct {
	faults []error
}

func (d *decoder) fault(key, format string, args ...any) {
	d.faults = append(d.faults, &Fault{key, fmt.Sprintf(format, args...)})
}

// A scalar is how one type of value is read.
type scalar struct {
	allowed string
	// parse returns the value that text stands for.
	parse func(text string) (any, error)
	// secret values are never quoted.
	secret bool
}

func parsed[T any](parse func(string) (T, error)) func(string) (any, error) {
	return func(text string) (any, error) { return parse(text) }
}

func prefix(text string) (netip.Prefix, error) {
	if address, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(address, address.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), err
}

func level(text string) (slog.Level, error) {
	for name, l := range map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError} {
		if name == text {
			return l, nil
		}
	}
	return 0, strconv.ErrSyntax
}

// scalarOf returns how values of t are read; ok is false for groups and lists.
func scalarOf(t reflect.Type) (s scalar, ok bool) {
	switch t {
	case reflect.TypeFor[string]():
		return scalar{"text, in quotes where it looks like something else", parsed(func(s string) (string, error) { return s, nil }), false}, true
	case reflect.TypeFor[secret.Text]():
		return scalar{"text in quotes", parsed(func(s string) (secret.Text, error) { return secret.New(s), nil }), true}, true
	case reflect.TypeFor[bool]():
		return scalar{"true or false", parsed(strconv.ParseBool), false}, true
	case reflect.TypeFor[int]():
		return scalar{"a whole number", parsed(strconv.Atoi), false}, true
	case reflect.TypeFor[time.Duration]():
		return scalar{"a duration with its unit, as 90s, 15m or 240h", parsed(time.ParseDuration), false}, true
	case reflect.TypeFor[netip.Prefix]():
		return scalar{"a network or an address, as 10.0.0.0/8 or 192.0.2.7", parsed(prefix), false}, true
	case reflect.TypeFor[slog.Level]():
		return scalar{"debug, info, warn or error", parsed(level), false}, true
	}
	return scalar{}, false
}

// decode puts raw into v. Nothing stays what it was where raw is nil, as for a key without a value.
func (d *decoder) decode(path string, raw any, v reflect.Value) {
	if raw == nil {
		return
	}
	t := v.Type()
	switch s, ok := scalarOf(t); {
	case ok:
		d.scalar(path, raw, v, s)
	case isGroup(t):
		d.group(path, raw, v)
	case t.Kind() == reflect.Slice:
		d.list(path, raw, v)
	default:
		panic("config: no way to read a " + t.String())
	}
}

func (d *decoder) scalar(path string, raw any, v reflect.Value, s scalar) {
	text, isText := raw.(string)
	switch raw.(type) {
	case bool, int:
		// A number given for a text lost its leading zeros on the way; it has to be quoted.
		if kind := v.Kind(); kind == reflect.Bool || kind == reflect.Int {
			text, isText = fmt.Sprint(raw), true
		}
	}
	if isText {
		if value, err := s.parse(text); err == nil {
			v.Set(reflect.ValueOf(value))
			return
		}
	}
	if s.secret {
		d.fault(path, "this is no text; allowed is %s", s.allowed)
		return
	}
	d.fault(path, "%s is not allowed; allowed is %s", shown(raw), s.allowed)
}

// shown quotes a value that is no secret, as far as it can be told what it is.
func shown(raw any) string {
	switch raw := raw.(type) {
	case string:
		return strconv.Quote(raw)
	case bool, int, float64:
		return fmt.Sprint(raw)
	case []any:
		return "a list"
	case map[string]any:
		return "a group of keys"
	}
	return fmt.Sprintf("a %T", raw)
}

func (d *decoder) group(path string, raw any, v reflect.Value) {
	values, ok := raw.(map[string]any)
	if !ok {
		d.fault(path, "this must be a group of keys: %s", known(v.Type()))
		return
	}
	for _, key := range sortedKeys(values) {
		f, ok := field(v.Type(), key)
		if !ok {
			d.fault(join(path, key), "there is no such key; known are %s", known(v.Type()))
			continue
		}
		d.decode(join(path, key), values[key], v.FieldByIndex(f.Index))
	}
}

func (d *decoder) list(path string, raw any, v reflect.Value) {
	var members []any
	switch raw := raw.(type) {
	case []any:
		members = raw
	case map[string]any: // a list that the environment adds to
		for i := range len(raw) {
			member, ok := raw[strconv.Itoa(i)]
			if !ok {
				d.fault(path, "its members must be numbered from 0 without a gap; number %d is missing", i)
				return
			}
			members = append(members, member)
		}
	case string: // from the environment
		if !isGroupList(v.Type()) {
			for member := range strings.SplitSeq(raw, ",") {
				if member = strings.TrimSpace(member); member != "" {
					members = append(members, member)
				}
			}
			break
		}
		d.fault(path, "this must be a list")
		return
	default:
		d.fault(path, "this must be a list")
		return
	}
	list := reflect.MakeSlice(v.Type(), len(members), len(members))
	for i, member := range members {
		d.decode(fmt.Sprintf("%s[%d]", path, i), member, list.Index(i))
	}
	v.Set(list)
}

func isGroup(t reflect.Type) bool {
	_, isScalar := scalarOf(t)
	return t.Kind() == reflect.Struct && !isScalar
}

func isGroupList(t reflect.Type) bool { return t.Kind() == reflect.Slice && isGroup(t.Elem()) }

func keyOf(f reflect.StructField) string { return f.Tag.Get("koanf") }

func field(t reflect.Type, key string) (reflect.StructField, bool) {
	for f := range t.Fields() {
		if k := keyOf(f); k != "" && k == key {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

func fieldFold(t reflect.Type, key string) (reflect.StructField, bool) {
	for f := range t.Fields() {
		if k := keyOf(f); k != "" && strings.EqualFold(k, key) {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

// known lists the keys of a group.
func known(t reflect.Type) string {
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

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
