// Package controller is the client of the platform's APS controller (aps-protocol.md §5).
package controller

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/platform/oauth1"
	"azure-partner-connector/connector/secret"
)

// maxAnswer bounds what is read of an answer, in bytes. Our queries are for single resources.
const maxAnswer = 1 << 20

// Config is what a Client needs.
type Config struct {
	// HTTP makes the connections. It bounds the time of a request and follows no redirect. Required.
	HTTP *http.Client

	// Now is the clock for signatures. Default: time.Now.
	Now func() time.Time

	// Log receives a record where a request had to be repeated. Default: discard.
	Log *slog.Logger
}

// A Client calls controllers. Its methods return *failure.Error (platform_unavailable, platform_refused, not_found)
// and are safe for concurrent use.
type Client struct {
	cfg Config
}

// New checks cfg and fills in its defaults.
func New(cfg Config) (*Client, error) {
	if cfg.HTTP == nil {
		return nil, errors.New("controller: an HTTP client is required")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Client{cfg}, nil
}

// A Target is the instance on whose behalf a call is made.
type Target struct {
	ControllerURI string // as the platform told it; a trailing slash does not matter
	Credentials   oauth1.Credentials
	// PreviousSecret is what the platform may still have in place of the credentials' secret; empty unless that is being
	// replaced.
	PreviousSecret secret.Text
	RootID         string // aps.id of the instance's root resource
}

// A Request is one call below a target's controller.
type Request struct {
	Method string
	// Path begins with /aps and is percent-encoded.
	Path string
	// Query is sent as it stands, so that RQL keeps its parentheses (aps-protocol.md §2.1). It is percent-encoded.
	Query string
	// Body is sent as JSON unless it is nil.
	Body any
	// AsRoot makes the call in the context of the root resource's owner, the provider, who sees all accounts
	// (aps-protocol.md §5.3).
	AsRoot bool
}

type transactionKey struct{}

// WithTransaction returns a context whose calls take part in the platform's transaction id. It belongs to the request
// that the platform is waiting for; background work has none (aps-protocol.md §1.3).
func WithTransaction(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, transactionKey{}, id)
}

func transaction(ctx context.Context) string {
	id, _ := ctx.Value(transactionKey{}).(string)
	return id
}

// Call makes r at the controller of t and decodes the JSON answer into out, which may be nil.
func (c *Client) Call(ctx context.Context, t Target, r Request, out any) error {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = json.Marshal(r.Body); err != nil {
			return fmt.Errorf("encoding request to the platform: %w", err)
		}
	}
	id := transaction(ctx)
	answer, err := c.send(ctx, t, r, body, id)
	if err == nil && answer.unsigned() && !t.PreviousSecret.Empty() {
		c.cfg.Log.InfoContext(ctx, "platform call repeated with the previous secret", "method", r.Method, "path", r.Path)
		t.Credentials.Secret, t.PreviousSecret = t.PreviousSecret, t.Credentials.Secret
		answer, err = c.send(ctx, t, r, body, id)
	}
	if err == nil && id != "" && answer.stale() {
		// The platform has finished the transaction while we were working in it (aps-protocol.md §5.6).
		c.cfg.Log.InfoContext(ctx, "platform call repeated outside its finished transaction", "method", r.Method, "path", r.Path, "transaction", id)
		answer, err = c.send(ctx, t, r, body, "")
	}
	if err != nil {
		return failure.Wrap(fmt.Errorf("calling platform: %s %s: %w", r.Method, r.Path, err), failure.PlatformUnavailable)
	}
	if err := answer.failure(r, t); err != nil {
		return err
	}
	if out == nil || len(answer.body) == 0 {
		return nil
	}
	if err := json.Unmarshal(answer.body, out); err != nil {
		return failure.Wrap(fmt.Errorf("reading answer to %s %s: %w", r.Method, r.Path, err), failure.PlatformRefused, "reason", "its answer is not the JSON that was expected")
	}
	return nil
}

// errInvalidTarget is how a controller address fails that no request can be sent to.
var errInvalidTarget = errors.New("the controller's address is not an absolute http or https URL")

func (c *Client) send(ctx context.Context, t Target, r Request, body []byte, transaction string) (answer, error) {
	base, err := url.Parse(t.ControllerURI)
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" {
		return answer{}, errInvalidTarget
	}
	target := base.Scheme + "://" + base.Host + strings.TrimRight(base.EscapedPath(), "/") + r.Path
	if r.Query != "" {
		target += "?" + r.Query
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, target, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if r.Body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	if transaction != "" {
		req.Header.Set("APS-Transaction-ID", transaction)
	}
	if r.AsRoot && t.RootID != "" {
		req.Header.Set("APS-Resource-ID", t.RootID)
	}
	if err := oauth1.Sign(req, t.Credentials, c.cfg.Now(), oauth1.NewNonce()); err != nil {
		return answer{}, err
	}
	resp, err := c.cfg.HTTP.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return answer{}, fmt.Errorf("reading answer: %w", err)
	}
	return answer{resp.StatusCode, text}, nil
}
