package microsoft

import (
	"crypto/sha256"
	"slices"
	"strings"
	"time"
)

// state is everything that the simulated Microsoft remembers. Simulator.mu guards it.
type state struct {
	keys        *keyring
	directories map[string]*directory   // directory ID, lower case → directory
	users       map[string]*user        // UPN, lower case → user
	apps        map[string]*application // application ID, lower case → registration
	consents    map[consentKey][]string // who consented to which API → permissions
	flows       map[string]*flow        // flow ID → sign-in in progress
	sessions    map[string]*session     // cookie → browser that is signed in
	codes       map[digest]*code
	refresh     map[digest]*refreshToken
	opaque      map[digest]map[string]any // access tokens that are no JWT → their claims
	recent      map[digest][]time.Time    // equal token requests → when they came
	faults      []*activeFault
	odd         Oddities
}

func newState() state {
	return state{
		directories: make(map[string]*directory),
		users:       make(map[string]*user),
		apps:        make(map[string]*application),
		consents:    make(map[consentKey][]string),
		flows:       make(map[string]*flow),
		sessions:    make(map[string]*session),
		codes:       make(map[digest]*code),
		refresh:     make(map[digest]*refreshToken),
		opaque:      make(map[digest]map[string]any),
		recent:      make(map[digest][]time.Time),
	}
}

// A digest stands for a secret value: the simulator keeps none of those that it issued.
type digest [sha256.Size]byte

func digestOf(value string) digest { return sha256.Sum256([]byte(value)) }

type directory struct {
	Directory
	policy   Policy
	partner  PartnerCenterMode
	requests int // of Partner Center without MFA, for gradual enforcement
}

type user struct {
	User
	objectID        string
	tokensValidFrom time.Time
	revocations     int // how often all sessions were ended; a counter, for test clocks may stand still
	refused         int // AADSTS code that sign-ins and redemptions get; 0: none
}

// revoke ends everything that was obtained before now.
func (u *user) revoke(now time.Time) {
	u.tokensValidFrom = now
	u.revocations++
}

type application struct {
	Application
	registered map[Host][]string // API → permissions on the registration
}

// A consentKey names who consented to what. user is empty for a consent of the organization.
type consentKey struct {
	directory, app, user string
	host                 Host
}

// A code is an issued authorization code with all it is bound to.
type code struct {
	app, redirectURI string
	spa              bool
	directory        string
	user             string
	scopes           scopeSet
	nonce            string
	challenge        string
	challengeMethod  string
	auth             authentication
	issued           time.Time
	redeemed         bool
}

// A refreshToken is bound to a user and an application, not to an API (microsoft-identity.md §3.4).
type refreshToken struct {
	app, user string
	directory string // where it was issued
	scopes    scopeSet
	auth      authentication
	spa       bool
	device    bool      // obtained by the device code flow
	issued    time.Time // of this value
}

// An authentication is how and when a person proved who he is.
type authentication struct {
	amr      []string
	at       time.Time
	mfaAt    time.Time // zero without MFA
	external bool      // an external provider's second factor satisfied the policy, which amr does not show

	revocations int // of the user, when he signed in
}

func (a authentication) mfa() bool { return slices.Contains(a.amr, "mfa") }

// strong reports whether a policy that requires MFA is satisfied.
func (a authentication) strong() bool { return a.mfa() || a.external }

// directory finds a directory by ID or domain.
func (st *state) directory(name string) *directory {
	name = strings.ToLower(name)
	if d := st.directories[name]; d != nil {
		return d
	}
	for _, d := range st.directories {
		if strings.EqualFold(d.Domain, name) {
			return d
		}
	}
	return nil
}

func (st *state) user(upn string) *user { return st.users[strings.ToLower(strings.TrimSpace(upn))] }

func (st *state) app(id string) *application { return st.apps[strings.ToLower(id)] }

// consented returns what the application may do with an API for a user, whoever consented.
func (st *state) consented(directory, app, upn string, host Host) []string {
	key := consentKey{strings.ToLower(directory), strings.ToLower(app), "", host}
	names := slices.Clone(st.consents[key])
	key.user = strings.ToLower(upn)
	names = append(names, st.consents[key]...)
	slices.Sort(names)
	return slices.Compact(names)
}

// consent adds permissions to a consent; an empty upn means the whole organization.
func (st *state) consent(directory, app, upn string, host Host, names []string) {
	key := consentKey{strings.ToLower(directory), strings.ToLower(app), strings.ToLower(upn), host}
	all := append(slices.Clone(st.consents[key]), names...)
	slices.Sort(all)
	st.consents[key] = slices.Compact(all)
}

// principalIn reports whether the application exists in a directory: registered there, or consented to by somebody.
func (st *state) principalIn(app *application, directory string) bool {
	if strings.EqualFold(app.DirectoryID, directory) {
		return true
	}
	for key := range st.consents {
		if strings.EqualFold(key.app, app.ID) && strings.EqualFold(key.directory, directory) {
			return true
		}
	}
	return false
}
