package bench

import "time"

// Exported for tests.

// Median is median.
func Median(values []float64) float64 { return median(values) }

// Ratio returns the ratio of a comparison of two programs with these requests per second in their runs.
func Ratio(baseline, connector []int64) float64 {
	return comparison{baseline: runs(baseline), connector: runs(connector)}.times(run.perSecond)
}

// runs returns runs with these requests per second.
func runs(rates []int64) []run {
	all := make([]run, len(rates))
	for i, n := range rates {
		all[i] = run{Requests: n, Microseconds: 1_000_000, P50: 2000, P99: 9500, used: 20 * time.Millisecond, resident: 30}
	}
	return all
}

// WithRuns adds a load to a row.
func (r Row) WithRuns(work string, connections int, baseline int64, connector ...int64) Row {
	return r.under(work, loads{{connections: connections, baseline: runs([]int64{baseline}), connector: runs(connector)}})
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

// ProfilesVariable is profilesVariable.
const ProfilesVariable = profilesVariable

// SharedProcessors is sharedProcessors.
const SharedProcessors = sharedProcessors
