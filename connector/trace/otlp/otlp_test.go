package otlp_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/httpclient"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/trace"
	"azure-partner-connector/connector/trace/otlp"
)

// A collector is one that keeps what it receives.
type collector struct {
	*httptest.Server
	mu      sync.Mutex // guards what follows
	refuse  []int      // statuses of the next answers
	headers []http.Header
	spans   []*tracepb.ResourceSpans
}

func newCollector(t *testing.T, refuse ...int) *collector {
	t.Helper()
	c := &collector{refuse: refuse}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.headers = append(c.headers, r.Header)
	if len(c.refuse) > 0 {
		w.WriteHeader(c.refuse[0])
		c.refuse = c.refuse[1:]
		return
	}
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		body, _ = gzip.NewReader(r.Body)
	}
	content, _ := io.ReadAll(body)
	var data tracepb.TracesData
	if r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" || proto.Unmarshal(content, &data) != nil {
		http.Error(w, "no traces", http.StatusBadRequest)
		return
	}
	c.spans = append(c.spans, data.ResourceSpans...)
}

func (c *collector) all() (spans []*tracepb.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, origin := range c.spans {
		for _, scope := range origin.ScopeSpans {
			spans = append(spans, scope.Spans...)
		}
	}
	return spans
}

// environ returns an environment with variables.
func environ(variables map[string]string) func(string) string {
	return func(name string) string { return variables[name] }
}

func TestFromEnvironment_IsOffWithoutAnExporter(t *testing.T) {
	for name, tc := range map[string]struct {
		variables map[string]string
		endpoint  string // empty: off
	}{
		"nothing":               {nil, ""},
		"none":                  {map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, ""},
		"disabled":              {map[string]string{"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "otlp"}, ""},
		"the exporter":          {map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, "http://localhost:4318/v1/traces"},
		"an address":            {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c.example/otel/"}, "https://c.example/otel/v1/traces"},
		"an address of traces":  {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://c.example/t", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://d"}, "https://c.example/t"},
		"a sampler":             {map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"}, "http://localhost:4318/v1/traces"},
		"variables of others":   {map[string]string{"OTEL_METRICS_EXPORTER": "otlp", "OTEL_SERVICE_NAME": "x", "OTEL_TRACES_SAMPLER": "nonsense"}, ""},
		"a protocol of its own": {map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}, "http://localhost:4318/v1/traces"},
	} {
		cfg, on, err := otlp.FromEnvironment(environ(tc.variables))
		if err != nil || on != (tc.endpoint != "") || cfg.Endpoint != tc.endpoint {
			t.Errorf("FromEnvironment() with %s = %q, %t, %v, want %q", name, cfg.Endpoint, on, err, tc.endpoint)
		}
	}
}

func TestFromEnvironment_Refuses(t *testing.T) {
	const key = "canary-of-a-header"
	for name, value := range map[string]string{
		"OTEL_TRACES_EXPORTER": "zipkin", "OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://u:" + key + "@c.example",
		"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TIMEOUT": "10s", "OTEL_EXPORTER_OTLP_COMPRESSION": "zstd",
		"OTEL_EXPORTER_OTLP_CLIENT_KEY": "/key.pem", "OTEL_EXPORTER_OTLP_HEADERS": key, "OTEL_TRACES_SAMPLER": "sometimes",
		"OTEL_TRACES_SAMPLER_ARG": "2", "OTEL_BSP_MAX_QUEUE_SIZE": "many",
	} {
		variables := map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}
		if name == "OTEL_TRACES_SAMPLER_ARG" {
			variables["OTEL_TRACES_SAMPLER"] = "traceidratio"
		}
		variables[name] = value
		_, on, err := otlp.FromEnvironment(environ(variables))
		if err == nil || on || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), key) {
			t.Errorf("FromEnvironment() with %s=%s = %t, %v, want an error that names the variable and no key", name, value, on, err)
		}
	}
}

// TestNew_SendsSpans sends a trace as a renewal has it, to a collector that is busy at first, and looks at what arrives and at what
// another program is called with.
func TestNew_SendsSpans(t *testing.T) {
	c := newCollector(t, http.StatusServiceUnavailable, http.StatusTooManyRequests)
	var passed string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		passed = r.Header.Get("Traceparent")
		w.WriteHeader(http.StatusForbidden)
	}))
	defer other.Close()
	cfg, _, err := otlp.FromEnvironment(environ(map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_EXPORTER_OTLP_HEADERS": "api-key=canary%20of+a=header, x=1", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
	}))
	if err != nil {
		t.Fatal(err)
	}
	var waited []time.Duration
	cfg.Wait = func(_ context.Context, d time.Duration) error { waited = append(waited, d); return nil }
	cfg.Version = "1.2.3"
	provider, err := otlp.New(cfg)
	if err != nil {
		t.Fatalf("New() = %v", err)
	}
	var log bytes.Buffer
	logger := slog.New(trace.Logged(slog.NewTextHandler(&log, nil))).With("component", "test")

	ctx, root := trace.Root(trace.With(t.Context(), provider), "renewal", trace.String("connector.secret", secret.New("canary-of-a-secret").String()))
	logger.InfoContext(ctx, "renewing")
	inner, redemption := trace.Start(ctx, "redemption")
	calls, err := httpclient.New(httpclient.Config{Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(inner, http.MethodGet, other.URL+"/path?code=canary-of-a-query", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := calls.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if len(request.Header) > 0 {
		t.Errorf("the request of the caller got the headers %v, want it unchanged", request.Header)
	}
	redemption.End(failure.Wrap(io.ErrUnexpectedEOF, failure.MicrosoftUnavailable))
	root.End(nil)
	if err := provider.Shutdown(t.Context()); err != nil {
		t.Fatalf("Shutdown() = %v", err)
	}

	spans := map[string]*tracepb.Span{}
	for _, span := range c.all() {
		spans[span.Name] = span
	}
	if names := slices.Sorted(maps.Keys(spans)); !slices.Equal(names, []string{"GET", "redemption", "renewal"}) {
		t.Fatalf("the collector has %q", names)
	}
	get, renewal := spans["GET"], spans["renewal"]
	if !bytes.Equal(get.ParentSpanId, spans["redemption"].SpanId) || !bytes.Equal(spans["redemption"].ParentSpanId, renewal.SpanId) ||
		!bytes.Equal(get.TraceId, renewal.TraceId) || get.Kind != tracepb.Span_SPAN_KIND_CLIENT {
		t.Errorf("the spans do not form one trace:\n%v", spans)
	}
	if id, span := hex(renewal.TraceId), hex(get.SpanId); passed != "00-"+id+"-"+span+"-01" {
		t.Errorf("another program is called with traceparent %q, want the trace %s and the span %s", passed, id, span)
	}
	if want := "trace.id=" + hex(renewal.TraceId) + " span.id=" + hex(renewal.SpanId); !strings.Contains(log.String(), want) {
		t.Errorf("the log has %q, want %s", log.String(), want)
	}
	if s := spans["redemption"].Status; s.GetCode() != tracepb.Status_STATUS_CODE_ERROR || s.GetMessage() != string(failure.MicrosoftUnavailable) {
		t.Errorf("the status of a failure is %v", s)
	}
	text := (&tracepb.TracesData{ResourceSpans: c.spans}).String()
	for _, want := range []string{"azure-partner-connector", "1.2.3", "127.0.0.1:", "403"} {
		if !strings.Contains(text, want) {
			t.Errorf("the collector has no %s:\n%s", want, text)
		}
	}
	if strings.Contains(text, "canary") {
		t.Errorf("the collector has a secret:\n%s", text)
	}
	if len(c.headers) != 3 || c.headers[2].Get("Api-Key") != "canary of+a=header" || !slices.Equal(waited, []time.Duration{time.Second, 2 * time.Second}) {
		t.Errorf("the collector got %d requests with %v after %v, want 3 with the key after one and two seconds", len(c.headers), c.headers, waited)
	}
}

func hex(id []byte) string { return fmt.Sprintf("%x", id) }

// TestNew_SurvivesItsCollector checks that nothing but one record tells of a collector that refuses.
func TestNew_SurvivesItsCollector(t *testing.T) {
	c := newCollector(t, http.StatusUnauthorized)
	var log bytes.Buffer
	provider, err := otlp.New(otlp.Config{
		Endpoint: c.URL + "/v1/traces", Headers: map[string]secret.Text{"Authorization": secret.New("canary")}, Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, span := trace.Root(trace.With(t.Context(), provider), "renewal")
	span.End(nil)
	if err := provider.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown() = %v", err)
	}
	if got := log.String(); !strings.Contains(got, "the collector answers 401") || strings.Contains(got, "canary") || strings.Count(got, "\n") != 1 {
		t.Errorf("the log has %q, want one record with the status and no key", got)
	}
}

// TestServe_TrustsATraceOnlyWhereItMay begins requests with the header of a caller.
func TestServe_TrustsATraceOnlyWhereItMay(t *testing.T) {
	c := newCollector(t)
	provider, err := otlp.New(otlp.Config{Endpoint: c.URL + "/v1/traces"})
	if err != nil {
		t.Fatal(err)
	}
	const caller = "0af7651916cd43dd8448eb211c80319c"
	header := http.Header{"Traceparent": {"00-" + caller + "-b7ad6b7169203331-01"}}
	for _, continues := range []bool{true, false} {
		_, span := trace.Serve(t.Context(), provider, "a request", continues, header.Get)
		span.End(nil)
	}
	if err := provider.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	spans := c.all()
	if len(spans) != 2 || hex(spans[0].TraceId) != caller || hex(spans[1].TraceId) == caller || spans[0].Kind != tracepb.Span_SPAN_KIND_SERVER {
		t.Errorf("the spans are %v, want the caller's trace only where it is continued", spans)
	}
}

func TestStart_WithoutAProviderDoesNothing(t *testing.T) {
	ctx := trace.With(t.Context(), nil)
	got, span := trace.Root(ctx, "renewal")
	inner, call := trace.Call(got, "GET")
	span.Add(trace.Int("n", 1))
	call.End(io.EOF)
	call.EndCall(true)
	span.End(nil)
	trace.Describe(inner, "x")
	if got != ctx || inner != ctx || trace.Traced(inner) {
		t.Error("the context changed, want none of it")
	}
}

// TestUpload_ErrorsHaveNoAddress: the address may contain a key.
func TestUpload_ErrorsHaveNoAddress(t *testing.T) {
	closed := newCollector(t)
	closed.Close()
	var log strings.Builder
	provider, err := otlp.New(otlp.Config{
		Endpoint: closed.URL + "/v1/traces?key=canary-of-an-address", Log: slog.New(slog.NewTextHandler(&log, nil)),
		Wait: func(context.Context, time.Duration) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	_, span := trace.Root(trace.With(t.Context(), provider), "renewal")
	span.End(nil)
	if err := provider.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := log.String(); !strings.Contains(got, "traces were not delivered") || !strings.Contains(got, "connection refused") || strings.Contains(got, "canary") {
		t.Errorf("the log has %q, want why the spans were not delivered, without the address", got)
	}
}
