// Package controller is the client of the platform's APS controller (docs/reference/aps-protocol.md §5).
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
	"azure-partner-connector/connector/platform/transaction"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
)

// maxAnswer bounds an answer, in bytes. Our queries return few resources.
const maxAnswer = 1 << 20

// Config is what a Client needs.
type Config struct {
	// HTTP must limit the time of a request and follow no redirects. Required.
	HTTP *http.Client

	// Secrets returns the secrets that requests with a consumer key may be signed with: the secret and, while it is
	// being replaced, its predecessor. Required.
	Secrets func(consumerKey string) (secrets []secret.Text, ok bool)

	// Controllers returns the origins that the operator lists as the controller of a consumer key. Default: none are listed.
	Controllers func(consumerKey string) []string

	// Now is the clock for signatures. Default: time.Now.
	Now func() time.Time

	// Log receives one record per repeated request. Default: discard.
	Log *slog.Logger
}

// A Client calls the controllers of instances. Its methods return *failure.Error (platform_unavailable,
// platform_refused, not_found) and are safe for concurrent use. It implements the ports of binding, hooks and notify.
type Client struct {
	cfg Config
}

// New checks cfg and fills in its defaults. It starts nothing.
func New(cfg Config) (*Client, error) {
	if cfg.HTTP == nil || cfg.Secrets == nil {
		return nil, errors.New("controller: an HTTP client and secrets are required")
	}
	if cfg.Controllers == nil {
		cfg.Controllers = func(string) []string { return nil }
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Client{cfg}, nil
}

// A Request is one call to an instance's controller.
type Request struct {
	Method string
	// Path begins with /aps and is percent-encoded.
	Path string
	// Query is sent unchanged, so that RQL keeps its parentheses (docs/reference/aps-protocol.md §2.1). It is
	// percent-encoded.
	Query string
	// Body is sent as JSON unless it is nil.
	Body any
	// AsRoot makes the call in the context of the owner of the root resource: the provider, who sees all accounts
	// (docs/reference/aps-protocol.md §5.3).
	AsRoot bool
}

// Call sends r to the controller of in and decodes the JSON answer into out, which may be nil. It repeats a request
// only with the previous secret or outside a finished transaction (docs/explanation/retries.md).
func (c *Client) Call(ctx context.Context, in tenant.Instance, r Request, out any) error {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = json.Marshal(r.Body); err != nil {
			return fmt.Errorf("encoding request to the platform: %w", err)
		}
	}
	id := transaction.ID(ctx)
	secrets, _ := c.cfg.Secrets(in.Key)
	var key secret.Text // empty for an unknown instance, which the platform refuses
	if len(secrets) > 0 {
		key = secrets[0]
	}
	answer, err := c.send(ctx, in, key, r, body, id)
	if err == nil && answer.unauthorized() && len(secrets) > 1 {
		c.cfg.Log.InfoContext(ctx, "platform call repeated with the previous secret", "method", r.Method, "path", r.Path)
		key = secrets[1]
		answer, err = c.send(ctx, in, key, r, body, id)
	}
	if err == nil && id != "" && answer.stale() {
		// The platform finished the transaction during our work in it (docs/reference/aps-protocol.md §5.6).
		c.cfg.Log.InfoContext(ctx, "platform call repeated outside its finished transaction", "method", r.Method, "path", r.Path, "transaction", id)
		answer, err = c.send(ctx, in, key, r, body, "")
	}
	if err != nil {
		return failure.Wrap(fmt.Errorf("calling platform: %s %s: %w", r.Method, r.Path, err), failure.PlatformUnavailable)
	}
	if err := answer.failure(r, secrets); err != nil {
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

// Address returns the address that calls for in go to: no other one is ever called, whatever the platform sends.
func (c *Client) Address(in tenant.Instance) string {
	return tenant.ControllerOf(in, c.cfg.Controllers(in.Key))
}

var errControllerURI = errors.New("the controller's address is not an absolute http or https URL")

func (c *Client) send(ctx context.Context, in tenant.Instance, key secret.Text, r Request, body []byte, transactionID string) (answer, error) {
	base, err := url.Parse(c.Address(in))
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" {
		return answer{}, errControllerURI
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
	if transactionID != "" {
		req.Header.Set("APS-Transaction-ID", transactionID)
	}
	if r.AsRoot && in.RootID != "" {
		req.Header.Set("APS-Resource-ID", in.RootID)
	}
	if err := oauth1.Sign(req, oauth1.Credentials{Key: in.Key, Secret: key}, c.cfg.Now(), oauth1.NewNonce()); err != nil {
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
