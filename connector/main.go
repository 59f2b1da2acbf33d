// Command connector obtains, renews and guards the Microsoft refresh tokens of CSP partners, and issues access tokens from them.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// version is set by the build.
var version = "development"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends a command that is slow to stop; serve waits for it itself
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		if !logged(err) {
			fmt.Fprintln(screen{os.Stderr}, "connector:", err)
		}
		os.Exit(1)
	}
}
