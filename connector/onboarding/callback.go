package onboarding

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
)

// Bounds of what Microsoft may send, in bytes. A code has no published maximum and may have several thousand bytes
// (docs/reference/microsoft-identity.md §2.3).
const (
	maxCode      = 16 << 10
	maxParameter = 2 << 10
	maxBody      = 64 << 10
)

// callback accepts Microsoft's answer. It always redirects to the page with the outcome, so that no code stays in the
// browser's address bar or history.
func (h *Handler) callback(c echo.Context) error {
	values, err := answer(c)
	if c.Request().Method == http.MethodPost {
		// Any site can post a form here, and browsers send no cookie with that. They must not be given other cookies then.
		switch sealed := values.Get("sealed"); {
		case err != nil && !h.knowsBrowser(c):
			return err
		case sealed != "":
			if err := h.ownForm(c); err != nil {
				return err
			}
			values, err = h.openHandover(sealed)
		case !h.knowsBrowser(c):
			return h.renderHandover(c, values)
		}
	}
	var cb consent.Callback
	if err == nil {
		cb, err = parseCallback(values)
	}
	if err != nil {
		return h.conclude(c, "", consent.Outcome{}, err)
	}
	cb.Browser, cb.Locale = h.browser(c), h.locale(c)
	out, err := h.cfg.Consents.Complete(c.Request().Context(), cb)
	if err == nil && out.SignInAgain != "" {
		return c.Redirect(http.StatusSeeOther, out.SignInAgain)
	}
	return h.conclude(c, cb.State, out, err)
}

// conclude stores the outcome in the browser for the page that shows it. A repeated answer, as after the browser's Back
// button, shows the outcome of the first one again.
func (h *Handler) conclude(c echo.Context, state string, out consent.Outcome, err error) error {
	noteFailure(c, err)
	o := newOutcome(c.Request().Context(), out, err, h.cfg.Now())
	o.State = fingerprint(state)
	if failure.Is(err, failure.StateUsed) {
		if first, known := h.outcomeOf(c, o.State); known {
			o = first
		}
	}
	if storeErr := h.storeOutcome(c, o); storeErr != nil {
		return errors.Join(err, storeErr)
	}
	return c.Redirect(http.StatusSeeOther, h.base+"/done")
}

func answer(c echo.Context) (url.Values, error) {
	r := c.Request()
	if r.Method != http.MethodPost {
		values, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return nil, unreadable("it isn't encoded as a form")
		}
		return values, nil
	}
	r.Body = http.MaxBytesReader(c.Response(), r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, failure.New(failure.BodyTooLarge)
		}
		return nil, unreadable("it isn't encoded as a form")
	}
	return r.PostForm, nil
}

// unreadable returns a refusal without the values sent, because one may be a code.
func unreadable(reason string) error { return failure.New(failure.BadRequest, "reason", reason) }

// parseCallback reads Microsoft's answer: a code or an error, never both (docs/reference/microsoft-identity.md §2.3,
// §2.4).
func parseCallback(values url.Values) (consent.Callback, error) {
	for _, name := range []string{"state", "code", "error", "error_subcode", "error_description"} {
		if len(values[name]) > 1 {
			return consent.Callback{}, unreadable("a parameter is repeated")
		}
	}
	state, code, problem := values.Get("state"), values.Get("code"), values.Get("error")
	subCode, description := values.Get("error_subcode"), values.Get("error_description")
	description = description[:min(len(description), maxParameter)] // only its beginning and its IDs are read
	switch {
	case len(state) > maxParameter || len(code) > maxCode || len(problem) > maxParameter || len(subCode) > maxParameter:
		return consent.Callback{}, unreadable("a parameter is too long")
	case state == "":
		return consent.Callback{}, unreadable("the parameter state is missing")
	case code != "" && problem != "":
		return consent.Callback{}, unreadable("it contains both a code and an error")
	case code == "" && problem == "":
		return consent.Callback{}, unreadable("it contains neither a code nor an error")
	}
	return consent.Callback{State: state, Code: secret.New(code), Error: problem, SubCode: subCode, Description: description}, nil
}

type handoverView struct{ Sealed string }

// renderHandover answers a form that Microsoft's page posted across sites (response_mode=form_post). Browsers send no
// cookie with such a post, so the page posts the answer again, this time from our own site.
func (h *Handler) renderHandover(c echo.Context, values url.Values) error {
	if _, err := parseCallback(values); err != nil {
		return err
	}
	plain, err := json.Marshal(values)
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	sealed, err := h.cfg.Seal.Seal(plain, sealTable, "callback", "answer")
	if err != nil {
		return fmt.Errorf("sealing the answer: %w", err)
	}
	allowForms(c, "'self'")
	return h.render(c, http.StatusOK, "handover", "One moment", handoverView{base64.RawURLEncoding.EncodeToString(sealed)})
}

func (h *Handler) openHandover(sealed string) (url.Values, error) {
	ciphertext, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return nil, unreadable("it isn't encoded as a form")
	}
	plain, err := h.cfg.Seal.Open(ciphertext, sealTable, "callback", "answer")
	if err != nil {
		return nil, failure.Wrap(err, failure.StateUnknown)
	}
	var values url.Values
	if err := json.Unmarshal(plain, &values); err != nil {
		return nil, fmt.Errorf("decoding the answer: %w", err)
	}
	return values, nil
}
