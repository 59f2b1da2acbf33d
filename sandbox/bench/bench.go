// Package bench measures how fast the connector is against the least that any program would have to do: the floor of
// each row, a bare handler with the one statement that cannot be done without. Floor and connector are loaded in turn by
// the same client, on the same database, and the ratio of the medians is the figure. `make bench` runs the command below
// it, which writes docs/explanation/benchmarks.md.
package bench

import (
	"context"
	"fmt"
	"io"
	"slices"
)

// Play is called by the program that measures when it was started to play a part in a process of its own: a floor, or
// the connector with a Microsoft of ours. ok is false when arguments name no part. It says on out where it listens, and
// ends when in does.
func Play(ctx context.Context, arguments []string, in io.Reader, out io.Writer) (ok bool, err error) {
	if len(arguments) == 0 {
		return false, nil
	}
	switch arguments[0] {
	case "floor":
		return true, floor(ctx, arguments[1:], in, out)
	case "lender":
		return true, lender(ctx, arguments[1:], in, out)
	}
	return false, nil
}

// A measurement yields one row, or some that belong together.
type measurement struct {
	name string
	take func(g *Ground, ctx context.Context) ([]Row, error)
	// first says that it is taken before the others: it takes long, and says least about the moment.
	first bool
}

// measurements are in the order in which they are told.
func measurements() []measurement {
	return []measurement{
		{"signature", (*Ground).signature, false},
		{"status", (*Ground).status, false},
		{"change", (*Ground).change, false},
		{"lending", (*Ground).lending, false},
		{"cold", (*Ground).cold, false},
		{"renewal", (*Ground).renewal, false},
		{"many", (*Ground).many, true},
		{"footprint", (*Ground).footprint, false},
		{"loans", (*Ground).loans, true},
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
func (g *Ground) Measure(ctx context.Context) ([]Row, error) {
	all := measurements()
	taken := make([][]Row, len(all))
	for _, first := range []bool{true, false} {
		for i, m := range all {
			if m.first != first || len(g.cfg.Only) > 0 && !slices.Contains(g.cfg.Only, m.name) {
				continue
			}
			fmt.Fprintf(g.cfg.Out, "… %s\n", m.name)
			rows, err := m.take(g, ctx)
			for _, row := range rows {
				row.Print(g.cfg.Out)
			}
			taken[i] = rows
			if err != nil {
				return slices.Concat(taken...), fmt.Errorf("measuring %s: %w", m.name, err)
			}
		}
	}
	return slices.Concat(taken...), nil
}
