// Package panel simulates the platform's control panels: its page looks and behaves like one, and loads the screens of
// installed packages unmodified, so that people and tests can use them without a platform.
package panel

import (
	"context"
	"encoding/json"
	"io/fs"
	"net/http"
)

// The sockets of the real panels into which packages plug their screens (docs/reference/aps-ui.md §1.1).
const (
	PlugUX1Reseller     = "http://www.aps-standard.org/ui/rcp/2"
	PlugUX1Provider     = "http://www.aps-standard.org/ui/pcp/2"
	PlugClassicServices = "http://www.parallels.com/poa/pcp/services"
	PlugClassicInstance = "http://www.aps-standard.org/ui/application"
	PlugResellerTiles   = "http://www.parallels.com/ccp-dashboard#ux1-dashboard"
)

// A Role is the role of an account on the platform.
type Role string

// The roles.
const (
	Provider Role = "provider"
	Reseller Role = "reseller"
	Parent   Role = "parent" // a reseller with resellers below them
)

// A User can log in to the panel.
type User struct {
	ID             string `json:"id"`   // APS id of the user resource
	Name           string `json:"name"` // as displayed
	Login          string `json:"login"`
	Account        string `json:"account"`   // name of the account, as displayed
	AccountID      string `json:"accountId"` // APS id of the account resource
	SubscriptionID string `json:"subscriptionId,omitempty"`
	Role           Role   `json:"role"`
}

// A Node is one element of a package's navigation: a folder, or a screen, or a tile. Screens below a screen are not in
// the menu; other screens open them (docs/reference/aps-ui.md §1.2).
type Node struct {
	Package string `json:"package"` // id of the installed package, as Backend.Files takes it
	ID      string `json:"id"`
	Label   string `json:"label"` // English; the panel translates it with the package's catalogue
	Icon    string `json:"icon,omitempty"`
	// Vars are the variables of this element and of all elements above it (docs/reference/aps-ui.md §1.3).
	Vars  []Var  `json:"-"`
	View  *View  `json:"view,omitempty"`
	Nodes []Node `json:"nodes,omitempty"`
}

// A View is a screen.
type View struct {
	Src      string    `json:"src"` // in the package, e.g. ui/ux1/token.js
	Controls []Control `json:"controls,omitempty"`
}

// A Control is a button that the panel shows below a screen.
type Control struct {
	Handler string `json:"handler"` // Submit, Cancel, Next or Prev: the method is "on" + Handler
	Label   string `json:"label"`
}

// A Var is a variable of the navigation: resources of one type that the account can see.
type Var struct {
	Name       string
	Type       string // APS type id
	Required   bool   // an empty one hides the element
	Collection bool   // all of them in an array, instead of the first
}

// A Call is a custom operation of a resource; when Path is empty, GET reads the resource itself and PUT changes it.
type Call struct {
	Method     string
	ResourceID string
	Path       string // below the resource, without leading slash, percent-decoded
	Query      string // encoded, without the leading "?"
	Body       []byte
	Locale     string // of the panel, for example de_DE
}

// An Answer is what the platform returns for a Call.
type Answer struct {
	Status int
	Header http.Header // only Content-Type and APS-Transaction-ID are passed on
	Body   []byte
}

// A Backend is the platform behind the panel. Its methods are safe for concurrent use.
type Backend interface {
	// Users returns the users who may log in, in display order.
	Users(ctx context.Context) ([]User, error)
	// Navigation returns what installed packages plug into a socket for the user. It leaves out elements that the user
	// may not see, but not those with an empty required variable.
	Navigation(ctx context.Context, userID, socket string) ([]Node, error)
	// Files returns the content of an installed package, with ui/ and i18n/ at its top, or fs.ErrNotExist.
	Files(ctx context.Context, packageID string) (fs.FS, error)
	// Resources returns the resources of a type that the user's account can see, as the platform's JSON.
	Resources(ctx context.Context, userID, typeID string) ([]json.RawMessage, error)
	// Call passes an operation to the connector on behalf of the user. Refusals are Answers; an error means that the
	// connector could not be reached.
	Call(ctx context.Context, userID string, c Call) (Answer, error)
	// Notifications returns the platform's notifications for the user, oldest first.
	Notifications(ctx context.Context, userID string) ([]Notification, error)
}
