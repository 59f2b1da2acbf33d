package walk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/world"
)

// begun is a consent in progress.
type begun struct {
	ID  string `json:"id"`
	URL string `json:"url"`
}

// A consentView is the state of a consent that the screen polls.
type consentView struct {
	ID      string `json:"id"`
	Status  string `json:"status"`
	Failure *struct {
		Code string `json:"code"`
	} `json:"failure"`
}

func visitor(upn string) microsoft.Visitor {
	return microsoft.Visitor{UPN: upn, Password: world.Password, ApproveMFA: true, Accept: true}
}

// attempt runs the automatic procedure of Alpine Cloud with an account, and returns the final page and the outcome.
func (w *walker) attempt(ctx context.Context, v microsoft.Visitor) (page world.Page, c consentView, err error) {
	tenantID := w.world.TenantOf(world.Rita).ID
	browser := world.NewBrowser()
	b, err := w.world.Begin(ctx, world.Rita, browser)
	if err != nil {
		return page, c, err
	}
	if page, err = w.world.Visit(ctx, browser, b.URL, v); err != nil {
		return page, c, err
	}
	err = w.call(ctx, world.Rita, http.MethodGet, tenantID, "consents/"+url.PathEscape(b.ID), nil, &c)
	return page, c, err
}

func (w *walker) refuse(ctx context.Context, upn, code, says string) (string, error) {
	page, c, err := w.attempt(ctx, visitor(upn))
	if err != nil {
		return "", err
	}
	if c.Status != "failed" || c.code() != code {
		return "", fmt.Errorf("the consent ended as %s (%s), want %s", c.Status, c.code(), code)
	}
	if !strings.Contains(page.Text, says) {
		return "", fmt.Errorf("the page does not say %q", says)
	}
	st, err := w.status(ctx, world.Rita)
	if err == nil && st.State != "absent" {
		err = fmt.Errorf("the status is %s, want it unchanged", st.State)
	}
	return "signed in as " + upn + ", refused as " + code + ", nothing stored", err
}

// phish plays a reseller who wants the token of somebody else's directory: Alpine South names the directory of Coral Corp, begins
// an automatic consent in its own panel, and sends the link to the administrator of Coral Corp, who opens it in a browser that
// has never been here and accepts. What they granted waits for a code that only they see, and they take it back.
func phish(ctx context.Context, w *walker) (string, error) {
	attacker := w.world.TenantOf(world.Susan).ID
	set := func(directory string) error {
		return w.world.Platform.Configure(ctx, w.world.User(world.Susan).ID, attacker, map[string]any{"directory": directory})
	}
	if err := set("coralcorp.onmicrosoft.com"); err != nil {
		return "", err
	}
	b, err := w.world.Begin(ctx, world.Susan, world.NewBrowser())
	if err != nil {
		return "", err
	}
	victim := world.NewBrowser()
	landing, err := w.world.Open(ctx, victim, b.URL)
	if err != nil {
		return "", err
	}
	if landing.Status != http.StatusOK || !strings.Contains(landing.Text, "Alpine South") || !strings.Contains(landing.Text, w.world.TenantOf(world.Susan).AccountID) || !strings.Contains(landing.Text, "Susan South") {
		return "", fmt.Errorf("the link in another browser shows (%d) %q, want the reseller, its account and its user", landing.Status, landing.Text)
	}
	page, err := w.world.Visit(ctx, victim, b.URL, visitor(world.CoralAdmin))
	if err != nil {
		return "", err
	}
	if claimCode.FindString(page.Text) == "" {
		return "", fmt.Errorf("the last page shows no claim code: %q", page.Text)
	}
	var c consentView
	if err := w.call(ctx, world.Susan, http.MethodGet, attacker, "consents/"+url.PathEscape(b.ID), nil, &c); err != nil {
		return "", err
	}
	if c.Status != "claimable" || c.code() != "claim_waiting" {
		return "", fmt.Errorf("the consent is %s (%s), want it to wait for its claim code", c.Status, c.code())
	}
	var refused *refusal
	if _, err := w.borrow(ctx, world.Susan, "graph"); !errors.As(err, &refused) || refused.Details.Code != "grant_absent" {
		return "", fmt.Errorf("borrowing before the claim code was not refused: %w", err)
	}
	if _, err = w.world.Disown(ctx, victim); err != nil {
		return "", err
	}
	st, err := w.status(ctx, world.Susan)
	if err != nil {
		return "", err
	}
	if st.State != "absent" || st.Failure == nil || st.Failure.Code != "consent_disowned" {
		return "", fmt.Errorf("the status is %+v, want absent because the consent was taken back", st)
	}
	return "the page names who asks, the grant waits for a code that only the victim sees, and is destroyed at their word", set(world.SouthDirectory)
}

func refuseDirectory(ctx context.Context, w *walker) (string, error) {
	_, c, err := w.attempt(ctx, visitor(world.CoralAdmin))
	var stays *microsoft.PageError
	if errors.As(err, &stays) {
		return "Microsoft itself refuses " + world.CoralAdmin + ", nothing stored", nil
	}
	if err == nil {
		err = fmt.Errorf("the consent ended as %+v, want Microsoft's own refusal", c)
	}
	return "", err
}

func refuseNoMFA(ctx context.Context, w *walker) (string, error) {
	return w.refuse(ctx, world.AlpineNoMFA, "mfa_missing", "use multifactor authentication")
}

func automatic(ctx context.Context, w *walker) (string, error) {
	page, c, err := w.attempt(ctx, visitor(world.AlpineAdmin))
	if err != nil {
		return "", err
	}
	const says = "The consent has been granted successfully. The authorization code has been sent"
	if !strings.Contains(page.Text, says) {
		return "", fmt.Errorf("the page does not say %q", says)
	}
	if c.Status != "succeeded" {
		return "", fmt.Errorf("the consent is %s, want succeeded", c.Status)
	}
	return w.active(ctx, world.Rita, world.AlpineAdmin)
}

// takeOver lets a second administrator consent, and then the first one again. Each consent waits until it is confirmed, and
// the old token works meanwhile.
func takeOver(ctx context.Context, w *walker) (string, error) {
	tenantID := w.world.TenantOf(world.Rita).ID
	before := world.AlpineAdmin
	for _, after := range []string{world.AlpineSecond, world.AlpineAdmin} {
		page, c, err := w.attempt(ctx, visitor(after))
		if err != nil {
			return "", err
		}
		if !strings.Contains(page.Text, "Waiting for confirmation") || c.Status != "confirmable" || c.code() != "confirmation_waiting" {
			return "", fmt.Errorf("the consent of %s is %s (%s) and the page is %q, want both to wait for confirmation", after, c.Status, c.code(), page.Text)
		}
		if _, err := w.active(ctx, world.Rita, before); err != nil {
			return "", err
		}
		st, err := w.status(ctx, world.Rita)
		if err != nil {
			return "", err
		}
		if st.Waiting == nil || st.Waiting.ID != c.ID || st.Waiting.ConsentedBy.Username != after || st.Waiting.Replaces.Username != before {
			return "", fmt.Errorf("the status has %+v, want the consent of %s beside that of %s", st.Waiting, after, before)
		}
		if err := w.call(ctx, world.Rita, http.MethodPost, tenantID, "redeem", map[string]string{"code": c.ID}, nil); err != nil {
			return "", err
		}
		if _, err := w.active(ctx, world.Rita, after); err != nil {
			return "", err
		}
		before = after
	}
	return "the page and the status say who waits; the token in use works until the reseller confirms", nil
}

// active checks that a tenant's token is active, with MFA, and works with all APIs.
func (w *walker) active(ctx context.Context, login, upn string) (string, error) {
	st, err := w.status(ctx, login)
	if err != nil {
		return "", err
	}
	if st.State != "active" || st.MFA != "yes" || st.ConsentedBy == nil || st.ConsentedBy.Username != upn {
		return "", fmt.Errorf("the status is %+v, want active with MFA, by %s", st, upn)
	}
	return fmt.Sprintf("active, MFA verified, all three APIs answer, %d days left, consented by %s", st.DaysLeft, upn), st.works()
}

var claimCode = regexp.MustCompile(`[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}`)

func manual(ctx context.Context, w *walker) (string, error) {
	tenantID := w.world.TenantOf(world.Bjorn).ID
	var link begun
	if err := w.call(ctx, world.Bjorn, http.MethodPost, tenantID, "consentLink", nil, &link); err != nil {
		return "", err
	}
	page, err := w.world.Visit(ctx, world.NewBrowser(), link.URL, visitor(world.BalticAdmin))
	if err != nil {
		return "", err
	}
	code := claimCode.FindString(page.Text)
	if code == "" {
		return "", errors.New("the page shows no claim code")
	}
	st, err := w.status(ctx, world.Bjorn)
	if err != nil {
		return "", err
	}
	if st.State != "pending" || st.Pending == nil || st.Pending.ConsentedBy.Username != world.BalticAdmin {
		return "", fmt.Errorf("the status is %+v, want pending by %s", st, world.BalticAdmin)
	}
	err = w.call(ctx, world.Bjorn, http.MethodPost, tenantID, "redeem", map[string]string{"code": "0000-0000-0000"}, nil)
	var refused *refusal
	if !errors.As(err, &refused) || refused.Details.Code != "claim_wrong" {
		return "", fmt.Errorf("a wrong claim code was not refused: %w", err)
	}
	if err := w.call(ctx, world.Bjorn, http.MethodPost, tenantID, "redeem", map[string]string{"code": code}, nil); err != nil {
		return "", err
	}
	return w.active(ctx, world.Bjorn, world.BalticAdmin)
}

func (c consentView) code() string {
	if c.Failure == nil {
		return "no failure"
	}
	return c.Failure.Code
}
