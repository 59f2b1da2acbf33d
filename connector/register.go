package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/httpclient"
	"azure-partner-connector/connector/platform/register"
	"azure-partner-connector/connector/secret"
)

// importTimeout bounds one call to the operations API. An import may take minutes.
const importTimeout = 10 * time.Minute

// operator holds the flags with which a command signs in to a platform. The password comes from the environment or a file:
// every user of the machine can read the command line.
type operator struct {
	configFile
	Operations   string `help:"URL of the platform's operations API, for example https://host:8440." required:"" placeholder:"URL"`
	Controller   string `help:"URL of the platform's APS controller, for example https://host:6308." required:"" placeholder:"URL"`
	User         string `help:"User of the operations API." default:"admin"`
	PasswordFile string `help:"File with the password of the operations API. Default: the environment variable PLATFORM_PASSWORD." type:"existingfile" placeholder:"FILE"`
	Key          string `help:"OAuth key of the instance. Default: the only one in the configuration." placeholder:"KEY"`
	ID           string `help:"Package ID. Default: package.id of the configuration, or the ID in app.yaml." placeholder:"URI"`
}

// registration combines the flags, the configuration and the package.
func (o operator) registration(c *console) (register.Config, error) {
	cfg, err := o.load()
	if err != nil {
		return register.Config{}, err
	}
	in, err := o.instance(cfg)
	if err != nil {
		return register.Config{}, err
	}
	password, err := o.password()
	if err != nil {
		return register.Config{}, err
	}
	p, err := app.Package(cmp.Or(o.ID, cfg.Package.ID))
	if err != nil {
		return register.Config{}, err
	}
	client := httpclient.Config{Timeout: importTimeout, Insecure: cfg.Platform.Insecure}
	if client.RootCAs, err = httpclient.Roots(cfg.Platform.CAFile); err != nil {
		return register.Config{}, err
	}
	calls, err := httpclient.New(client)
	if err != nil {
		return register.Config{}, err
	}
	return register.Config{
		Operations: o.Operations, User: o.User, Password: password, Controller: o.Controller, HTTP: calls, Package: p,
		Endpoint: cfg.Hooks.PublicURL, Key: in.Key, Secret: in.Secret,
		Progress: func(line string) { fmt.Fprintln(c.stdout, line) },
	}, nil
}

func (o operator) instance(cfg config.Config) (config.Instance, error) {
	if o.Key == "" && len(cfg.Instances) == 1 {
		return cfg.Instances[0], nil
	}
	for _, in := range cfg.Instances {
		if in.Key == o.Key {
			return in, nil
		}
	}
	if o.Key == "" {
		return config.Instance{}, errors.New("the configuration has several instances; choose one with --key")
	}
	return config.Instance{}, fmt.Errorf("the configuration has no instance with the key %s", o.Key)
}

func (o operator) password() (secret.Text, error) {
	text := os.Getenv("PLATFORM_PASSWORD")
	if o.PasswordFile != "" {
		content, err := os.ReadFile(o.PasswordFile)
		if err != nil {
			return secret.Text{}, fmt.Errorf("reading the password: %w", err)
		}
		text = strings.TrimRight(string(config.WithoutMark(content)), "\r\n")
	}
	if text == "" {
		return secret.Text{}, errors.New("the password of the operations API is missing: set PLATFORM_PASSWORD or use --password-file")
	}
	return secret.New(text), nil
}

type registerCommand struct {
	operator
	PackageURL string `help:"URL from which the platform downloads the package. Default: upload the package." placeholder:"URL"`
	Network    string `help:"How the platform reaches the endpoint: proxy, public or backnet." default:"proxy" enum:"proxy,public,backnet"`
	Settings   string `help:"JSON file with the initial properties of a new instance: cloud, applicationId, applicationSecret, borrowers, …" type:"existingfile" placeholder:"FILE"`
	RootID     string `help:"aps.id of the instance's root resource, if the platform does not report which one has the key." placeholder:"UUID"`
	Rotate     bool   `help:"Replace the secret that the platform has for an existing instance by the one in the configuration. Until then the connector must accept the old one as previousSecret."`
}

// Run registers. Repeating it changes nothing.
func (r registerCommand) Run(c *console) error {
	cfg, err := r.registration(c)
	if err != nil {
		return err
	}
	cfg.PackageURL, cfg.Network, cfg.RootID, cfg.Rotate = r.PackageURL, r.Network, r.RootID, r.Rotate
	if r.Settings != "" {
		content, err := os.ReadFile(r.Settings)
		if err != nil {
			return fmt.Errorf("reading the settings: %w", err)
		}
		if err := json.Unmarshal(config.WithoutMark(content), &cfg.Settings); err != nil {
			return fmt.Errorf("%s does not contain a JSON object", r.Settings) // the parser's error may quote a secret
		}
	}
	result, err := register.Register(c.ctx, cfg)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.stdout, "the instance with root resource %s has version %s\n", result.RootID, result.Version)
	return err
}

type unregisterCommand struct {
	operator
	RootID string `help:"aps.id of the instance's root resource, if the platform does not report which one has the key." placeholder:"UUID"`
}

// Run deletes the instance from the platform, which refuses while the instance has tenants.
func (u unregisterCommand) Run(c *console) error {
	cfg, err := u.registration(c)
	if err != nil {
		return err
	}
	cfg.RootID = u.RootID
	return register.Unregister(c.ctx, cfg)
}
