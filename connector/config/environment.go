package config

import (
	"cmp"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// federatedTokenFile is the variable in which Azure's workload identity names the file of the federated token.
const federatedTokenFile = "AZURE_FEDERATED_TOKEN_FILE"

// environmentOf returns the value of a variable that is none of ours; "" where it is not set.
func environmentOf(environ []string, name string) string {
	for _, assignment := range environ {
		if value, ok := strings.CutPrefix(assignment, name+"="); ok {
			return value
		}
	}
	return ""
}

// A variable is an environment variable that sets one key.
type variable struct {
	steps []step
	path  string // of the key, as in Problem
	value string
}

// A step leads into a group, by the number of a field, or into a list, by the number of a member.
type step struct {
	index  int
	member bool
	path   string // up to here
}

// variables returns the variables that set keys. Members of lists come in the order of their numbers.
func (d *decoder) variables(environ []string) []variable {
	var all []variable
	for _, assignment := range environ {
		name, value, _ := strings.Cut(assignment, "=")
		if !strings.HasPrefix(name, envPrefix) || isReserved(name) {
			continue
		}
		if v, ok := d.variable(name); ok {
			v.value = value
			all = append(all, v)
		}
	}
	slices.SortStableFunc(all, func(a, b variable) int {
		return slices.CompareFunc(a.steps, b.steps, func(a, b step) int { return cmp.Compare(a.index, b.index) })
	})
	return all
}

// variable returns the key that the name of an environment variable stands for, in upper or lower case.
func (d *decoder) variable(name string) (variable, bool) {
	v, t := variable{}, reflect.TypeFor[Config]()
	for part := range strings.SplitSeq(strings.TrimPrefix(name, envPrefix), "__") {
		s := step{}
		switch {
		case isGroup(t):
			f, ok := field(t, func(key string) bool { return strings.EqualFold(key, part) })
			if !ok {
				d.problem(name, "unknown key %q; valid keys are %s", part, validKeys(t))
				return v, false
			}
			s.index, s.path, t = f.Index[0], join(v.path, keyOf(f)), f.Type
		case isGroupList(t):
			number, err := strconv.ParseUint(part, 10, 16)
			if err != nil {
				d.problem(name, "a member of a list has a number, for example %s0", strings.TrimSuffix(name, part))
				return v, false
			}
			s.index, s.member, s.path, t = int(number), true, v.path+"["+strconv.FormatUint(number, 10)+"]", t.Elem()
		default:
			d.problem(name, "%s has no keys below it", v.path)
			return v, false
		}
		v.steps, v.path = append(v.steps, s), s.path
	}
	if isGroup(t) || isGroupList(t) {
		d.problem(name, "this names a group of keys, not a key")
		return v, false
	}
	return v, true
}

// locate returns the value that steps lead to. A list grows by one member at most.
func (d *decoder) locate(v reflect.Value, steps []step) (reflect.Value, bool) {
	path := ""
	for _, s := range steps {
		if !s.member {
			v, path = v.Field(s.index), s.path
			continue
		}
		if s.index > v.Len() {
			d.problem(path, gap, v.Len())
			return v, false
		}
		if s.index == v.Len() {
			v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		}
		v, path = v.Index(s.index), s.path
	}
	return v, true
}
