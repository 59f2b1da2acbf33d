package controller

import (
	"context"
	"net/http"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/tenant"
)

const (
	// notificationManager is the type of the singleton that accepts notifications.
	notificationManager = "http://www.parallels.com/pa/pa-core-services/notification-manager/1"
	// providerQuery finds the provider, whose account has the number 1 on every platform
	// (docs/reference/aps-protocol.md §5.6).
	providerQuery = "implementing(" + accountPrefix + "1.2),eq(id,1)"
)

type notificationText struct {
	Message string `json:"message"`
}

// Notify implements notify.Panels (docs/reference/aps-protocol.md §5.5).
func (c *Client) Notify(ctx context.Context, in tenant.Instance, n notify.PanelNotice) error {
	account, err := canonical(n.AccountID)
	if err != nil {
		return err
	}
	manager, err := c.singleton(ctx, in, notificationManager)
	if err != nil {
		return err
	}
	status := "ready"
	if n.Alarm {
		status = "error"
	}
	body := struct {
		Status    string            `json:"status"`
		Message   notificationText  `json:"message"`
		Details   *notificationText `json:"details,omitempty"`
		AccountID string            `json:"accountId"`
	}{Status: status, Message: notificationText{n.Message}, AccountID: account}
	if n.Details != "" {
		body.Details = &notificationText{n.Details}
	}
	return c.Call(ctx, in, Request{Method: http.MethodPost, Path: "/aps/2/resources/" + manager + "/notifications", Body: body, AsRoot: true}, nil)
}

// singleton returns the id of the platform's one resource of a type.
func (c *Client) singleton(ctx context.Context, in tenant.Instance, typeID string) (string, error) {
	var links []link
	if err := c.Call(ctx, in, Request{Method: http.MethodGet, Path: "/aps/2/resources", Query: "implementing(" + typeID + ")", AsRoot: true}, &links); err != nil {
		return "", err
	}
	if len(links) != 1 || links[0].target() == "" {
		return "", failure.New(failure.PlatformRefused, "reason", "it has no single resource of type "+typeID)
	}
	return links[0].target(), nil
}

// ProviderAccount implements notify.Panels.
func (c *Client) ProviderAccount(ctx context.Context, in tenant.Instance) (id string, err error) {
	var links []link
	if err := c.Call(ctx, in, Request{Method: http.MethodGet, Path: "/aps/2/resources", Query: providerQuery, AsRoot: true}, &links); err != nil {
		return "", err
	}
	if len(links) != 1 || links[0].target() == "" {
		return "", failure.New(failure.PlatformRefused, "reason", "it has no single provider account")
	}
	account, err := c.Account(ctx, in, links[0].target())
	return account.ID, err
}
