package microsoft

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// maxQuery is the longest query of an authorize request; Microsoft publishes no number.
const maxQuery = 8 << 10

// flowLifetime is how long a page can be submitted.
const flowLifetime = time.Hour

// A flow is one sign-in in progress, from the authorize request to the redirect.
type flow struct {
	id          string
	version     int
	tenant      string     // of the path
	directory   *directory // nil for common until the account is known
	app         *application
	redirect    RedirectURI // as registered
	redirectURI string      // as requested
	mode        string
	state       string
	scopes      scopeSet
	nonce       string
	challenge   string
	method      string
	prompt      string
	hint        string
	filled      bool // the account was chosen from the list, and its password is filled in
	claimsMFA   bool // the claims parameter requires MFA
	clientInfo  bool
	adminOnly   bool // the admin consent endpoint: consent for the organization, and no code
	correlation string
	started     time.Time

	step     step
	user     *user
	auth     authentication
	finished *reply // the final answer, for a form submitted twice
}

// authorize serves the authorize endpoint. An error stays on a page unless the redirect URI is known to be valid
// (docs/reference/microsoft-identity.md §2.4).
func (s *Simulator) authorize(version int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.write(w, r, s.locked(func() reply { return s.begin(r, r.URL.Query(), version) }))
	}
}

// locked calls fn while holding mu.
func (s *Simulator) locked(fn func() reply) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := fn()
	if s.cfg.ListAccounts && answer.page == string(stepAccount) {
		s.list(&answer.view)
	}
	return answer
}

// begin reads an authorize request and returns its first page or the final answer.
func (s *Simulator) begin(r *http.Request, query url.Values, version int) reply {
	s.state.forgetFlows(s.now())
	f := &flow{
		id: uuid.NewString(), version: version, tenant: r.PathValue("tenant"), started: s.now(),
		redirectURI: query.Get("redirect_uri"), state: query.Get("state"), mode: query.Get("response_mode"),
		nonce: query.Get("nonce"), challenge: query.Get("code_challenge"), method: query.Get("code_challenge_method"),
		prompt: query.Get("prompt"), hint: query.Get("login_hint"), clientInfo: query.Get("client_info") == "1",
		correlation: query.Get("client-request-id"),
	}
	if refused := s.identify(f, r.URL.RawQuery, query); refused != nil {
		return s.errorPage(f, refused)
	}
	if refused := s.readParameters(f, query); refused != nil {
		return s.refuseRedirect(f, refused)
	}
	s.state.flows[f.id] = f
	return s.enter(f, s.sessionOf(r))
}

// identify finds the application and checks the redirect URI; its refusals must not be redirected.
func (s *Simulator) identify(f *flow, raw string, query url.Values) *refusal {
	if len(raw) > maxQuery {
		return refuse(90015)
	}
	for name, values := range query {
		if len(values) > 1 {
			return refuse(9000411).about("The parameter '" + name + "' was sent more than once.")
		}
	}
	if query.Get("client_id") == "" {
		return missing("client_id")
	}
	d, app, refused := s.state.resolve(f.tenant, query.Get("client_id"))
	if refused != nil && refused.code != 7000112 {
		return refused
	}
	if f.redirectURI == "" {
		return missing("redirect_uri")
	}
	redirect, ok := app.redirect(f.redirectURI)
	if !ok {
		return refuse(50011).about("The redirect URI '" + f.redirectURI + "' is not one that the application '" + app.ID + "' has registered.")
	}
	f.directory, f.app, f.redirect = d, app, redirect
	return nil
}

// readParameters reads the other parameters; its refusals go to the redirect URI.
func (s *Simulator) readParameters(f *flow, query url.Values) *refusal {
	mode := f.mode
	if mode == "" {
		f.mode = "query"
	}
	switch {
	case f.app.Disabled:
		return refuse(7000112)
	case !slices.Contains([]string{"", "query", "fragment", "form_post"}, mode):
		f.mode = "query"
		return refuse(9002313).about("The response mode is not supported.")
	case query.Get("response_type") == "":
		return missing("response_type")
	case query.Get("response_type") != "code":
		return refuse(700054)
	case !slices.Contains(s.prompts(f.version), f.prompt):
		return refuse(9002313).about("The prompt is not supported.")
	case f.prompt == "select_account" && f.hint != "":
		return refuse(9002313).about("login_hint cannot be combined with select_account.")
	case f.challenge == "" && f.method != "", f.challenge != "" && !slices.Contains([]string{"", "plain", "S256"}, f.method):
		return refuse(9002313).about("The code challenge is malformed.")
	case f.method == "S256" && len(f.challenge) != 43:
		return refuse(9002313).about("The code challenge is malformed.")
	}
	if refused := s.readScopes(f, query); refused != nil {
		return refused
	}
	return f.readClaims(query.Get("claims"))
}

func (s *Simulator) prompts(version int) []string {
	if version == 1 {
		return []string{"", "login", "consent", "select_account", "none", "admin_consent"}
	}
	return []string{"", "login", "consent", "select_account", "none"}
}

// readScopes reads the scopes; an authorize request may name several APIs.
func (s *Simulator) readScopes(f *flow, query url.Values) *refusal {
	text := query.Get("scope")
	if f.version == 1 {
		if text = ""; query.Get("resource") != "" {
			text = query.Get("resource") + "/" + defaultScope
		}
	} else if strings.TrimSpace(text) == "" {
		return missing("scope")
	}
	set, refused := s.cfg.Cloud.parseScope(text)
	if refused != nil {
		return refused
	}
	f.scopes = set
	for _, a := range set.apis {
		if f.directory != nil && slices.Contains(f.directory.Without, a.host) {
			return refuse(500011).about("The resource principal named " + a.identifier + " was not found in this directory.")
		}
		if a.name == defaultScope && len(f.app.registered[a.host]) == 0 {
			return refuse(650057)
		}
	}
	return nil
}

// readClaims reads the claims parameter: amr with mfa, or an authentication context, requires MFA
// (docs/reference/microsoft-identity.md §2.2).
func (f *flow) readClaims(text string) *refusal {
	if text == "" {
		return nil
	}
	if f.directory != nil && f.directory.policy.RefuseClaims {
		return refuse(9002313).about("The request has unsupported claims.")
	}
	var claims map[string]map[string]*struct {
		Essential bool     `json:"essential"`
		Value     string   `json:"value"`
		Values    []string `json:"values"`
	}
	if err := json.Unmarshal([]byte(text), &claims); err != nil {
		return refuse(9002313).about("The parameter 'claims' is no JSON of the expected form.")
	}
	for _, requests := range claims {
		for name, request := range requests {
			if request == nil {
				continue
			}
			values := append(slices.Clone(request.Values), request.Value)
			f.claimsMFA = f.claimsMFA || name == "amr" && slices.Contains(values, "mfa") || name == "acrs"
		}
	}
	return nil
}

// forgetFlows removes expired flows.
func (st *state) forgetFlows(now time.Time) {
	for id, f := range st.flows {
		if now.Sub(f.started) > flowLifetime {
			delete(st.flows, id)
		}
	}
}

// A reply is an answer to a browser: a page, or a redirect to the application.
type reply struct {
	status   int
	page     string // name of a template
	view     view
	location string
	cookie   *http.Cookie
	code     int // AADSTS code, for the request log
}

// redirectBack sends values to the redirect URI in the requested response mode.
func (f *flow) redirectBack(values url.Values) reply {
	if f.state != "" {
		values.Set("state", f.state)
	}
	switch f.mode {
	case "form_post":
		return reply{status: http.StatusOK, page: "formpost", view: view{Title: "Working…", Action: f.redirectURI, Fields: values}}
	case "fragment":
		return reply{status: http.StatusFound, location: f.redirectURI + "#" + values.Encode()}
	}
	target, err := url.Parse(f.redirectURI)
	if err != nil { // a registered URI parses
		return reply{status: http.StatusInternalServerError, page: "error", view: view{Title: "Something went wrong"}}
	}
	if target.Path == "" {
		target.Path = "/" // docs/reference/microsoft-identity.md §2.5
	}
	merged := target.Query()
	for name, value := range values {
		merged[name] = value
	}
	target.RawQuery = merged.Encode()
	return reply{status: http.StatusFound, location: target.String()}
}

// refuseRedirect sends a refusal to the application.
func (s *Simulator) refuseRedirect(f *flow, refused *refusal) reply {
	details := refused.body(s.now(), f.correlation, s.state.odd.LineBreaks)
	values := url.Values{"error": {refused.error}, "error_description": {details.description}, "error_uri": {s.errorURI(refused.code)}}
	if refused.suberror == "cancel" {
		values.Set("error_subcode", refused.suberror)
	}
	if f.adminOnly {
		values.Set("admin_consent", "True")
	}
	answer := f.redirectBack(values)
	answer.code = refused.code
	return answer
}

// errorPage shows a refusal to the person; the application is not informed.
func (s *Simulator) errorPage(f *flow, refused *refusal) reply {
	details := refused.body(s.now(), f.correlation, false)
	return reply{status: http.StatusBadRequest, page: "error", code: refused.code, view: view{
		Title: "Sign-in is not possible", Alert: refused.Error(), Correlation: details.correlation, Timestamp: details.timestamp,
	}}
}

func (s *Simulator) errorURI(code int) string {
	return s.LoginURL() + "/error?code=" + strconv.Itoa(code)
}
