package store_test

import (
	"os"
	"testing"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// noon is the current time of the tests. It has more digits than the store keeps, and another time zone.
var noon = time.Date(2026, 11, 23, 13, 0, 0, 123_456_789, time.FixedZone("CET", 3600))

// noonStored is noon as the store returns it.
var noonStored = time.Date(2026, 11, 23, 12, 0, 0, 123_000_000, time.UTC)

const instanceKey = "key-of-the-instance"

func newInstance() tenant.Instance {
	return tenant.Instance{
		Key:            instanceKey,
		ID:             random.ID(),
		RootID:         random.ID(),
		ControllerURI:  "https://controller.example/aps/",
		PackageVersion: "2-1",
		Settings: tenant.Settings{
			Cloud: "global",
			Application: tenant.Application{
				ID: random.ID(), Secret: tenant.Credential{Value: secret.New("canary-instance-secret"), Ends: noon.AddDate(1, 0, 0), Since: noon},
				NextSecret:      tenant.Credential{Value: secret.New("canary-next-secret")},
				NextCertificate: tenant.Credential{Value: secret.New("canary-next-certificate"), Ends: noon},
				Certificate:     tenant.Credential{Value: secret.New("canary-certificate"), Ends: noon.AddDate(2, 0, 0), Since: noon},
			},
			MFARequest:        "amr",
			Borrowers:         []tenant.Borrower{tenant.NewBorrower("one"), {ID: "two", APIs: []string{"graph"}, Directories: []string{tenant.PartnerDirectory, "d1"}}},
			SkipLanding:       true,
			TenantApplication: true,
		},
		CreatedAt: noon,
		UpdatedAt: noon,
	}
}

func newTenant() tenant.Tenant {
	directory := random.ID()
	return tenant.Tenant{
		ID:                random.ID(),
		InstanceKey:       instanceKey,
		AccountID:         random.ID(),
		SubscriptionID:    random.ID(),
		Name:              "Größe & Söhne 株式会社",
		Marketplace:       "Example Market",
		DirectoryID:       directory,
		Directory:         "reseller.onmicrosoft.com",
		ProvenDirectoryID: directory,
		Application: tenant.Application{
			ID: random.ID(), Secret: tenant.Credential{Value: secret.New("canary-tenant-secret"), Ends: noon.AddDate(0, 6, 0)},
			NextSecret: tenant.Credential{Value: secret.New("canary-tenants-next-secret"), Since: noon},
		},
		CreatedAt: noon,
		UpdatedAt: noon,
	}
}

// addTenant stores a new tenant.
func addTenant(t testing.TB, s *store.Store) tenant.Tenant {
	t.Helper()
	added := newTenant()
	if err := s.SaveTenant(t.Context(), &added); err != nil {
		t.Fatalf("SaveTenant() = %v", err)
	}
	return added
}

func newGrant(tenantID string, slot token.Slot, issued time.Time) token.Grant {
	return token.Grant{
		TenantID:      tenantID,
		Slot:          slot,
		RefreshToken:  secret.New("canary-refresh-token"),
		IssuedAt:      issued,
		DirectoryID:   random.ID(),
		ApplicationID: random.ID(),
		Procedure:     token.Manual,
		ConsentID:     random.ID(),
		ConsentedAt:   issued,
		ConsentedBy:   token.Person{ObjectID: random.ID(), Username: "admin@reseller.example", Name: "Ada Admin"},
		AskedBy:       "Paul Panel",
		Scopes:        []string{"user_impersonation", "offline_access"},
		Checks: token.Checks{MFA: token.Yes, GlobalAdmin: token.Unknown, AdminAgent: token.Yes, APIs: map[token.API]token.Probe{
			token.Graph: {Works: token.No, At: noonStored, Failure: &failure.Record{Code: failure.APIRefused, Params: map[string]string{"api": "graph"}}},
		}},
	}
}

func newConsent(tenantID string) consent.Consent {
	return consent.Consent{
		ID:             random.ID(),
		TenantID:       tenantID,
		Procedure:      token.Manual,
		Status:         consent.Waiting,
		Link:           secret.New("canary-link-" + random.ID()),
		LinkHash:       random.Token(),
		AskedBy:        audit.Actor{Kind: audit.User, ID: random.ID(), Name: "Paul Panel", AccountID: random.ID(), OriginalID: random.ID()},
		CreatedAt:      noon,
		ExpiresAt:      noon.AddDate(0, 0, 7),
		ClaimExpiresAt: noon.AddDate(0, 0, 1),
		ClaimHash:      random.Token(),
		ReplacedHashes: random.Token(),
		ClaimAttempts:  2,
	}
}

func newState(c consent.Consent) consent.State {
	return consent.State{
		Hash:          random.Token(),
		ConsentID:     c.ID,
		TenantID:      c.TenantID,
		BrowserHash:   random.Token(),
		WithoutClaims: true,
		Nonce:         secret.New("canary-nonce"),
		Verifier:      secret.New("canary-verifier"),
		CreatedAt:     noon,
		ExpiresAt:     noon.Add(15 * time.Minute),
	}
}

// revealed makes go-cmp compare secrets by value without printing them.
func revealed(a, b secret.Text) bool { return a.Reveal() == b.Reveal() }
