package panel

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

// DrawerControls control a simulated world from the panel's side drawer. They are safe for concurrent use.
type DrawerControls interface {
	// Drawer returns what the drawer shows.
	Drawer() Drawer
	// Advance moves the world's clock forward.
	Advance(d time.Duration)
	// Set turns a switch on or off; a momentary one acts once. It returns ErrUnknownSwitch for an unknown switch, and a
	// *RefusedError when the world refuses; then the switch stays as it was.
	Set(id string, on bool) error
	// Mails returns the mails that the world's mail server took, oldest first.
	Mails() []Mail
	// Outage returns what the platform gets instead of the connector's answers while the connector is stopped; otherwise nothing.
	Outage() string
}

// ErrUnknownSwitch is returned for a switch that the drawer does not have.
var ErrUnknownSwitch = errors.New("unknown switch")

// A RefusedError is a refusal with a message for people to read.
type RefusedError struct{ Message string }

// Error implements error.
func (e *RefusedError) Error() string { return e.Message }

// A Drawer is the content of the side drawer. Its texts are English; the panel translates those that it knows.
type Drawer struct {
	Now      time.Time `json:"now"` // by the world's clock
	Switches []Switch  `json:"switches"`
	// Accounts can sign in to the world's services, all with the same password.
	Accounts []SignIn `json:"accounts"`
	Password string   `json:"password"`
	// Tour is what a newcomer can do, in order; empty for none.
	Tour []TourStep `json:"tour,omitempty"`
	// Borrowed is what the last switch of a borrower showed; nil before.
	Borrowed *Borrowed `json:"borrowed,omitempty"`
	// Refused is why the last request changed nothing; empty when it did.
	Refused string `json:"refused,omitempty"`
}

// A Switch makes something in the simulated world fail, or makes something happen once.
type Switch struct {
	ID    string `json:"id"`
	Label string `json:"label"`
	About string `json:"about"`
	On    bool   `json:"on"`
	// OfPlatform is true for a switch of the simulated platform, and false for one of the simulated Microsoft.
	OfPlatform bool `json:"ofPlatform"`
	// Momentary is true for a switch that acts once and is never on.
	Momentary bool `json:"momentary"`
	// OfBorrower is true for a momentary switch that makes an application borrow an access token and use it.
	OfBorrower bool `json:"ofBorrower"`
}

// Borrowed is what an application that borrowed an access token was answered. It has no token.
type Borrowed struct {
	Label string `json:"label"` // of the switch
	// ExpiresAt is the end of the access token; nil when it was refused.
	ExpiresAt *time.Time `json:"expiresAt"`
	// Request is the call that Status and Body answer: the one with the access token, or, when that was refused, the one for it.
	Request string `json:"request"`
	Status  string `json:"status"`
	Body    string `json:"body"`
}

// A TourStep is one step of the tour. Some have a button that does it: it moves the clock, or turns a switch on.
type TourStep struct {
	ID      string `json:"id"`
	Title   string `json:"title"`
	Text    string `json:"text"`
	Done    bool   `json:"done"`
	Label   string `json:"label,omitempty"`   // of the button
	Advance string `json:"advance,omitempty"` // for example 240h
	Switch  string `json:"switch,omitempty"`
}

// A SignIn is an account of the world's services.
type SignIn struct {
	Name  string `json:"name"`
	About string `json:"about"`
}

// maxAdvance is how far one request may move the clock; more would be a mistake in a script.
const maxAdvance = 366 * 24 * time.Hour

func (s *server) showDrawer(w http.ResponseWriter, _ *http.Request, _ session) {
	writeJSON(w, http.StatusOK, s.cfg.Drawer.Drawer())
}

// useDrawer moves the clock or sets a switch, and answers with the new content of the drawer.
func (s *server) useDrawer(w http.ResponseWriter, r *http.Request, in session) {
	var asked struct {
		Advance string `json:"advance"` // for example 240h
		Switch  string `json:"switch"`
		On      bool   `json:"on"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, bodyLimit)).Decode(&asked); err != nil {
		writeError(w, http.StatusBadRequest, "APS::Exception", "The request could not be read.")
		return
	}
	if asked.Advance != "" {
		by, err := time.ParseDuration(asked.Advance)
		if err != nil || by <= 0 || by > maxAdvance {
			writeError(w, http.StatusBadRequest, "APS::Exception", "The clock moves forward by a year at most.")
			return
		}
		s.cfg.Drawer.Advance(by)
	}
	if asked.Switch != "" {
		if err := s.cfg.Drawer.Set(asked.Switch, asked.On); errors.Is(err, ErrUnknownSwitch) {
			writeError(w, http.StatusNotFound, "APS::Exception", "There is no such switch.")
			return
		} else if refused, ok := errors.AsType[*RefusedError](err); ok {
			world := s.cfg.Drawer.Drawer()
			world.Refused = refused.Message
			writeJSON(w, http.StatusOK, world)
			return
		} else if err != nil {
			s.fail(w, r, err)
			return
		}
	}
	s.showDrawer(w, r, in)
}
