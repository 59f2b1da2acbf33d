package bench

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// A Row is one bar and what was measured for it.
type Row struct {
	Name     string
	Bar      string
	Measured string
	Met      bool
	// Does tells what floor and connector do.
	Does string
	// How tells what the figure is made of.
	How string
	// Unmet tells why a bar that is not met is not.
	Unmet string
}

// percent returns a row for a ratio that must be at least bar, both told in percent.
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

func (r Row) does(what string, values ...any) Row {
	r.Does = fmt.Sprintf(what, values...)
	return r
}

func (r Row) told(how string, values ...any) Row {
	r.How = fmt.Sprintf(how, values...)
	return r
}

// sharing is what a bar is missed by on a machine that does other things, too.
const sharing = "Whoever takes more steps until he answers waits more often for his turn where the processors are shared with other work; the load when it " +
	"began is told above, and the processor time of both, in the row above, tells the cost without the waiting."

// owing tells why the bar is not met, where it is not.
func (r Row) owing(reason string) Row {
	r.Unmet = reason
	return r
}

// quantity tells a value in three digits or more.
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

// grouped tells a number with commas between its thousands.
func grouped(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// Verdict tells in a word or two whether the bar is met.
func (r Row) Verdict() string {
	if r.Met {
		return "met"
	}
	return "not met"
}

// Print writes a row for the person who waits.
func (r Row) Print(w io.Writer) {
	fmt.Fprintf(w, "%-8s %s: %s (bar %s)\n         %s\n", r.Verdict(), r.Name, r.Measured, r.Bar, r.How)
}
