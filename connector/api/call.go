package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"

	"github.com/labstack/echo/v4"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/client"
	"azure-partner-connector/connector/detached"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/length"
	"azure-partner-connector/connector/once"
	"azure-partner-connector/connector/peer"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/connector/trace"
)

// referenceHeader carries the reference under which the log records the request.
const referenceHeader = "X-Reference"

// A call is one request with what has become known about it.
type call struct {
	echo.Context
	route    route
	client   client.Client // zero until its key was recognised
	tenantID string        // as requested
	api      token.API     // of a lending
	recorded bool          // the token service records how this ends
}

func (c *call) ctx() context.Context { return c.Request().Context() }

// serve serves a route: it checks the transport, calls the handler, answers its error in the form of the protocol, and observes.
func (h *Handler) serve(r route) echo.HandlerFunc {
	return func(ec echo.Context) error {
		began := h.cfg.Now()
		ctx := failure.WithReference(ec.Request().Context(), random.Reference())
		ctx = audit.WithClient(ctx, h.peers.Of(ec.Request()).String())
		ctx, cancel := context.WithTimeout(ctx, h.cfg.Timeout)
		defer cancel()
		ec.SetRequest(ec.Request().WithContext(ctx))
		header := ec.Response().Header()
		header.Set(referenceHeader, failure.Reference(ctx))
		header.Set(echo.HeaderCacheControl, "no-store")
		header.Set("Pragma", "no-cache") // RFC 6749 §5.1
		header.Set(echo.HeaderXContentTypeOptions, "nosniff")

		c := &call{Context: ec, route: r}
		err := h.recovered(c)
		result := audit.OK
		if err != nil {
			f := refusalOf(err)
			result = string(f.Code)
			h.record(c, f)
			if !ec.Response().Committed {
				if sendErr := r.protocol.refuse(h, c, f, err); sendErr != nil {
					err = errors.Join(err, sendErr)
				}
			}
		}
		h.cfg.Observe(Request{r.protocol.name, c.client.Name, string(c.api), result})
		h.log(c, err, slog.Duration("dur", h.cfg.Now().Sub(began)))
		return nil
	}
}

// recovered calls the handler and turns a panic into an error.
func (h *Handler) recovered(c *call) (err error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if cause, ok := p.(error); ok && errors.Is(cause, http.ErrAbortHandler) {
			panic(p)
		}
		err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
	}()
	if !h.peers.Secure(c.Request()) {
		return failure.New(failure.TransportInsecure)
	}
	for _, name := range single() {
		if _, _, err := once.Header(c.Request().Header, name); err != nil {
			return err
		}
	}
	return c.route.handle(h, c)
}

// single returns the headers that say who asks, and how to read what is asked for. All protocols refuse one that is repeated or empty.
func single() []string {
	return []string{echo.HeaderAuthorization, identityHeader, metadataHeader, echo.HeaderContentType}
}

// record counts the refusal of a known client, unless the token service has recorded it.
func (h *Handler) record(c *call, f *failure.Error) {
	if c.client.Name == "" || c.recorded || f.Kind() != "" && f.Code != failure.Integrity {
		return
	}
	details := map[string]string{"protocol": c.route.protocol.name}
	if c.tenantID != "" {
		details["tenant"] = length.Shorten(c.tenantID, length.ID)
	}
	if c.api != "" {
		details["api"] = string(c.api)
	}
	if reason := f.Params["reason"]; reason != "" {
		details["reason"] = reason
	}
	if err := h.cfg.Clients.Refused(context.WithoutCancel(c.ctx()), c.client, f, details); err != nil {
		h.cfg.Log.ErrorContext(c.ctx(), "recording a refusal failed", "client", c.client.Name, "reference", failure.Reference(c.ctx()), "err", err)
	}
}

// log writes the record of a request. It never holds a key, a query, a header or a body.
func (h *Handler) log(c *call, err error, more slog.Attr) {
	attrs := []slog.Attr{
		slog.String("method", c.route.method), slog.String("route", c.route.path), slog.Int("status", c.Response().Status),
		more, slog.String("reference", failure.Reference(c.ctx())),
	}
	tenantID, _ := random.ParseID(c.tenantID)
	trace.Describe(c.ctx(), c.route.method+" "+c.route.path, trace.String("http.request.method", c.route.method), trace.String("http.route", c.route.path),
		trace.String("connector.api", string(c.api)), trace.String("connector.tenant", tenantID), trace.String("connector.client", c.client.Name),
		trace.String("connector.reference", failure.Reference(c.ctx())))
	level := slog.LevelInfo
	if err != nil {
		level = slog.LevelWarn
		if refusalOf(err).Kind() == failure.Internal {
			level = slog.LevelError
		}
		attrs = append(attrs, slog.String("err", err.Error()))
	}
	if c.client.Name != "" {
		attrs = append(attrs, slog.String("client", c.client.Name))
	} else if err != nil && level < slog.LevelError {
		ok, skipped := h.unknown.Allow()
		if !ok {
			return
		}
		attrs = append(attrs, slog.String("address", h.peers.Of(c.Request()).String()), slog.Int("skipped", skipped))
	}
	h.cfg.Log.LogAttrs(c.ctx(), level, "token API answered", attrs...)
}

// authenticate recognises the client of c by its key, or without one by the certificate of its connection.
func (h *Handler) authenticate(c *call, key secret.Text) error {
	var err error
	if key.Empty() {
		c.client, err = h.cfg.Clients.AuthenticateCertificate(c.ctx(), peer.Certificates(c.Request()), h.cfg.Authorities)
		return err
	}
	c.client, err = h.cfg.Clients.Authenticate(c.ctx(), key)
	return err
}

// readQuery returns the parameters of the address. It refuses those that cannot be read, which the standard library leaves out:
// without the parameter that is lost, the request would mean something else.
func (c *call) readQuery() (url.Values, error) {
	query, err := url.ParseQuery(c.Request().URL.RawQuery)
	if err != nil {
		return nil, badRequest("the query of the address is not well encoded") // the error quotes it
	}
	for _, values := range query {
		if len(values) > 1 {
			return nil, badRequest("a parameter is repeated")
		}
	}
	return query, nil
}

// allowed refuses what is not among the operations of the client.
func (c *call) allowed(op client.Operation) error {
	if !c.client.May(op) {
		return failure.New(failure.ClientNotAllowed)
	}
	return nil
}

// tenant returns the tenant of the path, or without one the only tenant of the client. A client that is limited to some tenants
// does not learn which others exist.
func (h *Handler) tenant(c *call) (tenant.Resolved, error) { return h.tenantBy(c, h.cfg.Tenants.Find) }

// tenantBy is tenant as find reads it.
func (h *Handler) tenantBy(c *call, find func(context.Context, string) (tenant.Resolved, error)) (tenant.Resolved, error) {
	c.tenantID = c.Param("tenant")
	if c.tenantID == "" {
		only, ok := c.client.OnlyTenant()
		if !ok {
			return tenant.Resolved{}, badRequest("the address names no tenant, and the client has not exactly one")
		}
		c.tenantID = only
	}
	id, ok := random.ParseID(c.tenantID)
	if !ok {
		id = ""
	}
	if !c.client.HasTenant(id) {
		return tenant.Resolved{}, failure.New(failure.ClientNotAllowed)
	}
	if id == "" {
		return tenant.Resolved{}, failure.New(failure.NotFound)
	}
	return find(c.ctx(), id)
}

// lend returns an access token for what names an api, in a directory of the tenant of c. What is named twice must be the same api. It
// is the one way by which all protocols lend.
func (h *Handler) lend(c *call, directory, resource string, again ...string) (token.Loan, error) {
	if err := c.allowed(client.Lend); err != nil {
		return token.Loan{}, err
	}
	r, err := h.tenantBy(c, h.cfg.Tenants.FindRecent)
	if err != nil {
		return token.Loan{}, err
	}
	api, ok := h.apiOf(r, resource)
	if !ok {
		return token.Loan{}, errUnknownResource
	}
	for _, other := range again {
		if named, ok := h.apiOf(r, other); other != "" && (!ok || named != api) {
			return token.Loan{}, errTwoResources
		}
	}
	c.api = api
	if directory == tenant.PartnerDirectory {
		directory = ""
	}
	c.recorded = true
	borrower := c.client.Borrower()
	request := token.LoanRequest{API: api, Directory: directory, Borrower: &borrower, PerMinute: h.cfg.PerMinute}
	if loan, ok, err := h.cfg.Tokens.LendCached(c.ctx(), r, request, c.client.Actor()); ok {
		return loan, err
	}
	return h.lendDetached(c, r, request)
}

// lendDetached lends by work that outlives the request, because it may ask Microsoft. It is a function of its own so that what is
// lent from memory leaves nothing on the heap for it.
func (h *Handler) lendDetached(c *call, r tenant.Resolved, request token.LoanRequest) (token.Loan, error) {
	return detached.Run(c.ctx(), &h.detached, func(ctx context.Context) (token.Loan, error) {
		return h.cfg.Tokens.Lend(ctx, r, request, c.client.Actor())
	})
}

// apiOf returns the api with a name of ours or with a resource URI of Microsoft's.
func (h *Handler) apiOf(r tenant.Resolved, resource string) (token.API, bool) {
	if r.Instance.Deployment.HasAPI(resource) {
		return token.API(resource), true
	}
	return h.cfg.Resources.APIOf(r.Client(), resource)
}

func badRequest(reason string) error { return failure.New(failure.BadRequest, "reason", reason) }

// errUnknownResource is the refusal of what names no api.
var errUnknownResource = badRequest("the resource is none of the apis: partnercenter, graph, arm, or their resource URIs")

// errTwoResources is the refusal of what names something else than one api.
var errTwoResources = badRequest("resource is not that of scope; request one access token for each")

// refusalOf translates errors into failures.
func refusalOf(err error) *failure.Error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return failure.Wrap(err, failure.BodyTooLarge)
	}
	f := failure.From(err)
	if f.Code == failure.InternalError && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) {
		return failure.Wrap(err, failure.StillRunning)
	}
	return f
}

// refuseUnrouted answers errors of the router, in the form of REST.
func (h *Handler) refuseUnrouted(err error, ec echo.Context) {
	f := failure.From(err)
	if routed, ok := errors.AsType[*echo.HTTPError](err); ok {
		switch routed.Code {
		case http.StatusNotFound:
			f = failure.Wrap(err, failure.NotFound)
		case http.StatusMethodNotAllowed:
			f = failure.Wrap(err, failure.MethodNotAllowed)
		}
	}
	if ec.Response().Committed {
		return
	}
	c := &call{Context: ec, route: route{protocol: protocolOf(h.path, ec.Request().URL.Path)}}
	if err := c.route.protocol.refuse(h, c, f, err); err != nil {
		h.cfg.Log.WarnContext(c.ctx(), "sending an answer failed", "err", err)
	}
}
