// Package tenant keeps instances and tenants and their settings.
package tenant

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"azure-partner-connector/connector/failure"
)

// An Instance is one registration of our package on a platform.
type Instance struct {
	Key           string // OAuth consumer key; our primary key
	ID            string // APS-Instance-ID; differs from RootID (docs/reference/aps-protocol.md §1.1)
	RootID        string // aps.id of the root resource; empty until the platform provisioned it
	ControllerURI string // base URL of the platform's controller, pinned at the installation
	// NamedController is another base URL that a call named last. Nothing uses it.
	NamedController string
	PackageVersion  string // "version-release" last installed or upgraded to
	Settings        Settings
	// Deployment is what the configuration says. It is set in instances that a store returned.
	Deployment Deployment
	CreatedAt  time.Time
	UpdatedAt  time.Time
	RemovedAt  time.Time // zero while the instance is installed
	// Altered means that a column that decides who has access was changed by somebody without our keys. The store sets it when
	// it reads the row, and refuses to save the row then.
	Altered bool
	Version int64 // row version; 0 before it is stored
}

// PackageMajor returns the version, without the release, of the package that the platform has for the instance: the types of
// its resources have the same major version. It is 1 when it is unknown, as for instances of the first program.
func (in *Instance) PackageMajor() int { return PackageMajor(in.PackageVersion) }

// PackageMajor returns the version in "version-release"; 1 when it cannot be read.
func PackageMajor(packageVersion string) int {
	digits, _, _ := strings.Cut(packageVersion, "-")
	digits, _, _ = strings.Cut(digits, ".")
	if n, err := strconv.Atoi(digits); err == nil && n > 0 {
		return n
	}
	return 1
}

// Settings are the settings of an instance, from the properties of its root resource.
type Settings struct {
	// Cloud names the cloud profile. Default "global".
	Cloud string
	// Application is used by tenants that have none of their own.
	Application Application
	// MFARequest says how MFA is requested from Microsoft: "amr" (default), "off", or a JSON claims request.
	MFARequest string
	// Borrowers are the applications that may borrow access tokens.
	Borrowers []Borrower
	// CustomerDirectories says for which customer directories access tokens may be issued: NoCustomers (default),
	// ListedCustomers or AnyCustomers. A borrower also needs the directory in its own entry.
	CustomerDirectories string
	// SkipLanding redirects visitors of a manual link to Microsoft without a page of ours.
	SkipLanding bool
	// DirectLink makes the manual link an address of Microsoft's, for installations whose onboarding pages cannot be reached
	// from outside. The visitor then sends back the whole redirected address.
	DirectLink bool
	// TenantApplication lets tenants use an application of their own.
	TenantApplication bool
}

// A Tenant is one reseller tenant.
type Tenant struct {
	ID             string // aps.id
	InstanceKey    string
	AccountID      string // APS account that owns the tenant; empty when the platform did not send it
	SubscriptionID string
	Name           string // the reseller's company, for people to read
	Marketplace    string // the platform's brand, for people to read
	// DirectoryID is the directory's GUID in lower case; empty until it is resolved.
	DirectoryID string
	// Directory is the directory as entered: a GUID or a domain.
	Directory string
	// ProvenDirectoryID is the GUID of the directory that a consent has proven to be the tenant's; empty until then. At most
	// one tenant of an instance has proven a directory, while any number may name it. The proof lasts until the tenant goes or
	// its directory changes.
	ProvenDirectoryID string
	// Application overrides that of the instance when its ID is set and Settings.TenantApplication allows it.
	Application Application
	// Notices says who of the reseller is notified by mail.
	Notices   Notices
	CreatedAt time.Time
	UpdatedAt time.Time
	// SuspendedAt is when the platform suspended the subscription; zero while it is not suspended.
	SuspendedAt time.Time
	// UnlinkedAt is when the platform removed the link to the account; zero while the tenant is linked. AccountID stays.
	UnlinkedAt time.Time
	// UnknownAt is since when the platform doesn't confirm that it has the tenant; zero for one that it has.
	UnknownAt time.Time
	// MovedAt is when the tenant got its present owner from another one; zero for the first owner. What was before is not
	// shown to anyone.
	MovedAt time.Time
	// WatchedAccountID is the account whose changes the platform reports for the tenant; empty while it reports none.
	WatchedAccountID string
	Altered          bool // as in Instance
	Version          int64
}

// A Client is the identity that we use at Microsoft for one tenant: cloud, directory and application.
type Client struct {
	Cloud       string
	DirectoryID string
	// Customer says that DirectoryID is not the directory of the account that consented, but that of a customer.
	Customer    bool
	Application Application
	MFARequest  string
	Deployment  Deployment // of the instance
}

// In returns the identity that c's application and account have in a customer directory.
func (c Client) In(directoryID string) Client {
	c.DirectoryID, c.Customer = directoryID, true
	return c
}

// A Resolved is a tenant with its instance, read at the same moment.
type Resolved struct {
	Tenant   Tenant
	Instance Instance
}

// Client returns the identity that we use at Microsoft for the tenant.
func (r *Resolved) Client() Client {
	settings := &r.Instance.Settings
	application := settings.Application
	application.Federated = r.Instance.Deployment.Federated
	if r.ownApplication() {
		application = r.Tenant.Application
	}
	return Client{Cloud: settings.Cloud, DirectoryID: r.Tenant.DirectoryID, Application: application, MFARequest: settings.MFARequest, Deployment: r.Instance.Deployment}
}

// Intact returns the failure integrity when the tenant or its instance was altered: then nothing is issued for the tenant,
// and no consent takes effect.
func (r *Resolved) Intact() error {
	if r.Tenant.Altered || r.Instance.Altered {
		return failure.New(failure.Integrity)
	}
	return nil
}

// InUse returns a failure while the platform suspends the tenant's subscription, while no account is linked with the tenant, or
// while the platform doesn't know the tenant: then nothing is issued for the tenant, no consent begins, and none takes effect.
func (t *Tenant) InUse() error {
	switch {
	case !t.UnknownAt.IsZero():
		return failure.New(failure.TenantUnknown)
	case !t.UnlinkedAt.IsZero():
		return failure.New(failure.Unlinked)
	case !t.SuspendedAt.IsZero():
		return failure.New(failure.Suspended)
	}
	return nil
}

// A Resolver reads tenants with their instances; every Store is one.
type Resolver interface {
	// Resolve returns a tenant with its instance, or ErrNotFound when there is no such tenant.
	Resolve(ctx context.Context, tenantID string) (Resolved, error)
}

// Of reports whether r belongs to an instance that was not removed.
func (r *Resolved) Of(instanceKey string) bool {
	return r.Instance.Key == instanceKey && r.Instance.RemovedAt.IsZero()
}

// Resolve returns a tenant with its instance, or the failure not_found when there is no such tenant.
func Resolve(ctx context.Context, store Resolver, tenantID string) (Resolved, error) {
	r, err := store.Resolve(ctx, tenantID)
	if errors.Is(err, ErrNotFound) {
		return Resolved{}, failure.New(failure.NotFound)
	}
	if err != nil {
		return Resolved{}, fmt.Errorf("reading tenant %s: %w", tenantID, err)
	}
	return r, nil
}
