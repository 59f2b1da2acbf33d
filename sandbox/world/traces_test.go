package world_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"azure-partner-connector/connector/trace/otlp"
)

// traces are what a collector receives from a connector.
type traces struct {
	provider *sdk.TracerProvider
	mu       sync.Mutex // guards what follows
	received tracepb.TracesData
}

func newTraces(t *testing.T) *traces {
	t.Helper()
	c := &traces{}
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var more tracepb.TracesData
		if err != nil || proto.Unmarshal(body, &more) != nil {
			http.Error(w, "no traces", http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.received.ResourceSpans = append(c.received.ResourceSpans, more.ResourceSpans...)
	}))
	t.Cleanup(collector.Close)
	var err error
	if c.provider, err = otlp.New(otlp.Config{Endpoint: collector.URL}); err != nil {
		t.Fatalf("New() = %v", err)
	}
	return c
}

// end returns everything that the collector has received once the connector has ended.
func (c *traces) end(t *testing.T) string {
	t.Helper()
	if err := c.provider.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown() = %v", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.received.String()
}

// check looks for a renewal that a person began: its hook, with what it consists of, in the traces and in the log.
func (c *traces) check(t *testing.T, log string) {
	t.Helper()
	byParent, hook := map[string][]*tracepb.Span{}, (*tracepb.Span)(nil)
	for _, origin := range c.received.ResourceSpans {
		for _, scope := range origin.ScopeSpans {
			for _, span := range scope.Spans {
				byParent[string(span.ParentSpanId)] = append(byParent[string(span.ParentSpanId)], span)
				if span.Name == "POST /tenant/:id/renew" {
					hook = span
				}
			}
		}
	}
	if hook == nil {
		t.Fatal("the traces have no hook that renews")
	}
	var names []string
	var walk func(parent *tracepb.Span, path string)
	walk = func(parent *tracepb.Span, path string) {
		for _, span := range byParent[string(parent.SpanId)] {
			names = append(names, path+span.Name)
			walk(span, path+span.Name+"/")
		}
	}
	walk(hook, "")
	for _, want := range []string{"redemption", "redemption/POST", "probe", "probe/GET", "database transaction", "database write"} {
		if !slices.Contains(names, want) {
			t.Errorf("the trace of a renewal has no %q:\n%q", want, names)
		}
	}
	if id := fmt.Sprintf(`"trace.id":"%x"`, hook.TraceId); strings.Count(log, id) < 3 {
		t.Errorf("the log has %d records with %s, want those of the hook, the redemption and the outcome", strings.Count(log, id), id)
	}
	attributes := fmt.Sprint(hook.Attributes)
	for _, want := range []string{"connector.tenant", "connector.reference", "http.route", "http.response.status_code"} {
		if !strings.Contains(attributes, want) {
			t.Errorf("the hook has no %s:\n%s", want, attributes)
		}
	}
}
