package config

import "reflect"

// Paths returns the path of every key, members of lists as [0].
func Paths() []string { return paths("", reflect.TypeFor[Config]()) }

func paths(path string, t reflect.Type) []string {
	switch {
	case isGroup(t):
		var all []string
		for f := range t.Fields() {
			if key := keyOf(f); key != "" {
				all = append(all, paths(join(path, key), f.Type)...)
			}
		}
		return all
	case isGroupList(t):
		return paths(path+"[0]", t.Elem())
	}
	return []string{path}
}
