package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// IDs of the instance and of its applications.
const (
	instanceKey   = "bench"
	applicationID = "be7c0000-0000-4000-8000-000000000001"
	borrowerID    = "be7c0000-0000-4000-8000-000000000002"
)

// The lengths of tokens in characters. Microsoft publishes none (docs/reference/microsoft-identity.md §3.2); these are common ones.
const (
	refreshTokenLength = 1400
	accessTokenLength  = 2000
)

// batch is how many tenants one transaction creates, and seeders how many transactions run at once.
const (
	batch   = 200
	seeders = 8
)

// age is how long ago the grants were issued.
const age = 10 * 24 * time.Hour

func newInstance(now time.Time) tenant.Instance {
	return tenant.Instance{
		Key: instanceKey, ID: random.ID(), RootID: random.ID(), ControllerURI: "http://127.0.0.1:1/", PackageVersion: "1-1",
		Settings: tenant.Settings{
			Cloud: "global", Borrowers: []tenant.Borrower{tenant.NewBorrower(borrowerID)},
			Application: tenant.Application{ID: applicationID, Secret: tenant.Credential{Value: secret.New(random.Token()), Since: now}},
		},
		CreatedAt: now, UpdatedAt: now,
	}
}

func newTenant(number int, now time.Time) tenant.Tenant {
	directory := random.ID()
	return tenant.Tenant{
		ID: random.ID(), InstanceKey: instanceKey, AccountID: random.ID(), SubscriptionID: random.ID(), Name: fmt.Sprintf("Reseller %07d", number),
		Marketplace: "Bench", DirectoryID: directory, Directory: directory, ProvenDirectoryID: directory, CreatedAt: now, UpdatedAt: now,
	}
}

// newGrant returns a grant with all its checks, as after some renewals.
func newGrant(t tenant.Tenant, issued time.Time) token.Grant {
	works := func() token.Probe { return token.Probe{Works: token.Yes, At: issued, MFA: token.Unknown} }
	return token.Grant{
		TenantID: t.ID, Slot: token.Active, RefreshToken: newToken(refreshTokenLength), IssuedAt: issued,
		DirectoryID: t.DirectoryID, ApplicationID: applicationID, Procedure: token.Automatic, ConsentID: random.ID(), ConsentedAt: issued,
		ConsentedBy: token.Person{ObjectID: random.ID(), Username: "admin@" + t.DirectoryID + ".example", Name: "Ada Admin"}, AskedBy: "Rita Reseller",
		Scopes: []string{"https://api.partnercenter.microsoft.com/user_impersonation", "https://graph.microsoft.com/Directory.Read.All", "offline_access"},
		Checks: token.Checks{MFA: token.Yes, GlobalAdmin: token.Yes, AdminAgent: token.Yes, APIs: map[token.API]token.Probe{
			token.PartnerCenter: works(), token.Graph: works(), token.ARM: works(),
		}},
	}
}

// newToken returns a unique token of the given length.
func newToken(length int) secret.Text {
	var b strings.Builder
	for b.Len() < length {
		b.WriteString(random.Token())
	}
	return secret.New(b.String()[:length])
}

// fill creates the tables of a database and calls seed.
func (e *Env) fill(ctx context.Context, db database, count int, due time.Time) ([]string, error) {
	s, err := e.open(ctx, db)
	if err != nil {
		return nil, err
	}
	ids, err := e.seed(ctx, s, count, due)
	return ids, errors.Join(err, s.Close())
}

// seed adds the instance and count tenants, whose grants are due at due, and returns the tenants' IDs.
func (e *Env) seed(ctx context.Context, s *store.Store, count int, due time.Time) ([]string, error) {
	in := e.instance
	if err := s.SaveInstance(ctx, &in); err != nil {
		return nil, err
	}
	ids := make([]string, count)
	creators, ctx := errgroup.WithContext(ctx)
	creators.SetLimit(seeders)
	for first := 0; first < count; first += batch {
		creators.Go(func() error {
			return s.Transact(ctx, func(ctx context.Context) error {
				for number := first; number < min(first+batch, count); number++ {
					var err error
					if ids[number], err = seedTenant(ctx, s, number, due); err != nil {
						return err
					}
				}
				return nil
			})
		})
	}
	if err := creators.Wait(); err != nil {
		return nil, fmt.Errorf("creating tenants: %w", err)
	}
	return ids, nil
}

func seedTenant(ctx context.Context, s *store.Store, number int, due time.Time) (string, error) {
	now := time.Now().UTC()
	t := newTenant(number, now)
	grant := newGrant(t, now.Add(-age))
	if err := s.SaveTenant(ctx, &t); err != nil {
		return "", err
	}
	if err := s.SaveGrant(ctx, &grant); err != nil {
		return "", err
	}
	if err := s.SavePredecessor(ctx, newGrant(t, now.Add(-2*age))); err != nil {
		return "", err
	}
	return t.ID, s.SaveSchedule(ctx, &token.Schedule{TenantID: t.ID, DueAt: due, LastAt: grant.IssuedAt, LastSuccessAt: grant.IssuedAt})
}
