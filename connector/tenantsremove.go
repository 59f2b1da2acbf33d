package main

import (
	"errors"
	"fmt"
	"time"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/tenant"
)

type tenantsRemove struct {
	configFile
	tenantName
	Force bool `help:"Remove. The refresh token is destroyed; Microsoft is not informed."`
}

// Run removes a tenant.
func (t tenantsRemove) Run(c *console) error {
	return withTenant(c, t.configFile, t.tenantName, func(s *app.Services, r tenant.Resolved) error {
		key, id := r.Tenant.InstanceKey, r.Tenant.ID
		if err := removable(c, s.Store, key, id, t.Force); err != nil {
			return err
		}
		if err := tenant.RemoveTenant(c.ctx, s.Store, time.Now(), key, id, commandLine()); err != nil {
			return err
		}
		_, err := fmt.Fprintln(c.stdout, "removed", id)
		return err
	})
}

type tenantsForget struct {
	configFile
	tenantName
	Yes bool `help:"Delete the token. Only a new consent brings another one."`
}

// Run deletes the token of a tenant.
func (t tenantsForget) Run(c *console) error {
	return withServices(c, t.configFile, func(s *app.Services) error {
		r, err := t.find(c.ctx, s)
		if err != nil {
			return err
		}
		if !t.Yes {
			status, err := s.Tokens.Status(c.ctx, r)
			if err != nil {
				return explained(err)
			}
			if err := printStatus(c, r, status); err != nil {
				return err
			}
			return errors.New("nothing was changed; repeat the command with --yes to delete this token")
		}
		if _, err := s.Tokens.Forget(c.ctx, r.Tenant.ID, commandLine()); err != nil {
			return explained(err)
		}
		_, err = fmt.Fprintln(c.stdout, "deleted the token of", harmless(r.Tenant.Name))
		return err
	})
}
