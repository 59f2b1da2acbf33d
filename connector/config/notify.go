package config

import (
	"fmt"
	netmail "net/mail"
	"slices"
	"strings"

	"azure-partner-connector/connector/notify/mail"
	"azure-partner-connector/connector/notify/webhook"
)

func (c *checker) notify() {
	c.caFile("notify.caFile", c.cfg.Notify.CAFile)
	c.webhook()
	c.mail()
}

func (c *checker) webhook() {
	const key = "notify.webhook"
	w := c.cfg.Notify.Webhook
	if c.failed(key) {
		return
	}
	if w.URL == "" {
		if !w.Secret.Empty() {
			c.problem(key+".url", "missing although a secret is set")
		}
		return
	}
	if problem := addressProblem(w.URL); problem != "" {
		c.badAddress(key+".url", w.URL, problem)
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
	if m.Language != "" && !slices.Contains(mail.Languages(), m.Language) {
		c.problem(key+".language", "%q is invalid: must be one of %s", m.Language, strings.Join(mail.Languages(), ", "))
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
