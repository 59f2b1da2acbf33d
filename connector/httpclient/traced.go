package httpclient

import (
	"net/http"

	"azure-partner-connector/connector/trace"
)

// Traced returns a transport that makes a span of each request that belongs to a trace, and passes the trace on in its header.
func Traced(next http.RoundTripper) http.RoundTripper { return traced{next} }

type traced struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t traced) RoundTrip(r *http.Request) (*http.Response, error) {
	if !trace.Traced(r.Context()) {
		return t.RoundTripper.RoundTrip(r)
	}
	// Of the address, only the host is recorded: paths and queries hold links and codes.
	ctx, span := trace.Call(r.Context(), r.Method, trace.String("http.request.method", r.Method), trace.String("server.address", r.URL.Host))
	r = r.Clone(ctx)
	trace.Propagate(ctx, r.Header.Set)
	answer, err := t.RoundTripper.RoundTrip(r)
	if err == nil {
		span.Add(trace.Int("http.response.status_code", answer.StatusCode))
	}
	span.EndCall(err != nil || answer.StatusCode >= http.StatusBadRequest)
	return answer, err
}

// CloseIdleConnections closes those of the transport, as http.Client.CloseIdleConnections expects.
func (t traced) CloseIdleConnections() {
	if c, ok := t.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
