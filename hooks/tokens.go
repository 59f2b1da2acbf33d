package hooks

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// Tokens is the custody of grants; token.Service implements it.
type Tokens interface {
	Status(ctx context.Context, r tenant.Resolved) (token.Status, error)
	Renew(ctx context.Context, tenantID string, by audit.Actor) (token.Status, error)
	Check(ctx context.Context, tenantID string, by audit.Actor) (token.Status, error)
	Forget(ctx context.Context, tenantID string, by audit.Actor) (token.Status, error)
	History(ctx context.Context, tenantID string, before time.Time, limit int) ([]audit.Event, error)
	Lend(ctx context.Context, r tenant.Resolved, api token.API, by audit.Actor) (token.Loan, error)
}

// Consents runs the procedures; consent.Service implements it.
type Consents interface {
	Begin(ctx context.Context, tenantID string, by audit.Actor) (consent.Begun, error)
	Link(ctx context.Context, tenantID string, by audit.Actor) (consent.Begun, error)
	Find(ctx context.Context, tenantID, consentID string) (consent.Consent, error)
	Redeem(ctx context.Context, tenantID, input string, by audit.Actor) (token.Person, error)
}

// How many events of a history are told at once.
const (
	historyDefault = 50
	historyLimit   = 200
)

func (h *Handler) beginConsent(c *call) error {
	begun, err := h.cfg.Consents.Begin(c.ctx(), c.id, c.caller.actor)
	if err != nil {
		return err
	}
	return c.echo.JSON(http.StatusOK, viewBegun(c.ctx(), begun))
}

func (h *Handler) consentLink(c *call) error {
	begun, err := h.cfg.Consents.Link(c.ctx(), c.id, c.caller.actor)
	if err != nil {
		return err
	}
	return c.echo.JSON(http.StatusOK, viewLink(begun))
}

func (h *Handler) findConsent(c *call) error {
	id, ok := canonical(c.echo.Param("consentId"))
	if !ok {
		return failure.New(failure.NotFound)
	}
	found, err := h.cfg.Consents.Find(c.ctx(), c.id, id)
	if err != nil {
		return err
	}
	return c.echo.JSON(http.StatusOK, viewConsent(found))
}

func (h *Handler) redeem(c *call) error {
	var claim struct {
		Code *string `json:"code"`
	}
	if err := h.parameters(c, &claim); err != nil {
		return err
	}
	if claim.Code == nil || *claim.Code == "" {
		return badRequest("code is missing")
	}
	person, err := patiently(h, c, func(ctx context.Context) (token.Person, error) {
		return h.cfg.Consents.Redeem(ctx, c.id, *claim.Code, c.caller.actor)
	})
	if err != nil {
		return err
	}
	// The redemption may have resolved the tenant's directory.
	r, err := h.cfg.Tenants.Resolve(c.ctx(), c.key, c.id)
	if err != nil {
		return err
	}
	status, err := h.cfg.Tokens.Status(c.ctx(), r)
	if err != nil {
		return err
	}
	return c.echo.JSON(http.StatusOK, redeemedView{viewPerson(person), h.viewStatus(c.Instance, status)})
}

// tokenStatus tells a parent reseller the state and no more (design §8), and an application only when it may borrow.
func (h *Handler) tokenStatus(c *call) error {
	if c.caller.role == application && !slices.Contains(c.Instance.Settings.Borrowers, c.caller.actor.ID) {
		return failure.New(failure.BorrowerNotAllowed)
	}
	status, err := h.cfg.Tokens.Status(c.ctx(), c.Resolved)
	if err != nil {
		return err
	}
	if c.caller.role == parent {
		return c.echo.JSON(http.StatusOK, stateView{string(status.State), h.cfg.Now().UTC().Truncate(time.Millisecond)})
	}
	return c.echo.JSON(http.StatusOK, h.viewStatus(c.Instance, status))
}

func (h *Handler) renew(c *call) error  { return h.change(c, h.cfg.Tokens.Renew) }
func (h *Handler) check(c *call) error  { return h.change(c, h.cfg.Tokens.Check) }
func (h *Handler) forget(c *call) error { return h.change(c, h.cfg.Tokens.Forget) }

// change does what answers with the status that it led to.
func (h *Handler) change(c *call, do func(context.Context, string, audit.Actor) (token.Status, error)) error {
	status, err := patiently(h, c, func(ctx context.Context) (token.Status, error) { return do(ctx, c.id, c.caller.actor) })
	if err != nil {
		return err
	}
	return c.echo.JSON(http.StatusOK, h.viewStatus(c.Instance, status))
}

func (h *Handler) history(c *call) error {
	limit, before := historyDefault, time.Time{}
	if text := c.echo.QueryParam("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return badRequest("limit is not a positive number")
		}
		limit = min(n, historyLimit)
	}
	if text := c.echo.QueryParam("before"); text != "" {
		var err error
		if before, err = time.Parse(time.RFC3339, text); err != nil {
			return badRequest("before is not a time as in 2026-11-23T08:20:00Z")
		}
	}
	events, err := h.cfg.Tokens.History(c.ctx(), c.id, before, limit)
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
		API *string `json:"api"`
	}
	if err := h.parameters(c, &request); err != nil {
		return err
	}
	if request.API == nil {
		return badRequest("api is missing")
	}
	loan, err := patiently(h, c, func(ctx context.Context) (token.Loan, error) {
		return h.cfg.Tokens.Lend(ctx, c.Resolved, token.API(*request.API), c.caller.actor)
	})
	if err != nil {
		return err
	}
	return c.echo.JSON(http.StatusOK, loanView{
		API: string(loan.API), AccessToken: loan.AccessToken.Reveal(), TokenType: "Bearer",
		ExpiresAt: moment(loan.ExpiresAt), Directory: loan.DirectoryID,
	})
}

// parameters reads the JSON object that an operation takes for its body. Errors tell nothing of what was sent: it may
// be a code.
func (h *Handler) parameters(c *call, into any) error {
	body, err := h.body(c)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) || json.Unmarshal(body, into) != nil {
		return badRequest("the body is not the JSON object that the operation takes")
	}
	return nil
}
