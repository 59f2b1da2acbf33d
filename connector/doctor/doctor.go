// Package doctor looks at a deployment, from its configuration to a tenant's refresh token, and tells what it saw and
// what to do.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/httpclient"
	"azure-partner-connector/connector/random"
)

// discoveryTimeout bounds the reading of a discovery document.
const discoveryTimeout = 30 * time.Second

// A Result says how a check ended.
type Result string

// The results.
const (
	OK      Result = "ok"
	Warning Result = "warning" // it works, but should not stay so, or could not be learned
	Failed  Result = "failed"
)

// A Finding is the outcome of one check. It holds no secret.
type Finding struct {
	Check  string `json:"check"`
	Result Result `json:"result"`
	Seen   string `json:"seen"`
	// Advice is what to do; empty when there is nothing to do.
	Advice string `json:"advice,omitempty"`
	// Fields are the keys and values under which the log tells more.
	Fields map[string]string `json:"fields,omitempty"`
}

// objection turns what was seen into a result that is not ok, and says what to do.
func (f *Finding) objection(r Result, advice string) {
	f.Result, f.Seen, f.Advice = r, f.Seen+".", advice
}

// String returns f as one line, its fields in brackets at the end.
func (f Finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-7s  %s: %s", f.Result, f.Check, f.Seen)
	if f.Advice != "" {
		b.WriteString(" " + f.Advice)
	}
	if len(f.Fields) > 0 {
		pairs := make([]string, 0, len(f.Fields))
		for _, name := range slices.Sorted(maps.Keys(f.Fields)) {
			pairs = append(pairs, name+"="+f.Fields[name])
		}
		b.WriteString(" [" + strings.Join(pairs, " ") + "]")
	}
	return b.String()
}

// A Report is what an examination found, in the order of the checks. A check that depends on one that failed is not in
// it.
type Report struct {
	// Reference is under which the log and the tenant's history tell more.
	Reference string    `json:"reference"`
	Findings  []Finding `json:"findings"`
}

// Count returns how many checks ended as r.
func (r Report) Count(result Result) int {
	n := 0
	for _, f := range r.Findings {
		if f.Result == result {
			n++
		}
	}
	return n
}

// Config is what a Doctor needs.
type Config struct {
	// Load reads the configuration; its error joins all that is wrong (config.Load). Required.
	Load func() (config.Config, error)

	// Tenant is the tenant to examine besides the deployment: its id, or its name or directory where only one has it.
	// Default: none.
	Tenant string

	// Tell is told of every finding at once. Default: nobody is.
	Tell func(Finding)

	// HTTP reads discovery documents; it must not follow redirects. Default: one that gives up after 30 s.
	HTTP *http.Client

	// Now is the clock that is compared with Microsoft's. Default: time.Now.
	Now func() time.Time

	// Log returns what receives the rooms' records meanwhile, as the configuration says. Default: discard.
	Log func(config.Log) *slog.Logger
}

// A Doctor examines a deployment, also while it runs: it uses the same database, and of a tenant under examination the
// refresh token is renewed once, as Check Now on the screen does it. It changes nothing else.
type Doctor struct {
	cfg Config
}

// New checks cfg and fills in its defaults.
func New(cfg Config) (*Doctor, error) {
	if cfg.Load == nil {
		return nil, errors.New("doctor: a configuration is required")
	}
	if cfg.Tell == nil {
		cfg.Tell = func(Finding) {}
	}
	if cfg.HTTP == nil {
		var err error
		if cfg.HTTP, err = httpclient.New(httpclient.Config{Timeout: discoveryTimeout}); err != nil {
			return nil, err
		}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = func(config.Log) *slog.Logger { return slog.New(slog.DiscardHandler) }
	}
	return &Doctor{cfg}, nil
}

// Examine runs all checks in their order. What cannot be looked at because of a failed check is left out.
func (d *Doctor) Examine(ctx context.Context) Report {
	e := &examination{Config: d.cfg, report: Report{Reference: random.Reference()}, unreachable: map[string]bool{}}
	e.deployment(failure.WithReference(ctx, e.report.Reference))
	return e.report
}

// An examination is one run of the checks.
type examination struct {
	Config
	report      Report
	unreachable map[string]bool // names of the clouds whose sign-in service did not answer
}

func (e *examination) tell(f Finding) {
	e.report.Findings = append(e.report.Findings, f)
	e.Tell(f)
}

func (e *examination) ok(check, format string, args ...any) {
	e.tell(Finding{Check: check, Result: OK, Seen: fmt.Sprintf(format, args...)})
}

func (e *examination) warn(check, seen, advice string) {
	e.tell(Finding{Check: check, Result: Warning, Seen: seen, Advice: advice})
}

func (e *examination) fail(check, seen, advice string) {
	e.tell(Finding{Check: check, Result: Failed, Seen: seen, Advice: advice})
}

// refused tells of an error, with what the log shows of it. An error that is nobody's refusal is told as it is: who
// reads this may read the log as well.
func (e *examination) refused(check string, result Result, err error, fields map[string]string) {
	f := failure.From(err)
	finding := Finding{Check: check, Result: result, Seen: f.Sentence(), Advice: f.Advice(), Fields: e.fields(f, fields)}
	switch {
	case f.Code == failure.InternalError:
		finding.Seen, finding.Advice = err.Error()+".", ""
	case f.Cause != nil:
		finding.Seen += " (" + f.Cause.Error() + ")"
	}
	e.tell(finding)
}

// fields are the keys and values that records of f have in the log.
func (e *examination) fields(f *failure.Error, more map[string]string) map[string]string {
	fields := map[string]string{"reference": e.report.Reference}
	maps.Copy(fields, more)
	if f == nil {
		return fields
	}
	fields["code"], fields["kind"] = string(f.Code), string(f.Kind())
	if m := f.Microsoft; m != nil {
		fields["microsoft_code"], fields["trace_id"], fields["correlation_id"] = m.Code, m.TraceID, m.CorrelationID
	}
	maps.DeleteFunc(fields, func(_, value string) bool { return value == "" })
	return fields
}
