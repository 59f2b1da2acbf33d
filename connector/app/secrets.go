package app

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"azure-partner-connector/connector/store"
)

const (
	// keysEvery is how often the database learns which key this process seals with; store.RetireKey waits for several times that.
	keysEvery = time.Minute
	// secretsEvery is how often all secrets are opened: damage must be found while the predecessor of a refresh token still works.
	secretsEvery = time.Hour
)

// touchKey records which key this process seals with. It ends the process when that key was retired: nobody else could read
// what this process stores.
func (a *App) touchKey(ctx context.Context) error {
	err := a.services.Store.TouchKey(ctx)
	if errors.Is(err, store.ErrWrongKeys) {
		select {
		case a.fatal <- err:
		default: // reported already
		}
	}
	return err
}

// newUnreadable returns the metric of checkSecrets. It has no data of a tenant.
func (a *App) newUnreadable() *prometheus.GaugeVec {
	unreadable := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "connector_unreadable_secrets",
		Help: "Stored secrets that no key opened at the last check.",
	}, []string{"table", "column"})
	a.registry.MustRegister(unreadable)
	return unreadable
}

// checkSecrets opens every stored secret. For those that do not open it raises the alarm, makes notices about their tenants
// due, and renewals of their refresh tokens, which use the predecessor.
func (a *App) checkSecrets(ctx context.Context) error {
	columns, err := a.services.Store.CheckSealed(ctx, nil)
	if err != nil {
		return err
	}
	var errs []error
	for _, column := range columns {
		a.unreadable.WithLabelValues(column.Table, column.Column).Set(float64(column.Failed))
		if column.Failed == 0 {
			continue
		}
		a.log.ErrorContext(ctx, "stored secrets cannot be read: they were damaged or changed in the database",
			"table", column.Table, "column", column.Column, "count", column.Failed, "first", column.Rows[0], "err", column.Failure)
		errs = append(errs, a.announceUnreadable(ctx, column))
	}
	return errors.Join(errs...)
}

func (a *App) announceUnreadable(ctx context.Context, column store.Progress) error {
	switch column.Table {
	case "instances", "tenants":
		return a.services.Store.AnnounceNow(ctx, column.Table, column.Rows, a.now())
	case "grants":
		tenants := make([]string, len(column.Rows))
		var errs []error
		for i, row := range column.Rows {
			var slot string
			if tenants[i], slot, _ = strings.Cut(row, "/"); slot == "active" {
				errs = append(errs, a.services.Tokens.RenewUnreadable(ctx, tenants[i]))
			}
		}
		return errors.Join(append(errs, a.services.Store.AnnounceNow(ctx, "tenants", tenants, a.now()))...)
	}
	return nil // of a consent that people can begin again
}
