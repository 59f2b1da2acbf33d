package microsoft

import (
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// maxForm is the maximum size of a body; refresh tokens and assertions have a few kB.
const maxForm = 256 << 10

// A tokenForm is a request to the token endpoint.
type tokenForm struct {
	version   int
	tenant    string
	endpoint  string // its address, the audience of client assertions
	values    url.Values
	address   string // of the caller
	now       time.Time
	clientID  string
	secret    string
	assertion string
	external  *jose.JSONWebKeySet // of the issuer of the assertion, if it is not the application itself
}

// A proof is a redeemed code or refresh token: who signed in, how, and when.
type proof struct {
	user      *user
	directory *directory
	auth      authentication
	scopes    scopeSet // requested at the authorize endpoint
	nonce     string
	spa       bool
	device    bool
}

// token serves the token endpoint (docs/reference/microsoft-identity.md §3).
func (s *Simulator) token(version int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		form, refused := s.readTokenForm(w, r, version)
		entryOf(r).ClientID = form.clientID // it may come with HTTP Basic
		if refused != nil {
			s.writeRefusal(w, r, refused)
			return
		}
		if form.assertion != "" {
			form.external = s.externalKeys(form)
		}
		answer, refused := s.redeem(form)
		if refused != nil {
			s.writeRefusal(w, r, refused)
			return
		}
		writeJSON(w, http.StatusOK, answer)
	}
}

// readTokenForm reads the body only: a secret in the query is ignored.
func (s *Simulator) readTokenForm(w http.ResponseWriter, r *http.Request, version int) (tokenForm, *refusal) {
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	form := tokenForm{
		version: version, tenant: r.PathValue("tenant"), endpoint: s.LoginURL() + r.URL.Path, address: host, now: s.now(),
	}
	if r.Method != http.MethodPost {
		return form, refuse(900561)
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return form, refuse(9002313)
	}
	form.values = r.PostForm
	for name, values := range form.values {
		if len(values) > 1 {
			return form, refuse(9000411).about("The parameter '" + name + "' was sent more than once.")
		}
	}
	form.clientID, form.secret = form.values.Get("client_id"), form.values.Get("client_secret")
	form.assertion = form.values.Get("client_assertion")
	if id, secret, ok := r.BasicAuth(); ok {
		var err1, err2 error
		if id, err1 = url.QueryUnescape(id); err1 == nil {
			secret, err2 = url.QueryUnescape(secret)
		}
		if err1 != nil || err2 != nil {
			return form, refuse(9002313)
		}
		form.clientID, form.secret = id, secret
	}
	return form, nil
}

// redeem checks a token request in Microsoft's order: directory, application, its credential, the grant, the resource,
// consent, policy.
func (s *Simulator) redeem(f tokenForm) (map[string]any, *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	grantType := f.values.Get("grant_type")
	switch {
	case grantType == "":
		return nil, missing("grant_type")
	case grantType != "authorization_code" && grantType != "refresh_token" && grantType != "client_credentials":
		return nil, refuse(70003)
	case f.clientID == "":
		return nil, missing("client_id")
	}
	d, app, refused := s.state.resolve(f.tenant, f.clientID)
	if refused != nil {
		return nil, refused
	}
	certified, refused := f.authenticate(app)
	if refused != nil {
		return nil, refused
	}
	if grantType == "client_credentials" {
		return s.applicationAnswer(f, app, d, certified)
	}
	if s.state.looping(f) {
		return nil, refuse(50196)
	}
	redeemGrant := s.state.redeemRefreshToken
	if grantType == "authorization_code" {
		redeemGrant = s.state.redeemCode
	}
	p, refused := redeemGrant(f, app, d)
	if refused != nil {
		return nil, refused
	}
	requested, request, refused := s.resourceOf(f, app, p)
	if refused != nil {
		return nil, refused
	}
	if refused := p.directory.policy.redemption(p, request.host, f.now); refused != nil {
		return nil, refused
	}
	request.certified = certified
	answer, err := s.answer(f, requested, request, p)
	if err != nil {
		return nil, refuse(90006).about(err.Error())
	}
	return answer, nil
}

// applicationAnswer answers an application that asks for itself, whether or not it has any permission
// (docs/reference/microsoft-identity.md §6.3). No API of the simulator accepts such a token: it is nobody's.
func (s *Simulator) applicationAnswer(f tokenForm, app *application, d *directory, certified bool) (map[string]any, *refusal) {
	if d == nil {
		return nil, refuse(50194)
	}
	requested, refused := s.cfg.Cloud.parseScope(f.values.Get("scope"))
	switch {
	case refused != nil:
		return nil, refused
	case len(requested.apis) != 1 || requested.apis[0].name != defaultScope || len(requested.oidc) > 0:
		return nil, refuse(1002012)
	case slices.Contains(d.Without, requested.apis[0].host):
		return nil, refuse(500011)
	}
	r := tokenRequest{
		app: app, directory: d, user: &user{}, host: requested.apis[0].host, audience: requested.apis[0].identifier, certified: certified,
		address: f.address, version: f.version, now: f.now,
	}
	access, life, err := s.accessToken(r)
	if err != nil {
		return nil, refuse(90006).about(err.Error())
	}
	seconds := int64(life / time.Second)
	return map[string]any{"token_type": "Bearer", "access_token": access, "expires_in": seconds, "ext_expires_in": seconds}, nil
}

// resolve finds the directory and the application of a request; the directory is nil for common and organizations.
func (st *state) resolve(tenant, clientID string) (*directory, *application, *refusal) {
	shared := tenant == "common" || tenant == "organizations"
	d := st.directory(tenant)
	if d == nil && !shared {
		return nil, nil, refuse(90002)
	}
	if d != nil && d.Cloud != "" {
		return nil, nil, refuse(90038)
	}
	app := st.app(clientID)
	switch {
	case app == nil, d != nil && d.ID != app.DirectoryID && !app.MultiTenant:
		return d, nil, refuse(700016).about("The application with the identifier '" + clientID + "' was not found in the directory '" + tenant + "'.")
	case app.Disabled:
		return d, app, refuse(7000112)
	case shared && !app.MultiTenant:
		return d, app, refuse(50194)
	}
	return d, app, nil
}

// resourceOf returns the API of the token and its permissions.
func (s *Simulator) resourceOf(f tokenForm, app *application, p proof) (scopeSet, tokenRequest, *refusal) {
	request := tokenRequest{
		app: app, directory: p.directory, user: p.user, auth: p.auth, address: f.address, nonce: p.nonce, version: f.version, now: f.now,
	}
	requested, refused := s.requestedScopes(f, p)
	if refused != nil {
		return requested, request, refused
	}
	hosts := requested.hosts()
	if len(hosts) > 1 {
		return requested, request, refuse(28000).about("The scope contains more than one resource: " + f.values.Get("scope"))
	}
	request.host, request.audience = Graph, s.cfg.Cloud.Graph.Audiences[0]
	if len(hosts) == 1 {
		request.host, request.audience = hosts[0], requested.apis[0].identifier
	}
	if slices.Contains(p.directory.Without, request.host) {
		return requested, request, refuse(500011)
	}
	request.granted = s.state.consented(p.directory.ID, app.ID, p.user.UPN, request.host)
	if len(hosts) == 0 {
		return requested, request, nil // OpenID Connect scopes only
	}
	byDefault := requested.apis[0].name == defaultScope
	if byDefault && len(app.registered[request.host]) == 0 {
		return requested, request, refuse(650057)
	}
	if len(request.granted) == 0 && p.directory.CustomerOf != "" && !s.state.principalIn(app, p.directory.ID) {
		return requested, request, refuse(90099)
	}
	for _, name := range requested.permissions(request.host, app) {
		if !byDefault && !slices.Contains(request.granted, name) {
			return requested, request, refuse(65001)
		}
	}
	if len(request.granted) == 0 {
		return requested, request, refuse(65001)
	}
	return requested, request, nil
}

// requestedScopes reads scope (version 2) or resource (version 1).
func (s *Simulator) requestedScopes(f tokenForm, p proof) (scopeSet, *refusal) {
	if f.version == 1 {
		resource := f.values.Get("resource")
		if resource == "" {
			if len(p.scopes.apis) == 0 {
				return scopeSet{oidc: []string{"openid", "offline_access"}}, nil
			}
			resource = p.scopes.apis[0].identifier
		}
		set, refused := s.cfg.Cloud.parseScope(resource + "/" + defaultScope)
		set.oidc = []string{"openid", "offline_access"} // version 1 always includes both
		return set, refused
	}
	scope := f.values.Get("scope")
	if strings.TrimSpace(scope) != "" {
		return s.cfg.Cloud.parseScope(scope)
	}
	if f.values.Get("grant_type") == "refresh_token" {
		return scopeSet{}, refuse(90009).about("The application '" + f.clientID + "' is requesting a token for itself.")
	}
	if len(p.scopes.hosts()) > 1 {
		return scopeSet{}, refuse(28003)
	}
	return p.scopes, nil
}

// answer issues the tokens and returns the answer (docs/reference/microsoft-identity.md §3.3).
func (s *Simulator) answer(f tokenForm, requested scopeSet, r tokenRequest, p proof) (map[string]any, error) {
	access, life, err := s.accessToken(r)
	if err != nil {
		return nil, err
	}
	seconds := int64(life / time.Second)
	body := map[string]any{"token_type": "Bearer", "access_token": access}
	if f.version == 1 {
		body["expires_in"], body["ext_expires_in"] = strconv.FormatInt(seconds, 10), strconv.FormatInt(seconds, 10)
		body["expires_on"] = strconv.FormatInt(f.now.Add(life).Unix(), 10)
		body["not_before"] = strconv.FormatInt(f.now.Unix(), 10)
		body["resource"], body["scope"] = r.audience, strings.Join(r.granted, " ")
	} else {
		body["expires_in"], body["ext_expires_in"] = seconds, seconds
		body["scope"] = grantedScope(requested, r)
	}
	if requested.has("openid") {
		if body["id_token"], err = s.idToken(r); err != nil {
			return nil, err
		}
	}
	refreshing := f.values.Get("grant_type") == "refresh_token"
	if requested.has("offline_access") && (!refreshing || !s.state.odd.KeepRefreshToken) {
		body["refresh_token"] = s.state.issueRefreshToken(refreshToken{
			app: r.app.ID, user: strings.ToLower(p.user.UPN), directory: p.user.DirectoryID, scopes: p.scopes, auth: p.auth,
			spa: p.spa, device: p.device, issued: f.now,
		})
	}
	if f.values.Get("client_info") == "1" {
		body["client_info"] = clientInfo(p.user, p.directory)
	}
	if s.state.odd.OmitOptional {
		maps.DeleteFunc(body, func(name string, _ any) bool {
			return name == "ext_expires_in" || name == "scope" || name == "not_before" || name == "client_info"
		})
	}
	if s.state.odd.ExtraFields {
		body["refresh_in"], body["foci"], body["xms_surprise"] = seconds/2, "1", map[string]any{"nested": []int{1, 2}}
	}
	return body, nil
}

// grantedScope returns the granted scopes, qualified with the resource: it repeats .default if that was requested, and lists
// the OpenID Connect scopes except offline_access (docs/reference/microsoft-identity.md §3.3, §8.4).
func grantedScope(requested scopeSet, r tokenRequest) string {
	var words []string
	for _, a := range requested.apis {
		words = append(words, a.text)
	}
	for _, name := range r.granted {
		words = append(words, strings.TrimRight(r.audience, "/")+"/"+name)
	}
	for _, word := range requested.oidc {
		if word != "offline_access" {
			words = append(words, word)
		}
	}
	var unique []string
	for _, word := range words {
		if !slices.Contains(unique, word) {
			unique = append(unique, word)
		}
	}
	return strings.Join(unique, " ")
}
