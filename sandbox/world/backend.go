package world

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"

	"azure-partner-connector/sandbox/panel"
	"azure-partner-connector/sandbox/platform"
)

// backend is the simulated platform as the panel sees it.
type backend struct{ world *World }

func (b backend) Users(context.Context) ([]panel.User, error) {
	var users []panel.User
	for _, u := range b.world.installed.people {
		account, ok := b.world.Platform.Account(u.AccountID)
		if !ok {
			return nil, fmt.Errorf("user %s: there is no account %s", u.Login, u.AccountID)
		}
		user := panel.User{ID: u.ID, Name: u.Name, Login: u.Login, Account: account.Name, AccountID: account.ID, Role: panel.Reseller}
		if account.Type == platform.Admin {
			user.Role = panel.Provider
		}
		if t, ok := b.world.installed.tenants[u.Login]; ok {
			user.SubscriptionID = b.subscription(t.ID)
		}
		users = append(users, user)
	}
	return users, nil
}

func (b backend) subscription(tenantID string) string {
	resource, _ := b.world.Platform.Resource(tenantID)
	aps, _ := resource["aps"].(map[string]any)
	subscription, _ := aps["subscription"].(string)
	return subscription
}

func (b backend) Navigation(_ context.Context, userID, plug string) ([]panel.Node, error) {
	nodes, err := b.world.Platform.Menu(userID, plug)
	return panelNodes(nodes), err
}

func panelNodes(nodes []platform.Node) []panel.Node {
	var made []panel.Node
	for _, n := range nodes {
		node := panel.Node{Package: path.Base(n.PackageHref), ID: n.ID, Label: n.Label, Icon: n.Icon, Nodes: panelNodes(n.Children)}
		for _, v := range n.Vars {
			node.Vars = append(node.Vars, panel.Var{Name: v.Name, Type: v.Type, Required: v.Required, Collection: v.Collection})
		}
		if n.Kind == "view" {
			node.View = &panel.View{Src: n.Src}
			for _, handler := range []string{"Cancel", "Prev", "Next", "Submit"} {
				if label, ok := n.Controls[lowered(handler)]; ok {
					node.View.Controls = append(node.View.Controls, panel.Control{Handler: handler, Label: label})
				}
			}
		}
		made = append(made, node)
	}
	return made
}

func lowered(handler string) string { return string(handler[0]|0x20) + handler[1:] }

func (b backend) Files(_ context.Context, packageID string) (fs.FS, error) {
	root, _ := b.world.Platform.Resource(b.world.installed.instance.RootID)
	aps, _ := root["aps"].(map[string]any)
	installed, _ := aps["package"].(map[string]any)
	if packageID == "" || installed["id"] != packageID {
		return nil, fs.ErrNotExist
	}
	return b.world.installed.files, nil
}

func (b backend) Resources(_ context.Context, userID, typeID string) ([]json.RawMessage, error) {
	user, ok := b.world.Platform.User(userID)
	if !ok {
		return nil, fmt.Errorf("there is no user %s", userID)
	}
	var found []json.RawMessage
	for _, id := range b.world.Platform.ResourcesOf(user.AccountID, typeID) {
		resource, _ := b.world.Platform.Resource(id)
		content, err := json.Marshal(resource)
		if err != nil {
			return nil, err
		}
		found = append(found, content)
	}
	return found, nil
}

func (b backend) Call(ctx context.Context, userID string, c panel.Call) (panel.Answer, error) {
	operation := c.Path
	if c.Query != "" {
		operation += "?" + c.Query
	}
	answer := b.world.Platform.Call(ctx, platform.AsUser(userID), c.Method, c.ResourceID, operation, c.Body)
	return panel.Answer{Status: answer.Status, Header: answer.Header, Body: answer.Body}, nil
}
