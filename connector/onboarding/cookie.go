package onboarding

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"regexp"
	"time"

	"github.com/labstack/echo/v4"

	"azure-partner-connector/connector/random"
)

// Names of cookies. Over https they get the prefix that makes browsers guarantee that no other host has set them.
const (
	browserCookie  = "onboarding-browser"
	outcomeCookie  = "onboarding-outcome"
	consentCookie  = "onboarding-consent"
	languageCookie = "onboarding-language"
	hostPrefix     = "__Host-"
)

// browserTTL is longer than a sign-in may take. Every page renews the cookie.
const browserTTL = time.Hour

// browserValue matches what random.Token returns.
var browserValue = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

func (h *Handler) cookieName(name string) string {
	if h.secure {
		return hostPrefix + name
	}
	return name
}

// setCookie sets a cookie. SameSite is Lax because the visitor returns from Microsoft by a link of another site, and
// the browser must send the cookie then.
func (h *Handler) setCookie(c echo.Context, name, value string, ttl time.Duration) {
	c.SetCookie(&http.Cookie{
		Name: h.cookieName(name), Value: value, Path: "/", MaxAge: int(ttl / time.Second),
		HttpOnly: true, Secure: h.secure, SameSite: http.SameSiteLaxMode,
	})
}

// removeCookie removes one of our cookies, if the browser has it.
func (h *Handler) removeCookie(c echo.Context, name string) {
	if h.cookie(c, name) != "" {
		h.setCookie(c, name, "", -time.Second)
	}
}

// cookie returns the value of one of our cookies, or "".
func (h *Handler) cookie(c echo.Context, name string) string {
	cookie, err := c.Cookie(h.cookieName(name))
	if err != nil {
		return ""
	}
	return cookie.Value
}

// knowsBrowser reports whether the browser has our cookie.
func (h *Handler) knowsBrowser(c echo.Context) bool {
	return browserValue.MatchString(h.cookie(c, browserCookie))
}

const browserKey = "browser"

// browser returns the unguessable value that identifies the visitor's browser, and sets it if the browser has none. An
// existing value stays, so that consents in two windows don't interfere.
func (h *Handler) browser(c echo.Context) string {
	if value, ok := c.Get(browserKey).(string); ok {
		return value
	}
	value := random.Token()
	if h.knowsBrowser(c) {
		value = h.cookie(c, browserCookie)
	}
	c.Set(browserKey, value)
	h.setCookie(c, browserCookie, value, browserTTL)
	return value
}

// fingerprint identifies a browser or a state where the value itself must not appear.
func fingerprint(value string) string {
	sum := sha256.Sum256([]byte(value))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
