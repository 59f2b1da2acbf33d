package app

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/store"
)

const (
	// integrityEvery is how often events are covered by a checkpoint and rows are checked for changes from outside.
	integrityEvery = time.Minute
	// integrityLease is how long one replica may do so.
	integrityLease = 2 * time.Minute
)

// An integrityJob covers events by checkpoints and looks for rows that were altered. One replica at a time does it.
type integrityJob struct {
	app     *App
	owner   string
	altered prometheus.Gauge
	forged  prometheus.Counter
}

func (a *App) newIntegrityJob() *integrityJob {
	j := &integrityJob{
		app: a, owner: random.ID(),
		altered: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "connector_altered_rows",
			Help: "Instances and tenants whose owner, directory or borrowers were changed by somebody without the keys. Not 0 in the replica that found them.",
		}),
		forged: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "connector_forged_events_total",
			Help: "Events of the audit trail with a wrong MAC, which no checkpoint covers.",
		}),
	}
	a.registry.MustRegister(j.altered, j.forged)
	return j
}

// run does what is to be done now, unless another replica does it.
func (j *integrityJob) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, integrityLease/2)
	defer cancel()
	s, now := j.app.services.Store, j.app.now()
	leased, err := s.LeaseJob(ctx, "integrity", j.owner, now, integrityLease)
	if err != nil {
		return err
	}
	if !leased {
		j.altered.Set(0) // the replica that looks now tells
		return nil
	}
	log := j.app.component("integrity")
	forged, err := s.WriteCheckpoints(ctx, now, func(c store.Checkpoint) {
		// Noted outside the database, the hash shows whether the end of the trail was cut off.
		log.InfoContext(ctx, "events covered", "checkpoint", c.Number, "events", c.Events, "hash", hex.EncodeToString(c.Hash))
	})
	if err != nil {
		return fmt.Errorf("covering events: %w", err)
	}
	if forged > 0 {
		j.forged.Add(float64(forged))
		log.ErrorContext(ctx, "events have a wrong MAC: they were changed, or written by somebody else; run connector events verify", "events", forged)
		err := audit.Append(ctx, s, now, audit.Event{
			Action: audit.IntegrityViolated, Result: "integrity", Actor: audit.Actor{Kind: audit.Scheduler, Name: "integrity"},
			Details: map[string]string{"table": "events", "events": fmt.Sprint(forged)},
		})
		if err != nil {
			return err
		}
	}
	altered, err := s.ReportAltered(ctx, now)
	if err != nil {
		return fmt.Errorf("looking for altered rows: %w", err)
	}
	if j.altered.Set(float64(altered)); altered > 0 {
		log.ErrorContext(ctx, "columns that decide who has access were changed outside the connector; run connector integrity list", "rows", altered)
	}
	return nil
}
