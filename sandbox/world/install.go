package world

import (
	"context"
	"errors"
	"fmt"
	"time"

	azurepartner "azure-partner-connector"
	"azure-partner-connector/connector/httpclient"
	"azure-partner-connector/connector/platform/pack"
	"azure-partner-connector/connector/platform/register"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/hooks"
	"azure-partner-connector/sandbox/platform"
	"azure-partner-connector/sandbox/releases"
	"azure-partner-connector/schemas"
	uiextension "azure-partner-connector/ui-extension"
)

// A Tenant is a reseller's tenant in the sandbox.
type Tenant struct {
	ID        string // aps.id
	AccountID string
	Name      string
}

// installation is what Install created.
type installation struct {
	borrower platform.CreatedInstance
	rootID   string            // of the connector's instance
	tenants  map[string]Tenant // user name → tenant of the account
	users    []platform.User   // in display order
}

// Register does the same as `connector register`: it imports the real package, creates or upgrades the instance, and reports
// progress line by line. It first creates the Azure CSP application, which borrows access tokens and is on the allow list of
// the instance.
func (w *World) Register(ctx context.Context, progress func(line string)) (register.Result, error) {
	return w.register(ctx, progress, false)
}

// RegisterFirst does what an operator did for the first release: it imports package 1-1 and creates an instance of it. The
// connector is the present one, as after its upgrade.
func (w *World) RegisterFirst(ctx context.Context) (platform.CreatedInstance, error) {
	if err := w.addBorrower(); err != nil {
		return platform.CreatedInstance{}, err
	}
	imported, err := w.Platform.Import(ctx, releases.First())
	if err != nil {
		return platform.CreatedInstance{}, err
	}
	settings := w.settings()
	settings["borrowers"] = []any{w.installed.borrower.ID}
	return w.Platform.Create(ctx, platform.InstanceRequest{
		PackageID: imported.PackageID, Version: imported.Version, Release: imported.Release, Endpoint: w.HooksURL,
		Key: w.Key, Secret: w.Secret, Settings: settings,
	})
}

// borrowerName is the name of the application that borrows access tokens, at the platform and for the provider.
const borrowerName = "Azure CSP (NCE)"

func (w *World) addBorrower() (err error) {
	if w.installed.borrower.ID == "" {
		key, shared := borrowerCredentials()
		w.installed.borrower, err = w.Platform.AddApplication(borrowerName, key, shared)
	}
	return err
}

// settings returns the settings of a new instance.
func (w *World) settings() map[string]any {
	return map[string]any{
		"cloud": "global", "applicationId": ApplicationID, "applicationSecret": applicationSecret,
		"applicationSecretEnd": w.Clock.Now().AddDate(1, 0, 0).Format(time.DateOnly),
		"borrowers":            []any{map[string]any{"id": w.installed.borrower.ID, "name": borrowerName}},
	}
}

// register lets the platform download the package from the connector if byAddress is set, and uploads it otherwise.
func (w *World) register(ctx context.Context, progress func(line string), byAddress bool) (register.Result, error) {
	if err := w.addBorrower(); err != nil {
		return register.Result{}, err
	}
	cfg, err := w.registration()
	if err != nil {
		return register.Result{}, err
	}
	cfg.Progress = progress
	if byAddress {
		cfg.PackageURL = w.HooksURL + hooks.PackagePath + cfg.Package.FileName()
	}
	cfg.Settings = w.settings()
	result, err := register.Register(ctx, cfg)
	if err == nil {
		w.installed.rootID = result.RootID
	}
	return result, err
}

// Upgrade registers the package of the connector, which the platform downloads from the connector, as an operator does for a
// new version.
func (w *World) Upgrade(ctx context.Context, progress func(line string)) (register.Result, error) {
	return w.register(ctx, progress, true)
}

// Rotate replaces the shared secret as an operator does: first the connector accepts both, then the platform gets the new
// one, then the connector drops the old one. Rotate calls between after the first and the second step, when everything must
// still work.
func (w *World) Rotate(ctx context.Context, between func() error) error {
	w.previous, w.Secret = w.Secret, secret.New(random.Token())
	if err := errors.Join(w.Restart(ctx), between()); err != nil {
		return fmt.Errorf("accepting both secrets: %w", err)
	}
	cfg, err := w.registration()
	if err != nil {
		return err
	}
	cfg.Rotate = true
	if _, err := register.Register(ctx, cfg); err != nil {
		return err
	}
	if err := between(); err != nil {
		return fmt.Errorf("with the new secret: %w", err)
	}
	w.previous = secret.Text{}
	return w.Restart(ctx)
}

// Unregister does the same as `connector unregister`.
func (w *World) Unregister(ctx context.Context) error {
	cfg, err := w.registration()
	if err != nil {
		return err
	}
	return register.Unregister(ctx, cfg)
}

func (w *World) registration() (register.Config, error) {
	p, err := pack.Load(azurepartner.Manifest(), schemas.Files, uiextension.Files())
	if err != nil {
		return register.Config{}, err
	}
	calls, err := httpclient.New(httpclient.Config{Timeout: time.Minute})
	if err != nil {
		return register.Config{}, err
	}
	user, password := w.Platform.Admin()
	return register.Config{
		Operations: w.Platform.URL(), User: user, Password: password, Controller: w.Platform.URL(), HTTP: calls,
		Package: p, Endpoint: w.HooksURL, Key: w.Key, Secret: w.Secret,
	}, nil
}

// Tenants creates the accounts and their users, and provisions a tenant for each of the two resellers and for the reseller
// below the first.
func (w *World) Tenants(ctx context.Context) error {
	w.installed.tenants = make(map[string]Tenant)
	alpine, err := w.reseller(ctx, platform.Account{Name: "Alpine Cloud"}, Rita, "Rita Reseller", "alpine.onmicrosoft.com")
	if err != nil {
		return err
	}
	if _, err := w.reseller(ctx, platform.Account{Name: "Baltic IT"}, Bjorn, "Björn Baltic", BalticDirectory); err != nil {
		return err
	}
	south := platform.Account{Name: "Alpine South", ParentID: alpine.AccountID}
	if _, err := w.reseller(ctx, south, Susan, "Susan South", SouthDirectory); err != nil {
		return err
	}
	_, err = w.user(w.Platform.Provider().ID, Petra, "Petra Provider")
	return err
}

func (w *World) reseller(ctx context.Context, account platform.Account, login, name, directory string) (Tenant, error) {
	account, err := w.Platform.AddAccount(account)
	if err != nil {
		return Tenant{}, err
	}
	if _, err := w.user(account.ID, login, name); err != nil {
		return Tenant{}, err
	}
	id, err := w.Platform.CreateTenant(ctx, account.ID, map[string]any{"directory": directory})
	if err != nil {
		return Tenant{}, fmt.Errorf("provisioning the tenant of %s: %w", account.Name, err)
	}
	if err := w.Platform.Link(w.installed.borrower.ID, id); err != nil {
		return Tenant{}, err
	}
	t := Tenant{id, account.ID, account.Name}
	w.installed.tenants[login] = t
	return t, nil
}

func (w *World) user(accountID, login, name string) (platform.User, error) {
	u, err := w.Platform.AddUser(platform.User{Login: login, Password: platformPassword(), Name: name, AccountID: accountID})
	if err == nil {
		w.installed.users = append(w.installed.users, u)
	}
	return u, err
}

// RemoveTenants removes all subscriptions, so that the instance can be unregistered.
func (w *World) RemoveTenants(ctx context.Context) error {
	for _, t := range w.installed.tenants {
		if err := w.Platform.Delete(ctx, "", t.ID); err != nil {
			return fmt.Errorf("removing the tenant of %s: %w", t.Name, err)
		}
	}
	return nil
}

// Install registers the package, creates the instance and provisions the tenants.
func (w *World) Install(ctx context.Context) error {
	if _, err := w.Register(ctx, nil); err != nil {
		return err
	}
	if w.cfg.Resellers {
		if err := w.addResellers(ctx); err != nil {
			return err
		}
	}
	return w.Tenants(ctx)
}

// TenantOf returns the tenant of a platform user's account.
func (w *World) TenantOf(login string) Tenant { return w.installed.tenants[login] }

// User returns a user of the platform by login; the zero User if there is none.
func (w *World) User(login string) platform.User {
	for _, u := range w.installed.users {
		if u.Login == login {
			return u
		}
	}
	return platform.User{}
}

// Borrower returns the Azure CSP application, which may borrow access tokens.
func (w *World) Borrower() platform.CreatedInstance { return w.installed.borrower }

// As calls an operation of a resource as a platform user.
func (w *World) As(ctx context.Context, login, method, resourceID, operation string, body []byte) platform.Answer {
	return w.Platform.Call(ctx, platform.AsUser(w.User(login).ID), method, resourceID, operation, body)
}
