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
	// globalAdminTemplate is the role's template, the same in every directory (docs/reference/microsoft-identity.md
	// §4.4).
	globalAdminTemplate = "62e90394-69f5-4237-9190-012177145e10"
	// adminAgents is a group that Partner Center creates under this name; its ID differs in every directory.
	adminAgents = "AdminAgents"

	// maxPages bounds one list. Graph returns 100 memberships per page; an account is in 2,048 groups at most.
	maxPages = 30
)

// A membership is one role or group of an account.
type membership struct {
	Type           string `json:"@odata.type"`
	DisplayName    string `json:"displayName"`
	RoleTemplateID string `json:"roleTemplateId"`
	Assignable     bool   `json:"isAssignableToRole"`
}

// memberships is what the pages that were read show.
type memberships struct {
	globalAdmin bool
	adminAgent  bool
	// rolesHidden says that the account may have roles that the list does not show: an item has no name, or a group can carry
	// roles (docs/reference/microsoft-identity.md §9). groupsHidden says that a group has no name.
	rolesHidden  bool
	groupsHidden bool
}

// Roles implements token.Microsoft. The answer is no only if the whole list was read, with nested memberships, and each
// item has a name: an account without the permission to read names gets items without them.
func (c *Client) Roles(ctx context.Context, client tenant.Client, graphToken secret.Text) (globalAdmin, adminAgent token.Answer) {
	r, err := c.resolve(client)
	if err != nil {
		return token.Unknown, token.Unknown
	}
	base := r.profile.Graph.BaseURL
	var seen memberships
	f := c.readMemberships(ctx, base, "/v1.0/me/transitiveMemberOf", graphToken, &seen)
	complete := f == nil
	if f != nil && f.Kind() != failure.Transient {
		// The plain list has no nested memberships: it proves a yes but never a no.
		f = c.readMemberships(ctx, base, "/v1.0/me/memberOf", graphToken, &seen)
	}
	if f != nil {
		c.log.LogAttrs(ctx, slog.LevelWarn, "reading roles failed",
			slog.String("directory", r.DirectoryID), slog.String("kind", string(f.Kind())), slog.String("code", string(f.Code)))
	}
	return answerOf(seen.globalAdmin, complete && !seen.rolesHidden), answerOf(seen.adminAgent, complete && !seen.groupsHidden)
}

// answerOf returns no only if the lists were conclusive.
func answerOf(listed, conclusive bool) token.Answer {
	switch {
	case listed:
		return token.Yes
	case conclusive:
		return token.No
	}
	return token.Unknown
}

// readMemberships reads a list page by page into seen. It returns nil at the end of the list, or as soon as both
// answers are known.
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
	if answer.tooLong || json.Unmarshal(answer.body(), &page) != nil || page.Value == nil {
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
		seen.rolesHidden = seen.rolesHidden || m.Assignable
	case "":
		seen.rolesHidden, seen.groupsHidden = true, true
	}
}

// sameHost reports whether next may receive the token for base.
func sameHost(next, base string) bool {
	n, err := url.Parse(next)
	if err != nil {
		return false
	}
	b, err := url.Parse(base)
	return err == nil && n.Scheme == b.Scheme && n.Host == b.Host && n.User == nil
}
