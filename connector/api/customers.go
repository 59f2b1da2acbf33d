package api

import (
	"context"
	"encoding/base64"
	"net/http"
	"time"

	"github.com/google/uuid"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/client"
	"azure-partner-connector/connector/detached"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

type relationshipView struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	Status      string     `json:"status"`
	Active      bool       `json:"active"`
	Roles       []string   `json:"roles"`
	EndsAt      *time.Time `json:"endsAt"`
	AutoExtends bool       `json:"autoExtends"`
}

type customerView struct {
	Directory string `json:"directory"`
	Name      string `json:"name"`
	Domain    string `json:"domain"`
	// Listed says that Partner Center lists the customer, Active that a relationship is active.
	Listed        bool                   `json:"listed"`
	Active        bool                   `json:"active"`
	EndsAt        *time.Time             `json:"endsAt"`
	Relationships []relationshipView     `json:"relationships"`
	Consent       token.Answer           `json:"consent"`
	ConsentedAt   *time.Time             `json:"consentedAt"`
	Permissions   map[token.API][]string `json:"permissions"`
	// Outdated says that the consent has other permissions than the instance asks for now.
	Outdated   bool       `json:"outdated"`
	LastResult string     `json:"lastResult"`
	LastAt     *time.Time `json:"lastAt"`
}

// A CustomersDocument is a page of the customers of a tenant.
type CustomersDocument struct {
	Customers []customerView `json:"customers"`
	// Next continues the list; empty at its end.
	Next string `json:"next"`
	// Incomplete is why customers may be missing; null when none is.
	Incomplete *failureView `json:"incomplete"`
}

// NewCustomersDocument returns the customers of a list whose name, domain or ID contains search, after a place in the list, up to
// limit.
func NewCustomersDocument(list token.CustomerList, search string, after token.CustomerPlace, limit int) CustomersDocument {
	d := CustomersDocument{Customers: []customerView{}, Incomplete: viewRecord(list.Incomplete)}
	last := token.CustomerPlace{}
	for _, c := range list.Customers {
		switch {
		case c.Place().Compare(after) <= 0, !c.Matches(search):
			continue
		case len(d.Customers) == limit:
			d.Next = encodePlace(last)
			return d
		}
		d.Customers, last = append(d.Customers, viewCustomer(c)), c.Place()
	}
	return d
}

// encodePlace returns the text of a place for the address of the next request.
func encodePlace(p token.CustomerPlace) string {
	return base64.RawURLEncoding.EncodeToString([]byte(p.DirectoryID + p.Name))
}

// parsePlace reads what encodePlace returns; empty text is the beginning.
func parsePlace(text string) (p token.CustomerPlace, ok bool) {
	decoded, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || text == "" {
		return p, text == ""
	}
	length := min(len(decoded), len(uuid.Nil.String()))
	p.DirectoryID, p.Name = string(decoded[:length]), string(decoded[length:])
	_, ok = random.ParseID(p.DirectoryID)
	return p, ok
}

func viewCustomer(c token.CustomerStatus) customerView {
	v := customerView{
		Directory: c.Customer.DirectoryID, Name: c.Name, Domain: c.Domain, Listed: c.Listed, Active: c.Active(), EndsAt: jsonTime(c.EndsAt()),
		Relationships: []relationshipView{}, Consent: orUnknown(c.Consent), ConsentedAt: jsonTime(c.ConsentedAt), Permissions: c.Scopes,
		Outdated: c.Outdated, LastResult: c.LastResult, LastAt: jsonTime(c.LastAt),
	}
	for _, r := range c.Relationships {
		v.Relationships = append(v.Relationships, relationshipView{r.ID, r.Name, r.Status, r.Active, append([]string{}, r.Roles...), jsonTime(r.EndsAt), r.AutoExtends})
	}
	return v
}

func (h *Handler) listCustomers(c *call) error {
	r, err := h.bearerTenant(c, client.Read)
	if err != nil {
		return err
	}
	limit, err := c.limit()
	if err != nil {
		return err
	}
	after, ok := parsePlace(c.QueryParam("after"))
	if !ok {
		return badRequest("after is not the next of an earlier answer")
	}
	list, err := detached.Run(c.ctx(), &h.detached, func(ctx context.Context) (token.CustomerList, error) {
		return h.cfg.Tokens.ListCustomers(ctx, r, c.client.Actor())
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, NewCustomersDocument(list, c.QueryParam("search"), after, limit))
}

type customerConsentView struct {
	Directory   string                 `json:"directory"`
	ConsentedAt *time.Time             `json:"consentedAt"`
	Permissions map[token.API][]string `json:"permissions"`
}

func (h *Handler) consentCustomer(c *call) error {
	return h.changeCustomer(c, h.cfg.Tokens.ConsentCustomer)
}

func (h *Handler) withdrawCustomer(c *call) error {
	return h.changeCustomer(c, h.cfg.Tokens.WithdrawCustomer)
}

// changeCustomer changes a consent in a customer directory, for a client that may use that directory.
func (h *Handler) changeCustomer(c *call, do func(context.Context, tenant.Resolved, string, audit.Actor) (token.CustomerRecord, error)) error {
	r, err := h.bearerTenant(c, client.Consent)
	if err != nil {
		return err
	}
	directory := c.Param("directory")
	if !c.client.HasDirectory(directory) {
		return failure.New(failure.ClientNotAllowed)
	}
	record, err := detached.Run(c.ctx(), &h.detached, func(ctx context.Context) (token.CustomerRecord, error) {
		return do(ctx, r, directory, c.client.Actor())
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, customerConsentView{record.DirectoryID, jsonTime(record.ConsentedAt), record.Scopes})
}
