package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"azure-partner-connector/connector/clock"
)

// What the program may take.
const (
	startBar  = 100.0 // ms
	idleBar   = 40.0  // MiB
	loansBar  = 300.0 // MiB
	binaryBar = 25.0  // MiB
)

const (
	// startsPerTurn is how often the program is started for each turn that something else takes.
	startsPerTurn = 3
	// lendersAtOnce is how many borrow at once where nobody measures how fast that is.
	lendersAtOnce = 32
)

// footprint measures what the program as it is shipped takes when it does nothing.
func (g *Ground) footprint(ctx context.Context) ([]Row, error) {
	start, err := g.starting(ctx)
	if err != nil {
		return nil, err
	}
	idle, err := g.idling(ctx)
	if err != nil {
		return []Row{start}, err
	}
	info, err := os.Stat(g.connector)
	if err != nil {
		return []Row{start, idle}, fmt.Errorf("measuring the program: %w", err)
	}
	size := below("stripped binary", "MiB", float64(info.Size())/(1<<20), binaryBar).does("Built as `make build` does: CGO_ENABLED=0, -trimpath, -ldflags \"-s -w\".")
	return []Row{start, idle, size}, nil
}

// starting measures how long the program takes from nothing to ready, with an empty folder for its database.
func (g *Ground) starting(ctx context.Context) (Row, error) {
	all := make([]float64, startsPerTurn*g.cfg.Turns)
	for i := range all {
		p, err := g.serve(ctx, g.sqlite())
		if err != nil {
			return Row{}, err
		}
		all[i] = float64(p.ready.Microseconds()) / 1000
		if err := p.stop(); err != nil {
			return Row{}, err
		}
	}
	return below("start to ready on SQLite, with all migrations", "ms", median(all), startBar).does(
		"The shipped program is started without a database file: it makes the file, runs all migrations, opens its three doors. The clock runs from before the "+
			"process is made until /readyz says yes, which is asked every %s.", askAgain).told(
		"The median of %d starts. All: %s ms.", len(all), joined(all)).owing("A start takes about 40 ms of processor time; the rest is waiting for processors and disk. " + sharing), nil
}

// idling measures the memory of the program that has nothing to do.
func (g *Ground) idling(ctx context.Context) (row Row, err error) {
	db := g.sqlite()
	if _, err := g.fill(ctx, db, g.cfg.Idle, time.Now().Add(later)); err != nil {
		return Row{}, err
	}
	p, err := g.serve(ctx, db)
	if err != nil {
		return Row{}, err
	}
	defer func() { err = stopping(err, p) }()
	_ = clock.Sleep(ctx, g.cfg.Rest)
	held, err := p.resident()
	return below(fmt.Sprintf("resident memory, idle, with %s tenants", grouped(g.cfg.Idle)), "MiB", held, idleBar).does(
		"The shipped program on SQLite; VmRSS %s after it was ready.", g.cfg.Rest), err
}

// loans measures the memory of the program that holds many access tokens.
func (g *Ground) loans(ctx context.Context) (rows []Row, err error) {
	db, err := g.mysql(ctx)
	if err != nil {
		return nil, err
	}
	ids, err := g.fill(ctx, db, g.cfg.Loans, time.Now().Add(later))
	if err != nil {
		return nil, err
	}
	p, err := g.lend(ctx, db)
	if err != nil {
		return nil, err
	}
	defer func() { err = stopping(err, p) }()
	if err := g.borrowAll(ctx, p, ids); err != nil {
		return nil, err
	}
	full, err := p.resident()
	if err != nil {
		return nil, err
	}
	_ = clock.Sleep(ctx, g.cfg.Rest)
	held, err := p.resident()
	return []Row{below(fmt.Sprintf("resident memory with %s cached tokens", grouped(len(ids))), "MiB", held, loansBar).does(
		"One access token of %s characters is borrowed of each tenant by the hook, on MariaDB; each is held sealed. VmRSS %s after the last of them was lent.",
		grouped(accessTokenLength), g.cfg.Rest).told("It was %.0f MiB right after that.", full)}, err
}

// borrowAll borrows one token of every tenant by the hook.
func (g *Ground) borrowAll(ctx context.Context, p *program, ids []string) error {
	var workers sync.WaitGroup
	next, failed := make(chan string), make(chan error, lendersAtOnce)
	for range lendersAtOnce {
		workers.Go(func() {
			for id := range next {
				if _, err := g.ask(ctx, p.address, lending(id)); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	var errs []error
	for _, id := range ids {
		if len(errs) > 0 {
			break
		}
		select {
		case next <- id:
		case err := <-failed:
			errs = append(errs, err)
		}
	}
	close(next)
	workers.Wait()
	close(failed)
	for err := range failed {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
