package bench

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"azure-partner-connector/connector/clock"
)

// Upper bounds of what the program may use.
const (
	startBar          = 75.0  // ms
	startProcessorBar = 70.0  // ms
	idleBar           = 40.0  // MiB
	cachedTokensBar   = 350.0 // MiB
	binaryBar         = 28.0  // MiB
)

// startsPerTurn is how often the program is started for each turn that another measurement takes.
const startsPerTurn = 3

// footprint measures what the program as it is shipped uses when it is idle.
func (e *Env) footprint(ctx context.Context) ([]Row, error) {
	rows, err := e.starting(ctx)
	if err != nil {
		return nil, err
	}
	for _, measure := range []func(context.Context) (Row, error){e.idling, e.caching} {
		row, err := measure(ctx)
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
	}
	info, err := os.Stat(e.connector)
	if err != nil {
		return rows, fmt.Errorf("measuring the program: %w", err)
	}
	size := atMost("stripped binary", "MiB", float64(info.Size())/(1<<20), binaryBar).doing(
		"Built as `make build` does: CGO_ENABLED=0, -trimpath, -ldflags \"-s -w\".").because(
		"A third are the tables by which Go finds functions and lines, which `-s -w` leaves. The largest dependency is SQLite in Go, with 2 MiB of code.")
	return append(rows, size), nil
}

// starting measures how long the program takes until it is ready, with an empty folder for its database.
func (e *Env) starting(ctx context.Context) ([]Row, error) {
	all := make([]float64, startsPerTurn*e.cfg.Turns)
	used := make([]float64, len(all)) // of the processor
	for i := range all {
		p, err := e.serve(ctx, e.sqlite())
		if err != nil {
			return nil, err
		}
		all[i], used[i] = float64(p.ready.Microseconds())/1000, float64(p.used.Microseconds())/1000
		if err := p.stop(); err != nil {
			return nil, err
		}
	}
	ready := atMost("start to ready on SQLite, with all migrations", "ms", median(all), startBar).doing(
		"The shipped program is started without a database file: it creates the file, runs all migrations and opens its three listeners. The time is taken from "+
			"before the process is created until /readyz reports success, which is polled every %s.", pollInterval).with(
		"The median of %d starts: %s ms.", len(all), joined(all)).because(
		"What a start takes besides its processor time is waiting for processors and disk. " + sharedProcessors)
	processor := atMost("processor time of such a start", "ms", median(used), startProcessorBar).with("The same starts: %s ms.", joined(used)).because(
		"The kernel counts processor time in steps of 10 ms, so the median of a few starts moves by as much.")
	return []Row{ready, processor}, nil
}

// idling measures the memory of the idle program.
func (e *Env) idling(ctx context.Context) (row Row, err error) {
	db := e.sqlite()
	if _, err := e.fill(ctx, db, e.cfg.Idle, time.Now().Add(later)); err != nil {
		return Row{}, err
	}
	p, err := e.serve(ctx, db)
	if err != nil {
		return Row{}, err
	}
	defer func() { err = stopAfter(err, p) }()
	_ = clock.Sleep(ctx, e.cfg.Rest)
	used, err := p.resident()
	return atMost(fmt.Sprintf("resident memory, idle, with %s tenants", grouped(e.cfg.Idle)), "MiB", used, idleBar).doing(
		"The shipped program on SQLite; VmRSS %s after it was ready.", e.cfg.Rest).because(
		"More than half are pages of the program's file, which all its processes share and the system may drop at any time (RssFile)."), err
}

// cachedTokens is how many access tokens the measured program has in memory.
const cachedTokens = 100_000

// caching measures the memory of a program with many access tokens.
func (e *Env) caching(ctx context.Context) (row Row, err error) {
	p, err := e.startSubprocess(ctx, "connector", "cached", strconv.Itoa(cachedTokens))
	if err != nil {
		return Row{}, err
	}
	defer func() { err = stopAfter(err, p) }()
	_ = clock.Sleep(ctx, e.cfg.Rest)
	used, err := p.resident()
	return atMost(fmt.Sprintf("resident memory with %s cached access tokens", grouped(cachedTokens)), "MiB", used, cachedTokensBar).doing(
		"The token service, with a map in place of the database, after it has issued one access token of %s characters for each of so many customer directories; VmRSS %s later.",
		grouped(accessTokenLength), e.cfg.Rest).because(
		"About two thirds are in use, 2.7 KiB for each access token; the rest is what the collector had not freed yet when the program fell idle."), err
}
