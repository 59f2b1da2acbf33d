package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"azure-partner-connector/connector/length"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// An Instance is one registration of the package on a platform. At least one is required.
type Instance struct {
	// Key is the OAuth key with which the platform and the connector sign their calls. Unique. Required.
	Key string `yaml:"key"`
	// Secret is the secret of the key. A new instance needs a random one of at least 32 bytes; one that the database knows may have
	// 16 characters, and is warned of. Two instances never share one. Either Secret or SecretFile is required; Load reads
	// SecretFile into this field.
	Secret secret.Text `yaml:"secret"`
	// SecretFile is a file that contains the secret. Default: none.
	SecretFile string `yaml:"secretFile"`
	// PreviousSecret is the secret that Secret replaces, while the platform may still have it. Calls signed with either
	// are accepted; the connector signs with Secret first. Remove it when the platform has the new one. Load reads
	// PreviousSecretFile into this field. Default: none.
	PreviousSecret secret.Text `yaml:"previousSecret"`
	// PreviousSecretFile is a file that contains the previous secret. Default: none.
	PreviousSecretFile string `yaml:"previousSecretFile"`
	// Controllers are the origins of the platform's controller, for example https://apsc.example.net:6308: the connector
	// calls no other one, whatever the headers of a call name. Plain http only on this machine. Default: none, the address
	// that the platform named when the instance was installed.
	Controllers []string `yaml:"controllers"`
	// PanelOrigins are the origins of the panels of this platform, for example https://panel.example.com: scheme, host and
	// port as browsers write them. Only in them does the automatic procedure take effect at once; in any other panel it ends
	// with an authentication code, as the manual one. List every brand of the platform, and nothing else: a page of these
	// origins can take part in a consent. Default: none.
	PanelOrigins []string `yaml:"panelOrigins"`
	// RenewSuspended keeps the tokens of suspended subscriptions renewed, so that they work when the subscription is resumed.
	// Without it, they expire after 90 days. Default: true.
	RenewSuspended *bool `yaml:"renewSuspended"`
	// AllowMoves lets the platform move a subscription to another account while it has a refresh token. The token of the old
	// account is destroyed then, and the new account has to consent. Without it, such a move is refused. Default: false.
	AllowMoves bool `yaml:"allowMoves"`
	// Federated lets the application of the instance authenticate with the token in federated.tokenFile, besides the secrets and
	// certificates in its settings. Applications of resellers never use it. Default: false.
	Federated bool `yaml:"federated"`
	// Scopes are permissions of the built-in apis that are requested besides the usual ones. Each must be listed in the app
	// registration; resellers consent again to new ones. Default: none.
	Scopes Scopes `yaml:"scopes"`
	// APIs are further services of Microsoft for which access tokens are issued. Default: none.
	APIs []tenant.API `yaml:"apis"`
}

// Scopes are the names of permissions of the built-in apis, for example PartnerBilling.Read.All of Graph.
type Scopes struct {
	// PartnerCenter are permissions of Partner Center. Default: none.
	PartnerCenter []string `yaml:"partnercenter"`
	// Graph are permissions of Microsoft Graph. Default: none.
	Graph []string `yaml:"graph"`
	// ARM are permissions of Azure Resource Manager. Default: none.
	ARM []string `yaml:"arm"`
}

// Deployment returns what in says of the instance beyond its settings.
func (in Instance) Deployment() tenant.Deployment {
	d := tenant.Deployment{Federated: in.Federated, Scopes: map[string][]string{}, APIs: in.APIs}
	for api, names := range map[token.API][]string{token.PartnerCenter: in.Scopes.PartnerCenter, token.Graph: in.Scopes.Graph, token.ARM: in.Scopes.ARM} {
		if len(names) > 0 {
			d.Scopes[string(api)] = names
		}
	}
	return d
}

// RenewsSuspended returns RenewSuspended or its default.
func (in Instance) RenewsSuspended() bool { return in.RenewSuspended == nil || *in.RenewSuspended }

// Secrets returns the secrets with which calls may be signed: the current and, if set, the previous one.
func (in Instance) Secrets() []secret.Text {
	if in.PreviousSecret.Empty() {
		return []secret.Text{in.Secret}
	}
	return []secret.Text{in.Secret, in.PreviousSecret}
}

// placeholder matches what example files contain instead of a value.
var placeholder = regexp.MustCompile(`(?i)put[-_ ]?here|change[-_ ]?me|replace[-_ ]?me|your[-_ ]?secret|^<.*>$`)

func (c *checker) instances() {
	if len(c.cfg.Instances) == 0 && !c.failed("instances") {
		c.problem("instances", "missing: at least one instance with its key and secret is required")
	}
	byKey := map[string]int{}
	for i, in := range c.cfg.Instances {
		path := fmt.Sprintf("instances[%d]", i)
		if !c.failed(path + ".key") {
			first, taken := byKey[in.Key]
			switch {
			case in.Key == "":
				c.problem(path+".key", "missing")
			case placeholder.MatchString(in.Key):
				c.problem(path+".key", "still the placeholder of an example")
			case !length.Fits(in.Key, length.Key):
				c.problem(path+".key", "too long: may have at most %d characters", length.Key)
			case strings.TrimSpace(in.Key) != in.Key:
				c.problem(path+".key", "%q begins or ends with white space", in.Key)
			case taken:
				c.problem(path+".key", "%q is also the key of instances[%d]; every instance needs its own key", in.Key, first)
			default:
				byKey[in.Key] = i
			}
		}
		if !c.failed(path+".secret") && !c.failed(path+".secretFile") {
			c.instanceSecret(path+".secret", in.Key, in.Secret)
		}
		c.previousSecret(path+".previousSecret", in)
		c.ownSecrets(path, i)
		c.controllers(path+".controllers", in.Controllers)
		c.panelOrigins(path+".panelOrigins", in.PanelOrigins)
		if in.Federated && c.cfg.Federated.TokenFile == "" && !c.failed("federated") {
			c.problem(path+".federated", "needs federated.tokenFile or AZURE_FEDERATED_TOKEN_FILE, and neither names a file")
		}
		c.scopes(path+".scopes", in.Scopes)
		c.apis(path+".apis", in.APIs)
	}
}

// controllers checks the origins of a platform's controller and removes trailing slashes from them.
func (c *checker) controllers(key string, origins []string) {
	for i, origin := range origins {
		path := fmt.Sprintf("%s[%d]", key, i)
		if c.failed(key) || c.failed(path) {
			continue
		}
		if problem := addressProblem(origin); problem != "" {
			c.badAddress(path, origin, problem)
			continue
		}
		origins[i] = strings.TrimRight(origin, "/")
		if u, err := url.Parse(origins[i]); err != nil || u.Path != "" {
			c.problem(path, "%q is invalid: must have no path, for example https://apsc.example.net:6308", origin)
		}
	}
}

// panelOrigins checks that origins are exact. A browser compares them character by character, so any other form would silently
// never match.
func (c *checker) panelOrigins(key string, origins []string) {
	if c.failed(key) {
		return
	}
	for i, origin := range origins {
		if problem := originProblem(origin); problem != "" {
			c.badAddress(fmt.Sprintf("%s[%d]", key, i), origin, problem)
		} else if slices.Contains(origins[:i], origin) {
			c.problem(fmt.Sprintf("%s[%d]", key, i), "%q is listed twice", origin)
		}
	}
}

// ownSecrets refuses the secret of another instance: whoever has one could sign for the other.
func (c *checker) ownSecrets(path string, i int) {
	for j, other := range c.cfg.Instances[:i] {
		for _, value := range c.cfg.Instances[i].Secrets() {
			if !value.Empty() && slices.Contains(other.Secrets(), value) {
				c.problem(path+".secret", "also a secret of instances[%d]; every instance needs its own", j)
				return
			}
		}
	}
}

// originProblem returns why text is not an origin as browsers write it, or "".
func originProblem(text string) string {
	if problem := addressProblem(text); problem != "" {
		return problem
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || text != u.Scheme+"://"+u.Host:
		return "must be scheme, host and port only, for example https://panel.example.com, without a path or slash at the end"
	case text != strings.ToLower(text):
		return "must be in lower case, as browsers write it"
	case strings.Contains(text, "*"), strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "must be one exact origin in ASCII; write an international domain as xn--…"
	case u.Scheme == "https" && u.Port() == "443", u.Scheme == "http" && u.Port() == "80", strings.HasSuffix(u.Host, ":"):
		return "must not name the default port, because browsers don't"
	case strings.HasSuffix(u.Hostname(), "."):
		return "must not end in a dot"
	}
	return ""
}

// previousSecret checks a secret that is being replaced, and warns of it: it is temporary.
func (c *checker) previousSecret(key string, in Instance) {
	switch {
	case in.PreviousSecret.Empty() || c.failed(key) || c.failed(key+"File"):
		return
	case in.PreviousSecret.Reveal() == in.Secret.Reveal():
		c.problem(key, "same as secret; it must be the one that secret replaces")
		return
	}
	c.instanceSecret(key, in.Key, in.PreviousSecret)
	c.warn("%s is set: calls signed with the old secret are accepted. Remove it when the platform has the new one.", key)
}

func (c *checker) instanceSecret(key, consumerKey string, value secret.Text) {
	switch text := value.Reveal(); {
	case text == "":
		c.problem(key, "missing: set it here or in secretFile")
	case placeholder.MatchString(text):
		c.problem(key, "still the placeholder of an example")
	case len([]rune(text)) < minSecret:
		c.problem(key, "too short: must have at least %d characters, and that of a new instance %d bytes", minSecret, strongSecret)
	case text == consumerKey:
		c.problem(key, "same as the key")
	case strings.TrimSpace(text) != text:
		c.problem(key, "begins or ends with white space")
	}
}
