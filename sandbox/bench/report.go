package bench

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// A Row is one bar with the measured value.
type Row struct {
	Name     string
	Bar      string
	Measured string
	Met      bool
	// Does describes what baseline and connector do.
	Does string
	// Details are the values from which the result was computed.
	Details string
	// Unmet explains why a bar is not met.
	Unmet string

	// work is what was loaded, and loads everything that was measured about it; the first of several rows about it has them.
	work  string
	loads loads
}

// percent returns a row for a ratio that must be at least bar, both in percent.
func percent(name string, ratio, bar float64) Row {
	return Row{Name: name, Bar: "≥ " + quantity(100*bar, "%"), Measured: quantity(100*ratio, "%"), Met: ratio >= bar}
}

// atMost returns a row whose value must not be more than bar.
func atMost(name, unit string, value, bar float64) Row {
	return Row{Name: name, Bar: "≤ " + quantity(bar, unit), Measured: quantity(value, unit), Met: value <= bar}
}

// below returns a row whose value must be less than bar.
func below(name, unit string, value, bar float64) Row {
	return Row{Name: name, Bar: "< " + quantity(bar, unit), Measured: quantity(value, unit), Met: value < bar}
}

// doing sets what baseline and connector do.
func (r Row) doing(format string, values ...any) Row {
	r.Does = fmt.Sprintf(format, values...)
	return r
}

// with sets the values from which the result was computed.
func (r Row) with(format string, values ...any) Row {
	r.Details = fmt.Sprintf(format, values...)
	return r
}

// sharedProcessors explains why a bar may be missed on a machine that also does other work.
const sharedProcessors = "A program that takes more steps per response waits more often for a processor where other work shares them. The load at the start is " +
	"given above; the processor time of both, in the row of the bar, is the cost without the waiting."

// because sets the reason that is shown if the bar is missed.
func (r Row) because(reason string) Row {
	r.Unmet = reason
	return r
}

// under sets the loads from which this row and the next ones were computed.
func (r Row) under(work string, all loads) Row {
	r.work, r.loads = work, all
	return r
}

// quantity formats a value with three significant digits, but never rounds its whole part.
func quantity(value float64, unit string) string {
	text := fmt.Sprintf("%.2f", value)
	switch {
	case value >= 100:
		text = fmt.Sprintf("%.0f", value)
	case value >= 10:
		text = fmt.Sprintf("%.1f", value)
	}
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	if unit == "" {
		return text
	}
	return text + " " + unit
}

// grouped formats a number with commas between its thousands.
func grouped(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// Verdict says whether the bar is met.
func (r Row) Verdict() string {
	if r.Met {
		return "met"
	}
	return "not met"
}

// Print writes the row in the form for a terminal.
func (r Row) Print(w io.Writer) {
	fmt.Fprintf(w, "%-8s %s: %s (bar %s)\n", r.Verdict(), r.Name, r.Measured, r.Bar)
	if r.Details != "" {
		fmt.Fprintf(w, "         %s\n", r.Details)
	}
	for line := range strings.Lines(r.loads.table("")) {
		fmt.Fprintf(w, "         %s", line)
	}
}
