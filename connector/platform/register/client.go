package register

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/platform/register/xmlrpc"
	"azure-partner-connector/connector/secret"
)

// maxAnswer bounds what is read of an answer, in bytes; maxWords what is shown of the platform's own words.
const (
	maxAnswer = 8 << 20
	maxWords  = 300
)

// A client speaks both interfaces of one platform: the operations API and the controller.
type client struct {
	cfg   Config
	token secret.Text // APS-Token of the provider's administrator
}

// rpc calls a method of the operations API and returns its result (aps-protocol.md §7.1).
func (c *client) rpc(ctx context.Context, method string, params map[string]any) (any, error) {
	message, err := xmlrpc.EncodeCall(method, params)
	if err != nil {
		return nil, err
	}
	address := strings.TrimRight(c.cfg.Operations, "/") + "/RPC2"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(message))
	if err != nil {
		return nil, fmt.Errorf("making a call of the operations API: %w", err)
	}
	req.Header.Set("Content-Type", "text/xml")
	req.SetBasicAuth(c.cfg.User, c.cfg.Password.Reveal())
	status, body, err := c.send(req)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, c.refused(fmt.Sprintf("the operations API answered with status %d", status))
	}
	answer, err := xmlrpc.DecodeAnswer(body)
	if fault, ok := errors.AsType[*xmlrpc.Fault](err); ok {
		return nil, c.refused(fault.Message)
	}
	if err != nil {
		return nil, failure.Wrap(err, failure.PlatformRefused, "reason", "the operations API did not answer in XML-RPC")
	}
	members, _ := answer.(map[string]any)
	switch status, ok := members["status"].(int); {
	case !ok:
		return nil, c.refused("the operations API answered without a status")
	case status != 0:
		words, _ := members["error_message"].(string)
		return nil, c.refused(words)
	}
	return members["result"], nil
}

// rest makes a request to the controller, decodes a good answer into out unless that is nil, and returns the status.
// Status 404 is no error.
func (c *client) rest(ctx context.Context, method, path string, body, out any) (status int, err error) {
	var text []byte
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return 0, fmt.Errorf("encoding a request: %w", err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(c.cfg.Controller, "/")+path, bytes.NewReader(text))
	if err != nil {
		return 0, fmt.Errorf("making a request to the controller: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("APS-Token", c.token.Reveal())
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	status, answer, err := c.send(req)
	switch {
	case err != nil:
		return 0, err
	case status == http.StatusNotFound:
		return status, nil
	case status < 200 || status > 299:
		var told struct {
			Message string `json:"message"`
		}
		// An answer that is not JSON is no better than one without words.
		_ = json.Unmarshal(answer, &told)
		if told.Message == "" {
			told.Message = fmt.Sprintf("the controller answered with status %d", status)
		}
		return status, c.refused(told.Message)
	case out == nil || len(answer) == 0:
		return status, nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return status, failure.Wrap(err, failure.PlatformRefused, "reason", "the controller's answer is not the JSON that was expected")
	}
	return status, nil
}

func (c *client) send(req *http.Request) (int, []byte, error) {
	resp, err := c.cfg.HTTP.Do(req)
	if err != nil {
		// The error of net/http repeats the address, which may hold what the operator typed before the host.
		if inner, ok := errors.AsType[*url.Error](err); ok {
			err = inner.Err
		}
		return 0, nil, failure.Wrap(fmt.Errorf("calling %s: %w", req.URL.Host, err), failure.PlatformUnavailable)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return 0, nil, failure.Wrap(fmt.Errorf("reading the answer of %s: %w", req.URL.Host, err), failure.PlatformUnavailable)
	}
	if len(body) > maxAnswer {
		return 0, nil, c.refused("its answer is too large")
	}
	return resp.StatusCode, body, nil
}

// refused is a refusal in the platform's words, with what is secret taken out: a platform may repeat what it was sent.
func (c *client) refused(words string) error {
	for _, s := range []secret.Text{c.cfg.Secret, c.cfg.Password, c.token} {
		if !s.Empty() {
			words = strings.ReplaceAll(words, s.Reveal(), s.String())
		}
	}
	words = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(words, "?")))
	if runes := []rune(words); len(runes) > maxWords {
		words = string(runes[:maxWords]) + "…"
	}
	if words == "" {
		words = "it did not say why"
	}
	return failure.New(failure.PlatformRefused, "reason", words)
}
