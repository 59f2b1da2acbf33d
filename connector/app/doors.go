package app

import (
	"fmt"
	"maps"
	"net/http"
	"slices"

	"azure-partner-connector/connector/onboarding"
	"azure-partner-connector/hooks"
)

// hooksDoor is the door of the platform, for the package that manifest describes.
func (a *App) hooksDoor(manifest []byte) (*hooks.Door, error) {
	p, err := packageOf(manifest, a.cfg.Package.ID)
	if err != nil {
		return nil, err
	}
	var file hooks.PackageFile
	if a.cfg.Hooks.ServePackage {
		if file.Content, err = p.Build(); err != nil {
			return nil, err
		}
		file.Name = p.FileName()
		a.log.Info("serving the package", "url", a.cfg.Hooks.PublicURL+hooks.PackagePath+file.Name)
	}
	version, release := p.Version()
	return hooks.New(hooks.Config{
		PublicURL: a.cfg.Hooks.PublicURL, TrustedProxies: a.cfg.Hooks.TrustedProxies,
		Credentials: a.rooms.platform.credentials, Accounts: a.rooms.platform,
		Tenants: a.rooms.Tenants, Tokens: a.rooms.Tokens, Consents: a.rooms.Consents, Nonces: a.rooms.Store,
		Ties: a.rooms.Ties, RenewDue: a.ring,
		PackageID: p.ID(), PackageVersion: fmt.Sprintf("%d-%d", version, release), Schema: p.Schema, PackageFile: file,
		Now: a.now, Log: a.log.With("door", "hooks"),
	})
}

// onboardingDoor is the public door. Its landing page's form may lead on to every cloud's sign-in page.
func (a *App) onboardingDoor() (http.Handler, error) {
	return onboarding.New(onboarding.Config{
		PublicURL: a.cfg.Onboarding.PublicURL, Consents: a.rooms.Consents, Seal: a.rooms.keyring,
		Authorities:    slices.Sorted(maps.Values(a.rooms.Authorities)),
		TrustedProxies: a.cfg.Onboarding.TrustedProxies,
		Limit:          onboarding.Limit{PerMinute: a.cfg.Onboarding.RequestsPerMinute, Burst: a.cfg.Onboarding.RequestBurst},
		Now:            a.now, Log: a.log.With("door", "onboarding"),
	})
}
