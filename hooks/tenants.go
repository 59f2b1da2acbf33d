package hooks

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// statusReaders is how many statuses are read at the same time. The store batches these reads, so thousands of tenants
// cost a few queries.
const statusReaders = 128

// tenantsLimit is how many tenants a page holds at most.
const tenantsLimit = 200

// tenantRow is one row of the provider's list of tenants.
type tenantRow struct {
	ID            string      `json:"id"`
	Name          string      `json:"name"`
	State         token.State `json:"state"`
	ExpiresAt     *time.Time  `json:"expiresAt"`
	DaysLeft      int         `json:"daysLeft"`
	Directory     string      `json:"directory"`
	NextRenewalAt *time.Time  `json:"nextRenewalAt"`
	// UnlistedOrigin is the origin of a panel that has to be added to panelOrigins for the automatic procedure. Pages have all
	// of them in UnlistedOrigins.
	UnlistedOrigin string `json:"unlistedOrigin,omitempty"`
}

// tenantsPage is a page of the provider's list of tenants, most urgent first.
type tenantsPage struct {
	Tenants []tenantRow `json:"tenants"`
	// Total counts the tenants that match, on all pages, and Counts those that match the search, by state.
	Total  int                 `json:"total"`
	Counts map[token.State]int `json:"counts"`
	// UnlistedOrigins are the panels of all tenants that have to be added to panelOrigins.
	UnlistedOrigins []string     `json:"unlistedOrigins"`
	Instance        instanceView `json:"instance"`
	Now             time.Time    `json:"now"`
}

// instanceView is the application that tenants of an instance use unless they have their own.
type instanceView struct {
	ID            string          `json:"id"`
	ApplicationID string          `json:"applicationId"`
	Credentials   []credentialEnd `json:"credentials"`
}

// credentialEnd is when a credential stops working; null when it is not known, or never.
type credentialEnd struct {
	Name   string     `json:"name"`
	EndsAt *time.Time `json:"endsAt"`
}

func viewInstance(in tenant.Instance) instanceView {
	v := instanceView{ID: in.RootID, ApplicationID: in.Settings.Application.ID, Credentials: []credentialEnd{}}
	for _, c := range in.Settings.Application.CredentialEnds() {
		v.Credentials = append(v.Credentials, credentialEnd{c.Name, jsonTime(c.Ends)})
	}
	return v
}

func viewRow(t tenant.Tenant, s token.Status) tenantRow {
	return tenantRow{ID: t.ID, Name: t.Name, State: s.State, ExpiresAt: jsonTime(s.ExpiresAt), DaysLeft: s.DaysLeft, Directory: t.Directory, NextRenewalAt: jsonTime(s.NextRenewalAt)}
}

// listTenants answers a call with a limit with a page, and one without, as screens of package version 1 make it, with all
// tenants.
func (h *Handler) listTenants(c *call) error {
	paged, err := c.parameter("limit")
	if err != nil {
		return err
	}
	var unlisted map[string]string
	if c.knows("app.tenants.unlistedOrigin") {
		if unlisted, err = h.cfg.Consents.UnlistedOrigins(c.ctx(), c.key); err != nil {
			return err
		}
	}
	if paged != "" && c.knows("app.tenants.limit") {
		return h.listPage(c, unlisted)
	}
	tenants, err := h.cfg.Tenants.Tenants(c.ctx(), c.key)
	if err != nil {
		return err
	}
	rows, err := h.rows(c, len(tenants), func(_ context.Context, i int) (tenant.Tenant, error) { return tenants[i], nil })
	if err != nil {
		return err
	}
	for i := range rows {
		rows[i].UnlistedOrigin = unlisted[rows[i].ID]
	}
	return c.echo.JSON(http.StatusOK, rows)
}

// listPage answers with a page of the tenants that match.
func (h *Handler) listPage(c *call, unlisted map[string]string) error {
	query, err := c.tenantsQuery()
	if err != nil {
		return err
	}
	list, err := h.cfg.Tokens.List(c.ctx(), query)
	if err != nil {
		return err
	}
	rows, err := h.rows(c, len(list.Tenants), func(ctx context.Context, i int) (tenant.Tenant, error) {
		return h.cfg.Tenants.Tenant(ctx, c.key, list.Tenants[i].TenantID)
	})
	if err != nil {
		return err
	}
	page := tenantsPage{Tenants: rows, Counts: map[token.State]int{}, UnlistedOrigins: origins(unlisted), Instance: viewInstance(c.Instance), Now: h.now()}
	for _, state := range token.States() {
		page.Counts[state] = list.Counts[state]
		if len(query.States) == 0 || slices.Contains(query.States, state) {
			page.Total += list.Counts[state]
		}
	}
	return c.echo.JSON(http.StatusOK, page)
}

// tenantsQuery returns what the parameters of c ask for.
func (c *call) tenantsQuery() (token.Query, error) {
	query := token.Query{Instances: []string{c.key}}
	var err error
	if query.Limit, err = c.number("limit", tenantsLimit, 1); err != nil {
		return token.Query{}, err
	}
	query.Limit = min(query.Limit, tenantsLimit)
	if query.Offset, err = c.number("offset", 0, 0); err != nil {
		return token.Query{}, err
	}
	if query.Search, err = c.parameter("search"); err != nil {
		return token.Query{}, err
	}
	state, err := c.parameter("state")
	switch {
	case err != nil:
		return token.Query{}, err
	case state == "":
		return query, nil
	case !slices.Contains(token.States(), token.State(state)):
		return token.Query{}, badRequest("state is none of the states of a token")
	}
	query.States = []token.State{token.State(state)}
	return query, nil
}

type remindedView struct {
	At time.Time `json:"at"`
}

// remind reminds the reseller of a tenant that its token needs a person.
func (h *Handler) remind(c *call) error {
	at, err := h.cfg.Reminders.Remind(c.ctx(), c.Resolved, c.caller.actor)
	if err != nil {
		return err
	}
	return c.echo.JSON(http.StatusOK, remindedView{at})
}

// origins returns the different values of unlisted.
func origins(unlisted map[string]string) []string {
	return slices.Compact(append([]string{}, slices.Sorted(maps.Values(unlisted))...))
}

// rows reads the statuses of n tenants. It leaves out those that were removed meanwhile.
func (h *Handler) rows(c *call, n int, read func(ctx context.Context, i int) (tenant.Tenant, error)) ([]tenantRow, error) {
	found := make([]*tenantRow, n)
	readers, ctx := errgroup.WithContext(c.ctx())
	readers.SetLimit(statusReaders)
	for i := range n {
		readers.Go(func() error {
			t, err := read(ctx, i)
			if err == nil {
				var status token.Status
				if status, err = h.cfg.Tokens.Status(ctx, tenant.Resolved{Tenant: t, Instance: c.Instance}); err == nil {
					row := viewRow(t, status)
					found[i] = &row
				}
			}
			if failure.Is(err, failure.NotFound) {
				return nil // removed since it was listed
			}
			return err
		})
	}
	if err := readers.Wait(); err != nil {
		return nil, err
	}
	rows := []tenantRow{}
	for _, row := range found {
		if row != nil {
			rows = append(rows, *row)
		}
	}
	return rows, nil
}
