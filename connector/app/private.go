package app

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/store/sqldb"
)

// readyTimeout bounds how long a readiness probe waits for the database.
const readyTimeout = 2 * time.Second

// private returns the handler for the operator's own tools: metrics, liveness and readiness.
func (a *App) private() http.Handler {
	a.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if a.draining.Load() {
			http.Error(w, "stopping", http.StatusServiceUnavailable)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		if err := a.services.Store.Ready(ctx); err != nil {
			a.log.WarnContext(ctx, "not ready", "err", err)
			reason := "the database does not answer"
			if errors.Is(err, sqldb.ErrReadOnly) {
				reason = "the database is read-only"
			}
			http.Error(w, reason, http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, a.clock.report()+a.summary.paused()) // no reason to send nobody here
	})
	return mux
}

// observers counts what happens. Labels never hold a tenant's data.
func (a *App) observers() observers {
	limited, claim := a.refusals()
	return observers{
		action: a.actions(), limited: limited, claim: claim, database: a.databaseCalls(),
		microsoft: a.calls("connector_microsoft_request_duration_seconds", "Requests to Microsoft by host and status (0 without an answer)."),
		platform:  a.calls("connector_platform_request_duration_seconds", "Requests to the platform by host and status (0 without an answer)."),
	}
}

// actions counts consents, renewals, checks and lendings.
func (a *App) actions() func(audit.Action, string) {
	actions := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "connector_actions_total",
		Help: "Consents, renewals, checks and lendings by their result, ok or a failure code, and its kind.",
	}, []string{"action", "result", "kind"})
	a.registry.MustRegister(actions)
	for _, action := range []audit.Action{
		audit.ConsentBegun, audit.ConsentLinked, audit.ConsentGranted, audit.ConsentConfirmed, audit.ConsentClosed, audit.ConsentDisowned, audit.ClaimAccepted,
		audit.GrantRenewed, audit.GrantChecked, audit.TokenLent, audit.PredecessorUsed,
	} {
		actions.WithLabelValues(string(action), audit.OK, "")
	}
	// The first failure of any kind must show as an increase, of those that alerts wait for.
	for _, code := range failure.Codes() {
		switch code.Kind() {
		case failure.SignIn, failure.Configuration, failure.Transient, failure.Internal:
			for _, action := range []audit.Action{audit.GrantRenewed, audit.TokenLent} {
				actions.WithLabelValues(string(action), string(code), string(code.Kind()))
			}
		}
	}
	return func(action audit.Action, result string) {
		kind := ""
		if result != audit.OK {
			kind = string(failure.Code(result).Kind())
		}
		actions.WithLabelValues(string(action), result, kind).Inc()
	}
}
