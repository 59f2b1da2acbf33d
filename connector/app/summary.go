package app

import (
	"cmp"
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

const (
	// summaryEvery is how often every replica asks the database how all tenants are.
	summaryEvery = time.Minute
	// summaryShare bounds the part of the time in which it does: with very many tenants, it asks less often.
	summaryShare = 20
	// summaryTimeout bounds one such query.
	summaryTimeout = 50 * time.Second
)

// A summaryJob asks the database how all tenants are and offers the answer as metrics. Labels have no data of a tenant.
type summaryJob struct {
	tokens    *token.Service
	tenants   *tenant.Service
	ready     func(ctx context.Context) error
	instances []config.Instance
	now       func() time.Time

	mu        sync.Mutex // guards what follows
	notBefore time.Time  // by the process's own clock
	up        bool
	last      *token.Summary
	ends      []credentialEnd
	pauses    []token.Pause
}

// A credentialEnd is when a credential of an instance's application stops working.
type credentialEnd struct {
	instance, credential string
	ends                 time.Time
}

func (a *App) newSummaryJob() *summaryJob {
	j := &summaryJob{
		tokens: a.services.Tokens, tenants: a.services.Tenants, ready: a.services.Store.Ready, instances: a.cfg.Instances, now: a.now,
	}
	a.registry.MustRegister(j, buildInfo(a.version))
	return j
}

// run asks the database, unless the answer of the last time took so long that it is too early.
func (j *summaryJob) run(ctx context.Context) error {
	j.mu.Lock()
	early := time.Now().Before(j.notBefore)
	j.mu.Unlock()
	if early {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, summaryTimeout)
	defer cancel()
	began := time.Now()
	summary, err := j.tokens.Summary(ctx)
	var ends []credentialEnd
	var pauses []token.Pause
	if err == nil {
		pauses, err = j.tokens.Pauses(ctx)
	}
	if err == nil {
		ends = j.credentialEnds(ctx)
		err = j.ready(ctx)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.notBefore = time.Now().Add(summaryShare * time.Since(began))
	if j.up = err == nil; j.up {
		j.last, j.ends, j.pauses = &summary, ends, pauses
	}
	return err
}

// inEffect returns the pauses that were read last and have not ended.
func (j *summaryJob) inEffect() []token.Pause {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := j.now()
	return slices.DeleteFunc(slices.Clone(j.pauses), func(p token.Pause) bool { return !now.Before(p.Until) })
}

// paused says which renewals are paused, one line for each pause.
func (j *summaryJob) paused() string {
	var text strings.Builder
	for _, p := range j.inEffect() {
		fmt.Fprintf(&text, "renewals in %s are paused until %s\n", p.Scope(), p.Until.Format(time.RFC3339))
	}
	return text.String()
}

// credentialEnds returns the ends of the credentials of the installed instances, as far as they are known.
func (j *summaryJob) credentialEnds(ctx context.Context) []credentialEnd {
	var ends []credentialEnd
	for _, configured := range j.instances {
		in, err := j.tenants.Instance(ctx, configured.Key)
		if err != nil || !in.RemovedAt.IsZero() {
			continue
		}
		application := in.Settings.Application
		for _, name := range []string{tenant.CertificateName, tenant.NextCertificateName, tenant.SecretName, tenant.NextSecretName} {
			if c := application.Slot(name); !c.Value.Empty() && !c.Ends.IsZero() {
				ends = append(ends, credentialEnd{configured.Key, name, c.Ends})
			}
		}
	}
	return ends
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// What a summaryJob tells.
var (
	upDesc            = describe("connector_database_up", "1 when the database answered and accepted changes when it was last asked, else 0.")
	summaryAtDesc     = describe("connector_tenants_read_timestamp_seconds", "When the metrics about all tenants were read from the database.")
	tenantsDesc       = describe("connector_tenants", "Tenants of installed instances, by the state of their token.", "state")
	remainingDesc     = describe("connector_token_remaining_seconds", "How long the refresh tokens work that are stored, unless they are renewed.")
	endingDesc        = describe("connector_tokens_ending", "Stored refresh tokens that still work and end within some days unless they are renewed.", "days")
	firstEndDesc      = describe("connector_token_first_end_timestamp_seconds", "When the first of the stored refresh tokens ends, or ended.")
	dueDesc           = describe("connector_renewals_due", "Renewals that are due now.")
	overdueDesc       = describe("connector_renewal_overdue_seconds", "For how long the first of the due renewals has been due.")
	leasedDesc        = describe("connector_renewals_leased", "Renewals that a replica works at.")
	pausedDesc        = describe("connector_renewals_paused_until_timestamp_seconds", "When a pause of renewals by an operator ends; missing without a pause.", "cloud")
	lastSuccessDesc   = describe("connector_last_renewal_timestamp_seconds", "When a refresh token was last renewed, or obtained by a consent, in any replica.")
	lastExportDesc    = describe("connector_last_export_timestamp_seconds", "When refresh tokens were last exported, within the last week.")
	announcementsDesc = describe("connector_announcements_due", "Tenants and instances whose state waits to be announced to people and to the platform.")
	announceDesc      = describe("connector_announcement_overdue_seconds", "For how long the first of them has waited.")
	credentialDesc    = describe("connector_credential_end_timestamp_seconds", "When a credential of the application of an instance ends.", "instance_key", "credential")
)

// Describe implements prometheus.Collector.
func (j *summaryJob) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		upDesc, summaryAtDesc, tenantsDesc, remainingDesc, endingDesc, firstEndDesc, dueDesc, overdueDesc, leasedDesc, pausedDesc, lastSuccessDesc, lastExportDesc, announcementsDesc, announceDesc, credentialDesc,
	} {
		descs <- d
	}
}

// Collect implements prometheus.Collector. Until the database has answered once, it tells only whether it answers.
func (j *summaryJob) Collect(metrics chan<- prometheus.Metric) {
	j.mu.Lock()
	up, summary, ends := j.up, j.last, j.ends
	j.mu.Unlock()
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	gauge(upDesc, oneIf(up))
	if summary == nil {
		return
	}
	gauge(summaryAtDesc, unix(summary.At))
	for state, n := range summary.Tenants {
		gauge(tenantsDesc, float64(n), string(state))
	}
	buckets := map[float64]uint64{}
	for i, bound := range token.EndBounds() {
		buckets[bound.Seconds()] = uint64(summary.Ending[i])
		if bound > 0 { // the first one counts those that have ended
			gauge(endingDesc, float64(summary.Ending[i]-summary.Ending[0]), strconv.Itoa(int(bound/(24*time.Hour))))
		}
	}
	metrics <- prometheus.MustNewConstHistogram(remainingDesc, uint64(summary.Grants), summary.Remaining.Seconds(), buckets)
	if !summary.FirstEnd.IsZero() {
		gauge(firstEndDesc, unix(summary.FirstEnd))
	}
	gauge(dueDesc, float64(summary.Due))
	gauge(overdueDesc, summary.Overdue.Seconds())
	gauge(leasedDesc, float64(summary.Leased))
	for _, p := range j.inEffect() {
		gauge(pausedDesc, unix(p.Until), cmp.Or(p.Cloud, "all"))
	}
	if !summary.LastSuccess.IsZero() {
		gauge(lastSuccessDesc, unix(summary.LastSuccess))
	}
	if !summary.LastExport.IsZero() {
		gauge(lastExportDesc, unix(summary.LastExport))
	}
	gauge(announcementsDesc, float64(summary.Announcements))
	gauge(announceDesc, summary.AnnouncementsOverdue.Seconds())
	for _, c := range ends {
		gauge(credentialDesc, unix(c.ends), c.instance, c.credential)
	}
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// buildInfo is a metric that says which program runs. The build of a release knows its version, and not its revision.
func buildInfo(version string) prometheus.Collector {
	labels := prometheus.Labels{"version": version, "revision": "", "goversion": ""}
	if info, ok := debug.ReadBuildInfo(); ok {
		labels["version"], labels["goversion"] = cmp.Or(version, info.Main.Version), info.GoVersion
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				labels["revision"] = s.Value
			}
		}
	}
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "connector_build_info", Help: "1, with the version of the program in its labels.", ConstLabels: labels})
	g.Set(1)
	return g
}

// durationBuckets are the bounds, in seconds, of histograms of durations: from a read of the database to a call of Microsoft
// that ends by its timeout.
func durationBuckets() []float64 {
	return []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
}

// calls returns a function that measures the requests of an HTTP client.
func (a *App) calls(name, help string) func(host string, status int, d time.Duration) {
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: durationBuckets()}, []string{"host", "status"})
	a.registry.MustRegister(durations)
	return func(host string, status int, d time.Duration) {
		durations.WithLabelValues(host, strconv.Itoa(status)).Observe(d.Seconds())
	}
}

// databaseCalls returns a function that measures transactions, and statements outside them.
func (a *App) databaseCalls() func(operation string, err error, d time.Duration) {
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "connector_database_duration_seconds", Help: "Transactions of the database, and statements outside them, by result: ok or failed, when the database could not be used.",
		Buckets: durationBuckets(),
	}, []string{"operation", "result"})
	a.registry.MustRegister(durations)
	observers := map[string][2]prometheus.Observer{}
	for _, operation := range []string{"read", "write", "transaction"} {
		observers[operation] = [2]prometheus.Observer{durations.WithLabelValues(operation, "ok"), durations.WithLabelValues(operation, "failed")}
	}
	return func(operation string, err error, d time.Duration) {
		result := 0
		if failure.Is(err, failure.DatabaseUnavailable) { // others are refusals
			result = 1
		}
		observers[operation][result].Observe(d.Seconds())
	}
}
