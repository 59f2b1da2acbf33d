package onboarding

import (
	"errors"
	"math"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"azure-partner-connector/connector/failure"
)

type failureView struct {
	Sentence  string
	Advice    string
	Microsoft string // its code
	Reference string
}

// refuse is the only place that turns an error into a page. An unknown error shows only its reference.
func (h *Handler) refuse(err error, c echo.Context) {
	if c.Response().Committed {
		noteFailure(c, err)
		return
	}
	err = routingFailure(err)
	noteFailure(c, err)
	if wait := failure.From(err).RetryAfter; wait > 0 {
		c.Response().Header().Set(echo.HeaderRetryAfter, strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	}
	r := failure.NewRecord(c.Request().Context(), err)
	if err := h.renderFailure(c, r, heading(r.Code)); err != nil {
		noteFailure(c, err)
	}
}

// routingFailure translates echo's errors about addresses and methods into failures.
func routingFailure(err error) error {
	httpErr, ok := errors.AsType[*echo.HTTPError](err)
	switch {
	case !ok:
		return err
	case httpErr.Code == http.StatusNotFound:
		return failure.Wrap(err, failure.NotFound)
	case httpErr.Code == http.StatusMethodNotAllowed:
		return failure.Wrap(err, failure.MethodNotAllowed)
	}
	return err
}

// heading returns the title of the page for a failure that ended a request.
func heading(code failure.Code) string {
	switch code {
	case failure.LinkUnknown, failure.LinkExpired:
		return "This link cannot be used"
	case failure.NotFound:
		return "Page not found"
	case failure.TooManyRequests:
		return "One moment, please"
	case failure.InternalError:
		return "Something went wrong"
	}
	return "This did not work"
}

func (h *Handler) renderFailure(c echo.Context, r *failure.Record, title string) error {
	sentence, advice := r.Code.Template()
	lang := h.language(c)
	advice = h.languages.text(lang, advice)
	switch r.Code {
	case failure.MicrosoftUnavailable, failure.MicrosoftThrottled, failure.MicrosoftAnswer:
		// Renewals are retried automatically, sign-ins are not.
		advice = h.languages.text(lang, "Nothing was changed. Start again in some minutes.")
	}
	params := make(map[string]string, len(r.Params))
	for name, value := range r.Params {
		params[name] = h.languages.text(lang, value) // reasons and roles have translations too
	}
	view := failureView{
		Sentence:  failure.Fill(h.languages.text(lang, sentence), params),
		Advice:    failure.Fill(advice, params),
		Reference: r.Reference,
	}
	if r.Microsoft != nil {
		view.Microsoft = r.Microsoft.Code
	}
	return h.render(c, r.Error().Status(), "failure", title, view)
}
