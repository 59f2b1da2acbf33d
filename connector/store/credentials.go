package store

import (
	"encoding/json"
	"fmt"
	"time"

	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/tenant"
)

// credentialsColumn holds all credentials of an application, sealed as one value.
const credentialsColumn = "credentials"

// sealedCredentials is the plaintext of credentialsColumn, as JSON.
type sealedCredentials struct {
	Certificate sealedCredential `json:"certificate,omitzero"`
	Secret      sealedCredential `json:"secret,omitzero"`
	NextSecret  sealedCredential `json:"nextSecret,omitzero"`
	// NextCertificate is absent in what programs before it stored.
	NextCertificate sealedCredential `json:"nextCertificate,omitzero"`
}

type sealedCredential struct {
	Value string    `json:"value"`
	Ends  time.Time `json:"ends,omitzero"`
	Since time.Time `json:"since,omitzero"`
}

func sealedOf(c tenant.Credential) sealedCredential {
	return sealedCredential{c.Value.Reveal(), c.Ends, c.Since}
}

func (c sealedCredential) credential() tenant.Credential {
	return tenant.Credential{Value: secret.New(c.Value), Ends: c.Ends, Since: c.Since}
}

// storedApplication returns a as the store reads it back.
func storedApplication(a tenant.Application) tenant.Application {
	for _, c := range []*tenant.Credential{&a.Certificate, &a.NextCertificate, &a.Secret, &a.NextSecret} {
		if c.Value.Empty() {
			*c = tenant.Credential{}
			continue
		}
		c.Ends, c.Since, c.Remove = sqldb.StoredTime(c.Ends), sqldb.StoredTime(c.Since), false
	}
	return a
}

// keptColumns returns the columns that an UPDATE of a row with the application leaves unchanged, besides its key.
func keptColumns(a tenant.Application, key string) []string {
	if a.Unreadable {
		return []string{key, credentialsColumn} // a restored key may open it again
	}
	return []string{key}
}

// sealCredentials seals the credentials of the application in a row; nil when it has none.
func (s *Store) sealCredentials(a tenant.Application, table, row string) ([]byte, error) {
	if len(a.Credentials()) == 0 {
		return nil, nil
	}
	text, err := json.Marshal(sealedCredentials{sealedOf(a.Certificate), sealedOf(a.Secret), sealedOf(a.NextSecret), sealedOf(a.NextCertificate)})
	if err != nil {
		return nil, fmt.Errorf("encoding credentials: %w", err)
	}
	return s.seal(secret.New(string(text)), table, row, credentialsColumn)
}

// applicationOf returns the application in a row, with its credentials.
func (s *Store) applicationOf(id string, sealed []byte, table, row string) tenant.Application {
	if sealed == nil {
		return tenant.Application{ID: id}
	}
	opened, ok := s.unseal(sealed, table, row, credentialsColumn)
	var stored sealedCredentials
	if !ok || json.Unmarshal([]byte(opened.Reveal()), &stored) != nil {
		return tenant.Application{ID: id, Unreadable: true}
	}
	return tenant.Application{
		ID: id, Certificate: stored.Certificate.credential(), Secret: stored.Secret.credential(), NextSecret: stored.NextSecret.credential(),
		NextCertificate: stored.NextCertificate.credential(),
	}
}
