package bench

import (
	"bytes"
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

// connections is how many connections the client keeps busy: enough that neither floor nor connector waits for requests
// while the database commits.
const connections = 256

// mostPerSecond bounds the requests that are made in advance for one run.
const mostPerSecond = 40_000

// A run is what the client saw in one run.
type run struct {
	Requests     int64 `json:"requests"`
	Microseconds int64 `json:"microseconds"`
	Refused      int64 `json:"refused"` // answers that were no 2xx or 3xx
	Broken       int64 `json:"broken"`  // connections that failed, and answers that did not come
	P99          int64 `json:"p99"`     // microseconds

	used time.Duration // processor time of program and database together
}

func (r run) perSecond() float64 { return float64(r.Requests) / (float64(r.Microseconds) / 1e6) }

var errSpoiled = errors.New("the run is spoiled")

// load has the client send the requests in a file to an address for a while.
func (g *Ground) load(ctx context.Context, address, requests string, d time.Duration) (run, error) {
	client := exec.CommandContext(ctx, "wrk", "--threads", "1", "--connections", strconv.Itoa(connections),
		"--duration", strconv.Itoa(max(1, int(d.Seconds())))+"s", "--timeout", "10s", "--script", g.file("replay.lua"),
		"http://"+address, "--", requests)
	before, err := processorTime()
	if err != nil {
		return run{}, err
	}
	said, err := client.CombinedOutput()
	if err != nil {
		return run{}, fmt.Errorf("running wrk: %w: %s", err, bytes.TrimSpace(said))
	}
	after, err := processorTime() // the client has ended, and its time is not among it
	if err != nil {
		return run{}, err
	}
	r, err := readResult(said)
	r.used = after - before
	return r, err
}

// readResult reads what replay.lua writes when a run has ended.
func readResult(said []byte) (run, error) {
	_, result, found := strings.Cut(string(said), "RESULT ")
	var r run
	if !found || json.Unmarshal([]byte(result), &r) != nil || r.Requests == 0 {
		return run{}, fmt.Errorf("%w: wrk says %s", errSpoiled, bytes.TrimSpace(said))
	}
	if r.Refused > 0 || r.Broken > 0 {
		return run{}, fmt.Errorf("%w: of %d requests %d were refused and %d came to nothing", errSpoiled, r.Requests, r.Refused, r.Broken)
	}
	return r, nil
}

// A comparison is two programs loaded in turn.
type comparison struct{ floor, ours []run }

// ratio returns ours by the floor's, of the medians.
func (c comparison) ratio() float64 { return rate(c.ours) / rate(c.floor) }

// String tells the medians and every run behind them.
func (c comparison) String() string { return fmt.Sprintf("%s; floor %s", told(c.ours), told(c.floor)) }

func told(runs []run) string {
	rates, costs, late := make([]float64, len(runs)), make([]float64, len(runs)), make([]float64, len(runs))
	for i, r := range runs {
		rates[i] = r.perSecond()
		costs[i], late[i] = float64(r.used.Microseconds())/float64(r.Requests), float64(r.P99)/1000
	}
	return fmt.Sprintf("%.0f/s (%s), %.0f µs of processor each with the database's, 99 %% within %.1f ms",
		median(rates), joined(rates), median(costs), median(late))
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

// median returns the middle value, of an even number the mean of both; 0 of none.
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

// compare loads the floor and ours in turn with the same requests, made anew for each turn: a nonce is good for once.
// One turn before the first is not counted.
func (g *Ground) compare(ctx context.Context, floor, ours string, next func(n int) request) (comparison, error) {
	var c comparison
	file := g.quickFile("requests")
	defer os.Remove(file)
	for turn := range g.cfg.Turns + 1 {
		d := g.cfg.Duration
		if turn == 0 {
			d = min(d, 2*time.Second)
		}
		if err := g.sign(file, int(max(time.Second, d).Seconds()*mostPerSecond), next); err != nil {
			return comparison{}, err
		}
		a, err := g.load(ctx, floor, file, d)
		if err != nil {
			return comparison{}, fmt.Errorf("loading the floor: %w", err)
		}
		b, err := g.load(ctx, ours, file, d)
		if err != nil {
			return comparison{}, fmt.Errorf("loading the connector: %w", err)
		}
		if turn > 0 {
			c.floor, c.ours = append(c.floor, a), append(c.ours, b)
		}
	}
	return c, nil
}
