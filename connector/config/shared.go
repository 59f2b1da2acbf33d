package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"azure-partner-connector/connector/secret"
)

// Shared returns the settings that must be the same in all replicas, by name, each as a text that is equal when the values are. Some
// are secrets. Addresses to listen on, files, connections, workers and the log may differ.
func (c Config) Shared() map[string]secret.Text {
	shared := map[string]secret.Text{}
	set := func(name string, value any) {
		text, err := json.Marshal(value)
		if err != nil {
			text = fmt.Append(nil, value) // of a type that JSON lacks; equal values have equal texts, too
		}
		shared[name] = secret.New(string(text))
	}
	for name, value := range map[string]any{
		"hooks.publicURL": c.Hooks.PublicURL, "hooks.signatureWindow": c.Hooks.SignatureWindow, "package.id": c.Package.ID,
		"onboarding.publicURL": c.Onboarding.PublicURL, "onboarding.linkLife": c.Onboarding.LinkLife, "onboarding.consentLife": c.Onboarding.ConsentLife,
		"onboarding.claimLife": c.Onboarding.ClaimLife, "onboarding.acceptUnknownMFA": c.Onboarding.AcceptUnknownMFA,
		"onboarding.acceptAnotherAccount": c.Onboarding.AcceptAnotherAccount,
		"api.publicURL":                   c.API.PublicURL, "api.audit": c.API.Audit, "egress.publicURL": c.Egress.PublicURL, "egress.audit": c.Egress.Audit,
		"clouds": c.Clouds, "platform.insecure": c.Platform.Insecure, "platform.periodicTask": c.Platform.PeriodicTask,
		"platform.accountEvents": c.Platform.AccountEvents, "renewal.every": c.Renewal.Every, "renewal.jitter": c.Renewal.Jitter, "renewal.lease": c.Renewal.Lease,
		"limits": c.Limits, "retention.events": c.Retention.Events,
		"notify.panel": c.Notify.Panel, "notify.escalateAfter": c.Notify.EscalateAfter, "notify.webhook.url": c.Notify.Webhook.URL.Reveal(),
		"notify.chat.format": c.Notify.Chat.Format, "notify.chat.language": c.Notify.Chat.Language, "notify.mail.server": c.Notify.Mail.Server,
		"notify.mail.from": c.Notify.Mail.From, "notify.mail.to": c.Notify.Mail.To, "notify.mail.language": c.Notify.Mail.Language,
	} {
		set(name, value)
	}
	shared["notify.webhook.secret"], shared["notify.chat.url"] = c.Notify.Webhook.Secret, c.Notify.Chat.URL
	keys := map[string]bool{}
	for _, in := range c.Instances {
		keys[in.Key] = true
		prefix := "instances[" + in.Key + "]."
		shared[prefix+"secret"], shared[prefix+"previousSecret"] = in.Secret, in.PreviousSecret
		for name, value := range map[string]any{
			"panelOrigins": sorted(in.PanelOrigins), "controllers": sorted(in.Controllers), "renewSuspended": in.RenewsSuspended(), "allowMoves": in.AllowMoves,
			"federated": in.Federated, "scopes": in.Scopes, "apis": in.APIs,
		} {
			set(prefix+name, value)
		}
	}
	set("instances", strings.Join(slices.Sorted(maps.Keys(keys)), " "))
	return shared
}

func sorted(values []string) []string { return slices.Sorted(slices.Values(values)) }
