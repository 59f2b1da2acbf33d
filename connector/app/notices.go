package app

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/httpclient"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/notify/mail"
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
	return notify.New(notify.Config{
		Store: a.services.Store, Statuses: a.services.Tokens, Relationships: a.services.Tokens, Platform: a.services.platform, Properties: token.Status.Properties, Channels: channels,
		Now: a.now, Skew: a.clock.skew, Observe: a.noticeObserver(), Log: a.component("notify"),
	})
}

// Channels returns the configured notification channels. now is the clock of their signatures.
func (s *Services) Channels(cfg config.Notify, now func() time.Time) ([]notify.Channel, error) {
	var channels []notify.Channel
	if cfg.Panel {
		channels = append(channels, notify.NewPanel(s.Store, s.platform))
	}
	roots, err := httpclient.Roots(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	if cfg.Webhook.URL != "" {
		connections, err := httpclient.New(httpclient.Config{Timeout: noticeTimeout, RootCAs: roots})
		if err != nil {
			return nil, err
		}
		hook, err := webhook.New(webhook.Config{URL: cfg.Webhook.URL, Secret: cfg.Webhook.Secret, HTTP: connections, Now: now})
		if err != nil {
			return nil, err
		}
		channels = append(channels, hook)
	}
	if cfg.Mail.Server != "" {
		mails, err := mail.New(mailConfig(cfg.Mail, mail.Config{RootCAs: roots, Timeout: noticeTimeout}))
		if err != nil {
			return nil, err
		}
		channels = append(channels, mails)
	}
	return channels, nil
}

func mailConfig(from config.Mail, into mail.Config) mail.Config {
	into.Server, into.Encryption, into.Username, into.Password = from.Server, from.Encryption, from.Username, from.Password
	into.From, into.To, into.Language = from.From, from.To, from.Language
	return into
}

// noticeObserver counts what is pushed and sent. Its labels never hold a tenant's data.
func (a *App) noticeObserver() func(channel, result string) {
	attempts := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "connector_notices_total",
		Help: "Attempts to push a status to a platform (push) and to send a notice (panel, webhook, mail) by their result: ok, failed or given_up.",
	}, []string{"channel", "result"})
	a.registry.MustRegister(attempts)
	return func(channel, result string) { attempts.WithLabelValues(channel, result).Inc() }
}
