package hooks

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/platform/transaction"
	"azure-partner-connector/connector/tenant"
)

// A call is one request with everything that its operation needs.
type call struct {
	echo     echo.Context
	op       operation
	key      string // consumer key; the instance's primary key
	id       string // of the resource, in lower case; empty for a provisioning
	headers  headers
	resource resource // the body, if the operation has one
	// Resolved has the zero Instance for an installation. For a provisioning, its Tenant is the requested one.
	tenant.Resolved
	linked   string        // the resource that the request links or unlinks; may be empty when it unlinks
	repeated bool          // what is to be created exists already
	stored   tenant.Tenant // the one that exists, of a repeated provisioning
	caller   caller
	verdict  Verdict
}

func (c *call) ctx() context.Context { return c.echo.Request().Context() }

// perform serves op: it reads the request, loads its subject, authorizes the caller, and then calls the operation.
func (h *Handler) perform(op operation) echo.HandlerFunc {
	return func(ec echo.Context) error {
		c, err := h.unpack(ec, op)
		if err != nil {
			return err
		}
		if err = h.serve(c); err != nil && h.retryLater(c, err) {
			return nil
		}
		return err
	}
}

func (h *Handler) serve(c *call) error {
	err := h.load(c)
	if c.op.Verb == http.MethodDelete && failure.Is(err, failure.NotFound) {
		// The platform repeats a removal until it succeeds (docs/reference/aps-protocol.md §1.7).
		return c.echo.NoContent(http.StatusNoContent)
	}
	if err != nil {
		return err
	}
	if !c.knows(c.op.Service + "." + c.op.Name) {
		return failure.New(failure.NotFound) // as a connector of the instance's package answers
	}
	if c.op.relies() && c.Intact() != nil {
		return c.Intact()
	}
	if err := h.authorize(c.ctx(), c); err != nil {
		return err
	}
	if c.caller.unproven(c) {
		return c.Intact()
	}
	if err := c.checkRoot(); err != nil {
		return err
	}
	if err := h.relink(c); err != nil {
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
		// The platform only assigns UUIDs: anything else stays empty and is not found.
		c.id, _ = canonical(ec.Param("id"))
	}
	if op.link != "" {
		return c, h.unpackLink(c)
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
	if op.collection {
		noteTenant(ec, c.resource.id) // the requested one
	}
	if op.collection && c.resource.typeID == "" {
		return nil, badRequest("aps.type is missing")
	}
	return c, nil
}

// body reads the whole body, up to the configured limit.
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

// parameters reads the JSON object in the body of an operation. Errors don't repeat what was sent: it may be a code.
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

// load loads the instance and the tenant of c. A resource of another instance is not found.
func (h *Handler) load(c *call) error {
	missing := h.loadSubject(c)
	if c.Instance.Key == "" {
		if c.op.Service == appService && c.op.collection && failure.Is(missing, failure.NotFound) {
			return nil // the first installation
		}
		return missing
	}
	var err error
	if c.Instance, err = h.cfg.Tenants.NoteController(c.ctx(), c.Instance, c.headers.controller); err != nil {
		return err
	}
	switch {
	case !c.op.collection:
		if missing == nil && c.Tenant.ID != "" {
			c.Tenant, missing = h.recognized(c, c.Tenant)
		}
		return missing
	case c.op.Service == appService:
		c.repeated = c.Instance.RootID == c.resource.id
		return nil
	}
	return h.loadProvisioned(c)
}

// loadSubject returns an error when the subject of c doesn't exist; the instance may be loaded nevertheless.
func (h *Handler) loadSubject(c *call) error {
	var err error
	if c.op.Service == tenantService && c.id != "" {
		if ahead := c.readAhead(); ahead.snapshot != nil {
			c.Resolved = ahead.resolved
			return nil
		}
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

// loadProvisioned takes the requested tenant of a provisioning, which may be a repeated one.
func (h *Handler) loadProvisioned(c *call) error {
	stored, err := h.cfg.Tenants.Tenant(c.ctx(), c.key, c.resource.id)
	if err != nil && !failure.Is(err, failure.NotFound) {
		return err
	}
	if c.repeated = err == nil; c.repeated {
		if stored, err = h.recognized(c, stored); err != nil {
			return err
		}
	}
	requested, err := c.resource.tenant(tenant.Tenant{
		ID: c.resource.id, InstanceKey: c.key, Directory: stored.Directory, Application: stored.Application.WithoutValues(), // what is not sent stays
	}, false)
	if err != nil {
		return err
	}
	// Until relink, a tenant belongs to its owner, whatever account the body names.
	requested.AccountID, requested.SubscriptionID = stored.AccountID, c.resource.subscription()
	if requested.AccountID == "" {
		requested.AccountID = c.resource.account()
	}
	if chain := c.headers.hierarchy; requested.AccountID == "" && len(chain) > 0 {
		requested.AccountID = chain[len(chain)-1]
	}
	requested.Altered = stored.Altered
	c.Tenant, c.stored = requested, stored
	return nil
}

// acknowledge answers the removal of a whole collection, which needs no work (docs/reference/aps-protocol.md §3.1).
func (h *Handler) acknowledge(ec echo.Context) error {
	if _, err := parseHeaders(ec.Request().Header); err != nil {
		return err
	}
	return ec.JSON(http.StatusOK, struct{}{})
}

// linked answers reads of links, and changes of the links between the instance and accounts, which the platform needs for its
// events: they need no work (docs/reference/aps-protocol.md §3.1). For an unknown resource or relation, and for a change that
// is no operation, it says so, which the platform takes for "not supported".
func (h *Handler) linked(service string) echo.HandlerFunc {
	return func(ec echo.Context) error {
		if _, err := parseHeaders(ec.Request().Header); err != nil {
			return err
		}
		related := slices.Contains(relations[service], ec.Param("relation"))
		if !related && isOperation(service, ec.Param("relation")) {
			return failure.New(failure.MethodNotAllowed)
		}
		if !related {
			return failure.New(failure.NotFound)
		}
		c := &call{echo: ec, op: operation{Operation: Operation{Service: service}}}
		c.key, _ = ec.Get(keyName).(string)
		c.id, _ = canonical(ec.Param("id"))
		if err := h.loadSubject(c); err != nil {
			return err
		}
		if service == tenantService && ec.Request().Method != http.MethodGet {
			return failure.New(failure.MethodNotAllowed)
		}
		return ec.JSON(http.StatusOK, struct{}{})
	}
}

// noDefaults answers a request for the defaults of a new resource: the type declares them all.
func (h *Handler) noDefaults(ec echo.Context) error { return ec.NoContent(http.StatusNoContent) }

// schema returns the type of a service in the package that the instance is at.
func (h *Handler) schema(service string) echo.HandlerFunc {
	return func(ec echo.Context) error {
		key, _ := ec.Get(keyName).(string)
		in, err := h.cfg.Tenants.Instance(ec.Request().Context(), key)
		if failure.Is(err, failure.NotFound) {
			in, err = tenant.Instance{PackageVersion: h.cfg.PackageVersion}, nil
		}
		if err != nil {
			return err
		}
		text, ok := h.cfg.Schema(service, in.PackageMajor())
		if !ok {
			return failure.New(failure.NotFound)
		}
		return ec.Blob(http.StatusOK, echo.MIMEApplicationJSON, text)
	}
}
