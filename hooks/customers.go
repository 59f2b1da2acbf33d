package hooks

import (
	"cmp"
	"context"
	"net/http"
	"strconv"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// How many customers one answer holds.
const (
	customersDefault = 50
	customersLimit   = 500
)

// customerView is one customer of a tenant's partner.
type customerView struct {
	Directory   string       `json:"directory"`
	Name        string       `json:"name"`
	Domain      string       `json:"domain"`
	Active      bool         `json:"active"` // a relationship is
	Roles       []string     `json:"roles"`
	EndsAt      *time.Time   `json:"endsAt"`
	AutoExtends bool         `json:"autoExtends"`
	Consent     token.Answer `json:"consent"`
	ConsentedAt *time.Time   `json:"consentedAt"`
	// Outdated says that the consent has other permissions than the instance asks for now.
	Outdated   bool       `json:"outdated"`
	LastResult string     `json:"lastResult"`
	LastAt     *time.Time `json:"lastAt"`
	// LastFailure explains the last result; null unless it is a failure.
	LastFailure *failureView `json:"lastFailure"`
}

type customersView struct {
	Customers []customerView `json:"customers"`
	// Total counts the customers that match, on all pages.
	Total      int          `json:"total"`
	Incomplete *failureView `json:"incomplete"`
	// CustomerDirectories is the setting of the instance: none, listed or any.
	CustomerDirectories string    `json:"customerDirectories"`
	Now                 time.Time `json:"now"`
}

func viewCustomer(c token.CustomerStatus) customerView {
	v := customerView{
		Directory: c.Customer.DirectoryID, Name: c.Name, Domain: c.Domain, Active: c.Active(), Roles: []string{}, EndsAt: jsonTime(c.EndsAt()),
		Consent: c.Consent, ConsentedAt: jsonTime(c.ConsentedAt), Outdated: c.Outdated, LastResult: c.LastResult, LastAt: jsonTime(c.LastAt),
	}
	if c.LastResult != "" && c.LastResult != audit.OK {
		v.LastFailure = viewRecord(&failure.Record{Code: failure.Code(c.LastResult), Params: map[string]string{"directory": v.Directory}})
	}
	if c.Active() {
		v.Roles, v.AutoExtends = append(v.Roles, c.Relationships[0].Roles...), c.Relationships[0].AutoExtends
	}
	return v
}

// number returns a parameter that is a number of at least least.
func (c *call) number(name string, otherwise, least int) (int, error) {
	text, err := c.parameter(name)
	if err != nil || text == "" {
		return otherwise, err
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least {
		return 0, badRequest(name + " is not a number of at least " + strconv.Itoa(least))
	}
	return n, nil
}

func (h *Handler) listCustomers(c *call) error {
	limit, err := c.number("limit", customersDefault, 1)
	if err != nil {
		return err
	}
	offset, err := c.number("offset", 0, 0)
	if err != nil {
		return err
	}
	search, err := c.parameter("search")
	if err != nil {
		return err
	}
	list, err := runDetached(h, c, func(ctx context.Context) (token.CustomerList, error) {
		return h.cfg.Tokens.ListCustomers(ctx, c.Resolved, c.caller.actor)
	})
	if err != nil {
		return err
	}
	view := customersView{
		Customers: []customerView{}, Incomplete: viewRecord(list.Incomplete), Now: h.cfg.Now().UTC(),
		CustomerDirectories: cmp.Or(c.Instance.Settings.CustomerDirectories, tenant.NoCustomers),
	}
	for _, customer := range list.Customers {
		if !customer.Matches(search) {
			continue
		}
		if view.Total++; view.Total > offset && len(view.Customers) < min(limit, customersLimit) {
			view.Customers = append(view.Customers, viewCustomer(customer))
		}
	}
	return c.echo.JSON(http.StatusOK, view)
}

func (h *Handler) consentCustomer(c *call) error {
	return h.changeCustomer(c, h.cfg.Tokens.ConsentCustomer)
}

func (h *Handler) withdrawCustomer(c *call) error {
	return h.changeCustomer(c, h.cfg.Tokens.WithdrawCustomer)
}

type customerConsentView struct {
	Directory   string     `json:"directory"`
	ConsentedAt *time.Time `json:"consentedAt"`
}

// changeCustomer changes the application's consent in a customer directory.
func (h *Handler) changeCustomer(c *call, do func(context.Context, tenant.Resolved, string, audit.Actor) (token.CustomerRecord, error)) error {
	record, err := runDetached(h, c, func(ctx context.Context) (token.CustomerRecord, error) {
		return do(ctx, c.Resolved, c.echo.Param("directory"), c.caller.actor)
	})
	if err != nil {
		return err
	}
	return c.echo.JSON(http.StatusOK, customerConsentView{record.DirectoryID, jsonTime(record.ConsentedAt)})
}
