package hooks

import (
	"context"
	"net/http"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/token"
)

// beginConsent begins an automatic consent. Screens of release 1 send nothing about their browser, so their consents end with
// an authentication code.
func (h *Handler) beginConsent(c *call) error {
	var request struct {
		Browser string `json:"browser"`
		Origin  string `json:"origin"`
	}
	if c.knows("tenant.beginConsent.panel") && c.echo.Request().ContentLength != 0 {
		if err := h.parameters(c, &request); err != nil {
			return err
		}
	}
	begun, err := h.cfg.Consents.Begin(c.ctx(), c.id, consent.Request{Browser: request.Browser, Origin: request.Origin}, c.caller.actor)
	if err != nil {
		return err
	}
	v := h.viewBegun(c.ctx(), begun)
	if request.Browser != "" || request.Origin != "" {
		v.Procedure = begun.Procedure
	}
	return c.echo.JSON(http.StatusOK, v)
}

func (h *Handler) consentLink(c *call) error {
	begun, err := h.cfg.Consents.Link(c.ctx(), c.id, c.caller.actor)
	if err != nil {
		return err
	}
	return c.echo.JSON(http.StatusOK, h.viewLink(begun))
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
	if !c.knows("tenant.findConsent.progress") {
		found.Progress = ""
	}
	return c.echo.JSON(http.StatusOK, viewConsent(found))
}

func (h *Handler) redeem(c *call) error {
	var request struct {
		Code *string `json:"code"`
	}
	if err := h.parameters(c, &request); err != nil {
		return err
	}
	if request.Code == nil || *request.Code == "" {
		return badRequest("code is missing")
	}
	person, err := runDetached(h, c, func(ctx context.Context) (token.Person, error) {
		return h.cfg.Consents.Redeem(ctx, c.id, *request.Code, c.caller.actor)
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
	return c.echo.JSON(http.StatusOK, redeemedView{viewPerson(person), h.viewStatus(c, status)})
}
