package world

import (
	"context"
	"errors"
	"fmt"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/sandbox/platform"
)

// NewOwner returns the account that subscriptions move to, and creates it with a user the first time.
func (w *World) NewOwner() (platform.User, error) {
	if u := w.User(Nora); u.ID != "" {
		return u, nil
	}
	account, err := w.Platform.AddAccount(platform.Account{Name: "Northwind Cloud"})
	if err != nil {
		return platform.User{}, err
	}
	return w.user(account.ID, Nora, "Nora Northwind")
}

// AllowMoves restarts the connector with another answer of the operator to moves. One that is stopped stays so.
func (w *World) AllowMoves(ctx context.Context, allow bool) error {
	w.moves = allow
	if w.connector == nil {
		return nil
	}
	return w.Restart(ctx)
}

// Lost returns the tenants that the platform does not have, as connector instances lists them.
func (w *World) Lost(ctx context.Context) (lost []string, err error) {
	err = w.withServices(ctx, func(s *app.Services) error {
		tenants, err := s.Tenants.Tenants(ctx, w.Key)
		for _, t := range tenants {
			if !t.UnknownAt.IsZero() {
				lost = append(lost, t.ID)
			}
		}
		return err
	})
	return lost, err
}

// RemoveLost removes the tenant of a user, which the platform does not have, as connector instances remove does.
func (w *World) RemoveLost(ctx context.Context, login string) error {
	t := w.installed.tenants[login]
	err := w.withServices(ctx, func(s *app.Services) error {
		if _, err := s.Tenants.Tenant(ctx, w.Key, t.ID); err != nil {
			return err
		}
		err := tenant.RemoveTenant(ctx, s.Store, w.Clock.Now(), w.Key, t.ID, operator())
		if _, left := s.Tenants.Tenant(ctx, w.Key, t.ID); err == nil && left == nil {
			err = errors.New("it is still there")
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("removing the tenant of %s: %w", t.Name, err)
	}
	delete(w.installed.tenants, login)
	return nil
}
