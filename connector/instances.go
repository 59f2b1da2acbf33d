package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/tenant"
)

type instancesCommand struct {
	List             listInstances     `cmd:"" default:"withargs" help:"List the instances of the configuration, as they are stored, with the tenants that their platform may not have."`
	Show             showInstance      `cmd:"" help:"Show what is stored about an instance: its platform, its settings and the ends of its credentials."`
	Settings         instancesSettings `cmd:"" help:"Change the credentials of instances by a file, for their rotation by a program."`
	Remove           removeInstance    `cmd:"" help:"Remove an instance that its platform forgot, with all its tenants and their refresh tokens, or only tenants that the platform forgot. Without --force it only shows what would be removed."`
	AcceptController acceptController  `cmd:"" help:"Make another address the controller of an instance: the one that a call of the platform named last. Without --address it only shows both."`
}

type acceptController struct {
	configFile
	Key     string `arg:"" help:"The instance, by its consumer key."`
	Address string `help:"The address to accept, as it was shown." placeholder:"URL"`
}

// Run shows the controller in use and the one that a call named, and with --address accepts the latter.
func (a acceptController) Run(c *console) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(cfg.Instances, func(in config.Instance) bool { return in.Key == a.Key })
	if i < 0 {
		return fmt.Errorf("the configuration has no instance %q", a.Key)
	}
	listed := cfg.Instances[i].Controllers
	return withCheckedStore(c, a.configFile, func(s *store.Store) error {
		in, err := s.Instance(c.ctx, a.Key)
		if errors.Is(err, tenant.ErrNotFound) {
			return fmt.Errorf("instance %q is not installed", a.Key)
		}
		if err != nil {
			return err
		}
		fmt.Fprintln(c.stdout, "in use:", harmless(tenant.ControllerOf(in, listed)))
		if in.NamedController == "" {
			return errors.New("no call has named another address")
		}
		fmt.Fprintln(c.stdout, "named by a call:", harmless(in.NamedController))
		if len(listed) > 0 {
			return fmt.Errorf("instances[%d].controllers lists what may be called; change the list instead", i)
		}
		if a.Address == "" {
			return errors.New("nothing was changed; repeat the command with --address and the named address to accept it")
		}
		if err := tenant.AcceptController(c.ctx, s, time.Now(), a.Key, a.Address, commandLine()); err != nil {
			return err
		}
		_, err = fmt.Fprintln(c.stdout, "accepted")
		return err
	})
}

type listInstances struct{ configFile }

// Run lists what is stored about every instance of the configuration.
func (l listInstances) Run(c *console) error {
	cfg, err := l.load()
	if err != nil {
		return err
	}
	return withCheckedStore(c, l.configFile, func(s *store.Store) error {
		for _, configured := range cfg.Instances {
			in, err := s.Instance(c.ctx, configured.Key)
			if errors.Is(err, tenant.ErrNotFound) || err == nil && !in.RemovedAt.IsZero() {
				fmt.Fprintf(c.stdout, "%s: not installed\n", configured.Key)
				continue
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(c.stdout, "%s: root %s, package %s, installed %s, controller %s\n", in.Key, harmless(in.RootID), harmless(in.PackageVersion),
				in.CreatedAt.Format(time.DateTime), harmless(tenant.ControllerOf(in, configured.Controllers)))
			if err := listTenants(c, s, in.Key); err != nil {
				return err
			}
		}
		return nil
	})
}

// listTenants prints how many tenants an instance has, and those that its platform may not have.
func listTenants(c *console, s *store.Store, key string) error {
	tenants, err := s.Tenants(c.ctx, key)
	if err != nil {
		return err
	}
	tokens, unknown := 0, []string(nil)
	for _, t := range tenants {
		holds, err := s.HoldsGrant(c.ctx, t.ID)
		if err != nil {
			return err
		}
		with := "without a refresh token"
		if holds {
			tokens++
			with = "with a refresh token"
		}
		if !t.UnknownAt.IsZero() {
			unknown = append(unknown, fmt.Sprintf("  not known to the platform since %s: tenant %s %q, account %s, %s", t.UnknownAt.Format(time.DateTime), t.ID, t.Name, harmless(t.AccountID), with))
		}
	}
	fmt.Fprintf(c.stdout, "  tenants: %d, refresh tokens: %d\n", len(tenants), tokens)
	for _, line := range unknown {
		fmt.Fprintln(c.stdout, line)
	}
	return nil
}

type removeInstance struct {
	configFile
	Key    string   `arg:"" help:"The instance, by its consumer key."`
	Tenant []string `help:"Remove this tenant, which the platform does not know, and keep the instance. Repeatable." placeholder:"ID"`
	Force  bool     `help:"Remove. The refresh tokens are destroyed; Microsoft is not informed."`
}

// Run removes an instance, or tenants of it.
func (r removeInstance) Run(c *console) error {
	return withCheckedStore(c, r.configFile, func(s *store.Store) error {
		in, err := s.Instance(c.ctx, r.Key)
		if errors.Is(err, tenant.ErrNotFound) || err == nil && !in.RemovedAt.IsZero() {
			return fmt.Errorf("instance %q is not installed", r.Key)
		}
		if err != nil {
			return err
		}
		if len(r.Tenant) > 0 {
			return r.removeTenants(c, s)
		}
		fmt.Fprintf(c.stdout, "%s: root %s\n", in.Key, harmless(in.RootID))
		if err := listTenants(c, s, r.Key); err != nil {
			return err
		}
		if !r.Force {
			return errors.New("nothing was removed; repeat the command with --force to remove the instance with all its tenants. To keep them, let the platform create the instance again instead")
		}
		if err := tenant.Remove(c.ctx, s, time.Now(), r.Key, commandLine()); err != nil {
			return err
		}
		_, err = fmt.Fprintln(c.stdout, "removed")
		return err
	})
}

func (r removeInstance) removeTenants(c *console, s *store.Store) error {
	for _, id := range r.Tenant {
		if err := removable(c, s, r.Key, id, r.Force); err != nil {
			return err
		}
	}
	for _, id := range r.Tenant {
		if err := tenant.RemoveTenant(c.ctx, s, time.Now(), r.Key, id, commandLine()); err != nil {
			return err
		}
		fmt.Fprintln(c.stdout, "removed", id)
	}
	return nil
}

// removable returns why a tenant cannot be removed, or is not without force.
func removable(c *console, s *store.Store, key, id string, force bool) error {
	t, err := s.Tenant(c.ctx, id)
	switch {
	case errors.Is(err, tenant.ErrNotFound) || err == nil && t.InstanceKey != key:
		return fmt.Errorf("instance %q has no tenant %s", key, id)
	case err != nil:
		return err
	case t.UnknownAt.IsZero():
		return fmt.Errorf("the platform knows the tenant %s: end its subscription there", id)
	case !force:
		return fmt.Errorf("nothing was removed; repeat the command with --force to remove the tenant %s %q and its refresh token", id, t.Name)
	}
	return nil
}
