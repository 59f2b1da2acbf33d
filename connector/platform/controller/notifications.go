package controller

import (
	"context"
	"net/http"

	"azure-partner-connector/connector/failure"
)

const (
	// notificationManager is the type of the singleton that takes notifications.
	notificationManager = "http://www.parallels.com/pa/pa-core-services/notification-manager/1"
	// providerQuery finds the provider, whose account has the number 1 on every platform (aps-protocol.md §5.6).
	providerQuery = "implementing(" + accountPrefix + "1.2),eq(id,1)"
)

// Statuses of a notification (aps-protocol.md §5.5).
const (
	NotificationReady = "ready"
	NotificationError = "error"
)

// A Notification is a message that the panel shows to the users of an account.
type Notification struct {
	AccountID string // APS UUID. Required: without one the platform would tell everybody
	Status    string // NotificationReady or NotificationError
	Message   string // one sentence
	Details   string // what there is to know besides; empty for nothing
}

type notificationText struct {
	Message string `json:"message"`
}

// Notify shows n in the panel (aps-protocol.md §5.5).
func (c *Client) Notify(ctx context.Context, t Target, n Notification) error {
	account, err := canonical(n.AccountID)
	if err != nil {
		return err
	}
	manager, err := c.singleton(ctx, t, notificationManager)
	if err != nil {
		return err
	}
	body := struct {
		Status    string            `json:"status"`
		Message   notificationText  `json:"message"`
		Details   *notificationText `json:"details,omitempty"`
		AccountID string            `json:"accountId"`
	}{Status: n.Status, Message: notificationText{n.Message}, AccountID: account}
	if n.Details != "" {
		body.Details = &notificationText{n.Details}
	}
	return c.Call(ctx, t, Request{Method: http.MethodPost, Path: "/aps/2/resources/" + manager + "/notifications", Body: body, AsRoot: true}, nil)
}

// singleton returns the id of the platform's one resource of a type.
func (c *Client) singleton(ctx context.Context, t Target, typeID string) (string, error) {
	var found []link
	if err := c.Call(ctx, t, Request{Method: http.MethodGet, Path: "/aps/2/resources", Query: "implementing(" + typeID + ")", AsRoot: true}, &found); err != nil {
		return "", err
	}
	if len(found) != 1 || found[0].target() == "" {
		return "", failure.New(failure.PlatformRefused, "reason", "it has no single resource of type "+typeID)
	}
	return found[0].target(), nil
}

// ProviderAccount returns the provider's account.
func (c *Client) ProviderAccount(ctx context.Context, t Target) (Account, error) {
	var found []link
	if err := c.Call(ctx, t, Request{Method: http.MethodGet, Path: "/aps/2/resources", Query: providerQuery, AsRoot: true}, &found); err != nil {
		return Account{}, err
	}
	if len(found) != 1 || found[0].target() == "" {
		return Account{}, failure.New(failure.PlatformRefused, "reason", "it has no single provider account")
	}
	return c.Account(ctx, t, found[0].target())
}
