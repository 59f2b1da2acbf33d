package controller

import (
	"cmp"
	"context"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
)

const (
	userType      = "http://parallels.com/aps/types/pa/user/1.0"
	accountPrefix = "http://parallels.com/aps/types/pa/account/"
)

// A link refers from one resource to another.
type link struct {
	APS struct {
		ID   string `json:"id"`
		Href string `json:"href"`
	} `json:"aps"`
}

// target returns the id of the linked resource, or "". Some links contain it only in their address.
func (l link) target() string {
	id := l.APS.ID
	if id == "" {
		id = l.APS.Href[strings.LastIndexByte(l.APS.Href, '/')+1:]
	}
	id, err := canonical(id)
	if err != nil {
		return ""
	}
	return id
}

// canonical returns an APS id in lower case. Anything but a UUID in its usual form is not_resource, because ids become
// parts of addresses and queries.
func canonical(id string) (string, error) {
	parsed, err := uuid.Parse(id)
	if err != nil || len(id) != len(parsed.String()) {
		return "", failure.New(failure.NotFound)
	}
	return parsed.String(), nil
}

// Resource reads one resource, in the context of the provider, into out. An id that isn't a UUID is not_resource.
func (c *Client) Resource(ctx context.Context, in tenant.Instance, id string, out any) error {
	id, err := canonical(id)
	if err != nil {
		return err
	}
	return c.Call(ctx, in, Request{Method: http.MethodGet, Path: "/aps/2/resources/" + id, AsRoot: true}, out)
}

// Exists implements tenant.Resources. It asks in the application's own context: the root that impersonation needs may be the one
// that the platform no longer has.
func (c *Client) Exists(ctx context.Context, in tenant.Instance, id string) (bool, error) {
	id, err := canonical(id)
	if err != nil {
		return false, nil //nolint:nilerr // no platform has a resource with another kind of id
	}
	err = c.Call(ctx, in, Request{Method: http.MethodGet, Path: "/aps/2/resources/" + id}, nil)
	if failure.Is(err, failure.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// TenantAccount implements binding.Controller.
func (c *Client) TenantAccount(ctx context.Context, in tenant.Instance, tenantID string) (string, error) {
	var resource struct {
		Account link `json:"account"`
	}
	if err := c.Resource(ctx, in, tenantID, &resource); err != nil {
		return "", err
	}
	return resource.Account.target(), nil
}

// Account reads one account. A resource that is not an account is not_resource.
func (c *Client) Account(ctx context.Context, in tenant.Instance, id string) (tenant.Account, error) {
	var resource struct {
		APS struct {
			Type string `json:"type"`
			ID   string `json:"id"`
		} `json:"aps"`
		Type        string `json:"type"`
		CompanyName string `json:"companyName"`
		Parent      link   `json:"parent"`
	}
	if err := c.Resource(ctx, in, id, &resource); err != nil {
		return tenant.Account{}, err
	}
	// The resource of any application may have a property named type; only the platform's own accounts count.
	if !strings.HasPrefix(resource.APS.Type, accountPrefix) || !strings.EqualFold(resource.APS.ID, id) {
		return tenant.Account{}, failure.New(failure.NotFound)
	}
	return tenant.Account{ID: strings.ToLower(resource.APS.ID), Type: resource.Type, ParentID: resource.Parent.target(), Name: resource.CompanyName}, nil
}

// UserAccount returns the account of a panel user. The platform sends ids of accounts where it documents ids of
// users (docs/reference/aps-protocol.md §1.1); such an id returns that account. Any other id is not_found.
func (c *Client) UserAccount(ctx context.Context, in tenant.Instance, userID string) (tenant.Account, error) {
	userID, err := canonical(userID)
	if err != nil {
		return tenant.Account{}, err
	}
	// The properties with a user's name aren't documented; these were observed (docs/reference/aps-protocol.md §8).
	var users []struct {
		Organization link   `json:"organization"`
		FullName     string `json:"fullName"`
		DisplayName  string `json:"displayName"`
		Login        string `json:"login"`
	}
	query := "implementing(" + userType + "),eq(aps.id," + userID + "),select(organization)"
	if err := c.Call(ctx, in, Request{Method: http.MethodGet, Path: "/aps/2/resources", Query: query, AsRoot: true}, &users); err != nil {
		return tenant.Account{}, err
	}
	if len(users) == 0 {
		return c.Account(ctx, in, userID)
	}
	account := users[0].Organization.target()
	if len(users) > 1 || account == "" {
		return tenant.Account{}, failure.New(failure.NotFound)
	}
	resolved, err := c.Account(ctx, in, account)
	resolved.User = cmp.Or(users[0].FullName, users[0].DisplayName, users[0].Login)
	return resolved, err
}

// PushTenant implements notify.Platform. The platform does not call us back (docs/reference/aps-protocol.md §5.2).
func (c *Client) PushTenant(ctx context.Context, in tenant.Instance, tenantID string, properties map[string]any) error {
	tenantID, err := canonical(tenantID)
	if err != nil {
		return err
	}
	return c.Call(ctx, in, Request{Method: http.MethodPut, Path: "/aps/2/application/tenant/" + tenantID, Body: properties}, nil)
}
