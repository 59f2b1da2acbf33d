package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/client"
	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/detached"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/length"
	"azure-partner-connector/connector/once"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// How many members one page holds.
const (
	pageDefault = 50
	pageLimit   = 200
	// scanLimit is how many tenants or events a request looks at when few of them match.
	scanLimit = 1000
)

// bearer recognises the client by its key in the header Authorization. It refuses a query that c.QueryParam would read in part.
func (h *Handler) bearer(c *call, op client.Operation) error {
	header := c.Request().Header.Get(echo.HeaderAuthorization)
	scheme, key, _ := strings.Cut(header, " ")
	key = strings.TrimSpace(key)
	if header != "" && (!strings.EqualFold(scheme, "Bearer") || key == "") {
		return failure.New(failure.KeyUnknown)
	}
	if err := h.authenticate(c, secret.New(key)); err != nil {
		return err
	}
	if err := c.allowed(op); err != nil {
		return err
	}
	_, err := c.readQuery()
	return err
}

// bearerTenant recognises the client and returns the tenant of the path.
func (h *Handler) bearerTenant(c *call, op client.Operation) (tenant.Resolved, error) {
	if err := h.bearer(c, op); err != nil {
		return tenant.Resolved{}, err
	}
	return h.tenant(c)
}

// limit returns how many members the answer may have.
func (c *call) limit() (int, error) {
	text := c.QueryParam("limit")
	if text == "" {
		return pageDefault, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, badRequest("limit is not a positive number")
	}
	return min(n, pageLimit), nil
}

// A tenantFilter says which tenants a list has.
type tenantFilter struct {
	state     token.State
	directory string
	name      string
}

func (f tenantFilter) matches(r tenant.Resolved, s token.Status) bool {
	return (f.state == "" || s.State == f.state) &&
		(f.directory == "" || strings.EqualFold(f.directory, r.Tenant.DirectoryID) || strings.EqualFold(f.directory, r.Tenant.Directory)) &&
		strings.Contains(strings.ToLower(r.Tenant.Name), strings.ToLower(f.name))
}

func (h *Handler) listTenants(c *call) error {
	if err := h.bearer(c, client.Read); err != nil {
		return err
	}
	limit, err := c.limit()
	if err != nil {
		return err
	}
	after := c.QueryParam("after")
	if _, ok := random.ParseID(after); after != "" && !ok {
		return badRequest("after is not the next of an earlier answer")
	}
	filter := tenantFilter{token.State(c.QueryParam("state")), c.QueryParam("directory"), c.QueryParam("name")}
	if filter.state != "" && !slices.Contains(token.States(), filter.state) {
		return badRequest("state is none of the states of a token")
	}
	page := tenantsView{Tenants: []tenantView{}}
	for scanned := 0; len(page.Tenants) < limit; {
		tenants, err := h.tenantsAfter(c, after, limit)
		if err != nil {
			return err
		}
		for _, r := range tenants {
			status, err := h.cfg.Tokens.Status(c.ctx(), r)
			if failure.Is(err, failure.NotFound) {
				continue // removed meanwhile
			}
			if err != nil {
				return err
			}
			after = r.Tenant.ID
			if scanned++; filter.matches(r, status) {
				page.Tenants = append(page.Tenants, viewTenant(r, status))
			}
			if len(page.Tenants) == limit {
				break
			}
		}
		if len(tenants) == 0 {
			return c.JSON(http.StatusOK, page) // the end
		}
		if scanned >= scanLimit {
			break
		}
	}
	page.Next = after
	return c.JSON(http.StatusOK, page)
}

// tenantsAfter returns the next tenants of the client's scope, ordered by ID.
func (h *Handler) tenantsAfter(c *call, after string, limit int) ([]tenant.Resolved, error) {
	if c.client.HasTenant(client.Any) {
		return h.cfg.Tenants.Page(c.ctx(), after, limit)
	}
	var tenants []tenant.Resolved
	for _, id := range c.client.Tenants { // ordered
		if id <= after || len(tenants) == limit {
			continue
		}
		r, err := h.cfg.Tenants.Find(c.ctx(), id)
		if failure.Is(err, failure.NotFound) {
			continue // removed since it was put into the scope
		}
		if err != nil {
			return nil, err
		}
		tenants = append(tenants, r)
	}
	return tenants, nil
}

func (h *Handler) readTenant(c *call) error {
	r, err := h.bearerTenant(c, client.Read)
	if err != nil {
		return err
	}
	status, err := h.cfg.Tokens.Status(c.ctx(), r)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, viewTenant(r, status))
}

func (h *Handler) readStatus(c *call) error {
	r, err := h.bearerTenant(c, client.Read)
	if err != nil {
		return err
	}
	status, err := h.cfg.Tokens.Status(c.ctx(), r)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, viewStatus(status, h.cfg.Now()))
}

func (h *Handler) readHistory(c *call) error {
	r, err := h.bearerTenant(c, client.Read)
	if err != nil {
		return err
	}
	limit, err := c.limit()
	if err != nil {
		return err
	}
	before := time.Time{}
	if text := c.QueryParam("before"); text != "" {
		if before, err = time.Parse(time.RFC3339, text); err != nil || !clock.Storable(before) {
			return badRequest("before is not a time, for example 2026-11-23T08:20:00Z")
		}
	}
	events, err := h.cfg.Tokens.History(c.ctx(), r.Tenant.ID, before, limit)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, historyView{viewEvents(events)})
}

func (h *Handler) renew(c *call) error { return h.change(c, h.cfg.Tokens.Renew) }
func (h *Handler) check(c *call) error { return h.change(c, h.cfg.Tokens.Check) }

// change calls do and answers with the resulting status.
func (h *Handler) change(c *call, do func(context.Context, string, audit.Actor) (token.Status, error)) error {
	r, err := h.bearerTenant(c, client.Renew)
	if err != nil {
		return err
	}
	status, err := detached.Run(c.ctx(), &h.detached, func(ctx context.Context) (token.Status, error) {
		return do(ctx, r.Tenant.ID, c.client.Actor())
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, viewStatus(status, h.cfg.Now()))
}

func (h *Handler) consentLink(c *call) error {
	r, err := h.bearerTenant(c, client.Consent)
	if err != nil {
		return err
	}
	begun, err := detached.Run(c.ctx(), &h.detached, func(ctx context.Context) (consent.Begun, error) {
		return h.cfg.Consents.Link(ctx, r.Tenant.ID, c.client.Actor())
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, linkView{begun.URL, jsonTime(begun.ExpiresAt)})
}

func (h *Handler) accessToken(c *call) error {
	if err := h.bearer(c, client.Lend); err != nil {
		return err
	}
	var request struct {
		API       string `json:"api"`
		Directory string `json:"directory"`
	}
	if err := c.object(&request); err != nil {
		return err
	}
	if request.API == "" {
		return badRequest("the body names no api")
	}
	loan, err := h.lend(c, request.Directory, request.API)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, loanView{string(loan.API), loan.DirectoryID, loan.AccessToken.Reveal(), "Bearer", jsonTime(loan.ExpiresAt)})
}

// importGrant makes a refresh token that the client has the grant of a tenant.
func (h *Handler) importGrant(c *call) error {
	r, err := h.bearerTenant(c, client.Import)
	if err != nil {
		return err
	}
	var request struct {
		RefreshToken string `json:"refreshToken"`
	}
	if err := c.object(&request); err != nil {
		return err
	}
	if n := len(request.RefreshToken); n == 0 || n > length.Token {
		return badRequest("the body has no refreshToken that could be one")
	}
	imported := consent.Import{RefreshToken: secret.New(request.RefreshToken), Source: "api"}
	done, err := detached.Run(c.ctx(), &h.detached, func(ctx context.Context) (consent.Imported, error) {
		return h.cfg.Consents.Import(ctx, r.Tenant.ID, imported, c.client.Actor())
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, importView{personView{done.ConsentedBy.Username, done.ConsentedBy.Name}, done.Waiting})
}

// object reads the body, a JSON object with the fields of into.
func (c *call) object(into any) error {
	body, err := io.ReadAll(http.MaxBytesReader(c.Response(), c.Request().Body, bodyLimit))
	if err != nil {
		if refusalOf(err).Code == failure.BodyTooLarge {
			return err
		}
		return failure.Wrap(err, failure.BadRequest, "reason", "the body could not be read")
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if decoder.Decode(into) != nil || decoder.More() || once.Names(body, strings.ToLower) != nil { // Decode takes names in any case
		return badRequest("the body is not a JSON object with the fields of this request, each once") // the error may quote a secret
	}
	return nil
}

func (h *Handler) readEvents(c *call) error {
	if err := h.bearer(c, client.Events); err != nil {
		return err
	}
	limit, err := c.limit()
	if err != nil {
		return err
	}
	after, ok := audit.ParseCursor(c.QueryParam("after"))
	if !ok {
		return badRequest("after is not the next of an earlier answer")
	}
	page := eventsView{Events: []eventView{}}
	for scanned := 0; ; {
		events, next, err := h.cfg.Trail.CoveredTrail(c.ctx(), after, limit-len(page.Events))
		if err != nil {
			return err
		}
		after = next
		for _, e := range events {
			if c.client.HasTenant(e.TenantID) {
				page.Events = append(page.Events, viewFound(e))
			}
		}
		scanned += len(events)
		if len(events) == 0 || len(page.Events) == limit || scanned >= scanLimit {
			page.Next, page.More = after.String(), len(events) > 0
			return c.JSON(http.StatusOK, page)
		}
	}
}

// A restRefusal is the body of a refusal.
type restRefusal struct {
	Error failureView `json:"error"`
}

func refuseREST(_ *Handler, c *call, f *failure.Error, _ error) error {
	retryable(c, f)
	if keyRefused(f) {
		c.Response().Header().Set(echo.HeaderWWWAuthenticate, `Bearer realm="token API"`)
	}
	if c.Request().Method == http.MethodHead {
		return c.NoContent(f.Status())
	}
	return c.JSON(f.Status(), restRefusal{failure.NewRecord(c.ctx(), f.Unretried()).View()})
}

// failuresPath is where failures are explained; error_uri of RFC 6749 leads there.
const failuresPath = "/failures/"

// explain says what a failure code means. Anybody may read that.
func (h *Handler) explain(c *call) error {
	code := failure.Code(c.Param("code"))
	for _, known := range failure.Codes() {
		if known == code {
			sentence, advice := code.Template()
			c.Response().Header().Set(echo.HeaderCacheControl, "public, max-age=86400")
			return c.String(http.StatusOK, string(code)+"\n\n"+sentence+"\n"+advice+"\n")
		}
	}
	return failure.New(failure.NotFound)
}

func (h *Handler) openAPI(c *call) error {
	return c.JSONBlob(http.StatusOK, h.document)
}
