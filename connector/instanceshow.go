package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/tenant"
)

type showInstance struct {
	configFile
	Key  string `arg:"" help:"The instance, by its consumer key."`
	JSON bool   `help:"Print one JSON document."`
}

// An instanceDocument is what showInstance prints. It contains no credential.
type instanceDocument struct {
	Key                 string          `json:"key"`
	RootID              string          `json:"root"`
	InstanceID          string          `json:"instanceId"`
	Controller          string          `json:"controller"`
	Package             string          `json:"package"`
	InstalledAt         time.Time       `json:"installedAt"`
	Cloud               string          `json:"cloud"`
	ApplicationID       string          `json:"applicationId,omitempty"`
	Credentials         []credentialEnd `json:"credentials"`
	Borrowers           []string        `json:"borrowers"`
	CustomerDirectories string          `json:"customerDirectories"`
	MFARequest          string          `json:"mfaRequest"`
	SkipLanding         bool            `json:"skipLanding"`
	DirectLink          bool            `json:"directLink"`
	TenantApplication   bool            `json:"tenantApplication"`
	Tenants             int             `json:"tenants"`
}

// A credentialEnd is a credential without its value.
type credentialEnd struct {
	Name string     `json:"name"`
	Ends *time.Time `json:"ends"` // null when it is not known
}

// Run shows an instance.
func (i showInstance) Run(c *console) error {
	cfg, err := i.load()
	if err != nil {
		return err
	}
	var listed []string
	for _, in := range cfg.Instances {
		if in.Key == i.Key {
			listed = in.Controllers
		}
	}
	return withServices(c, i.configFile, func(s *app.Services) error {
		in, err := s.Tenants.Instance(c.ctx, i.Key)
		if err != nil {
			return explained(err)
		}
		tenants, err := s.Store.Tenants(c.ctx, in.Key)
		if err != nil {
			return err
		}
		document := newInstanceDocument(in, listed, len(tenants))
		if i.JSON {
			return printJSON(c, document)
		}
		return document.print(c)
	})
}

func newInstanceDocument(in tenant.Instance, listed []string, tenants int) instanceDocument {
	d := instanceDocument{
		Key: in.Key, RootID: in.RootID, InstanceID: in.ID, Controller: tenant.ControllerOf(in, listed), Package: in.PackageVersion,
		InstalledAt: in.CreatedAt, Cloud: in.Settings.Cloud, ApplicationID: in.Settings.Application.ID, Credentials: []credentialEnd{}, Borrowers: []string{},
		CustomerDirectories: in.Settings.CustomerDirectories, MFARequest: in.Settings.MFARequest, SkipLanding: in.Settings.SkipLanding,
		DirectLink: in.Settings.DirectLink, TenantApplication: in.Settings.TenantApplication, Tenants: tenants,
	}
	for _, end := range in.Settings.Application.CredentialEnds() {
		shown := credentialEnd{Name: end.Name}
		if !end.Ends.IsZero() {
			shown.Ends = &end.Ends
		}
		d.Credentials = append(d.Credentials, shown)
	}
	for _, b := range in.Settings.Borrowers {
		d.Borrowers = append(d.Borrowers, fmt.Sprintf("%s (%s; %s)", strings.TrimSpace(b.Name+" "+b.ID), strings.Join(b.APIs, ", "), strings.Join(b.Directories, ", ")))
	}
	return d
}

func (d instanceDocument) print(c *console) error {
	rows := newTable("instance", d.Key)
	rows.add("root", d.RootID)
	rows.add("instance id", d.InstanceID)
	rows.add("controller", d.Controller)
	rows.add("package", d.Package)
	rows.add("installed", moment(d.InstalledAt))
	rows.add("cloud", d.Cloud)
	rows.add("application", cmp.Or(d.ApplicationID, "none"))
	for _, end := range d.Credentials {
		ends := "end unknown"
		if end.Ends != nil {
			ends = "ends " + moment(*end.Ends)
		}
		rows.add(end.Name, ends)
	}
	rows.add("borrowers", cmp.Or(strings.Join(d.Borrowers, ", "), "none"))
	rows.add("customer directories", d.CustomerDirectories)
	rows.add("MFA request", d.MFARequest)
	rows.add("skip landing", strconv.FormatBool(d.SkipLanding))
	rows.add("direct link", strconv.FormatBool(d.DirectLink))
	rows.add("own applications", strconv.FormatBool(d.TenantApplication))
	rows.add("tenants", strconv.Itoa(d.Tenants))
	return rows.print(c.stdout)
}
