package panel

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

// Levers are what a person may do to a simulated world from the panel's side drawer. They are safe for concurrent use.
type Levers interface {
	// Drawer returns what the drawer shows.
	Drawer() Drawer
	// Advance moves the world's clock forward.
	Advance(d time.Duration)
	// Pull moves a lever, or, of one that springs back, acts once. An unknown one is ErrNoLever.
	Pull(id string, on bool) error
}

// ErrNoLever is what Levers return for a lever that there is not.
var ErrNoLever = errors.New("there is no such lever")

// A Drawer is what the side drawer shows. Its texts are English; the panel translates those that it knows.
type Drawer struct {
	Now    time.Time `json:"now"` // of the world's clock
	Levers []Lever   `json:"levers"`
	// Accounts are those with which people sign in to the world's services, all by the same password.
	Accounts []SignIn `json:"accounts"`
	Password string   `json:"password"`
}

// A Lever is something that people switch.
type Lever struct {
	ID    string `json:"id"`
	Label string `json:"label"`
	About string `json:"about"`
	On    bool   `json:"on"`
	// Springs says that it acts once and is never on.
	Springs bool `json:"springs"`
}

// A SignIn is an account to sign in with.
type SignIn struct {
	Name  string `json:"name"`
	About string `json:"about"`
}

// farthest is how far the clock moves at once; more would only be a slip of a script.
const farthest = 366 * 24 * time.Hour

func (s *server) showDrawer(w http.ResponseWriter, _ *http.Request, _ session) {
	writeJSON(w, http.StatusOK, s.cfg.Levers.Drawer())
}

// useDrawer moves the clock or a lever, and answers with what the drawer then shows.
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
