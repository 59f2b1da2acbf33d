package config

import (
	"errors"
	"fmt"
	"time"

	"azure-partner-connector/connector/certificate"
)

// Ended returns an error that names every listener's certificate that has ended, and what to do. Load accepts them: most commands
// serve nothing.
func (c Config) Ended(now time.Time) error {
	var errs []error
	for _, l := range []struct {
		key string
		tls TLS
	}{{"hooks", c.Hooks.TLS}, {"onboarding", c.Onboarding.TLS}, {"api", c.API.TLS}, {"egress", c.Egress.TLS}} {
		if !l.tls.Enabled() {
			continue
		}
		pair, err := certificate.Load(certificate.Config{CertFile: l.tls.CertFile, KeyFile: l.tls.KeyFile})
		if err != nil {
			errs = append(errs, fmt.Errorf("%s.tls: %w", l.key, err))
		} else if ends := pair.Ends(); !now.Before(ends) {
			errs = append(errs, fmt.Errorf("%s.tls.certFile: the certificate ended on %s; replace %s and its key", l.key, ends.UTC().Format(time.RFC3339), l.tls.CertFile))
		}
	}
	return errors.Join(errs...)
}
