package chaos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"azure-partner-connector/connector/store/storetest/dbserver"
)

// A Scale says how much a run injects.
type Scale struct {
	// Repeats is how often a replica is killed at each step of a renewal, and how often one is asked to stop during renewals.
	Repeats int
	// Kills is how often a replica is killed under load, and KillRenewals how many renewals there must be. The scenario
	// lasts until both are reached.
	Kills        int
	KillRenewals int
	// Faults is how often each fault is injected into a database: killed, connections dropped, disk full, commits blocked.
	Faults int
	// Periods is how often all tenants are renewed while Microsoft or the clocks are at fault, or a listener is flooded.
	Periods int
	// ClusterFaults is how often a node of a Galera cluster is killed, disconnected or frozen, in turn, and GroupFaults how often
	// a member of a group is. Three are each fault once, nine each fault on each node.
	ClusterFaults int
	GroupFaults   int
	// ClockErrors is in how many ways clocks are set wrong, and ClockPeriods how many true periods pass after each.
	ClockErrors  int
	ClockPeriods int
	// Contention is how often each worker asks for a lease that others want.
	Contention int
}

// Short returns the scale of the package's test, which shows that the harness works and finds frequent faults.
func Short() Scale {
	return Scale{Repeats: 2, Kills: 8, KillRenewals: 100, Faults: 2, Periods: 2, ClusterFaults: 2, GroupFaults: 3, ClockErrors: 4, ClockPeriods: 2, Contention: 20}
}

// Full returns the scale on which a release is judged. It takes at most an hour and a half on two processors.
func Full() Scale {
	return Scale{Repeats: 20, Kills: 150, KillRenewals: 4000, Faults: 10, Periods: 10, ClusterFaults: 9, GroupFaults: 6, ClockErrors: 30, ClockPeriods: 10, Contention: 60}
}

// A Result is the outcome of a scenario.
type Result struct {
	Scenario string
	Renewals int
	Numbers  map[string]int // what was done → how often
	Took     time.Duration
	Err      error // all violations; nil when there is none
}

// String returns the result as one line.
func (r Result) String() string {
	verdict := "holds"
	if r.Err != nil {
		verdict = "BROKEN"
	}
	parts := []string{fmt.Sprintf("%-22s %-6s %6d renewals in %s", r.Scenario, verdict, r.Renewals, r.Took.Round(time.Second))}
	for _, what := range slices.Sorted(maps.Keys(r.Numbers)) {
		parts = append(parts, fmt.Sprintf("%s: %d", what, r.Numbers[what]))
	}
	return strings.Join(parts, "; ")
}

// A Scenario injects one kind of fault into a deployment.
type Scenario struct {
	Name   string
	flavor dbserver.Flavor // of the only server that it is about; nil: it runs on any
	run    func(ctx context.Context, e *Env, s Scale) (*Deployment, error)
}

// Scenarios returns all scenarios. Those that wait most come first.
func Scenarios() []Scenario {
	return []Scenario{
		{"Galera faults", dbserver.MariaDB{}, galeraFaults},
		{"multi-primary faults", dbserver.MySQL{}, multiPrimaryFaults},
		{"single-primary faults", dbserver.MySQL{}, singlePrimaryFaults},
		{"graceful stop", nil, gracefulStop},
		{"killed at each step", nil, killAtEachStep},
		{"killed under load", nil, killUnderLoad},
		{"Microsoft outage", nil, microsoftOutage},
		{"Microsoft throttling", nil, microsoftThrottling},
		{"responses lost", nil, responsesLost},
		{"clock skew", nil, clockSkew},
		{"wrong clocks", nil, wrongClocks},
		{"server read-only", nil, serverReadOnly},
		{"unsafe servers", nil, unsafeServers},
		{"spoiled rows", nil, spoiledRows},
		{"database killed", nil, databaseKilled},
		{"connections dropped", dbserver.MariaDB{}, connectionsDropped},
		{"commits blocked", dbserver.MariaDB{}, commitsBlocked},
		{"disk full", dbserver.MariaDB{}, diskFull},
		{"SQLite disk full", nil, sqliteDiskFull},
		{"listener flooded", nil, listenerFlooded},
	}
}

// ScenariosOn returns the scenarios that run on a kind of server.
func ScenariosOn(flavor dbserver.Flavor) []Scenario {
	return slices.DeleteFunc(Scenarios(), func(s Scenario) bool { return s.flavor != nil && s.flavor != flavor })
}

// Run runs the scenario and verifies the deployment. The error of the Result holds all violations.
func (c Scenario) Run(ctx context.Context, e *Env, s Scale) Result {
	result, began := Result{Scenario: c.Name}, time.Now()
	d, err := c.run(ctx, e, s)
	if d != nil {
		var violations error
		if err == nil {
			result.Renewals, violations = d.Verify(ctx)
		}
		err = errors.Join(err, violations, d.Close())
		result.Numbers = d.figures()
	}
	result.Err, result.Took = err, time.Since(began)
	return result
}
