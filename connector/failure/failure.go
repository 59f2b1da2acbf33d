// Package failure is the one error type of the product: a code that handlers translate, parameters for people, and a
// cause for the log.
package failure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"azure-partner-connector/connector/length"
)

// A Kind says what can be done about a failure (docs/reference/microsoft-identity.md §3.6). Refusals of a caller's own
// request have no kind.
type Kind string

// The kinds of failure.
const (
	SignIn        Kind = "signin"        // a person must sign in again
	Configuration Kind = "configuration" // a setting must change
	Transient     Kind = "transient"     // a later retry succeeds
	Internal      Kind = "internal"      // a defect in this product
)

// An Error is a failure that handlers translate. It is immutable once returned.
type Error struct {
	Code Code
	// Params fill the placeholders of the sentence and the advice. They are shown to people, so they contain no
	// secrets.
	Params map[string]string
	// Advised is what to do, in English, where the advice of the code does not fit; else empty. It is for the answer to a request,
	// and is not stored.
	Advised string
	// Microsoft is what Microsoft answered, if it refused; for the history and for support tickets.
	Microsoft *Evidence
	// RetryAfter is how long the caller should wait before the same request; 0 when that is unknown.
	RetryAfter time.Duration
	// Cause is for the log and is never shown.
	Cause error
}

// Evidence is what Microsoft answered about a refusal (docs/reference/microsoft-identity.md §3.5).
type Evidence struct {
	Error         string `json:"error,omitempty"`
	SubError      string `json:"suberror,omitempty"`
	Code          string `json:"code,omitempty"` // AADSTS or Partner Center code, digits only
	TraceID       string `json:"traceId,omitempty"`
	CorrelationID string `json:"correlationId,omitempty"`
	Status        int    `json:"status,omitempty"`
	// RetryAfterSeconds is how long Microsoft asked us to wait; 0 when it did not.
	RetryAfterSeconds int `json:"retryAfterSeconds,omitempty"`
}

// New returns a failure with code; pairs are the names and values of its params. It panics on an odd number of them.
func New(code Code, pairs ...string) *Error {
	return &Error{Code: code, Params: params(pairs)}
}

// Wrap returns a failure with code caused by cause; pairs are as for New.
func Wrap(cause error, code Code, pairs ...string) *Error {
	return &Error{Code: code, Params: params(pairs), Cause: cause}
}

func params(pairs []string) map[string]string {
	if len(pairs)%2 != 0 {
		panic("failure: params come in pairs of name and value")
	}
	m := make(map[string]string, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

// Advise returns e with other advice than that of its code, which is in English only.
func (e *Error) Advise(advice string) *Error {
	advised := *e
	advised.Advised = advice
	return &advised
}

// Unretried returns e for an answer to a request that nobody repeats but its caller: what a renewal is retried after is advised to be
// repeated.
func (e *Error) Unretried() *Error {
	switch e.Code {
	case MicrosoftUnavailable, MicrosoftThrottled, MicrosoftAnswer:
		if e.Advised == "" {
			return e.Advise("Repeat the request later. If this continues, give the reference to the operator.")
		}
	}
	return e
}

// From returns the *Error in err's chain, or an internal failure with err as its cause. It returns nil for nil.
func From(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return Wrap(err, InternalError)
}

// Is reports whether err is a failure with code.
func Is(err error, code Code) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Code == code
}

// Error implements error: code, params and cause, for the log.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(string(e.Code))
	for _, name := range slices.Sorted(maps.Keys(e.Params)) {
		fmt.Fprintf(&b, " %s=%q", name, e.Params[name])
	}
	if m := e.Microsoft; m != nil {
		fmt.Fprintf(&b, " microsoft_error=%q microsoft_code=%q trace_id=%q correlation_id=%q", m.Error, m.Code, m.TraceID, m.CorrelationID)
	}
	if e.Cause != nil {
		fmt.Fprintf(&b, ": %v", e.Cause)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Kind returns the kind of e's code; empty for refusals of a request.
func (e *Error) Kind() Kind { return e.Code.message().kind }

// Status returns the HTTP status of e's code.
func (e *Error) Status() int { return e.Code.message().status }

// Sentence returns what happened and what was seen, in English.
func (e *Error) Sentence() string { return Fill(e.Code.message().sentence, e.Params) }

// Advice returns what to do, in English.
func (e *Error) Advice() string { return Fill(cmp.Or(e.Advised, e.Code.message().advice), e.Params) }

// Retryable reports whether the same request may succeed a little later, although nothing changes meanwhile.
func (e *Error) Retryable() bool { return e.Kind() == Transient || e.Code == TooManyRequests }

// Fill replaces every __name__ in text by params[name] and leaves names without a param as they are. The platform's own
// translations use the same form (docs/reference/aps-ui.md §2.7).
func Fill(text string, params map[string]string) string {
	pairs := make([]string, 0, 2*len(params))
	for name, value := range params {
		pairs = append(pairs, "__"+name+"__", value)
	}
	return strings.NewReplacer(pairs...).Replace(text) // at once: a value may contain the name of another one
}

type referenceKey struct{}

// WithReference returns a context that carries reference, a correlation id that people and logs share.
func WithReference(ctx context.Context, reference string) context.Context {
	return context.WithValue(ctx, referenceKey{}, reference)
}

// Reference returns the correlation id in ctx, or "" when there is none.
func Reference(ctx context.Context) string {
	reference, _ := ctx.Value(referenceKey{}).(string)
	return reference
}

// A Record is a stored failure, without its cause.
type Record struct {
	Code      Code              `json:"code"`
	Params    map[string]string `json:"params,omitempty"`
	Reference string            `json:"reference,omitempty"`
	Microsoft *Evidence         `json:"microsoft,omitempty"`
	Advised   string            `json:"-"` // as Error has it
}

// maxParams is how many params of a failure a record keeps.
const maxParams = 8

// NewRecord returns the record of err, which must not be nil, with the reference of ctx. Texts that are too long to be stored are
// shortened.
func NewRecord(ctx context.Context, err error) *Record {
	e := From(err)
	return &Record{
		Code: e.Code, Params: length.ShortenAll(e.Params, maxParams, length.Name), Reference: length.Shorten(Reference(ctx), length.ID),
		Microsoft: e.Microsoft.bounded(), Advised: e.Advised,
	}
}

func (e *Evidence) bounded() *Evidence {
	if e == nil {
		return nil
	}
	short := *e
	for _, text := range []*string{&short.Error, &short.SubError, &short.Code, &short.TraceID, &short.CorrelationID} {
		*text = length.Shorten(*text, length.ID)
	}
	return &short
}

// Is reports whether r, which may be nil, is of a failure with code.
func (r *Record) Is(code Code) bool { return r != nil && r.Code == code }

// Error returns the failure that r stores; its Cause is nil.
func (r *Record) Error() *Error {
	return &Error{Code: r.Code, Params: r.Params, Microsoft: r.Microsoft, Advised: r.Advised}
}

// A View is a failure as our own protocols tell it in JSON.
type View struct {
	Code      Code      `json:"code"`
	Kind      Kind      `json:"kind"`
	Message   string    `json:"message"`
	Advice    string    `json:"advice"`
	Reference string    `json:"reference"`
	Microsoft *Evidence `json:"microsoft"`
}

// View returns r as our own protocols tell it.
func (r *Record) View() View {
	f := r.Error()
	return View{r.Code, f.Kind(), f.Sentence(), f.Advice(), r.Reference, r.Microsoft}
}

// retryAfter is when a caller should ask again where Microsoft does not say it.
const retryAfter = 30 * time.Second

// RetrySeconds returns in how many seconds a caller should repeat a request that failed for a transient reason.
func (e *Error) RetrySeconds() int {
	wait := e.RetryAfter
	if e.Microsoft != nil {
		wait = max(wait, time.Duration(e.Microsoft.RetryAfterSeconds)*time.Second)
	}
	if wait <= 0 {
		wait = retryAfter
	}
	return int(math.Ceil(wait.Seconds()))
}
