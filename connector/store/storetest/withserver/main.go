// Command withserver starts a private database server, runs a command with the server's address in TEST_MYSQL_DSN, stops the
// server, and exits with the command's exit code:
//
//	go run ./connector/store/storetest/withserver -- go test ./...
//
// The server is MariaDB, or MySQL when TEST_SERVER is "mysql". When TEST_MYSQL_DSN is set already, withserver starts no server
// and only runs the command.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"azure-partner-connector/connector/store/storetest"
	"azure-partner-connector/connector/store/storetest/dbserver"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, out, errs io.Writer) int {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(errs, "usage: withserver [--] command [argument …]")
		return 2
	}
	// The terminal sends its signals to the command, too. They must not end this process before the server is stopped.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if os.Getenv(storetest.DSNVariable) != "" {
		return runCommand(args, os.Environ(), out, errs)
	}
	server, err := start(ctx)
	if err != nil {
		fmt.Fprintln(errs, "withserver:", err)
		return 1
	}
	setting := storetest.DSNVariable + "=" + server.DSN("")
	fmt.Fprintln(out, setting)
	code := runCommand(args, append(os.Environ(), setting), out, errs)
	if err := server.Stop(); err != nil {
		fmt.Fprintln(errs, "withserver:", err)
		return max(code, 1)
	}
	return code
}

func start(ctx context.Context) (*dbserver.Server, error) {
	flavor, err := dbserver.Selected()
	if err != nil {
		return nil, err
	}
	return dbserver.Start(ctx, dbserver.Config{Flavor: flavor})
}

func runCommand(args, environment []string, out, errs io.Writer) int {
	command := exec.Command(args[0], args[1:]...)
	command.Env = environment
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, out, errs
	err := command.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		if code := exit.ExitCode(); code >= 0 {
			return code
		}
		return 1 // a signal ended the command
	}
	if err != nil {
		fmt.Fprintln(errs, "withserver:", err)
		return 1
	}
	return 0
}
