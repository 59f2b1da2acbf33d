package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"azure-partner-connector/connector/tenant"
)

var (
	apiName        = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)
	permissionName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]{0,99}$`)
	hostName       = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	probePath      = regexp.MustCompile(`^/[A-Za-z0-9._~/-]*(\?[A-Za-z0-9._~/$&=,-]*)?$`)
)

// maxAPIs bounds the further apis of an instance: all are named in one address of Microsoft's, which is limited, and each costs
// a redemption at every renewal.
const maxAPIs = 8

// federated checks that the file of the federated token can be read. A provider replaces it later.
func (c *checker) federated() {
	path := c.cfg.Federated.TokenFile
	used := slices.ContainsFunc(c.cfg.Instances, func(in Instance) bool { return in.Federated })
	// The variable of Azure's may be set for another purpose.
	if path == "" || c.failed("federated") || !used && c.lines["federated.tokenFile"] == 0 {
		return
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		c.problem("federated.tokenFile", "cannot be read: %v", err)
	case !info.Mode().IsRegular() || info.Size() > maxSecretFile:
		c.problem("federated.tokenFile", "%q is not a file with one token", path)
	}
}

func (c *checker) scopes(key string, s Scopes) {
	for name, scopes := range map[string][]string{"partnercenter": s.PartnerCenter, "graph": s.Graph, "arm": s.ARM} {
		c.permissions(key+"."+name, scopes)
	}
}

// permissions checks names of permissions. Microsoft refuses .default beside them
// (docs/reference/microsoft-identity.md §1.4).
func (c *checker) permissions(key string, names []string) {
	for i, name := range names {
		path := fmt.Sprintf("%s[%d]", key, i)
		switch {
		case c.failed(path):
		case !permissionName.MatchString(name):
			c.problem(path, "%q is invalid: must be the name of a permission, for example PartnerBilling.Read.All, without its resource", name)
		case slices.Contains(names[:i], name):
			c.problem(path, "%q is listed twice", name)
		}
	}
}

// apis checks further apis, and fills in their hosts.
func (c *checker) apis(key string, all []tenant.API) {
	if c.failed(key) {
		return
	}
	if len(all) > maxAPIs {
		c.problem(key, "too many: at most %d are possible", maxAPIs)
	}
	for i := range all {
		path, a := fmt.Sprintf("%s[%d]", key, i), &all[i]
		switch {
		case !apiName.MatchString(a.Name):
			c.problem(path+".name", "%q is invalid: must be lower-case letters, digits and hyphens, 32 at most", a.Name)
		case slices.Contains(tenant.APIs(), a.Name):
			c.problem(path+".name", "%q is built in; set scopes.%s for more permissions of it", a.Name, a.Name)
		case slices.ContainsFunc(all[:i], func(other tenant.API) bool { return other.Name == a.Name }):
			c.problem(path+".name", "%q is listed twice", a.Name)
		}
		if len(a.Scopes) == 0 {
			c.problem(path+".scopes", "missing: name the permissions that are requested")
		}
		c.permissions(path+".scopes", a.Scopes)
		c.resource(path, a)
		if a.Probe != "" && !probePath.MatchString(a.Probe) {
			c.problem(path+".probe", "must be a path that begins with /, for example /v1.0/me")
		}
	}
}

// resource checks the resource URI of an api and its host, which is that of the resource unless it is set.
func (c *checker) resource(path string, a *tenant.API) {
	u, err := url.Parse(a.Resource)
	switch {
	case a.Resource == "":
		c.problem(path+".resource", "missing: the resource URI, for example https://api.partner.microsoft.com")
		return
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "api":
		c.problem(path+".resource", "invalid: must be a resource URI, for example https://api.partner.microsoft.com")
		return
	}
	if a.Host == "" && u.Scheme == "https" {
		a.Host = u.Host
	}
	host, port, err := net.SplitHostPort(a.Host)
	if err != nil {
		host, port = a.Host, "443"
	}
	_, portErr := strconv.ParseUint(port, 10, 16)
	_, ipErr := netip.ParseAddr(host)
	switch {
	case a.Host == "":
		c.problem(path+".host", "missing: the resource names no host")
	case portErr != nil || ipErr != nil && !hostName.MatchString(host), strings.Contains(a.Host, "/"):
		c.problem(path+".host", "%q is invalid: must be a host in lower case, with its port if that is not 443", a.Host)
	}
}
