package hooks

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"azure-partner-connector/connector/failure"
)

// errTarget is logged for a target that signature and router might read differently. It repeats nothing of the target.
var errTarget = errors.New("the request target is neither in origin nor in absolute form, or contains what may be read in two ways")

// A target is a request target. The signature and the router both read this one, never the bytes again.
type target struct {
	rawPath    string // percent-encoded, as it was received
	query      string // as it was received
	path       string // decoded
	parameters url.Values
}

// readTarget reads a request target in origin or absolute form (RFC 9112 §3.2). It refuses every byte that programs on the
// way, the signature and the router could read differently: a fragment, a backslash, an encoded slash, dots that stand for
// a folder, anything that is not printable ASCII, and a query that is not percent-encoded properly.
func readTarget(method, received string) (target, error) {
	for i := range len(method) {
		if method[i] < 'A' || method[i] > 'Z' { // signatures cover the method in upper case
			return target{}, errTarget
		}
	}
	for i := range len(received) {
		if c := received[i]; c <= ' ' || c > '~' || c == '#' || c == '\\' {
			return target{}, errTarget
		}
	}
	if !strings.HasPrefix(received, "/") {
		var ok bool
		if received, ok = withoutAuthority(received); !ok {
			return target{}, errTarget
		}
	}
	var t target
	t.rawPath, t.query, _ = strings.Cut(received, "?")
	var err error
	if t.path, err = url.PathUnescape(t.rawPath); err != nil || !isPath(t.path) || strings.Count(t.path, "/") != strings.Count(t.rawPath, "/") {
		return target{}, errTarget
	}
	if t.parameters, err = url.ParseQuery(t.query); err != nil {
		return target{}, errTarget
	}
	return t, nil
}

// withoutAuthority returns the part of an absolute URL that begins with its path.
func withoutAuthority(absolute string) (string, bool) {
	scheme, rest, ok := strings.Cut(absolute, "://")
	if !ok || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return "", false
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	authority, rest := rest[:end], rest[end:]
	if authority == "" || strings.Contains(authority, "@") {
		return "", false
	}
	if !strings.HasPrefix(rest, "/") {
		rest = "/" + rest
	}
	return rest, true
}

// isPath reports whether a decoded path means one thing only.
func isPath(path string) bool {
	if !utf8.ValidString(path) || strings.ContainsAny(path, `?#\`) || strings.ContainsFunc(path, unicode.IsControl) {
		return false
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

type targetKey struct{}

// read is the result of readTarget in the context of a request.
type read struct {
	target target
	err    error
}

// withTarget returns r with its target in the context, and with the URL that the router reads.
func (h *Handler) withTarget(r *http.Request) *http.Request {
	t, err := readTarget(r.Method, r.RequestURI)
	routed := r.WithContext(context.WithValue(r.Context(), targetKey{}, read{t, err}))
	routed.URL = &url.URL{Path: "/malformed"}
	if err == nil {
		routed.URL = &url.URL{Path: h.routedPath(t.path), RawQuery: t.query}
	}
	return routed
}

func targetOf(r *http.Request) (target, error) {
	t, ok := r.Context().Value(targetKey{}).(read)
	if !ok {
		return target{}, errTarget
	}
	return t.target, t.err
}

// legible refuses a malformed target before its signature is looked at, so that the answer tells nothing about that.
func (h *Handler) legible(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if _, err := targetOf(c.Request()); err != nil {
			return failure.Wrap(err, failure.BadRequest, "reason", "the request target is malformed")
		}
		return next(c)
	}
}

// parameter returns a parameter of the query; "" when it was not sent. A signature does not cover the order of parameters
// with the same name, so a repeated one is refused.
func (c *call) parameter(name string) (string, error) {
	t, err := targetOf(c.echo.Request())
	if err != nil {
		return "", err
	}
	if len(t.parameters[name]) > 1 {
		return "", badRequest("the parameter " + name + " is repeated")
	}
	return t.parameters.Get(name), nil
}
