package bench

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed replay.lua
var replay []byte

// connections is how many connections the client uses: enough that neither baseline nor connector waits for requests
// while the database commits.
const connections = 256

// connections returns how many connections the client uses now.
func (e *Env) connections() int { return cmp.Or(e.few, connections) }

// maxPerSecond bounds how many requests are signed in advance for each second of a run.
const maxPerSecond = 40_000

// A run is the client's result of one run.
type run struct {
	Requests     int64 `json:"requests"`
	Microseconds int64 `json:"microseconds"`
	Refused      int64 `json:"refused"` // responses with a status other than 2xx and 3xx
	Broken       int64 `json:"broken"`  // failed connections and missing responses
	P50          int64 `json:"p50"`     // microseconds
	P99          int64 `json:"p99"`     // microseconds

	used time.Duration // processor time of the program and the database together
}

func (r run) perSecond() float64 { return float64(r.Requests) / (float64(r.Microseconds) / 1e6) }

var errInvalid = errors.New("invalid run")

// load makes the client send the requests in a file to an address for d.
func (e *Env) load(ctx context.Context, address, requests string, d time.Duration) (run, error) {
	client := exec.CommandContext(ctx, "wrk", "--threads", "1", "--connections", strconv.Itoa(e.connections()),
		"--duration", strconv.Itoa(max(1, int(d.Seconds())))+"s", "--timeout", "10s", "--script", e.file("replay.lua"),
		"http://"+address, "--", requests)
	before, err := processorTime()
	if err != nil {
		return run{}, err
	}
	output, err := client.CombinedOutput()
	if err != nil {
		return run{}, fmt.Errorf("running wrk: %w: %s", err, bytes.TrimSpace(output))
	}
	after, err := processorTime() // the client has exited, so this does not include its time
	if err != nil {
		return run{}, err
	}
	r, err := readResult(output)
	r.used = after - before
	return r, err
}

// readResult parses what replay.lua writes at the end of a run.
func readResult(output []byte) (run, error) {
	_, result, found := strings.Cut(string(output), "RESULT ")
	var r run
	if !found || json.Unmarshal([]byte(result), &r) != nil || r.Requests == 0 {
		return run{}, fmt.Errorf("%w: wrk prints %s", errInvalid, bytes.TrimSpace(output))
	}
	if r.Refused > 0 || r.Broken > 0 {
		return run{}, fmt.Errorf("%w: of %d requests %d were refused and %d failed", errInvalid, r.Requests, r.Refused, r.Broken)
	}
	return r, nil
}

// A comparison is two programs loaded in turn.
type comparison struct{ baseline, connector []run }

// ratio returns the median rate of the connector divided by that of the baseline.
func (c comparison) ratio() float64 { return rate(c.connector) / rate(c.baseline) }

// String describes the medians and every run behind them.
func (c comparison) String() string {
	return fmt.Sprintf("%s; baseline %s", describe(c.connector), describe(c.baseline))
}

func describe(runs []run) string {
	rates, costs, p99 := make([]float64, len(runs)), make([]float64, len(runs)), make([]float64, len(runs))
	for i, r := range runs {
		rates[i] = r.perSecond()
		costs[i], p99[i] = float64(r.used.Microseconds())/float64(r.Requests), float64(r.P99)/1000
	}
	return fmt.Sprintf("%.0f/s (%s), %.0f µs of processor time each including the database's, 99 %% within %.1f ms",
		median(rates), joined(rates), median(costs), median(p99))
}

func rate(runs []run) float64 {
	all := make([]float64, len(runs))
	for i, r := range runs {
		all[i] = r.perSecond()
	}
	return median(all)
}

// joined lists values as whole numbers.
func joined(values []float64) string {
	each := make([]string, len(values))
	for i, v := range values {
		each[i] = strconv.Itoa(int(v))
	}
	return strings.Join(each, ", ")
}

// median returns the median of values; 0 if there are none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// compare loads baseline and connector in turn with the same requests, signed again for each turn, because a nonce is
// valid once. The first turn warms both up and does not count.
func (e *Env) compare(ctx context.Context, baseline, connector string, next func(n int) request) (comparison, error) {
	var c comparison
	file := e.tmpfsFile("requests")
	defer os.Remove(file)
	for turn := range e.cfg.Turns + 1 {
		d := e.cfg.Duration
		if turn == 0 {
			d = min(d, 2*time.Second)
		}
		if err := e.sign(file, int(max(time.Second, d).Seconds()*maxPerSecond), next); err != nil {
			return comparison{}, err
		}
		a, err := e.load(ctx, baseline, file, d)
		if err != nil {
			return comparison{}, fmt.Errorf("loading the baseline: %w", err)
		}
		b, err := e.load(ctx, connector, file, d)
		if err != nil {
			return comparison{}, fmt.Errorf("loading the connector: %w", err)
		}
		if turn > 0 {
			c.baseline, c.connector = append(c.baseline, a), append(c.connector, b)
		}
	}
	return c, nil
}
