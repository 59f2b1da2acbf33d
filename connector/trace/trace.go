// Package trace records what a request or a renewal consists of, as spans of OpenTelemetry, and passes the trace on in the header
// traceparent. Without a provider, which is the default, it does nothing.
//
// What becomes an attribute must be fit for the log, because whoever reads traces need not be who may read secrets: names, IDs,
// codes and numbers; never an address, a header or a body.
package trace

import (
	"context"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"azure-partner-connector/connector/failure"
)

// A Provider makes spans and sends them to where they are collected.
type Provider = trace.TracerProvider

// scope names this program among those whose spans are collected.
const scope = "azure-partner-connector"

// An Attribute says something about a span.
type Attribute = attribute.KeyValue

// String returns an attribute that is a text. An empty one is left out.
func String(key, value string) Attribute { return attribute.String(key, value) }

// Int returns an attribute that is a number.
func Int(key string, value int) Attribute { return attribute.Int(key, value) }

type providerKey struct{}

// With returns a context whose background work, such as a renewal, begins a trace with Root. p may be nil: then it does not.
func With(ctx context.Context, p Provider) context.Context {
	if p == nil {
		return ctx
	}
	return context.WithValue(ctx, providerKey{}, p)
}

// A Span is a part of a trace. The zero Span records nothing.
type Span struct{ span trace.Span }

// Root begins a trace of background work, if the context has a provider.
func Root(ctx context.Context, name string, attributes ...Attribute) (context.Context, Span) {
	p, _ := ctx.Value(providerKey{}).(Provider)
	if p == nil {
		return ctx, Span{}
	}
	ctx, span := p.Tracer(scope).Start(ctx, name, trace.WithNewRoot(), trace.WithAttributes(given(attributes)...))
	return ctx, Span{span}
}

// Serve begins the span of a request from outside, with a header of which get returns the fields. It continues the trace of the
// caller if the caller is one that may have one.
func Serve(ctx context.Context, p Provider, name string, continues bool, get func(field string) string, attributes ...Attribute) (context.Context, Span) {
	if continues {
		ctx = propagation.TraceContext{}.Extract(ctx, fields{get: get})
	}
	ctx, span := p.Tracer(scope).Start(With(ctx, p), name, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(given(attributes)...))
	return ctx, Span{span}
}

// Start begins a span inside that of ctx, if there is one that is recorded.
func Start(ctx context.Context, name string, attributes ...Attribute) (context.Context, Span) {
	return start(ctx, name, trace.SpanKindInternal, attributes)
}

// Call begins the span of a call to another program, as Start does.
func Call(ctx context.Context, name string, attributes ...Attribute) (context.Context, Span) {
	return start(ctx, name, trace.SpanKindClient, attributes)
}

func start(ctx context.Context, name string, kind trace.SpanKind, attributes []Attribute) (context.Context, Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, Span{}
	}
	ctx, span := parent.TracerProvider().Tracer(scope).Start(ctx, name, trace.WithSpanKind(kind), trace.WithAttributes(given(attributes)...))
	return ctx, Span{span}
}

// Describe names the span of ctx and adds attributes to it, once a handler knows what the request is.
func Describe(ctx context.Context, name string, attributes ...Attribute) {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.SetName(name)
		span.SetAttributes(given(attributes)...)
	}
}

// Propagate hands the field traceparent of a request that belongs to the trace of ctx to set.
func Propagate(ctx context.Context, set func(field, value string)) {
	propagation.TraceContext{}.Inject(ctx, fields{set: set})
}

// Traced reports whether ctx belongs to a trace, recorded or not.
func Traced(ctx context.Context) bool { return trace.SpanContextFromContext(ctx).IsValid() }

// Add adds attributes.
func (s Span) Add(attributes ...Attribute) {
	if s.span != nil {
		s.span.SetAttributes(given(attributes)...)
	}
}

// End ends the span. A failure is recorded by its code, never by its text.
func (s Span) End(err error) {
	if s.span == nil {
		return
	}
	if err != nil {
		f := failure.From(err)
		s.span.SetAttributes(attribute.String("connector.failure", string(f.Code)), attribute.String("connector.failure.kind", string(f.Kind())))
		s.span.SetStatus(codes.Error, string(f.Code))
	}
	s.span.End()
}

// EndCall ends the span of a call, which failed or not. Why it failed is known to whoever made it.
func (s Span) EndCall(failed bool) {
	if s.span == nil {
		return
	}
	if failed {
		s.span.SetStatus(codes.Error, "")
	}
	s.span.End()
}

// fields are those of a header.
type fields struct {
	get func(field string) string
	set func(field, value string)
}

var _ propagation.TextMapCarrier = fields{}

// Get implements propagation.TextMapCarrier.
func (f fields) Get(field string) string { return f.get(field) }

// Set implements propagation.TextMapCarrier.
func (f fields) Set(field, value string) { f.set(field, value) }

// Keys implements propagation.TextMapCarrier; the form of the header that we use does not need it.
func (f fields) Keys() []string { return nil }

// given leaves out empty texts.
func given(attributes []Attribute) []Attribute {
	return slices.DeleteFunc(attributes, func(a Attribute) bool { return a.Value.Type() == attribute.STRING && a.Value.AsString() == "" })
}
