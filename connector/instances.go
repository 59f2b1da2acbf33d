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
	AcceptController acceptController `cmd:"" help:"Make another address the controller of an instance: the one that a call of the platform named last. Without --address it only shows both."`
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
		fmt.Fprintln(c.stdout, "in use:", tenant.ControllerOf(in, listed))
		if in.NamedController == "" {
			return errors.New("no call has named another address")
		}
		fmt.Fprintln(c.stdout, "named by a call:", in.NamedController)
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
