package hooks

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
)

func (h *Handler) install(c *call) error {
	if c.verdict == Confirmed {
		return c.echo.JSON(http.StatusCreated, h.viewAPS(c, c.Instance.RootID))
	}
	var stored tenant.Settings
	if c.Instance.Key != "" { // a repeated creation, or that of a root in place of one that the platform forgot
		stored = withoutCredentials(c.Instance.Settings) // what is not sent stays
	}
	settings, err := c.resource.settings(stored, false)
	if err != nil {
		return err
	}
	version, err := h.installedVersion(c.resource.typeID)
	if err != nil {
		return err
	}
	in, err := h.cfg.Tenants.Install(c.ctx(), tenant.Instance{
		Key: c.key, ID: c.headers.instance, RootID: c.resource.id, ControllerURI: c.headers.controller,
		PackageVersion: version, Settings: settings,
	}, c.caller.actor)
	if err != nil {
		return err
	}
	return h.answerApp(c, http.StatusCreated, in)
}

// retrieveApp shows the settings to the platform only. Anyone may read that the resource exists, because tenants are
// linked to it; the platform decides from its own copy who sees which properties.
func (h *Handler) retrieveApp(c *call) error {
	if c.caller.role == platform {
		return h.answerApp(c, http.StatusOK, c.Instance)
	}
	return c.echo.JSON(http.StatusOK, h.viewAPS(c, c.Instance.RootID))
}

func (h *Handler) configureApp(c *call) error {
	settings, err := c.resource.settings(withoutCredentials(c.Instance.Settings), c.nullRemoves())
	if err != nil {
		return err
	}
	in, err := h.cfg.Tenants.Configure(c.ctx(), c.key, settings, c.caller.actor)
	if err != nil {
		return err
	}
	return h.answerApp(c, http.StatusOK, in)
}

func (h *Handler) answerApp(c *call, status int, in tenant.Instance) error {
	task, err := h.cfg.Bindings.RenewalTask(c.ctx(), in)
	if err != nil {
		return err
	}
	return c.echo.JSON(status, h.viewApp(c, in, task))
}

func (h *Handler) removeApp(c *call) error {
	bestEffort, cancel := context.WithTimeout(c.ctx(), bestEffortTimeout)
	defer cancel()
	if err := h.cfg.Bindings.Unsubscribe(bestEffort, c.Instance); err != nil {
		// A task that is left behind calls a resource that no longer exists, which does no harm.
		h.log(c.ctx()).WarnContext(c.ctx(), "cancelling the periodic task failed; removing the instance anyway", "err", err)
	}
	if err := h.cfg.Tenants.Remove(c.ctx(), c.key, c.caller.actor); err != nil {
		return err
	}
	return c.echo.NoContent(http.StatusNoContent)
}

// upgradeApp records that the platform now has the package of this program. A repeated upgrade changes nothing: what the
// platform sends with it is from before the first one.
func (h *Handler) upgradeApp(c *call) error {
	from, err := c.parameter("version")
	if err != nil {
		return err
	}
	ours := h.cfg.PackageVersion
	switch {
	case strings.Trim(from, "0123456789.") == "": // none, or without a release
		from = c.Instance.PackageVersion
	case !isPackageVersion(from):
		return badRequest("the parameter version must be the version and release upgraded from, for example 1-3")
	}
	for _, version := range []string{from, c.Instance.PackageVersion} {
		if isLater(version, ours) {
			return badRequest("this connector has version " + ours + " of the package, which is earlier than " + version)
		}
	}
	if c.Instance.PackageVersion == ours {
		return h.answerApp(c, http.StatusOK, c.Instance)
	}
	settings, err := c.resource.settings(withoutCredentials(c.Instance.Settings), false)
	if err != nil {
		return err
	}
	in, err := h.cfg.Tenants.Upgrade(c.ctx(), c.key, from, ours, settings, c.caller.actor)
	if err != nil {
		return err
	}
	return h.answerApp(c, http.StatusOK, in)
}

// isLater reports whether package version a is later than b. Missing numbers are 0.
func isLater(a, b string) bool {
	split := func(version string) []string {
		return strings.FieldsFunc(version, func(r rune) bool { return r == '.' || r == '-' })
	}
	left, right := split(a), split(b)
	for i := range max(len(left), len(right)) {
		var numbers [2]int
		for side, parts := range [][]string{left, right} {
			if i < len(parts) {
				numbers[side], _ = strconv.Atoi(parts[i]) // what is no number counts as 0
			}
		}
		if numbers[0] != numbers[1] {
			return numbers[0] > numbers[1]
		}
	}
	return false
}

// isPackageVersion reports whether text is "version-release", split at the last hyphen (docs/reference/aps-protocol.md
// §3.6).
func isPackageVersion(text string) bool {
	i := strings.LastIndexByte(text, '-')
	return i > 0 && i < len(text)-1 && len(text) <= 64 &&
		strings.Trim(text[:i], "0123456789.-") == "" && strings.Trim(text[i+1:], "0123456789.") == ""
}

// withoutCredentials makes the domain keep the stored credentials unless new ones are sent.
func withoutCredentials(s tenant.Settings) tenant.Settings {
	s.Application = s.Application.WithoutValues()
	return s
}

// checkHealth shows the platform that it can reach us and that we know the instance: load refuses unknown ones.
func (h *Handler) checkHealth(c *call) error {
	return c.echo.JSON(http.StatusOK, map[string]string{"status": "ok"})
}

// renewTokens triggers the renewal of what is due. It doesn't wait, because the platform's task would wait too.
func (h *Handler) renewTokens(c *call) error {
	h.cfg.RenewDue()
	return c.echo.JSON(http.StatusOK, map[string]string{"status": "ok"})
}

// An event is a notification of the platform (docs/reference/aps-protocol.md §3.7). The field that says what happened has
// one name in the platform's type and another in its calls. Neither is needed: the account is read anyway.
type event struct {
	Source struct {
		ID string `json:"id"`
	} `json:"source"`
}

// accountChanged stores the names of an account that changed. It accepts events that are unreadable or about unknown
// accounts, because the platform repeats what is refused. It refuses an event that it can't handle now, so that the
// platform does repeat that.
func (h *Handler) accountChanged(c *call) error {
	if err := h.renameTenants(c); err != nil {
		return err
	}
	return c.echo.JSON(http.StatusOK, struct{}{})
}

func (h *Handler) renameTenants(c *call) error {
	var changed event
	body, err := h.body(c)
	if err != nil || json.Unmarshal(body, &changed) != nil {
		return nil //nolint:nilerr // what is unreadable now stays unreadable when it is repeated
	}
	id, ok := canonical(changed.Source.ID)
	if !ok {
		return nil
	}
	tenants, err := h.cfg.Tenants.Tenants(c.ctx(), c.key)
	if err != nil {
		return err
	}
	for _, t := range tenants {
		if t.AccountID != id || t.Altered {
			continue
		}
		h.accounts.forget(c.Instance, id)
		chain, err := h.ancestors(c.ctx(), c.Instance, id)
		if failure.Is(err, failure.NotFound) {
			return nil // the account is deleted; its tenants follow
		}
		if err != nil {
			return err
		}
		company, marketplace := names(chain)
		err = h.cfg.Tenants.Rename(c.ctx(), c.key, t.ID, company, marketplace, c.caller.actor)
		if err != nil && !failure.Is(err, failure.NotFound) {
			return err
		}
	}
	return nil
}
