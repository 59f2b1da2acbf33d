// Command command measures how fast the connector is and writes docs/explanation/benchmarks.md. No image contains it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"azure-partner-connector/sandbox/bench"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string, in io.Reader, out io.Writer) error {
	if ok, err := bench.RunSubprocess(ctx, arguments, in, out); ok {
		return err
	}
	cfg := bench.Config{Out: out}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	document := flags.String("document", "", "the file to write; none if empty")
	only := flags.String("only", "", "what to measure, separated by commas: "+strings.Join(bench.Names(), ", "))
	flags.DurationVar(&cfg.Duration, "duration", 0, "how long each run of a load lasts")
	flags.IntVar(&cfg.Turns, "turns", 0, "how often baseline and connector are loaded in turn")
	flags.StringVar(&cfg.Profiles, "profiles", "", "a folder for profiles of the connector, of processor time and of allocations; none if empty")
	connections := flags.String("connections", "", "with how many connections each load runs, in turn, separated by commas")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	for text := range strings.SplitSeq(*connections, ",") {
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return fmt.Errorf("-connections: %q is no number of connections", text)
		}
		cfg.Connections = append(cfg.Connections, n)
	}
	if *only != "" {
		cfg.Only = strings.Split(*only, ",")
	}
	return measure(ctx, cfg, *document)
}

func measure(ctx context.Context, cfg bench.Config, document string) (err error) {
	e, err := bench.Prepare(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	rows, err := e.Measure(ctx)
	if err != nil || document == "" {
		return err
	}
	return e.Write(ctx, document, rows)
}
