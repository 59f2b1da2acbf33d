package hooks

import (
	"context"
	"io"
	"net/http"

	"github.com/labstack/echo/v4"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/platform/transaction"
	"azure-partner-connector/connector/tenant"
)

// Tenants keeps instances and tenants; tenant.Service implements it.
type Tenants interface {
	Install(ctx context.Context, in tenant.Instance, by audit.Actor) (tenant.Instance, error)
	Configure(ctx context.Context, key string, settings tenant.Settings, by audit.Actor) (tenant.Instance, error)
	Upgrade(ctx context.Context, key, from, to string, settings tenant.Settings, by audit.Actor) (tenant.Instance, error)
	Remove(ctx context.Context, key string, by audit.Actor) error
	Seen(ctx context.Context, in tenant.Instance, instanceID, controllerURI string) (tenant.Instance, error)
	Instance(ctx context.Context, key string) (tenant.Instance, error)

	Provision(ctx context.Context, t tenant.Tenant, by audit.Actor) (tenant.Tenant, error)
	ConfigureTenant(ctx context.Context, stored tenant.Resolved, t tenant.Tenant, by audit.Actor) (tenant.Tenant, error)
	Unprovision(ctx context.Context, instanceKey, id string, by audit.Actor) error
	Tenant(ctx context.Context, instanceKey, id string) (tenant.Tenant, error)
	// Resolve returns the instance also when it has no such tenant.
	Resolve(ctx context.Context, instanceKey, id string) (tenant.Resolved, error)
	Tenants(ctx context.Context, instanceKey string) ([]tenant.Tenant, error)
	Rename(ctx context.Context, instanceKey, id, name, marketplace string, by audit.Actor) error
}

// A call is one request that is on its way to the domain.
type call struct {
	echo     echo.Context
	op       operation
	key      string // consumer key; the instance's primary key
	id       string // of the resource, in lower case; empty for a provisioning
	headers  headers
	resource resource // the body, where it is one
	// Resolved has the zero Instance for an installation, and for the provisioning of a new tenant the Tenant that is asked for.
	tenant.Resolved
	caller caller
}

func (c *call) ctx() context.Context { return c.echo.Request().Context() }

// perform serves op: first what the request says of itself, then what it is about, then who is calling, and only then
// the operation.
func (h *Handler) perform(op operation) echo.HandlerFunc {
	return func(ec echo.Context) error {
		ctx, cancel := context.WithTimeout(ec.Request().Context(), h.cfg.Patience)
		defer cancel()
		ec.SetRequest(ec.Request().WithContext(ctx))
		c, err := h.unpack(ec, op)
		if err != nil {
			return err
		}
		if err = h.serve(c); err != nil && h.later(c, err) {
			return nil
		}
		return err
	}
}

func (h *Handler) serve(c *call) error {
	err := h.load(c)
	if c.op.Verb == http.MethodDelete && failure.Is(err, failure.NotFound) {
		// The platform repeats a removal until it succeeds (aps-protocol.md §1.7).
		return c.echo.NoContent(http.StatusNoContent)
	}
	if err != nil {
		return err
	}
	if err := h.authorize(c.ctx(), c); err != nil {
		return err
	}
	return c.op.handle(h, c)
}

// unpack reads the headers, the path and, where op wants one, the resource of a request.
func (h *Handler) unpack(ec echo.Context, op operation) (*call, error) {
	key, _ := ec.Get(keyName).(string)
	c := &call{echo: ec, op: op, key: key}
	var err error
	if c.headers, err = parseHeaders(ec.Request().Header); err != nil {
		return nil, err
	}
	if op.lifecycle && c.headers.controller == "" {
		return nil, badRequest("the header APS-Controller-URI is missing")
	}
	if op.changes() && c.headers.scheduled {
		return nil, failure.New(failure.ScheduledChange)
	}
	if c.headers.transaction != "" {
		ec.SetRequest(ec.Request().WithContext(transaction.With(c.ctx(), c.headers.transaction)))
	}
	if !op.collection {
		// What is no UUID was never given out by the platform, so nothing has it for an id.
		c.id, _ = canonical(ec.Param("id"))
	}
	if op.resource == noResource {
		return c, nil
	}
	body, err := h.body(c)
	if err != nil {
		return nil, err
	}
	if len(body) == 0 && op.resource == optionalResource {
		return c, nil
	}
	if c.resource, err = parseResource(op.Service, body); err != nil {
		return nil, err
	}
	if !op.collection && c.resource.id != "" && c.resource.id != c.id {
		return nil, badRequest("aps.id differs from the id in the address")
	}
	if op.collection && c.resource.id == "" {
		return nil, badRequest("aps.id is missing")
	}
	return c, nil
}

// body reads the whole body up to the limit.
func (h *Handler) body(c *call) ([]byte, error) {
	r := c.echo.Request()
	if r.ContentLength > h.cfg.BodyLimit {
		return nil, failure.New(failure.BodyTooLarge)
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.echo.Response(), r.Body, h.cfg.BodyLimit))
	if err != nil {
		if refusalOf(err).Code == failure.BodyTooLarge {
			return nil, failure.New(failure.BodyTooLarge)
		}
		return nil, failure.Wrap(err, failure.BadRequest, "reason", "the body could not be read")
	}
	return body, nil
}

// load finds the instance and the tenant that c is about. Those of other instances do not exist.
func (h *Handler) load(c *call) error {
	if c.op.Service == appService && c.op.collection {
		return nil
	}
	missing := h.find(c)
	if c.Instance.Key == "" {
		return missing
	}
	var err error
	if c.Instance, err = h.cfg.Tenants.Seen(c.ctx(), c.Instance, c.headers.instance, c.headers.controller); err != nil {
		return err
	}
	if c.op.collection {
		return h.loadProvisioned(c)
	}
	return missing
}

// find returns why what c is about is not there; the instance may be there all the same.
func (h *Handler) find(c *call) error {
	var err error
	if c.op.Service == tenantService && c.id != "" {
		c.Resolved, err = h.cfg.Tenants.Resolve(c.ctx(), c.key, c.id)
		return err
	}
	if c.Instance, err = h.cfg.Tenants.Instance(c.ctx(), c.key); err != nil {
		return err
	}
	if !c.op.collection && (c.id == "" || c.id != c.Instance.RootID) {
		return failure.New(failure.NotFound)
	}
	return nil
}

// loadProvisioned finds the tenant that a provisioning repeats, or takes the one that it asks for.
func (h *Handler) loadProvisioned(c *call) error {
	asked, err := c.resource.tenant(tenant.Tenant{ID: c.resource.id, InstanceKey: c.key})
	if err != nil {
		return err
	}
	asked.AccountID, asked.SubscriptionID = c.resource.account(), c.resource.subscription()
	if chain := c.headers.hierarchy; asked.AccountID == "" && len(chain) > 0 {
		asked.AccountID = chain[len(chain)-1]
	}
	stored, err := h.cfg.Tenants.Tenant(c.ctx(), c.key, asked.ID)
	if err != nil && !failure.Is(err, failure.NotFound) {
		return err
	}
	if err == nil && stored.AccountID != "" && asked.AccountID != "" && stored.AccountID != asked.AccountID {
		// A tenant is not handed on: its token is its owner's.
		return failure.New(failure.Conflict)
	}
	if asked.AccountID == "" {
		asked.AccountID = stored.AccountID
	}
	c.Tenant = asked
	return nil
}

// acknowledge answers what needs no work of ours: links that come and go, and the removal of a whole collection
// (aps-protocol.md §3.1).
func (h *Handler) acknowledge(service string) echo.HandlerFunc {
	return func(ec echo.Context) error {
		if _, err := parseHeaders(ec.Request().Header); err != nil {
			return err
		}
		if isOperation(service, ec.Param("relation")) {
			return failure.New(failure.MethodNotAllowed)
		}
		return ec.JSON(http.StatusOK, struct{}{})
	}
}

// nothing answers a question for defaults: there are none that the type does not tell.
func (h *Handler) nothing(ec echo.Context) error { return ec.NoContent(http.StatusNoContent) }

// schema returns the type of a service.
func (h *Handler) schema(service string) echo.HandlerFunc {
	return func(ec echo.Context) error {
		text, ok := h.cfg.Schema(service)
		if !ok {
			return failure.New(failure.NotFound)
		}
		return ec.Blob(http.StatusOK, echo.MIMEApplicationJSON, text)
	}
}
