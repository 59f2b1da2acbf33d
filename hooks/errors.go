package hooks

import (
	"context"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"azure-partner-connector/connector/failure"
)

// errorView is the body of every refusal (docs/reference/aps-protocol.md §1.6).
type errorView struct {
	Code    int         `json:"code"`
	Error   string      `json:"error"`
	Message string      `json:"message"`
	Details failureView `json:"details"`
}

// answer is the only place that turns an error into an answer. An unknown error shows only its reference; observe logs
// it with the same reference.
func (h *Handler) answer(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	f := refusalOf(err)
	if !f.Retryable() && f.Kind() != failure.Internal {
		// The same request would be refused again (docs/reference/aps-protocol.md §1.2).
		c.Response().Header().Set("APS-Transient-Error", "False")
	}
	if f.RetryAfter > 0 {
		c.Response().Header().Set(echo.HeaderRetryAfter, strconv.Itoa(int(math.Ceil(f.RetryAfter.Seconds()))))
	} else if f.Status() == http.StatusServiceUnavailable {
		c.Response().Header().Set(echo.HeaderRetryAfter, strconv.Itoa(retryAfter))
	}
	if f.Status() == http.StatusUnauthorized {
		c.Response().Header().Set(echo.HeaderWWWAuthenticate, "OAuth")
	}
	if c.Request().Method == http.MethodHead {
		err = c.NoContent(f.Status())
	} else {
		err = c.JSON(f.Status(), errorView{
			Code: f.Status(), Error: "AzurePartner::" + camel(string(f.Code)), Message: f.Sentence(),
			Details: viewFailure(failure.NewRecord(c.Request().Context(), f)),
		})
	}
	if err != nil {
		h.log(c.Request().Context()).WarnContext(c.Request().Context(), "sending an answer failed", "err", err)
	}
}

// refusalOf translates errors of the router and of the body limit into failures.
func refusalOf(err error) *failure.Error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return failure.Wrap(err, failure.BodyTooLarge)
	}
	routed, ok := errors.AsType[*echo.HTTPError](err)
	if !ok {
		f := failure.From(err)
		if f.Code == failure.InternalError && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) {
			return failure.Wrap(err, failure.StillRunning) // a slow database, or a caller that is gone: retrying helps
		}
		return f
	}
	switch routed.Code {
	case http.StatusNotFound:
		return failure.Wrap(err, failure.NotFound)
	case http.StatusMethodNotAllowed:
		return failure.Wrap(err, failure.MethodNotAllowed)
	}
	return failure.Wrap(err, failure.InternalError)
}

// camel turns wrong_directory into WrongDirectory.
func camel(code string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(code, "_") {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}
