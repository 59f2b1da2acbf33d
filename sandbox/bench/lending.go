package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/token"
)

// The bars of lending, against the baselines.
const (
	memoryLendingBar  = 0.65 // of the rate
	memoryTailBar     = 2.0  // times the p99
	auditedLendingBar = 0.90 // of the rate
)

// cached is how many tenants have a cached access token while lending is measured.
const cached = 500

const (
	// borrowers is how many borrowers request the same token at once.
	borrowers = 1000
	// borrowersWarmingUp is how many borrow at once before the measurement begins.
	borrowersWarmingUp = 32
)

func lending(id string) request {
	return request{method: http.MethodPost, path: "/tenant/" + id + "/accessToken", body: `{"api":"graph"}`, application: borrowerID}
}

// lending measures lending of cached tokens, without and with the database.
func (e *Env) lending(ctx context.Context) ([]Row, error) {
	unaudited, err := e.lendingWithoutDatabase(ctx)
	if err != nil {
		return nil, err
	}
	audited, err := e.lendingAudited(ctx)
	return append(unaudited, audited...), err
}

// lendingWithoutDatabase compares the handler and the token service, with no database behind them, with a constant response.
func (e *Env) lendingWithoutDatabase(ctx context.Context) (rows []Row, err error) {
	connector, err := e.startSubprocess(ctx, "connector", "in-memory", e.credentials.Secret.Reveal())
	if err != nil {
		return nil, err
	}
	defer func() { err = stopAfter(err, connector) }()
	body, err := e.send(ctx, connector.address, lending(storedTenant))
	if err != nil {
		return nil, err
	}
	baseline, err := e.startSubprocess(ctx, "baseline", "constant", strconv.Itoa(len(body)))
	if err != nil {
		return nil, err
	}
	defer func() { err = stopAfter(err, baseline) }()
	c, err := e.compare(ctx, baseline.target(), connector.target(), func(int) request { return lending(storedTenant) })
	if err != nil {
		return nil, err
	}
	const name = "lending from memory, where the token is sealed, against an answer that is always the same"
	does := fmt.Sprintf("The baseline is an echo handler that responds with a constant of the same size, %d bytes. The connector serves the whole hook: signature, headers, the "+
		"borrower's right, the token's status, unsealing, JSON; only its database is a map in memory, since other rows cover that.", len(body))
	const why = "The hook allocates about 24 KiB for each answer, for its request, the tenant, the opened access token and the JSON. With a heap this small the collector runs many times a " +
		"second, and answers wait for it: with GOGC=400, which the connector does not set, the p99 at 256 connections is a third lower. No single step stands out in the profile. " + sharedProcessors
	return c.rows(name, does, "", why,
		bar{fewConnections, rate, memoryLendingBar}, bar{maxConnections, rate, memoryLendingBar},
		bar{fewConnections, p99, memoryTailBar}, bar{maxConnections, p99, memoryTailBar}), nil
}

// lendingAudited compares lending, which commits an event before it returns the token, with a handler that commits a
// similar row.
func (e *Env) lendingAudited(ctx context.Context) (rows []Row, err error) {
	db, err := e.mysql(ctx)
	if err != nil {
		return nil, err
	}
	ids, err := e.fill(ctx, db, e.cfg.Tenants, time.Now().Add(later))
	if err != nil {
		return nil, err
	}
	if err := createBaselineEvents(ctx, db); err != nil {
		return nil, err
	}
	connector, err := e.startConnector(ctx, db)
	if err != nil {
		return nil, err
	}
	defer func() { err = stopAfter(err, connector) }()
	ids = ids[:min(cached, len(ids))]
	if err := e.borrowAll(ctx, connector, ids); err != nil {
		return nil, err
	}
	body, err := e.send(ctx, connector.address, lending(ids[0]))
	if err != nil {
		return nil, err
	}
	baseline, err := e.startSubprocess(ctx, "baseline", "append", strconv.Itoa(len(body)), db.driver, db.dsn)
	if err != nil {
		return nil, err
	}
	defer func() { err = stopAfter(err, baseline) }()
	c, err := e.compare(ctx, baseline.target(), connector.target(), func(n int) request { return lending(ids[n%len(ids)]) })
	if err != nil {
		return nil, err
	}
	const name = "lending from memory with one durable event for each, against committed rows"
	const why = "A lending commits its nonce while it reads, and then its event; the baseline commits once. " + sharedProcessors
	does := "The baseline is an echo handler with one prepared INSERT of a row like an audit event, in a transaction of its own. The connector serves the whole hook " +
		"on its database: nonce, tenant, instance, grant and schedule are read or written for every lending, and the token leaves after its event is " +
		"committed; events of about the same time are committed in one transaction."
	details := fmt.Sprintf("MariaDB, %s tenants, of which %s have a cached token; responses of %d bytes.", grouped(e.cfg.Tenants), grouped(len(ids)), len(body))
	return c.rows(name, does, details, why,
		bar{1, rate, auditedLendingBar}, bar{fewConnections, rate, auditedLendingBar}, bar{maxConnections, rate, auditedLendingBar}), nil
}

// borrowAll borrows one token of every tenant through the hook.
func (e *Env) borrowAll(ctx context.Context, p *process, ids []string) error {
	var workers sync.WaitGroup
	next, failed := make(chan string), make(chan error, borrowersWarmingUp)
	for range borrowersWarmingUp {
		workers.Go(func() {
			for id := range next {
				if _, err := e.send(ctx, p.address, lending(id)); err != nil {
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

// createBaselineEvents creates the baseline's table, which is like the table of events.
func createBaselineEvents(ctx context.Context, db database) error {
	pool, err := sql.Open(db.driver, db.dsn)
	if err != nil {
		return err
	}
	defer pool.Close()
	if _, err := pool.ExecContext(ctx, "CREATE TABLE baseline_events LIKE events"); err != nil {
		return fmt.Errorf("creating the table of the baseline: %w", err)
	}
	return nil
}

// send sends one request and returns the body of its response. A response without success is an error.
func (e *Env) send(ctx context.Context, address string, r request) (string, error) {
	raw, err := e.raw(r)
	if err != nil {
		return "", err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return "", fmt.Errorf("connecting: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return "", err
	}
	closing := strings.Replace(string(raw), "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1)
	if _, err := io.WriteString(conn, closing); err != nil {
		return "", fmt.Errorf("sending: %w", err)
	}
	response, err := io.ReadAll(conn)
	if err != nil {
		return "", fmt.Errorf("receiving: %w", err)
	}
	head, body, _ := strings.Cut(string(response), "\r\n\r\n")
	if !strings.HasPrefix(head, "HTTP/1.1 2") {
		return "", fmt.Errorf("the response to %s %s is %q", r.method, r.path, head)
	}
	return body, nil
}

// cold measures many borrowers that request an access token at once that is not cached yet.
func (e *Env) cold(ctx context.Context) ([]Row, error) {
	db, err := e.mysql(ctx)
	if err != nil {
		return nil, err
	}
	s, err := e.open(ctx, db)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	ids, err := e.seed(ctx, s, 1, time.Now().Add(later))
	if err != nil {
		return nil, err
	}
	ms := newFakeMicrosoft()
	ms.redemption = latency
	tokens, err := token.New(token.Config{Store: s, Microsoft: ms})
	if err != nil {
		return nil, err
	}
	var all sync.WaitGroup
	var lent atomic.Int64
	began := time.Now()
	for range borrowers {
		all.Go(func() {
			r, err := s.Resolve(ctx, ids[0])
			if err != nil {
				return // it does not count as lent
			}
			if _, err := tokens.Lend(ctx, r, token.LoanRequest{API: token.Graph}, audit.Actor{Kind: audit.Application, ID: borrowerID}); err == nil {
				lent.Add(1)
			}
		})
	}
	all.Wait()
	redeemed := ms.redeemed.Load()
	row := Row{
		Name: "redemptions when 1,000 borrowers ask at once", Bar: "1", Measured: strconv.FormatInt(redeemed, 10),
		Met: redeemed == 1 && lent.Load() == borrowers,
	}
	row = row.doing("%s callers of the token service ask at the same time for a token that is not cached; the fake Microsoft takes 100 ms and counts.", grouped(borrowers))
	return []Row{row.with("MariaDB. %s of %s got the token, each with its durable event, after %d ms.",
		grouped(int(lent.Load())), grouped(borrowers), time.Since(began).Milliseconds())}, nil
}
