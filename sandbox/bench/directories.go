package bench

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/client"
	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// manyDirectories is how many customers one partner has, and directoriesBar how much more memory their access tokens may take, in MiB.
const (
	manyDirectories = 10_000
	directoriesBar  = 64.0
)

// directories measures lending for many customers of one partner, before and after their access tokens are in memory.
func (e *Env) directories(ctx context.Context) ([]Row, error) {
	ids := make([]string, manyDirectories)
	for i := range ids {
		ids[i] = random.ID()
	}
	cold, err := e.redeemed(ctx, ids)
	if err != nil {
		return nil, err
	}
	served, err := e.lendingForCustomers(ctx, ids)
	return append([]Row{cold}, served...), err
}

// redeemed counts redemptions while two borrowers at once ask for an access token of each directory.
func (e *Env) redeemed(ctx context.Context, directories []string) (row Row, err error) {
	db, err := e.mysql(ctx)
	if err != nil {
		return Row{}, err
	}
	s, err := e.open(ctx, db)
	if err != nil {
		return Row{}, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	ids, err := e.seed(ctx, s, 1, time.Now().Add(later))
	if err != nil {
		return Row{}, err
	}
	if err := allowCustomers(ctx, s); err != nil {
		return Row{}, err
	}
	ms := newFakeMicrosoft()
	ms.redemption, ms.keepsToken = latency/10, true
	tokens, err := token.New(token.Config{Store: s, Microsoft: ms})
	if err != nil {
		return Row{}, err
	}
	borrower := tenant.Borrower{ID: borrowerID, APIs: tenant.APIs(), Directories: []string{tenant.CustomerDirectories}}
	r, err := s.Resolve(ctx, ids[0])
	if err != nil {
		return Row{}, err
	}
	began := time.Now()
	var lent atomic.Int64
	workers, ctx := errgroup.WithContext(ctx)
	workers.SetLimit(fewConnections)
	for _, directory := range directories {
		for range 2 {
			workers.Go(func() error {
				_, err := tokens.Lend(ctx, r, token.LoanRequest{API: token.Graph, Directory: directory, Borrower: &borrower}, audit.Actor{Kind: audit.Application, ID: borrowerID})
				if err == nil {
					lent.Add(1)
				}
				return err
			})
		}
	}
	if err := workers.Wait(); err != nil {
		return Row{}, fmt.Errorf("lending for customers: %w", err)
	}
	row = Row{
		Name: "redemptions for 10,000 customer directories, of each of which two borrowers ask", Bar: strconv.Itoa(len(directories)),
		Measured: strconv.FormatInt(ms.redeemed.Load(), 10), Met: ms.redeemed.Load() == int64(len(directories)),
	}
	row = row.doing("%d callers of the token service work at once; no access token is cached, and the fake Microsoft takes 10 ms and counts.", fewConnections)
	return row.with("MariaDB. %s access tokens, each with its durable event, in %s.", grouped(int(lent.Load())), time.Since(began).Round(time.Millisecond)), nil
}

// lendingForCustomers measures the memory of the connector before and after it has lent for each directory, and then how fast it
// lends what it has cached.
func (e *Env) lendingForCustomers(ctx context.Context, directories []string) (rows []Row, err error) {
	s, err := e.serveClients(ctx, "127.0.0.1:1")
	if err != nil {
		return nil, err
	}
	defer func() { err = stopAfter(err, s.process) }()
	key, err := e.addClient(ctx, s.db, client.Client{Name: "customers", Scopes: client.Scopes{
		Tenants: []string{s.tenant}, APIs: []string{"graph"}, Directories: []string{tenant.PartnerDirectory, tenant.CustomerDirectories}, Operations: []client.Operation{client.Lend},
	}})
	if err != nil {
		return nil, err
	}
	st, err := e.open(ctx, s.db)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(allowCustomers(ctx, st), st.Close()); err != nil {
		return nil, err
	}
	borrow := func(n int) request {
		return request{plain: "GET /msi/token?api-version=2019-08-01&resource=https://graph.microsoft.com&client_id=" + directories[n%len(directories)] +
			" HTTP/1.1\r\nHost: x\r\nX-IDENTITY-HEADER: " + key.Reveal() + "\r\n\r\n"}
	}
	body, err := e.send(ctx, s.api, borrow(0))
	if err != nil {
		return nil, err
	}
	_ = clock.Sleep(ctx, e.cfg.Rest)
	before, err := s.resident()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	workers, filling := errgroup.WithContext(ctx)
	workers.SetLimit(fewConnections)
	for n := range directories {
		workers.Go(func() error {
			_, err := e.send(filling, s.api, borrow(n))
			return err
		})
	}
	if err := workers.Wait(); err != nil {
		return nil, err
	}
	took := time.Since(began)
	_ = clock.Sleep(ctx, e.cfg.Rest)
	after, err := s.resident()
	if err != nil {
		return nil, err
	}
	rows = append(rows, atMost("more memory for the access tokens of 10,000 customer directories", "MiB", after-before, directoriesBar).doing(
		"The connector lends one access token of %s characters by managed identity for each of so many directories of one tenant, on its database, to %d callers at once. "+
			"What counts is its resident memory %s after that, less that before.", grouped(accessTokenLength), fewConnections, e.cfg.Rest).with(
		"MariaDB. %.1f MiB before, %.1f MiB after; it took %s.", before, after, took.Round(time.Millisecond)).because(
		"The memory has the counts of the audit trail for each directory, too, and what was freed but not yet given back to the system."))

	baseline, err := e.startSubprocess(ctx, "baseline", "key", strconv.Itoa(len(body)), "X-IDENTITY-HEADER", key.Reveal())
	if err != nil {
		return rows, err
	}
	defer func() { err = stopAfter(err, baseline) }()
	all, err := e.compare(ctx, baseline.target(), target{s.process, s.api}, borrow)
	if err != nil {
		return rows, err
	}
	const does = "As lending by managed identity to the partner's own directory, but each request is for the next of 10,000 customer directories, whose access tokens are cached."
	return append(rows, all.rows("lending by managed identity for 10,000 customer directories", does, fmt.Sprintf("MariaDB, responses of %d bytes.", len(body)), severalSteps,
		bar{maxConnections, rate, clientLendingBar})...), nil
}

// allowCustomers lets the instance lend for any customer directory.
func allowCustomers(ctx context.Context, s *store.Store) error {
	in, err := s.Instance(ctx, instanceKey)
	if err != nil {
		return err
	}
	in.Settings.CustomerDirectories = tenant.AnyCustomers
	return s.SaveInstance(ctx, &in)
}
