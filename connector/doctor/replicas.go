package doctor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/store"
)

// replicas compares the settings of the running replicas with each other and with those that the doctor reads. What they have
// recorded are fingerprints.
func (e *examination) replicas(ctx context.Context, services *app.Services, cfg config.Config) {
	const check = "replicas"
	running, err := services.Store.Replicas(ctx)
	if err != nil {
		e.fail(check, sentence(err), "")
		return
	}
	if len(running) == 0 {
		e.ok(check, "none runs with this database")
		return
	}
	ours, err := services.Fingerprints(cfg)
	if err != nil {
		e.fail(check, sentence(err), "")
		return
	}
	agreed := true
	for _, other := range running[1:] {
		if names := differing(running[0].Settings, other.Settings); len(names) > 0 {
			agreed = false
			e.fail(check, fmt.Sprintf("%s and %s run with different settings: %s.", named(running[0]), named(other), strings.Join(names, ", ")),
				"Give all replicas the same configuration and restart those that have another one.")
		}
		if other.Version != running[0].Version {
			agreed = false
			e.warn(check, fmt.Sprintf("%s runs version %s, %s runs version %s.", named(running[0]), running[0].Version, named(other), other.Version),
				"Finish the upgrade.")
		}
	}
	for _, r := range running {
		if names := differing(r.Settings, ours); len(names) > 0 {
			agreed = false
			e.warn(check, fmt.Sprintf("%s runs with other settings than these: %s.", named(r), strings.Join(names, ", ")),
				"If these are the right ones, restart it. Else run the doctor with the configuration and the environment of the replicas.")
		}
	}
	if agreed {
		e.ok(check, "%s with these settings: %s", runs(len(running)), strings.Join(namesOf(running), ", "))
	}
}

// differing returns the names of the settings that differ. One that only another version of the program knows does not.
func differing(a, b map[string]string) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if value, known := b[name]; known && value != a[name] {
			names = append(names, name)
		}
	}
	return names
}

// named returns what people call a replica: several may run on one machine.
func named(r store.Replica) string { return fmt.Sprintf("%s (%s)", r.Host, r.ID[:min(8, len(r.ID))]) }

func namesOf(replicas []store.Replica) []string {
	names := make([]string, len(replicas))
	for i, r := range replicas {
		names[i] = named(r)
	}
	return names
}

func runs(n int) string {
	if n == 1 {
		return "1 runs"
	}
	return fmt.Sprintf("%d run", n)
}
