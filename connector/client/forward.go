package client

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"azure-partner-connector/connector/failure"
)

// AnyMethod stands for all methods in a Rule.
const AnyMethod = "*"

const (
	// maxRules, maxMethods and maxPath bound what a client may have stored, so that every scope can be stored.
	maxRules   = 64
	maxMethods = 16
	maxPath    = 300 // bytes
)

// methodName is what methods look like in a Rule.
var methodName = regexp.MustCompile(`^[A-Z]{1,16}$`)

// A Rule allows calls that the egress forwards: those with one of its methods to its api's host, whose path matches. What no rule
// allows is refused.
type Rule struct {
	API     string   `json:"api"`
	Methods []string `json:"methods"` // in capitals, or AnyMethod
	// Path is what the decoded path looks like. Of its segments, * stands for one of any name, and ** for any number of them.
	Path string `json:"path"`
}

// ParseRule reads a rule as String writes it: methods separated by commas, the api and the path.
func ParseRule(text string) (Rule, error) {
	fields := strings.Fields(text)
	if len(fields) != 3 {
		return Rule{}, fmt.Errorf("%q is not a rule: methods, api and path, for example \"GET,POST graph /v1.0/users/**\"", text)
	}
	return Rule{API: fields[1], Methods: strings.Split(fields[0], ","), Path: fields[2]}, nil
}

// String returns r as people write it.
func (r Rule) String() string {
	return strings.Join(r.Methods, ",") + " " + r.API + " " + r.Path
}

// checked returns r in the form in which it is stored, or what is wrong with it.
func (r Rule) checked() (Rule, error) {
	refuse := func(reason string) error {
		return failure.New(failure.BadRequest, "reason", "the rule "+quoted(r.String())+" "+reason)
	}
	r.Methods = unique(r.Methods)
	if len(r.Methods) == 0 || len(r.Methods) > maxMethods {
		return Rule{}, refuse(fmt.Sprintf("names no method, or more than %d", maxMethods))
	}
	for _, method := range r.Methods {
		if method != AnyMethod && (!methodName.MatchString(method) || method == "CONNECT" || method == "TRACE") {
			return Rule{}, refuse("names a method that is neither * nor, in capitals, one that can be forwarded")
		}
	}
	if len(r.Path) > maxPath || !strings.HasPrefix(r.Path, "/") {
		return Rule{}, refuse(fmt.Sprintf("has a path that does not begin with /, or has more than %d bytes", maxPath))
	}
	if strings.ContainsAny(r.Path, `%\?#"<>&`) || strings.ContainsFunc(r.Path, Misread) {
		return Rule{}, refuse("has a path with a character that no path of a call has: write it decoded, without query")
	}
	for segment := range strings.SplitSeq(r.Path[1:], "/") {
		switch {
		case segment == "", segment == ".", segment == "..":
			return Rule{}, refuse("has a path with a segment that is . or .. or empty")
		case strings.Contains(segment, "*") && segment != "*" && segment != "**":
			return Rule{}, refuse("has a path with a * inside a segment: * and ** are whole segments")
		}
	}
	return r, nil
}

// MayForward reports whether a rule allows a call to api with a method and with the decoded segments of a path.
func (s *Scopes) MayForward(api, method string, segments []string) bool {
	return slices.ContainsFunc(s.Forward, func(r Rule) bool {
		return r.API == api && (slices.Contains(r.Methods, method) || slices.Contains(r.Methods, AnyMethod)) &&
			matches(strings.Split(r.Path[1:], "/"), segments)
	})
}

// matches reports whether segments match a pattern. It goes back to the last ** only, so that it takes time in proportion to
// both lengths at most.
func matches(pattern, segments []string) bool {
	p, s := 0, 0
	star, from := -1, 0 // the last **, and the first segment that it does not stand for
	for s < len(segments) {
		switch {
		case p < len(pattern) && pattern[p] == "**":
			star, from = p, s
			p++
		case p < len(pattern) && (pattern[p] == segments[s] || pattern[p] == "*" && !carriesCalls(segments, s)):
			p++
			s++
		case star >= 0 && !carriesCalls(segments, from):
			from++
			p, s = star+1, from
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == "**" {
		p++
	}
	return p == len(pattern)
}

// Misread reports whether some programs leave out a character of a decoded path, or take it for a / \ . or %, as those do that fit
// names to a smaller set of characters. Ideographic and emoji variants are no such characters, ZERO WIDTH JOINER is.
func Misread(c rune) bool {
	return unicode.In(c, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point) ||
		strings.ContainsRune("\uff0e\ufe52\u2024\u2025\ufe19\ufe30"+"\uff0f\u2044\u2215\u2100\u2101\u2105\u2106"+"\uff3c\ufe68\u2216"+"\uff05\ufe6a", c)
}

// carriesCalls reports whether a segment names an endpoint that takes other calls in its body, which no rule would see: $batch of
// Graph and /batch of Azure Resource Manager (docs/reference/token-api.md §5). Only a rule that names it allows it.
func carriesCalls(segments []string, i int) bool {
	name := strings.ToLower(strings.Map(narrow, segments[i]))
	if end := strings.IndexFunc(name, endsName); end >= 0 {
		name = name[:end]
	}
	name = strings.TrimRight(name, ".") // Windows does so
	return name == "$batch" || i == 0 && name == "batch"
}

// narrow returns the ASCII character that a wide or small form of it stands for, and every other character as it is.
func narrow(c rune) rune {
	switch {
	case c >= '\uff01' && c <= '\uff5e':
		return c - '\uff01' + '!'
	case c == '\ufe69':
		return '$'
	}
	return c
}

// endsName reports whether a character ends the name of an endpoint, as an argument or a parameter does.
func endsName(c rune) bool {
	return !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune("$-._~", c)
}
