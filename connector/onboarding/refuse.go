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
	Code      failure.Code
	Sentence  string
	Advice    string
	Account   string // that was used
	Microsoft string // its code
	Reference string

	// What the visitor can do: addresses to post to for a sign-in, with the same or with another account, or to open again.
	SignIn, Another, Reload string
	AnotherFirst            bool
	Over                    bool   // only the panel can start another attempt
	Earlier                 string // address of the page of the accepted consent before
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
	v := h.failureView(c, r)
	if link := c.Param("link"); linkForm.MatchString(link) && mayPass(r) {
		v.Reload = "?" // the same address, which the page does not repeat
	}
	if err := h.renderFailure(c, r, heading(r.Code), v); err != nil {
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
		return "This link can't be used"
	case failure.NotFound:
		return "Page not found"
	case failure.TooManyRequests:
		return "One moment, please"
	case failure.InternalError:
		return "Something went wrong"
	}
	return "That didn't work"
}

// mayPass reports whether the same request may succeed a little later.
func mayPass(r *failure.Record) bool {
	f := r.Error()
	return f.Retryable() || f.Kind() == failure.Internal || f.Code == failure.Conflict
}

// renderSignInFailure shows why a sign-in failed, with the buttons for another attempt where the consent is not over.
func (h *Handler) renderSignInFailure(c echo.Context, o outcome) error {
	v := h.failureView(c, o.Failure)
	v.Over = !linkForm.MatchString(o.Link)
	if !v.Over {
		allowForms(c, h.continueTo)
		v.SignIn = h.consentPath(o.Link)
		switch o.Failure.Error().Kind() {
		case failure.Configuration, failure.Internal: // no account changes that
		default:
			v.Another = v.SignIn + "?" + accountParameter + "=" + anotherAccount
			v.AnotherFirst = needsAnotherAccount(o.Failure.Code)
		}
	}
	if _, ok := h.accepted(c); ok {
		v.Earlier = "?" + consentParameter
	}
	return h.renderFailure(c, o.Failure, "The consent wasn't completed", v)
}

// needsAnotherAccount reports whether a sign-in with the same account fails again.
func needsAnotherAccount(code failure.Code) bool {
	switch code {
	case failure.WrongDirectory, failure.GuestAccount, failure.PersonalAccount, failure.RoleMissing, failure.NotAPartner, failure.ApprovalNeeded,
		failure.ApprovalRequested, failure.AccountDisabled, failure.AccountOutside, failure.AccountAtRisk, failure.AccessBlocked, failure.AccountMismatch:
		return true
	}
	return false
}

func (h *Handler) renderFailure(c echo.Context, r *failure.Record, title string, v failureView) error {
	return h.render(c, r.Error().Status(), "failure", title, v)
}

// failureView returns a failure in the language of the page.
func (h *Handler) failureView(c echo.Context, r *failure.Record) failureView {
	sentence, advice := r.Code.Template()
	lang := h.language(c)
	advice = h.languages.text(lang, advice)
	switch r.Code {
	case failure.MicrosoftUnavailable, failure.MicrosoftThrottled, failure.MicrosoftAnswer:
		// Renewals are retried automatically, sign-ins are not.
		advice = h.languages.text(lang, "Nothing was changed. Start again in a few minutes.")
	}
	params := make(map[string]string, len(r.Params))
	for name, value := range r.Params {
		params[name] = h.languages.text(lang, value) // reasons and roles have translations too
	}
	v := failureView{
		Code: r.Code, Account: r.Params["username"],
		Sentence:  failure.Fill(h.languages.text(lang, sentence), params),
		Advice:    failure.Fill(advice, params),
		Reference: r.Reference,
	}
	if r.Microsoft != nil {
		v.Microsoft = r.Microsoft.Code
	}
	return v
}
