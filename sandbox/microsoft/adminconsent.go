package microsoft

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/google/uuid"
)

// adminConsent serves the admin consent endpoint: the same pages, but a consent for the organization and no code
// (docs/reference/microsoft-identity.md §2.6).
func (s *Simulator) adminConsent(w http.ResponseWriter, r *http.Request) {
	s.write(w, r, s.locked(func() reply { return s.beginAdminConsent(r, r.URL.Query()) }))
}

func (s *Simulator) beginAdminConsent(r *http.Request, query url.Values) reply {
	s.state.forgetFlows(s.now())
	f := &flow{
		id: uuid.NewString(), version: 2, tenant: r.PathValue("tenant"), started: s.now(), adminOnly: true, mode: "query",
		redirectURI: query.Get("redirect_uri"), state: query.Get("state"), correlation: query.Get("client-request-id"),
	}
	if refused := s.identify(f, r.URL.RawQuery, query); refused != nil {
		return s.errorPage(f, refused)
	}
	if query.Get("scope") == "" { // everything on the registration
		set, refused := s.cfg.Cloud.parseScope(s.registeredScopes(f.app))
		if refused != nil {
			return s.refuseRedirect(f, refused)
		}
		f.scopes = set
	} else if refused := s.readScopes(f, query); refused != nil {
		return s.refuseRedirect(f, refused)
	}
	s.state.flows[f.id] = f
	return s.enter(f, s.sessionOf(r))
}

func (s *Simulator) registeredScopes(app *application) string {
	var text string
	for _, host := range resourceHosts() {
		if len(app.registered[host]) > 0 {
			text += s.cfg.Cloud.resource(host).Audiences[0] + "/" + defaultScope + " "
		}
	}
	return text
}

// adminConsented returns the successful answer. A client must not trust its tenant parameter.
func (s *Simulator) adminConsented(f *flow) reply {
	values := url.Values{"admin_consent": {"True"}, "tenant": {f.directory.ID}}
	var scopes []string
	for _, a := range f.scopes.apis {
		scopes = append(scopes, a.text)
	}
	values.Set("scope", strings.Join(scopes, " "))
	return f.redirectBack(values)
}
