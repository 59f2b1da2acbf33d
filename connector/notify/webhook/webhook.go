// Package webhook posts notices to a URL and signs them as Standard Webhooks specifies.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/secret"
)

// secretPrefix is the prefix of a secret in base64 (Standard Webhooks).
const secretPrefix = "whsec_"

// Config is what a Channel needs.
type Config struct {
	// URL is the address to which notices are posted. Required.
	URL string

	// Secret signs the requests. After the prefix whsec_ it is a key in base64; without the prefix its bytes are the key.
	// Required.
	Secret secret.Text

	// Words translates the headline and the lines. Default: they are in English.
	Words notify.Words

	// HTTP sends the requests. It must have a timeout and not follow redirects. Required.
	HTTP *http.Client

	// Now is the clock for the signatures. Default: time.Now.
	Now func() time.Time
}

// A Channel posts notices as JSON. It is safe for concurrent use. A receiver answers with a status 2xx; Send returns an error
// for any other answer. Requests have the headers
//
//	webhook-id         the ID of the notice, the same in a retry
//	webhook-timestamp  the time of sending, in seconds since 1970
//	webhook-signature  v1, and the base64 of HMAC-SHA256 over ID, timestamp and body, separated by dots
type Channel struct {
	cfg Config
	key secret.Text
}

// New checks cfg and fills in its defaults. It sends nothing.
func New(cfg Config) (*Channel, error) {
	if cfg.URL == "" || cfg.HTTP == nil || cfg.Secret.Empty() {
		return nil, errors.New("webhook: a URL, a secret and an HTTP client are required")
	}
	if cfg.Words == nil {
		cfg.Words = func(string) (func(string) string, error) { return func(text string) string { return text }, nil }
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	key, err := Key(cfg.Secret)
	if err != nil {
		return nil, err
	}
	return &Channel{cfg, key}, nil
}

// Key returns the key that s stands for, with which requests are signed (Config.Secret). Its errors do not contain s.
func Key(s secret.Text) (secret.Text, error) {
	encoded, ok := strings.CutPrefix(s.Reveal(), secretPrefix)
	if !ok {
		return s, nil
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(key) == 0 {
		return secret.Text{}, errors.New("webhook: the secret begins with " + secretPrefix + " but does not continue in base64")
	}
	return secret.New(string(key)), nil
}

// A payload is the body of a request. Receivers branch on type, data.state and data.code; the texts are for people.
type payload struct {
	Type      string    `json:"type"` // "token." and the kind of notice
	Timestamp time.Time `json:"timestamp"`
	Data      data      `json:"data"`
}

type data struct {
	Instance    string `json:"instance"`
	Tenant      string `json:"tenant,omitempty"` // empty for the instance
	Name        string `json:"name"`
	Marketplace string `json:"marketplace,omitempty"`
	Account     string `json:"account,omitempty"`

	State     string            `json:"state,omitempty"`
	Code      string            `json:"code,omitempty"` // of the failure; empty without one
	Params    map[string]string `json:"params,omitempty"`
	Reference string            `json:"reference,omitempty"` // to find the failure in the log
	Ends      *time.Time        `json:"ends,omitempty"`
	Days      int               `json:"days"` // until ends
	// Since is when the reseller was notified, in the alarm that the problem continues.
	Since *time.Time `json:"since,omitempty"`

	// Customers are the first of those whose relationships end, Count is the number of all of them.
	Customers []notify.CustomerEnd `json:"customers,omitempty"`
	Count     int                  `json:"count,omitempty"`

	Headline string   `json:"headline"`
	Lines    []string `json:"lines"`
}

func payloadOf(n notify.Notice, translate func(text string) string) payload {
	d := data{
		Instance: n.InstanceKey, Tenant: n.TenantID, Name: n.Name, Marketplace: n.Marketplace, Account: n.AccountID,
		State: string(n.State), Days: n.Days, Customers: n.Customers, Count: n.Count, Headline: n.HeadlineIn(translate), Lines: n.LinesIn(translate),
	}
	if n.Reason != nil {
		d.Code, d.Params, d.Reference = string(n.Reason.Code), n.Reason.Params, n.Reason.Reference
	}
	d.Ends, d.Since = optional(n.Ends), optional(n.Since)
	return payload{Type: "token." + string(n.Kind), Timestamp: n.At.UTC(), Data: d}
}

func optional(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	at = at.UTC()
	return &at
}

// Name implements notify.Channel.
func (c *Channel) Name() string { return "webhook" }

// Audience implements notify.Channel.
func (c *Channel) Audience() notify.Audience { return notify.Provider }

// Send implements notify.Channel. Its errors do not contain the URL, which may contain a token.
func (c *Channel) Send(ctx context.Context, n notify.Notice) error {
	translate, err := c.cfg.Words("")
	if err != nil {
		return fmt.Errorf("%w: %w", notify.ErrUndeliverable, err)
	}
	body, err := json.Marshal(payloadOf(n, translate))
	if err != nil {
		return fmt.Errorf("writing notice %s: %w", n.ID, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return errors.New("the URL of the webhook is invalid")
	}
	at := strconv.FormatInt(c.cfg.Now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("webhook-id", n.ID)
	req.Header.Set("webhook-timestamp", at)
	req.Header.Set("webhook-signature", "v1,"+sign(c.key, n.ID, at, body))
	if err := Post(c.cfg.HTTP, req); err != nil {
		return fmt.Errorf("posting to the webhook: %w", err)
	}
	return nil
}

// Post sends req and expects a status 2xx. Its errors do not contain the URL.
func Post(client *http.Client, req *http.Request) error {
	resp, err := client.Do(req) //nolint:gosec // the operator configured the address
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err
		}
		return err
	}
	defer resp.Body.Close()
	// A connection is reused only after its response has been read.
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("HTTP status %d", resp.StatusCode)
	}
	return nil
}

// Reach implements notify.Reacher: the server of the webhook answers, with whatever status, because most refuse what is no notice.
func (c *Channel) Reach(ctx context.Context) error { return Reach(ctx, c.cfg.HTTP, c.cfg.URL) }

// Reach returns an error when the server of an address does not answer. The error does not contain the address.
func Reach(ctx context.Context, client *http.Client, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, address, nil)
	if err != nil {
		return errors.New("the URL is invalid")
	}
	resp, err := client.Do(req)
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func sign(key secret.Text, id, at string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	mac.Write([]byte(id + "." + at + "."))
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
