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

const (
	maxAnswer  = 8 << 20 // bytes
	maxMessage = 300     // characters of the platform's message that are shown
)

// A client calls both APIs of one platform: the operations API and the controller.
type client struct {
	cfg   Config
	token secret.Text // APS-Token of the provider's administrator
}

// rpc calls a method of the operations API and returns its result (docs/reference/aps-protocol.md §7.1).
func (c *client) rpc(ctx context.Context, method string, params map[string]any) (any, error) {
	message, err := xmlrpc.EncodeCall(method, params)
	if err != nil {
		return nil, err
	}
	address := strings.TrimRight(c.cfg.Operations, "/") + "/RPC2"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(message))
	if err != nil {
		return nil, fmt.Errorf("creating a call of the operations API: %w", err)
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
		message, _ := members["error_message"].(string)
		return nil, c.refused(message)
	}
	return members["result"], nil
}

// rest sends a request to the controller, decodes a successful answer into out unless that is nil, and returns the
// status. Status 404 is not an error.
func (c *client) rest(ctx context.Context, method, path string, body, out any) (status int, err error) {
	var text []byte
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			return 0, fmt.Errorf("encoding a request: %w", err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(c.cfg.Controller, "/")+path, bytes.NewReader(text))
	if err != nil {
		return 0, fmt.Errorf("creating a request to the controller: %w", err)
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
		var refusal struct {
			Message string `json:"message"`
		}
		// An answer that isn't JSON counts as one without a message.
		_ = json.Unmarshal(answer, &refusal)
		if refusal.Message == "" {
			refusal.Message = fmt.Sprintf("the controller answered with status %d", status)
		}
		return status, c.refused(refusal.Message)
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
		// The error of net/http contains the address, which may include a user and password.
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

// leastLine is the length, in characters, of the shortest line of a credential that is removed: shorter ones are of many texts.
const leastLine = 6

// sentCredentials returns the lines of the credentials among the settings that we send.
func (c *client) sentCredentials() []secret.Text {
	var lines []secret.Text
	for name, value := range c.cfg.Settings {
		text, ok := value.(string)
		if name = strings.ToLower(name); !ok || !strings.Contains(name, "secret") && !strings.Contains(name, "certificate") {
			continue
		}
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); len(line) >= leastLine {
				lines = append(lines, secret.New(line))
			}
		}
	}
	return lines
}

// refused returns a refusal with the platform's message. It removes secrets, because a platform may repeat what we
// sent.
func (c *client) refused(message string) error {
	for _, s := range append(c.sentCredentials(), c.cfg.Secret, c.cfg.Password, c.token) {
		if !s.Empty() {
			message = strings.ReplaceAll(message, s.Reveal(), s.String())
		}
	}
	message = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(message, "?")))
	if runes := []rune(message); len(runes) > maxMessage {
		message = string(runes[:maxMessage]) + "…"
	}
	if message == "" {
		message = "it gave no reason"
	}
	return failure.New(failure.PlatformRefused, "reason", message)
}
