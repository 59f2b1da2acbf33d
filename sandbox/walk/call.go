package walk

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"azure-partner-connector/sandbox/platform"
)

// A refusal is the error of every refused hook (docs/reference/aps-protocol.md §1.6).
type refusal struct {
	Code    int    `json:"code"`
	Type    string `json:"error"`
	Message string `json:"message"`
	Details struct {
		Code string `json:"code"`
	} `json:"details"`
}

func (r *refusal) Error() string { return fmt.Sprintf("%d %s: %s", r.Code, r.Type, r.Message) }

// status is the part of tokenStatus that the screen shows.
type status struct {
	State       string     `json:"state"`
	DaysLeft    int        `json:"daysLeft"`
	ExpiresAt   *time.Time `json:"expiresAt"`
	MFA         string     `json:"mfa"`
	ConsentedBy *struct {
		Username string `json:"username"`
	} `json:"consentedBy"`
	LastRenewal *struct {
		At *time.Time `json:"at"`
		OK bool       `json:"ok"`
	} `json:"lastRenewal"`
	Failure *struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"failure"`
	APIs []struct {
		API   string `json:"api"`
		Works string `json:"works"`
	} `json:"apis"`
	Pending *struct {
		ConsentedBy struct {
			Username string `json:"username"`
		} `json:"consentedBy"`
	} `json:"pending"`
	Waiting *struct {
		ID          string `json:"id"`
		ConsentedBy struct {
			Username string `json:"username"`
		} `json:"consentedBy"`
		Replaces struct {
			Username string `json:"username"`
		} `json:"replaces"`
	} `json:"waiting"`
}

// call calls an operation as a user of the platform and reads the answer into out unless out is nil. A refusal is a
// *refusal.
func (w *walker) call(ctx context.Context, login, method, resourceID, operation string, body, out any) error {
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return err
		}
	}
	return read(w.world.As(ctx, login, method, resourceID, operation, content), out)
}

func read(answer platform.Answer, out any) error {
	if answer.Status >= http.StatusBadRequest {
		refused := &refusal{Code: answer.Status}
		if err := json.Unmarshal(answer.Body, refused); err != nil {
			return fmt.Errorf("answer %d is not JSON: %w", answer.Status, err)
		}
		return refused
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer.Body, out)
}

func (w *walker) status(ctx context.Context, login string) (status, error) {
	var st status
	err := w.call(ctx, login, http.MethodGet, w.world.TenantOf(login).ID, "tokenStatus", nil, &st)
	return st, err
}

// await polls a tenant's status until wanted returns true, for work that the connector does in the background.
func (w *walker) await(ctx context.Context, login, what string, wanted func(status) bool) (status, error) {
	ctx, cancel := context.WithTimeout(ctx, waitLimit)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		st, err := w.status(ctx, login)
		if err == nil && wanted(st) {
			return st, nil
		}
		select {
		case <-ctx.Done():
			return st, fmt.Errorf("timed out waiting for %s of %s: the state is %s: %w", what, w.world.TenantOf(login).Name, st.State, err)
		case <-ticker.C:
		}
	}
}

// works returns an error unless the token works with all three APIs.
func (st status) works() error {
	if len(st.APIs) != 3 {
		return fmt.Errorf("%d APIs were checked, want 3", len(st.APIs))
	}
	for _, a := range st.APIs {
		if a.Works != "yes" {
			return fmt.Errorf("%s works: %s, want yes", a.API, a.Works)
		}
	}
	return nil
}
