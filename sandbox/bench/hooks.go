package bench

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// The bars of a hook, against the baseline.
const (
	statusBar      = 0.80 // of the rate
	statusAloneBar = 1.4  // times the baseline's p50, with one connection
)

// later is when tenants are due that must not be renewed during a measurement.
const later = 5 * 24 * time.Hour

// status measures a signed hook that reads the status of a tenant's token, on MariaDB.
func (e *Env) status(ctx context.Context) (rows []Row, err error) {
	db, err := e.mysql(ctx)
	if err != nil {
		return nil, err
	}
	ids, err := e.fill(ctx, db, e.cfg.Tenants, time.Now().Add(later))
	if err != nil {
		return nil, err
	}
	connector, err := e.serve(ctx, db)
	if err != nil {
		return nil, err
	}
	defer func() { err = stopAfter(err, connector) }()
	of := func(n int) request {
		return request{method: http.MethodGet, path: "/tenant/" + ids[n%len(ids)] + "/tokenStatus", application: borrowerID}
	}
	body, err := e.send(ctx, connector.address, of(0))
	if err != nil {
		return nil, err
	}
	baseline, err := e.startSubprocess(ctx, "baseline", "read", strconv.Itoa(len(body)), db.driver, db.dsn)
	if err != nil {
		return nil, err
	}
	defer func() { err = stopAfter(err, baseline) }()
	c, err := e.compare(ctx, baseline.target(), connector.target(), of)
	if err != nil {
		return nil, err
	}
	const name = "verified hook that reads a tenant's status"
	const why = "A hook commits its nonce, queries the database twice meanwhile, and answers after both; the baseline queries it once. " + sharedProcessors
	does := "The baseline is an echo handler that reads one row by one prepared SELECT. The connector checks the signature, commits the nonce so that no " +
		"replica accepts it again, reads the tenant with its instance, opens the credentials, decides whether the borrower may ask, reads grant and " +
		"schedule, determines the token's status, and writes its log line."
	details := fmt.Sprintf("MariaDB, %s tenants, responses of %d bytes.", grouped(len(ids)), len(body))
	return c.rows(name, does, details, why,
		bar{1, p50, statusAloneBar}, bar{fewConnections, rate, statusBar}, bar{maxConnections, rate, statusBar}), nil
}
