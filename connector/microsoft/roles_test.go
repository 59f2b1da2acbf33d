package microsoft_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"azure-partner-connector/connector/microsoft"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

const (
	nestedPath = "/graph/v1.0/me/transitiveMemberOf"
	plainPath  = "/graph/v1.0/me/memberOf"

	globalAdmin = `{"@odata.type":"#microsoft.graph.directoryRole","displayName":"Global Administrator","roleTemplateId":"62e90394-69f5-4237-9190-012177145e10"}`
	otherRole   = `{"@odata.type":"#microsoft.graph.directoryRole","displayName":"Reader","roleTemplateId":"00000000-0000-0000-0000-000000000001"}`
	hiddenRole  = `{"@odata.type":"#microsoft.graph.directoryRole","displayName":null,"roleTemplateId":null}`
	agents      = `{"@odata.type":"#microsoft.graph.group","displayName":"AdminAgents"}`
	otherGroup  = `{"@odata.type":"#microsoft.graph.group","displayName":"AdminAgents of old"}`
	hiddenGroup = `{"@odata.type":"#microsoft.graph.group","displayName":null}`
	// A group that can carry roles, of which the list does not tell.
	roleGroup = `{"@odata.type":"#microsoft.graph.group","displayName":"Administrators","isAssignableToRole":true}`
	unit      = `{"@odata.type":"#microsoft.graph.administrativeUnit"}`
	unnamed   = `{"id":"1"}`
)

// page is one answer; next may be empty.
func page(next string, items ...string) http.HandlerFunc {
	link := ""
	if next != "" {
		link = fmt.Sprintf(`,"@odata.nextLink":%q`, next)
	}
	return respond(200, `{"value":[`+strings.Join(items, ",")+`]`+link+`}`)
}

func TestRoles_AreUnknownWhereTheyCannotBeSeen(t *testing.T) {
	forbidden := respond(403, `{"error":{"code":"Authorization_RequestDenied"}}`)
	const yes, no, unknown = token.Yes, token.No, token.Unknown
	for name, tc := range map[string]struct {
		nested, plain http.HandlerFunc
		admin, agent  token.Answer
	}{
		"forbidden":              {forbidden, forbidden, unknown, unknown},
		"token refused":          {respond(401, ``), respond(401, ``), unknown, unknown},
		"down":                   {respond(503, ``), page("", globalAdmin, agents), unknown, unknown},
		"page":                   {respond(200, `<html>`), forbidden, unknown, unknown},
		"no list":                {respond(200, `{}`), forbidden, unknown, unknown},
		"both":                   {page("", globalAdmin, agents), nil, yes, yes},
		"neither":                {page("", otherRole, otherGroup, unit), nil, no, no},
		"no membership":          {page(""), nil, no, no},
		"admin only":             {page("", globalAdmin, otherGroup), nil, yes, no},
		"agent only":             {page("", otherRole, agents), nil, no, yes},
		"group names hidden":     {page("", otherRole, hiddenGroup), nil, no, unknown},
		"role names hidden":      {page("", hiddenRole, otherGroup), nil, unknown, no},
		"group with roles":       {page("", otherRole, roleGroup), nil, unknown, no},
		"group with roles, both": {page("", roleGroup, globalAdmin, agents), nil, yes, yes},
		"byte order mark":        {respond(200, "\xef\xbb\xbf"+`{"value":[`+globalAdmin+`,`+agents+`]}`), nil, yes, yes},
		"types hidden":           {page("", unnamed), nil, unknown, unknown},
		"hidden and listed":      {page("", hiddenRole, hiddenGroup, globalAdmin, agents), nil, yes, yes},
		"plain list proves yes":  {forbidden, page("", globalAdmin, agents), yes, yes},
		"plain list proves no":   {respond(404, ``), page("", otherRole, otherGroup), unknown, unknown},
		"next on another host":   {page("https://evil.example/v1.0/x", globalAdmin), forbidden, yes, unknown},
		"next is not an address": {page("::", globalAdmin), forbidden, yes, unknown},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, func(c *microsoft.Config) { c.Wait = nil })
			h.route(nestedPath, tc.nested)
			if tc.plain != nil {
				h.route(plainPath, tc.plain)
			}
			admin, agent := h.client.Roles(context.Background(), testClient(), secret.New(canaryAccess))
			if admin != tc.admin || agent != tc.agent {
				t.Errorf("Roles() = %s, %s, want %s, %s", admin, agent, tc.admin, tc.agent)
			}
			h.checkRedacted(nil)
		})
	}
}

func TestRoles_FollowsPages(t *testing.T) {
	h := newHarness(t)
	next := h.server.URL + nestedPath + "?$skiptoken=canary"
	h.route(nestedPath, inTurn(page(next, otherRole), page(next, otherGroup), page("", globalAdmin, agents)))
	admin, agent := h.client.Roles(context.Background(), testClient(), secret.New(canaryAccess))
	if admin != token.Yes || agent != token.Yes {
		t.Errorf("Roles() = %s, %s, want yes, yes", admin, agent)
	}
	for i, r := range h.seen(nestedPath) {
		if got := r.header.Get("Authorization"); got != "Bearer "+canaryAccess {
			t.Errorf("request %d has Authorization %q, want the token", i, got)
		}
	}
	h.checkRedacted(nil)
}

// Memberships on the pages before a refusal count, even if the plain list lacks them.
func TestRoles_OfTwoLists(t *testing.T) {
	h := newHarness(t)
	h.route(nestedPath, inTurn(page(h.server.URL+nestedPath, globalAdmin), respond(403, ``)))
	h.route(plainPath, page("", agents))
	admin, agent := h.client.Roles(context.Background(), testClient(), secret.New(canaryAccess))
	if admin != token.Yes || agent != token.Yes {
		t.Errorf("Roles() = %s, %s, want yes, yes", admin, agent)
	}
}

// A list that fails on the way, or does not end, is incomplete: what it does not show is unknown.
func TestRoles_OfATruncatedList(t *testing.T) {
	for name, rest := range map[string]http.HandlerFunc{"fails": respond(503, ``), "never ends": nil} {
		h := newHarness(t, func(c *microsoft.Config) { c.Wait = nil })
		first := page(h.server.URL+nestedPath, otherRole, otherGroup)
		if rest == nil {
			rest = first
		}
		h.route(nestedPath, inTurn(first, rest))
		admin, agent := h.client.Roles(context.Background(), testClient(), secret.New(canaryAccess))
		if admin != token.Unknown || agent != token.Unknown {
			t.Errorf("Roles() of a list that %s = %s, %s, want unknown, unknown", name, admin, agent)
		}
		if got := len(h.seen(nestedPath)); got > 30 {
			t.Errorf("Roles() of a list that %s read %d pages, want 30 at most", name, got)
		}
	}
}

func TestRoles_OfNobody(t *testing.T) {
	h := newHarness(t)
	admin, agent := h.client.Roles(context.Background(), tenant.Client{Cloud: "test"}, secret.New(canaryAccess))
	if admin != token.Unknown || agent != token.Unknown {
		t.Errorf("Roles() = %s, %s, want unknown, unknown", admin, agent)
	}
}
