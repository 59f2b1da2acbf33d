package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/token"
)

type renewalsCommand struct {
	Status renewalsStatus `cmd:"" help:"Show whether renewals are paused, until when, who ordered it and why."`
	Pause  renewalsPause  `cmd:"" help:"Stop all replicas from beginning scheduled renewals until a time. Tokens that would end meanwhile are still renewed."`
	Resume renewalsResume `cmd:"" help:"End a pause now."`
}

type renewalsStatus struct{ configFile }

// Run shows the pauses.
func (r renewalsStatus) Run(c *console) error {
	return withServices(c, r.configFile, func(s *app.Services) error {
		pauses, err := s.Tokens.Pauses(c.ctx)
		if err != nil {
			return err
		}
		if len(pauses) == 0 {
			_, err = fmt.Fprintln(c.stdout, "renewals are not paused")
			return err
		}
		return printPauses(c.stdout, pauses)
	})
}

type renewalsPause struct {
	configFile
	Cloud  string    `help:"Only renewals in this cloud. Default: in all clouds." placeholder:"CLOUD"`
	Until  time.Time `help:"When the pause ends automatically, for example 2026-12-01T06:00:00Z; at most 7 days from now. Default: in 24 hours." placeholder:"TIME"`
	Reason string    `help:"Why, for whoever sees the pause." placeholder:"TEXT"`
}

// Run pauses renewals.
func (r renewalsPause) Run(c *console) error {
	if err := r.knownCloud(r.Cloud); err != nil {
		return err
	}
	return withServices(c, r.configFile, func(s *app.Services) error {
		p, err := s.Tokens.PauseRenewals(c.ctx, token.Pause{Cloud: r.Cloud, Until: r.Until, Reason: r.Reason}, commandLine())
		if err != nil {
			return explained(err)
		}
		return printPauses(c.stdout, []token.Pause{p})
	})
}

type renewalsResume struct {
	configFile
	Cloud string `help:"End only the pause of this cloud. Default: every pause." placeholder:"CLOUD"`
}

// Run ends pauses.
func (r renewalsResume) Run(c *console) error {
	if err := r.knownCloud(r.Cloud); err != nil {
		return err
	}
	return withServices(c, r.configFile, func(s *app.Services) error {
		ended, err := s.Tokens.ResumeRenewals(c.ctx, r.Cloud, commandLine())
		if err != nil {
			return err
		}
		for _, p := range ended {
			fmt.Fprintf(c.stdout, "resumed: renewals in %s\n", p.Scope())
		}
		if len(ended) == 0 {
			fmt.Fprintln(c.stdout, "there was no such pause")
		}
		return warnOfPauses(c.ctx, c.stdout, s)
	})
}

// knownCloud refuses the name of a cloud that no instance could use: a pause of it would do nothing.
func (f configFile) knownCloud(cloud string) error {
	if cloud == "" {
		return nil
	}
	cfg, err := f.load()
	if err != nil {
		return err
	}
	known := slices.Sorted(maps.Keys(clouds(cfg)))
	if !slices.Contains(known, cloud) {
		return errors.New("there is no cloud " + cloud + "; the clouds are " + strings.Join(known, ", "))
	}
	return nil
}

func clouds(cfg config.Config) map[string]string { return app.Authorities(cfg.Clouds) }

// warnOfPauses prints the pauses in effect, if there are any.
func warnOfPauses(ctx context.Context, w io.Writer, s *app.Services) error {
	pauses, err := s.Tokens.Pauses(ctx)
	if err != nil {
		return err
	}
	return printPauses(w, pauses)
}

func printPauses(w io.Writer, pauses []token.Pause) error {
	for _, p := range pauses {
		if _, err := fmt.Fprintf(w, "paused: renewals in %s until %s, by %s: %s\n", p.Scope(), moment(p.Until), harmless(p.By), harmless(cmp.Or(p.Reason, "no reason given"))); err != nil {
			return err
		}
	}
	return nil
}
