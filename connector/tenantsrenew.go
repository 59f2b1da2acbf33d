package main

import (
	"errors"
	"fmt"
	"time"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/token"
)

type tenantsRenew struct {
	configFile
	Tenant  string        `arg:"" optional:"" help:"The tenant, by its ID, name or directory." `
	All     bool          `help:"Renew the tokens of all tenants that have one." xor:"which"`
	Failing bool          `help:"Renew the tokens whose last renewal failed, or that end soon." xor:"which"`
	Pause   time.Duration `help:"Wait so long between two tenants." default:"100ms" placeholder:"DURATION"`
}

// Run renews tokens.
func (t tenantsRenew) Run(c *console) error {
	switch some := t.All || t.Failing; {
	case t.Tenant == "" && !some:
		return errors.New("name a tenant, or use --all or --failing")
	case t.Tenant != "" && some:
		return errors.New("name a tenant, or use --all or --failing, not both")
	case t.Pause < 0:
		return errors.New("--pause must not be negative")
	}
	return withServices(c, t.configFile, func(s *app.Services) error {
		if t.Tenant != "" {
			r, err := tenantName{t.Tenant}.find(c.ctx, s)
			if err != nil {
				return err
			}
			status, err := s.Tokens.Renew(c.ctx, r.Tenant.ID, commandLine())
			if err != nil {
				return explained(err)
			}
			_, err = fmt.Fprintf(c.stdout, "renewed: the token of %s ends %s\n", harmless(r.Tenant.Name), moment(status.ExpiresAt))
			return err
		}
		return t.many(c, s)
	})
}

// many renews the tokens of all selected tenants, one after the other.
func (t tenantsRenew) many(c *console, s *app.Services) error {
	states := []token.State{token.StateExpiring, token.StateRenewalFailing, token.StateMisconfigured, token.StateActionRequired}
	if t.All {
		states = append(states, token.StateActive)
	}
	list, err := s.Tokens.List(c.ctx, token.Query{States: states})
	if err != nil {
		return err
	}
	renewed, running, failed := 0, 0, 0
	for i, listed := range list.Tenants {
		if i > 0 && clock.Sleep(c.ctx, t.Pause) != nil || c.ctx.Err() != nil {
			return fmt.Errorf("interrupted after %d of %d tenants: %d renewed, %d failed", i, len(list.Tenants), renewed, failed)
		}
		_, err := s.Tokens.Renew(c.ctx, listed.TenantID, commandLine())
		switch {
		case failure.Is(err, failure.GrantAbsent), failure.Is(err, failure.NotFound):
			continue // misconfigured without a token, or removed meanwhile
		case failure.Is(err, failure.RenewalRunning):
			running++
			fmt.Fprintf(c.stdout, "%d/%d %s is being renewed already\n", i+1, len(list.Tenants), listed.TenantID)
		case err != nil:
			failed++
			fmt.Fprintf(c.stdout, "%d/%d %s failed: %s\n", i+1, len(list.Tenants), listed.TenantID, oneLine(explained(err).Error()))
		default:
			renewed++
			fmt.Fprintf(c.stdout, "%d/%d %s renewed\n", i+1, len(list.Tenants), listed.TenantID)
		}
	}
	already := ""
	if running > 0 {
		already = fmt.Sprintf(", %d being renewed already", running)
	}
	fmt.Fprintf(c.stdout, "%d renewed, %d failed%s\n", renewed, failed, already)
	if failed > 0 {
		return errors.New("some renewals failed")
	}
	return nil
}
