package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"azure-partner-connector/connector/config"
)

func TestLoad_RefusesUnusableChannels(t *testing.T) {
	const (
		hook   = "url: 'https://alerts.example.com/x'"
		server = "server: 'mail.example.com:587', from: a@example.com, to: [b@example.com]"
	)
	for name, tc := range map[string]struct{ notify, key, problem string }{
		"webhook without secret":      {"webhook: {" + hook + "}", "notify.webhook.secret", "missing"},
		"webhook without address":     {"webhook: {secret: " + canary + "-0123456789}", "notify.webhook.url", "missing"},
		"webhook on plain http":       {"webhook: {url: 'http://alerts.example.com', secret: " + canary + "-0123456789}", "notify.webhook.url", "must be https"},
		"webhook with a short secret": {"webhook: {" + hook + ", secret: " + canary + "}", "notify.webhook.secret", "at least 16"},
		"webhook with a placeholder":  {"webhook: {" + hook + ", secret: PUT_HERE_a_long_secret}", "notify.webhook.secret", "placeholder"},
		"webhook with white space":    {"webhook: {" + hook + ", secret: '" + canary + "-0123456789 '}", "notify.webhook.secret", "white space"},
		"webhook without base 64":     {"webhook: {" + hook + ", secret: whsec_" + canary + "-0123456789}", "notify.webhook.secret", "base64"},
		"webhook's file missing":      {"webhook: {" + hook + ", secretFile: /none}", "notify.webhook.secretFile", "cannot be read"},
		"no authority file":           {"caFile: /none/ca.pem", "notify.caFile", "cannot be read"},
		"chat without address":        {"chat: {format: slack}", "notify.chat.url", "missing"},
		"chat on plain http":          {"chat: {url: 'http://chat.example.com/" + canary + "', format: slack}", "notify.chat.url", "must be https"},
		"chat without format":         {"chat: {url: 'https://chat.example.com/" + canary + "'}", "notify.chat.format", "must be slack, teams or template"},
		"chat without template":       {"chat: {url: 'https://chat.example.com/" + canary + "', format: template}", "notify.chat.template", "needs a template"},
		"chat's template missing":     {"chat: {url: 'https://chat.example.com/" + canary + "', format: template, template: /none}", "notify.chat.template", "no such file"},
		"chat without texts":          {"chat: {url: 'https://chat.example.com/" + canary + "', format: slack, language: eo}", "notify.chat.language", "must be one of de, en,"},
		"chat's file missing":         {"chat: {urlFile: /none, format: slack}", "notify.chat.urlFile", "cannot be read"},
		"too late":                    {"escalateAfter: 721h", "notify.escalateAfter", "must be between"},
		"no templates":                {"mail: {" + server + ", templates: /none}", "notify.mail.templates", "no such file"},
		"mail without server":         {"mail: {to: [b@example.com]}", "notify.mail.server", "missing"},
		"language without texts":      {"mail: {" + server + ", language: eo}", "notify.mail.language", `"eo" is invalid: must be one of de, en,`},
		"mail without port":           {"mail: {" + strings.Replace(server, ":587", "", 1) + "}", "notify.mail.server", "host:port"},
		"mail without sender":         {"mail: {server: 'mail.example.com:587', to: [b@example.com]}", "notify.mail.from", "missing"},
		"mail without receiver":       {"mail: {server: 'mail.example.com:587', from: a@example.com}", "notify.mail.to", "missing"},
		"invalid sender":              {"mail: {" + strings.Replace(server, "a@example.com", "connector", 1) + "}", "notify.mail.from", `"connector" is not a mail address`},
		"invalid receiver":            {"mail: {" + strings.Replace(server, "b@example.com", "'b@example.com', ops", 1) + "}", "notify.mail.to[1]", `"ops" is not a mail address`},
		"unknown encryption":          {"mail: {" + server + ", encryption: ssl}", "notify.mail.encryption", "must be starttls, tls or off"},
		"password in the clear":       {"mail: {" + server + ", encryption: 'off', username: u, password: " + canary + "}", "notify.mail.encryption", "in the clear"},
		"user without password":       {"mail: {" + server + ", username: u}", "notify.mail.password", "missing"},
		"password without user":       {"mail: {" + server + ", password: " + canary + "}", "notify.mail.username", "missing"},
		"password's file missing":     {"mail: {" + server + ", username: u, passwordFile: /none}", "notify.mail.passwordFile", "cannot be read"},
		"password and file":           {"mail: {" + server + ", username: u, password: " + canary + ", passwordFile: /none}", "notify.mail.passwordFile", "only one of them"},
		"encryption that is no text":  {"mail: {" + server + ", encryption: false}", "notify.mail.encryption", "false is invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Load(write(t, "config.yaml", valid+"notify: {"+tc.notify+"}", 0o600), nil)
			if err == nil {
				t.Fatalf("Load = nil, want a problem of %s", tc.key)
			}
			got := problems(t, err)
			if len(got) != 1 || !strings.Contains(got[tc.key], tc.problem) || strings.Contains(err.Error(), canary) {
				t.Errorf("Load = %v, want only %q to say %q, without the secret", err, tc.key, tc.problem)
			}
		})
	}
}

func TestLoad_Channels(t *testing.T) {
	secretFile := write(t, "secret", canary+"-0123456789\n", 0o600)
	text := valid + "notify:\n  panel: false\n  webhook: {url: 'https://alerts.example.com/x', secretFile: " + secretFile + "}\n" +
		"  mail: {server: 'mail.example.com:25', encryption: 'off', from: 'Connector <a@example.com>'}\n"
	got, err := config.Load(write(t, "config.yaml", text, 0o600), []string{"CONNECTOR_NOTIFY__MAIL__TO=b@example.com, c@example.com"})
	if err != nil {
		t.Fatalf("Load = %v", err)
	}
	n := got.Notify
	if n.Panel || n.Webhook.Secret.Reveal() != canary+"-0123456789" || n.Mail.Encryption != config.MailOff {
		t.Errorf("Load: notify = %+v, want what the file says", n)
	}
	if diff := cmp.Diff([]string{"b@example.com", "c@example.com"}, n.Mail.To); diff != "" {
		t.Errorf("Load: notify.mail.to (-want +got)\n%s", diff)
	}
	if len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "notify.mail.encryption") {
		t.Errorf("Load: warnings = %q, want one about unencrypted mails", got.Warnings)
	}
	got, err = config.Load(write(t, "here.yaml", strings.Replace(text, "mail.example.com", "localhost", 1), 0o600), []string{"CONNECTOR_NOTIFY__MAIL__TO=b@example.com"})
	if err != nil || len(got.Warnings) != 0 {
		t.Errorf("Load with a mail server on this machine = %v, warnings %q, want none", err, got.Warnings)
	}
}
