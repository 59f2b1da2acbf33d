package egress

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/client"
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

const (
	// referenceHeader carries the reference under which the log records the call.
	referenceHeader = "X-Reference"
	// failureHeader has the code of a refusal of ours. No answer of Microsoft has it.
	failureHeader = "X-Connector-Failure"
	// traceHeader is how callers of chaperone name a call.
	traceHeader = "Connect-Request-Id"
)

// A call is one request with what has become known about it.
type call struct {
	w      http.ResponseWriter
	r      *http.Request
	client client.Client // zero until its key was recognised
	target target
	tenant tenant.Resolved
	loan   token.Loan

	url     *url.URL // of Microsoft
	request token.LoanRequest
	upload  *upload
	small   []byte // the whole body, if it is small enough to be sent again
	stall   *stall // ends the call when nothing moves

	status   int   // of Microsoft's answer
	err      error // why it was refused, or ended early
	recorded bool  // the token service has recorded why it was refused
}

type callKey struct{}

func callOf(ctx context.Context) *call { return ctx.Value(callKey{}).(*call) }

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := h.cfg.Now()
	ctx := failure.WithReference(r.Context(), random.Reference())
	ctx = audit.WithClient(ctx, h.peers.Of(r).String())
	c := &call{w: w}
	c.r = r.WithContext(context.WithValue(ctx, callKey{}, c))
	w.Header().Set(referenceHeader, failure.Reference(ctx))
	defer func() { // also when the proxy aborts the answer
		if p := recover(); p != nil {
			cause, ok := p.(error)
			if !ok || !errors.Is(cause, http.ErrAbortHandler) {
				cause = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
			h.finish(c, errors.Join(cause, c.err), began)
			panic(http.ErrAbortHandler)
		}
		h.finish(c, c.err, began)
	}()
	if err := h.serve(c); err != nil {
		if errors.Is(err, context.Canceled) && ctx.Err() != nil { // the client is gone
			c.err = err
			panic(http.ErrAbortHandler)
		}
		h.refuse(c, err)
	}
}

// serve checks a call and forwards it. What it returns is the reason of a refusal.
func (h *Handler) serve(c *call) error {
	if !h.peers.Secure(c.r) {
		return failure.New(failure.TransportInsecure)
	}
	if err := h.authenticate(c); err != nil {
		return err
	}
	if err := checkRequest(c.r); err != nil {
		return err
	}
	var err error
	if c.target, err = h.targetOf(c); err != nil {
		return err
	}
	if !c.client.May(client.Forward) || !c.client.HasTenant(c.target.tenant) {
		return failure.New(failure.ClientNotAllowed)
	}
	if c.tenant, err = h.cfg.Tenants.FindRecent(c.r.Context(), c.target.tenant); err != nil {
		return err
	}
	if err := h.resolve(c); err != nil {
		return err
	}
	if !c.client.MayForward(string(c.target.api), c.r.Method, c.target.segments) {
		return failure.New(failure.ClientNotAllowed)
	}
	if err := h.borrow(c); err != nil {
		return err
	}
	return h.forward(c)
}

// authenticate recognises the client by its key, which it sends as a bearer token, or without one by the certificate of its
// connection.
func (h *Handler) authenticate(c *call) (err error) {
	value, sent, err := once.Header(c.r.Header, "Authorization")
	if err != nil {
		return err
	}
	if !sent {
		c.client, err = h.cfg.Clients.AuthenticateCertificate(c.r.Context(), peer.Certificates(c.r), h.cfg.Authorities)
		return err
	}
	scheme, key, _ := strings.Cut(value, " ")
	if key = strings.TrimSpace(key); !strings.EqualFold(scheme, "Bearer") || key == "" {
		return failure.New(failure.KeyUnknown)
	}
	c.client, err = h.cfg.Clients.Authenticate(c.r.Context(), secret.New(key))
	return err
}

// checkRequest refuses what is no call that could be forwarded.
func checkRequest(r *http.Request) error {
	switch {
	case r.Method == http.MethodConnect, r.Method == http.MethodTrace:
		return badRequest("the method cannot be forwarded")
	case len(r.Header.Values("Upgrade")) > 0, strings.Contains(strings.ToLower(strings.Join(r.Header.Values("Connection"), ",")), "upgrade"):
		return badRequest("a connection cannot be upgraded")
	case !strings.HasPrefix(r.RequestURI, "/"):
		return badRequest("the request is not for a path of this service")
	}
	return nil
}

// borrow obtains the access token of a call. The event is stored, or counted, before.
func (h *Handler) borrow(c *call) error {
	borrower := c.client.Borrower()
	details := map[string]string{"method": c.r.Method}
	if h.cfg.Each {
		details["path"] = "/" + strings.Join(c.target.segments, "/")
	}
	c.request = token.LoanRequest{API: c.target.api, Directory: c.target.directory, Borrower: &borrower, Call: details, PerMinute: !h.cfg.Each}
	var err error
	c.loan, err = h.cfg.Tokens.Lend(c.r.Context(), c.tenant, c.request, c.client.Actor())
	c.recorded = err != nil
	return err
}

func badRequest(reason string) error { return failure.New(failure.BadRequest, "reason", reason) }

// A refusal is the body of a refusal. Clients of Graph and of Azure Resource Manager read code and message.
type refusal struct {
	Error failure.View `json:"error"`
}

// refuse answers with a refusal of ours.
func (h *Handler) refuse(c *call, err error) {
	c.err = err
	f := failure.From(err).Unretried() // a call is repeated by its caller
	header := c.w.Header()
	header.Set(referenceHeader, failure.Reference(c.r.Context()))
	header.Set(failureHeader, string(f.Code))
	header.Set("Cache-Control", "no-store")
	header.Set("Content-Type", "application/json")
	header.Set("X-Content-Type-Options", "nosniff")
	if f.Retryable() {
		header.Set("Retry-After", strconv.Itoa(f.RetrySeconds()))
	}
	if f.Status() == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", `Bearer realm="egress"`)
	}
	if c.r.ContentLength != 0 {
		// The server reads what is left of the body, also of a caller that sends none.
		_ = http.NewResponseController(c.w).SetReadDeadline(time.Now().Add(h.cfg.Idle))
	}
	c.w.WriteHeader(f.Status())
	if c.r.Method == http.MethodHead {
		return
	}
	if err := json.NewEncoder(c.w).Encode(refusal{failure.NewRecord(c.r.Context(), f).View()}); err != nil {
		h.cfg.Log.DebugContext(c.r.Context(), "sending a refusal failed", "err", err)
	}
}

// finish counts and logs how a call ended.
func (h *Handler) finish(c *call, err error, began time.Time) {
	took := h.cfg.Now().Sub(began)
	result := audit.OK
	if err != nil {
		f := failure.From(err)
		result = string(f.Code)
		if errors.Is(err, http.ErrAbortHandler) {
			result = aborted
		}
		h.record(c, f)
	}
	h.cfg.Observe(Call{c.client.Name, string(c.target.api), c.status, result, took})
	h.log(c, err, took)
}

// aborted is the result of a call whose answer ended early.
const aborted = "aborted"

// record counts the refusal of a known client, unless the token service has recorded it.
func (h *Handler) record(c *call, f *failure.Error) {
	if c.client.Name == "" || c.recorded || f.Kind() != "" && f.Code != failure.Integrity {
		return
	}
	details := map[string]string{"protocol": "egress", "method": length.Shorten(c.r.Method, length.Code)}
	for name, value := range map[string]string{"tenant": c.target.tenant, "api": string(c.target.api), "reason": f.Params["reason"]} {
		if value != "" {
			details[name] = value
		}
	}
	if err := h.cfg.Clients.Refused(context.WithoutCancel(c.r.Context()), c.client, f, details); err != nil {
		h.cfg.Log.ErrorContext(c.r.Context(), "recording a refusal failed", "client", c.client.Name, "reference", failure.Reference(c.r.Context()), "err", err)
	}
}

// log writes the record of a call. It never holds a key, a path, a query, a header or a body, except for the name that the caller
// gave the call.
func (h *Handler) log(c *call, err error, took time.Duration) {
	ctx := c.r.Context()
	level := slog.LevelDebug
	attrs := []slog.Attr{
		slog.String("method", length.Shorten(c.r.Method, length.Code)), slog.String("api", string(c.target.api)), slog.Int("status", c.status),
		slog.Duration("dur", took), slog.String("reference", failure.Reference(ctx)),
	}
	if name := c.r.Header.Get(traceHeader); name != "" {
		attrs = append(attrs, slog.String("trace", length.Shorten(name, length.ID)))
	}
	trace.Describe(ctx, "egress", trace.String("connector.api", string(c.target.api)), trace.String("connector.tenant", c.tenant.Tenant.ID),
		trace.String("connector.client", c.client.Name), trace.String("connector.reference", failure.Reference(ctx)))
	if err != nil {
		level = slog.LevelWarn
		if failure.From(err).Kind() == failure.Internal && !errors.Is(err, http.ErrAbortHandler) {
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
		attrs = append(attrs, slog.String("address", h.peers.Of(c.r).String()), slog.Int("skipped", skipped))
	}
	h.cfg.Log.LogAttrs(ctx, level, "egress answered", attrs...)
}
