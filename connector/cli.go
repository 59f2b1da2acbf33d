package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"reflect"

	"github.com/alecthomas/kong"

	"azure-partner-connector/connector/config"
)

// commands are the program's commands. Their help texts are the reference.
type commands struct {
	Serve      serveCommand      `cmd:"" help:"Serve the platform's hooks and the onboarding pages, and renew refresh tokens."`
	Migrate    migrateCommand    `cmd:"" help:"Create or update the tables of the database, and end. For accounts that may change tables, when connector serve --no-migrate runs with one that may not."`
	Config     configCommand     `cmd:"" help:"Print an example configuration or check a configuration."`
	Keys       keysCommand       `cmd:"" help:"Create the keys that seal secrets."`
	Rekey      rekeyCommand      `cmd:"" help:"Replace the key that seals secrets while the connector runs."`
	Backup     backupCommand     `cmd:"" help:"Check backups of the database."`
	Events     eventsCommand     `cmd:"" help:"List, export and verify the audit trail."`
	Find       findCommand       `cmd:"" help:"Show what is stored with a reference that a screen, an answer or the log shows."`
	Health     healthCommand     `cmd:"" help:"Ask the private listener of the configuration whether the connector is ready, for containers without other tools."`
	Integrity  integrityCommand  `cmd:"" help:"Find and accept changes of the database that were made outside the connector."`
	Instances  instancesCommand  `cmd:"" help:"Maintain what is stored about the instances."`
	Tenants    tenantsCommand    `cmd:"" help:"List tenants, show, renew and check their tokens, and delete them."`
	Renewals   renewalsCommand   `cmd:"" help:"Pause the scheduled renewals of all replicas, and resume them."`
	Customers  customersCommand  `cmd:"" help:"List a partner's customers, and consent for the application in their directories."`
	Notify     notifyCommand     `cmd:"" help:"Try the channels of notices."`
	Clients    clientsCommand    `cmd:"" help:"Add, list, rotate and remove clients of the token API."`
	Import     importCommand     `cmd:"" help:"Import refresh tokens from another program, after every check of a consent."`
	Export     exportCommand     `cmd:"" help:"Export copies of refresh tokens for another program, encrypted for the recipients in the configuration (export.recipients)."`
	Package    packageCommand    `cmd:"" help:"Build or check the package for the platform."`
	Doctor     doctorCommand     `cmd:"" help:"Diagnose a deployment, and with --tenant a refresh token, and recommend what to do."`
	Register   registerCommand   `cmd:"" help:"Import the package into a platform, and create or upgrade the instance. Repeating the call changes nothing."`
	Unregister unregisterCommand `cmd:"" help:"Delete the instance from a platform. Its tenants must be deleted first."`
	Completion completionCommand `cmd:"" help:"Print a script that completes commands and flags in a shell."`
	Version    versionCommand    `cmd:"" help:"Print the version."`
}

// A console is what commands get from main: a context that ends when they must stop, and their input and output.
type console struct {
	ctx    context.Context
	stdin  io.Reader
	stdout io.Writer // a screen
	stderr io.Writer // a screen
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var c commands
	parser, err := kong.New(&c, kong.Name("connector"), kong.Writers(stdout, stderr), kong.UsageOnError(),
		kong.Description("Obtains, renews and guards the Microsoft refresh tokens of CSP partners, and issues access tokens from them."))
	if err != nil {
		return err
	}
	if len(args) > 0 && args[0] == "help" { // people try it, because other programs have it
		args = append(args[1:len(args):len(args)], "--help")
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return fmt.Errorf("%w; connector --help lists the commands, connector COMMAND --help the flags of one", err)
	}
	if err := nothingEmpty(parsed); err != nil {
		return err
	}
	return parsed.Run(&console{ctx, os.Stdin, screen{stdout}, screen{stderr}})
}

// nothingEmpty refuses an argument that is there and empty, such as a variable of a script that was never set. Left out, most
// arguments stand for everything: the command would remove all keys, or all tenants, instead of the one that was meant.
func nothingEmpty(parsed *kong.Context) error {
	for _, p := range parsed.Path {
		name, value := "", (*kong.Value)(nil)
		switch {
		case p.Resolved:
		case p.Flag != nil:
			name, value = "--"+p.Flag.Name, p.Flag.Value
		case p.Positional != nil:
			name, value = "the argument "+p.Positional.Name, p.Positional
		}
		if value != nil && empty(value.Target) {
			return fmt.Errorf("%s is empty; give it a value, or leave it out", name)
		}
	}
	return nil
}

// empty reports whether an argument has no value, or one of its values is empty.
func empty(value reflect.Value) bool {
	switch value.Kind() {
	case reflect.String:
		return value.Len() == 0
	case reflect.Slice:
		for i := range value.Len() {
			if empty(value.Index(i)) {
				return true
			}
		}
		return value.Len() == 0
	default:
		return false
	}
}

// input reads a file, or standard input for "-", of at most so many MiB. It ends with the command, also while nothing comes.
func (c *console) input(path string, mebibytes int64) ([]byte, error) {
	type content struct {
		text []byte
		err  error
	}
	read := make(chan content, 1)
	go func() {
		from := c.stdin
		if path != "-" {
			file, err := os.Open(path)
			if err != nil {
				read <- content{nil, err}
				return
			}
			defer file.Close()
			from = file
		}
		text, err := io.ReadAll(io.LimitReader(from, mebibytes<<20+1))
		read <- content{text, err}
	}()
	select {
	case <-c.ctx.Done():
		return nil, c.ctx.Err()
	case got := <-read:
		if got.err == nil && int64(len(got.text)) > mebibytes<<20 {
			got.err = fmt.Errorf("it is larger than %d MiB", mebibytes)
		}
		return got.text, got.err
	}
}

// configFile is the flag of the commands that read the configuration.
type configFile struct {
	Config string `help:"Configuration file. The environment (CONNECTOR_…) overrides it." type:"path" env:"CONNECTOR_CONFIG" placeholder:"FILE"`
}

// load returns the configuration. With an error, it has nothing but its Log, and not even that if the file cannot be read.
func (f configFile) load() (config.Config, error) {
	cfg, err := f.parse()
	if err != nil {
		seen := ""
		if f.Config == "" {
			seen = " (there is no file, because neither --config nor CONNECTOR_CONFIG names one)"
		}
		return cfg, fmt.Errorf("the configuration is invalid%s:\n%w", seen, err)
	}
	return cfg, nil
}

// parse is load for callers that report each problem themselves.
func (f configFile) parse() (config.Config, error) { return config.Load(f.Config, os.Environ()) }

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run(c *console) error {
	_, err := fmt.Fprintln(c.stdout, version)
	return err
}
