// Package doctor checks a deployment, from its configuration to a tenant's refresh token, and reports the results with advice.
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

// discoveryTimeout limits the reading of a discovery document.
const discoveryTimeout = 30 * time.Second

// A Result is the result of a check.
type Result string

// The results.
const (
	OK      Result = "ok"
	Warning Result = "warning" // works but needs attention, or could not be checked
	Failed  Result = "failed"
)

// A Finding is the outcome of one check. It contains no secret.
type Finding struct {
	Check  string `json:"check"`
	Result Result `json:"result"`
	// Seen says what the check saw.
	Seen string `json:"seen"`
	// Advice is what to do; empty when there is nothing to do.
	Advice string `json:"advice,omitempty"`
	// Fields are keys and values to search for in the log.
	Fields map[string]string `json:"fields,omitempty"`
}

// downgrade turns an ok finding into a warning or failure with an advice.
func (f *Finding) downgrade(r Result, advice string) {
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

// A Report has the findings of an examination, in the order of the checks. Checks that depend on a failed one are left out.
type Report struct {
	// Reference is the reference of the examination's records in the log and in the tenant's history.
	Reference string    `json:"reference"`
	Findings  []Finding `json:"findings"`
}

// Count returns how many checks ended with result.
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
	// Load reads the configuration; its error joins all problems (config.Load). Required.
	Load func() (config.Config, error)

	// Tenant is the tenant to examine besides the deployment: its ID, or its name or directory if only one tenant has it.
	// Default: none.
	Tenant string

	// OnFinding is called with every finding, after its check. Default: nothing happens.
	OnFinding func(Finding)

	// HTTP reads discovery documents; it must not follow redirects. Default: a client with a timeout of 30 s.
	HTTP *http.Client

	// Now is the clock, which is compared with Microsoft's. Default: time.Now.
	Now func() time.Time

	// Log returns the log for the connector's services, for the Log of the configuration. Default: discard.
	Log func(config.Log) *slog.Logger
}

// A Doctor examines a deployment through its database, also while the connector runs. It renews the refresh token of the
// examined tenant once, as Check Now on the screen does, and changes nothing else. It is safe for concurrent use.
type Doctor struct {
	cfg Config
}

// New checks cfg and fills in its defaults.
func New(cfg Config) (*Doctor, error) {
	if cfg.Load == nil {
		return nil, errors.New("doctor: a configuration is required")
	}
	if cfg.OnFinding == nil {
		cfg.OnFinding = func(Finding) {}
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

// Examine runs all checks in their order, except those that depend on a failed one. Failures are findings of the report.
func (d *Doctor) Examine(ctx context.Context) Report {
	defer d.cfg.HTTP.CloseIdleConnections() // a listener serves few connections of one client
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

func (e *examination) add(f Finding) {
	e.report.Findings = append(e.report.Findings, f)
	e.OnFinding(f)
}

func (e *examination) ok(check, format string, args ...any) {
	e.add(Finding{Check: check, Result: OK, Seen: fmt.Sprintf(format, args...)})
}

func (e *examination) warn(check, seen, advice string) {
	e.add(Finding{Check: check, Result: Warning, Seen: seen, Advice: advice})
}

func (e *examination) fail(check, seen, advice string) {
	e.add(Finding{Check: check, Result: Failed, Seen: seen, Advice: advice})
}

// failure adds a finding about an error.
func (e *examination) failure(check string, result Result, err error, fields map[string]string) {
	e.add(e.found(check, result, err, fields))
}

// found returns a finding about an error, with the fields that its records have in the log. It shows the text of an unexpected
// error, because people who run the doctor can read the log as well.
func (e *examination) found(check string, result Result, err error, fields map[string]string) Finding {
	f := failure.From(err)
	finding := Finding{Check: check, Result: result, Seen: f.Sentence(), Advice: f.Advice(), Fields: e.fields(f, fields)}
	switch {
	case f.Code == failure.InternalError:
		finding.Seen, finding.Advice = err.Error()+".", ""
	case f.Cause != nil:
		finding.Seen += " (" + f.Cause.Error() + ")"
	}
	return finding
}

// fields returns the keys and values that records about f have in the log.
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
