// Command replica is the connector as the chaos harness runs it: the same wiring as `connector serve`, with a clock that
// can be moved and an option to kill itself at a step of a renewal.
//
// On standard input it reads a command per line: "clock DURATION" says how far its clock is ahead of the machine's, and
// "mark N" has it repeat that line among its reports. On standard output it reports, a line each, that it is ready, the
// steps of renewals and the ends of sweeps, that it kills itself, and that it is stopping. It exits when its input ends,
// so that no replica survives the harness.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/token"
)

// pauseDivisor shortens the pauses between attempts at Microsoft, because the harness moves the clock.
const pauseDivisor = 1000

func main() {
	var o options
	flag.StringVar(&o.config, "config", "", "the configuration file")
	flag.DurationVar(&o.ahead, "ahead", 0, "how far the clock is ahead of the machine's at first")
	flag.StringVar(&o.killAt, "kill-at", "", "the step at which the process kills itself")
	flag.Int64Var(&o.killOn, "kill-on", 1, "how many renewals reach that step until then, this one included")
	flag.Int64Var(&o.fileLimit, "file-limit", 0, "the greatest size of a file in bytes, 0 for none: a full disk")
	flag.Uint64Var(&o.descriptors, "descriptors", 0, "how many files may be open at once, 0 for the machine's own limit")
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
	config    string
	ahead     time.Duration
	killAt    string
	killOn    int64
	fileLimit int64

	descriptors uint64
}

func run(ctx context.Context, o options, in io.Reader, out io.Writer) error {
	if err := errors.Join(limitFiles(o.fileLimit), limitDescriptors(o.descriptors)); err != nil {
		return err
	}
	cfg, err := config.Load(o.config, nil)
	if err != nil {
		return err
	}
	var ahead atomic.Int64
	ahead.Store(int64(o.ahead))
	go runCommands(in, out, &ahead)
	connector, err := app.New(ctx, cfg, app.Options{
		Now:   func() time.Time { return time.Now().UTC().Add(time.Duration(ahead.Load())) },
		Log:   slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: cfg.Log.Level})),
		Step:  reportStep(o, out),
		Pause: func(ctx context.Context, d time.Duration) error { return clock.Sleep(ctx, d/pauseDivisor) },
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "ready")
	context.AfterFunc(ctx, func() { fmt.Fprintln(out, "stopping") })
	return connector.Run(ctx)
}

// runCommands runs the commands of the harness, and exits the process at the end of the input.
func runCommands(in io.Reader, out io.Writer, ahead *atomic.Int64) {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		command, value, _ := strings.Cut(lines.Text(), " ")
		switch command {
		case "clock":
			if d, err := time.ParseDuration(value); err == nil {
				ahead.Store(int64(d))
			}
		case "mark":
			fmt.Fprintln(out, lines.Text())
		}
	}
	os.Exit(3) //nolint:revive // the harness has exited, so no caller needs an error
}

// reportStep reports every step, and kills the process with SIGKILL at the step that o names.
func reportStep(o options, out io.Writer) func(token.Step) {
	var reached atomic.Int64
	return func(step token.Step) {
		fmt.Fprintln(out, "step", step)
		if string(step) != o.killAt || reached.Add(1) != o.killOn {
			return
		}
		fmt.Fprintln(out, "killed", step)
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err == nil {
			select {} // until the signal has arrived
		}
	}
}

// limitFiles makes writes beyond a file size fail, as they do on a full disk. It ignores the signal that the limit sends,
// because a full disk sends none.
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

// limitDescriptors makes it impossible to have more files open than that.
func limitDescriptors(most uint64) error {
	if most == 0 {
		return nil
	}
	limit := syscall.Rlimit{Cur: most, Max: most}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("limiting the open files: %w", err)
	}
	return nil
}
