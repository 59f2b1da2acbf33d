package tenant

import (
	"encoding/json"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/length"
)

// checkLengths refuses what the platform sent about an instance if it is too long to be stored.
func (in Instance) checkLengths() error {
	if len(in.ControllerURI) > length.Address {
		return tooLong("the address of the controller")
	}
	return fit([]boundedText{
		{"the key", in.Key, length.Key},
		{"the instance ID", in.ID, length.ForeignID},
		{"the ID of the resource", in.RootID, length.ID},
		{"the version of the package", in.PackageVersion, length.Code},
	})
}

// checkLengths refuses what the platform sent about a tenant if it is too long to be stored. Names are shortened instead.
func (t Tenant) checkLengths() error {
	return fit([]boundedText{
		{"the key", t.InstanceKey, length.Key},
		{"the ID of the resource", t.ID, length.ID},
		{"the ID of the account", t.AccountID, length.ForeignID},
		{"the ID of the subscription", t.SubscriptionID, length.ForeignID},
		{"directory", t.Directory, length.Directory},
	})
}

// checkSetting refuses a setting that is too long to be stored.
func checkSetting(name string, value any) error {
	if text, err := json.Marshal(value); err != nil || len(text) > length.Setting {
		return tooLong(name)
	}
	return nil
}

// A boundedText is a text with the most characters that it may have.
type boundedText struct {
	name, text string
	characters int
}

func fit(texts []boundedText) error {
	for _, t := range texts {
		if !length.Fits(t.text, t.characters) {
			return tooLong(t.name)
		}
	}
	return nil
}

func tooLong(name string) error {
	return failure.New(failure.BadRequest, "reason", name+" is too long")
}

func shortName(name string) string { return length.Shorten(PlainName(name), length.Name) }
