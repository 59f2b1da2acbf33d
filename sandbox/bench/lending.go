package bench

import (
	"context"
	"database/sql"
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

// What lending may cost, as shares of the floor's rate.
const (
	memoryLendingBar  = 0.50
	auditedLendingBar = 0.60
)

// warm is how many tenants have an access token in memory while lending is measured.
const warm = 500

// askers is how many ask for the same token at once.
const askers = 1000

func lending(id string) request {
	return request{http.MethodPost, "/tenant/" + id + "/accessToken", `{"api":"graph"}`, borrowerID}
}

// lending measures lending from memory, without the database and with it.
func (g *Ground) lending(ctx context.Context) ([]Row, error) {
	unaudited, err := g.lendingFromMemory(ctx)
	if err != nil {
		return nil, err
	}
	audited, err := g.lendingAudited(ctx)
	return []Row{unaudited, audited}, err
}

// lendingFromMemory compares door and custody, with nothing behind them, with an answer that is always the same.
func (g *Ground) lendingFromMemory(ctx context.Context) (row Row, err error) {
	ours, err := g.play(ctx, "lender", "memory", g.credentials.Secret.Reveal())
	if err != nil {
		return Row{}, err
	}
	defer func() { err = stopping(err, ours) }()
	body, err := g.ask(ctx, ours.address, lending(memoryTenant))
	if err != nil {
		return Row{}, err
	}
	least, err := g.play(ctx, "floor", "constant", strconv.Itoa(len(body)))
	if err != nil {
		return Row{}, err
	}
	defer func() { err = stopping(err, least) }()
	c, err := g.compare(ctx, least.address, ours.address, func(int) request { return lending(memoryTenant) })
	const name = "lending from memory, where the token is sealed, against an answer that is always the same"
	return percent(name, c.ratio(), memoryLendingBar).does(
		"The floor is an echo handler that answers with a constant of the same size, %d bytes. The connector serves the whole hook: signature, headers, the "+
			"borrower's right, the token's state, unsealing, JSON; but what it asks of its database a map in memory answers, for that is the next row's.", len(body)).told(
		"Connector %s.", c).owing(sharing), err
}

// lendingAudited compares lending, which has written its event before the token leaves, with a handler that commits one
// row like it.
func (g *Ground) lendingAudited(ctx context.Context) (row Row, err error) {
	db, err := g.mysql(ctx)
	if err != nil {
		return Row{}, err
	}
	ids, err := g.fill(ctx, db, g.cfg.Tenants, time.Now().Add(later))
	if err != nil {
		return Row{}, err
	}
	if err := floorEvents(ctx, db); err != nil {
		return Row{}, err
	}
	ours, err := g.lend(ctx, db)
	if err != nil {
		return Row{}, err
	}
	defer func() { err = stopping(err, ours) }()
	ids = ids[:min(warm, len(ids))]
	if err := g.borrowAll(ctx, ours, ids); err != nil {
		return Row{}, err
	}
	body, err := g.ask(ctx, ours.address, lending(ids[0]))
	if err != nil {
		return Row{}, err
	}
	least, err := g.play(ctx, "floor", "append", strconv.Itoa(len(body)), db.driver, db.dsn)
	if err != nil {
		return Row{}, err
	}
	defer func() { err = stopping(err, least) }()
	c, err := g.compare(ctx, least.address, ours.address, func(n int) request { return lending(ids[n%len(ids)]) })
	return percent("lending from memory with one durable event for each, against committed rows", c.ratio(), auditedLendingBar).does(
		"The floor is an echo handler with one prepared INSERT of a row like an audit event, which is committed by itself. The connector serves the whole hook "+
			"on its database: nonce, tenant, instance, grant and schedule are read or written for every lending, and the token leaves after its event is "+
			"committed; events of about the same time are committed by one transaction.").told(
		"MariaDB, %s tenants, of which %s have a token in memory; answers of %d bytes. Connector %s.", grouped(g.cfg.Tenants), grouped(len(ids)), len(body), c).owing(
		"A lending commits its nonce, then reads, then commits its event, one after the other; the floor commits once. " + sharing), err
}

// floorEvents makes a table like that of the events, for the floor.
func floorEvents(ctx context.Context, db database) error {
	pool, err := sql.Open(db.driver, db.dsn)
	if err != nil {
		return err
	}
	defer pool.Close()
	if _, err := pool.ExecContext(ctx, "CREATE TABLE floor_events LIKE events"); err != nil {
		return fmt.Errorf("making the floor's table: %w", err)
	}
	return nil
}

// ask sends one request and returns the body of its answer, which must be a good one.
func (g *Ground) ask(ctx context.Context, address string, r request) (string, error) {
	raw, err := g.raw(r)
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
	answer, err := io.ReadAll(conn)
	if err != nil {
		return "", fmt.Errorf("receiving: %w", err)
	}
	head, body, _ := strings.Cut(string(answer), "\r\n\r\n")
	if !strings.HasPrefix(head, "HTTP/1.1 2") {
		return "", fmt.Errorf("%s %s is answered with %q", r.method, r.path, head)
	}
	return body, nil
}

// cold lets many ask at once for an access token that nobody has yet.
func (g *Ground) cold(ctx context.Context) ([]Row, error) {
	db, err := g.mysql(ctx)
	if err != nil {
		return nil, err
	}
	s, err := g.open(ctx, db)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	ids, err := g.seed(ctx, s, 1, time.Now().Add(later))
	if err != nil {
		return nil, err
	}
	ms := newPrompt()
	ms.redemption = latency
	tokens, err := token.New(token.Config{Store: s, Microsoft: ms})
	if err != nil {
		return nil, err
	}
	var all sync.WaitGroup
	var lent atomic.Int64
	began := time.Now()
	for range askers {
		all.Go(func() {
			r, err := s.Resolve(ctx, ids[0])
			if err != nil {
				return // it is missing in the count
			}
			if _, err := tokens.Lend(ctx, r, token.Graph, audit.Actor{Kind: audit.Application, ID: borrowerID}); err == nil {
				lent.Add(1)
			}
		})
	}
	all.Wait()
	redeemed := ms.redeemed.Load()
	row := Row{
		Name: "redemptions that 1,000 askers of a cold token cause", Bar: "1", Measured: strconv.FormatInt(redeemed, 10),
		Met: redeemed == 1 && lent.Load() == askers,
	}
	row = row.does("%s callers of custody ask at the same time for a token that nobody has yet, of a Microsoft that takes 100 ms and counts.", grouped(askers))
	return []Row{row.told("MariaDB. %s of %s had the token, each with its durable event, after %d ms.",
		grouped(int(lent.Load())), grouped(askers), time.Since(began).Milliseconds())}, nil
}
