// Package mail sends notices to mailboxes.
package mail

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/notify/message"
	"azure-partner-connector/connector/secret"
)

// The values of Config.Encryption.
const (
	StartTLS = "starttls" // begins unencrypted and sends no mail without TLS
	TLS      = "tls"      // encrypted from the beginning
	Off      = "off"      // unencrypted: others on the network can read and change mails
)

// Config is what a Channel needs.
type Config struct {
	// Server is the mail server, host:port. Required.
	Server string

	// Encryption is StartTLS, TLS or Off. Default: StartTLS.
	Encryption string

	// RootCAs are the trusted certificate authorities. Default: the system's.
	RootCAs *x509.CertPool

	// Username and Password sign in at the server. Default: none, for servers that require none.
	Username string
	Password secret.Text

	// From is the sender, for example ops@example.com or Name <ops@example.com>. Required.
	From string

	// To are the mailboxes that receive every notice. Required.
	To []string

	// Language is the language of the mails, one of message.Languages. Default: English.
	Language string

	// Templates write the mails. Default: the built-in ones.
	Templates *message.Templates

	// Timeout limits every step of sending. Default: 30 seconds.
	Timeout time.Duration
}

// A Channel sends each notice to the operator's mailboxes as one mail over its own connection: notices are rare, and servers
// close idle connections. It is safe for concurrent use.
type Channel struct {
	cfg    Config
	host   string
	port   int
	domain string // of the sender, for message IDs
}

// New checks cfg and fills in its defaults. It opens no connection.
func New(cfg Config) (*Channel, error) {
	host, port, err := net.SplitHostPort(cfg.Server)
	number, perr := strconv.ParseUint(port, 10, 16)
	if err != nil || perr != nil || host == "" {
		return nil, fmt.Errorf("mail: the server %q is not host:port", cfg.Server)
	}
	from, err := netmail.ParseAddress(cfg.From)
	if err != nil {
		return nil, fmt.Errorf("mail: the sender %q is not a mail address", cfg.From)
	}
	if len(cfg.To) == 0 {
		return nil, errors.New("mail: a recipient is required")
	}
	switch cfg.Encryption {
	case "":
		cfg.Encryption = StartTLS
	case StartTLS, TLS, Off:
	default:
		return nil, fmt.Errorf("mail: unknown encryption %q", cfg.Encryption)
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 30 * time.Second
	}
	if _, err := message.ViewOf(notify.Notice{}, cfg.Language); err != nil {
		return nil, err
	}
	if cfg.Templates == nil {
		if cfg.Templates, err = message.LoadTemplates(nil); err != nil {
			return nil, err
		}
	}
	_, domain, _ := strings.Cut(from.Address, "@")
	return &Channel{cfg, host, int(number), domain}, nil
}

// Name implements notify.Channel.
func (c *Channel) Name() string { return "mail" }

// Audience implements notify.Channel.
func (c *Channel) Audience() notify.Audience { return notify.Provider }

// Send implements notify.Channel.
func (c *Channel) Send(ctx context.Context, n notify.Notice) error {
	return c.send(ctx, []notify.Notice{n}, c.cfg.To, c.cfg.Language)
}

// Reach implements notify.Reacher: it connects and signs in as for a mail, and sends none.
func (c *Channel) Reach(ctx context.Context) error {
	conn := &connection{c: c}
	defer conn.close()
	client, err := gomail.NewClient(c.host, c.options(conn)...)
	if err != nil {
		return fmt.Errorf("preparing to connect: %w", err)
	}
	if err := client.DialWithContext(ctx); err != nil {
		return fmt.Errorf("connecting to the mail server: %w", err)
	}
	if err := client.Close(); err != nil {
		return fmt.Errorf("leaving the mail server: %w", err)
	}
	return nil
}

// Recipients implements notify.Mailer.
func (c *Channel) Recipients(context.Context, notify.Notice) ([]notify.Recipient, error) {
	return recipients(c.cfg.To, c.cfg.Language), nil
}

func recipients(addresses []string, language string) []notify.Recipient {
	all := make([]notify.Recipient, len(addresses))
	for i, address := range addresses {
		all[i] = notify.Recipient{Address: address, Language: language}
	}
	return all
}

// SendTo implements notify.Mailer.
func (c *Channel) SendTo(ctx context.Context, to notify.Recipient, notices []notify.Notice) error {
	return c.send(ctx, notices, []string{to.Address}, to.Language)
}

// send sends notices to some mailboxes in a language, in one mail.
func (c *Channel) send(ctx context.Context, notices []notify.Notice, to []string, language string) error {
	message, err := c.message(notices, to, language)
	if err != nil {
		return fmt.Errorf("%w: %w", notify.ErrUndeliverable, err)
	}
	conn := &connection{c: c}
	// The library leaves the connection open if it fails before the first mail.
	defer conn.close()
	client, err := gomail.NewClient(c.host, c.options(conn)...)
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

func (c *Channel) options(conn *connection) []gomail.Option {
	options := []gomail.Option{
		gomail.WithPort(c.port), gomail.WithTimeout(c.cfg.Timeout), gomail.WithTLSConfig(c.tls()), gomail.WithDialContextFunc(conn.dial),
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
		// The library refuses to send a password over an unencrypted connection.
		options = append(options, gomail.WithUsername(c.cfg.Username), gomail.WithPassword(c.cfg.Password.Reveal()),
			gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256PLUS, gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin))
	}
	return options
}

// A connection is the connection of one mail.
type connection struct {
	c    *Channel
	conn net.Conn // nil until dialled
}

func (conn *connection) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var err error
	if conn.conn, err = new(net.Dialer).DialContext(ctx, network, address); err != nil {
		return nil, err
	}
	if conn.c.cfg.Encryption != TLS {
		return conn.conn, nil
	}
	encrypted := tls.Client(conn.conn, conn.c.tls())
	if err := encrypted.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return encrypted, nil
}

// close closes the connection; the library has closed it already after a success.
func (conn *connection) close() {
	if conn.conn != nil {
		_ = conn.conn.Close()
	}
}

// written returns the text of a mail with notices, and its ID: that of the notice, or of all of them.
func (c *Channel) written(notices []notify.Notice, language string) (text message.Text, id string, err error) {
	if len(notices) == 1 {
		text, err = c.cfg.Templates.Write(notices[0], language)
		return text, notices[0].ID, err
	}
	hash := sha256.New()
	for _, n := range notices {
		hash.Write([]byte(n.ID + "\n"))
	}
	text, err = c.cfg.Templates.WriteDigest(notices, language)
	return text, hex.EncodeToString(hash.Sum(nil)[:16]), err
}

func (c *Channel) message(notices []notify.Notice, to []string, language string) (*gomail.Msg, error) {
	text, id, err := c.written(notices, language)
	if err != nil {
		return nil, err
	}
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := m.From(c.cfg.From); err != nil {
		return nil, fmt.Errorf("addressing the mail: %w", err)
	}
	if err := m.To(to...); err != nil {
		return nil, fmt.Errorf("addressing the mail: %w", err)
	}
	m.Subject(text.Subject)
	// A mail that is sent twice has the same ID, so that mailboxes can recognise it.
	m.SetMessageIDWithValue(id + "@" + c.domain)
	m.SetDateWithValue(notices[len(notices)-1].At)
	m.SetGenHeader("Auto-Submitted", "auto-generated") // suppresses automatic replies (RFC 3834)
	m.SetBodyString(gomail.TypeTextPlain, text.Plain)
	if text.HTML != "" {
		m.AddAlternativeString(gomail.TypeTextHTML, text.HTML)
	}
	return m, nil
}
