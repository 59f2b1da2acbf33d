package egress

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"azure-partner-connector/connector/client"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/once"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// The headers of chaperone's wire (docs/reference/token-api.md §5).
const (
	targetHeader  = "X-Connect-Target-Url"
	contextHeader = "X-Connect-Context-Data"
	// wirePrefix begins the names of all headers that tell a forwarder something. None is forwarded.
	wirePrefix = "X-Connect-"
)

// wirePath is where chaperone's forward targets send calls.
const wirePath = "/proxy"

// A target is what a call is for. Its path and query are the bytes that were received, and are forwarded as such.
type target struct {
	tenant    string    // ID
	directory string    // as token.LoanRequest has it
	api       token.API // empty until resolve has found it

	origin   string // scheme://host of an absolute target, in lower case; empty for one that names its api
	resource string // what the target says about its api; may be empty for an absolute one
	path     string // below the address of the api
	query    string // with its question mark
	segments []string
}

// targetOf reads the target of a call from its address, or from the headers of chaperone's wire.
func (h *Handler) targetOf(c *call) (target, error) {
	address, ok := strings.CutPrefix(c.r.RequestURI, h.path)
	if !ok {
		return target{}, failure.New(failure.NotFound)
	}
	path, query := cutQuery(address)
	if path == wirePath {
		return wireTarget(c, query)
	}
	return plainTarget(path, query)
}

// plainTarget reads /{api}/{tenant}[/{directory}]/… .
func plainTarget(path, query string) (target, error) {
	api, rest, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !ok || api == "" {
		return target{}, failure.New(failure.NotFound)
	}
	named, rest, ok := strings.Cut(rest, "/")
	id, isID := random.ParseID(named)
	if !ok || !isID {
		return target{}, badRequest("the address is not /{api}/{tenant}/…, with the ID of a tenant")
	}
	t := target{tenant: id, resource: api}
	if first, after, ok := strings.Cut(rest, "/"); ok {
		if directory, isID := random.ParseID(first); isID {
			t.directory, rest = directory, after
		}
	}
	t.path, t.query = "/"+rest, query
	return t.checked()
}

// wireTarget reads the headers of a call to /proxy. The tenant is the client's only one.
func wireTarget(c *call, query string) (target, error) {
	address, sent, err := once.Header(c.r.Header, targetHeader)
	switch {
	case err != nil:
		return target{}, err
	case !sent, query != "":
		return target{}, badRequest("a call to " + wirePath + " has no query, and a header X-Connect-Target-URL")
	}
	t, err := parseAbsolute(address)
	if err != nil {
		return target{}, err
	}
	encoded, sent, err := once.Header(c.r.Header, contextHeader)
	if err == nil && sent {
		t.directory, t.resource, err = parseContext(encoded)
	}
	if err != nil {
		return target{}, err
	}
	if t.directory == tenant.PartnerDirectory {
		t.directory = ""
	}
	only, ok := c.client.OnlyTenant()
	if !ok {
		return target{}, badRequest("a client of " + wirePath + " has exactly one tenant; a client with several names the tenant in the address")
	}
	t.tenant = only
	return t.checked()
}

// parseContext reads the directory and the resource of chaperone's context. chaperone knows each name in one spelling only, while Go
// takes any: another one, which chaperone ignores, is refused, so that nobody means one directory and calls another.
func parseContext(encoded string) (directory, resource string, err error) {
	var data map[string]json.RawMessage
	text, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || json.Unmarshal(text, &data) != nil || data == nil || once.Names(text, func(name string) string { return name }) != nil {
		return "", "", errContext()
	}
	for member, value := range data {
		for name, into := range map[string]*string{"TenantID": &directory, "Resource": &resource} {
			if strings.EqualFold(member, name) && (member != name || json.Unmarshal(value, into) != nil) {
				return "", "", errContext()
			}
		}
	}
	return directory, resource, nil
}

func errContext() error {
	return badRequest("the header X-Connect-Context-Data is not a JSON object in base64, in which every name is once, and TenantID and Resource, spelled like this, are texts")
}

// parseAbsolute splits an absolute target without changing any byte of its path and query.
func parseAbsolute(address string) (target, error) {
	scheme, rest, ok := strings.Cut(address, "://")
	if scheme = strings.ToLower(scheme); !ok || scheme != "https" && scheme != "http" {
		return target{}, badRequest("the target is not an absolute https address")
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	host := strings.ToLower(rest[:end])
	switch {
	case strings.Contains(host, "@"):
		return target{}, badRequest("the target has a user in front of its host")
	case strings.Contains(rest, "#"):
		return target{}, badRequest("the target has a fragment")
	case scheme == "https":
		host = strings.TrimSuffix(host, ":443")
	}
	t := target{origin: scheme + "://" + host}
	t.path, t.query = cutQuery(rest[end:])
	return t, nil
}

// cutQuery splits an address before its question mark.
func cutQuery(address string) (path, query string) {
	if i := strings.IndexByte(address, '?'); i >= 0 {
		return address[:i], address[i:]
	}
	return address, ""
}

// checked returns t with the decoded segments of its path. It refuses every path that another program could read in another way
// than we do, because what we forward is what we received.
func (t target) checked() (target, error) {
	for _, b := range []byte(t.query) {
		if b <= ' ' || b >= 0x7f || b == '#' {
			return target{}, badRequest("the query has a character that must be percent-encoded")
		}
	}
	if !strings.HasPrefix(t.path, "/") {
		return target{}, badRequest("the target has no path")
	}
	for raw := range strings.SplitSeq(t.path[1:], "/") {
		segment, err := decodeSegment(raw)
		if err != nil {
			return target{}, err
		}
		t.segments = append(t.segments, segment)
	}
	return t, nil
}

// pathCharacters are those besides letters and digits that a segment may have unencoded (RFC 3986 §3.3).
const pathCharacters = "-._~!$&'()*+,;=:@"

// decodeSegment returns the name that a segment of a path encodes, or why it is refused.
func decodeSegment(raw string) (string, error) {
	var decoded strings.Builder
	ascii := true
	for i := 0; i < len(raw); i++ {
		b := raw[i]
		switch {
		case b == '%':
			if i+2 >= len(raw) || !isHex(raw[i+1]) || !isHex(raw[i+2]) {
				return "", badRequest("the path has a percent sign that encodes nothing")
			}
			b = unhex(raw[i+1])<<4 | unhex(raw[i+2])
			if b < ' ' || b == 0x7f || strings.IndexByte(`/\.%`, b) >= 0 {
				return "", badRequest(`the path has a percent-encoded control character, or an encoded /, \, . or %`)
			}
			i += 2
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9', strings.IndexByte(pathCharacters, b) >= 0:
		default:
			return "", badRequest(`the path has a character that must be percent-encoded, or a \`)
		}
		decoded.WriteByte(b)
		ascii = ascii && b < utf8.RuneSelf
	}
	name := decoded.String()
	// Some programs leave out what follows a ; and dots and spaces at the end, before they resolve the path.
	before, _, _ := strings.Cut(name, ";")
	switch {
	case strings.TrimFunc(before, dotOrSpace) == "":
		return "", badRequest("the path has a segment that is . or .. or empty")
	case ascii:
		return name, nil
	case !utf8.ValidString(name): // %c0%ae is . for programs that do not check
		return "", badRequest("the path is not UTF-8")
	case strings.ContainsFunc(name, client.Misread):
		return "", badRequest(`the path has a control or format character, one without width, or another form of /, \, . or %`)
	}
	return name, nil
}

func dotOrSpace(c rune) bool { return c == '.' || c == '\u2026' || unicode.IsSpace(c) }

func isHex(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F'
}

func unhex(b byte) byte {
	switch {
	case b <= '9':
		return b - '0'
	case b >= 'a':
		return b - 'a' + 10
	}
	return b - 'A' + 10
}

// resolve finds the api of an absolute target among those of the client, and the address that the call is sent to. Only hosts of the
// cloud of the tenant's instance, and of its further apis, are known.
func (h *Handler) resolve(c *call) error {
	t, microsoft := &c.target, c.tenant.Client()
	if t.origin == "" {
		base, ok := h.cfg.Microsoft.BaseURL(microsoft, token.API(t.resource))
		if !ok {
			return failure.New(failure.NotFound)
		}
		t.api = token.API(t.resource)
		return c.sendTo(base)
	}
	named := token.API("")
	if t.resource != "" {
		var ok bool
		if named, ok = h.apiNamed(c, microsoft, t.resource); !ok {
			return badRequest("the Resource of the context is none of the apis")
		}
	}
	for _, api := range c.client.APIs {
		base, ok := h.cfg.Microsoft.BaseURL(microsoft, token.API(api))
		if !ok || named != "" && named != token.API(api) {
			continue
		}
		if path, ok := below(t, base); ok {
			t.api, t.path = token.API(api), path
			if strings.Count(path, "/") != len(t.segments) { // the address of the api has a path
				t.segments = t.segments[len(t.segments)-strings.Count(path, "/"):]
			}
			return c.sendTo(base)
		}
	}
	return failure.New(failure.ClientNotAllowed, "reason", "the host is none of those of the client's apis")
}

// apiNamed returns the api with a name of ours or with a resource URI of Microsoft's.
func (h *Handler) apiNamed(c *call, microsoft tenant.Client, resource string) (token.API, bool) {
	for _, api := range c.client.APIs {
		if resource == api {
			return token.API(api), true
		}
	}
	return h.cfg.Microsoft.APIOf(microsoft, resource)
}

// below returns the path of an absolute target below the address of an api.
func below(t *target, base string) (path string, ok bool) {
	scheme, rest, _ := strings.Cut(base, "://")
	host, prefix, hasPath := strings.Cut(rest, "/")
	if !strings.EqualFold(t.origin, scheme+"://"+host) {
		return "", false
	}
	if !hasPath {
		return t.path, true
	}
	path, ok = strings.CutPrefix(t.path, "/"+prefix)
	return path, ok && strings.HasPrefix(path, "/")
}

// sendTo sets the address that the call is sent to: that of the api, then the bytes that were received.
func (c *call) sendTo(base string) error {
	u, err := url.Parse(base + c.target.path)
	if err != nil || u.EscapedPath() != strings.TrimPrefix(base[strings.Index(base, "://")+3:], u.Host)+c.target.path {
		return badRequest("the path cannot be forwarded as it is")
	}
	if c.target.query != "" {
		u.RawQuery, u.ForceQuery = c.target.query[1:], len(c.target.query) == 1
	}
	c.url = u
	return nil
}

// hidden are headers of requests that are not forwarded, besides those of the connection.
func hidden(header http.Header) {
	for name := range header {
		// Some programs read _ in a name as - .
		switch read := http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-")); {
		case strings.HasPrefix(read, wirePrefix), strings.HasPrefix(read, "X-Http-Method"), strings.HasPrefix(read, "X-Forwarded"), read == "X-Method-Override",
			read == "X-Original-Url", read == "X-Rewrite-Url": // some servers take the path from these, which no rule has seen
			delete(header, name)
		}
	}
	for _, name := range []string{
		"Authorization", "Proxy-Authorization", "Cookie", traceHeader, "X-Ms-Authorization-Auxiliary", "X-Identity-Header",
		"Forwarded", "X-Real-Ip", "Via", "Expect", "Upgrade", "Http2-Settings",
	} {
		delete(header, name)
	}
}
