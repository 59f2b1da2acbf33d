package tenant

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/google/uuid"

	"azure-partner-connector/connector/failure"
)

// The ways of asking Microsoft for MFA (microsoft-identity.md §2.2); any other value is a JSON claims request.
const (
	MFARequestAMR = "amr"
	MFARequestOff = "off"
)

// DefaultCloud is used where an instance names none.
const DefaultCloud = "global"

func (s *Service) checkedSettings(settings Settings) (Settings, error) {
	if settings.Cloud == "" {
		settings.Cloud = DefaultCloud
	}
	if !slices.Contains(s.cfg.Clouds, settings.Cloud) {
		return Settings{}, failure.New(failure.CloudUnknown, "cloud", settings.Cloud)
	}
	switch settings.MFARequest {
	case "":
		settings.MFARequest = MFARequestAMR
	case MFARequestAMR, MFARequestOff:
	default:
		var claims map[string]any
		if err := json.Unmarshal([]byte(settings.MFARequest), &claims); err != nil {
			return Settings{}, failure.Wrap(err, failure.BadRequest, "reason", "mfaRequest is neither amr, off nor a JSON object")
		}
	}
	var err error
	settings.Application, err = settings.Application.checked()
	return settings, err
}

// checked returns a with its ID in canonical form, or says what is wrong with it.
func (a Application) checked() (Application, error) {
	if a.ID != "" {
		id, err := uuid.Parse(a.ID)
		if err != nil {
			return Application{}, failure.New(failure.ApplicationInvalid, "application", a.ID)
		}
		a.ID = id.String()
	}
	// The portal shows the secret's id, a GUID, beside its value, and people copy the wrong one (§7.3 pain 8).
	if _, err := uuid.Parse(strings.TrimSpace(a.Secret.Reveal())); err == nil {
		return Application{}, failure.New(failure.SecretIsID)
	}
	return a, nil
}

// keepSecret takes the stored secret where none was sent for the same application: the platform keeps no copy to send.
func (a *Application) keepSecret(stored Application) {
	if !a.Secret.Empty() || a.ID != stored.ID {
		return
	}
	a.Secret = stored.Secret
}

func (s *Settings) keepSecret(stored Settings) { s.Application.keepSecret(stored.Application) }
