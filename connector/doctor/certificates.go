package doctor

import (
	"fmt"
	"time"

	"azure-partner-connector/connector/certificate"
	"azure-partner-connector/connector/config"
)

// certificates checks the certificates of the listeners that have one, as the files are now. A running connector that could not
// read them serves the ones before.
func (e *examination) certificates(cfg config.Config) {
	for _, listener := range []struct {
		name string
		tls  config.TLS
	}{{"hooks", cfg.Hooks.TLS}, {"onboarding", cfg.Onboarding.TLS}, {"api", cfg.API.TLS}, {"egress", cfg.Egress.TLS}} {
		if !listener.tls.Enabled() {
			continue
		}
		check := "certificate " + listener.name
		replace := fmt.Sprintf("Replace the files %[1]s.tls.certFile and %[1]s.tls.keyFile. A running connector serves new ones within a minute.", listener.name)
		pair, err := certificate.Load(certificate.Config{CertFile: listener.tls.CertFile, KeyFile: listener.tls.KeyFile})
		if err != nil {
			e.fail(check, sentence(err), replace)
			continue
		}
		now, ends := e.Now(), pair.Ends()
		on := ends.UTC().Format(time.RFC3339)
		left := count(int(ends.Sub(now)/(24*time.Hour)), "day")
		switch {
		case !now.Before(ends):
			e.fail(check, fmt.Sprintf("It ended on %s.", on), replace)
		case pair.EndsSoon(now):
			e.warn(check, fmt.Sprintf("It ends in %s, on %s.", left, on), replace)
		default:
			e.ok(check, "ends in %s, on %s", left, on)
		}
	}
}
