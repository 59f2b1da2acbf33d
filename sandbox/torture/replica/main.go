// Command replica is the connector as the fault harness runs it: the same wiring as `connector serve`, with a clock that
// can be moved and with the means to die at a step of a renewal.
//
// On standard input it is told how far its clock is ahead of the machine's, a duration per line. It ends when its input
// does, so that no replica outlives the harness.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/token"
)

// hurry divides the pauses between attempts at Microsoft: the harness's time is not the machine's.
const hurry = 1000

func main() {
	var o options
	flag.StringVar(&o.config, "config", "", "the configuration file")
	flag.DurationVar(&o.ahead, "ahead", 0, "how far the clock is ahead of the machine's, to begin with")
	flag.StringVar(&o.dieAt, "die-at", "", "the step at which the process kills itself")
	flag.Int64Var(&o.dieOn, "die-on", 1, "how many renewals reach that step until then, this one included")
	flag.Int64Var(&o.files, "file-limit", 0, "the greatest size of a file in bytes, 0 for none: a full disk")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, o, os.Stdin, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "replica:", err)
		os.Exit(1)
	}
}

type options struct {
	config string
	ahead  time.Duration
	dieAt  string
	dieOn  int64
	files  int64
}

func run(ctx context.Context, o options, in io.Reader, out io.Writer) error {
	if err := limitFiles(o.files); err != nil {
		return err
	}
	cfg, err := config.Load(o.config, nil)
	if err != nil {
		return err
	}
	var ahead atomic.Int64
	ahead.Store(int64(o.ahead))
	go listen(in, &ahead)
	connector, err := app.New(ctx, cfg, app.Options{
		Now:   func() time.Time { return time.Now().UTC().Add(time.Duration(ahead.Load())) },
		Log:   slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: cfg.Log.Level})),
		Step:  death(o, out),
		Pause: func(ctx context.Context, d time.Duration) error { return clock.Sleep(ctx, d/hurry) },
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "ready")
	return connector.Run(ctx)
}

// listen moves the clock as it is told, and ends the process when nobody tells any more.
func listen(in io.Reader, ahead *atomic.Int64) {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if d, err := time.ParseDuration(lines.Text()); err == nil {
			ahead.Store(int64(d))
		}
	}
	os.Exit(3) //nolint:revive // the harness is gone: there is nobody left to return to
}

// death kills the process at its step, in the way that leaves it no time for anything.
func death(o options, out io.Writer) func(token.Step) {
	if o.dieAt == "" {
		return nil
	}
	var reached atomic.Int64
	return func(step token.Step) {
		if string(step) != o.dieAt || reached.Add(1) != o.dieOn {
			return
		}
		fmt.Fprintln(out, "dies at", step)
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err == nil {
			select {} // until the signal has arrived
		}
	}
}

// limitFiles makes writing a longer file fail, as it does on a full disk. The signal that comes with the failure is
// ignored, as there is none on a full disk.
func limitFiles(bytes int64) error {
	if bytes == 0 {
		return nil
	}
	signal.Ignore(syscall.SIGXFSZ)
	limit := syscall.Rlimit{Cur: uint64(bytes), Max: uint64(bytes)}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return fmt.Errorf("limiting the size of files: %w", err)
	}
	return nil
}
