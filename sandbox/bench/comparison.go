package bench

import (
	"fmt"
	"slices"
	"strings"
)

// A comparison is two programs loaded in turn with a number of connections.
type comparison struct {
	connections         int
	baseline, connector []run
}

// loads are the comparisons of one kind of work, in the order of Config.Connections.
type loads []comparison

// The figures of a run that are compared.
func (r run) perSecond() float64 { return float64(r.Requests) / (float64(r.Microseconds) / 1e6) }
func (r run) p50() float64       { return float64(r.P50) } // microseconds
func (r run) p99() float64       { return float64(r.P99) } // microseconds
func (r run) cost() float64      { return float64(r.used.Microseconds()) / float64(r.Requests) }
func (r run) memory() float64    { return r.resident }

// each returns a figure of every run.
func each(runs []run, figure func(run) float64) []float64 {
	values := make([]float64, len(runs))
	for i, r := range runs {
		values[i] = figure(r)
	}
	return values
}

// middle returns the median of a figure.
func middle(runs []run, figure func(run) float64) float64 { return median(each(runs, figure)) }

// times returns the median of a figure of the connector divided by that of the baseline.
func (c comparison) times(figure func(run) float64) float64 {
	return middle(c.connector, figure) / middle(c.baseline, figure)
}

// A bar is what is asked of the connector with a number of connections, against the baseline.
type bar struct {
	connections int
	figure      figure
	value       float64
}

// A figure is what a bar limits.
type figure int

const (
	rate     figure = iota // requests a second, at least this share of the baseline's
	p50                    // the median time of an answer, at most so many times the baseline's
	p99                    // the time within which 99 % of the answers come, at most so many times the baseline's
	p50Added               // the median time of an answer, at most so many microseconds more than the baseline's
)

// row returns the row of b for a comparison with its number of connections.
func (b bar) row(work string, c comparison) Row {
	name := work + ", " + with(b.connections)
	switch b.figure {
	case p50:
		return atMost("p50 of "+name, "×", c.times(run.p50), b.value)
	case p99:
		return atMost("p99 of "+name, "×", c.times(run.p99), b.value)
	case p50Added:
		return atMost("added p50 of "+name, "µs", middle(c.connector, run.p50)-middle(c.baseline, run.p50), b.value)
	}
	return percent(name, c.times(run.perSecond), b.value)
}

// rows returns a row for each bar whose number of connections was measured. does, details and why are for Row.Does, Row.Details
// and Row.Unmet.
func (l loads) rows(work, does, details, why string, bars ...bar) []Row {
	var rows []Row
	for _, b := range bars {
		i := slices.IndexFunc(l, func(c comparison) bool { return c.connections == b.connections })
		if i < 0 {
			continue
		}
		row := b.row(work, l[i]).because(why)
		if len(rows) == 0 {
			row = row.doing("%s", does).with("%s", details).under(work, l)
		}
		rows = append(rows, row)
	}
	return rows
}

func with(connections int) string {
	if connections == 1 {
		return "1 connection"
	}
	return fmt.Sprintf("%d connections", connections)
}

// table returns the rows of a Markdown table with everything that was measured about work.
func (l loads) table(work string) string {
	var b strings.Builder
	for _, c := range l {
		for _, side := range []struct {
			name string
			runs []run
		}{{"baseline", c.baseline}, {"connector", c.connector}} {
			fmt.Fprintf(&b, "| %s | %d | %s | %s | %s ms | %s ms | %.0f µs | %.0f MiB |\n", cell(work), c.connections, side.name, spread(each(side.runs, run.perSecond)),
				quantity(middle(side.runs, run.p50)/1000, ""), quantity(middle(side.runs, run.p99)/1000, ""), middle(side.runs, run.cost), middle(side.runs, run.memory))
		}
	}
	return b.String()
}

const tableHead = "| work | connections | | requests a second: median (least–most of the runs) | p50 | p99 | processor time each, with the database's | memory |\n" +
	"| --- | --- | --- | --- | --- | --- | --- | --- |\n"

// spread describes the median of values, and the least and the most.
func spread(values []float64) string {
	if len(values) == 0 {
		return "none"
	}
	return fmt.Sprintf("%s (%s–%s)", grouped(int(median(values))), grouped(int(slices.Min(values))), grouped(int(slices.Max(values))))
}

// joined lists values as whole numbers.
func joined(values []float64) string {
	each := make([]string, len(values))
	for i, v := range values {
		each[i] = fmt.Sprintf("%.0f", v)
	}
	return strings.Join(each, ", ")
}
