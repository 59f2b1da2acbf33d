// Package backend connects the simulated panel to the simulated platform.
package backend

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path"

	"azure-partner-connector/sandbox/panel"
	"azure-partner-connector/sandbox/platform"
)

// New returns p as the backend of a panel.
func New(p *platform.Platform) panel.Backend { return backend{p} }

type backend struct{ p *platform.Platform }

// subscriptionType is the type of an account's subscriptions.
const subscriptionType = "http://aps-standard.org/types/core/subscription/1.0"

// Users implements panel.Backend. Customers have another panel.
func (b backend) Users(context.Context) ([]panel.User, error) {
	var users []panel.User
	for _, u := range b.p.Users() {
		account, ok := b.p.Account(u.AccountID)
		if !ok || account.Type == platform.Client {
			continue
		}
		role := panel.Reseller
		switch {
		case account.Type == platform.Admin:
			role = panel.Provider
		case b.p.HasResellers(account.ID):
			role = panel.Parent
		}
		user := panel.User{ID: u.ID, Name: u.Name, Login: u.Login, Account: account.Name, AccountID: account.ID, Role: role}
		if subscriptions := b.p.ResourcesOf(account.ID, subscriptionType); len(subscriptions) > 0 {
			user.SubscriptionID = subscriptions[0]
		}
		users = append(users, user)
	}
	return users, nil
}

// Navigation implements panel.Backend.
func (b backend) Navigation(_ context.Context, userID, plug string) ([]panel.Node, error) {
	menu, err := b.p.Menu(userID, plug)
	return nodes(menu), err
}

func nodes(list []platform.Node) []panel.Node {
	var made []panel.Node
	for _, n := range list {
		node := panel.Node{Package: path.Base(n.PackageHref), ID: n.ID, Label: n.Label, Icon: n.Icon}
		for _, v := range n.Vars {
			node.Vars = append(node.Vars, panel.Var{Name: v.Name, Type: v.Type, Required: v.Required, Collection: v.Collection})
		}
		if n.Kind == "view" || n.Kind == "view-plugin" {
			node.View = &panel.View{Src: n.Src}
			for _, c := range []struct{ element, handler string }{
				{"prev", "Prev"}, {"next", "Next"}, {"submit", "Submit"}, {"cancel", "Cancel"},
			} {
				if label, ok := n.Controls[c.element]; ok {
					node.View.Controls = append(node.View.Controls, panel.Control{Handler: c.handler, Label: label})
				}
			}
		}
		node.Nodes = nodes(n.Children)
		made = append(made, node)
	}
	return made
}

// Files implements panel.Backend.
func (b backend) Files(_ context.Context, packageID string) (fs.FS, error) {
	files, ok := b.p.Files(packageID)
	if !ok {
		return nil, fmt.Errorf("package %s: %w", packageID, fs.ErrNotExist)
	}
	return files, nil
}

// Resources implements panel.Backend.
func (b backend) Resources(_ context.Context, userID, typeID string) ([]json.RawMessage, error) {
	values, _, err := b.p.Vars(userID, []platform.Var{{Name: "found", Type: typeID, Collection: true}})
	if err != nil {
		return nil, err
	}
	list, _ := values["found"].([]any)
	var found []json.RawMessage
	for _, v := range list {
		text, err := json.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("encoding a resource: %w", err)
		}
		found = append(found, text)
	}
	return found, nil
}

// Notifications implements panel.Backend.
func (b backend) Notifications(_ context.Context, userID string) ([]panel.Notification, error) {
	user, ok := b.p.User(userID)
	if !ok {
		return nil, fmt.Errorf("no user %q", userID)
	}
	var list []panel.Notification
	for _, n := range b.p.Notifications(user.AccountID) {
		if n.UserID != "" && n.UserID != userID {
			continue
		}
		one := panel.Notification{ID: n.ID, At: n.At, Status: n.Status, Text: n.Message.String()}
		if n.Details != nil {
			one.Details = n.Details.String()
		}
		list = append(list, one)
	}
	return list, nil
}

// Call implements panel.Backend.
func (b backend) Call(ctx context.Context, userID string, c panel.Call) (panel.Answer, error) {
	by := platform.AsUser(userID).WithLocale(c.Locale)
	if c.Path == "" {
		answer := b.p.Read(ctx, by, c.ResourceID)
		if c.Method == http.MethodPut {
			answer = b.p.Change(ctx, by, c.ResourceID, c.Body)
		}
		return panel.Answer{Status: answer.Status, Header: answer.Header, Body: answer.Body}, nil
	}
	operation := (&url.URL{Path: c.Path}).EscapedPath()
	if c.Query != "" {
		operation += "?" + c.Query
	}
	answer := b.p.Call(ctx, by, c.Method, c.ResourceID, operation, c.Body)
	return panel.Answer{Status: answer.Status, Header: answer.Header, Body: answer.Body}, nil
}
