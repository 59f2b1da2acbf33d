package world

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"

	"azure-partner-connector/sandbox/panel"
)

// Mails implements panel.DrawerControls.
func (w *World) Mails() []panel.Mail {
	var list []panel.Mail
	for _, m := range w.mail.Mails() {
		list = append(list, panel.Mail{ID: m.ID, At: m.At, From: m.From, To: m.To, Subject: m.Subject, Text: m.Text})
	}
	return list
}

// Outage implements panel.DrawerControls: while the connector is stopped, it asks the platform for the status of a tenant.
func (w *World) Outage() string {
	w.switches.mu.Lock()
	stopped := w.switches.on["stop"]
	w.switches.mu.Unlock()
	if !stopped {
		return ""
	}
	answer := w.As(context.Background(), Petra, http.MethodGet, w.TenantOf(Rita).ID, "tokenStatus", nil)
	var refusal struct{ Error, Message string }
	if err := json.Unmarshal(answer.Body, &refusal); err != nil {
		return statusText(answer.Status)
	}
	return statusText(answer.Status) + ", " + cmp.Or(refusal.Error, "no error") + ": " + refusal.Message
}
