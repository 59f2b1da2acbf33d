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
// yet: a new instance can have a strong one. The previous secret signs, too. That of a known instance may be weak: it is being
// replaced, and Load warns of it.
func CheckSecrets(ctx context.Context, s *store.Store, instances []config.Instance) (warnings []string, err error) {
	for i, in := range instances {
		which, weakness := "secret", config.Weakness(in.Secret)
		if weakness == "" && !in.PreviousSecret.Empty() {
			which, weakness = "previousSecret", config.Weakness(in.PreviousSecret)
		}
		if weakness == "" {
			continue
		}
		stored, readErr := s.Instance(ctx, in.Key)
		switch {
		case readErr != nil && !errors.Is(readErr, tenant.ErrNotFound):
			return nil, readErr
		case readErr != nil || !stored.RemovedAt.IsZero():
			err = errors.Join(err, fmt.Errorf("instances[%d].%s is too weak for a new instance: %s", i, which, weakness))
		case which == "secret":
			warnings = append(warnings, fmt.Sprintf("instances[%d].secret is weak: %s. Replace it (connector register --rotate).", i, weakness))
		}
	}
	return warnings, err
}
