package chaos

import (
	"context"
	"fmt"

	profiles "azure-partner-connector/connector/microsoft"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/sandbox/microsoft"
)

// The one instance of a deployment. Its secrets are canaries: nothing may write them anywhere.
const (
	instanceKey       = "chaos"
	sharedSecret      = "canary-of-the-instance-0123456789"
	applicationSecret = "canary~of.the.application-0123456789"
	homeDirectory     = "70b70000-0000-4000-8000-000000000001"
	applicationID     = "70b70000-0000-4000-8000-000000000002"
)

// A secretValue is a value that may exist only in its sealed column.
type secretValue struct {
	what  string
	value string
}

// seed creates the application, and the tenants with a directory and a sign-in each.
func (d *Deployment) seed(ctx context.Context) error {
	d.secrets = append(d.secrets, secretValue{"the instance's secret", sharedSecret}, secretValue{"the application's secret", applicationSecret})
	if err := d.Microsoft.AddDirectory(microsoft.Directory{ID: homeDirectory, Domain: "home.example", Name: "Home"}); err != nil {
		return err
	}
	application := microsoft.Application{
		ID: applicationID, Name: "Connector", DirectoryID: homeDirectory, MultiTenant: true,
		Secrets: []microsoft.Secret{{Value: applicationSecret}},
	}
	if d.market != nil {
		application.RedirectURIs = []microsoft.RedirectURI{{URI: d.market.onboarding.url + "/callback"}}
		d.secrets = append(d.secrets, secretValue{"the second instance's secret", d.market.secret.Reveal()})
	}
	if err := d.Microsoft.AddApplication(application); err != nil {
		return err
	}
	now := d.clock.Now()
	instance := tenant.Instance{
		Key: instanceKey, ID: random.ID(), RootID: random.ID(), ControllerURI: "https://controller.example.com/", PackageVersion: "1-1",
		Settings: tenant.Settings{
			Cloud:       "global",
			Application: tenant.Application{ID: applicationID, Secret: tenant.Credential{Value: secret.New(applicationSecret), Since: now}},
		},
		CreatedAt: now, UpdatedAt: now,
	}
	if err := d.store.SaveInstance(ctx, &instance); err != nil {
		return err
	}
	for n := range d.spec.tenants {
		if err := d.seedTenant(ctx, n); err != nil {
			return fmt.Errorf("creating tenant %d: %w", n, err)
		}
	}
	return nil
}

// seedTenant creates a tenant whose administrator has just consented.
func (d *Deployment) seedTenant(ctx context.Context, n int) error {
	now := d.clock.Now()
	t := tenant.Tenant{
		ID: random.ID(), InstanceKey: instanceKey, AccountID: random.ID(), Name: fmt.Sprintf("Reseller %d", n),
		DirectoryID: random.ID(), CreatedAt: now, UpdatedAt: now,
	}
	t.Directory, t.ProvenDirectoryID = t.DirectoryID, t.DirectoryID
	value, admin, err := d.signIn(t.DirectoryID, n)
	if err != nil {
		return err
	}
	d.tenants, d.directories = append(d.tenants, t.ID), append(d.directories, t.DirectoryID)
	d.secrets = append(d.secrets, secretValue{"a first refresh token", value})
	g := token.Grant{
		TenantID: t.ID, Slot: token.Active, RefreshToken: secret.New(value), IssuedAt: now, DirectoryID: t.DirectoryID,
		ApplicationID: applicationID, Procedure: token.Automatic, ConsentID: random.ID(), ConsentedAt: now,
		ConsentedBy: token.Person{ObjectID: d.Microsoft.ObjectID(admin), Username: admin},
	}
	schedule := token.Schedule{TenantID: t.ID, DueAt: now.Add(every), LastAt: now, LastSuccessAt: now}
	return d.store.Transact(ctx, func(ctx context.Context) error {
		if err := d.store.SaveTenant(ctx, &t); err != nil {
			return err
		}
		if err := d.store.SaveGrant(ctx, &g); err != nil {
			return err
		}
		return d.store.SaveSchedule(ctx, &schedule)
	})
}

// signIn creates a directory whose administrator has consented to everything, and returns the refresh token.
func (d *Deployment) signIn(directory string, n int) (value, admin string, err error) {
	domain := fmt.Sprintf("reseller-%d.example", n)
	admin = "admin@" + domain
	if err := d.addDirectory(directory, domain, admin); err != nil {
		return "", "", err
	}
	cloud := profiles.Profiles()[0]
	if err := d.Microsoft.GrantConsent(directory, applicationID, "", cloud.PartnerCenter.Scope, cloud.Graph.Scope, cloud.ARM.Scope); err != nil {
		return "", "", err
	}
	value, err = d.Microsoft.IssueRefreshToken(microsoft.RefreshToken{UPN: admin, ApplicationID: applicationID})
	return value, admin, err
}

// addDirectory creates a directory with an administrator.
func (d *Deployment) addDirectory(id, domain, admin string) error {
	if err := d.Microsoft.AddDirectory(microsoft.Directory{ID: id, Domain: domain, Name: domain}); err != nil {
		return err
	}
	return d.Microsoft.AddUser(microsoft.User{
		UPN: admin, Password: password, DirectoryID: id, MFA: microsoft.MFARequired, GlobalAdmin: true, AdminAgent: true,
	})
}
