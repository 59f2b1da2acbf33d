// Command command runs the full form of the chaos harness and prints the results. `make chaos` calls it.
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
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"azure-partner-connector/sandbox/chaos"
)

func main() {
	only := flag.String("only", "", "run the scenarios whose name matches this regular expression")
	summary := flag.String("summary", "", "write the results to this file, too")
	keep := flag.String("keep", "", "keep the replicas' logs in this folder, which must exist")
	short := flag.Bool("short", false, "run the short form")
	parallel := flag.Int("parallel", 2, "how many scenarios run at the same time: each waits most of its time")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, options{*only, *summary, *keep, *short, *parallel}, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

type options struct {
	only, summary, keep string
	short               bool
	parallel            int
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
	e, err := chaos.Prepare(ctx, chaos.Config{Folder: o.keep})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	scale, form := chaos.Full(), "full"
	if o.short {
		scale, form = chaos.Short(), "short"
	}
	began := time.Now()
	fmt.Fprintf(out, "The %s form, started %s, %s/%s, %d processors\n", form, began.UTC().Format(time.RFC3339), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	var (
		running errgroup.Group
		mu      sync.Mutex // guards out and broken
		broken  int
	)
	running.SetLimit(max(1, o.parallel))
	for _, scenario := range chaos.Scenarios() {
		if ctx.Err() != nil || !only.MatchString(scenario.Name) {
			continue
		}
		running.Go(func() error {
			result := scenario.Run(ctx, e, scale)
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintln(out, result)
			if result.Err != nil {
				broken++
				fmt.Fprintln(out, result.Err)
			}
			return nil
		})
	}
	_ = running.Wait() // what they found is printed
	if broken > 0 {
		return fmt.Errorf("%d scenarios found violations", broken)
	}
	fmt.Fprintf(out, "All of it took %s\n", time.Since(began).Round(time.Second))
	return ctx.Err()
}
