package doctor

import (
	"slices"
	"strings"
	"time"

	"azure-partner-connector/connector/app"
	"azure-partner-connector/connector/config"
)

// federated shows what the app registration's federated credential must have, as the file of the token is now. Nothing of the
// token but its claims is shown.
func (e *examination) federated(cfg config.Config, services *app.Services) {
	const check = "federated token"
	if !slices.ContainsFunc(cfg.Instances, func(in config.Instance) bool { return in.Federated }) {
		return
	}
	seen, err := services.Microsoft.FederatedToken()
	if err != nil {
		e.failure(check, Failed, err, nil)
		return
	}
	e.ok(check, "issuer %q, subject %q, audience %q, ends %s; the app registration's federated credential must have the same three",
		seen.Issuer, seen.Subject, strings.Join(seen.Audience, " "), seen.Ends.Format(time.RFC3339))
}
