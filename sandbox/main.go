// Command sandbox runs the connector between a simulated Microsoft and a simulated platform, to try it out or, with -walk, to
// check every step from installation to an expired token. It is in no image.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"azure-partner-connector/sandbox/walk"
	"azure-partner-connector/sandbox/world"
)

// panelAddress is the default address of the panel.
const panelAddress = "127.0.0.1:8484"

func main() {
	walking := flag.Bool("walk", false, "run the whole sandbox without a person, check every step, and exit")
	listen := flag.String("listen", panelAddress, "address of the panel")
	verbose := flag.Bool("v", false, "log all components to standard error")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout, *walking, *listen, *verbose)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, walking bool, listen string, verbose bool) (err error) {
	cfg := world.Config{}
	if verbose {
		cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	if !walking {
		cfg.PanelListen = listen
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
	if walking {
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
	fmt.Fprintf(out, "\nThe clock and the faults of Microsoft are at %s/_sim/, metrics at %s/metrics.\nCtrl-C stops the sandbox and deletes its data.\n",
		w.Microsoft.ControlURL(), w.PrivateURL)
}
