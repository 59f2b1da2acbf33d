package panel

import (
	"encoding/json"
	"net/http"
	"slices"

	"azure-partner-connector/connector/random"
)

const (
	cookieName = "panel_session"
	// tokenHeader carries the token of the session in every call of a screen (docs/reference/aps-protocol.md §1.4).
	tokenHeader = "APS-Token"
)

// A session is the session of one browser.
type session struct {
	user  User
	token string // sent by scripts; pages of other sites do not know it
}

// A sessionView is a session as the panel's page receives it.
type sessionView struct {
	Brand string `json:"brand"`
	Users []User `json:"users"`
	User  *User  `json:"user"`
	Token string `json:"token,omitempty"`
	// Drawer says that there is a side drawer.
	Drawer bool `json:"drawer"`
}

// find returns the session of a request by its cookie.
func (s *server) find(r *http.Request) (session, bool) {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return session{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	in, ok := s.sessions[cookie.Value]
	return in, ok
}

// withUser refuses requests of browsers that are not logged in.
func (s *server) withUser(next func(http.ResponseWriter, *http.Request, session)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		in, ok := s.find(r)
		if !ok {
			writeError(w, http.StatusUnauthorized, "APS::Security::Exception", "Log in first.")
			return
		}
		next(w, r, in)
	}
}

// withToken refuses requests without the session's token, like the real platform, so that other sites cannot make calls with the
// browser's cookie.
func (s *server) withToken(next func(http.ResponseWriter, *http.Request, session)) func(http.ResponseWriter, *http.Request, session) {
	return func(w http.ResponseWriter, r *http.Request, in session) {
		if r.Header.Get(tokenHeader) != in.token {
			writeError(w, http.StatusForbidden, "APS::Security::Exception", "The token of the session is missing or wrong.")
			return
		}
		next(w, r, in)
	}
}

func (s *server) readSession(w http.ResponseWriter, r *http.Request) {
	in, ok := s.find(r)
	if !ok {
		s.writeSession(w, r, nil)
		return
	}
	s.writeSession(w, r, &in)
}

// logIn starts a session for the chosen user; a simulated platform has no passwords. New refuses requests from
// other sites' pages by their origin.
func (s *server) logIn(w http.ResponseWriter, r *http.Request) {
	var chosen struct {
		User string `json:"user"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyLimit)).Decode(&chosen); err != nil {
		writeError(w, http.StatusBadRequest, "APS::Exception", "The request could not be read.")
		return
	}
	users, err := s.cfg.Backend.Users(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	i := slices.IndexFunc(users, func(u User) bool { return u.ID == chosen.User })
	if i < 0 {
		writeError(w, http.StatusNotFound, "APS::Exception", "There is no such user.")
		return
	}
	in := session{user: users[i], token: random.Token()}
	id := random.Token()
	s.mu.Lock()
	if old, err := r.Cookie(cookieName); err == nil {
		delete(s.sessions, old.Value)
	}
	s.sessions[id] = in
	s.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: id, Path: "/", HttpOnly: true, Secure: s.cfg.Secure, SameSite: http.SameSiteLaxMode})
	s.writeSession(w, r, &in)
}

func (s *server) writeSession(w http.ResponseWriter, r *http.Request, in *session) {
	users, err := s.cfg.Backend.Users(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	view := sessionView{Brand: s.cfg.Brand, Users: users, Drawer: s.cfg.Drawer != nil}
	if in != nil {
		view.User, view.Token = &in.user, in.token
	}
	writeJSON(w, http.StatusOK, view)
}
