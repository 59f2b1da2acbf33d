package tenant

import (
	"encoding/json"
	"errors"
	"slices"

	"azure-partner-connector/connector/failure"
)

// The values of Settings.MFARequest (docs/reference/microsoft-identity.md §2.2). Any other value is a JSON claims request.
const (
	MFARequestAMR = "amr"
	MFARequestOff = "off"
)

// DefaultCloud is the cloud of instances whose settings name none.
const DefaultCloud = "global"

func (s *Service) checkedSettings(instanceKey string, settings Settings) (Settings, error) {
	if settings.Cloud == "" {
		settings.Cloud = DefaultCloud
	}
	if !slices.Contains(s.cfg.Clouds, settings.Cloud) {
		return Settings{}, failure.New(failure.CloudUnknown, "cloud", settings.Cloud)
	}
	if err := errors.Join(checkSetting("mfaRequest", settings.MFARequest), checkSetting("borrowers", settings.Borrowers), checkBorrowers(settings.Borrowers, s.cfg.APIs(instanceKey))); err != nil {
		return Settings{}, err
	}
	switch settings.CustomerDirectories {
	case "":
		settings.CustomerDirectories = NoCustomers
	case NoCustomers, ListedCustomers, AnyCustomers:
	default:
		return Settings{}, failure.New(failure.BadRequest, "reason", "customerDirectories is none of none, listed, any")
	}
	switch settings.MFARequest {
	case "":
		settings.MFARequest = MFARequestAMR
	case MFARequestAMR, MFARequestOff:
	default:
		var claims map[string]any
		if err := json.Unmarshal([]byte(settings.MFARequest), &claims); err != nil || claims == nil {
			return Settings{}, failure.Wrap(err, failure.BadRequest, "reason", "mfaRequest is neither amr, off nor a JSON object")
		}
	}
	var err error
	settings.Application, err = settings.Application.checked(s.cfg.Now())
	return settings, err
}
