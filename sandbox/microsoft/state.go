package microsoft

import (
	"crypto/sha256"
	"slices"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// state is everything that the simulated Microsoft stores. Simulator.mu guards it.
type state struct {
	keys        *keyring
	directories map[string]*directory   // directory ID, lower case → directory
	users       map[string]*user        // UPN, lower case → user
	apps        map[string]*application // application ID, lower case → registration
	consents    map[consentKey][]string // consent → permissions

	relationships map[string]*Relationship // ID → relationship
	flows         map[string]*flow         // flow ID → sign-in in progress
	sessions      map[string]*session      // cookie → signed-in browser
	codes         map[digest]*code
	refresh       map[digest]*refreshToken
	opaque        map[digest]map[string]any       // access token that is not a JWT → its claims
	recent        *lru.Cache[digest, []time.Time] // token request → when identical ones came
	faults        []*activeFault
	odd           Oddities
}

func newState() state {
	recent, _ := lru.New[digest, []time.Time](maxRecent) // fails only without a positive size
	return state{
		directories: make(map[string]*directory),
		users:       make(map[string]*user),
		apps:        make(map[string]*application),
		consents:    make(map[consentKey][]string),

		relationships: make(map[string]*Relationship),
		flows:         make(map[string]*flow),
		sessions:      make(map[string]*session),
		codes:         make(map[digest]*code),
		refresh:       make(map[digest]*refreshToken),
		opaque:        make(map[digest]map[string]any),
		recent:        recent,
	}
}

// A digest identifies a secret value: the simulator does not store the values that it issued.
type digest [sha256.Size]byte

func digestOf(value string) digest { return sha256.Sum256([]byte(value)) }

type directory struct {
	Directory
	policy   Policy
	partner  PartnerCenterMode
	requests int // to Partner Center without MFA, for gradual enforcement
}

type user struct {
	User
	objectID        string
	tokensValidFrom time.Time
	revocations     int // how often all sessions were revoked; a counter, because a test's clock may not move
	refused         int // AADSTS code with which sign-ins and redemptions fail; 0: none
}

// revoke invalidates all sessions and refresh tokens from before now.
func (u *user) revoke(now time.Time) {
	u.tokensValidFrom = now
	u.revocations++
}

type application struct {
	Application
	registered map[Host][]string // API → permissions on the registration
}

// A consentKey identifies a consent. user is empty for a consent for the organization.
type consentKey struct {
	directory, app, user string
	host                 Host
}

// A code is an issued authorization code with everything it is bound to.
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

// A refreshToken is bound to a user and an application, not to an API (docs/reference/microsoft-identity.md §3.4).
type refreshToken struct {
	app, user string
	directory string // of the account, wherever it was issued: one value serves all directories
	scopes    scopeSet
	auth      authentication
	spa       bool
	device    bool      // obtained by the device code flow
	issued    time.Time // of this value
}

// An authentication is how and when a person signed in.
type authentication struct {
	amr      []string
	at       time.Time
	mfaAt    time.Time // zero without MFA
	external bool      // an external provider's second factor satisfies the policy; amr does not show it

	revocations int // of the user, at the sign-in
}

func (a authentication) mfa() bool {
	return slices.Contains(a.amr, "mfa") || slices.Contains(a.amr, passkey)
}

// passkey is the value of amr for a sign-in by passkey (docs/reference/microsoft-identity.md §4.3).
const passkey = "fido"

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

// consented returns the permissions of the application for an API and a user, by consents of the user and the
// organization.
func (st *state) consented(directory, app, upn string, host Host) []string {
	key := consentKey{strings.ToLower(directory), strings.ToLower(app), "", host}
	names := slices.Clone(st.consents[key])
	key.user = strings.ToLower(upn)
	names = append(names, st.consents[key]...)
	slices.Sort(names)
	return slices.Compact(names)
}

// consent adds permissions to a consent; upn is empty for the organization.
func (st *state) consent(directory, app, upn string, host Host, names []string) {
	key := consentKey{strings.ToLower(directory), strings.ToLower(app), strings.ToLower(upn), host}
	all := append(slices.Clone(st.consents[key]), names...)
	slices.Sort(all)
	st.consents[key] = slices.Compact(all)
}

// principalIn reports whether the application exists in a directory: registered there, or with a consent there.
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
