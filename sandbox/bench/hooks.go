package bench

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// What a hook may cost, as shares of the floor's rate.
const (
	statusBar = 0.70
	changeBar = 0.75
)

// later is when tenants are due that are not to be renewed while something else is measured.
const later = 5 * 24 * time.Hour

const (
	statusDoes = "The floor is an echo handler that reads one row by one prepared SELECT. The connector checks the signature, commits the nonce so that no " +
		"replica takes it again, reads the tenant with its instance, opens the credentials, decides whether the borrower may ask, reads grant and schedule, " +
		"judges the token's status, and writes its line of log."
	changeDoes = "The floor is an echo handler with one prepared UPDATE of one row, which is committed by itself. The connector checks the signature, commits the " +
		"nonce, reads the tenant with its instance and the tenant's token, decides who is calling, merges and seals the credentials, and commits, in one " +
		"transaction, the row under its version, the audit event, and the note that there is something to announce."
)

// status measures a verified hook that reads the status of a tenant's token.
func (g *Ground) status(ctx context.Context) ([]Row, error) {
	return g.hook(ctx, "verified hook that reads a tenant's status", "read", statusBar, statusDoes, func(id string) request {
		return request{http.MethodGet, "/tenant/" + id + "/tokenStatus", "", borrowerID}
	})
}

// change measures a verified hook that changes a tenant, which is durable when it is answered.
func (g *Ground) change(ctx context.Context) ([]Row, error) {
	return g.hook(ctx, "verified hook that changes a tenant, durably", "change", changeBar, changeDoes, func(id string) request {
		body := fmt.Sprintf(`{"aps":{"type":"http://aps.example.com/azure-partner-connector/tenant/1.0","id":%q},"applicationId":%q}`, id, applicationID)
		return request{http.MethodPut, "/tenant/" + id, body, ""}
	})
}

// hook compares one kind of hook with the floor that does work, both on one MariaDB.
func (g *Ground) hook(ctx context.Context, name, work string, bar float64, does string, of func(id string) request) (rows []Row, err error) {
	db, err := g.mysql(ctx)
	if err != nil {
		return nil, err
	}
	ids, err := g.fill(ctx, db, g.cfg.Tenants, time.Now().Add(later))
	if err != nil {
		return nil, err
	}
	ours, err := g.serve(ctx, db)
	if err != nil {
		return nil, err
	}
	defer func() { err = stopping(err, ours) }()
	body, err := g.ask(ctx, ours.address, of(ids[0]))
	if err != nil {
		return nil, err
	}
	least, err := g.play(ctx, "floor", work, strconv.Itoa(len(body)), db.driver, db.dsn)
	if err != nil {
		return nil, err
	}
	defer func() { err = stopping(err, least) }()
	c, err := g.compare(ctx, least.address, ours.address, func(n int) request { return of(ids[n%len(ids)]) })
	return []Row{percent(name, c.ratio(), bar).does("%s", does).told("MariaDB, %s tenants, answers of %d bytes. Connector %s.", grouped(len(ids)), len(body), c).
		owing("A hook commits its nonce before it does anything else, and then asks the database twice more, one after the other; the floor asks once. " + sharing)}, err
}
