package onboarding

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/token"
)

// sealTable separates what this package seals from the tables of the store.
const sealTable = "onboarding"

// outcomeTTL is how long a browser can show the outcome of its last consent.
const outcomeTTL = time.Hour

// maxShown bounds one text in the cookie, in characters; browsers accept 4096 bytes for the whole cookie.
const maxShown = 200

// An outcome is how one consent ended, as the browser stores it.
type outcome struct {
	State          string          `json:"state"` // fingerprint of the state parameter
	ConsentID      string          `json:"consentId,omitempty"`
	Procedure      token.Procedure `json:"procedure,omitempty"`
	Waiting        bool            `json:"waiting,omitempty"` // for confirmation
	ClaimCode      string          `json:"claimCode,omitempty"`
	Replaced       bool            `json:"replaced,omitempty"` // the claim code replaces another one
	ClaimExpiresAt time.Time       `json:"claimExpiresAt,omitzero"`
	Username       string          `json:"username,omitempty"`
	Tenant         string          `json:"tenant,omitempty"`
	Account        string          `json:"account,omitempty"`
	DisownEnds     time.Time       `json:"disownEnds,omitzero"` // until when the visitor can take the consent back
	Disowned       bool            `json:"disowned,omitempty"`
	Failure        *failure.Record `json:"failure,omitempty"`
	Link           string          `json:"link,omitempty"` // for another attempt after a failure
	Ends           time.Time       `json:"ends"`
}

// Format implements fmt.Formatter: the claim code is printed by no verb. It has to be a string, because the cookie holds it as JSON.
func (outcome) Format(f fmt.State, _ rune) { secret.Redact(f) }

// LogValue implements slog.LogValuer.
func (outcome) LogValue() slog.Value { return secret.Redacted() }

func newOutcome(ctx context.Context, out consent.Outcome, err error, now time.Time) outcome {
	o := outcome{Ends: now.Add(outcomeTTL)}
	if err != nil {
		o.Failure = failure.NewRecord(ctx, err)
		if m := o.Failure.Microsoft; m != nil {
			o.Failure.Microsoft = &failure.Evidence{Code: m.Code} // the rest is in the log
		}
		o.Failure.Params = shortened(o.Failure.Params)
		o.Link = out.Link.Reveal()
		return o
	}
	o.Replaced = out.Replaced
	o.Procedure, o.Waiting, o.ClaimCode, o.ClaimExpiresAt = out.Procedure, out.Waiting, out.ClaimCode, out.ClaimExpiresAt
	o.Username, o.Tenant, o.Account = short(out.ConsentedBy.Username), short(out.TenantName), short(out.AccountID)
	o.ConsentID, o.DisownEnds = out.ConsentID, now.Add(consent.DisownWithin)
	if (o.ClaimCode != "" || o.Waiting) && o.ClaimExpiresAt.Before(o.Ends) {
		o.Ends = o.ClaimExpiresAt
	}
	return o
}

func shortened(params map[string]string) map[string]string {
	m := make(map[string]string, len(params))
	for name, value := range params {
		m[name] = short(value)
	}
	return m
}

func short(text string) string {
	if runes := []rune(text); len(runes) > maxShown {
		return string(runes[:maxShown]) + "…"
	}
	return text
}

// storeOutcome stores o in the browser, sealed for this browser. A failure leaves the accepted consent before it in place: any site
// can lead a browser to an answer that is refused, and must not take the claim code, or the button "This wasn't me", with that.
func (h *Handler) storeOutcome(c echo.Context, o outcome) error {
	plain, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("encoding an outcome: %w", err)
	}
	sealed, err := h.cfg.Seal.Seal(plain, sealTable, fingerprint(h.browser(c)), "outcome")
	if err != nil {
		return fmt.Errorf("sealing an outcome: %w", err)
	}
	name := outcomeCookie
	if o.ConsentID != "" {
		name = consentCookie
		h.removeCookie(c, outcomeCookie)
	}
	h.setCookie(c, name, base64.RawURLEncoding.EncodeToString(sealed), outcomeTTL)
	return nil
}

// outcome returns what storeOutcome stored last; ok is false when there is nothing valid.
func (h *Handler) outcome(c echo.Context) (o outcome, ok bool) {
	if o, ok = h.stored(c, outcomeCookie); ok {
		return o, true
	}
	return h.stored(c, consentCookie)
}

// accepted returns the last accepted consent that storeOutcome stored, whatever was refused since.
func (h *Handler) accepted(c echo.Context) (o outcome, ok bool) {
	if o, ok = h.stored(c, consentCookie); ok {
		return o, true
	}
	o, ok = h.stored(c, outcomeCookie)
	return o, ok && o.ConsentID != "" // an earlier program stored all outcomes there
}

// outcomeOf returns the outcome of the state with a fingerprint.
func (h *Handler) outcomeOf(c echo.Context, state string) (o outcome, ok bool) {
	for _, name := range []string{consentCookie, outcomeCookie} {
		if o, ok = h.stored(c, name); ok && o.State == state {
			return o, true
		}
	}
	return outcome{}, false
}

func (h *Handler) stored(c echo.Context, cookie string) (o outcome, ok bool) {
	value := h.cookie(c, cookie)
	if value == "" || !h.knowsBrowser(c) {
		return outcome{}, false
	}
	sealed, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		return outcome{}, false
	}
	plain, err := h.cfg.Seal.Open(sealed, sealTable, fingerprint(h.browser(c)), "outcome")
	if err != nil {
		return outcome{}, false
	}
	if err := json.Unmarshal(plain, &o); err != nil {
		return outcome{}, false
	}
	return o, h.cfg.Now().Before(o.Ends)
}

// consentParameter is the parameter with which the page shows the accepted consent before a failure.
const consentParameter = "consent"

// done shows the outcome of the browser's last consent. The page can be reloaded.
func (h *Handler) done(c echo.Context) error {
	o, ok := h.outcome(c)
	if c.QueryParams().Has(consentParameter) {
		o, ok = h.accepted(c)
	}
	if ok && o.disownable(h.cfg.Now()) {
		allowForms(c, "'self'")
	} else {
		o.DisownEnds = time.Time{}
	}
	switch {
	case !ok:
		return h.render(c, http.StatusOK, "nothing", "No recent sign-in in this browser", nil)
	case o.Disowned:
		return h.render(c, http.StatusOK, "disowned", "Consent taken back", o)
	case o.Failure != nil:
		return h.renderSignInFailure(c, o)
	case o.Waiting:
		return h.render(c, http.StatusOK, "waiting", "Waiting for confirmation", o)
	case o.Procedure == token.Manual:
		return h.render(c, http.StatusOK, "claim", "Consent granted", o)
	}
	return h.render(c, http.StatusOK, "granted", "Consent granted", o)
}

// disownable reports whether the visitor can still take the consent back.
func (o outcome) disownable(now time.Time) bool {
	return o.Failure == nil && !o.Disowned && o.ConsentID != "" && now.Before(o.DisownEnds)
}

// disown is the button "This wasn't me" of the pages that show a consent. The sealed outcome proves that it was completed in
// this browser.
func (h *Handler) disown(c echo.Context) error {
	if err := h.ownForm(c); err != nil {
		return err
	}
	o, ok := h.accepted(c)
	switch {
	case !ok:
		return failure.New(failure.StateUnknown)
	case o.Disowned:
		return c.Redirect(http.StatusSeeOther, h.base+"/done")
	case !o.disownable(h.cfg.Now()):
		return failure.New(failure.DisownTooLate)
	}
	if err := h.cfg.Consents.Disown(c.Request().Context(), o.ConsentID); err != nil {
		return err
	}
	o = outcome{State: o.State, ConsentID: o.ConsentID, Tenant: o.Tenant, Account: o.Account, Username: o.Username, Disowned: true, Ends: h.cfg.Now().Add(outcomeTTL)}
	if err := h.storeOutcome(c, o); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, h.base+"/done")
}
