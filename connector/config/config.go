// Package config reads and checks the configuration: one YAML file, overridden by the environment.
package config

import (
	_ "embed"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"azure-partner-connector/connector/limit"
	"azure-partner-connector/connector/microsoft"
	"azure-partner-connector/connector/notify/message"
	"azure-partner-connector/connector/peer"
	"azure-partner-connector/connector/platform/oauth1"
	"azure-partner-connector/connector/secret"
)

// Config is the configuration. Its comments are the reference; Example shows the same with values.
//
// Every key can also be set in the environment: CONNECTOR_ and the path of the key with two underscores between its
// parts, in upper or lower case, for example CONNECTOR_HOOKS__PUBLICURL. Members of lists are numbered from 0, for
// example CONNECTOR_INSTANCES__0__SECRET; lists of plain values are separated by commas. The environment overrides the
// file.
//
// Durations are numbers with a unit, for example 90s, 15m or 240h. File paths are relative to the working directory.
type Config struct {
	Hooks      Hooks               `yaml:"hooks"`
	Package    Package             `yaml:"package"`
	Onboarding Onboarding          `yaml:"onboarding"`
	API        API                 `yaml:"api"`
	Egress     Egress              `yaml:"egress"`
	Private    Private             `yaml:"private"`
	Database   Database            `yaml:"database"`
	Keys       Keys                `yaml:"keys"`
	Federated  Federated           `yaml:"federated"`
	Instances  []Instance          `yaml:"instances"`
	Clouds     []microsoft.Profile `yaml:"clouds"`
	Platform   Platform            `yaml:"platform"`
	Renewal    Renewal             `yaml:"renewal"`
	Lending    Lending             `yaml:"lending"`
	Export     Export              `yaml:"export"`
	Limits     Limits              `yaml:"limits"`
	Retention  Retention           `yaml:"retention"`
	Notify     Notify              `yaml:"notify"`
	Log        Log                 `yaml:"log"`
	Shutdown   Shutdown            `yaml:"shutdown"`

	// Warnings are what Load accepted but an operator should change, one sentence each. Not a key.
	Warnings []string `yaml:"-"`
}

// Hooks configures the listener for the platform.
type Hooks struct {
	// Listen is the address to listen on, host:port or :port. Default: ":8080", which every network reaches; a file without the
	// key is warned of.
	Listen string `yaml:"listen"`
	// PublicURL is the URL that the platform calls, for example https://connector.example.com/aps. Signatures cover it, so
	// it must equal the URL that the platform knows, character by character. Plain http only on this machine. Required.
	PublicURL string `yaml:"publicURL"`
	// TrustedProxies are the networks or addresses of proxies whose X-Forwarded-Proto and X-Forwarded-Host are trusted:
	// calls that were signed for the scheme and host that they name are accepted besides those for PublicURL.
	// Connections.PerClient does not apply to them. Default: none.
	TrustedProxies []netip.Prefix `yaml:"trustedProxies"`
	// SignatureWindow is how far the time of a signature may be from the connector's clock, in either direction.
	// Default: 10m.
	SignatureWindow time.Duration `yaml:"signatureWindow"`
	// TLS is for deployments without a proxy that terminates TLS.
	TLS TLS `yaml:"tls"`
	// Connections bounds the connections of the listener.
	Connections Connections `yaml:"connections"`
	// ServePackage serves the platform package at {publicURL}/package/{file name} to everyone, so that a platform can
	// import it by URL. Default: false.
	ServePackage bool `yaml:"servePackage"`
}

// Package configures the platform package that this operator publishes.
type Package struct {
	// ID is the package ID, for example http://aps.example.net/azure-partner, for operators with their own namespace. The
	// built, served and registered package and all answers to the platform use it. Never change it once the package is in
	// use. Default: the ID in app.yaml.
	ID string `yaml:"id"`
}

// Onboarding configures the public listener: consent links and Microsoft's redirects.
type Onboarding struct {
	// Listen is the address to listen on, host:port or :port. Default: ":8081", as for the hooks.
	Listen string `yaml:"listen"`
	// PublicURL is the URL that browsers open, for example https://onboarding.example.com. Followed by /callback it is the
	// redirect URI of the app registration, of type Web. Plain http only on this machine. Required.
	PublicURL string `yaml:"publicURL"`
	// TrustedProxies are the networks or addresses of proxies that are believed about their clients. Behind an
	// unlisted proxy all visitors share one rate limit, and Connections.PerClient. Default: none.
	TrustedProxies []netip.Prefix `yaml:"trustedProxies"`
	// ClientAddress is the header in which these proxies name their clients: x-forwarded-for, forwarded (RFC 7239) or
	// x-real-ip. Name it where clients can send one of the others through the proxy. Default: x-forwarded-for, or
	// forwarded where a request has none.
	ClientAddress peer.Source `yaml:"clientAddress"`
	// TLS is for deployments without a proxy that terminates TLS.
	TLS TLS `yaml:"tls"`
	// Connections bounds the connections of the listener. Default of Idle here: 30s.
	Connections Connections `yaml:"connections"`
	// LinkLife is how long the link of the manual procedure is valid. Default: 168h.
	LinkLife time.Duration `yaml:"linkLife"`
	// ConsentLife is how long a sign-in at Microsoft may take. Default: 15m.
	ConsentLife time.Duration `yaml:"consentLife"`
	// ClaimLife is how long an authentication code is valid, and how long a consent waits for confirmation. Default: 24h.
	ClaimLife time.Duration `yaml:"claimLife"`
	// AcceptUnknownMFA accepts consents for which neither the token nor Partner Center says whether multifactor
	// authentication was used. Consents that certainly lack it are still refused. Default: false.
	AcceptUnknownMFA bool `yaml:"acceptUnknownMFA"`
	// AcceptAnotherAccount lets the consent of another Microsoft account than before replace the refresh token at once.
	// Otherwise the reseller confirms it first, within claimLife. Default: false.
	AcceptAnotherAccount bool `yaml:"acceptAnotherAccount"`
	// Name is that of the marketplace, for the head of the pages. Default: Azure Partner connector.
	Name string `yaml:"name"`
	// LogoFile is a file with the marketplace's logo: SVG, PNG, JPEG or WebP, at most 100 KiB. It is shown 32 pixels high.
	// Default: ours.
	LogoFile string `yaml:"logoFile"`
	// HelpURL is where visitors get help, an https or mailto address. Default: none.
	HelpURL string `yaml:"helpURL"`
	// RequestsPerMinute is how many requests per minute one client address may make on average. Default: 60.
	RequestsPerMinute int `yaml:"requestsPerMinute"`
	// RequestBurst is how many requests one client address may make at once. Default: 30.
	RequestBurst int `yaml:"requestBurst"`
}

// API configures the listener of the token API, for programs that are no applications of a platform. It serves clients that
// connector clients add has added.
type API struct {
	// Listen is the address to listen on, host:port or :port. Without TLS and TrustedProxies, it must be on this machine, for
	// example 127.0.0.1:8082. Default: none, no token API.
	Listen string `yaml:"listen"`
	// PublicURL is the URL that clients call, for example https://tokens.example.com. Plain http only on this machine. Required
	// with Listen.
	PublicURL string `yaml:"publicURL"`
	// TrustedProxies are the networks or addresses of proxies that terminate TLS and set X-Forwarded-Proto. Requests that others
	// send unencrypted, from another machine, are refused. Connections.PerClient does not apply to them. Default: none.
	TrustedProxies []netip.Prefix `yaml:"trustedProxies"`
	// TLS is for deployments without a proxy that terminates TLS.
	TLS TLS `yaml:"tls"`
	// ClientCAFile is a PEM file with the authorities that issue certificates of clients which are known by the subject of their
	// certificate; certificates that are pinned need none. Only with TLS. Default: none.
	ClientCAFile string `yaml:"clientCAFile"`
	// Connections bounds the connections of the listener.
	Connections Connections `yaml:"connections"`
	// Audit is how lendings are recorded: "each" stores an event of every one, before the access token leaves; "minute" the first
	// one, and then one event a minute for each client, tenant, api and directory, with their number. Default: "each".
	Audit string `yaml:"audit"`
}

// Enabled reports whether there is a token API.
func (a API) Enabled() bool { return a.Listen != "" }

// How lendings and forwarded calls are recorded.
const (
	AuditEach   = "each"
	AuditMinute = "minute"
)

// Egress configures the listener that forwards calls to Microsoft with an access token added, for clients that connector clients
// add --forward has added. No access token leaves the connector that way.
type Egress struct {
	// Listen is the address to listen on, host:port or :port. Without TLS and TrustedProxies, it must be on this machine, for
	// example 127.0.0.1:8083. Default: none, no egress.
	Listen string `yaml:"listen"`
	// PublicURL is the URL that clients call, for example https://egress.example.com. Plain http only on this machine. Required
	// with Listen.
	PublicURL string `yaml:"publicURL"`
	// TrustedProxies are as those of the token API. Default: none.
	TrustedProxies []netip.Prefix `yaml:"trustedProxies"`
	// TLS is for deployments without a proxy that terminates TLS.
	TLS TLS `yaml:"tls"`
	// ClientCAFile is a PEM file with the authorities that issue certificates of clients which are known by the subject of their
	// certificate; certificates that are pinned need none. Only with TLS. Default: none.
	ClientCAFile string `yaml:"clientCAFile"`
	// Connections bounds the connections of the listener.
	Connections Connections `yaml:"connections"`
	// Audit is how calls are recorded, as for the token API. Default: "minute".
	Audit string `yaml:"audit"`
	// Timeout is how long Microsoft may take to begin its answer. Default: 2m.
	Timeout time.Duration `yaml:"timeout"`
	// Idle is how long a body, of a call or of its answer, may stand still. Default: 1m.
	Idle time.Duration `yaml:"idle"`
	// MaxRequest is the size of the largest body of a call, in MiB. Default: 256.
	MaxRequest int `yaml:"maxRequest"`
	// MaxAnswer is the size of the largest body of an answer, in MiB. Default: 1024.
	MaxAnswer int `yaml:"maxAnswer"`
}

// Enabled reports whether there is an egress.
func (e Egress) Enabled() bool { return e.Listen != "" }

// Private configures the listener for metrics and probes. It has no access control: keep it off public networks.
type Private struct {
	// Listen is the address to listen on, host:port or :port. Default: "127.0.0.1:9090".
	Listen string `yaml:"listen"`
	// Connections bounds the connections of the listener.
	Connections Connections `yaml:"connections"`
}

// Connections bounds the connections of one listener, so that it leaves file descriptors to everything else.
type Connections struct {
	// Max is how many connections the listener serves at once; further ones wait. All listeners together get at most half
	// of the file descriptors of the process, so a low limit of the operating system lowers it. Default: 512.
	Max int `yaml:"max"`
	// PerClient is how many of them one client address may have; further ones are closed. Trusted proxies are exempt.
	// Default: 32.
	PerClient int `yaml:"perClient"`
	// Idle is how long a connection without a request is kept. Default: 2m.
	Idle time.Duration `yaml:"idle"`
}

// TLS is the certificate of one listener. Set both files or neither.
type TLS struct {
	// CertFile is a PEM file with the certificate and its chain. A replaced file is served within a minute, or at once after
	// SIGHUP. Default: none, plain HTTP.
	CertFile string `yaml:"certFile"`
	// KeyFile is a PEM file with the private key of the certificate. Default: none.
	KeyFile string `yaml:"keyFile"`
}

// Enabled reports whether the listener has a certificate.
func (t TLS) Enabled() bool { return t.CertFile != "" }

// Database drivers.
const (
	SQLite = "sqlite"
	MySQL  = "mysql"
)

// Database says where the connector stores everything.
type Database struct {
	// Driver is "sqlite", one file for one replica, or "mysql" for MySQL, MariaDB and compatible databases, for any number
	// of replicas. Default: "sqlite".
	Driver string `yaml:"driver"`
	// Path is the database file of sqlite. Default: "connector.db".
	Path string `yaml:"path"`
	// DSN is the address and account of a mysql database: user:password@tcp(host:3306)/name. mysql requires either DSN or
	// DSNFile; Load reads DSNFile into this field.
	DSN secret.Text `yaml:"dsn"`
	// DSNFile is a file that contains the DSN. Default: none.
	DSNFile string `yaml:"dsnFile"`
	// CAFile is a PEM file with certificate authorities to trust for a mysql server besides the system's. With it, the
	// connection is encrypted, and the server's certificate must be valid for the host in the DSN. Default: none, the DSN
	// says whether the connection is encrypted (tls=true).
	CAFile string `yaml:"caFile"`
	// CertFile is a PEM file with the certificate that the connector presents to a mysql server, and its chain. It is read
	// for every new connection, so that it can be renewed without a restart. With it, the connection is encrypted as with
	// CAFile. Default: none.
	CertFile string `yaml:"certFile"`
	// KeyFile is a PEM file with the private key of CertFile. Set both or neither. Default: none.
	KeyFile string `yaml:"keyFile"`
}

// Source returns what the driver opens: the file of sqlite or the DSN of mysql.
func (d Database) Source() secret.Text {
	if d.Driver == MySQL {
		return d.DSN
	}
	return secret.New(d.Path)
}

// Keys seal every stored secret.
type Keys struct {
	// File is the key file. All replicas need the same one. Without it nothing stored can be read: keep a copy, separate
	// from the backups of the database. Either File or Ring is required.
	File string `yaml:"file"`
	// Ring is the content of a key file, for orchestrators that pass secrets in the environment (CONNECTOR_KEYS__RING).
	// Default: none.
	Ring secret.Text `yaml:"ring"`
}

// Federated configures a token of another identity provider with which applications authenticate at Microsoft (workload
// identity federation), instead of a secret or a certificate.
type Federated struct {
	// TokenFile is the file that contains the token, and that its provider replaces before it expires. It is read for every
	// request and never stored. Default: the file that the environment variable AZURE_FEDERATED_TOKEN_FILE names.
	TokenFile string `yaml:"tokenFile"`
}

// Platform configures calls to platforms.
type Platform struct {
	// CAFile is a PEM file with certificate authorities to trust besides the system's. Default: none.
	CAFile string `yaml:"caFile"`
	// Insecure accepts any certificate of a platform. Anyone between the connector and a platform can then read and change
	// everything. Default: false.
	Insecure bool `yaml:"insecure"`
	// Timeout bounds one call. Default: 30s.
	Timeout time.Duration `yaml:"timeout"`
	// PeriodicTask creates a task on every platform that triggers renewals once a day. Default: true.
	PeriodicTask bool `yaml:"periodicTask"`
	// AccountEvents subscribes to changes of accounts on every platform, so that the names of tenants stay current.
	// Default: true.
	AccountEvents bool `yaml:"accountEvents"`
}

// Renewal configures when refresh tokens are renewed.
type Renewal struct {
	// Every is the time between two renewals of a token. Default: 240h, ten days.
	Every time.Duration `yaml:"every"`
	// Jitter is by how much a renewal may be earlier or later, so that renewals spread. Default: 24h.
	Jitter time.Duration `yaml:"jitter"`
	// Tick is how often the connector checks which renewals are due. Default: 1m.
	Tick time.Duration `yaml:"tick"`
	// Lease is how long one replica may hold a renewal. It must be longer than a renewal takes. After a
	// replica was killed, its renewals wait that long. Default: 2m.
	Lease time.Duration `yaml:"lease"`
	// Workers is how many renewals one replica runs at once. Default: 32.
	Workers int `yaml:"workers"`
	// PerCloud is how many renewals per minute one replica starts in one cloud. Renewals that a person requests, and
	// lendings, do not count. Default: 1200.
	PerCloud int `yaml:"perCloud"`
	// PerDirectory is how many renewals per minute one replica starts for one directory. Default: 12.
	PerDirectory int `yaml:"perDirectory"`
}

// Lending configures the lending of access tokens.
type Lending struct {
	// CustomerTokens is how many access tokens for customers' directories one process keeps in memory. One takes about 8 kB.
	// Those that were not used for longest are dropped, and redeemed again when they are needed. Default: 10000.
	CustomerTokens int `yaml:"customerTokens"`
	// Redemptions is how many access tokens one process requests from Microsoft within a minute for one tenant, directory and api,
	// because borrowers ask for them; more is refused with 429. Those in memory do not count. Default: 12.
	Redemptions int `yaml:"redemptions"`
}

// Export configures connector export, which gives copies of refresh tokens to other programs.
type Export struct {
	// Recipients are the age recipients (age1…) who can open exports: everything that leaves is sealed to all of them. Whoever has
	// the identity of one of them and the credential of the application acts as the partner. Default: none, nothing is exported.
	Recipients []string `yaml:"recipients"`
}

// Limits bound how often something may be done within a minute; what is more is refused with 429. They hold across all
// replicas.
type Limits struct {
	// Consents is how many consents may begin for one tenant: automatic ones, and links of the manual procedure. Default: 10.
	Consents int `yaml:"consents"`
	// Openings is how often the links of one tenant may lead to Microsoft's sign-in page. Default: 30.
	Openings int `yaml:"openings"`
	// Codes is how many authorization codes and redirected addresses may be entered for one tenant. Default: 10.
	Codes int `yaml:"codes"`
	// Claims is how many authentication codes may be entered for one tenant, and how many one person may enter for all tenants.
	// Default: 10.
	Claims int `yaml:"claims"`
	// Renewals is how many renewals and checks of one tenant may be asked for. Those of the schedule do not count. Default: 6.
	Renewals int `yaml:"renewals"`
}

// Most returns how many uses each limit allows.
func (l Limits) Most() map[limit.Name]int {
	return map[limit.Name]int{
		limit.Consents: l.Consents, limit.Openings: l.Openings, limit.Codes: l.Codes, limit.Claims: l.Claims,
		limit.ClaimsOfPerson: l.Claims, limit.Renewals: l.Renewals,
	}
}

// Retention configures how long history is kept. History never contains secrets.
type Retention struct {
	// Events is how long audit events are kept: at least 4320h, half a year, because directory policies are detected from
	// them. 0 keeps them forever. The example has 9600h, 400 days. Default: 0; a file without the key is warned of.
	Events time.Duration `yaml:"events"`
}

// Log formats.
const (
	JSON = "json"
	Text = "text"
	ECS  = "ecs"
)

func logFormats() []string { return []string{JSON, Text, ECS} }

// Log configures the log, which goes to standard error.
type Log struct {
	// Level is the lowest level that is logged: "debug", "info", "warn" or "error". Default: "info".
	Level slog.Level `yaml:"level"`
	// Format is "json", "text", or "ecs": JSON with the names of the Elastic Common Schema. Default: "json".
	Format string `yaml:"format"`
}

// Shutdown configures how the program stops.
type Shutdown struct {
	// Drain is how long, after a signal to stop, the listeners still serve while /readyz answers 503, so that balancers stop
	// sending requests before the listeners close. A second signal ends it. Default: 0s.
	Drain time.Duration `yaml:"drain"`
	// Grace is how long running requests and renewals may take to finish. Default: 20s.
	Grace time.Duration `yaml:"grace"`
}

func defaults() Config {
	connections := Connections{Max: 512, PerClient: 32, Idle: 2 * time.Minute}
	public := connections
	public.Idle = 30 * time.Second
	return Config{
		Hooks: Hooks{Listen: ":8080", Connections: connections, SignatureWindow: oauth1.DefaultWindow},
		Onboarding: Onboarding{
			Listen: ":8081", Connections: public, LinkLife: 7 * 24 * time.Hour, ConsentLife: 15 * time.Minute, ClaimLife: 24 * time.Hour,
			RequestsPerMinute: 60, RequestBurst: 30,
		},
		API: API{Connections: connections, Audit: AuditEach},
		Egress: Egress{
			Connections: connections, Audit: AuditMinute, Timeout: 2 * time.Minute, Idle: time.Minute, MaxRequest: 256, MaxAnswer: 1024,
		},
		Private:  Private{Listen: "127.0.0.1:9090", Connections: connections},
		Database: Database{Driver: SQLite},
		Platform: Platform{Timeout: 30 * time.Second, PeriodicTask: true, AccountEvents: true},
		Renewal: Renewal{
			Every: 10 * 24 * time.Hour, Jitter: 24 * time.Hour, Tick: time.Minute, Lease: 2 * time.Minute, Workers: 32,
			PerCloud: 1200, PerDirectory: 12,
		},
		Lending:  Lending{CustomerTokens: 10_000, Redemptions: 12},
		Limits:   Limits{Consents: 10, Openings: 30, Codes: 10, Claims: 10, Renewals: 6},
		Notify:   Notify{Panel: true, Language: message.English, Mail: Mail{Encryption: MailStartTLS, PerHour: 20}},
		Log:      Log{Level: slog.LevelInfo, Format: JSON},
		Shutdown: Shutdown{Grace: 20 * time.Second},
	}
}

//go:embed example.yaml
var example []byte

// Example returns a configuration file that explains every key. Optional keys are commented out with one # directly
// before them. The file is valid once its placeholders are replaced.
func Example() []byte { return slices.Clone(example) }
