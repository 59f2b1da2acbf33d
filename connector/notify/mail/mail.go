// Package mail brings notices to the operator's mailboxes.
package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/secret"
)

// The ways of encrypting the connection.
const (
	StartTLS = "starttls" // begins in the clear and goes no further without TLS
	TLS      = "tls"      // TLS from the first byte
	Off      = "off"      // everybody on the way can read and change mails and password
)

// Config is what a Channel needs.
type Config struct {
	// Server is the mail server, host:port. Required.
	Server string

	// Encryption is StartTLS, TLS or Off. Default: StartTLS.
	Encryption string

	// RootCAs is what the server's certificate is checked against. Default: the system's.
	RootCAs *x509.CertPool

	// Username and Password sign in at the server. Default: none, the server takes mails without.
	Username string
	Password secret.Text

	// From is who the mails are from, as ops@example.com or Name <ops@example.com>. Required.
	From string

	// To are the mailboxes that get every notice. Required.
	To []string

	// Timeout bounds every step of sending. Default: 30 seconds.
	Timeout time.Duration
}

// A Channel sends each notice as one plain text mail. Every mail takes a connection of its own: notices are rare, and
// servers close what is idle.
type Channel struct {
	cfg    Config
	host   string
	port   int
	domain string // of the sender, for message ids
}

// New checks cfg and fills in its defaults. It connects to nothing.
func New(cfg Config) (*Channel, error) {
	host, port, err := net.SplitHostPort(cfg.Server)
	number, perr := strconv.ParseUint(port, 10, 16)
	if err != nil || perr != nil || host == "" {
		return nil, fmt.Errorf("mail: the server %q is not host:port", cfg.Server)
	}
	from, err := netmail.ParseAddress(cfg.From)
	if err != nil {
		return nil, fmt.Errorf("mail: the sender %q is no mail address", cfg.From)
	}
	if len(cfg.To) == 0 {
		return nil, errors.New("mail: a receiver is required")
	}
	switch cfg.Encryption {
	case "":
		cfg.Encryption = StartTLS
	case StartTLS, TLS, Off:
	default:
		return nil, fmt.Errorf("mail: there is no encryption %q", cfg.Encryption)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 30 * time.Second
	}
	_, domain, _ := strings.Cut(from.Address, "@")
	return &Channel{cfg, host, int(number), domain}, nil
}

// Name implements notify.Channel.
func (c *Channel) Name() string { return "mail" }

// Send implements notify.Channel.
func (c *Channel) Send(ctx context.Context, n notify.Notice) error {
	message, err := c.message(n)
	if err != nil {
		return fmt.Errorf("%w: %w", notify.ErrUndeliverable, err)
	}
	line := &line{c: c}
	// The library leaves a connection open where it fails before the first mail.
	defer line.hangUp()
	client, err := gomail.NewClient(c.host, c.options(line)...)
	if err != nil {
		return fmt.Errorf("preparing to send mail: %w", err)
	}
	if err := client.DialAndSendWithContext(ctx, message); err != nil {
		return fmt.Errorf("sending mail: %w", err)
	}
	return nil
}

func (c *Channel) tls() *tls.Config {
	return &tls.Config{ServerName: c.host, RootCAs: c.cfg.RootCAs, MinVersion: tls.VersionTLS12}
}

func (c *Channel) options(line *line) []gomail.Option {
	options := []gomail.Option{
		gomail.WithPort(c.port), gomail.WithTimeout(c.cfg.Timeout), gomail.WithTLSConfig(c.tls()), gomail.WithDialContextFunc(line.dial),
	}
	switch c.cfg.Encryption {
	case StartTLS:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case TLS:
		options = append(options, gomail.WithSSL())
	case Off:
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	}
	if c.cfg.Username != "" {
		// The library itself refuses to send a password in the clear.
		options = append(options, gomail.WithUsername(c.cfg.Username), gomail.WithPassword(c.cfg.Password.Reveal()),
			gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256PLUS, gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin))
	}
	return options
}

// A line is the connection of one mail.
type line struct {
	c    *Channel
	conn net.Conn // nil before it is up
}

func (l *line) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var err error
	if l.conn, err = new(net.Dialer).DialContext(ctx, network, address); err != nil {
		return nil, err
	}
	if l.c.cfg.Encryption != TLS {
		return l.conn, nil
	}
	encrypted := tls.Client(l.conn, l.c.tls())
	if err := encrypted.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return encrypted, nil
}

// hangUp closes the connection, which is closed already when all went well.
func (l *line) hangUp() {
	if l.conn != nil {
		_ = l.conn.Close()
	}
}

func (c *Channel) message(n notify.Notice) (*gomail.Msg, error) {
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := m.From(c.cfg.From); err != nil {
		return nil, fmt.Errorf("addressing the mail: %w", err)
	}
	if err := m.To(c.cfg.To...); err != nil {
		return nil, fmt.Errorf("addressing the mail: %w", err)
	}
	m.Subject(oneLine(n.Headline()))
	// A mail that was sent twice has the same id, by which mailboxes know it.
	m.SetMessageIDWithValue(n.ID + "@" + c.domain)
	m.SetDateWithValue(n.At)
	m.SetGenHeader("Auto-Submitted", "auto-generated") // no answers by robots (RFC 3834)
	m.SetBodyString(gomail.TypeTextPlain, body(n))
	return m, nil
}

func body(n notify.Notice) string {
	var text strings.Builder
	text.WriteString(n.Headline() + "\n\n")
	for _, line := range n.Lines() {
		text.WriteString(line + "\n")
	}
	text.WriteString("\n")
	facts := []struct{ name, value string }{
		{"Marketplace", n.Marketplace}, {"Instance", n.InstanceKey}, {"Tenant", n.TenantID}, {"State", string(n.State)},
	}
	if n.Reason != nil {
		facts = append(facts, []struct{ name, value string }{{"Reason", string(n.Reason.Code)}, {"Reference", n.Reason.Reference}}...)
	}
	for _, f := range facts {
		if f.value != "" {
			text.WriteString(f.name + ": " + oneLine(f.value) + "\n")
		}
	}
	return text.String()
}

// oneLine keeps names from adding lines, which in a header would be headers.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
