package torture

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
	"time"
)

// lookDoorWithin bounds one look through a door.
const lookDoorWithin = 10 * time.Second

// doors returns the addresses on which a replica says that it listens, by the name of the door.
func (o *replica) doors() (map[string]string, error) {
	content, err := os.ReadFile(o.log)
	if err != nil {
		return nil, fmt.Errorf("reading a log: %w", err)
	}
	found := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(content))
	for lines.Scan() && len(found) < 3 {
		var record struct{ Msg, Door, Address string }
		if json.Unmarshal(lines.Bytes(), &record) == nil && record.Msg == "listening" {
			found[record.Door] = record.Address
		}
	}
	if len(found) < 3 {
		return nil, fmt.Errorf("%s tells of the doors %v, want three", o.log, found)
	}
	return found, nil
}

// examineDoors looks for secrets in what living replicas show and in how they refuse what holds one: metrics, pages, error
// bodies. Where no replica lives there is nothing to look at.
func (r *Rig) examineDoors(ctx context.Context) error {
	s := newScanner(r.secrets)
	asked := url.QueryEscape(r.secrets[len(r.secrets)-1].value)
	var errs []error
	for _, one := range r.living() {
		doors, err := one.doors()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, look := range []struct {
			door, path string
			want       int
		}{
			{"private", "/metrics", http.StatusOK},
			{"onboarding", "/callback?state=" + asked + "&code=" + asked, http.StatusOK}, // leads on to a page
			{"onboarding", "/consent/" + asked, http.StatusNotFound},
			{"hooks", "/aps/tenant/" + r.tenants[0] + "/redeem?code=" + asked, http.StatusUnauthorized},
		} {
			body, err := lookThrough(ctx, "http://"+doors[look.door]+look.path, look.want)
			if err != nil {
				errs = append(errs, fmt.Errorf("looking through the door %s: %w", look.door, err))
			} else if s.holds(body) {
				errs = append(errs, fmt.Errorf("a secret is in an answer of the door %s", look.door))
			}
			r.count("pages, metrics and refusals looked through", 1)
		}
	}
	return errors.Join(errs...)
}

func lookThrough(ctx context.Context, address string, want int) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, lookDoorWithin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", errors.New("making a request: bad address")
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", errors.New("no answer")
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return "", fmt.Errorf("reading the answer: %w", err)
	}
	if answer.StatusCode != want {
		return "", fmt.Errorf("the status is %d, want %d", answer.StatusCode, want)
	}
	return string(body), nil
}
