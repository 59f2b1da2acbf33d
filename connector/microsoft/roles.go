package microsoft

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

const (
	// globalAdminTemplate is the same in every directory (microsoft-identity.md §4.4).
	globalAdminTemplate = "62e90394-69f5-4237-9190-012177145e10"
	// adminAgents has no id of its own: it is an ordinary group that Partner Center makes under this name.
	adminAgents = "AdminAgents"

	// maxPages bounds one list. Graph gives 100 memberships a page; an account is in 2,048 groups at most.
	maxPages = 30
)

// A membership is one item of an account's list.
type membership struct {
	Type           string `json:"@odata.type"`
	DisplayName    string `json:"displayName"`
	RoleTemplateID string `json:"roleTemplateId"`
}

// memberships is what a list showed so far.
type memberships struct {
	globalAdmin bool
	adminAgent  bool
	// rolesHidden and groupsHidden tell that an item was listed without what names it.
	rolesHidden  bool
	groupsHidden bool
}

// Roles implements token.Microsoft. A no is said only when the whole list was seen, nested memberships included, and
// each item could be read; an account without the right to read names is shown items without them.
func (c *Client) Roles(ctx context.Context, client tenant.Client, graphToken secret.Text) (globalAdmin, adminAgent token.Answer) {
	p, err := c.place(client)
	if err != nil {
		return token.Unknown, token.Unknown
	}
	base := p.profile.Graph.BaseURL
	var seen memberships
	f := c.readMemberships(ctx, base, "/v1.0/me/transitiveMemberOf", graphToken, &seen)
	complete := f == nil
	if f != nil && f.Kind() != failure.Transient {
		// The plain list shows no nesting, so that it proves a yes but never a no.
		f = c.readMemberships(ctx, base, "/v1.0/me/memberOf", graphToken, &seen)
	}
	if f != nil {
		c.log.LogAttrs(ctx, slog.LevelWarn, "roles not told",
			slog.String("directory", p.DirectoryID), slog.String("kind", string(f.Kind())), slog.String("code", string(f.Code)))
	}
	return answerOf(seen.globalAdmin, complete && !seen.rolesHidden), answerOf(seen.adminAgent, complete && !seen.groupsHidden)
}

func answerOf(found, conclusive bool) token.Answer {
	switch {
	case found:
		return token.Yes
	case conclusive:
		return token.No
	}
	return token.Unknown
}

// readMemberships reads a list page by page into seen. It returns nil when the list's end was seen, or nothing more is
// to be learned from it.
func (c *Client) readMemberships(ctx context.Context, base, path string, graphToken secret.Text, seen *memberships) *failure.Error {
	address := base + path
	for range maxPages {
		next, f := c.membershipPage(ctx, address, graphToken, seen)
		if f != nil {
			return f
		}
		if next == "" || seen.globalAdmin && seen.adminAgent {
			return nil
		}
		if !sameHost(next, base) {
			return failure.Wrap(errors.New("the next page is on another host"), failure.MicrosoftAnswer)
		}
		address = next
	}
	return failure.Wrap(errors.New("the list does not end"), failure.MicrosoftAnswer)
}

func (c *Client) membershipPage(ctx context.Context, address string, graphToken secret.Text, seen *memberships) (next string, f *failure.Error) {
	req, f := apiRequest(ctx, token.Graph, address, graphToken)
	if f != nil {
		return "", f
	}
	answer, f := c.get(c.probeHTTP, req)
	if f != nil {
		return "", f
	}
	if answer.status != http.StatusOK {
		return "", c.apiRefusal(token.Graph, answer)
	}
	var page struct {
		Value *[]membership `json:"value"`
		Next  string        `json:"@odata.nextLink"`
	}
	if answer.tooLong || json.Unmarshal(answer.body, &page) != nil || page.Value == nil {
		return "", c.unreadable(answer)
	}
	for _, m := range *page.Value {
		seen.add(m)
	}
	return page.Next, nil
}

func (seen *memberships) add(m membership) {
	switch m.Type {
	case "#microsoft.graph.directoryRole":
		seen.globalAdmin = seen.globalAdmin || strings.EqualFold(m.RoleTemplateID, globalAdminTemplate)
		seen.rolesHidden = seen.rolesHidden || m.RoleTemplateID == ""
	case "#microsoft.graph.group":
		seen.adminAgent = seen.adminAgent || m.DisplayName == adminAgents
		seen.groupsHidden = seen.groupsHidden || m.DisplayName == ""
	case "":
		seen.rolesHidden, seen.groupsHidden = true, true
	}
}

// sameHost reports whether next may be shown the token that is meant for base.
func sameHost(next, base string) bool {
	n, err := url.Parse(next)
	if err != nil {
		return false
	}
	b, err := url.Parse(base)
	return err == nil && n.Scheme == b.Scheme && n.Host == b.Host && n.User == nil
}
