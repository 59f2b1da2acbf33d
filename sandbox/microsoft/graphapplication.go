package microsoft

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"
)

var applicationPath = regexp.MustCompile(`^applications\(appId='([0-9a-fA-F-]{36})'\)$`)

// graphApplication reads a registration of the caller's own directory with what is public of its credentials: the first
// characters of a secret, the thumbprint of a certificate, and the ends (docs/reference/microsoft-identity.md §6.6).
func (s *Simulator) graphApplication(w http.ResponseWriter, r *http.Request, who *caller) {
	match := applicationPath.FindStringSubmatch(r.PathValue("object"))
	if match == nil {
		graphError(w, http.StatusBadRequest, "BadRequest", "Resource not found for the segment.")
		return
	}
	if !who.may("Application.Read.All", "Directory.Read.All") {
		graphDenied(w)
		return
	}
	app := s.state.app(match[1])
	if app == nil || !strings.EqualFold(app.DirectoryID, who.directory.ID) {
		graphError(w, http.StatusNotFound, "Request_ResourceNotFound", "There is no such application in this directory.")
		return
	}
	id := func(name string) string { return uuid.NewSHA1(uuid.MustParse(app.ID), []byte(name)).String() }
	secrets, certificates := []map[string]any{}, []map[string]any{}
	for _, secret := range app.Secrets {
		hint, ends := any(secret.Value[:min(3, len(secret.Value))]), any(secret.Ends.UTC().Format(time.RFC3339))
		if secret.NoHint {
			hint = nil
		}
		if secret.Ends.IsZero() {
			ends = nil
		}
		secrets = append(secrets, map[string]any{
			"customKeyIdentifier": nil, "displayName": "Secret", "endDateTime": ends, "hint": hint,
			"keyId": id(secret.Value), "secretText": nil,
		})
	}
	for _, certificate := range app.Certificates {
		sum := sha1.Sum(certificate.Raw)
		certificates = append(certificates, map[string]any{
			"customKeyIdentifier": base64.StdEncoding.EncodeToString([]byte(strings.ToUpper(hex.EncodeToString(sum[:])))), "displayName": "Certificate",
			"endDateTime": certificate.NotAfter.UTC().Format(time.RFC3339), "key": nil, "keyId": id(string(sum[:])),
			"startDateTime": certificate.NotBefore.UTC().Format(time.RFC3339), "type": "AsymmetricX509Cert", "usage": "Verify",
		})
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"@odata.context": s.GraphURL() + "/v1.0/$metadata#applications(passwordCredentials,keyCredentials)/$entity",
		"appId":          app.ID, "passwordCredentials": secrets, "keyCredentials": certificates,
	})
}
