package onboarding

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/labstack/echo/v4"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/token"
)

// linkForm matches every link that we create.
var linkForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,200}$`)

type landingView struct {
	Landing     consent.Landing
	Manual      bool
	Permissions []permissionView
	Usual       bool // these are the permissions that the connector itself needs
}

// A permissionView is a permission with its scope in two parts, between which lines may break.
type permissionView struct{ Purpose, Resource, Name string }

func newLandingView(l consent.Landing) landingView {
	v := landingView{Landing: l, Manual: l.Procedure == token.Manual, Usual: true}
	for _, p := range l.Permissions {
		why := purpose(p)
		v.Usual = v.Usual && why != purpose(consent.Permission{Added: true})
		name := strings.LastIndex(p.Scope, "/") + 1
		v.Permissions = append(v.Permissions, permissionView{why, p.Scope[:name], p.Scope[name:]})
	}
	return v
}

// purpose returns for what a permission is requested.
func purpose(p consent.Permission) string {
	name := p.Scope[strings.LastIndex(p.Scope, "/")+1:]
	switch {
	case p.Added:
	case p.Scope == "openid":
		return "Recognize the account that signs in"
	case p.Scope == "profile":
		return "Read the name of this account"
	case p.Scope == "offline_access":
		return "Stay connected: renew the token without asking you again"
	case p.API == token.PartnerCenter && name == "user_impersonation":
		return "Work in Partner Center as this account: customers, orders, and subscriptions"
	case p.API == token.ARM && name == "user_impersonation":
		return "Manage Azure subscriptions as this account"
	case p.API == token.Graph && name == "User.Read":
		return "Read the profile of this account"
	case p.API == token.Graph && name == "Directory.Read.All":
		return "Read the directory, to check the roles of this account"
	}
	return "Used by applications of the marketplace"
}

// startType is the type of the message of the start page to the panel that has opened it; ui-extension/ui/lib/consent.js
// expects it.
const startType = "azure-partner-connector-browser"

type startView struct {
	Type, Browser string
	Origins       string // separated by spaces
}

// start is the page that a panel opens first: its script tells the panel which browser it is open in. It is the only page that
// keeps its opener, which then leads the window to the consent link.
func (h *Handler) start(c echo.Context) error {
	s, err := h.cfg.Consents.Start(c.Request().Context(), c.Param("name"), h.browser(c))
	if err != nil {
		return err
	}
	c.Response().Header().Del(openerPolicy)
	return h.render(c, http.StatusOK, "start", "One moment", startView{startType, s.Browser, strings.Join(s.Origins, " ")})
}

// landing shows what a link requests, or redirects to Microsoft at once if nothing needs to be shown. It doesn't
// redirect previews of the link, because they would create states that nobody uses.
func (h *Handler) landing(c echo.Context) error {
	link, err := linkOf(c)
	if err != nil {
		return err
	}
	known := ""
	if h.knowsBrowser(c) {
		known = h.browser(c)
	}
	l, err := h.cfg.Consents.Landing(c.Request().Context(), link, known)
	if err != nil {
		return err
	}
	if l.StraightOn && !isPreview(c.Request()) {
		return h.redirectToMicrosoft(c, link)
	}
	h.browser(c)
	allowForms(c, h.continueTo)
	return h.render(c, http.StatusOK, "landing", "Consent requested", newLandingView(l))
}

// The parameter with which another sign-in lets the visitor choose the account.
const (
	accountParameter = "account"
	anotherAccount   = "another"
)

// authorize is the Continue button of the landing page, and the buttons for another attempt.
func (h *Handler) authorize(c echo.Context) error {
	link, err := linkOf(c)
	if err != nil {
		return err
	}
	if err := h.ownForm(c); err != nil {
		return err
	}
	return h.redirectToMicrosoft(c, link)
}

// ownForm refuses a form that another site has posted.
func (h *Handler) ownForm(c echo.Context) error {
	if err := h.origin.Check(c.Request()); err != nil {
		return failure.Wrap(fmt.Errorf("checking where the form was sent from: %w", err), failure.StateUnknown)
	}
	return nil
}

func (h *Handler) redirectToMicrosoft(c echo.Context, link string) error {
	address, err := h.cfg.Consents.Authorize(c.Request().Context(), link, consent.Visit{
		Browser: h.browser(c), Locale: h.locale(c), AnotherAccount: c.QueryParam(accountParameter) == anotherAccount,
	})
	if err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, address)
}

func linkOf(c echo.Context) (string, error) {
	link := c.Param("link")
	if !linkForm.MatchString(link) {
		return "", failure.New(failure.LinkUnknown)
	}
	return link, nil
}

// isPreview reports whether r comes from a program that fetches the link ahead, not from a person who opened it.
func isPreview(r *http.Request) bool {
	if r.Method == http.MethodHead {
		return true
	}
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"} {
		value := strings.ToLower(r.Header.Get(name))
		if strings.Contains(value, "prefetch") || strings.Contains(value, "preview") {
			return true
		}
	}
	return false
}

func (h *Handler) home(c echo.Context) error {
	return h.render(c, http.StatusOK, "home", "Partner Onboarding Web Application", nil)
}

func (h *Handler) robots(c echo.Context) error {
	return c.String(http.StatusOK, "User-agent: *\nDisallow: /\n")
}
