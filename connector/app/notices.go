package app

import (
	"crypto/x509"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/httpclient"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/notify/chat"
	"azure-partner-connector/connector/notify/mail"
	"azure-partner-connector/connector/notify/message"
	"azure-partner-connector/connector/notify/webhook"
	"azure-partner-connector/connector/token"
)

// noticeTimeout bounds one attempt to reach the operator's webhook or mail server.
const noticeTimeout = 30 * time.Second

// newNotices returns the service that pushes changed states to platforms and notifies people.
func (a *App) newNotices() (*notify.Service, error) {
	channels, err := a.services.Channels(a.cfg.Notify, a.now)
	if err != nil {
		return nil, err
	}
	observe := a.noticeObserver(channels)
	return notify.New(notify.Config{
		Store: a.services.Store, Statuses: a.services.Tokens, Relationships: a.services.Tokens, Platform: a.services.platform, Properties: token.Status.Properties, Channels: channels,
		EscalateAfter: a.cfg.Notify.EscalateAfter, Digest: a.cfg.Notify.Mail.Digest, PerHour: a.cfg.Notify.Mail.PerHour, Now: a.now, Skew: a.clock.skew, Observe: observe, Log: a.component("notify"),
	})
}

// Channels returns the configured notification channels. now is the clock of their signatures.
func (s *Services) Channels(cfg config.Notify, now func() time.Time) ([]notify.Channel, error) {
	var channels []notify.Channel
	if cfg.Panel {
		channels = append(channels, notify.NewPanel(s.Store, s.platform, message.WordsOf(cfg.Language)))
	}
	roots, err := httpclient.Roots(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	if !cfg.Webhook.URL.Empty() {
		connections, err := httpclient.New(httpclient.Config{Timeout: noticeTimeout, RootCAs: roots})
		if err != nil {
			return nil, err
		}
		hook, err := webhook.New(webhook.Config{URL: cfg.Webhook.URL.Reveal(), Secret: cfg.Webhook.Secret, Words: message.WordsOf(cfg.Language), HTTP: connections, Now: now})
		if err != nil {
			return nil, err
		}
		channels = append(channels, hook)
	}
	if !cfg.Chat.URL.Empty() {
		posts, err := newChat(cfg.Chat, roots)
		if err != nil {
			return nil, err
		}
		channels = append(channels, posts)
	}
	if cfg.Mail.Server != "" {
		templates, err := cfg.Mail.LoadTemplates()
		if err != nil {
			return nil, err
		}
		mails, err := mail.New(mailConfig(cfg.Mail, mail.Config{RootCAs: roots, Timeout: noticeTimeout, Templates: templates}))
		if err != nil {
			return nil, err
		}
		channels = append(channels, mails, mail.NewResellers(mails, s.Store))
	}
	return channels, nil
}

func newChat(cfg config.Chat, roots *x509.CertPool) (*chat.Channel, error) {
	connections, err := httpclient.New(httpclient.Config{Timeout: noticeTimeout, RootCAs: roots})
	if err != nil {
		return nil, err
	}
	template, err := cfg.ReadTemplate()
	if err != nil {
		return nil, err
	}
	return chat.New(chat.Config{URL: cfg.URL, Format: cfg.Format, Template: template, Language: cfg.Language, HTTP: connections})
}

func mailConfig(from config.Mail, into mail.Config) mail.Config {
	into.Server, into.Encryption, into.Username, into.Password = from.Server, from.Encryption, from.Username, from.Password
	into.From, into.To, into.Language = from.From, from.To, from.Language
	return into
}

// noticeObserver counts what is pushed and sent. Its labels never hold a tenant's data.
func (a *App) noticeObserver(channels []notify.Channel) func(channel, result string) {
	attempts := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "connector_notices_total",
		Help: "Attempts to push a status to a platform (push) and to send a notice (panel, webhook, chat, mail, mail_reseller) by their result: ok, failed or given_up.",
	}, []string{"channel", "result"})
	a.registry.MustRegister(attempts)
	names := []string{notify.Pushing}
	for _, channel := range channels {
		names = append(names, channel.Name())
	}
	for _, name := range names { // the first notice that is given up must show as an increase
		for _, result := range notify.Results() {
			attempts.WithLabelValues(name, result)
		}
	}
	return func(channel, result string) { attempts.WithLabelValues(channel, result).Inc() }
}
