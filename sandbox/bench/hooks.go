package bench

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// What a hook may cost, as shares of the floor's rate.
const (
	statusBar = 0.70
	changeBar = 0.75
)

// later is when tenants are due that are not to be renewed while something else is measured.
const later = 5 * 24 * time.Hour

// status measures a verified hook that reads the status of a tenant's token.
func (g *Ground) status(ctx context.Context) ([]Row, error) {
	return g.hook(ctx, "verified hook that reads a tenant's status", "read", statusBar, func(id string) request {
		return request{http.MethodGet, "/tenant/" + id + "/tokenStatus", "", borrowerID}
	})
}

// change measures a verified hook that changes a tenant, which is durable when it is answered.
func (g *Ground) change(ctx context.Context) ([]Row, error) {
	return g.hook(ctx, "verified hook that changes a tenant, durably", "change", changeBar, func(id string) request {
		body := fmt.Sprintf(`{"aps":{"type":"http://aps.example.com/azure-partner-connector/tenant/1.0","id":%q},"applicationId":%q}`, id, applicationID)
		return request{http.MethodPut, "/tenant/" + id, body, ""}
	})
}

// hook compares one kind of hook with the floor that does work, both on one MariaDB.
func (g *Ground) hook(ctx context.Context, name, work string, bar float64, of func(id string) request) (rows []Row, err error) {
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
	least, err := g.play(ctx, "floor", work, db.driver, db.dsn)
	if err != nil {
		return nil, err
	}
	defer func() { err = stopping(err, least) }()
	c, err := g.compare(ctx, least.address, ours.address, func(n int) request { return of(ids[n%len(ids)]) })
	return []Row{percent(name, c.ratio(), bar).told("MariaDB, %d tenants. Connector %s.", len(ids), c)}, err
}
