package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"azure-partner-connector/connector/microsoft"
	"azure-partner-connector/connector/platform/pack"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/token"
)

const minSecret = 16 // characters

// A checker collects what is wrong with a configuration.
type checker struct {
	cfg    *Config
	faults []error
}

func (c *checker) fault(key, format string, args ...any) {
	c.faults = append(c.faults, &Fault{key, fmt.Sprintf(format, args...)})
}

// faulty reports whether something below key is known to be wrong already; saying more of it would only confuse.
func (c *checker) faulty(key string) bool {
	return slices.ContainsFunc(c.faults, func(err error) bool {
		f, ok := errors.AsType[*Fault](err)
		return ok && (f.Key == key || strings.HasPrefix(f.Key, key+".") || strings.HasPrefix(f.Key, key+"["))
	})
}

func (c *checker) warn(format string, args ...any) {
	c.cfg.Warnings = append(c.cfg.Warnings, fmt.Sprintf(format, args...))
}

func (c *checker) check() {
	c.listeners()
	c.publicURL("hooks.publicURL", &c.cfg.Hooks.PublicURL)
	c.publicURL("onboarding.publicURL", &c.cfg.Onboarding.PublicURL)
	c.packageID()
	c.redirectAddress()
	c.tls("hooks.tls", c.cfg.Hooks.TLS)
	c.tls("onboarding.tls", c.cfg.Onboarding.TLS)
	c.onboarding()
	c.database()
	c.keys()
	c.instances()
	c.clouds()
	c.platform()
	c.renewal()
	c.retention()
	c.notify()
	if format := c.cfg.Log.Format; format != JSON && format != Text && !c.faulty("log.format") {
		c.fault("log.format", "%q is not allowed; allowed is %s or %s", format, JSON, Text)
	}
	c.between("shutdown.grace", c.cfg.Shutdown.Grace, 0, 10*time.Minute)
}

func (c *checker) listeners() {
	byAddress := map[string]string{} // address → key
	for _, l := range []struct{ key, address string }{
		{"hooks.listen", c.cfg.Hooks.Listen},
		{"onboarding.listen", c.cfg.Onboarding.Listen},
		{"private.listen", c.cfg.Private.Listen},
	} {
		_, port, err := net.SplitHostPort(l.address)
		if _, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil {
			if !c.faulty(l.key) {
				c.fault(l.key, "%q is not allowed; allowed is host:port or :port", l.address)
			}
			continue
		}
		if other, taken := byAddress[l.address]; taken && port != "0" {
			c.fault(l.key, "%q is taken by %s; every door has an address of its own", l.address, other)
		}
		byAddress[l.address] = l.key
	}
}

// publicURL checks an address of ours and takes a slash off its end.
func (c *checker) publicURL(key string, address *string) {
	if c.faulty(key) {
		return
	}
	if *address == "" {
		c.fault(key, "it is missing; it is the address as seen from outside, as https://connector.example.com")
		return
	}
	if problem := addressProblem(*address); problem != "" {
		c.fault(key, "%q is not allowed: %s", *address, problem)
		return
	}
	*address = strings.TrimRight(*address, "/")
}

// packageID checks the id of the operator's own namespace.
func (c *checker) packageID() {
	const key = "package.id"
	if c.cfg.Package.ID == "" || c.faulty(key) {
		return
	}
	if err := pack.ValidID(c.cfg.Package.ID); err != nil {
		c.fault(key, "%q is not allowed: it %v", c.cfg.Package.ID, err)
	}
}

// addressProblem says what is wrong with the address of a service; "" when nothing is.
func addressProblem(address string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return "it must be scheme, host and path, as https://connector.example.com"
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "it must have no user, query or fragment"
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return ""
	}
	return "it must be https; plain http is for this machine alone"
}

func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && address.IsLoopback()
}

// redirectAddress checks what Microsoft allows of redirect addresses (microsoft-identity.md §2.5).
func (c *checker) redirectAddress() {
	const key = "onboarding.publicURL"
	if c.faulty(key) {
		return
	}
	redirect := c.cfg.Onboarding.PublicURL + "/callback"
	if len(redirect) > 256 {
		c.fault(key, "it is too long: with /callback it has %d characters; Microsoft allows 256", len(redirect))
	}
	if i := strings.IndexAny(redirect, "!$'(),;"); i >= 0 {
		c.fault(key, "it holds %q, which Microsoft does not allow in redirect addresses", redirect[i:i+1])
	}
}

func (c *checker) tls(key string, t TLS) {
	switch {
	case t == TLS{}:
	case t.CertFile == "":
		c.fault(key+".certFile", "it is missing, but there is a keyFile; both or none")
	case t.KeyFile == "":
		c.fault(key+".keyFile", "it is missing, but there is a certFile; both or none")
	default:
		if _, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile); err != nil {
			c.fault(key, "the certificate cannot be used: %v", err)
		}
	}
}

func (c *checker) onboarding() {
	o := c.cfg.Onboarding
	c.between("onboarding.linkLife", o.LinkLife, time.Minute, 90*24*time.Hour)
	c.between("onboarding.consentLife", o.ConsentLife, time.Minute, 24*time.Hour)
	c.between("onboarding.claimLife", o.ClaimLife, time.Minute, 30*24*time.Hour)
	c.count("onboarding.requestsPerMinute", o.RequestsPerMinute, 1_000_000)
	c.count("onboarding.requestBurst", o.RequestBurst, 1_000_000)
}

func (c *checker) database() {
	db := &c.cfg.Database
	if c.faulty("database") {
		return
	}
	switch db.Driver {
	case SQLite:
		if !db.DSN.Empty() || db.DSNFile != "" {
			c.fault("database.dsn", "it is for the driver mysql; sqlite has a path")
		}
		if db.Path == "" {
			db.Path = "connector.db"
		}
	case MySQL:
		if db.Path != "" {
			c.fault("database.path", "it is for the driver sqlite; mysql has a dsn")
		}
		if db.DSN.Empty() {
			c.fault("database.dsn", "it is missing; mysql needs it, or dsnFile")
			return
		}
		// The parser's own words may quote the password.
		if parsed, err := mysql.ParseDSN(db.DSN.Reveal()); err != nil || parsed.DBName == "" {
			c.fault("database.dsn", "it cannot be read; allowed is user:password@tcp(host:3306)/name")
		}
	default:
		c.fault("database.driver", "%q is not allowed; allowed is %s or %s", db.Driver, SQLite, MySQL)
	}
}

// placeholder matches what example files hold in place of a real value.
var placeholder = regexp.MustCompile(`(?i)put[-_ ]?here|change[-_ ]?me|replace[-_ ]?me|your[-_ ]?secret|^<.*>$`)

func (c *checker) instances() {
	if len(c.cfg.Instances) == 0 && !c.faulty("instances") {
		c.fault("instances", "there is none; at least one with its key and secret is needed")
	}
	byKey := map[string]int{}
	for i, in := range c.cfg.Instances {
		path := fmt.Sprintf("instances[%d]", i)
		if !c.faulty(path + ".key") {
			first, taken := byKey[in.Key]
			switch {
			case in.Key == "":
				c.fault(path+".key", "it is missing")
			case placeholder.MatchString(in.Key):
				c.fault(path+".key", "it is still the placeholder of an example")
			case strings.TrimSpace(in.Key) != in.Key:
				c.fault(path+".key", "%q begins or ends with white space", in.Key)
			case taken:
				c.fault(path+".key", "%q is the key of instances[%d] too; every instance has a key of its own", in.Key, first)
			default:
				byKey[in.Key] = i
			}
		}
		if !c.faulty(path+".secret") && !c.faulty(path+".secretFile") {
			c.instanceSecret(path+".secret", in.Key, in.Secret)
		}
		c.previousSecret(path+".previousSecret", in)
	}
}

// previousSecret checks a secret that is being replaced, and reminds of it: it is meant to go.
func (c *checker) previousSecret(key string, in Instance) {
	switch {
	case in.PreviousSecret.Empty() || c.faulty(key) || c.faulty(key+"File"):
		return
	case in.PreviousSecret.Reveal() == in.Secret.Reveal():
		c.fault(key, "it is the same as the secret; it is the one that the secret replaces")
		return
	}
	c.instanceSecret(key, in.Key, in.PreviousSecret)
	c.warn("%s is set: calls signed with the old secret are accepted. Take it away when the platform has the new one.", key)
}

func (c *checker) instanceSecret(key, consumerKey string, value secret.Text) {
	switch text := value.Reveal(); {
	case text == "":
		c.fault(key, "it is missing; give it here or in secretFile")
	case placeholder.MatchString(text):
		c.fault(key, "it is still the placeholder of an example")
	case len([]rune(text)) < minSecret:
		c.fault(key, "it is too short; at least %d characters are needed", minSecret)
	case text == consumerKey:
		c.fault(key, "it is the same as the key")
	case strings.TrimSpace(text) != text:
		c.fault(key, "it begins or ends with white space")
	}
}

func (c *checker) clouds() {
	builtIn := map[string]bool{}
	for _, p := range microsoft.Profiles() {
		builtIn[p.Name] = true
	}
	seen := map[string]bool{}
	for i, p := range c.cfg.Clouds {
		path := fmt.Sprintf("clouds[%d]", i)
		if c.faulty(path) {
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
				c.fault(path+"."+a.key, "%q is not allowed: %s", a.address, problem)
			}
		}
		if seen[p.Name] {
			c.fault(path+".name", "%q is there twice", p.Name)
		}
		seen[p.Name] = true
		// One with the name of a built-in cloud replaces only what it sets.
		if !builtIn[p.Name] && !c.faulty(path) {
			if err := p.Validate(); err != nil {
				c.fault(path, "%v", err)
			}
		}
	}
}

func (c *checker) platform() {
	p := c.cfg.Platform
	c.between("platform.timeout", p.Timeout, time.Second, 10*time.Minute)
	if p.Insecure {
		c.warn("platform.insecure is on: whoever is between this service and a platform can read and change everything.")
	}
	c.caFile("platform.caFile", p.CAFile)
	if p.CAFile != "" && p.Insecure && !c.faulty("platform.caFile") {
		c.fault("platform.caFile", "it has no effect while platform.insecure is on; take one of them away")
	}
}

// caFile checks a file of certificates, if there is one.
func (c *checker) caFile(key, file string) {
	if file == "" {
		return
	}
	pem, err := os.ReadFile(file)
	switch {
	case err != nil:
		c.fault(key, "it cannot be read: %v", err)
	case !x509.NewCertPool().AppendCertsFromPEM(pem):
		c.fault(key, "%q holds no certificate in PEM form", file)
	}
}

func (c *checker) renewal() {
	r := c.cfg.Renewal
	// Half of a token's life is left for retries, whatever is set.
	c.between("renewal.every", r.Every, time.Second, token.Life/2)
	c.between("renewal.jitter", r.Jitter, 0, token.Life/2)
	c.between("renewal.tick", r.Tick, 100*time.Millisecond, 24*time.Hour)
	c.between("renewal.lease", r.Lease, 10*time.Second, time.Hour)
	c.count("renewal.workers", r.Workers, 256)
	c.count("renewal.perCloud", r.PerCloud, 1_000_000)
	c.count("renewal.perDirectory", r.PerDirectory, 1_000_000)
	if c.faulty("renewal") {
		return
	}
	if r.Jitter >= r.Every || r.Every+r.Jitter > token.Life/2 {
		c.fault("renewal.jitter", "%s is not allowed; it must be less than every, and both together at most %s", r.Jitter, token.Life/2)
	}
}

func (c *checker) retention() {
	if events := c.cfg.Retention.Events; events != 0 && events < 2*token.Life && !c.faulty("retention") {
		c.fault("retention.events", "%s is not allowed; allowed is 0, for ever, or at least %s", events, 2*token.Life)
	}
}

func (c *checker) between(key string, d, least, most time.Duration) {
	if (d < least || d > most) && !c.faulty(key) {
		c.fault(key, "%s is not allowed; allowed is %s to %s", d, least, most)
	}
}

func (c *checker) count(key string, n, most int) {
	if (n < 1 || n > most) && !c.faulty(key) {
		c.fault(key, "%d is not allowed; allowed is 1 to %d", n, most)
	}
}
