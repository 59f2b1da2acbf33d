// Command sandbox runs the connector between a simulated Microsoft and a simulated platform, to try it out or, with -walk, to
// check every step from installation to an expired token. It is in no image.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"azure-partner-connector/sandbox/walk"
	"azure-partner-connector/sandbox/world"
)

// panelAddress is the default address of the panel.
const panelAddress = "127.0.0.1:8484"

func main() {
	walking := flag.Bool("walk", false, "run the whole sandbox without a person, check every step, and exit")
	listen := flag.String("listen", panelAddress, "address of the panel")
	resellers := flag.Bool("resellers", true, "add twenty resellers in all states, with a history, to the provider's list")
	verbose := flag.Bool("v", false, "log all components to standard error")
	only := flag.String("only", "", "microsoft,platform: start the simulators without the connector, to rehearse the deployment of one")
	onboarding := flag.String("onboarding", "http://localhost:8081", "with -only: the public URL of the rehearsed connector's onboarding pages")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, options{*walking, *listen, *resellers, *verbose, *only, *onboarding})
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	walk             bool
	listen           string
	resellers        bool
	verbose          bool
	only, onboarding string
}

func run(ctx context.Context, out io.Writer, o options) (err error) {
	cfg := world.Config{}
	if o.verbose {
		cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if !o.walk {
		cfg.PanelListen, cfg.Resellers = o.listen, o.resellers
	}
	if o.only != "" {
		return rehearse(ctx, out, cfg, o)
	}
	w, err := world.Start(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := w.Close(); err == nil {
			err = closeErr
		}
	}()
	if o.walk {
		return walk.Run(ctx, w, out)
	}
	if err := w.Install(ctx); err != nil {
		return err
	}
	welcome(out, w)
	<-ctx.Done()
	return nil
}

func welcome(out io.Writer, w *world.World) {
	fmt.Fprintf(out, "The sandbox is ready. Open the panel:\n\n    %s\n\n", w.PanelURL)
	fmt.Fprintf(out, "Sign in at the simulated Microsoft with one of these accounts and the password %s:\n\n", world.Password)
	for _, a := range world.MicrosoftAccounts() {
		fmt.Fprintf(out, "    %-32s %s\n", a.UPN, a.About)
	}
	fmt.Fprintf(out, "\nThe token API is at %s, the egress at %s. Access tokens work at the simulated Azure Resource Manager at %s.\n",
		w.APIURL, w.EgressURL, w.Microsoft.ARMURL())
	fmt.Fprintf(out, "The control API of the simulated Microsoft is described at %s/_sim/, metrics are at %s/metrics.\n"+
		"Commands such as connector tenants list work with --config %s/connector.yaml.\nCtrl-C stops the sandbox and deletes its data.\n",
		w.Microsoft.ControlURL(), w.PrivateURL, w.Folder())
}

// rehearse runs the simulators until ctx ends.
func rehearse(ctx context.Context, out io.Writer, cfg world.Config, o options) error {
	if o.walk || o.only != "microsoft,platform" && o.only != "platform,microsoft" {
		return errors.New("-only starts microsoft,platform, and does not go with -walk")
	}
	w, err := world.Rehearse(ctx, cfg, strings.TrimRight(o.onboarding, "/"))
	if err != nil {
		return err
	}
	user, password := w.Platform.Admin()
	application, clientSecret := world.RehearsalApplication()
	fmt.Fprintf(out, `The simulators are ready, without a connector. Add this to the configuration of yours:

%s
Register it while it runs; it must be reachable from here under hooks.publicURL:

    export PLATFORM_PASSWORD=%s
    echo '{"cloud": "global", "applicationId": "%s", "applicationSecret": "%s"}' > settings.json
    connector register --config FILE --operations %s --controller %s --user %s --settings settings.json

The resellers Alpine Cloud and Baltic IT get their subscriptions then. Open the panel:

    %s

Sign in at the simulated Microsoft with %s and the password %s. Its redirect URI is
%s/callback; --onboarding changes it. Its control API is described at %s/_sim/. The time is the real
one. Ctrl-C stops the simulators.
`, w.RehearsalConfiguration(), password.Reveal(), application, clientSecret, w.Platform.URL(), w.Platform.URL(), user, w.PanelURL,
		world.AlpineAdmin, world.Password, w.OnboardingURL, w.Microsoft.ControlURL())
	<-ctx.Done()
	return w.Close()
}
