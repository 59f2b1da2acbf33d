package torture

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A Scale says how hard a run tries.
type Scale struct {
	// Repeats is how often a replica is killed at each step of a renewal, and asked to stop in the middle of some.
	Repeats int
	// Storm is how long replicas are killed, one every second, and StormRenewals how many renewals there must be at
	// least by then; it lasts until both are reached.
	Storm         time.Duration
	StormRenewals int
	// Blows is how often each thing is done to a database: kill it, cut its connections, fill its disk, slow it down.
	Blows int
	// Periods is how often all tenants are renewed while Microsoft or the clocks are at fault.
	Periods int
	// ClusterBlows is how often a node of a cluster is killed, cut off or frozen, in turn.
	ClusterBlows int
}

// Short is for the test: it shows that the harness works, and finds what breaks often.
func Short() Scale {
	return Scale{Repeats: 2, Storm: 8 * time.Second, StormRenewals: 100, Blows: 2, Periods: 2, ClusterBlows: 2}
}

// Full is what the reliability of a release rests on. It takes most of an hour on two processors.
func Full() Scale {
	return Scale{Repeats: 50, Storm: 10 * time.Minute, StormRenewals: 10000, Blows: 20, Periods: 10, ClusterBlows: 27}
}

// A Result is what came of a scenario.
type Result struct {
	Scenario string
	Renewals int
	Numbers  map[string]int // what was done, and how often
	Took     time.Duration
	Err      error // what does not hold; nil when everything does
}

// String is one line.
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

// A Scenario is one way to torment a rig.
type Scenario struct {
	Name string
	run  func(ctx context.Context, g *Ground, s Scale) (*Rig, error)
}

// Scenarios returns all of them.
func Scenarios() []Scenario {
	return []Scenario{
		{"cluster tormented", clusterTormented},
		{"killed at every step", killedAtSteps},
		{"killed every second", storm},
		{"stopped midway", stoppedMidway},
		{"Microsoft down", microsoftDown},
		{"Microsoft throttles", throttled},
		{"answers lost", answersLost},
		{"clocks apart", clocksApart},
		{"database killed", databaseKilled},
		{"connections cut", connectionsCut},
		{"commits slow", commitsSlow},
		{"disk full", diskFull},
		{"disk full of SQLite", fileFull},
	}
}

// Run runs the scenario and examines what is left. The error of the Result says what does not hold.
func (c Scenario) Run(ctx context.Context, g *Ground, s Scale) Result {
	result, began := Result{Scenario: c.Name}, time.Now()
	r, err := c.run(ctx, g, s)
	if r != nil {
		var found error
		if err == nil {
			result.Renewals, found = r.Examine(ctx)
		}
		err = errors.Join(err, found, r.Close())
		result.Numbers = r.numbers
	}
	result.Err, result.Took = err, time.Since(began)
	return result
}
