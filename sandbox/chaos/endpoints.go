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

// address returns where a replica listens with one of its listeners.
func (r *replica) address(listener string) (string, error) {
	all, err := r.addresses()
	return all[listener], err
}

// addresses returns where a replica listens, by the name of the listener.
func (r *replica) addresses() (map[string]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.listens == nil {
		listens, err := r.readAddresses()
		if err != nil {
			return nil, err
		}
		r.listens = listens
	}
	return r.listens, nil
}

// awaitAddresses is addresses for a replica that may have just started.
func (r *replica) awaitAddresses(ctx context.Context) (addresses map[string]string, err error) {
	err = await(ctx, "listeners", func(context.Context) (bool, error) {
		var notYet error
		addresses, notYet = r.addresses()
		return notYet == nil || r.hasExited(), nil
	})
	return addresses, err
}

func (r *replica) readAddresses() (map[string]string, error) {
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
		addresses, err := r.awaitAddresses(ctx)
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

// get returns the body of a response with the wanted status.
func get(ctx context.Context, address string, want int) (string, error) {
	status, body, err := request(ctx, address)
	if err == nil && status != want {
		err = fmt.Errorf("the status is %d, want %d", status, want)
	}
	return body, err
}

// request returns the status and the body of a response. The address contains a secret, so its errors omit it.
func request(ctx context.Context, address string) (status int, text string, err error) {
	ctx, cancel := context.WithTimeout(ctx, waitLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return 0, "", errors.New("creating a request: bad address")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", errors.New("no response")
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, "", fmt.Errorf("reading the response: %w", err)
	}
	return response.StatusCode, string(body), nil
}

// probe asks the replica whether it is ready.
func (r *replica) probe(ctx context.Context) (status int, text string, err error) {
	address, err := r.address("private")
	if err != nil {
		return 0, "", err
	}
	return request(ctx, "http://"+address+"/readyz")
}

// metrics returns the replica's metrics.
func (r *replica) metrics(ctx context.Context) (string, error) {
	address, err := r.address("private")
	if err != nil {
		return "", err
	}
	return get(ctx, "http://"+address+"/metrics", http.StatusOK)
}
