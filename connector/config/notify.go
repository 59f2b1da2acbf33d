package config

import (
	"cmp"
	"fmt"
	netmail "net/mail"
	"os"
	"slices"
	"strings"
	"time"

	"azure-partner-connector/connector/notify/chat"
	"azure-partner-connector/connector/notify/mail"
	"azure-partner-connector/connector/notify/message"
	"azure-partner-connector/connector/notify/webhook"
	"azure-partner-connector/connector/secret"
)

// maxEscalation bounds how long only the reseller knows of a problem: a third of a token's life.
const maxEscalation = 720 * time.Hour

// Notify configures the channels for warnings, alarms and recoveries.
type Notify struct {
	// Panel shows notices in the panel: those about a tenant to its account, those about the instance to the provider.
	// Default: true.
	Panel bool `yaml:"panel"`
	// CAFile is a PEM file with certificate authorities to trust for the webhook, the chat and the mail server besides the system's.
	// Default: none.
	CAFile string `yaml:"caFile"`
	// EscalateAfter is how long a problem may continue until the channels of the provider (webhook, chat, mail) are told of a
	// tenant whose reseller has entered recipients of its own; at most 720h. Warnings reach them when less than that is left.
	// Default: 0, at once.
	EscalateAfter time.Duration `yaml:"escalateAfter"`
	// Language is the language of notices: de, en, es, fr, it, ja, nl, pt or ru. The chat and the mails may have another one, and
	// resellers choose theirs. Default: "en".
	Language string `yaml:"language"`
	// Webhook posts every notice to a URL.
	Webhook Webhook `yaml:"webhook"`
	// Chat posts every notice to a chat.
	Chat Chat `yaml:"chat"`
	// Mail sends every notice to mailboxes.
	Mail Mail `yaml:"mail"`
}

// Webhook configures a URL that receives notices as JSON, signed according to Standard Webhooks.
type Webhook struct {
	// URL is where notices are posted, for example https://alerts.example.com/connector. Plain http only on this machine. Many
	// receivers know their senders by its path, so it is not shown. Default: none, no webhook.
	URL secret.Text `yaml:"url"`
	// Secret signs the notices; at least 16 characters. After the prefix whsec_ it is in base64. A URL requires either
	// Secret or SecretFile; Load reads SecretFile into this field.
	Secret secret.Text `yaml:"secret"`
	// SecretFile is a file that contains the secret. Default: none.
	SecretFile string `yaml:"secretFile"`
}

// Chat configures an incoming webhook of a chat, such as Slack or Teams.
type Chat struct {
	// URL is the address of the incoming webhook. Whoever has it can write into the chat, so it is a secret. Default: none, no
	// chat. Load reads URLFile into this field.
	URL secret.Text `yaml:"url"`
	// URLFile is a file that contains the URL. Default: none.
	URLFile string `yaml:"urlFile"`
	// Format is "slack", which Mattermost and Rocket.Chat read, too, "teams" for a workflow of Teams, or "template". Required
	// with a URL.
	Format string `yaml:"format"`
	// Template is a file with a text template that writes the JSON to post, for the format "template". Default: none.
	Template string `yaml:"template"`
	// Language is the language of the messages, if it is not that of all notices (notify.language). Default: that.
	Language string `yaml:"language"`
}

// ReadTemplate returns the template of the file; empty without one.
func (c Chat) ReadTemplate() (string, error) {
	if c.Template == "" {
		return "", nil
	}
	text, err := os.ReadFile(c.Template)
	if err != nil {
		return "", fmt.Errorf("reading the template of the chat: %w", err)
	}
	return string(text), nil
}

// Kinds of encryption of the connection to a mail server.
const (
	MailStartTLS = mail.StartTLS
	MailTLS      = mail.TLS
	MailOff      = mail.Off
)

// Mail configures a mail server and the receivers.
type Mail struct {
	// Server is the mail server, host:port. Default: none, no mails.
	Server string `yaml:"server"`
	// Encryption is "starttls", which sends nothing if the server does not offer it, "tls", which encrypts from the start,
	// or "off". Default: "starttls".
	Encryption string `yaml:"encryption"`
	// Username is the account at the server. Default: none, for servers that require none.
	Username string `yaml:"username"`
	// Password is the password of Username, which requires either Password or PasswordFile; Load reads PasswordFile into
	// this field.
	Password secret.Text `yaml:"password"`
	// PasswordFile is a file that contains the password. Default: none.
	PasswordFile string `yaml:"passwordFile"`
	// From is the sender of the mails, for example connector@example.com. Required with Server.
	From string `yaml:"from"`
	// To are the mailboxes that receive every notice. Required with Server.
	To []string `yaml:"to"`
	// Language is the language of the mails, if it is not that of all notices (notify.language). Resellers can choose another one
	// for theirs. Default: that.
	Language string `yaml:"language"`
	// Templates is a folder with templates that replace the built-in ones. Default: none.
	Templates string `yaml:"templates"`
	// Digest is how long a notice waits for others to the same mailbox; they become one mail. At most 24h. Default: 0, each notice
	// is a mail, at once.
	Digest time.Duration `yaml:"digest"`
	// PerHour is how many mails one mailbox gets within an hour; the notices beyond wait, and become one mail. 0: no limit.
	// Default: 20.
	PerHour int `yaml:"perHour"`
}

// LoadTemplates returns the templates of the mails.
func (m Mail) LoadTemplates() (*message.Templates, error) {
	if m.Templates == "" {
		return message.LoadTemplates(nil)
	}
	return message.LoadTemplates(os.DirFS(m.Templates))
}

func (c *checker) notify() {
	c.caFile("notify.caFile", c.cfg.Notify.CAFile)
	if after := c.cfg.Notify.EscalateAfter; after < 0 || after > maxEscalation {
		c.problem("notify.escalateAfter", "%s is invalid: must be between 0s and %s", after, maxEscalation)
	}
	c.noticeLanguages()
	c.language("notify.language", c.cfg.Notify.Language)
	c.webhook()
	c.chat()
	c.mail()
}

// noticeLanguages fills in the languages that default to that of all notices.
func (c *checker) noticeLanguages() {
	n := &c.cfg.Notify
	n.Chat.Language, n.Mail.Language = cmp.Or(n.Chat.Language, n.Language), cmp.Or(n.Mail.Language, n.Language)
}

func (c *checker) language(key, language string) {
	if !slices.Contains(message.Languages(), language) {
		c.problem(key, "%q is invalid: must be one of %s", language, strings.Join(message.Languages(), ", "))
	}
}

func (c *checker) chat() {
	const key = "notify.chat"
	chats := c.cfg.Notify.Chat
	if c.failed(key) {
		return
	}
	if chats.URL.Empty() {
		if chats.Format != "" || chats.Template != "" {
			c.problem(key+".url", "missing: set it here or in urlFile")
		}
		return
	}
	if problem := addressProblem(chats.URL.Reveal()); problem != "" {
		c.problem(key+".url", "%s", problem) // the address is a secret
	}
	c.language(key+".language", chats.Language)
	if !slices.Contains([]string{chat.Slack, chat.Teams, chat.Template}, chats.Format) {
		c.problem(key+".format", "%q is invalid: must be %s, %s or %s", chats.Format, chat.Slack, chat.Teams, chat.Template)
		return
	}
	template, err := chats.ReadTemplate()
	if err == nil && !c.failed(key) {
		_, err = chat.Check(chat.Config{Format: chats.Format, Template: template, Language: chats.Language})
	}
	if err != nil {
		c.problem(key+".template", "cannot be used: %v", err)
	}
}

func (c *checker) webhook() {
	const key = "notify.webhook"
	w := c.cfg.Notify.Webhook
	if c.failed(key) {
		return
	}
	if w.URL.Empty() {
		if !w.Secret.Empty() {
			c.problem(key+".url", "missing although a secret is set")
		}
		return
	}
	if problem := addressProblem(w.URL.Reveal()); problem != "" {
		c.problem(key+".url", "%s", problem) // the address may be a secret
	}
	switch text := w.Secret.Reveal(); {
	case text == "":
		c.problem(key+".secret", "missing: set it here or in secretFile")
	case placeholder.MatchString(text):
		c.problem(key+".secret", "still the placeholder of an example")
	case len([]rune(text)) < minSecret:
		c.problem(key+".secret", "too short: must have at least %d characters", minSecret)
	case strings.TrimSpace(text) != text:
		c.problem(key+".secret", "begins or ends with white space")
	default:
		if _, err := webhook.Key(w.Secret); err != nil {
			c.problem(key+".secret", "begins with whsec_ but does not continue in base64")
		}
	}
}

func (c *checker) mail() {
	const key = "notify.mail"
	m := c.cfg.Notify.Mail
	if c.failed(key) {
		return
	}
	if m.Server == "" {
		if m.Username != "" || m.From != "" || len(m.To) > 0 {
			c.problem(key+".server", "missing: set the mail server, host:port")
		}
		return
	}
	c.mailSecurity(key, m)
	if m.From == "" {
		c.problem(key+".from", "missing: set the sender of the mails")
	}
	if len(m.To) == 0 {
		c.problem(key+".to", "missing: at least one mailbox is required")
	}
	if m.From != "" {
		c.mailAddress(key+".from", m.From)
	}
	c.language(key+".language", m.Language)
	c.between(key+".digest", m.Digest, 0, 24*time.Hour)
	if m.PerHour < 0 || m.PerHour > 10_000 {
		c.problem(key+".perHour", "%d is invalid: must be between 0, no limit, and 10000", m.PerHour)
	}
	if _, err := m.LoadTemplates(); err != nil {
		c.problem(key+".templates", "cannot be used: %v", err)
	}
	for i, to := range m.To {
		c.mailAddress(fmt.Sprintf("%s.to[%d]", key, i), to)
	}
	if c.failed(key) {
		return
	}
	if _, err := mail.New(mail.Config{Server: m.Server, From: m.From, To: m.To, Encryption: m.Encryption}); err != nil {
		c.badAddress(key+".server", m.Server, "must be host:port")
	}
}

func (c *checker) mailAddress(key, address string) {
	if _, err := netmail.ParseAddress(address); err != nil {
		c.problem(key, "%q is not a mail address", address)
	}
}

func (c *checker) mailSecurity(key string, m Mail) {
	switch m.Encryption {
	case MailStartTLS, MailTLS:
	case MailOff:
		if m.Username != "" {
			c.problem(key+".encryption", "off would send the password in the clear; remove username or turn encryption on")
		}
		if onLoopback(m.Server) {
			break
		}
		c.warn("notify.mail.encryption is off: anyone between this service and the mail server can read and change mails.")
	default:
		c.problem(key+".encryption", "%q is invalid: must be %s, %s or %s", m.Encryption, MailStartTLS, MailTLS, MailOff)
	}
	switch {
	case m.Username != "" && m.Password.Empty():
		c.problem(key+".password", "missing: set it here or in passwordFile")
	case m.Username == "" && !m.Password.Empty():
		c.problem(key+".username", "missing although a password is set")
	}
}
