// Package config reads what an operator decides: one YAML file, and the environment over it.
package config

import (
	_ "embed"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"azure-partner-connector/connector/microsoft"
	"azure-partner-connector/connector/notify/mail"
	"azure-partner-connector/connector/secret"
)

// Config is all that an operator decides. Its comments are the reference; Example says the same beside values.
//
// Every key can also be given in the environment: CONNECTOR_ and the path of the key with two underscores between its
// parts, in any case, as CONNECTOR_HOOKS__PUBLICURL. Members of lists are numbered from 0, as
// CONNECTOR_INSTANCES__0__SECRET; lists of plain values are separated by commas. The environment wins over the file.
//
// Durations are numbers with a unit, as 90s, 15m or 240h. Paths of files are relative to the working directory.
type Config struct {
	Hooks      Hooks               `koanf:"hooks"`
	Package    Package             `koanf:"package"`
	Onboarding Onboarding          `koanf:"onboarding"`
	Private    Private             `koanf:"private"`
	Database   Database            `koanf:"database"`
	Keys       Keys                `koanf:"keys"`
	Instances  []Instance          `koanf:"instances"`
	Clouds     []microsoft.Profile `koanf:"clouds"`
	Platform   Platform            `koanf:"platform"`
	Renewal    Renewal             `koanf:"renewal"`
	Retention  Retention           `koanf:"retention"`
	Notify     Notify              `koanf:"notify"`
	Log        Log                 `koanf:"log"`
	Shutdown   Shutdown            `koanf:"shutdown"`

	// Warnings are what Load saw that works but should not stay, one sentence each. Not a key.
	Warnings []string
}

// Hooks is the door of the platform.
type Hooks struct {
	// Listen is the address to listen on, host:port or :port. Default: ":8080".
	Listen string `koanf:"listen"`
	// PublicURL is the address that the platform calls, as https://connector.example.com/aps. Every call is signed over
	// it, so it must be the same, to the letter, that the platform knows. Plain http only on this machine. Required.
	PublicURL string `koanf:"publicURL"`
	// TrustedProxies are the networks or addresses whose X-Forwarded-For is believed. Default: none.
	TrustedProxies []netip.Prefix `koanf:"trustedProxies"`
	// TLS is set where no proxy in front does TLS.
	TLS TLS `koanf:"tls"`
	// ServePackage serves the package for the platform below the public address, to everybody who asks:
	// {publicURL}/package/ and the name of its file. Platforms can then import it by its address. Default: false.
	ServePackage bool `koanf:"servePackage"`
}

// Package is the package for the platform as this operator publishes it.
type Package struct {
	// ID is the id to publish under, as http://aps.example.net/azure-partner, for operators with a namespace of their
	// own. What is built, served, registered and answered then all carries it. It never changes once the package is in
	// use. Default: the id in app.yaml.
	ID string `koanf:"id"`
}

// Onboarding is the public door: consent links and Microsoft's answers.
type Onboarding struct {
	// Listen is the address to listen on, host:port or :port. Default: ":8081".
	Listen string `koanf:"listen"`
	// PublicURL is the address that people's browsers open, as https://onboarding.example.com. With /callback behind it
	// it is the redirect address of the app registration, of type Web. Plain http only on this machine. Required.
	PublicURL string `koanf:"publicURL"`
	// TrustedProxies are the networks or addresses whose X-Forwarded-For is believed. Behind a proxy that is not listed
	// all visitors share one limit. Default: none.
	TrustedProxies []netip.Prefix `koanf:"trustedProxies"`
	// TLS is set where no proxy in front does TLS.
	TLS TLS `koanf:"tls"`
	// LinkLife is how long the link of the manual procedure works. Default: 168h.
	LinkLife time.Duration `koanf:"linkLife"`
	// ConsentLife is how long a sign-in at Microsoft may take once it is begun. Default: 15m.
	ConsentLife time.Duration `koanf:"consentLife"`
	// ClaimLife is how long an authentication code works. Default: 24h.
	ClaimLife time.Duration `koanf:"claimLife"`
	// AcceptUnknownMFA accepts consents for which neither the token nor Partner Center tells whether multi-factor
	// authentication was used. A clear no is refused all the same. Default: false.
	AcceptUnknownMFA bool `koanf:"acceptUnknownMFA"`
	// RequestsPerMinute is how many requests a minute one client address may make in the long run. Default: 60.
	RequestsPerMinute int `koanf:"requestsPerMinute"`
	// RequestBurst is how many requests one client address may make at once. Default: 30.
	RequestBurst int `koanf:"requestBurst"`
}

// Private is the door for metrics and probes. It has no access control: keep it off public networks.
type Private struct {
	// Listen is the address to listen on, host:port or :port. Default: "127.0.0.1:9090".
	Listen string `koanf:"listen"`
}

// TLS is the certificate of one listener. Both files or none.
type TLS struct {
	// CertFile is a PEM file with the certificate and its chain. Default: none, plain http.
	CertFile string `koanf:"certFile"`
	// KeyFile is a PEM file with the certificate's private key. Default: none.
	KeyFile string `koanf:"keyFile"`
}

// Enabled reports whether there is a certificate.
func (t TLS) Enabled() bool { return t.CertFile != "" }

// Drivers of databases.
const (
	SQLite = "sqlite"
	MySQL  = "mysql"
)

// Database is where everything is kept.
type Database struct {
	// Driver is "sqlite", one file for one replica, or "mysql" for MySQL, MariaDB and what speaks their protocol, for
	// any number of replicas. Default: "sqlite".
	Driver string `koanf:"driver"`
	// Path is the file of sqlite. Default: "connector.db".
	Path string `koanf:"path"`
	// DSN is where the database of mysql is and who we are there: user:password@tcp(host:3306)/name. Either DSN or
	// DSNFile is required for mysql. From DSNFile it is read into this field.
	DSN secret.Text `koanf:"dsn"`
	// DSNFile is a file that holds the DSN. Default: none.
	DSNFile string `koanf:"dsnFile"`
}

// Source is what the driver opens: the file of sqlite, the DSN of mysql. It is a secret.
func (d Database) Source() string {
	if d.Driver == MySQL {
		return d.DSN.Reveal()
	}
	return d.Path
}

// Keys are what everything secret is sealed with.
type Keys struct {
	// File holds the keys. Every replica needs the same. Without it nothing that is stored can be read again: keep a
	// copy, apart from the copies of the database. Either File or Ring is required.
	File string `koanf:"file"`
	// Ring is what such a file holds, for an orchestrator that gives secrets in the environment (CONNECTOR_KEYS__RING).
	// Default: none.
	Ring secret.Text `koanf:"ring"`
}

// An Instance is one registration of the package on a platform. At least one is required.
type Instance struct {
	// Key is the OAuth key by which the platform signs its calls, and we ours. It is unique. Required.
	Key string `koanf:"key"`
	// Secret is the secret of the key, at least 16 characters. Either Secret or SecretFile is required. From SecretFile
	// it is read into this field.
	Secret secret.Text `koanf:"secret"`
	// SecretFile is a file that holds the secret. Default: none.
	SecretFile string `koanf:"secretFile"`
	// PreviousSecret is the secret that Secret replaces, while the platform may still have it: calls signed with either
	// are accepted, and ours are signed with Secret first. Take it away when the platform has the new one. From
	// PreviousSecretFile it is read into this field. Default: none.
	PreviousSecret secret.Text `koanf:"previousSecret"`
	// PreviousSecretFile is a file that holds the previous secret. Default: none.
	PreviousSecretFile string `koanf:"previousSecretFile"`
}

// Secrets returns what calls may be signed with: the secret and, while it is replaced, its predecessor.
func (in Instance) Secrets() []secret.Text {
	if in.PreviousSecret.Empty() {
		return []secret.Text{in.Secret}
	}
	return []secret.Text{in.Secret, in.PreviousSecret}
}

// Platform says how platforms are called.
type Platform struct {
	// CAFile is a PEM file with the certificates that a platform's certificate is checked against, besides the
	// system's. Default: none.
	CAFile string `koanf:"caFile"`
	// Insecure leaves platforms' certificates unchecked. Whoever is between us and a platform can then read and change
	// everything. Default: false.
	Insecure bool `koanf:"insecure"`
	// Timeout bounds one call. Default: 30s.
	Timeout time.Duration `koanf:"timeout"`
	// PeriodicTask has every platform call us once a day, as a second clock of the renewal. Default: true.
	PeriodicTask bool `koanf:"periodicTask"`
	// AccountEvents has every platform tell us when an account changes, so that tenants keep the right names. Default:
	// true.
	AccountEvents bool `koanf:"accountEvents"`
}

// Renewal says when refresh tokens are renewed.
type Renewal struct {
	// Every is the time between two renewals of a token. Default: 240h, ten days.
	Every time.Duration `koanf:"every"`
	// Jitter is how far a renewal may move to either side, so that they spread. Default: 24h.
	Jitter time.Duration `koanf:"jitter"`
	// Tick is how often it is looked for what is due. Default: 1m.
	Tick time.Duration `koanf:"tick"`
	// Lease is how long one replica may hold a renewal. It must be longer than a renewal takes with its retries; a
	// replica that dies delays its renewals by so much. Default: 2m.
	Lease time.Duration `koanf:"lease"`
	// Workers bounds the renewals that one replica runs at once. Default: 8.
	Workers int `koanf:"workers"`
	// PerCloud bounds the renewals that one replica begins a minute in one cloud. What a person asks for, and lendings,
	// do not count. Default: 1200.
	PerCloud int `koanf:"perCloud"`
	// PerDirectory bounds those for one directory. Default: 12.
	PerDirectory int `koanf:"perDirectory"`
}

// Retention says how long is kept what would else be kept for ever. Secrets are never among that.
type Retention struct {
	// Events is how long the events of the audit trail are kept: at least 4320h, half a year, because patterns of policies
	// are recognised from them. 0 keeps them for ever. Default: 0.
	Events time.Duration `koanf:"events"`
}

// Notify says by which ways people are told of warnings, alarms and recoveries.
type Notify struct {
	// Panel shows notices in the panel of the account that a tenant belongs to; those about the instance itself to the
	// provider. Default: true.
	Panel bool `koanf:"panel"`
	// CAFile is a PEM file with the certificates that those of the webhook and the mail server are checked against,
	// besides the system's. Default: none.
	CAFile string `koanf:"caFile"`
	// Webhook posts every notice to an address of yours.
	Webhook Webhook `koanf:"webhook"`
	// Mail sends every notice to mailboxes of yours.
	Mail Mail `koanf:"mail"`
}

// Webhook is an address that takes notices as JSON, signed as Standard Webhooks says.
type Webhook struct {
	// URL is the address, as https://alerts.example.com/connector. Plain http only on this machine. Default: none, no
	// webhook.
	URL string `koanf:"url"`
	// Secret is what notices are signed with, at least 16 characters; one that begins with whsec_ is base 64 behind it.
	// Either Secret or SecretFile is required where there is a URL. From SecretFile it is read into this field.
	Secret secret.Text `koanf:"secret"`
	// SecretFile is a file that holds the secret. Default: none.
	SecretFile string `koanf:"secretFile"`
}

// Encryptions of the connection to a mail server.
const (
	MailStartTLS = mail.StartTLS
	MailTLS      = mail.TLS
	MailOff      = mail.Off
)

// Mail is a mail server and who gets mails by it.
type Mail struct {
	// Server is the mail server, host:port. Default: none, no mails.
	Server string `koanf:"server"`
	// Encryption is "starttls", which sends nothing where the server does not offer it, "tls" from the first byte on, or
	// "off". Default: "starttls".
	Encryption string `koanf:"encryption"`
	// Username is who we are at the server. Default: none, the server takes mails without.
	Username string `koanf:"username"`
	// Password is that of the user. Either Password or PasswordFile is required where there is a Username. From
	// PasswordFile it is read into this field.
	Password secret.Text `koanf:"password"`
	// PasswordFile is a file that holds the password. Default: none.
	PasswordFile string `koanf:"passwordFile"`
	// From is who the mails are from, as connector@example.com. Required where there is a Server.
	From string `koanf:"from"`
	// To are the mailboxes that get every notice. Required where there is a Server.
	To []string `koanf:"to"`
}

// Formats of logs.
const (
	JSON = "json"
	Text = "text"
)

// Log says what is written to standard error.
type Log struct {
	// Level is the least that is logged: "debug", "info", "warn" or "error". Default: "info".
	Level slog.Level `koanf:"level"`
	// Format is "json" or "text". Default: "json".
	Format string `koanf:"format"`
}

// Shutdown says how the program ends.
type Shutdown struct {
	// Grace is how long requests and renewals that run may take to finish. Default: 20s.
	Grace time.Duration `koanf:"grace"`
}

func defaults() Config {
	return Config{
		Hooks: Hooks{Listen: ":8080"},
		Onboarding: Onboarding{
			Listen: ":8081", LinkLife: 7 * 24 * time.Hour, ConsentLife: 15 * time.Minute, ClaimLife: 24 * time.Hour,
			RequestsPerMinute: 60, RequestBurst: 30,
		},
		Private:  Private{Listen: "127.0.0.1:9090"},
		Database: Database{Driver: SQLite},
		Platform: Platform{Timeout: 30 * time.Second, PeriodicTask: true, AccountEvents: true},
		Renewal: Renewal{
			Every: 10 * 24 * time.Hour, Jitter: 24 * time.Hour, Tick: time.Minute, Lease: 2 * time.Minute, Workers: 8,
			PerCloud: 1200, PerDirectory: 12,
		},
		Notify:   Notify{Panel: true, Mail: Mail{Encryption: MailStartTLS}},
		Log:      Log{Level: slog.LevelInfo, Format: JSON},
		Shutdown: Shutdown{Grace: 20 * time.Second},
	}
}

//go:embed example.yaml
var example []byte

// Example returns a configuration file with every key explained. Keys that may stay away are commented out with one #
// directly before them. It loads once its placeholders are replaced.
func Example() []byte { return slices.Clone(example) }
