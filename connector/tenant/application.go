package tenant

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
)

// An Application is one Microsoft application registration with its credentials. Several credentials may be valid at once, so
// that a new one is added before the old one is removed (docs/reference/microsoft-identity.md §6.3).
type Application struct {
	ID          string // application (client) ID, a GUID in lower case
	Certificate Credential
	Secret      Credential
	// NextCertificate and NextSecret may be valid at the same time.
	NextCertificate, NextSecret Credential

	// Federated lets the deployment's federated token authenticate the application, too. It is set only in the application of a
	// Client, and only if that is the instance's.
	Federated bool

	// Unreadable means that credentials are stored and do not open. They count as absent, and stay stored until others
	// replace them.
	Unreadable bool
}

// A Credential is a client secret or a certificate. The zero Credential stands for none.
type Credential struct {
	// Value is the value of a client secret, or a certificate and its private key in PEM.
	Value secret.Text
	// Ends is when the credential stops working: for a secret as a person entered it, zero when unknown; for a certificate
	// the end of its validity.
	Ends time.Time
	// Since is when the credential was entered.
	Since time.Time
	// Remove, in a change of settings, deletes the stored credential, which an empty Value keeps. It is never stored.
	Remove bool
}

// Complete reports whether a can be used, that is, has an ID and a credential.
func (a Application) Complete() bool {
	return a.ID != "" && (a.Federated || slices.ContainsFunc(a.slots(), func(s slot) bool { return !s.Value.Empty() }))
}

// Usable returns the failure that says why a cannot be used; nil when it can.
func (a Application) Usable() error {
	switch {
	case a.ID != "" && a.Unreadable && !a.Federated:
		return failure.New(failure.CredentialsUnreadable)
	case !a.Complete():
		return failure.New(failure.ApplicationMissing)
	}
	return nil
}

// Credentials returns the credentials that are set.
func (a Application) Credentials() []Credential {
	var all []Credential
	for _, slot := range a.slots() {
		if !slot.Value.Empty() {
			all = append(all, *slot.Credential)
		}
	}
	return all
}

// The names of credentials, which are those of the properties in which they are entered.
const (
	CertificateName     = "applicationCertificate"
	NextCertificateName = "nextApplicationCertificate"
	SecretName          = "applicationSecret"
	NextSecretName      = "nextApplicationSecret"
	FederatedName       = "federated"
)

// A slot is where a credential is entered.
type slot struct {
	name string
	*Credential
}

// slots returns the slots of a, with or without a credential.
func (a *Application) slots() []slot {
	return []slot{
		{CertificateName, &a.Certificate}, {NextCertificateName, &a.NextCertificate}, {SecretName, &a.Secret}, {NextSecretName, &a.NextSecret},
	}
}

// Slot returns the credential with a name, to be read or changed; nil when there is none of that name.
func (a *Application) Slot(name string) *Credential {
	for _, s := range a.slots() {
		if s.name == name {
			return s.Credential
		}
	}
	return nil
}

// A CredentialEnd says when a credential stops working, without its value.
type CredentialEnd struct {
	Name string
	Ends time.Time // zero when it is not known
}

// CredentialEnds returns the ends of the credentials that are set. The federated token has none.
func (a Application) CredentialEnds() []CredentialEnd {
	var all []CredentialEnd
	if a.Federated {
		all = append(all, CredentialEnd{Name: FederatedName})
	}
	for _, s := range a.slots() {
		if !s.Value.Empty() {
			all = append(all, CredentialEnd{s.name, s.Ends})
		}
	}
	return all
}

// WithoutValues returns a as a change of settings that keeps all stored credentials and their ends.
func (a Application) WithoutValues() Application {
	for _, s := range a.slots() {
		*s.Credential = Credential{Ends: s.Ends}
	}
	return a
}

// Ends returns when the last credential of a stops working. When all known ends have passed, it returns the zero time if there
// is a credential whose end is unknown, because that may still work, and else the last end.
func (a Application) Ends(now time.Time) time.Time {
	var last time.Time
	unknown := false
	for _, c := range a.Credentials() {
		unknown = unknown || c.Ends.IsZero()
		if c.Ends.After(last) {
			last = c.Ends
		}
	}
	if unknown && !last.After(now) {
		return time.Time{}
	}
	return last
}

// checked returns the changed settings of an application in canonical form, or a *failure.Error that says what is wrong.
func (a Application) checked(now time.Time) (Application, error) {
	if a.ID != "" {
		id, err := uuid.Parse(a.ID)
		if err != nil {
			return Application{}, failure.New(failure.ApplicationInvalid, "application", a.ID)
		}
		a.ID = id.String()
	}
	for _, s := range a.slots() {
		if err := checkSetting(s.name, s.Value.Reveal()); err != nil {
			return Application{}, err
		}
	}
	for _, c := range []*Credential{&a.Secret, &a.NextSecret} {
		// The portal shows the secret's ID, a GUID, beside its value, and people copy the wrong one
		// (docs/reference/microsoft-identity.md §7.3).
		if _, err := uuid.Parse(strings.TrimSpace(c.Value.Reveal())); err == nil {
			return Application{}, failure.New(failure.SecretIsID)
		}
		c.Since = now
	}
	for _, c := range []*Credential{&a.Certificate, &a.NextCertificate} {
		if c.Value.Empty() {
			continue
		}
		certificate, err := ParseCertificate(c.Value)
		if err != nil {
			return Application{}, err
		}
		c.Ends, c.Since = certificate.Leaf.NotAfter, now
		if !now.Before(c.Ends) {
			return Application{}, failure.New(failure.CertificateExpired, "end", c.Ends.UTC().Format(time.DateOnly))
		}
	}
	return a, nil
}

// keep copies those credentials from stored that were not sent, if stored is the same application: the platform has no copy
// to send. Unreadable ones stay as they are until a credential is sent or removed.
func (a *Application) keep(stored Application) {
	if a.ID != stored.ID {
		stored = Application{}
	}
	a.Unreadable = stored.Unreadable
	for _, s := range a.slots() {
		if !s.Value.Empty() || s.Remove {
			a.Unreadable = false
		}
	}
	// The end of a certificate is read from it, not entered.
	for _, name := range []string{CertificateName, NextCertificateName} {
		if c := a.Slot(name); c.Value.Empty() {
			c.Ends = stored.Slot(name).Ends
		}
	}
	for _, s := range a.slots() {
		s.keep(*stored.Slot(s.name))
	}
}

func (c *Credential) keep(stored Credential) {
	switch {
	case !c.Value.Empty():
		c.Remove = false
	case c.Remove, stored.Value.Empty():
		*c = Credential{}
	default:
		c.Value, c.Since = stored.Value, stored.Since
		if sameDay(c.Ends, stored.Ends) {
			c.Ends = stored.Ends // as it was read from Microsoft, to the second
		}
	}
}

func sameDay(a, b time.Time) bool {
	return !a.IsZero() && !b.IsZero() && a.UTC().Format(time.DateOnly) == b.UTC().Format(time.DateOnly)
}
