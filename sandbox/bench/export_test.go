package bench

// Exported for tests.

// Median is median.
func Median(values []float64) float64 { return median(values) }

// Ratio returns the ratio of a comparison of two programs with these requests per second in their runs.
func Ratio(baseline, connector []int64) float64 {
	runs := func(rates []int64) []run {
		all := make([]run, len(rates))
		for i, n := range rates {
			all[i] = run{Requests: n, Microseconds: 1_000_000}
		}
		return all
	}
	return comparison{baseline: runs(baseline), connector: runs(connector)}.ratio()
}

// Percent, AtMost and Below return rows.
func Percent(name string, ratio, bar float64) Row      { return percent(name, ratio, bar) }
func AtMost(name, unit string, value, bar float64) Row { return atMost(name, unit, value, bar) }
func Below(name, unit string, value, bar float64) Row  { return below(name, unit, value, bar) }
func ReadResult(output string) (requests int64, err error) {
	r, err := readResult([]byte(output))
	return r.Requests, err
}
func Grouped(n int) string { return grouped(n) }
func (r Row) WithTexts(does, details, unmet string) Row {
	r.Does, r.Details, r.Unmet = does, details, unmet
	return r
}

// SharedProcessors is sharedProcessors.
const SharedProcessors = sharedProcessors
