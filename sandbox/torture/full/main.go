// Command full runs the full form of the fault harness and says what holds. `make torture` calls it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"syscall"
	"time"

	"azure-partner-connector/sandbox/torture"
)

func main() {
	only := flag.String("only", "", "run the scenarios whose name matches this regular expression")
	summary := flag.String("summary", "", "write the results to this file, too")
	keep := flag.String("keep", "", "keep the replicas' logs in this folder, which must be there")
	short := flag.Bool("short", false, "run the short form")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, options{*only, *summary, *keep, *short}, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		os.Exit(1)
	}
}

type options struct {
	only, summary, keep string
	short               bool
}

func run(ctx context.Context, o options, out io.Writer) (err error) {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return fmt.Errorf("reading -only: %w", err)
	}
	if o.summary != "" {
		file, createErr := os.Create(o.summary)
		if createErr != nil {
			return fmt.Errorf("writing the summary: %w", createErr)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		out = io.MultiWriter(out, file)
	}
	g, err := torture.Prepare(ctx, torture.Config{Folder: o.keep})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.Close()) }()
	scale, form := torture.Full(), "full"
	if o.short {
		scale, form = torture.Short(), "short"
	}
	fmt.Fprintf(out, "The %s form, begun %s, %s/%s, %d processors\n", form, time.Now().UTC().Format(time.RFC3339), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	broken := 0
	for _, scenario := range torture.Scenarios() {
		if ctx.Err() != nil || !only.MatchString(scenario.Name) {
			continue
		}
		result := scenario.Run(ctx, g, scale)
		fmt.Fprintln(out, result)
		if result.Err != nil {
			broken++
			fmt.Fprintln(out, result.Err)
		}
	}
	if broken > 0 {
		return fmt.Errorf("%d scenarios found what does not hold", broken)
	}
	return ctx.Err()
}
