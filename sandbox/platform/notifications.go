package platform

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"azure-partner-connector/connector/random"
)

// A Notification is a message of an application in a panel (docs/reference/aps-protocol.md §5.5).
type Notification struct {
	ID        string
	At        time.Time
	Instance  string // id of the instance that sent it
	AccountID string // empty: all accounts
	UserID    string // empty: every user of the account
	Status    string // ready, error, …
	Message   NotificationText
	Details   *NotificationText
	Link      json.RawMessage // as sent
}

// A NotificationText is a text with placeholders in braces, and their values.
type NotificationText struct {
	Message string            `json:"message"`
	Keys    map[string]string `json:"keys"`
}

// String returns the text with the values in place of the placeholders.
func (t NotificationText) String() string {
	var pairs []string
	for name, value := range t.Keys {
		pairs = append(pairs, "{"+name+"}", value)
	}
	return strings.NewReplacer(pairs...).Replace(t.Message)
}

// Notifications returns the notifications of an account, oldest first; "" is all accounts.
func (p *Platform) Notifications(accountID string) []Notification {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []Notification
	for _, n := range p.notifications {
		if accountID == "" || n.AccountID == "" || n.AccountID == accountID {
			list = append(list, n)
		}
	}
	return list
}

// notify accepts POST /aps/2/resources/{manager}/notifications. Only applications may send.
func (p *Platform) notify(a audience, body []byte) (map[string]any, error) {
	if a.instance == "" {
		return nil, forbidden("only applications send notifications")
	}
	var request struct {
		Status      string            `json:"status"`
		Message     *NotificationText `json:"message"`
		Details     *NotificationText `json:"details"`
		AccountID   string            `json:"accountId"`
		UserID      string            `json:"userId"`
		InitiatorID string            `json:"initiatorId"`
		Link        json.RawMessage   `json:"link"`
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, badRequest("the notification cannot be read: %v", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case request.Message == nil || request.Message.Message == "":
		return nil, badRequest("the notification has no message")
	case !slices.Contains([]string{"ready", "error", "inProgress"}, request.Status):
		return nil, badRequest("there is no status %q of notifications", request.Status)
	case request.AccountID != "" && p.accounts[request.AccountID] == nil:
		return nil, notFound("account", request.AccountID)
	case request.UserID != "" && p.users[request.UserID] == nil:
		return nil, notFound("user", request.UserID)
	}
	n := Notification{
		ID: random.ID(), At: p.now(), Instance: a.instance, AccountID: request.AccountID, UserID: request.UserID,
		Status: request.Status, Message: *request.Message, Details: request.Details, Link: request.Link,
	}
	p.notifications = append(p.notifications, n)
	return map[string]any{"id": n.ID, "status": n.Status}, nil
}

// serveNotify is notify as a handler.
func (p *Platform) serveNotify(w http.ResponseWriter, r *http.Request, c client) {
	body, err := readBody(r.Body)
	if err != nil {
		p.writeError(w, r, badRequest("%v", err))
		return
	}
	answer, err := p.notify(c.audience, body)
	if err != nil {
		p.writeError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}
