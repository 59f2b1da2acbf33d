package app

import (
	"context"

	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/seal"
	"azure-partner-connector/connector/store"
)

// OpenStore opens the database of a configuration with a ring of keys, and leaves the schema as it is: for commands that
// look after what is stored. Close it when done.
func OpenStore(ctx context.Context, cfg config.Config, keyring *seal.Keyring, opts Options) (*store.Store, error) {
	return openStore(ctx, cfg.Database, keyring, opts.withDefaults())
}
