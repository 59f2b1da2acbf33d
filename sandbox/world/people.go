package world

import (
	"fmt"
	"time"

	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/sandbox/microsoft"
)

// Password is the password of everyone in the sandbox, which has nothing to protect.
const Password = "Sandbox-1"

// Directories and the application registration of the simulated Microsoft.
const (
	AlpineDirectory   = "a1b1e000-0000-4000-8000-00000000a1b1"
	BalticDirectory   = "ba171c00-0000-4000-8000-0000000ba171"
	SouthDirectory    = "a5007400-0000-4000-8000-0000000a5007"
	CoralDirectory    = "c0ba1000-0000-4000-8000-0000000c0ba1"
	FjordDirectory    = "f10bd000-0000-4000-8000-0000000f10bd" // of a customer of Alpine Cloud
	FjordDomain       = "fjordfoods.onmicrosoft.com"
	FjordSubscription = "5abf1000-0000-4000-8000-0000000f10bd"
	ApplicationID     = "5a9d0b0c-0000-4000-8000-000000005a9d"
	applicationSecret = "sandbox~application.secret_value"
)

// Accounts of the simulated Microsoft.
const (
	AlpineAdmin   = "admin@alpine.onmicrosoft.com"      // consents succeed
	AlpineSecond  = "bob@alpine.onmicrosoft.com"        // the same; after the other one's consent, it has to be confirmed
	BalticAdmin   = "admin@baltic.onmicrosoft.com"      // consents succeed, in the other directory
	SouthAdmin    = "admin@alpinesouth.onmicrosoft.com" // consents succeed, in the directory of the reseller below
	AlpineNoMFA   = "nomfa@alpine.onmicrosoft.com"      // a second factor that Microsoft does not accept as MFA
	AlpineNoRoles = "office@alpine.onmicrosoft.com"     // neither Global admin nor Admin agent
	AlpineNoAgent = "global@alpine.onmicrosoft.com"     // Global admin, not an Admin agent
	AlpineGuest   = "guest@alpine.onmicrosoft.com"      // a guest
	CoralAdmin    = "admin@coralcorp.onmicrosoft.com"   // an administrator of a foreign directory
)

// An Account can sign in at the simulated Microsoft.
type Account struct {
	UPN   string
	About string
}

// MicrosoftAccounts returns the accounts to try, each with what it shows.
func MicrosoftAccounts() []Account {
	return []Account{
		{AlpineAdmin, "Alpine Cloud: Global admin and Admin agent with MFA; everything works"},
		{AlpineSecond, "Alpine Cloud: a second administrator, whose consent after the first one's has to be confirmed"},
		{BalticAdmin, "Baltic IT: the same in the other reseller's directory"},
		{SouthAdmin, "Alpine South: the same in the directory of the reseller below Alpine Cloud"},
		{AlpineNoMFA, "Alpine Cloud: a third party's second factor, which does not count as MFA; refused"},
		{AlpineNoAgent, "Alpine Cloud: Global admin, but no Admin agent; refused"},
		{AlpineNoRoles, "Alpine Cloud: no roles; Microsoft itself asks for an approval"},
		{AlpineGuest, "Alpine Cloud: a guest; refused"},
		{CoralAdmin, "Coral Corp: an administrator of a foreign directory; refused"},
	}
}

// seedMicrosoft creates the directories, the accounts and the application registration.
func (w *World) seedMicrosoft() error {
	ms := w.Microsoft
	for _, d := range []microsoft.Directory{
		{ID: AlpineDirectory, Domain: "alpine.onmicrosoft.com", Name: "Alpine Cloud"},
		{ID: BalticDirectory, Domain: "baltic.onmicrosoft.com", Name: "Baltic IT"},
		{ID: SouthDirectory, Domain: "alpinesouth.onmicrosoft.com", Name: "Alpine South"},
		{ID: CoralDirectory, Domain: "coralcorp.onmicrosoft.com", Name: "Coral Corp"},
		{ID: FjordDirectory, Domain: FjordDomain, Name: "Fjord Foods", CustomerOf: AlpineDirectory, Subscriptions: []string{FjordSubscription}},
	} {
		if err := ms.AddDirectory(d); err != nil {
			return err
		}
	}
	if err := ms.SetRelationship(microsoft.Relationship{Partner: AlpineDirectory, Customer: FjordDirectory}); err != nil {
		return err
	}
	admin := func(upn, name, directory string) microsoft.User {
		return microsoft.User{UPN: upn, Name: name, DirectoryID: directory, MFA: microsoft.MFARequired, GlobalAdmin: true, AdminAgent: true}
	}
	users := []microsoft.User{
		admin(AlpineAdmin, "Ada Alpine", AlpineDirectory),
		admin(BalticAdmin, "Bo Baltic", BalticDirectory),
		admin(SouthAdmin, "Sol South", SouthDirectory),
		admin(AlpineNoMFA, "Nora Nofactor", AlpineDirectory),
		admin(AlpineNoAgent, "Gil Global", AlpineDirectory),
		admin(AlpineNoRoles, "Olga Office", AlpineDirectory),
		admin(AlpineGuest, "Gus Guest", AlpineDirectory),
		admin(CoralAdmin, "Cora Coral", CoralDirectory),
		admin(AlpineSecond, "Bob Second", AlpineDirectory),
	}
	users[3].MFA = microsoft.MFAExternal
	users[4].AdminAgent = false
	users[5].GlobalAdmin, users[5].AdminAgent = false, false
	users[6].Guest = true
	for _, u := range users {
		u.Password = Password
		if err := ms.AddUser(u); err != nil {
			return err
		}
	}
	return ms.AddApplication(microsoft.Application{
		ID: ApplicationID, Name: "Azure Partner connector", Publisher: brand, DirectoryID: AlpineDirectory, MultiTenant: true,
		Secrets:      []microsoft.Secret{{Value: applicationSecret, Ends: w.Clock.Now().Add(365 * 24 * time.Hour)}},
		RedirectURIs: []microsoft.RedirectURI{{URI: w.OnboardingURL + "/callback", Type: microsoft.Web}},
	})
}

// Logins of the platform's users, who all have the same password.
const (
	Rita  = "rita"  // of the reseller Alpine Cloud, which has a reseller below it
	Bjorn = "bjorn" // of the reseller Baltic IT
	Susan = "susan" // of Alpine South, the reseller below Alpine Cloud
	Nora  = "nora"  // of Northwind Cloud, to which subscriptions move (NewOwner)
	Petra = "petra" // of the provider
)

// platformPassword is the password of all users of the panel.
func platformPassword() secret.Text { return secret.New(Password) }

func borrowerCredentials() (key string, shared secret.Text) {
	return fmt.Sprintf("azure-csp-%s", random.ID()), secret.New(random.Token())
}
