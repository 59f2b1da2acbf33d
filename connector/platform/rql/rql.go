// Package rql parses and evaluates the part of the platform's query language that packages and the simulated platform need
// (docs/reference/aps-protocol.md §5.6): functions joined by commas or ampersands, values, and the infix form
// name=operator=value.
package rql

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A Term is a function with its arguments or, when Function is empty, a list in Args or a value.
type Term struct {
	Function string
	Args     []Term
	Value    string
}

// maxDepth is how deep functions may nest.
const maxDepth = 16

// Parse reads a percent-encoded query. The empty query has no terms.
func Parse(query string) ([]Term, error) {
	p := parser{rest: query}
	if query == "" {
		return nil, nil
	}
	terms, err := p.list(0)
	if err != nil {
		return nil, fmt.Errorf("reading RQL: %w", err)
	}
	if p.rest != "" {
		return nil, fmt.Errorf("reading RQL: unexpected %q", p.rest)
	}
	return terms, nil
}

type parser struct{ rest string }

// list reads terms up to a closing parenthesis or the end.
func (p *parser) list(depth int) ([]Term, error) {
	if depth > maxDepth {
		return nil, errors.New("functions nest too deeply")
	}
	var terms []Term
	for {
		t, err := p.term(depth)
		if err != nil {
			return nil, err
		}
		terms = append(terms, t)
		if p.rest == "" || p.rest[0] == ')' {
			return terms, nil
		}
		p.rest = p.rest[1:] // a comma or an ampersand
	}
}

func (p *parser) term(depth int) (Term, error) {
	p.rest = strings.TrimLeft(p.rest, " ")
	i := strings.IndexAny(p.rest, "(),&")
	if i < 0 {
		i = len(p.rest)
	}
	word := p.rest[:i]
	p.rest = p.rest[i:]
	if strings.HasPrefix(p.rest, "(") {
		return p.call(word, depth)
	}
	// name=operator=value and name=value, the infix forms.
	parts := strings.SplitN(word, "=", 3)
	switch {
	case len(parts) == 3 && identifier(parts[1]):
		return infix(parts[1], parts[0], parts[2])
	case len(parts) == 2:
		return infix("eq", parts[0], parts[1])
	}
	v, err := value(word)
	return v, err
}

// call reads a function, or as an argument a list in parentheses.
func (p *parser) call(name string, depth int) (Term, error) {
	if !identifier(name) && (name != "" || depth == 0) {
		return Term{}, fmt.Errorf("%q is no function", name)
	}
	p.rest = p.rest[1:]
	t := Term{Function: name, Args: []Term{}}
	if !strings.HasPrefix(p.rest, ")") {
		args, err := p.list(depth + 1)
		if err != nil {
			return Term{}, err
		}
		t.Args = args
	}
	if !strings.HasPrefix(p.rest, ")") {
		return Term{}, fmt.Errorf("%s is not closed", name)
	}
	p.rest = p.rest[1:]
	if p.rest != "" && !strings.ContainsRune(",&)", rune(p.rest[0])) {
		return Term{}, fmt.Errorf("%q follows %s", p.rest, name)
	}
	return t, nil
}

func infix(operator, name, text string) (Term, error) {
	left, err := value(name)
	if err != nil {
		return Term{}, err
	}
	right, err := value(text)
	return Term{Function: operator, Args: []Term{left, right}}, err
}

func value(text string) (Term, error) {
	plain, err := url.PathUnescape(text)
	if err != nil {
		return Term{}, fmt.Errorf("%q is not percent-encoded", text)
	}
	return Term{Value: plain}, nil
}

func identifier(text string) bool {
	for i, r := range text {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || r == '_'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return text != ""
}

// ErrUnknown is returned by Match for an unknown function.
var ErrUnknown = errors.New("unknown RQL function")

// Lookup returns the value of a property by its dotted name; nil when there is none.
type Lookup func(name string) any

// Types answers the two functions that ask for types. For a resource they are about its type.
type Types struct {
	Implementing func(base string) bool    // it is the base type or implements it
	Composing    func(derived string) bool // the derived type is it or implements it
}

// NoTypes returns Types for what has no type.
func NoTypes() Types {
	no := func(string) bool { return false }
	return Types{Implementing: no, Composing: no}
}

// Match reports whether all terms are true. It ignores functions that don't filter (select, sort, limit), and asks types for
// implementing and composing.
func Match(terms []Term, lookup Lookup, types Types) (bool, error) {
	for _, t := range terms {
		ok, err := matchOne(t, lookup, types)
		if err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

func matchOne(t Term, lookup Lookup, types Types) (bool, error) {
	switch t.Function {
	case "":
		return false, fmt.Errorf("%w: the bare value %q", ErrUnknown, t.Value)
	case "select", "sort", "limit":
		return true, nil
	case "and":
		return Match(t.Args, lookup, types)
	case "or":
		for _, a := range t.Args {
			if ok, err := matchOne(a, lookup, types); err != nil || ok {
				return ok, err
			}
		}
		return false, nil
	case "not":
		ok, err := Match(t.Args, lookup, types)
		return !ok, err
	case "true":
		return true, nil
	case "false":
		return false, nil
	case "implementing", "composing":
		if len(t.Args) != 1 {
			return false, fmt.Errorf("%s takes one type", t.Function)
		}
		if t.Function == "composing" {
			return types.Composing(t.Args[0].Value), nil
		}
		return types.Implementing(t.Args[0].Value), nil
	}
	return compare(t, lookup)
}

func compare(t Term, lookup Lookup) (bool, error) {
	if len(t.Args) < 2 {
		return false, fmt.Errorf("%w: %s with %d arguments", ErrUnknown, t.Function, len(t.Args))
	}
	have := text(lookup(t.Args[0].Value))
	want := t.Args[1].text()
	switch t.Function {
	case "eq":
		return have == want, nil
	case "ne":
		return have != want, nil
	case "in", "out":
		found := slices.ContainsFunc(t.Args[1].Args, func(a Term) bool { return have == a.text() })
		return found == (t.Function == "in"), nil
	case "like":
		return strings.Contains(have, strings.Trim(want, "*")), nil
	case "lt":
		return order(have, want) < 0, nil
	case "le":
		return order(have, want) <= 0, nil
	case "gt":
		return order(have, want) > 0, nil
	case "ge":
		return order(have, want) >= 0, nil
	}
	return false, fmt.Errorf("%w: %s", ErrUnknown, t.Function)
}

// text returns the text of a term in a comparison: its value, or "true" for true().
func (t Term) text() string {
	if t.Function != "" {
		return t.Function
	}
	return t.Value
}

func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

// order compares dotted numbers by their parts (1.10 > 1.9), and everything else as text.
func order(a, b string) int {
	left, right := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(left), len(right)) {
		l, okLeft := part(left, i)
		r, okRight := part(right, i)
		if !okLeft || !okRight {
			return strings.Compare(a, b)
		}
		if l != r {
			return l - r
		}
	}
	return 0
}

func part(parts []string, i int) (int, bool) {
	if i >= len(parts) {
		return 0, true
	}
	n, err := strconv.Atoi(parts[i])
	return n, err == nil
}

// arities are the least number of arguments of the functions. A comparison takes a name and a value
// (docs/reference/aps-protocol.md §5.6).
var arities = map[string]int{
	"eq": 2, "ne": 2, "gt": 2, "ge": 2, "lt": 2, "le": 2, "in": 2, "out": 2, "like": 2, "and": 1, "or": 1, "not": 1,
	"implementing": 1, "composing": 1, "limit": 1, "sort": 1, "select": 1, "true": 0, "false": 0, "null": 0, "empty": 0,
}

var comparisons = []string{"eq", "ne", "gt", "ge", "lt", "le", "in", "out", "like"}

// Check returns an error for terms that are no condition: a bare value, an unknown function, or one with too few arguments.
func Check(terms []Term) error {
	for _, t := range terms {
		least, known := arities[t.Function]
		switch {
		case t.Function == "":
			return fmt.Errorf("%w: the bare value %q", ErrUnknown, t.Value)
		case !known:
			return fmt.Errorf("%w: %s", ErrUnknown, t.Function)
		case len(t.Args) < least:
			return fmt.Errorf("%w: %s with %d arguments", ErrUnknown, t.Function, len(t.Args))
		case slices.Contains([]string{"and", "or", "not"}, t.Function):
			if err := Check(t.Args); err != nil {
				return err
			}
		}
	}
	return nil
}

// Names returns the dotted names that the terms compare.
func Names(terms []Term) (names []string) {
	for _, t := range terms {
		switch {
		case slices.Contains([]string{"and", "or", "not"}, t.Function):
			names = append(names, Names(t.Args)...)
		case slices.Contains(comparisons, t.Function):
			names = append(names, t.Args[0].Value)
		}
	}
	return names
}

// Find returns the arguments of the first term with a function; ok is false when there is none.
func Find(terms []Term, function string) (args []Term, ok bool) {
	for _, t := range terms {
		if t.Function == function {
			return t.Args, true
		}
	}
	return nil, false
}
