package microsoft

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// sessionCookie is the cookie of single sign-on. It does not have Microsoft's name: all ports of one host name share
// cookies, and the name must differ from those of the product under test.
const sessionCookie = "simulated-microsoft-session"

// A session is a browser with signed-in accounts.
type session struct {
	id       string
	accounts map[string]authentication // UPN, lower case → sign-in
}

func (s *Simulator) sessionOf(r *http.Request) *session {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return nil
	}
	return s.state.sessions[cookie.Value]
}

// signedIn returns the accounts of a browser that a flow can use.
func (st *state) signedIn(browser *session, f *flow) []string {
	var upns []string
	for _, upn := range slices.Sorted(maps.Keys(browser.accounts)) {
		u := st.users[upn]
		if u == nil || u.refusal() != nil || u.revocations != browser.accounts[upn].revocations {
			continue
		}
		if f.directory == nil || u.DirectoryID == f.directory.ID {
			upns = append(upns, upn)
		}
	}
	return upns
}

// remember stores the sign-in in the browser's session and adds its cookie to the answer.
func (s *Simulator) remember(f *flow, r *http.Request, answer reply) reply {
	browser := s.sessionOf(r)
	if browser == nil {
		browser = &session{id: uuid.NewString(), accounts: make(map[string]authentication)}
		s.state.sessions[browser.id] = browser
	}
	browser.accounts[strings.ToLower(f.user.UPN)] = f.auth
	answer.cookie = &http.Cookie{Name: sessionCookie, Value: browser.id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if s.cfg.TLS {
		answer.cookie.Secure, answer.cookie.SameSite = true, http.SameSiteNoneMode
	}
	return answer
}

// logout ends the browser's session. Refresh tokens stay (docs/reference/microsoft-identity.md §6.1).
func (s *Simulator) logout(w http.ResponseWriter, r *http.Request) {
	s.write(w, r, s.locked(func() reply {
		if browser := s.sessionOf(r); browser != nil {
			delete(s.state.sessions, browser.id)
		}
		return reply{
			status: http.StatusOK, page: "notice", view: view{Title: "You are signed out"},
			cookie: &http.Cookie{Name: sessionCookie, Path: "/", MaxAge: -1, HttpOnly: true},
		}
	}))
}
