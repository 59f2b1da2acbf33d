package panel

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

// Levers are the controls of a simulated world in the panel's side drawer. They are safe for concurrent use.
type Levers interface {
	// Drawer returns what the drawer shows.
	Drawer() Drawer
	// Advance moves the world's clock forward.
	Advance(d time.Duration)
	// Pull moves a lever; one that springs back acts once. It returns ErrNoLever for an unknown lever.
	Pull(id string, on bool) error
}

// ErrNoLever is the error for an unknown lever.
var ErrNoLever = errors.New("there is no such lever")

// A Drawer is the content of the side drawer. Its texts are English; the panel translates those that it knows.
type Drawer struct {
	Now    time.Time `json:"now"` // by the world's clock
	Levers []Lever   `json:"levers"`
	// Accounts can sign in to the world's services, all with the same password.
	Accounts []SignIn `json:"accounts"`
	Password string   `json:"password"`
}

// A Lever is a switch.
type Lever struct {
	ID    string `json:"id"`
	Label string `json:"label"`
	About string `json:"about"`
	On    bool   `json:"on"`
	// Springs is true for a lever that acts once and is never on.
	Springs bool `json:"springs"`
}

// A SignIn is an account of the world's services.
type SignIn struct {
	Name  string `json:"name"`
	About string `json:"about"`
}

// farthest is the most that one request may move the clock; more would be a mistake of a script.
const farthest = 366 * 24 * time.Hour

func (s *server) showDrawer(w http.ResponseWriter, _ *http.Request, _ session) {
	writeJSON(w, http.StatusOK, s.cfg.Levers.Drawer())
}

// useDrawer moves the clock or a lever, and answers with the new content of the drawer.
func (s *server) useDrawer(w http.ResponseWriter, r *http.Request, in session) {
	var asked struct {
		Advance string `json:"advance"` // as 240h
		Lever   string `json:"lever"`
		On      bool   `json:"on"`
	}
	if r.Header.Get(tokenHeader) != in.token {
		writeError(w, http.StatusForbidden, "APS::Security::Exception", "The token of the session is missing or wrong.")
		return
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyLimit)).Decode(&asked); err != nil {
		writeError(w, http.StatusBadRequest, "APS::Exception", "The request could not be read.")
		return
	}
	if asked.Advance != "" {
		by, err := time.ParseDuration(asked.Advance)
		if err != nil || by <= 0 || by > farthest {
			writeError(w, http.StatusBadRequest, "APS::Exception", "The clock moves forward by a year at most.")
			return
		}
		s.cfg.Levers.Advance(by)
	}
	if asked.Lever != "" {
		if err := s.cfg.Levers.Pull(asked.Lever, asked.On); errors.Is(err, ErrNoLever) {
			writeError(w, http.StatusNotFound, "APS::Exception", "There is no such lever.")
			return
		} else if err != nil {
			s.fail(w, r, err)
			return
		}
	}
	s.showDrawer(w, r, in)
}
