package register

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// askTimeout bounds how long the running connector may take to say its version.
const askTimeout = 10 * time.Second

// checkOrder asks the connector at our endpoint which version of the package it serves, before anything changes: the platform calls
// it while an instance is created or upgraded, and one of another version would refuse, or would not know the new types. A connector
// that cannot be reached from here may be reachable for the platform, so that is no error.
func (c *client) checkOrder(ctx context.Context, want version) error {
	running, err := c.runningVersion(ctx)
	switch {
	case err != nil:
		c.cfg.Progress(fmt.Sprintf("The connector at %s could not be asked for its version from here: %v", c.cfg.Endpoint, err))
	case want.newerThan(running):
		return fmt.Errorf("the connector at %s serves version %s of the package, and this program has %s: start this version of the connector first, then register", c.cfg.Endpoint, running, want)
	case running.newerThan(want):
		return fmt.Errorf("the connector at %s serves version %s of the package, and this program has only %s: register with the program that runs there", c.cfg.Endpoint, running, want)
	default:
		c.cfg.Progress(fmt.Sprintf("The connector at %s serves version %s", c.cfg.Endpoint, running))
	}
	return nil
}

// runningVersion returns what the connector says to whoever asks for its health.
func (c *client) runningVersion(ctx context.Context) (version, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.cfg.Endpoint+"/", nil)
	if err != nil {
		return version{}, fmt.Errorf("creating a request to the connector: %w", err)
	}
	answer, err := c.cfg.HTTP.Do(request)
	if err != nil {
		return version{}, err
	}
	defer answer.Body.Close()
	var health struct{ Version string }
	if answer.StatusCode == http.StatusOK {
		_ = json.NewDecoder(io.LimitReader(answer.Body, maxAnswer)).Decode(&health) // what is no JSON has no version
	}
	major, release, _ := strings.Cut(health.Version, "-")
	v := versionOf(numeral(major), numeral(release))
	if v == (version{}) {
		return version{}, fmt.Errorf("it answers %s without a version of the package", answer.Status)
	}
	return v, nil
}
