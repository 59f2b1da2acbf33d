// Package register installs the application on a platform: it imports the package, creates or upgrades the instance,
// and reads back the result (docs/reference/aps-protocol.md §7).
package register

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/platform/pack"
	"azure-partner-connector/connector/secret"
)

// Config is what Register and Unregister need.
type Config struct {
	// Operations is the address of the platform's operations API, for example https://host:8440. Required.
	Operations string
	// User and Password are the credentials for the operations API. Required.
	User     string
	Password secret.Text

	// Controller is the address of the platform's APS controller, for example https://host:6308. Required.
	Controller string

	// HTTP is the client for both. The platform may take minutes for an import. Required.
	HTTP *http.Client

	// Package is what to register. Required.
	Package *pack.Package
	// PackageURL is the URL from which the platform downloads the package. Default: the package is uploaded, which
	// platforms may refuse if it has more than a few megabytes.
	PackageURL string

	// Endpoint is the public address of our hooks, without a trailing slash. Required.
	Endpoint string
	// Network is how the platform reaches it: proxy, public or backnet (docs/reference/aps-protocol.md §2.5). Default:
	// proxy.
	Network string
	// Key and Secret are the OAuth credentials that platform and connector share. Required.
	Key    string
	Secret secret.Text

	// Settings are the initial properties of a new root resource; an existing one keeps its own. Default: none.
	Settings map[string]any

	// RootID is the aps.id of the instance's root resource. Default: that of the instance with Key; some platforms do
	// not return the keys of instances.
	RootID string

	// Rotate sets Secret as the new secret of an existing instance. The connector must accept both secrets meanwhile.
	// Default: false.
	Rotate bool

	// Progress receives one line per step. Default: discard.
	Progress func(line string)

	// Wait waits between two polls of an upgrade, which runs in the background. Default: a timer.
	Wait func(ctx context.Context, d time.Duration) error
}

// A Result is what the platform has now, and what was done.
type Result struct {
	Application int    // number in the operations API
	Instance    int    // number in the operations API
	RootID      string // aps.id of the root resource
	Version     string // version-release

	Imported, Created, Upgraded, Rotated bool
}

// Upgrades run in the background; these bound the wait for their end.
const (
	maxPolls     = 60
	pollInterval = 5 * time.Second
)

// check fills in defaults and refuses what is missing.
func (cfg *Config) check() error {
	for name, address := range map[string]string{"operations address": cfg.Operations, "controller address": cfg.Controller, "endpoint": cfg.Endpoint} {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return fmt.Errorf("register: the %s is not an absolute http or https address", name)
		}
		if u.User != nil {
			return fmt.Errorf("register: the %s contains a user; set user and password separately", name)
		}
	}
	switch {
	case cfg.HTTP == nil:
		return errors.New("register: an HTTP client is required")
	case cfg.Package == nil:
		return errors.New("register: a package is required")
	case cfg.User == "" || cfg.Password.Empty():
		return errors.New("register: user and password of the operations API are required")
	case cfg.Key == "" || cfg.Secret.Empty():
		return errors.New("register: key and secret of the instance are required")
	}
	if cfg.Network == "" {
		cfg.Network = "proxy"
	}
	if cfg.Progress == nil {
		cfg.Progress = func(string) {}
	}
	if cfg.Wait == nil {
		cfg.Wait = clock.Sleep
	}
	cfg.Endpoint = strings.TrimRight(cfg.Endpoint, "/")
	return nil
}

// Register imports this version of the package and creates or upgrades the instance at our endpoint. It is idempotent: a second
// call changes nothing, and an interrupted call can be repeated. It refuses, before it changes anything, while a connector of
// another version runs at the endpoint, and succeeds only if a call of the platform then reaches the connector. Errors of the
// platform are *failure.Error (platform_refused with the platform's message, platform_unavailable).
func Register(ctx context.Context, cfg Config) (Result, error) {
	if err := cfg.check(); err != nil {
		return Result{}, err
	}
	c := &client{cfg: cfg}
	v, release := cfg.Package.Version()
	want := version{v, release}
	if err := c.checkOrder(ctx, want); err != nil {
		return Result{}, err
	}
	cfg.Progress("Signing in at " + cfg.Operations)
	if err := c.login(ctx); err != nil {
		return Result{}, fmt.Errorf("signing in at the operations API: %w", err)
	}
	application, instances, err := c.instances(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("listing instances: %w", err)
	}
	ours, err := c.choose(instances)
	if err != nil {
		return Result{}, err
	}
	result := Result{Application: application, Version: want.String()}
	if cfg.Rotate && ours != nil {
		if err := c.rotate(ctx, *ours); err != nil {
			return Result{}, err
		}
		result.Rotated = true
	}
	switch {
	case ours == nil:
		err = c.install(ctx, want, &result)
	case ours.version == want:
		cfg.Progress(fmt.Sprintf("Instance %d already has version %s", ours.number, want))
		result.Instance, result.RootID = ours.number, ours.root
	case ours.version.newerThan(want):
		return Result{}, fmt.Errorf("instance %d has version %s, which is newer than %s", ours.number, ours.version, want)
	default:
		err = c.upgrade(ctx, want, *ours, &result)
	}
	if err != nil {
		return Result{}, err
	}
	if err := c.verify(ctx, want, &result); err != nil {
		return Result{}, err
	}
	return result, nil
}

// choose returns our instance among those of the package, or nil. If the platform doesn't return the keys of instances,
// the caller must set RootID.
func (c *client) choose(instances []instance) (*instance, error) {
	keyMissing := false
	for i, in := range instances {
		keyMissing = keyMissing || in.key == ""
		if c.cfg.RootID != "" && in.root == c.cfg.RootID || c.cfg.RootID == "" && in.key == c.cfg.Key {
			return &instances[i], nil
		}
	}
	switch {
	case c.cfg.RootID != "":
		return nil, fmt.Errorf("the platform has no instance with the root resource %s", c.cfg.RootID)
	case keyMissing:
		return nil, fmt.Errorf("the platform has %d instances of the package and doesn't return their keys; set the root resource of yours, or remove them", len(instances))
	}
	return nil, nil
}

// ensureImported imports our version of the package unless the platform has it.
func (c *client) ensureImported(ctx context.Context, want version, result *Result) error {
	imported, err := c.imported(ctx, want)
	if err != nil {
		return fmt.Errorf("listing packages: %w", err)
	}
	if imported {
		c.cfg.Progress("Package " + want.String() + " is already imported")
		return nil
	}
	c.cfg.Progress("Importing package " + c.cfg.Package.ID() + " " + want.String())
	if err := c.importPackage(ctx); err != nil {
		return fmt.Errorf("importing the package: %w", err)
	}
	result.Imported = true
	return nil
}

// rotate sets our secret at the platform. The platform returns no secrets, so this can't be read back; the health check at the
// end shows whether it uses the new one.
func (c *client) rotate(ctx context.Context, ours instance) error {
	if ours.id == "" {
		return fmt.Errorf("the platform doesn't return the id of instance %d; enter the new secret in the panel", ours.number)
	}
	c.cfg.Progress(fmt.Sprintf("Setting the new secret of instance %d", ours.number))
	if err := c.credentials(ctx, ours.id); err != nil {
		return fmt.Errorf("setting the new secret of the instance: %w", err)
	}
	return nil
}

func (c *client) install(ctx context.Context, want version, result *Result) error {
	if err := c.ensureImported(ctx, want, result); err != nil {
		return err
	}
	c.cfg.Progress("Creating an instance at " + c.cfg.Endpoint + "; if this takes longer than a minute, the log of the connector says why")
	root, err := c.create(ctx)
	if err != nil {
		return fmt.Errorf("creating the instance: %w", err)
	}
	result.Created, result.RootID = true, root
	return nil
}

func (c *client) upgrade(ctx context.Context, want version, ours instance, result *Result) error {
	if err := c.ensureImported(ctx, want, result); err != nil {
		return err
	}
	c.cfg.Progress(fmt.Sprintf("Upgrading instance %d to %s", ours.number, want))
	if _, err := c.rpc(ctx, "pem.APS.upgradeApplicationInstance", map[string]any{"application_instance_id": ours.number}); err != nil {
		return fmt.Errorf("upgrading the instance: %w", err)
	}
	result.Upgraded, result.RootID = true, ours.root
	return nil
}

// verify polls until the instance has the wanted version and its root resource is ready.
func (c *client) verify(ctx context.Context, want version, result *Result) error {
	c.cfg.Progress("Reading back the root resource " + result.RootID)
	var last string
	for poll := range maxPolls {
		if poll > 0 {
			if err := c.cfg.Wait(ctx, pollInterval); err != nil {
				return fmt.Errorf("waiting for the platform: %w", err)
			}
		}
		application, instances, err := c.instances(ctx)
		if err != nil {
			return fmt.Errorf("reading back: %w", err)
		}
		var ours *instance
		for i := range instances {
			if instances[i].root == result.RootID {
				ours = &instances[i]
			}
		}
		if ours == nil {
			return fmt.Errorf("reading back: the platform does not list an instance with the root resource %s", result.RootID)
		}
		root, err := c.read(ctx, result.RootID)
		if err != nil {
			return fmt.Errorf("reading back: %w", err)
		}
		if !strings.HasPrefix(root.APS.Type, c.cfg.Package.ID()+"/") {
			return fmt.Errorf("reading back: the root resource is of type %s", root.APS.Type)
		}
		if v := ours.version; root.APS.Status == "aps:ready" && (v == want || v == version{}) {
			result.Application, result.Instance = application, ours.number
			c.cfg.Progress(fmt.Sprintf("Instance %d is ready in version %s", ours.number, want))
			return c.reach(ctx, result.RootID)
		}
		last = fmt.Sprintf("%s in version %s", root.APS.Status, ours.version)
	}
	return failure.New(failure.PlatformRefused, "reason", "the instance did not become ready: it is "+last)
}

// reach proves that the platform's calls arrive at the connector with credentials that it accepts. A platform may answer a read
// from what it has stored, but it forwards an operation (docs/reference/aps-protocol.md §3.8).
func (c *client) reach(ctx context.Context, root string) error {
	var health struct {
		Status string `json:"status"`
	}
	status, err := c.rest(ctx, http.MethodGet, "/aps/2/resources/"+url.PathEscape(root)+"/healthCheck", nil, &health)
	if err == nil && (status == http.StatusNotFound || health.Status != "ok") {
		err = failure.New(failure.PlatformRefused, "reason", "the connector did not answer its health check through the platform")
	}
	if err != nil {
		return fmt.Errorf("calling the connector through the platform: %w", err)
	}
	c.cfg.Progress("The platform reaches the connector at " + c.cfg.Endpoint)
	return nil
}

// forgotten says what to do when only the connector has an instance.
const forgotten = " on the platform. If connector instances lists one, registering again takes its place, and connector instances remove deletes it"

// Unregister removes our instance; the package stays imported. A missing instance is not an error. The platform refuses
// while the instance has tenants.
func Unregister(ctx context.Context, cfg Config) error {
	if err := cfg.check(); err != nil {
		return err
	}
	c := &client{cfg: cfg}
	if err := c.login(ctx); err != nil {
		return fmt.Errorf("signing in at the operations API: %w", err)
	}
	_, instances, err := c.instances(ctx)
	if err != nil {
		return fmt.Errorf("listing instances: %w", err)
	}
	if len(instances) == 0 {
		cfg.Progress("There is no instance" + forgotten)
		return nil
	}
	ours, err := c.choose(instances)
	if err != nil {
		return err
	}
	if ours == nil {
		cfg.Progress("There is no instance with this key" + forgotten)
		return nil
	}
	if ours.id == "" {
		return fmt.Errorf("the platform doesn't return the id of instance %d; remove it in the panel", ours.number)
	}
	cfg.Progress(fmt.Sprintf("Removing instance %d", ours.number))
	if _, err := c.rest(ctx, http.MethodDelete, "/aps/2/applications/"+url.PathEscape(ours.id), nil, nil); err != nil {
		return fmt.Errorf("removing the instance: %w", err)
	}
	_, remaining, err := c.instances(ctx)
	if err != nil {
		return fmt.Errorf("reading back: %w", err)
	}
	for _, in := range remaining {
		if in.root == ours.root {
			return failure.New(failure.PlatformRefused, "reason", "the instance still exists")
		}
	}
	cfg.Progress("The instance is removed")
	return nil
}
