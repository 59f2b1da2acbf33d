// Package otlp sends traces to a collector by the OpenTelemetry protocol (OTLP), as protobuf over HTTP. The library's own
// exporter would bring gRPC and its gateway with it: 3.0 MiB of the program instead of 1.3.
package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/httpclient"
	"azure-partner-connector/connector/sampling"
	"azure-partner-connector/connector/secret"
)

// Config says where traces are sent. FromEnvironment returns one.
type Config struct {
	// Endpoint is the whole address that traces are posted to. Required.
	Endpoint string

	// Headers are added to every request; their values may be keys. Default: none.
	Headers map[string]secret.Text

	// Timeout bounds the sending of one batch, attempts included. Default: 10 seconds.
	Timeout time.Duration

	// Gzip compresses what is sent.
	Gzip bool

	// CAFile has certificates of authorities that are trusted besides the system's. Default: none.
	CAFile string

	// Version is that of this program.
	Version string

	// Instance tells this process from others with the same configuration.
	Instance string

	// Wait waits between two attempts. Default: clock.Sleep.
	Wait func(ctx context.Context, d time.Duration) error

	// Log receives what is not delivered, at most once a minute. Default: discard.
	Log *slog.Logger
}

// Host returns the host that traces are posted to.
func (c Config) Host() string {
	u, err := url.Parse(c.Endpoint)
	if err != nil {
		return ""
	}
	return u.Host
}

// New returns a provider of spans, which sends them in batches in the background. It sends nothing yet. Shutdown sends what is left.
func New(cfg Config) (*sdk.TracerProvider, error) {
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Wait == nil {
		cfg.Wait = clock.Sleep
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	roots, err := httpclient.Roots(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	calls, err := httpclient.New(httpclient.Config{Timeout: cfg.Timeout, RootCAs: roots})
	if err != nil {
		return nil, err
	}
	origin, err := resource.New(context.Background(), resource.WithTelemetrySDK(), resource.WithAttributes(
		attribute.String("service.name", "azure-partner-connector"), attribute.String("service.version", cfg.Version),
		attribute.String("service.instance.id", cfg.Instance),
	), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("reading OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	exporter := otlptrace.NewUnstarted(&client{cfg: cfg, http: calls})
	return sdk.NewTracerProvider(sdk.WithResource(origin), sdk.WithBatcher(reported{exporter, cfg.Log, sampling.New(1, time.Minute, time.Now)})), nil
}

// reported is an exporter that logs what it cannot deliver. Spans are lost then: nothing waits for them.
type reported struct {
	sdk.SpanExporter
	log     *slog.Logger
	records *sampling.Sampler
}

// ExportSpans implements sdk.SpanExporter.
func (r reported) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	if err := r.SpanExporter.ExportSpans(ctx, spans); err != nil {
		if ok, skipped := r.records.Allow(); ok {
			r.log.WarnContext(ctx, "traces were not delivered", "spans", len(spans), "skipped", skipped, "err", err)
		}
	}
	return nil
}

// A client posts spans.
type client struct {
	cfg  Config
	http *http.Client
}

var _ otlptrace.Client = (*client)(nil)

// Start implements otlptrace.Client.
func (c *client) Start(context.Context) error { return nil }

// Stop implements otlptrace.Client.
func (c *client) Stop(context.Context) error {
	c.http.CloseIdleConnections()
	return nil
}

// pauses are waited for between attempts, unless the collector asks for more.
func pauses() []time.Duration { return []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} }

// UploadTraces implements otlptrace.Client.
func (c *client) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	// The request of the protocol has the form of these data, without the service that only gRPC needs.
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return fmt.Errorf("encoding spans: %w", err)
	}
	if c.cfg.Gzip {
		if body, err = compressed(body); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	for _, pause := range pauses() {
		again, wait, err := c.post(ctx, body)
		if !again {
			return err
		}
		if c.cfg.Wait(ctx, max(pause, wait)) != nil {
			return err
		}
	}
	_, _, err = c.post(ctx, body)
	return err
}

// post sends a batch once. again says whether it may be sent again, and wait how long the collector asks to wait.
func (c *client) post(ctx context.Context, body []byte) (again bool, wait time.Duration, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.cfg.Endpoint, bytes.NewReader(body))
	if err != nil {
		return false, 0, errors.New("the address of the collector is invalid")
	}
	for name, value := range c.cfg.Headers {
		request.Header.Set(name, value.Reveal())
	}
	request.Header.Set("Content-Type", "application/x-protobuf")
	if c.cfg.Gzip {
		request.Header.Set("Content-Encoding", "gzip")
	}
	answer, err := c.http.Do(request)
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // without the address, which may contain a key
	}
	if err != nil {
		return true, 0, err
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<20)) // so that the connection is used again
	if answer.StatusCode < 300 {
		return false, 0, nil
	}
	seconds, _ := strconv.Atoi(answer.Header.Get("Retry-After"))
	again = slices.Contains([]int{http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}, answer.StatusCode)
	return again, time.Duration(max(seconds, 0)) * time.Second, fmt.Errorf("the collector answers %s", answer.Status)
}

func compressed(body []byte) ([]byte, error) {
	var into bytes.Buffer
	w := gzip.NewWriter(&into)
	if _, err := w.Write(body); err != nil {
		return nil, fmt.Errorf("compressing spans: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compressing spans: %w", err)
	}
	return into.Bytes(), nil
}
