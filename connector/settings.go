package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
)

// maxSettings is the size, in MiB, of the largest file of settings that is read.
const maxSettings = 16

// settingsFile are the flags of the commands that change settings by a file.
type settingsFile struct {
	configFile
	File   string `help:"The settings, in YAML or JSON; - is standard input." required:"" placeholder:"FILE"`
	DryRun bool   `help:"Only show what would change."`
}

// An applicationSettings is what a file says about the application of one tenant or instance. What it does not name stays as
// it is.
type applicationSettings struct {
	Instance                   string         `yaml:"instance"`
	Tenant                     string         `yaml:"tenant"`
	ApplicationID              string         `yaml:"applicationId"`
	ApplicationSecret          *newCredential `yaml:"applicationSecret"`
	NextApplicationSecret      *newCredential `yaml:"nextApplicationSecret"`
	ApplicationCertificate     *newCredential `yaml:"applicationCertificate"`
	NextApplicationCertificate *newCredential `yaml:"nextApplicationCertificate"`
}

// A newCredential replaces a credential, or removes it.
type newCredential struct {
	Value  string    `yaml:"value"`
	Ends   time.Time `yaml:"ends"`
	Remove bool      `yaml:"remove"`
}

// read returns what the file says. Its errors name lines and never quote the file, which contains secrets.
func (f settingsFile) read(c *console) ([]applicationSettings, error) {
	content, err := c.input(f.File, maxSettings)
	if err != nil {
		return nil, fmt.Errorf("reading the settings: %w", err)
	}
	var all []applicationSettings
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	if err := decoder.Decode(&all); errors.Is(err, io.EOF) || err == nil && len(all) == 0 {
		return nil, errors.New("the file has no settings")
	} else if err != nil {
		where := "the file"
		if lines := lineNumber.FindAllString(err.Error(), 5); len(lines) > 0 {
			where = strings.Join(lines, ", ") + " of the file"
		}
		return nil, fmt.Errorf("%s cannot be read: it must be a list of entries with instance or tenant, applicationId, and credentials "+
			"(applicationSecret, nextApplicationSecret, applicationCertificate, nextApplicationCertificate) with value, ends and remove", where)
	}
	if !errors.Is(decoder.Decode(new(any)), io.EOF) {
		return nil, errors.New("the file has several documents (---): put all entries into one list")
	}
	return all, nil
}

var lineNumber = regexp.MustCompile(`line \d+`)

// apply changes an application, and returns what changed, in words.
func (s applicationSettings) apply(a *tenant.Application) ([]string, error) {
	var changes []string
	if id := strings.ToLower(s.ApplicationID); id != "" && id != a.ID {
		changes = append(changes, "application "+cmp.Or(a.ID, "none")+" → "+id)
		*a = tenant.Application{ID: id}
	}
	for name, c := range map[string]*newCredential{
		tenant.SecretName: s.ApplicationSecret, tenant.NextSecretName: s.NextApplicationSecret,
		tenant.CertificateName: s.ApplicationCertificate, tenant.NextCertificateName: s.NextApplicationCertificate,
	} {
		switch {
		case c == nil:
			continue
		case c.Remove && c.Value != "", !c.Remove && c.Value == "":
			return nil, fmt.Errorf("%s needs either value or remove: true", name)
		case c.Remove:
			changes = append(changes, name+" removed")
		case c.Ends.IsZero():
			changes = append(changes, name+" replaced")
		default:
			changes = append(changes, name+" replaced, ends "+c.Ends.Format(time.DateOnly))
		}
		*a.Slot(name) = tenant.Credential{Value: secret.New(c.Value), Ends: c.Ends, Remove: c.Remove}
	}
	if len(changes) == 0 {
		return nil, errors.New("it names no credential and no other application")
	}
	slices.Sort(changes)
	return changes, nil
}

// applyAll applies every entry of the file with one, which returns what changed, and prints a line for each.
func (f settingsFile) applyAll(c *console, subject func(applicationSettings) string, one func(*app.Services, applicationSettings) ([]string, error)) error {
	all, err := f.read(c)
	if err != nil {
		return err
	}
	return withServices(c, f.configFile, func(services *app.Services) error {
		refused := 0
		for n, s := range all {
			changes, err := one(services, s)
			line := strings.Join(changes, "; ")
			switch {
			case err != nil:
				refused++
				line = "refused: " + explained(err).Error()
			case f.DryRun:
				line = "would change: " + line
			}
			if _, err := fmt.Fprintf(c.stdout, "%d/%d %s %s\n", n+1, len(all), harmless(cmp.Or(subject(s), "-")), oneLine(line)); err != nil {
				return err
			}
		}
		if refused > 0 {
			return fmt.Errorf("%d of %d entries were refused; those have changed nothing", refused, len(all))
		}
		return nil
	})
}

type tenantsSettings struct{ settingsFile }

// Run changes the own applications of tenants.
func (t tenantsSettings) Run(c *console) error {
	return t.applyAll(c, func(s applicationSettings) string { return s.Tenant }, func(services *app.Services, s applicationSettings) ([]string, error) {
		if s.Tenant == "" || s.Instance != "" {
			return nil, errors.New("the entry must name a tenant, and no instance")
		}
		r, err := tenantName{s.Tenant}.find(c.ctx, services)
		if err != nil {
			return nil, err
		}
		if !r.Instance.Settings.TenantApplication {
			return nil, errors.New("the instance does not let tenants use an application of their own")
		}
		changed := r.Tenant
		changed.Application = changed.Application.WithoutValues()
		changes, err := s.apply(&changed.Application)
		if err != nil || t.DryRun {
			return changes, err
		}
		_, err = services.Tenants.ConfigureTenant(c.ctx, r, changed, commandLine())
		return changes, err
	})
}

type instancesSettings struct{ settingsFile }

// Run changes the applications of instances.
func (i instancesSettings) Run(c *console) error {
	return i.applyAll(c, func(s applicationSettings) string { return s.Instance }, func(services *app.Services, s applicationSettings) ([]string, error) {
		if s.Instance == "" || s.Tenant != "" {
			return nil, errors.New("the entry must name an instance, and no tenant")
		}
		in, err := services.Tenants.Instance(c.ctx, s.Instance)
		if err != nil {
			return nil, err
		}
		settings := in.Settings
		settings.Application = settings.Application.WithoutValues()
		changes, err := s.apply(&settings.Application)
		if err != nil || i.DryRun {
			return changes, err
		}
		_, err = services.Tenants.Configure(c.ctx, in.Key, settings, commandLine())
		return changes, err
	})
}
