package bench

import (
	"fmt"
	"io"
	"strings"
)

// A Row is one bar and what was measured for it.
type Row struct {
	Name     string
	Bar      string
	Measured string
	Met      bool
	// How tells what was done, and what the figure is made of.
	How string
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

func (r Row) told(how string, values ...any) Row {
	r.How = fmt.Sprintf(how, values...)
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
