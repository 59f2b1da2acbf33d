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

// Names of cookies. Over https they get the prefix by which browsers guarantee that no other host set them.
const (
	browserCookie  = "onboarding-browser"
	outcomeCookie  = "onboarding-outcome"
	languageCookie = "onboarding-language"
	hostPrefix     = "__Host-"
)

// browserLife is longer than a sign-in may take; every page renews it.
const browserLife = time.Hour

// browserValue is what random.Token makes.
var browserValue = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

func (h *Handler) cookieName(name string) string {
	if h.secure {
		return hostPrefix + name
	}
	return name
}

// setCookie gives the browser a cookie. SameSite is Lax because the visitor comes back from Microsoft by a link of
// another site, and the cookie has to come along.
func (h *Handler) setCookie(c echo.Context, name, value string, life time.Duration) {
	c.SetCookie(&http.Cookie{
		Name: h.cookieName(name), Value: value, Path: "/", MaxAge: int(life / time.Second),
		HttpOnly: true, Secure: h.secure, SameSite: http.SameSiteLaxMode,
	})
}

// cookie returns the value of a cookie of ours, or "".
func (h *Handler) cookie(c echo.Context, name string) string {
	cookie, err := c.Cookie(h.cookieName(name))
	if err != nil {
		return ""
	}
	return cookie.Value
}

// knowsBrowser reports whether the browser has been here before.
func (h *Handler) knowsBrowser(c echo.Context) bool {
	return browserValue.MatchString(h.cookie(c, browserCookie))
}

const browserKey = "browser"

// browser returns the unguessable value that stands for the visitor's browser. One that has none gets one; one that has
// keeps it, so that consents in two windows do not disturb each other.
func (h *Handler) browser(c echo.Context) string {
	if value, ok := c.Get(browserKey).(string); ok {
		return value
	}
	value := random.Token()
	if h.knowsBrowser(c) {
		value = h.cookie(c, browserCookie)
	}
	c.Set(browserKey, value)
	h.setCookie(c, browserCookie, value, browserLife)
	return value
}

// fingerprint stands for a browser or a state where its value must not appear.
func fingerprint(value string) string {
	sum := sha256.Sum256([]byte(value))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
