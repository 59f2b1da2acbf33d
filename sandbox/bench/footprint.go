package bench

import (
	"context"
	"fmt"
	"os"
	"time"

	"azure-partner-connector/connector/clock"
)

// Upper bounds of what the program may use.
const (
	startBar  = 100.0 // ms
	idleBar   = 40.0  // MiB
	binaryBar = 25.0  // MiB
)

// startsPerTurn is how often the program is started for each turn that another measurement takes.
const startsPerTurn = 3

// footprint measures what the program as it is shipped uses when it is idle.
func (e *Env) footprint(ctx context.Context) ([]Row, error) {
	start, err := e.starting(ctx)
	if err != nil {
		return nil, err
	}
	idle, err := e.idling(ctx)
	if err != nil {
		return []Row{start}, err
	}
	info, err := os.Stat(e.connector)
	if err != nil {
		return []Row{start, idle}, fmt.Errorf("measuring the program: %w", err)
	}
	size := below("stripped binary", "MiB", float64(info.Size())/(1<<20), binaryBar).doing("Built as `make build` does: CGO_ENABLED=0, -trimpath, -ldflags \"-s -w\".")
	return []Row{start, idle, size}, nil
}

// starting measures how long the program takes until it is ready, with an empty folder for its database.
func (e *Env) starting(ctx context.Context) (Row, error) {
	all := make([]float64, startsPerTurn*e.cfg.Turns)
	used := make([]float64, len(all)) // of the processor
	for i := range all {
		p, err := e.serve(ctx, e.sqlite())
		if err != nil {
			return Row{}, err
		}
		all[i], used[i] = float64(p.ready.Microseconds())/1000, float64(p.used.Microseconds())/1000
		if err := p.stop(); err != nil {
			return Row{}, err
		}
	}
	return below("start to ready on SQLite, with all migrations", "ms", median(all), startBar).doing(
		"The shipped program is started without a database file: it creates the file, runs all migrations and opens its three listeners. The time is taken from "+
			"before the process is created until /readyz reports success, which is polled every %s.", pollInterval).with(
		"The median of %d starts, which take %.0f ms of processor time. All: %s ms; processor time: %s ms.", len(all), median(used), joined(all), joined(used)).because(
		"What a start takes besides its processor time, which the row above gives, is waiting for processors and disk. " + sharedProcessors), nil
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
	return below(fmt.Sprintf("resident memory, idle, with %s tenants", grouped(e.cfg.Idle)), "MiB", used, idleBar).doing(
		"The shipped program on SQLite; VmRSS %s after it was ready.", e.cfg.Rest), err
}
