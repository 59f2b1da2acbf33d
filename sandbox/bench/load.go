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

// maxConnections is how many connections the client uses at most: enough that neither baseline nor connector waits for
// requests while the database commits.
const maxConnections = 256

// fewConnections is how many connections a busy platform uses.
const fewConnections = 32

// maxPerSecond bounds how many requests are signed in advance for each second of a run.
func maxPerSecond(connections int) int { return min(40_000, 15_000*connections) }

// warmUp is how long the first run of each load takes, which does not count.
const warmUp = time.Second

// A run is the client's result of one run.
type run struct {
	Requests     int64 `json:"requests"`
	Microseconds int64 `json:"microseconds"`
	Refused      int64 `json:"refused"` // responses with a status other than 2xx and 3xx
	Broken       int64 `json:"broken"`  // failed connections and missing responses
	P50          int64 `json:"p50"`     // microseconds
	P99          int64 `json:"p99"`     // microseconds

	used     time.Duration // processor time of the program and the database together
	resident float64       // memory of the program at the end, MiB
}

var errInvalid = errors.New("invalid run")

// A target is a process and the address at which it is loaded.
type target struct {
	process *process
	address string
}

// target returns p at its only address.
func (p *process) target() target { return target{p, p.address} }

// load makes the client send the requests in a file to a target for d.
func (e *Env) load(ctx context.Context, t target, connections int, requests string, d time.Duration) (run, error) {
	client := exec.CommandContext(ctx, "wrk", "--threads", "1", "--connections", strconv.Itoa(connections),
		"--duration", strconv.Itoa(max(1, int(d.Seconds())))+"s", "--timeout", "10s", "--script", e.file("replay.lua"),
		"http://"+t.address, "--", requests)
	before, err := readMachine()
	if err != nil {
		return run{}, err
	}
	output, err := client.CombinedOutput()
	if err != nil {
		return run{}, fmt.Errorf("running wrk: %w: %s", err, bytes.TrimSpace(output))
	}
	after, err := readMachine() // the client has exited, so children does not include its time
	if err != nil {
		return run{}, err
	}
	r, err := readResult(output)
	if err != nil {
		return run{}, err
	}
	r.used = after.children - before.children
	e.others = append(e.others, after.others(before, client.ProcessState.UserTime()+client.ProcessState.SystemTime()))
	r.resident, err = t.process.resident()
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

// compare loads baseline and connector in turn with the same requests, at each number of connections. Hooks are signed again for
// each turn, because a nonce is valid once. The first turn warms both up and does not count.
func (e *Env) compare(ctx context.Context, baseline, connector target, next func(n int) request) (loads, error) {
	var all loads
	file := e.tmpfsFile("requests")
	defer os.Remove(file)
	for _, connections := range e.cfg.Connections {
		c := comparison{connections: connections}
		for turn := range e.cfg.Turns + 1 {
			d := e.cfg.Duration
			if turn == 0 {
				d = min(d, warmUp)
			}
			if err := e.sign(file, int(d.Seconds()*float64(maxPerSecond(connections))), next); err != nil {
				return nil, err
			}
			a, err := e.load(ctx, baseline, connections, file, d)
			if err != nil {
				return nil, fmt.Errorf("loading the baseline: %w", err)
			}
			b, err := e.load(ctx, connector, connections, file, d)
			if err != nil {
				return nil, fmt.Errorf("loading the connector: %w", err)
			}
			if turn > 0 {
				c.baseline, c.connector = append(c.baseline, a), append(c.connector, b)
			}
		}
		all = append(all, c)
	}
	return all, nil
}
