// Command connector obtains, keeps alive, guards and lends the Microsoft refresh tokens of CSP partners.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// version is set by the build.
var version = "development"

// commands are what the program can do. Their help texts are the reference.
type commands struct {
	Serve      serveCommand      `cmd:"" help:"Serve the platform's hooks and the onboarding pages, and renew what is due."`
	Config     configCommand     `cmd:"" help:"Look at the configuration."`
	Keys       keysCommand       `cmd:"" help:"Make the keys that secrets are sealed with."`
	Rekey      rekeyCommand      `cmd:"" help:"Replace the key that secrets are sealed with by a new one, while the connector runs."`
	Backup     backupCommand     `cmd:"" help:"Look after copies of the database."`
	Package    packageCommand    `cmd:"" help:"Build or check the package for the platform."`
	Doctor     doctorCommand     `cmd:"" help:"Examine a deployment, and with --tenant a refresh token, and say what to do."`
	Register   registerCommand   `cmd:"" help:"Import the package into a platform, and create or upgrade the instance. The same call twice changes nothing."`
	Unregister unregisterCommand `cmd:"" help:"Delete the instance from a platform; its tenants must be gone."`
	Version    versionCommand    `cmd:"" help:"Print the version."`
}

// A console is where commands write.
type console struct {
	ctx    context.Context
	stdout io.Writer
	stderr io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "connector:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var c commands
	parser, err := kong.New(&c, kong.Name("connector"), kong.Writers(stdout, stderr), kong.UsageOnError(),
		kong.Description("Obtains, keeps alive, guards and lends the Microsoft refresh tokens of CSP partners."))
	if err != nil {
		return err
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return err
	}
	return parsed.Run(&console{ctx, stdout, stderr})
}

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run(c *console) error {
	_, err := fmt.Fprintln(c.stdout, version)
	return err
}
