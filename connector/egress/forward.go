package egress

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"sync"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/token"
)

const (
	// replayable is the size, in bytes, of the largest body that is kept so that the call can be sent again with another access token.
	replayable = 64 << 10
	// peeked is how much of a refusal is read to learn whether another access token might help.
	peeked = 64 << 10
	// copied is the size of the buffers through which bodies go.
	copied = 32 << 10
)

// forward sends a call and its answer on. What it returns is the reason of a refusal; everything else has been answered.
func (h *Handler) forward(c *call) error {
	if c.r.ContentLength > h.cfg.MaxRequest {
		return failure.New(failure.BodyTooLarge)
	}
	control := http.NewResponseController(c.w)
	c.upload = &upload{body: c.r.Body, control: control, idle: h.cfg.Idle, left: h.cfg.MaxRequest}
	if n := c.r.ContentLength; n > 0 && n <= replayable {
		c.small = make([]byte, n)
		if _, err := io.ReadFull(c.upload, c.small); err != nil {
			return c.upload.refusal(err)
		}
		c.upload.finish()
	}
	ctx, cancel := context.WithCancelCause(c.r.Context())
	defer cancel(nil)
	c.stall = newStall(h.cfg.Timeout, cancel)
	defer c.stall.stop()
	c.upload.stall, c.upload.within = c.stall, h.cfg.Timeout

	r := c.r.WithContext(ctx)
	switch {
	case c.small != nil:
		// The transport may send it again when a connection turns out to be closed.
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(c.small)), nil }
		r.Body, _ = r.GetBody()
	case r.ContentLength != 0:
		// Microsoft may answer before it has the whole body. HTTP/1 servers otherwise read, and lose, a part of it then.
		if err := control.EnableFullDuplex(); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		r.Body = c.upload
	}
	c.r = r
	h.proxy.ServeHTTP(&download{ResponseWriter: c.w, control: control, idle: h.cfg.Idle}, r)
	return nil
}

// rewrite makes the request to Microsoft.
func rewrite(p *httputil.ProxyRequest) {
	c := callOf(p.In.Context())
	hidden(p.Out.Header)
	p.Out.URL, p.Out.Host = c.url, ""
	p.Out.Header.Set("Authorization", "Bearer "+c.loan.AccessToken.Reveal())
}

// A retrier sends a call again, once, when Microsoft wants another access token and the body can be sent again.
type retrier struct {
	http.RoundTripper
	h *Handler
}

// RoundTrip implements http.RoundTripper.
func (t *retrier) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := t.RoundTripper.RoundTrip(r)
	if err != nil || answer.StatusCode != http.StatusUnauthorized {
		return answer, err
	}
	c := callOf(r.Context())
	if r.ContentLength != 0 && c.small == nil || !t.wantsToken(answer) {
		return answer, nil
	}
	loan, ok, err := t.h.replace(c)
	if err != nil || !ok {
		return answer, nil //nolint:nilerr // logged; the answer of Microsoft says what is wrong
	}
	closeBody(answer)
	c.loan = loan
	again := r.Clone(r.Context())
	if c.small != nil {
		again.Body, _ = r.GetBody()
	}
	again.Header.Set("Authorization", "Bearer "+loan.AccessToken.Reveal())
	answer, err = t.RoundTripper.RoundTrip(again)
	if err == nil && answer.StatusCode == http.StatusUnauthorized && t.wantsToken(answer) {
		_, _, _ = t.h.replace(c) // which sees that this one replaced another one, and has the status checked
	}
	return answer, err
}

// wantsToken reports whether a 401 asks for another access token. Its body stays readable.
func (t *retrier) wantsToken(answer *http.Response) bool {
	beginning, err := io.ReadAll(io.LimitReader(answer.Body, peeked))
	rest := io.Reader(answer.Body)
	if err != nil {
		rest = failing{err}
	}
	answer.Body = readCloser{io.MultiReader(bytes.NewReader(beginning), rest), answer.Body}
	return t.h.cfg.Microsoft.WantsToken(answer.Header, beginning)
}

// replace returns another access token for a call than the one that it was sent with.
func (h *Handler) replace(c *call) (loan token.Loan, ok bool, err error) {
	loan, ok, err = h.cfg.Tokens.Replace(c.r.Context(), c.tenant, c.request, c.loan.AccessToken, c.client.Actor())
	if err != nil {
		h.cfg.Log.WarnContext(c.r.Context(), "replacing a refused access token failed",
			"client", c.client.Name, "tenant", c.tenant.Tenant.ID, "api", string(c.target.api), "reference", failure.Reference(c.r.Context()), "err", err)
	}
	return loan, ok, err
}

// answer prepares an answer of Microsoft for the client.
func (h *Handler) answer(answer *http.Response) error {
	c := callOf(answer.Request.Context())
	if answer.ContentLength > h.cfg.MaxAnswer && answer.Request.Method != http.MethodHead {
		return failure.New(failure.MicrosoftAnswer).Advise("The answer is larger than what is forwarded. Ask for less at once, or have the operator raise egress.maxAnswer.")
	}
	withhold(answer.Header)
	withhold(answer.Trailer)                                            // as far as it was announced
	c.w.Header().Set(referenceHeader, failure.Reference(c.r.Context())) // informational answers have removed it
	c.status = answer.StatusCode
	answer.Body = &bounded{ReadCloser: answer.Body, answer: answer, stall: c.stall, within: h.cfg.Idle, left: h.cfg.MaxAnswer}
	return nil
}

// withhold removes what is not for the client from the headers or trailers of an answer.
func withhold(header http.Header) {
	for _, name := range []string{"Authorization", "Set-Cookie", "Set-Cookie2", "Alt-Svc", "Strict-Transport-Security", failureHeader, referenceHeader} {
		header.Del(name)
	}
}

// failed answers a call that could not be sent, or whose answer could not be read.
func (h *Handler) failed(_ http.ResponseWriter, r *http.Request, err error) {
	c := callOf(r.Context())
	switch cause := context.Cause(r.Context()); {
	case c.upload.failed() != nil:
		err = c.upload.refusal(err)
	case errors.Is(cause, errStalled):
		err = unanswered(errors.Join(cause, err))
	case cause != nil: // the client is gone
		panic(http.ErrAbortHandler) // an answer would be taken for Microsoft's
	case failure.From(err).Code == failure.InternalError:
		err = unanswered(err)
	}
	h.refuse(c, err)
}

// unanswered is the failure of a call without an answer of Microsoft. Nobody repeats it, since it may have had its effect.
func unanswered(err error) error {
	return failure.Wrap(err, failure.MicrosoftUnavailable).Advise("Repeat the call later. If it changes something, find out first whether it did.")
}

// errStalled ends a call in which nothing moved for too long.
var errStalled = errors.New("nothing was sent or received for too long")

// A stall ends a call unless something moves. It is safe for concurrent use.
type stall struct {
	mu    sync.Mutex // guards timer
	timer *time.Timer
	ended bool
}

func newStall(d time.Duration, cancel context.CancelCauseFunc) *stall {
	return &stall{timer: time.AfterFunc(d, func() { cancel(errStalled) })}
}

// moved gives the call d more.
func (s *stall) moved(d time.Duration) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.timer.Reset(d)
	}
}

func (s *stall) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.timer.Stop()
}
