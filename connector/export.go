package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/export"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
)

type exportCommand struct {
	configFile
	To     export.Layout `help:"Layout: chaperone-dir (a tar archive of chaperone's file store) or json (a JSON array of objects with directory, refreshToken and applicationId)." enum:"chaperone-dir,json" required:""`
	Out    string        `help:"The file to create, sealed by age; - is standard output." required:"" placeholder:"FILE"`
	Tenant []string      `arg:"" optional:"" help:"The tenants, each by its ID, name or directory."`
	All    bool          `help:"Export the refresh tokens of all tenants that have one that works."`
	DryRun bool          `help:"Only show which refresh tokens would be exported."`
}

// Run exports refresh tokens, one line each. What can refuse the command does so first; then come the events of all refresh tokens,
// and only then does one leave.
func (e exportCommand) Run(c *console) error {
	if e.All == (len(e.Tenant) > 0) {
		return errors.New("name tenants, or use --all")
	}
	cfg, err := e.load()
	if err != nil {
		return err
	}
	recipients, err := recipientsOf(cfg.Export)
	if err != nil {
		return err
	}
	return withServices(c, e.configFile, func(s *app.Services) error {
		tenants, err := e.tenants(c, s)
		if err != nil {
			return err
		}
		return e.export(c, s, tenants, recipients)
	})
}

func recipientsOf(cfg config.Export) (export.Recipients, error) {
	recipients, err := export.ParseRecipients(cfg.Recipients)
	if err == nil && recipients.Nobody() {
		err = errors.New("the configuration allows no export: export.recipients names nobody to seal it to")
	}
	return recipients, err
}

// open creates what is exported to. done ends it: of an export that failed, no file stays.
func (e exportCommand) open(stdout io.Writer) (w io.Writer, done func(failed error) error, err error) {
	if e.Out == "-" {
		if isTerminal(stdout) {
			return nil, nil, errors.New("standard output is a terminal: redirect it, or name a file")
		}
		return forPrograms(stdout), func(failed error) error { return failed }, nil
	}
	file, err := os.OpenFile(filepath.Clean(e.Out), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("creating the export: %w", err)
	}
	return file, func(failed error) error {
		if failed == nil {
			failed = file.Sync()
		}
		if failed = errors.Join(failed, file.Close()); failed != nil {
			return errors.Join(failed, os.Remove(file.Name()))
		}
		return nil
	}, nil
}

// tenants returns the selected tenants, each once.
func (e exportCommand) tenants(c *console, s *app.Services) ([]tenant.Resolved, error) {
	var all []tenant.Resolved
	if e.All {
		err := eachTenant(c, s, func(r tenant.Resolved) { all = append(all, r) })
		return all, err
	}
	known := map[string]bool{}
	for _, name := range e.Tenant {
		r, err := tenantName{name}.find(c.ctx, s)
		if err != nil {
			return nil, err
		}
		if !known[r.Tenant.ID] {
			known[r.Tenant.ID] = true
			all = append(all, r)
		}
	}
	return all, nil
}

// export exports the refresh tokens of tenants, or says why not.
func (e exportCommand) export(c *console, s *app.Services, tenants []tenant.Resolved, recipients export.Recipients) error {
	refusals, err := exportable(c, s, tenants)
	if err != nil {
		return err
	}
	if e.DryRun {
		return e.lines(c, tenants, func(r tenant.Resolved) (string, error) { return "would be exported", refusals[r.Tenant.ID] })
	}
	out, done, err := e.open(c.stdout)
	if err != nil {
		return err
	}
	var entries []export.Entry
	byInstance := map[string]int{}
	refused := e.lines(c, tenants, func(r tenant.Resolved) (string, error) {
		if why := refusals[r.Tenant.ID]; why != nil {
			return "", why
		}
		entry, err := e.take(c, s, r, recipients)
		if err == nil {
			entries = append(entries, entry)
			byInstance[r.Tenant.InstanceKey]++
		}
		return "exported", err
	})
	if len(entries) == 0 {
		return done(errors.Join(refused, errors.New("there is no refresh token to export; nothing was written")))
	}
	err = s.Tokens.RecordExport(c.ctx, byInstance, recipients.String(), commandLine())
	if err == nil {
		err = export.Write(out, e.To, entries, recipients, time.Now())
	}
	if err := done(err); err != nil {
		return err
	}
	fmt.Fprintf(c.stderr, "%d refresh tokens are sealed to %s. The providers of their instances are notified.\n", len(entries), recipients)
	return refused
}

// lines prints a line for each tenant with what was done, or why not. It fails when a refresh token was refused.
func (e exportCommand) lines(c *console, tenants []tenant.Resolved, do func(tenant.Resolved) (string, error)) error {
	w := c.stdout
	if e.Out == "-" {
		w = c.stderr
	}
	refused, held := 0, len(tenants)
	for n, r := range tenants {
		line, err := do(r)
		switch {
		case e.All && failure.Is(err, failure.GrantAbsent):
			held--
			line = "skipped: it has no refresh token"
		case err != nil:
			refused++
			line = "refused: " + explained(err).Error()
		}
		if _, err := fmt.Fprintf(w, "%d/%d %s (%s) %s\n", n+1, len(tenants), harmless(r.Tenant.Name), r.Tenant.ID, oneLine(line)); err != nil {
			return err
		}
	}
	if refused > 0 {
		return fmt.Errorf("%d of %d refresh tokens were refused", refused, held)
	}
	return nil
}

// exportable returns why refresh tokens cannot be exported, by the tenant. It fails when two could be that are of one directory: no
// layout has a place for both.
func exportable(c *console, s *app.Services, tenants []tenant.Resolved) (refusals map[string]error, err error) {
	refusals = map[string]error{}
	byDirectory := map[string]tenant.Resolved{}
	for _, r := range tenants {
		err := s.Tokens.Exportable(c.ctx, r)
		if f := (*failure.Error)(nil); err != nil && !errors.As(err, &f) {
			return nil, err
		}
		if err != nil {
			refusals[r.Tenant.ID] = err
			continue
		}
		directory := r.Client().DirectoryID
		if other, ok := byDirectory[directory]; ok {
			return nil, fmt.Errorf("the tenants %s and %s have the directory %s, of which an export can have one refresh token: name one of them", other.Tenant.ID, r.Tenant.ID, directory)
		}
		byDirectory[directory] = r
	}
	return refusals, nil
}

// take takes a copy of one refresh token.
func (e exportCommand) take(c *console, s *app.Services, r tenant.Resolved, recipients export.Recipients) (export.Entry, error) {
	details := map[string]string{"layout": string(e.To), "recipients": recipients.String()}
	exported, err := s.Tokens.Export(c.ctx, r.Tenant.ID, details, commandLine())
	return export.Entry(exported), err
}
