package platform

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
)

// The types of account (docs/reference/aps-protocol.md §4.7).
const (
	Admin    = "ADMIN" // the provider; there is one, with number 1
	Reseller = "RESELLER"
	Client   = "CLIENT"
)

// An Account is the provider, a reseller at any level, or a customer.
type Account struct {
	ID       string // UUID
	Number   int    // the platform's own id
	Type     string // Admin, Reseller or Client
	Name     string // company
	ParentID string // empty for the provider
}

// A User can sign in to a panel.
type User struct {
	ID        string
	Number    int
	Login     string
	Password  secret.Text
	Name      string // as shown
	Email     string
	Locale    string // for example en_US, which is the default
	AccountID string
	// Restricted users have only Privileges; others are account administrators, who have all of them.
	Restricted bool
	Privileges []string
}

// holds reports whether u has a privilege.
func (u *User) holds(privilege string) bool {
	return privilege == "" || !u.Restricted || slices.Contains(u.Privileges, privilege)
}

// A Session is one signed-in user of a panel.
type Session struct {
	Cookie string // value of the cookie CookieName
	// Token must be sent as APS-Token with every request that changes something: another site's page can make a browser
	// send the cookie, but not the token.
	Token  string
	UserID string
	// OriginalID is the user who "logged in as" UserID; empty otherwise.
	OriginalID string
}

// CookieName is the cookie that carries a session.
const CookieName = "aps_session"

// seed creates the provider, the hub and the platform's singletons.
func (p *Platform) seed() {
	provider := &Account{ID: random.ID(), Number: p.number(), Type: Admin, Name: p.cfg.Company}
	p.accounts[provider.ID] = provider
	p.store(accountResource(provider))
	p.store(&resource{id: random.ID(), typeID: hubType, status: ready, owner: provider.ID})
	p.store(&resource{id: random.ID(), typeID: notificationType, status: ready, owner: provider.ID})
	p.store(&resource{id: random.ID(), typeID: managerType, status: ready, owner: provider.ID})
	if p.cfg.ConnectExtension {
		p.store(&resource{id: random.ID(), typeID: extensionType, status: ready, owner: provider.ID})
	}
}

// Provider returns the provider's account.
func (p *Platform) Provider() Account {
	p.mu.Lock()
	defer p.mu.Unlock()
	return *p.provider()
}

func (p *Platform) provider() *Account {
	for _, a := range p.accounts {
		if a.Type == Admin {
			return a
		}
	}
	panic("platform: the provider is seeded first")
}

// AddAccount creates an account. ParentID defaults to the provider, and Type to Reseller; the platform sets ID and Number.
// Resellers may have resellers below them, three levels in total; customers have no accounts below them.
func (p *Platform) AddAccount(a Account) (Account, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a.ParentID == "" {
		a.ParentID = p.provider().ID
	}
	if a.Type == "" {
		a.Type = Reseller
	}
	parent, ok := p.accounts[a.ParentID]
	switch {
	case !ok:
		return Account{}, notFound("account", a.ParentID)
	case a.Type != Reseller && a.Type != Client:
		return Account{}, badRequest("an account of type %q cannot be created", a.Type)
	case parent.Type == Client:
		return Account{}, badRequest("a customer cannot have accounts")
	case a.Type == Reseller && len(p.lineage(parent.ID)) > 3:
		return Account{}, badRequest("at most three levels of resellers are allowed")
	case a.Name == "":
		return Account{}, badRequest("an account needs a name")
	}
	a.ID, a.Number = random.ID(), p.number()
	p.accounts[a.ID] = &a
	p.store(accountResource(&a))
	return a, nil
}

// Account returns an account; ok is false when there is none.
func (p *Platform) Account(id string) (a Account, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if found := p.accounts[id]; found != nil {
		return *found, true
	}
	return Account{}, false
}

// HasResellers reports whether an account has resellers below it.
func (p *Platform) HasResellers(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.accounts {
		if a.ParentID == id && a.Type == Reseller {
			return true
		}
	}
	return false
}

// lineage returns the accounts from the provider down to id, both included.
func (p *Platform) lineage(id string) []string {
	var line []string
	for a := p.accounts[id]; a != nil; a = p.accounts[a.ParentID] {
		line = append(line, a.ID)
	}
	slices.Reverse(line)
	return line
}

// isAbove reports whether ancestor is a proper ancestor of id.
func (p *Platform) isAbove(ancestor, id string) bool {
	line := p.lineage(id)
	return len(line) > 0 && slices.Contains(line[:len(line)-1], ancestor)
}

// AddUser creates a user. The platform sets ID and Number; logins are unique.
func (p *Platform) AddUser(u User) (User, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.accounts[u.AccountID]; !ok {
		return User{}, notFound("account", u.AccountID)
	}
	if u.Login == "" || u.Password.Empty() {
		return User{}, badRequest("a user needs a login and a password")
	}
	for _, other := range p.users {
		if other.Login == u.Login {
			return User{}, conflict("the login %s is taken", u.Login)
		}
	}
	if u.Locale == "" {
		u.Locale = "en_US"
	}
	if u.Name == "" {
		u.Name = u.Login
	}
	u.ID, u.Number = random.ID(), p.number()
	p.users[u.ID] = &u
	p.store(userResource(&u))
	return u, nil
}

// User returns a user; ok is false when there is none.
func (p *Platform) User(id string) (u User, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if found := p.users[id]; found != nil {
		return *found, true
	}
	return User{}, false
}

// Users returns all users in the order of their creation.
func (p *Platform) Users() []User {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []User
	for _, u := range p.users {
		list = append(list, *u)
	}
	slices.SortFunc(list, func(a, b User) int { return a.Number - b.Number })
	return list
}

// ErrLogin is returned for a wrong login or password.
var ErrLogin = errors.New("the login or the password is wrong")

// Login starts a session.
func (p *Platform) Login(login string, password secret.Text) (Session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range p.users {
		if u.Login == login && subtle.ConstantTimeCompare([]byte(u.Password.Reveal()), []byte(password.Reveal())) == 1 {
			return p.begin(Session{UserID: u.ID}), nil
		}
	}
	return Session{}, ErrLogin
}

// LoginAs starts a session in which the user original acts as userID, a user of an account below.
func (p *Platform) LoginAs(original, userID string) (Session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	by, user := p.users[original], p.users[userID]
	if by == nil || user == nil {
		return Session{}, notFound("user", userID)
	}
	if !p.isAbove(by.AccountID, user.AccountID) {
		return Session{}, forbidden("%s may not log in as %s", by.Login, user.Login)
	}
	return p.begin(Session{UserID: userID, OriginalID: original}), nil
}

func (p *Platform) begin(s Session) Session {
	s.Cookie, s.Token = random.Token(), random.Token()
	p.sessions[s.Cookie] = &s
	return s
}

// Logout ends a session. An unknown one is not an error.
func (p *Platform) Logout(cookie string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.sessions, cookie)
}

// Session returns the session of a request; ok is false when it has none.
func (p *Platform) Session(r *http.Request) (s Session, ok bool) {
	cookie, err := r.Cookie(CookieName)
	if err != nil {
		return Session{}, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if found := p.sessions[cookie.Value]; found != nil {
		return *found, true
	}
	return Session{}, false
}

// accountResource returns an account as a resource.
func accountResource(a *Account) *resource {
	r := &resource{id: a.ID, typeID: accountType, status: ready, owner: a.ID, properties: map[string]any{
		"id": a.Number, "type": a.Type, "companyName": a.Name,
	}}
	if a.ParentID != "" {
		r.links = map[string][]string{"parent": {a.ParentID}}
	}
	return r
}

func userResource(u *User) *resource {
	return &resource{id: u.ID, typeID: userType, status: ready, owner: u.AccountID, properties: map[string]any{
		"userId": u.Number, "login": u.Login, "fullName": u.Name, "email": u.Email, "locale": u.Locale,
	}, links: map[string][]string{"organization": {u.AccountID}}}
}

// describe names an account in a message.
func (p *Platform) describe(accountID string) string {
	if a := p.accounts[accountID]; a != nil {
		return fmt.Sprintf("%s (%s %d)", a.Name, a.Type, a.Number)
	}
	return accountID
}
