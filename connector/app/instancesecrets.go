package app

import (
	"context"
	"errors"
	"fmt"

	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/tenant"
)

// CheckSecrets returns a warning for each instance whose secret is weak, and an error for those that the database does not know
// yet: a new instance can have a strong one.
func CheckSecrets(ctx context.Context, s *store.Store, instances []config.Instance) (warnings []string, err error) {
	for i, in := range instances {
		weakness := config.Weakness(in.Secret)
		if weakness == "" {
			continue
		}
		stored, readErr := s.Instance(ctx, in.Key)
		switch {
		case readErr != nil && !errors.Is(readErr, tenant.ErrNotFound):
			return nil, readErr
		case readErr != nil || !stored.RemovedAt.IsZero():
			err = errors.Join(err, fmt.Errorf("instances[%d].secret is too weak for a new instance: %s", i, weakness))
		default:
			warnings = append(warnings, fmt.Sprintf("instances[%d].secret is weak: %s. Replace it (connector register --rotate).", i, weakness))
		}
	}
	return warnings, err
}
