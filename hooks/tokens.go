package hooks

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// How many events one answer of the history holds.
const (
	historyDefault = 50
	historyLimit   = 200
)

// tokenStatus shows a parent reseller the state only, and refuses another application unless it may borrow.
func (h *Handler) tokenStatus(c *call) error {
	if c.caller.role == application {
		if _, ok := c.Instance.Settings.Borrower(c.caller.actor.ID); !ok {
			return failure.New(failure.BorrowerNotAllowed)
		}
	}
	status, err := h.statusOf(c, c.Resolved)
	if err != nil {
		return err
	}
	if c.caller.role == parent {
		return c.echo.JSON(http.StatusOK, stateView{string(status.State), h.now()})
	}
	v := h.viewStatus(c, status)
	if c.caller.role == owner && c.knows("tenant.tokenStatus.borrowers") {
		borrowers := append([]tenant.Borrower{}, c.Instance.Settings.Borrowers...)
		v.Borrowers = &borrowers
	}
	if err := h.addClients(c, &v); err != nil {
		return err
	}
	if c.caller.role == owner && c.knows("tenant.tokenStatus.consents") {
		current, err := h.cfg.Consents.Current(c.ctx(), c.Resolved)
		if err != nil {
			return err
		}
		v.Consents = viewCurrent(current)
	}
	return c.echo.JSON(http.StatusOK, v)
}

// addClients adds the clients of the token API that may get access tokens, when the owner asks for them. Reading them takes several
// queries, and a screen that waits reads the status every few seconds.
func (h *Handler) addClients(c *call, v *statusView) error {
	if c.caller.role != owner || !c.knows("tenant.tokenStatus.clients") {
		return nil
	}
	if asked, err := c.parameter("clients"); err != nil || asked != "true" {
		return err
	}
	clients, err := h.cfg.Clients.OfTenant(c.ctx(), c.id)
	if err != nil {
		return err
	}
	v.Clients = viewClients(clients)
	return nil
}

func (h *Handler) renew(c *call) error  { return h.change(c, h.cfg.Tokens.Renew) }
func (h *Handler) check(c *call) error  { return h.change(c, h.cfg.Tokens.Check) }
func (h *Handler) forget(c *call) error { return h.change(c, h.cfg.Tokens.Forget) }

// change calls do and answers with the resulting status.
func (h *Handler) change(c *call, do func(context.Context, string, audit.Actor) (token.Status, error)) error {
	status, err := runDetached(h, c, func(ctx context.Context) (token.Status, error) { return do(ctx, c.id, c.caller.actor) })
	if err != nil {
		return err
	}
	return c.echo.JSON(http.StatusOK, h.viewStatus(c, status))
}

func (h *Handler) history(c *call) error {
	limit, before := historyDefault, time.Time{}
	text, err := c.parameter("limit")
	if err != nil {
		return err
	}
	if text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return badRequest("limit is not a positive number")
		}
		limit = min(n, historyLimit)
	}
	if text, err = c.parameter("before"); err != nil {
		return err
	}
	if text != "" {
		if before, err = time.Parse(time.RFC3339, text); err != nil || !clock.Storable(before) {
			return badRequest("before is not a time, for example 2026-11-23T08:20:00Z")
		}
	}
	if text, err = c.parameter("accessTokens"); err != nil {
		return err
	}
	lendings := token.Lendings(text)
	if lendings != token.WithLendings && lendings != token.NoLendings && lendings != token.OnlyLendings {
		return badRequest("accessTokens is neither none nor only")
	}
	events, err := h.cfg.Tokens.HistoryOf(c.ctx(), c.id, lendings, before, limit)
	if err != nil {
		return err
	}
	views := make([]eventView, 0, len(events))
	for _, e := range events {
		views = append(views, viewEvent(e))
	}
	return c.echo.JSON(http.StatusOK, views)
}

func (h *Handler) accessToken(c *call) error {
	var request struct {
		API       *string `json:"api"`
		Directory string  `json:"directory"`
	}
	if err := h.parameters(c, &request); err != nil {
		return err
	}
	if request.API == nil {
		return badRequest("api is missing")
	}
	if request.Directory != "" && !c.knows("tenant.accessToken.directory") {
		// Without it, the borrower would get an access token for another directory.
		return badRequest("directory needs version 2 of the package")
	}
	loan, err := h.lend(c, token.LoanRequest{API: token.API(*request.API), Directory: request.Directory, Snapshot: c.readAhead().snapshot})
	if err != nil {
		return err
	}
	return c.echo.JSON(http.StatusOK, loanView{
		API: string(loan.API), AccessToken: loan.AccessToken.Reveal(), TokenType: "Bearer",
		ExpiresAt: jsonTime(loan.ExpiresAt), Directory: loan.DirectoryID,
	})
}

// lend lends from memory, or else detached: what Microsoft returns must be stored even if nobody waits any more.
func (h *Handler) lend(c *call, request token.LoanRequest) (token.Loan, error) {
	loan, ok, err := h.cfg.Tokens.LendCached(c.ctx(), c.Resolved, request, c.caller.actor)
	if ok || err != nil {
		return loan, err
	}
	return runDetached(h, c, func(ctx context.Context) (token.Loan, error) {
		return h.cfg.Tokens.Lend(ctx, c.Resolved, request, c.caller.actor)
	})
}
