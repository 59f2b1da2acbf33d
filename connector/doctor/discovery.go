package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"azure-partner-connector/connector/failure"
)

const (
	// anyDirectory is the name for the directory of any organization in addresses (docs/reference/microsoft-identity.md §1.2).
	anyDirectory = "organizations"

	maxDocument = 1 << 20 // bytes; Microsoft's documents have about 2 kB
)

// A discovery is the part of a sign-in service's discovery document that is checked, with the service's time.
type discovery struct {
	issuer string

	// date is the time on the service's clock, in whole seconds; zero when the service sent none. The service sent it when
	// our clock was between before and after.
	date, before, after time.Time
}

// skew returns how far our clock is at least ahead of the service's, which has a resolution of a second; negative when it is
// behind.
func (d discovery) skew() time.Duration {
	switch {
	case d.before.Sub(d.date) > time.Second:
		return d.before.Sub(d.date)
	case d.date.After(d.after):
		return d.after.Sub(d.date)
	}
	return 0
}

// discover reads the discovery document of a directory, given by its GUID or as anyDirectory. With an error, the dates of the
// discovery may still be set.
func (e *examination) discover(ctx context.Context, authority, directory string) (discovery, error) {
	address := authority + "/" + url.PathEscape(directory) + "/v2.0/.well-known/openid-configuration"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return discovery{}, err
	}
	d := discovery{before: e.Now()}
	answer, err := e.HTTP.Do(request)
	if err != nil {
		return d, failure.Wrap(err, failure.MicrosoftUnavailable)
	}
	defer answer.Body.Close()
	d.after = e.Now()
	if date, err := http.ParseTime(answer.Header.Get("Date")); err == nil {
		d.date = date
	}
	switch {
	case answer.StatusCode == http.StatusBadRequest && directory != anyDirectory:
		return d, failure.New(failure.DirectoryUnknown, "directory", directory)
	case answer.StatusCode != http.StatusOK:
		return d, failure.Wrap(fmt.Errorf("%s returned HTTP status %d", address, answer.StatusCode), failure.MicrosoftUnavailable)
	}
	var document struct {
		Issuer string `json:"issuer"`
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxDocument)).Decode(&document); err != nil {
		return d, failure.Wrap(fmt.Errorf("%s did not return JSON", address), failure.MicrosoftAnswer)
	}
	if !strings.HasPrefix(document.Issuer, authority+"/") {
		return d, failure.Wrap(errors.New("the issuer does not begin with the address of the sign-in service"), failure.MicrosoftAnswer)
	}
	d.issuer = document.Issuer
	return d, nil
}
