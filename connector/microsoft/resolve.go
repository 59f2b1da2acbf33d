package microsoft

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"azure-partner-connector/connector/failure"
)

// domainName is what may be put into an address as a directory: labels of letters, digits and hyphens, at least two.
var domainName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// ResolveDirectory implements consent.Microsoft. A GUID is taken as it is, without asking Microsoft. A domain is looked
// up once per process: a directory keeps its GUID. Failures are directory_missing, directory_unknown, cloud_unknown
// and those of Microsoft's service.
func (c *Client) ResolveDirectory(ctx context.Context, cloud, directory string) (string, error) {
	profile, err := c.profile(cloud)
	if err != nil {
		return "", err
	}
	domain := strings.ToLower(strings.TrimSpace(directory))
	switch {
	case domain == "":
		return "", failure.New(failure.DirectoryMissing)
	case isGUID(domain):
		return domain, nil
	case len(domain) > 253 || !domainName.MatchString(domain):
		return "", failure.New(failure.DirectoryUnknown, "directory", directory)
	}
	known := profile.Name + " " + domain
	c.mu.Lock()
	id, ok := c.directories[known]
	c.mu.Unlock()
	if ok {
		return id, nil
	}
	id, f := c.lookUp(ctx, profile, domain)
	if f != nil {
		return "", f
	}
	c.mu.Lock()
	c.directories[known] = id
	c.mu.Unlock()
	return id, nil
}

// lookUp reads a domain's discovery document, whose issuer names the directory's GUID (microsoft-identity.md §1.2).
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
	if answer.tooLong || json.Unmarshal(answer.body, &document) != nil {
		return "", c.unreadable(answer)
	}
	id, ok := strings.CutPrefix(document.Issuer, p.Authority+"/")
	id, rest := strings.CutSuffix(id, "/v2.0")
	if !ok || !rest || !isGUID(id) {
		return "", c.unreadable(answer)
	}
	return strings.ToLower(id), nil
}
