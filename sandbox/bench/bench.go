// Package bench measures how fast the connector is compared with the least that any program would have to do: the
// baseline of each row, a bare handler with the one statement that cannot be left out. Baseline and connector are loaded
// in turn by the same client, on the same database, and the ratio of the medians is the figure. `make bench` runs the
// command below it, which writes docs/explanation/benchmarks.md.
package bench

import (
	"context"
	"fmt"
	"io"
	"slices"
)

// RunSubprocess runs the part of a measurement that needs a process of its own, where arguments name one: a baseline, or
// the connector with a fake Microsoft. ok is false when they name none. It prints the address on which it listens to out
// and ends when in does. The program that measures calls it first, and starts itself again with such arguments.
func RunSubprocess(ctx context.Context, arguments []string, in io.Reader, out io.Writer) (ok bool, err error) {
	if len(arguments) == 0 {
		return false, nil
	}
	switch arguments[0] {
	case "baseline":
		return true, serveBaseline(ctx, arguments[1:], in, out)
	case "connector":
		return true, serveConnector(ctx, arguments[1:], in, out)
	}
	return false, nil
}

// A measurement yields one row, or some that belong together.
type measurement struct {
	name string
	take func(e *Env, ctx context.Context) ([]Row, error)
	// first says that it is taken before the others: it takes long, and depends least on the moment.
	first bool
}

// measurements are in the order in which they are reported.
func measurements() []measurement {
	return []measurement{
		{"signature", (*Env).signature, false},
		{"status", (*Env).status, false},
		{"lending", (*Env).lending, false},
		{"cold", (*Env).cold, false},
		{"renewal", (*Env).renewal, false},
		{"many", (*Env).many, true},
		{"footprint", (*Env).footprint, false},
	}
}

// Names returns the names of what can be measured, in their order.
func Names() []string {
	var names []string
	for _, m := range measurements() {
		names = append(names, m.name)
	}
	return names
}

// Measure takes all measurements that the configuration names, one after the other, and returns their rows.
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
