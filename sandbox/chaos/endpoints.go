package chaos

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
)

// addresses returns where a replica listens, by the name of the listener.
func (r *replica) addresses() (map[string]string, error) {
	content, err := os.ReadFile(r.logFile)
	if err != nil {
		return nil, fmt.Errorf("reading a log: %w", err)
	}
	byListener := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() && len(byListener) < 3 {
		var record struct{ Msg, Listener, Address string }
		if json.Unmarshal(lines.Bytes(), &record) == nil && record.Msg == "listening" {
			byListener[record.Listener] = record.Address
		}
	}
	if len(byListener) < 3 {
		return nil, fmt.Errorf("%s has the listeners %v, want three", r.logFile, byListener)
	}
	return byListener, nil
}

// verifyEndpoints searches the metrics, the pages and the error bodies of running replicas for secrets, also in the
// refusals of requests that contain one.
func (d *Deployment) verifyEndpoints(ctx context.Context) error {
	s := newScanner(d.secrets)
	value := url.QueryEscape(d.secrets[len(d.secrets)-1].value)
	var errs []error
	for _, r := range d.running() {
		addresses, err := r.addresses()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, call := range []struct {
			listener, path string
			want           int
		}{
			{"private", "/metrics", http.StatusOK},
			{"onboarding", "/callback?state=" + value + "&code=" + value, http.StatusOK}, // redirects to a page
			{"onboarding", "/consent/" + value, http.StatusNotFound},
			{"hooks", "/aps/tenant/" + d.tenants[0] + "/redeem?code=" + value, http.StatusUnauthorized},
		} {
			body, err := get(ctx, "http://"+addresses[call.listener]+call.path, call.want)
			if err != nil {
				errs = append(errs, fmt.Errorf("calling the listener %s: %w", call.listener, err))
			} else if s.holds(body) {
				errs = append(errs, fmt.Errorf("a secret is in a response of the listener %s", call.listener))
			}
			d.count("pages, metrics and refusals searched", 1)
		}
	}
	return errors.Join(errs...)
}

// get returns the body of a response with the wanted status. The address contains a secret, so its errors omit it.
func get(ctx context.Context, address string, want int) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, waitLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return "", errors.New("creating a request: bad address")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", errors.New("no response")
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", fmt.Errorf("reading the response: %w", err)
	}
	if response.StatusCode != want {
		return "", fmt.Errorf("the status is %d, want %d", response.StatusCode, want)
	}
	return string(body), nil
}
