// Package tenant keeps instances and tenants and their settings.
package tenant

import (
	"context"
	"errors"
	"fmt"
	"time"

	"azure-partner-connector/connector/failure"
)

// An Instance is one registration of our package on a platform (design §1).
type Instance struct {
	Key            string // OAuth consumer key; our primary key
	ID             string // APS-Instance-ID; differs from RootID (aps-protocol.md §1.1)
	RootID         string // aps.id of the root resource; empty until the platform provisioned it
	ControllerURI  string // base URL of the platform's controller, as last told by the platform
	PackageVersion string // "version-release" last installed or upgraded to
	Settings       Settings
	CreatedAt      time.Time
	UpdatedAt      time.Time
	RemovedAt      time.Time // zero while the instance lives
	Version        int64     // row version; 0 before it is stored
}

// Settings of an instance, from the properties of its root resource.
type Settings struct {
	// Cloud names the cloud profile. Default "global".
	Cloud string
	// Application is what tenants use unless they bring their own.
	Application Application
	// MFARequest says how MFA is asked for at Microsoft: "amr" (default), "off", or a JSON claims request.
	MFARequest string
	// Borrowers are the APS instance ids of the applications that may borrow access tokens.
	Borrowers []string
	// SkipLanding sends a visitor of a manual link straight on to Microsoft.
	SkipLanding bool
	// DirectLink makes the manual link Microsoft's own address, for installations whose onboarding pages cannot be
	// reached from outside. The visitor then sends back the whole redirected address.
	DirectLink bool
	// TenantApplication lets tenants bring their own application.
	TenantApplication bool
}

// A Tenant is one reseller tenant (design §1).
type Tenant struct {
	ID             string // aps.id
	InstanceKey    string
	AccountID      string // APS account that owns the tenant; empty when the platform did not tell
	SubscriptionID string
	Name           string // the reseller's company, for people
	Marketplace    string // the platform's brand, for people
	// DirectoryID is the directory's GUID in lower case; empty until it is known.
	DirectoryID string
	// Directory is what was entered: a GUID or a domain.
	Directory string
	// Application overrides the instance's when its ID is set and the instance allows it.
	Application Application
	CreatedAt   time.Time
	UpdatedAt   time.Time
	Version     int64
}

// A Client is who we are towards Microsoft for one tenant: cloud, directory and application.
type Client struct {
	Cloud       string
	DirectoryID string
	Application Application
	MFARequest  string
}

// ClientOf returns who we are towards Microsoft for t, a tenant of in.
func ClientOf(in Instance, t Tenant) Client {
	application := in.Settings.Application
	if in.Settings.TenantApplication && t.Application.ID != "" {
		application = t.Application
	}
	return Client{Cloud: in.Settings.Cloud, DirectoryID: t.DirectoryID, Application: application, MFARequest: in.Settings.MFARequest}
}

// A Finder reads tenants with their instances; every Store is one.
type Finder interface {
	// Party returns a tenant and its instance, or ErrNotFound when there is no such tenant.
	Party(ctx context.Context, tenantID string) (Tenant, Instance, error)
}

// Find returns a tenant and its instance, or the failure not_found when there is no such tenant.
func Find(ctx context.Context, f Finder, id string) (Tenant, Instance, error) {
	t, in, err := f.Party(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return Tenant{}, Instance{}, failure.New(failure.NotFound)
	}
	if err != nil {
		return Tenant{}, Instance{}, fmt.Errorf("finding tenant %s: %w", id, err)
	}
	return t, in, nil
}
