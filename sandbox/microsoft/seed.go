package microsoft

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
)

// A Directory is a Microsoft Entra tenant.
type Directory struct {
	ID     string // GUID
	Domain string // verified domain, for example contoso.onmicrosoft.com
	Name   string
	// NotPartner says that Partner Center does not know the directory.
	NotPartner bool
	// CustomerOf makes it a customer of the partner with this directory ID: Partner Center lists it. Accounts of the partner reach
	// it by a Relationship.
	CustomerOf string
	// Cloud is the name of the cloud to which the directory belongs. Default: the simulated one.
	Cloud string
	// Without are the APIs without a service principal in the directory (500011).
	Without []Host
	// Subscriptions are the IDs of Azure subscriptions; a partner may have none.
	Subscriptions []string
}

// An MFA is the state of multifactor authentication of an account.
type MFA string

// The states. The zero MFA is none.
const (
	MFANone       MFA = ""           // no method registered
	MFARegistered MFA = "registered" // requested only if a policy or the request requires it
	MFARequired   MFA = "required"   // requested at every sign-in
	MFAExternal   MFA = "external"   // a third party's challenge, which does not add mfa to amr
	MFAPasskey    MFA = "passkey"    // a passkey proves MFA by itself; amr has fido instead of mfa
)

// A User is an account of a directory.
type User struct {
	UPN         string
	Password    string
	Name        string
	DirectoryID string
	MFA         MFA

	GlobalAdmin bool
	AdminAgent  bool // member of AdminAgents
	// NestedAdminAgent makes the user a member of a group in AdminAgents, which only transitiveMemberOf shows.
	NestedAdminAgent bool
	Groups           []string
	// RoleGroup makes the user a member of a group that carries roles, of which Graph's lists do not tell.
	RoleGroup bool

	Guest    bool // the account belongs to another directory
	Disabled bool
	// Federated users sign in at their own organization: amr has fed, and mfa only if MFA is registered.
	Federated bool
}

// An Application is an app registration.
type Application struct {
	ID          string // GUID
	Name        string
	Publisher   string // empty: unverified
	DirectoryID string
	// MultiTenant allows consents in other directories.
	MultiTenant  bool
	Secrets      []Secret
	Certificates []*x509.Certificate
	Federated    []FederatedCredential
	RedirectURIs []RedirectURI
	// Permissions are the scopes on the registration, for example https://graph.microsoft.com/User.Read; .default stands
	// for them. Default: user_impersonation of Partner Center and ARM, User.Read and Directory.Read.All of Graph.
	Permissions []string
	// OptionalClaims of the id_token; acct is known.
	OptionalClaims []string
	Disabled       bool
}

// A Secret is a client secret.
type Secret struct {
	Value string
	Ends  time.Time // zero: never
	// NoHint says that Graph does not tell the first characters.
	NoHint bool
}

// A RedirectType decides the lifetime of refresh tokens: 24 hours for SPA.
type RedirectType string

// The types.
const (
	Web RedirectType = "web"
	SPA RedirectType = "spa"
)

// A RedirectURI is a registered redirect URI.
type RedirectURI struct {
	URI  string
	Type RedirectType // default: Web
}

// AddDirectory adds a directory, or replaces it and its policy; accounts and consents stay.
func (s *Simulator) AddDirectory(d Directory) error {
	if _, err := uuid.Parse(d.ID); err != nil {
		return fmt.Errorf("adding directory %q: its ID is no GUID", d.ID)
	}
	if d.Domain == "" || d.Name == "" {
		return fmt.Errorf("adding directory %s: domain and name are required", d.ID)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.state.directory(d.Domain); other != nil && !strings.EqualFold(other.ID, d.ID) {
		return fmt.Errorf("adding directory %s: %s belongs to %s", d.ID, d.Domain, other.ID)
	}
	d.ID = strings.ToLower(d.ID)
	s.state.directories[d.ID] = &directory{Directory: d}
	return nil
}

// AddUser adds or replaces an account.
func (s *Simulator) AddUser(u User) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.state.directory(u.DirectoryID)
	if d == nil {
		return fmt.Errorf("adding user %s: no directory %q", u.UPN, u.DirectoryID)
	}
	if !strings.Contains(u.UPN, "@") || u.Password == "" {
		return fmt.Errorf("adding user %q: an address and a password are required", u.UPN)
	}
	u.DirectoryID = d.ID
	if u.Name == "" {
		u.Name = u.UPN
	}
	id := uuid.NewSHA1(uuid.MustParse(d.ID), []byte(strings.ToLower(u.UPN)))
	s.state.users[strings.ToLower(u.UPN)] = &user{User: u, objectID: id.String()}
	return nil
}

// ObjectID returns the object ID of an account; empty when there is no such account.
func (s *Simulator) ObjectID(upn string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u := s.state.user(upn); u != nil {
		return u.objectID
	}
	return ""
}

// AddApplication adds or replaces a registration. Redirect URIs follow docs/reference/microsoft-identity.md §2.5.
func (s *Simulator) AddApplication(a Application) error {
	if _, err := uuid.Parse(a.ID); err != nil {
		return fmt.Errorf("adding application %q: its ID is no GUID", a.ID)
	}
	for i, r := range a.RedirectURIs {
		if err := checkRedirectURI(r.URI); err != nil {
			return fmt.Errorf("adding application %s: redirect URI %q: %w", a.ID, r.URI, err)
		}
		if r.Type == "" {
			a.RedirectURIs[i].Type = Web
		}
	}
	if len(a.Permissions) == 0 {
		a.Permissions = s.cfg.Cloud.usualPermissions()
	}
	set, refused := s.cfg.Cloud.parseScope(strings.Join(a.Permissions, " "))
	if refused != nil {
		return fmt.Errorf("adding application %s: %w", a.ID, refused)
	}
	registered := make(map[Host][]string)
	for _, scope := range set.apis {
		registered[scope.host] = append(registered[scope.host], scope.name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.state.directory(a.DirectoryID)
	if d == nil {
		return fmt.Errorf("adding application %s: no directory %q", a.ID, a.DirectoryID)
	}
	a.DirectoryID, a.ID = d.ID, strings.ToLower(a.ID)
	s.state.apps[a.ID] = &application{Application: a, registered: registered}
	return nil
}

func (c Cloud) usualPermissions() []string {
	return []string{
		c.PartnerCenter.Audiences[0] + "/user_impersonation", c.ARM.Audiences[0] + "/user_impersonation",
		c.Graph.Audiences[0] + "/User.Read", c.Graph.Audiences[0] + "/Directory.Read.All",
	}
}

// checkRedirectURI returns why the portal would refuse a redirect URI.
func checkRedirectURI(uri string) error {
	if len(uri) > 256 {
		return errors.New("longer than 256 characters")
	}
	if strings.ContainsAny(uri, "!$'(),;*") {
		return errors.New("has a character that is not allowed")
	}
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" || u.Fragment != "" {
		return errors.New("is no absolute URL without a fragment")
	}
	loopback := u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1"
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback) {
		return errors.New("must be https, or http on localhost")
	}
	return nil
}

// redirect finds a registered redirect URI: the exact one, except for the port of http://localhost.
func (a *application) redirect(uri string) (RedirectURI, bool) {
	for _, r := range a.RedirectURIs {
		if r.URI == uri || (strings.HasPrefix(uri, "http://localhost") && withoutPort(r.URI) == withoutPort(uri)) {
			return r, true
		}
	}
	return RedirectURI{}, false
}

func withoutPort(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "http" || u.Hostname() != "localhost" {
		return uri
	}
	u.Host = u.Hostname()
	return u.String()
}
