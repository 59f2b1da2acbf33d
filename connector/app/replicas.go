package app

import (
	"context"
	"fmt"
	"os"
	"time"

	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/length"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/store"
)

const (
	// replicaEvery is how often this process records that it runs; store.Replicas waits for several times that.
	replicaEvery = time.Minute
	// replicaEnds bounds how long a process that ends takes to say so.
	replicaEnds = 2 * time.Second
	// fingerprintSize is how many characters of a keyed hash tell values apart.
	fingerprintSize = 16
)

// Fingerprints returns a fingerprint of each setting that must be the same in all replicas, by name. Whoever lacks the keys
// cannot find a value from one, not even by guessing.
func (s *Services) Fingerprints(cfg config.Config) (map[string]string, error) {
	fingerprints := map[string]string{}
	for name, value := range cfg.Shared() {
		hash, err := s.keyring.Hash("setting "+name, value.Reveal())
		if err != nil {
			return nil, err
		}
		fingerprints[name] = hash[:fingerprintSize]
	}
	return fingerprints, nil
}

// newReplica returns what this process records about itself.
func (a *App) newReplica(version string) (store.Replica, error) {
	host, err := os.Hostname()
	if err != nil {
		return store.Replica{}, fmt.Errorf("reading the name of this machine: %w", err)
	}
	settings, err := a.services.Fingerprints(a.cfg)
	return store.Replica{
		ID: random.ID(), Host: length.Shorten(host, length.Name), Version: length.Shorten(version, length.Name), Settings: settings,
	}, err
}

// touchReplica records that this process runs.
func (a *App) touchReplica(ctx context.Context) error {
	return a.services.Store.SaveReplica(ctx, a.replica)
}

// endReplica records that this process ends. If that fails, the others notice when its signs stop.
func (a *App) endReplica() {
	ctx, cancel := context.WithTimeout(context.Background(), replicaEnds)
	defer cancel()
	if err := a.services.Store.DeleteReplica(ctx, a.replica.ID); err != nil {
		a.log.DebugContext(ctx, "the end of this replica was not recorded", "err", err)
	}
}
