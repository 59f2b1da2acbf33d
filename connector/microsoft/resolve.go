package microsoft

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"azure-partner-connector/connector/failure"
)

// domainName matches what an address may contain as a directory: at least two labels of letters, digits and hyphens.
var domainName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

const (
	maxDirectories = 4096

	// domainResultLifetime bounds how long a result is used: a directory keeps its GUID, but a domain can move to
	// another directory.
	domainResultLifetime = 24 * time.Hour
)

// A domain is the name of a directory in one cloud.
type domain struct{ cloud, name string }

// A domainResult is the directory to which a domain belongs.
type domainResult struct {
	directoryID string
	at          time.Time
}

// ResolveDirectory implements consent.Microsoft. It returns a GUID as it is, without a request. It looks a domain up at
// most once a day. Failures are directory_missing, directory_unknown, cloud_unknown and those of Microsoft's service.
func (c *Client) ResolveDirectory(ctx context.Context, cloud, directory string) (string, error) {
	profile, err := c.profile(cloud)
	if err != nil {
		return "", err
	}
	name := strings.ToLower(strings.TrimSpace(directory))
	switch {
	case name == "":
		return "", failure.New(failure.DirectoryMissing)
	case isGUID(name):
		return name, nil
	case len(name) > 253 || !domainName.MatchString(name):
		return "", failure.New(failure.DirectoryUnknown, "directory", directory)
	}
	key := domain{profile.Name, name}
	if known, ok := c.directories.Get(key); ok && within(domainResultLifetime, known.at, c.now()) {
		return known.directoryID, nil
	}
	id, f := c.lookUp(ctx, profile, name)
	if f != nil {
		return "", f
	}
	c.directories.Add(key, domainResult{id, c.now()})
	return id, nil
}

// lookUp reads a domain's discovery document, whose issuer names the directory's GUID
// (docs/reference/microsoft-identity.md §1.2).
func (c *Client) lookUp(ctx context.Context, p Profile, domain string) (string, *failure.Error) {
	req, f := newGet(ctx, p.directoryURL(domain, "/v2.0/.well-known/openid-configuration"))
	if f != nil {
		return "", f
	}
	answer, f := c.get(c.http, req)
	if f != nil {
		return "", f
	}
	if answer.status != http.StatusOK {
		r := c.refusalOf(answer)
		if r.name == "invalid_tenant" || slices.Contains(r.codes, 90002) || slices.Contains(r.codes, 900021) {
			f := failure.New(failure.DirectoryUnknown, "directory", domain)
			f.Microsoft = r.evidence()
			return "", f
		}
		return "", r.failure(anyGrant)
	}
	var document struct {
		Issuer string `json:"issuer"`
	}
	if answer.tooLong || json.Unmarshal(answer.body(), &document) != nil {
		return "", c.unreadable(answer)
	}
	id, hasPrefix := strings.CutPrefix(document.Issuer, p.Authority+"/")
	id, hasSuffix := strings.CutSuffix(id, "/v2.0")
	if !hasPrefix || !hasSuffix || !isGUID(id) {
		return "", c.unreadable(answer)
	}
	return strings.ToLower(id), nil
}
