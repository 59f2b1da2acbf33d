package trace

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
)

// The keys of the IDs in a record, with the names of the Elastic Common Schema in every format. Microsoft's IDs have others.
const (
	traceKey = "trace.id"
	spanKey  = "span.id"
)

// Logged returns a handler that adds the IDs of the trace and the span of its context to each record.
func Logged(next slog.Handler) slog.Handler { return logged{next} }

type logged struct{ slog.Handler }

// Handle implements slog.Handler.
func (l logged) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		r = r.Clone()
		r.AddAttrs(slog.String(traceKey, span.TraceID().String()), slog.String(spanKey, span.SpanID().String())) //nolint:sloglint // names of the schema
	}
	return l.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (l logged) WithAttrs(attrs []slog.Attr) slog.Handler {
	l.Handler = l.Handler.WithAttrs(attrs)
	return l
}

// WithGroup implements slog.Handler.
func (l logged) WithGroup(name string) slog.Handler {
	l.Handler = l.Handler.WithGroup(name)
	return l
}
