package microsoft

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// hintLength is how many characters of a secret Graph tells (docs/reference/microsoft-identity.md §6.6).
const hintLength = 3

// CredentialEnds implements token.Microsoft. It recognises a secret by its first characters; where two secrets of the
// registration begin alike and end at different times, it does not know.
func (c *Client) CredentialEnds(ctx context.Context, client tenant.Client, graphToken secret.Text) map[string]time.Time {
	if client.Application.Secret.Value.Empty() && client.Application.NextSecret.Value.Empty() {
		return nil // a certificate has its end in itself
	}
	r, err := c.resolve(client)
	if err != nil {
		return nil
	}
	address := r.profile.Graph.BaseURL + "/v1.0/applications(appId='" + r.Application.ID + "')?$select=passwordCredentials"
	req, f := apiRequest(ctx, token.Graph, address, graphToken)
	if f != nil {
		return nil
	}
	answer, f := c.get(c.probeHTTP, req)
	if f != nil || answer.status != http.StatusOK {
		c.log.LogAttrs(ctx, slog.LevelDebug, "reading the ends of credentials failed",
			slog.String("directory", r.DirectoryID), slog.Int("status", answer.status))
		return nil
	}
	var application struct {
		Secrets []struct {
			Hint string    `json:"hint"`
			Ends time.Time `json:"endDateTime"`
		} `json:"passwordCredentials"`
	}
	if answer.tooLong || json.Unmarshal(answer.body(), &application) != nil {
		return nil
	}
	ends := map[string]time.Time{}
	for _, name := range []string{tenant.SecretName, tenant.NextSecretName} {
		value, known, unclear := client.Application.Slot(name).Value.Reveal(), time.Time{}, false
		for _, listed := range application.Secrets {
			if len(listed.Hint) != hintLength || !strings.HasPrefix(value, listed.Hint) {
				continue
			}
			unclear = unclear || !known.IsZero() && !known.Equal(listed.Ends)
			known = listed.Ends
		}
		if !unclear && !known.IsZero() {
			ends[name] = known.UTC()
		}
	}
	return ends
}
