package config

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"azure-partner-connector/connector/certificate"
	"azure-partner-connector/connector/export"
	"azure-partner-connector/connector/length"
	"azure-partner-connector/connector/microsoft"
	"azure-partner-connector/connector/platform/pack"
	"azure-partner-connector/connector/token"
)

const minSecret = 16 // characters

// A checker collects the problems of a decoded configuration.
type checker struct {
	report
	cfg *Config
}

func (c *checker) warn(format string, args ...any) {
	c.cfg.Warnings = append(c.cfg.Warnings, fmt.Sprintf(format, args...))
}

func (c *checker) check() {
	c.listeners()
	c.exposure()
	c.publicURL("hooks.publicURL", &c.cfg.Hooks.PublicURL)
	c.publicURL("onboarding.publicURL", &c.cfg.Onboarding.PublicURL)
	c.packageID()
	c.redirectURI()
	c.between("hooks.signatureWindow", c.cfg.Hooks.SignatureWindow, time.Minute, time.Hour)
	c.tls("hooks.tls", c.cfg.Hooks.TLS)
	c.tls("onboarding.tls", c.cfg.Onboarding.TLS)
	c.api()
	c.egress()
	c.connections("hooks.connections", c.cfg.Hooks.Connections)
	c.connections("onboarding.connections", c.cfg.Onboarding.Connections)
	c.connections("private.connections", c.cfg.Private.Connections)
	c.onboarding()
	c.database()
	c.keys()
	c.federated()
	c.instances()
	c.clouds()
	c.platform()
	c.renewal()
	c.lending()
	c.export()
	c.limits()
	c.retention()
	c.notify()
	if format := c.cfg.Log.Format; !slices.Contains(logFormats(), format) && !c.failed("log.format") {
		c.problem("log.format", "%q is invalid: must be %s, %s or %s", format, JSON, Text, ECS)
	}
	c.between("shutdown.drain", c.cfg.Shutdown.Drain, 0, 10*time.Minute)
	c.between("shutdown.grace", c.cfg.Shutdown.Grace, 0, 10*time.Minute)
}

func (c *checker) listeners() {
	byAddress := map[string]string{} // address → key
	for _, l := range []struct{ key, address string }{
		{"hooks.listen", c.cfg.Hooks.Listen},
		{"onboarding.listen", c.cfg.Onboarding.Listen},
		{"private.listen", c.cfg.Private.Listen},
		{"api.listen", c.cfg.API.Listen},
		{"egress.listen", c.cfg.Egress.Listen},
	} {
		if l.address == "" && (l.key == "api.listen" || l.key == "egress.listen") {
			continue // off
		}
		_, port, err := net.SplitHostPort(l.address)
		if _, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil {
			if !c.failed(l.key) {
				c.problem(l.key, "%q is invalid: must be host:port or :port", l.address)
			}
			continue
		}
		if other, taken := byAddress[l.address]; taken && port != "0" {
			c.problem(l.key, "%q is already used by %s; every listener needs its own address", l.address, other)
		}
		byAddress[l.address] = l.key
	}
}

// api checks the listener of the token API.
func (c *checker) api() {
	a := &c.cfg.API
	c.borrowing("api", a.Listen, &a.PublicURL, a.TLS, a.TrustedProxies, a.Connections, a.Audit)
	c.clientCAs("api", a.ClientCAFile, a.TLS)
}

// egress checks the listener of the egress.
func (c *checker) egress() {
	e := &c.cfg.Egress
	c.borrowing("egress", e.Listen, &e.PublicURL, e.TLS, e.TrustedProxies, e.Connections, e.Audit)
	c.clientCAs("egress", e.ClientCAFile, e.TLS)
	c.between("egress.timeout", e.Timeout, time.Second, time.Hour)
	c.between("egress.idle", e.Idle, time.Second, time.Hour)
	c.count("egress.maxRequest", e.MaxRequest, 1<<20)
	c.count("egress.maxAnswer", e.MaxAnswer, 1<<20)
}

// borrowing checks a listener for clients. Keys and access tokens must not cross a network unencrypted.
func (c *checker) borrowing(key, listen string, public *string, t TLS, proxies []netip.Prefix, connections Connections, audit string) {
	c.tls(key+".tls", t)
	c.connections(key+".connections", connections)
	if audit != AuditEach && audit != AuditMinute && !c.failed(key+".audit") {
		c.problem(key+".audit", "%q is invalid: must be %s or %s", audit, AuditEach, AuditMinute)
	}
	if listen == "" {
		if *public != "" && !c.failed(key) {
			c.problem(key+".publicURL", "has no effect without %s.listen; set that too, or remove this", key)
		}
		return
	}
	c.publicURL(key+".publicURL", public)
	host, _, err := net.SplitHostPort(listen)
	if err == nil && !t.Enabled() && len(proxies) == 0 && !isLoopback(host) && !c.failed(key) {
		c.problem(key+".listen", "%q can be reached from other machines without encryption: set %[2]s.tls, list the proxy that terminates TLS in %[2]s.trustedProxies, or listen on 127.0.0.1", listen, key)
	}
}

// clientCAs checks the authorities of clients. A proxy that terminates TLS leaves us no certificate of a client.
func (c *checker) clientCAs(key, file string, t TLS) {
	c.caFile(key+".clientCAFile", file)
	if file != "" && !t.Enabled() && !c.failed(key) {
		c.problem(key+".clientCAFile", "has no effect without %s.tls; set that too, or remove this", key)
	}
}

// exposure warns of listeners that more can reach than should.
func (c *checker) exposure() {
	for _, l := range []struct {
		key, address string
		tls          TLS
	}{
		{"hooks", c.cfg.Hooks.Listen, c.cfg.Hooks.TLS},
		{"onboarding", c.cfg.Onboarding.Listen, c.cfg.Onboarding.TLS},
		{"api", c.cfg.API.Listen, c.cfg.API.TLS},
		{"egress", c.cfg.Egress.Listen, c.cfg.Egress.TLS},
	} {
		switch {
		case c.failed(l.key + ".listen"), l.address == "": // the last two are off without an address
		case c.lines[l.key+".listen"] == 0:
			c.warn("%s.listen is not set: %s is open to every network. A later release will listen on this machine only; set the address that is needed.", l.key, l.address)
		case !l.tls.Enabled() && !onLoopback(l.address):
			c.warn("%s.listen is %s without TLS: whoever is between it and the proxy in front can read and change everything. Set %s.tls, or listen on this machine only.", l.key, l.address, l.key)
		}
	}
	if !c.failed("private.listen") && !onLoopback(c.cfg.Private.Listen) {
		c.warn("private.listen is %s: everybody who reaches it can read the metrics; it has no access control.", c.cfg.Private.Listen)
	}
}

// onLoopback reports whether only this machine reaches a listener.
func onLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && isLoopback(strings.ToLower(host))
}

// publicURL checks one of our public URLs and removes trailing slashes from it.
func (c *checker) publicURL(key string, address *string) {
	if c.failed(key) {
		return
	}
	if *address == "" {
		c.problem(key, "missing: set the URL as seen from outside, for example https://connector.example.com")
		return
	}
	if problem := addressProblem(*address); problem != "" {
		c.badAddress(key, *address, problem)
		return
	}
	*address = strings.TrimRight(*address, "/")
}

// packageID checks the ID in the operator's own namespace.
func (c *checker) packageID() {
	const key = "package.id"
	if c.cfg.Package.ID == "" || c.failed(key) {
		return
	}
	if err := pack.ValidID(c.cfg.Package.ID); err != nil {
		c.problem(key, "%q is invalid: it %v", c.cfg.Package.ID, err)
	}
}

// badAddress reports what is wrong with an address. It does not quote one that may contain a password or a token.
func (c *checker) badAddress(key, address, problem string) {
	if strings.ContainsAny(address, "@?#") {
		c.problem(key, "invalid: %s", problem)
		return
	}
	c.problem(key, "%q is invalid: %s", address, problem)
}

// addressProblem returns what is wrong with the URL of a service, or "".
func addressProblem(address string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return "must have scheme, host and path, for example https://connector.example.com"
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "must have no user, query or fragment"
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return ""
	}
	return "must be https; plain http is allowed on this machine only"
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && address.IsLoopback()
}

// redirectURI checks what Microsoft allows in redirect URIs (docs/reference/microsoft-identity.md §2.5).
func (c *checker) redirectURI() {
	const key = "onboarding.publicURL"
	if c.failed(key) {
		return
	}
	if strings.HasSuffix(c.cfg.Onboarding.PublicURL, "/callback") {
		c.problem(key, "%q ends in /callback, which the connector adds itself: the redirect URI would end in /callback/callback. Remove it", c.cfg.Onboarding.PublicURL)
		return
	}
	redirect := c.cfg.Onboarding.PublicURL + "/callback"
	if len(redirect) > 256 {
		c.problem(key, "too long: with /callback it has %d characters; Microsoft allows 256", len(redirect))
	}
	if i := strings.IndexAny(redirect, "!$'(),;"); i >= 0 {
		c.problem(key, "contains %q, which Microsoft does not allow in redirect URIs", redirect[i:i+1])
	}
}

func (c *checker) tls(key string, t TLS) {
	switch {
	case t == TLS{}:
	case t.CertFile == "":
		c.problem(key+".certFile", "missing although keyFile is set; set both or neither")
	case t.KeyFile == "":
		c.problem(key+".keyFile", "missing although certFile is set; set both or neither")
	default:
		if _, err := certificate.Load(certificate.Config{CertFile: t.CertFile, KeyFile: t.KeyFile}); err != nil {
			c.problem(key, "the certificate is unusable: %v%s", err, fileAdvice(err))
		}
		c.checkMode(key+".keyFile", t.KeyFile)
	}
}

func (c *checker) connections(key string, n Connections) {
	c.count(key+".max", n.Max, 65536)
	c.count(key+".perClient", n.PerClient, 65536)
	c.between(key+".idle", n.Idle, time.Second, time.Hour)
}

func (c *checker) onboarding() {
	o := c.cfg.Onboarding
	c.between("onboarding.linkLife", o.LinkLife, time.Minute, 90*24*time.Hour)
	c.between("onboarding.consentLife", o.ConsentLife, time.Minute, 24*time.Hour)
	c.between("onboarding.claimLife", o.ClaimLife, time.Minute, 30*24*time.Hour)
	if !length.Fits(o.Name, length.Name) {
		c.problem("onboarding.name", "longer than %d characters", length.Name)
	}
	if _, _, err := o.Logo(); err != nil {
		c.problem("onboarding.logoFile", "%v", err)
	}
	if u, err := url.Parse(o.HelpURL); o.HelpURL != "" && (err != nil || u.Scheme != "mailto" && (u.Scheme != "https" || u.Host == "")) {
		c.problem("onboarding.helpURL", "%q is neither an https nor a mailto address", o.HelpURL)
	}
	c.count("onboarding.requestsPerMinute", o.RequestsPerMinute, 1_000_000)
	c.count("onboarding.requestBurst", o.RequestBurst, 1_000_000)
}

func (c *checker) clouds() {
	builtIn := map[string]bool{}
	for _, p := range microsoft.Profiles() {
		builtIn[p.Name] = true
	}
	seen := map[string]bool{}
	for i, p := range c.cfg.Clouds {
		path := fmt.Sprintf("clouds[%d]", i)
		if c.failed(path) {
			continue
		}
		for _, a := range []struct{ key, address string }{
			{"authority", p.Authority},
			{"tokenIssuer", p.TokenIssuer},
			{"partnerCenter.baseURL", p.PartnerCenter.BaseURL},
			{"graph.baseURL", p.Graph.BaseURL},
			{"arm.baseURL", p.ARM.BaseURL},
		} {
			if a.address == "" {
				continue
			}
			if problem := addressProblem(a.address); problem != "" {
				c.badAddress(path+"."+a.key, a.address, problem)
			}
		}
		if seen[p.Name] {
			c.problem(path+".name", "%q is listed twice", p.Name)
		}
		if !length.Fits(p.Name, length.Code) {
			c.problem(path+".name", "too long: may have at most %d characters", length.Code)
		}
		seen[p.Name] = true
		// A profile of a built-in cloud replaces only what it sets.
		if !builtIn[p.Name] && !c.failed(path) {
			if err := p.Validate(); err != nil {
				c.problem(path, "%v", err)
			}
		}
	}
}

func (c *checker) platform() {
	p := c.cfg.Platform
	c.between("platform.timeout", p.Timeout, time.Second, 10*time.Minute)
	if p.Insecure {
		c.warn("platform.insecure is on: anyone between this service and a platform can read and change everything.")
	}
	c.caFile("platform.caFile", p.CAFile)
	if p.CAFile != "" && p.Insecure && !c.failed("platform.caFile") {
		c.problem("platform.caFile", "has no effect while platform.insecure is on; remove one of them")
	}
}

// caFile checks a file of certificates, if one is set.
func (c *checker) caFile(key, file string) {
	if file == "" {
		return
	}
	pem, err := os.ReadFile(file)
	switch {
	case err != nil:
		c.unreadable(key, err)
	case !x509.NewCertPool().AppendCertsFromPEM(pem):
		c.problem(key, "%q contains no PEM certificate", file)
	}
}

func (c *checker) renewal() {
	r := c.cfg.Renewal
	// No setting may leave less than half of a token's life for retries.
	c.between("renewal.every", r.Every, time.Second, token.Life/2)
	c.between("renewal.jitter", r.Jitter, 0, token.Life/2)
	c.between("renewal.tick", r.Tick, 100*time.Millisecond, 24*time.Hour)
	c.between("renewal.lease", r.Lease, 10*time.Second, token.LongestLease)
	c.count("renewal.workers", r.Workers, 256)
	c.count("renewal.perCloud", r.PerCloud, 1_000_000)
	c.count("renewal.perDirectory", r.PerDirectory, 1_000_000)
	if c.failed("renewal") {
		return
	}
	if r.Jitter >= r.Every || r.Every+r.Jitter > token.Life/2 {
		c.problem("renewal.jitter", "%s is invalid: must be less than every, and both together at most %s", r.Jitter, token.Life/2)
	}
}

func (c *checker) lending() {
	c.count("lending.customerTokens", c.cfg.Lending.CustomerTokens, 1_000_000)
	c.count("lending.redemptions", c.cfg.Lending.Redemptions, 1_000_000)
}

func (c *checker) export() {
	if _, err := export.ParseRecipients(c.cfg.Export.Recipients); err != nil {
		c.problem("export.recipients", "%v", err)
	}
}

func (c *checker) limits() {
	l := c.cfg.Limits
	c.count("limits.consents", l.Consents, 1_000_000)
	c.count("limits.openings", l.Openings, 1_000_000)
	c.count("limits.codes", l.Codes, 1_000_000)
	c.count("limits.claims", l.Claims, 1_000_000)
	c.count("limits.renewals", l.Renewals, 1_000_000)
}

func (c *checker) retention() {
	if c.lines["retention.events"] == 0 && !c.failed("retention") {
		c.warn("retention.events is not set: audit events are kept forever, and the database grows. Set it, for example to 9600h (400 days), or to 0s to keep them on purpose.")
	}
	if events := c.cfg.Retention.Events; events != 0 && events < 2*token.Life && !c.failed("retention") {
		c.problem("retention.events", "%s is invalid: must be 0, which keeps events forever, or at least %s", events, 2*token.Life)
	}
}

func (c *checker) between(key string, d, least, most time.Duration) {
	if (d < least || d > most) && !c.failed(key) {
		c.problem(key, "%s is invalid: must be %s to %s", d, least, most)
	}
}

func (c *checker) count(key string, n, most int) {
	if (n < 1 || n > most) && !c.failed(key) {
		c.problem(key, "%d is invalid: must be 1 to %d", n, most)
	}
}
