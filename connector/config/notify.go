package config

import (
	"fmt"
	netmail "net/mail"
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
	if c.faulty(key) {
		return
	}
	if w.URL == "" {
		if !w.Secret.Empty() {
			c.fault(key+".url", "it is missing, but there is a secret")
		}
		return
	}
	if problem := addressProblem(w.URL); problem != "" {
		c.fault(key+".url", "%q is not allowed: %s", w.URL, problem)
	}
	switch text := w.Secret.Reveal(); {
	case text == "":
		c.fault(key+".secret", "it is missing; give it here or in secretFile")
	case placeholder.MatchString(text):
		c.fault(key+".secret", "it is still the placeholder of an example")
	case len([]rune(text)) < minSecret:
		c.fault(key+".secret", "it is too short; at least %d characters are needed", minSecret)
	case strings.TrimSpace(text) != text:
		c.fault(key+".secret", "it begins or ends with white space")
	default:
		if _, err := webhook.Key(w.Secret); err != nil {
			c.fault(key+".secret", "it begins with whsec_ and is not base 64 behind it")
		}
	}
}

func (c *checker) mail() {
	const key = "notify.mail"
	m := c.cfg.Notify.Mail
	if c.faulty(key) {
		return
	}
	if m.Server == "" {
		if m.Username != "" || m.From != "" || len(m.To) > 0 {
			c.fault(key+".server", "it is missing; it is the mail server, host:port")
		}
		return
	}
	c.mailSecurity(key, m)
	if m.From == "" {
		c.fault(key+".from", "it is missing; it is who the mails are from")
	}
	if len(m.To) == 0 {
		c.fault(key+".to", "there is none; at least one mailbox is needed")
	}
	if m.From != "" {
		c.mailAddress(key+".from", m.From)
	}
	for i, to := range m.To {
		c.mailAddress(fmt.Sprintf("%s.to[%d]", key, i), to)
	}
	if c.faulty(key) {
		return
	}
	if _, err := mail.New(mail.Config{Server: m.Server, From: m.From, To: m.To, Encryption: m.Encryption}); err != nil {
		c.fault(key+".server", "%q is not allowed; allowed is host:port", m.Server)
	}
}

func (c *checker) mailAddress(key, address string) {
	if _, err := netmail.ParseAddress(address); err != nil {
		c.fault(key, "%q is no mail address", address)
	}
}

func (c *checker) mailSecurity(key string, m Mail) {
	switch m.Encryption {
	case MailStartTLS, MailTLS:
	case MailOff:
		if m.Username != "" {
			c.fault(key+".encryption", "it is off, which would send the password in the clear; take username away or turn it on")
		}
		c.warn("notify.mail.encryption is off: whoever is between this service and the mail server can read and change mails.")
	default:
		c.fault(key+".encryption", "%q is not allowed; allowed is %s, %s or %s", m.Encryption, MailStartTLS, MailTLS, MailOff)
	}
	switch {
	case m.Username != "" && m.Password.Empty():
		c.fault(key+".password", "it is missing; give it here or in passwordFile")
	case m.Username == "" && !m.Password.Empty():
		c.fault(key+".username", "it is missing, but there is a password")
	}
}
