// Package bench measures how fast the connector is compared with the least work that any program would have to
// do: the baseline of each row, a bare handler with only the necessary statement. The same client loads baseline and
// connector in turn, on the same database, and the ratio of the medians is the result. `make bench` runs the
// command below it, which writes docs/explanation/benchmarks.md.
package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
)

// RunSubprocess runs the part of a measurement that needs a process of its own, if arguments name one: a baseline, or the
// connector with a fake Microsoft. ok is false if they name none. It prints the address on which it listens to out, and
// returns when in ends. The measuring program calls it first, and starts itself again with such arguments.
func RunSubprocess(ctx context.Context, arguments []string, in io.Reader, out io.Writer) (ok bool, err error) {
	if len(arguments) == 0 {
		return false, nil
	}
	switch arguments[0] {
	case "baseline":
		return true, serveBaseline(ctx, arguments[1:], in, out)
	case "connector":
		return true, profiled(os.Getenv(profilesVariable), func() error { return serveConnector(ctx, arguments[1:], in, out) })
	}
	return false, nil
}

// A measurement yields one row, or some that belong together.
type measurement struct {
	name string
	take func(e *Env, ctx context.Context) ([]Row, error)
	// first says that it runs before the others, because it takes long and depends least on what else the machine does.
	first bool
}

// measurements returns all measurements in the order in which they are reported.
func measurements() []measurement {
	return []measurement{
		{"signature", (*Env).signature, false},
		{"status", (*Env).status, false},
		{"lending", (*Env).lending, false},
		{"cold", (*Env).cold, false},
		{"batching", (*Env).batching, false},
		{"clients", (*Env).clients, false},
		{"bodies", (*Env).bodies, false},
		{"directories", (*Env).directories, false},
		{"renewal", (*Env).renewal, false},
		{"many", (*Env).many, true},
		{"footprint", (*Env).footprint, false},
	}
}

// Names returns the names of all measurements in order.
func Names() []string {
	var names []string
	for _, m := range measurements() {
		names = append(names, m.name)
	}
	return names
}

// Measure runs the measurements that the configuration names, one after the other, and returns their rows.
func (e *Env) Measure(ctx context.Context) ([]Row, error) {
	all := measurements()
	taken := make([][]Row, len(all))
	for _, first := range []bool{true, false} {
		for i, m := range all {
			if m.first != first || len(e.cfg.Only) > 0 && !slices.Contains(e.cfg.Only, m.name) {
				continue
			}
			fmt.Fprintf(e.cfg.Out, "… %s\n", m.name)
			rows, err := m.take(e, ctx)
			for _, row := range rows {
				row.Print(e.cfg.Out)
			}
			taken[i] = rows
			if err != nil {
				return slices.Concat(taken...), fmt.Errorf("measuring %s: %w", m.name, err)
			}
		}
	}
	return slices.Concat(taken...), nil
}
