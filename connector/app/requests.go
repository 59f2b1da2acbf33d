package app

import (
	"cmp"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/limit"
	"azure-partner-connector/connector/trace"
)

// refusals counts refusals of what was done too often, and of claim codes.
func (a *App) refusals() (refused func(limit.Name), observeClaim func(result string)) {
	limited := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "connector_limited_total",
		Help: "Requests that were refused because there were too many within a minute, by the name of the limit.",
	}, []string{"limit"})
	claims := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "connector_claims_refused_total",
		Help: "Authentication codes that were refused, by failure code.",
	}, []string{"result"})
	a.registry.MustRegister(limited, claims)
	for _, name := range limit.Names() {
		limited.WithLabelValues(string(name))
	}
	for _, code := range []failure.Code{failure.ClaimWrong, failure.ClaimLocked, failure.NothingToClaim} {
		claims.WithLabelValues(string(code))
	}
	return func(name limit.Name) { limited.WithLabelValues(string(name)).Inc() },
		func(result string) { claims.WithLabelValues(result).Inc() }
}

// usualStatuses are the statuses whose counters exist from the start, so that their first request shows as an increase.
func usualStatuses() []int {
	return []int{
		http.StatusOK, http.StatusCreated, http.StatusNoContent, http.StatusFound, http.StatusSeeOther, http.StatusBadRequest, http.StatusUnauthorized,
		http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	}
}

// measured counts the requests of a listener by their status, and how long they took.
func measured(requests *prometheus.CounterVec, durations prometheus.ObserverVec, listener string, next http.Handler) http.Handler {
	for _, status := range usualStatuses() {
		requests.WithLabelValues(listener, strconv.Itoa(status))
	}
	duration := durations.With(prometheus.Labels{"listener": listener})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recorder, began := &statusRecorder{ResponseWriter: w}, time.Now()
		defer func() {
			status := recorder.status
			if status == 0 {
				status = http.StatusOK // of an answer without a body, and of a connection that the handler aborted
			}
			requests.WithLabelValues(listener, strconv.Itoa(status)).Inc()
			duration.Observe(time.Since(began).Seconds())
		}()
		next.ServeHTTP(recorder, r)
	})
}

// traced makes a span of each request. It continues the trace of the caller, except on the public pages: what a browser sends there
// is anybody's.
func traced(traces trace.Provider, listener string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, span := trace.Serve(r.Context(), traces, listener, listener != "onboarding", r.Header.Get, trace.String("connector.listener", listener))
		recorder := &statusRecorder{ResponseWriter: w}
		defer func() {
			span.Add(trace.Int("http.response.status_code", cmp.Or(recorder.status, http.StatusOK)))
			span.End(nil)
		}()
		next.ServeHTTP(recorder, r.WithContext(ctx))
	})
}

// A statusRecorder notes the status of an answer.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *statusRecorder) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK { // informational answers come before the real one
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *statusRecorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController find what the connection can do.
func (w *statusRecorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
