package bench

// Opened for tests: what the figures and their words are made of.

// Median is median.
func Median(values []float64) float64 { return median(values) }

// Ratio returns the ratio of a comparison of two programs whose runs answered so many requests in a second each.
func Ratio(floor, ours []int64) float64 {
	runs := func(rates []int64) []run {
		all := make([]run, len(rates))
		for i, n := range rates {
			all[i] = run{Requests: n, Microseconds: 1_000_000}
		}
		return all
	}
	return comparison{floor: runs(floor), ours: runs(ours)}.ratio()
}

// Percent, AtMost and Below make rows.
func Percent(name string, ratio, bar float64) Row      { return percent(name, ratio, bar) }
func AtMost(name, unit string, value, bar float64) Row { return atMost(name, unit, value, bar) }
func Below(name, unit string, value, bar float64) Row  { return below(name, unit, value, bar) }
func ReadResult(said string) (requests int64, err error) {
	r, err := readResult([]byte(said))
	return r.Requests, err
}
func Grouped(n int) string { return grouped(n) }
func (r Row) Telling(does, how, unmet string) Row {
	r.Does, r.How, r.Unmet = does, how, unmet
	return r
}
