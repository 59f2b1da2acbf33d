package microsoft

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

const (
	// Microsoft allows pages of 500 and 300 (docs/reference/microsoft-identity.md §5.7); these stay well below maxAnswer.
	customersPath     = "/v1/customers?size=250"
	relationshipsPath = "/v1.0/tenantRelationships/delegatedAdminRelationships?$top=100"

	// maxCustomerPages bounds one list, so that a list that does not end is noticed.
	maxCustomerPages = 1000

	continuationToken = "MS-ContinuationToken"
)

// A customerPage is one page of Partner Center's list of customers.
type customerPage struct {
	Items *[]struct {
		ID      string `json:"id"`
		Profile struct {
			DirectoryID string `json:"tenantId"`
			Domain      string `json:"domain"`
			Name        string `json:"companyName"`
		} `json:"companyProfile"`
	} `json:"items"`
	Links struct {
		Next *struct {
			Headers []struct{ Key, Value string } `json:"headers"`
		} `json:"next"`
	} `json:"links"`
}

// next returns the token that the next page is asked for with; more is false on the last page.
func (p customerPage) next() (token string, more bool) {
	if p.Links.Next == nil {
		return "", false
	}
	for _, h := range p.Links.Next.Headers {
		if strings.EqualFold(h.Key, continuationToken) {
			return h.Value, true
		}
	}
	return "", true
}

// Customers implements token.Microsoft. It returns a failure unless it has read the whole list.
func (c *Client) Customers(ctx context.Context, client tenant.Client, partnerCenterToken secret.Text) ([]token.Customer, error) {
	r, err := c.resolve(client)
	if err != nil {
		return nil, err
	}
	var customers []token.Customer
	address, position := r.profile.PartnerCenter.BaseURL+customersPath, ""
	for range maxCustomerPages {
		var page customerPage
		if f := c.readPage(ctx, token.PartnerCenter, address, position, partnerCenterToken, &page); f != nil {
			return nil, f
		}
		if page.Items == nil {
			return nil, failure.Wrap(errors.New("a page of customers has no items"), failure.MicrosoftAnswer)
		}
		for _, item := range *page.Items {
			id := item.Profile.DirectoryID
			if id == "" {
				id = item.ID
			}
			if !isGUID(id) {
				return nil, failure.Wrap(errors.New("a customer has no directory ID"), failure.MicrosoftAnswer)
			}
			customers = append(customers, token.Customer{DirectoryID: strings.ToLower(id), Name: item.Profile.Name, Domain: item.Profile.Domain})
		}
		next, more := page.next()
		if !more {
			return customers, nil
		}
		if next == "" || next == position {
			return nil, failure.Wrap(errors.New("a page of customers does not say how to read the next one"), failure.MicrosoftAnswer)
		}
		address, position = r.profile.PartnerCenter.BaseURL+customersPath+"&seekOperation=Next", next
	}
	return nil, endless()
}

// A relationshipPage is one page of Graph's list of relationships.
type relationshipPage struct {
	Value *[]struct {
		ID       string `json:"id"`
		Name     string `json:"displayName"`
		Status   string `json:"status"`
		Customer struct {
			DirectoryID string `json:"tenantId"`
			Name        string `json:"displayName"`
		} `json:"customer"`
		Access struct {
			Roles []struct {
				ID string `json:"roleDefinitionId"`
			} `json:"unifiedRoles"`
		} `json:"accessDetails"`
		EndsAt     string `json:"endDateTime"`
		AutoExtend string `json:"autoExtendDuration"`
	} `json:"value"`
	Next string `json:"@odata.nextLink"`
}

// Relationships implements token.Microsoft. It returns a failure unless it has read the whole list.
func (c *Client) Relationships(ctx context.Context, client tenant.Client, graphToken secret.Text) ([]token.Relationship, error) {
	r, err := c.resolve(client)
	if err != nil {
		return nil, err
	}
	base := r.profile.Graph.BaseURL
	address := base + relationshipsPath
	var relationships []token.Relationship
	for range maxCustomerPages {
		var page relationshipPage
		if f := c.readPage(ctx, token.Graph, address, "", graphToken, &page); f != nil {
			return nil, f
		}
		if page.Value == nil {
			return nil, failure.Wrap(errors.New("a page of relationships has no value"), failure.MicrosoftAnswer)
		}
		for _, item := range *page.Value {
			if !isGUID(item.Customer.DirectoryID) {
				continue // a relationship that was created and not yet approved need not have a customer
			}
			relationship := token.Relationship{
				ID: item.ID, Name: item.Name, Status: item.Status,
				DirectoryID: strings.ToLower(item.Customer.DirectoryID), CustomerName: item.Customer.Name,
				Active:      item.Status == "active" || item.Status == "expiring",
				AutoExtends: item.AutoExtend != "" && item.AutoExtend != "PT0S" && item.AutoExtend != "P0D",
			}
			relationship.EndsAt, _ = time.Parse(time.RFC3339, item.EndsAt) // zero while it was not approved
			for _, role := range item.Access.Roles {
				relationship.Roles = append(relationship.Roles, role.ID)
			}
			relationships = append(relationships, relationship)
		}
		switch {
		case page.Next == "":
			return relationships, nil
		case page.Next == address || !sameHost(page.Next, base):
			return nil, failure.Wrap(errors.New("the next page of relationships is the same or on another host"), failure.MicrosoftAnswer)
		}
		address = page.Next
	}
	return nil, endless()
}

func endless() *failure.Error {
	return failure.Wrap(errors.New("the list does not end"), failure.MicrosoftAnswer)
}

// readPage reads one page of a list of api into page, at a position if it is not empty.
func (c *Client) readPage(ctx context.Context, api token.API, address, position string, accessToken secret.Text, page any) *failure.Error {
	req, f := apiRequest(ctx, api, address, accessToken)
	if f != nil {
		return f
	}
	if position != "" {
		req.Header.Set(continuationToken, position)
	}
	answer, f := c.get(c.probeHTTP, req)
	switch {
	case f != nil:
		return f
	case answer.status != http.StatusOK && api == token.PartnerCenter && mfaDemanded(answer):
		return c.apiFailure(failure.MFAMissing, answer)
	case answer.status != http.StatusOK:
		return c.apiRefusal(api, answer)
	case answer.tooLong || json.Unmarshal(answer.body(), page) != nil:
		return c.unreadable(answer)
	}
	return nil
}
