package microsoft

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// A step is a page of the sign-in. The constants are in the order of the pages.
type step string

const (
	stepPick     step = "pick" // choose a signed-in account
	stepAccount  step = "account"
	stepPassword step = "password"
	stepRegister step = "register" // more information required
	stepMFA      step = "mfa"
	stepApproval step = "approval" // an administrator must consent
	stepConsent  step = "consent"
)

// enter returns the first page that this browser needs.
func (s *Simulator) enter(f *flow, browser *session) reply {
	var accounts []string
	if f.prompt != "login" && browser != nil {
		accounts = s.state.signedIn(browser, f)
	}
	switch {
	case f.prompt == "none":
		return s.withoutPages(f, browser, accounts)
	case f.prompt == "select_account" && len(accounts) > 0, len(accounts) > 1:
		f.step = stepPick
		return f.page("", accounts...)
	case len(accounts) == 1 && (f.hint == "" || strings.EqualFold(f.hint, accounts[0])):
		f.user, f.auth = s.state.user(accounts[0]), browser.accounts[accounts[0]]
		return s.authenticated(f)
	}
	f.step = stepAccount
	return f.page("")
}

// withoutPages handles prompt=none: a code or an error, never a page.
func (s *Simulator) withoutPages(f *flow, browser *session, accounts []string) reply {
	if f.hint != "" {
		accounts = slices.DeleteFunc(accounts, func(upn string) bool { return !strings.EqualFold(upn, f.hint) })
	}
	if len(accounts) != 1 {
		return s.end(f, s.refuseRedirect(f, refuse(50058)))
	}
	f.user, f.auth = s.state.user(accounts[0]), browser.accounts[accounts[0]]
	if f.directory == nil {
		f.directory = s.state.directories[f.user.DirectoryID]
	}
	switch {
	case f.blocked():
		return s.end(f, s.refuseRedirect(f, refuse(53003).interaction()))
	case f.stale(s.now()):
		return s.end(f, s.refuseRedirect(f, refuse(70043).interaction()))
	case f.lacksMFA(s.now()):
		return s.end(f, s.refuseRedirect(f, refuse(50076).interaction()))
	case len(s.state.unconsented(f)) > 0:
		return s.end(f, s.refuseRedirect(f, refuse(65001).interaction()))
	}
	return s.end(f, s.succeed(f))
}

// signInStep handles the form of a page.
func (s *Simulator) signInStep(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "The form cannot be read.", http.StatusBadRequest)
		return
	}
	s.write(w, r, s.locked(func() reply { return s.advance(r, step(r.PathValue("step")), r.PostForm) }))
}

// advance processes the form of a page. It accepts a page that the flow has passed, for example after the browser's
// Back, but not one that it has not reached.
func (s *Simulator) advance(r *http.Request, at step, form url.Values) reply {
	f := s.state.flows[form.Get("flow")]
	if f == nil || s.now().Sub(f.started) > flowLifetime || f.tenant != r.PathValue("tenant") {
		return reply{status: http.StatusBadRequest, page: "error", view: view{
			Title: "This sign-in has ended", Alert: "It took too long, or it was started in another window. Go back to the application and start again.",
		}}
	}
	if f.finished != nil {
		return *f.finished
	}
	if !f.reached(at) {
		return f.page("")
	}
	switch at {
	case stepPick:
		return s.pick(f, r, form)
	case stepAccount:
		return s.account(f, form)
	case stepPassword:
		return s.password(f, r, form)
	case stepRegister, stepMFA:
		return s.secondFactor(f, r, at, form)
	default:
		return s.decide(f, form)
	}
}

var stepOrder = []step{stepPick, stepAccount, stepPassword, stepRegister, stepMFA, stepApproval, stepConsent}

// reached reports whether the flow has reached a step. Later steps cannot be skipped; the first ones can be repeated.
func (f *flow) reached(at step) bool {
	switch at {
	case stepApproval, stepConsent, stepRegister, stepMFA:
		return f.step == at
	}
	return slices.Index(stepOrder, at) >= 0 && slices.Index(stepOrder, at) <= slices.Index(stepOrder, f.step)
}

func (s *Simulator) pick(f *flow, r *http.Request, form url.Values) reply {
	upn := strings.ToLower(form.Get("account"))
	browser := s.sessionOf(r)
	if browser != nil && slices.Contains(s.state.signedIn(browser, f), upn) {
		f.user, f.auth = s.state.user(upn), browser.accounts[upn]
		return s.authenticated(f)
	}
	f.step = stepAccount
	return f.page("")
}

func (s *Simulator) account(f *flow, form url.Values) reply {
	f.step, f.user, f.auth = stepAccount, nil, authentication{}
	upn := strings.TrimSpace(form.Get("username"))
	f.filled = s.cfg.ListAccounts && form.Get("fill") != ""
	if f.filled {
		upn = form.Get("fill")
	}
	f.hint = upn
	u := s.state.user(upn)
	switch {
	case upn == "":
		return f.page("Enter your address.")
	case u == nil:
		return f.page(refuse(50034).Error())
	case f.directory != nil && u.DirectoryID != f.directory.ID:
		return f.page(refuse(50020).about("The account '" + u.UPN + "' does not exist in the directory '" + f.directory.Name + "'.").Error())
	}
	f.step, f.user = stepPassword, u
	return f.page("")
}

func (s *Simulator) password(f *flow, r *http.Request, form url.Values) reply {
	f.step = stepPassword
	f.filled = false
	if form.Get("password") != f.user.Password {
		return f.page(refuse(50126).Error())
	}
	if refused := f.user.refusal(); refused != nil {
		return f.page(refused.Error())
	}
	f.auth = authentication{amr: []string{"pwd"}, at: s.now(), revocations: f.user.revocations}
	if f.user.MFA == MFAPasskey {
		f.auth.amr, f.auth.mfaAt = []string{passkey, "hwk", "rsa"}, s.now()
	}
	if f.user.Federated {
		f.auth.amr = []string{"fed"}
		if f.user.MFA == MFARegistered || f.user.MFA == MFARequired {
			f.auth.amr, f.auth.mfaAt = []string{"fed", "mfa"}, s.now()
		}
	}
	return s.remember(f, r, s.authenticated(f))
}

// authenticated continues after the first factor.
func (s *Simulator) authenticated(f *flow) reply {
	if f.directory == nil {
		f.directory = s.state.directories[f.user.DirectoryID]
	}
	switch {
	case f.blocked():
		return s.end(f, s.errorPage(f, refuse(53003)))
	case f.stale(s.now()):
		f.step = stepPassword
		return f.page("")
	case f.lacksMFA(s.now()) && !f.user.Federated:
		f.step = stepMFA
		if f.user.MFA == MFANone {
			f.step = stepRegister
		}
		return f.page("")
	}
	return s.askConsent(f)
}

// covered reports whether the directory's policy applies: it does only for APIs that the request names
// (docs/reference/microsoft-identity.md §2.1).
func (f *flow) covered() bool { return f.directory.policy.covers(f.scopes.hosts()...) }

func (f *flow) blocked() bool { return f.covered() && f.directory.policy.Block }

// stale reports whether the sign-in of a session is older than the policy allows.
func (f *flow) stale(now time.Time) bool {
	frequency := f.directory.policy.SignInFrequency
	return f.covered() && frequency > 0 && now.Sub(f.auth.at) >= frequency
}

// lacksMFA reports whether the account, the policy or the request requires MFA, and it is absent or too old.
func (f *flow) lacksMFA(now time.Time) bool {
	policy := f.directory.policy
	wanted := f.user.MFA == MFARequired || f.covered() && policy.RequireMFA || f.claimsMFA && !policy.IgnoreMFAClaims
	expired := f.covered() && policy.RememberMFA > 0 && now.Sub(f.auth.mfaAt) >= policy.RememberMFA
	return wanted && (!f.auth.strong() || expired)
}

func (s *Simulator) secondFactor(f *flow, r *http.Request, at step, form url.Values) reply {
	switch {
	case form.Get("action") == "cancel":
		return s.end(f, s.refuseRedirect(f, refuse(65004)))
	case at == stepRegister:
		f.user.MFA, f.step = MFARegistered, stepMFA
		return f.page("")
	case form.Get("action") != "approve":
		return f.page(refuse(500121).Error())
	}
	if f.user.MFA == MFAExternal {
		f.auth.external = true
	} else if f.auth.mfaAt = s.now(); !f.auth.mfa() {
		f.auth.amr = append(slices.Clone(f.auth.amr), "mfa")
	}
	return s.remember(f, r, s.askConsent(f))
}

// askConsent returns the consent page if it is requested or required.
func (s *Simulator) askConsent(f *flow) reply {
	lacking := s.state.unconsented(f)
	if len(lacking) == 0 && f.prompt != "consent" && f.prompt != "admin_consent" && !f.adminOnly {
		return s.end(f, s.succeed(f))
	}
	f.step = stepConsent
	restricted := slices.ContainsFunc(lacking, func(p consentItem) bool { return p.permission.adminOnly })
	must := f.directory.policy.AdminConsentOnly && len(lacking) > 0 || f.prompt == "admin_consent" || f.adminOnly
	if (restricted || must) && !f.user.GlobalAdmin {
		f.step = stepApproval
	}
	return f.page("")
}

// A consentItem is one permission on the consent page.
type consentItem struct {
	host       Host
	name       string
	permission permission
}

// wanted returns the requested API permissions.
func (f *flow) wanted() []consentItem {
	var items []consentItem
	for _, host := range f.scopes.hosts() {
		for _, name := range f.scopes.permissions(host, f.app) {
			items = append(items, consentItem{host, name, permissions[host][name]})
		}
	}
	return items
}

// unconsented returns the requested permissions without a consent.
func (st *state) unconsented(f *flow) []consentItem {
	return slices.DeleteFunc(f.wanted(), func(item consentItem) bool {
		return slices.Contains(st.consented(f.directory.ID, f.app.ID, f.user.UPN, item.host), item.name)
	})
}

// decide handles the form of the consent page or of the approval page.
func (s *Simulator) decide(f *flow, form url.Values) reply {
	if f.step == stepApproval {
		if form.Get("action") == "other" {
			f.step, f.hint = stepAccount, ""
			return f.page("")
		}
		return s.end(f, s.refuseRedirect(f, refuse(90094)))
	}
	if form.Get("action") != "accept" {
		return s.end(f, s.refuseRedirect(f, refuse(65004)))
	}
	upn := f.user.UPN
	organization := form.Get("organization") != "" || f.prompt == "admin_consent" || f.adminOnly
	if organization && f.user.GlobalAdmin {
		upn = ""
	}
	for _, item := range f.wanted() {
		s.state.consent(f.directory.ID, f.app.ID, upn, item.host, []string{item.name})
	}
	return s.end(f, s.succeed(f))
}

// succeed returns the redirect with the code.
func (s *Simulator) succeed(f *flow) reply {
	if f.adminOnly {
		return s.adminConsented(f)
	}
	value := s.state.issueCode(code{
		app: f.app.ID, redirectURI: f.redirectURI, spa: f.redirect.Type == SPA, directory: f.directory.ID, user: f.user.UPN,
		scopes: f.scopes, nonce: f.nonce, challenge: f.challenge, challengeMethod: f.method, auth: f.auth, issued: s.now(),
	})
	values := url.Values{"code": {value}, "session_state": {uuid.NewString()}}
	if f.clientInfo {
		values.Set("client_info", clientInfo(f.user, f.directory))
	}
	return f.redirectBack(values)
}

// end stores the final answer: a form submitted twice gets the same answer, and no second code.
func (s *Simulator) end(f *flow, answer reply) reply {
	f.finished = &answer
	return answer
}
