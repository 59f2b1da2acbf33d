package microsoft

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
)

// maxAssertion bounds the file of a federated token, in bytes; the tokens of clusters have 1 to 2 kB.
const maxAssertion = 64 << 10

// An externalAssertion is a token of another identity provider that stands in for a secret
// (docs/reference/microsoft-identity.md §6.5).
type externalAssertion struct {
	Issuer   string
	Subject  string
	Audience []string
	Ends     time.Time
	text     secret.Text
}

// A FederatedToken is what can be told about the federated token. It does not hold the token.
type FederatedToken struct {
	Issuer, Subject string
	Audience        []string
	Ends            time.Time
}

// FederatedToken reads the file of the federated token as it is now. Its error is federated_token_unusable, or nil.
func (c *Client) FederatedToken() (FederatedToken, error) {
	a, f := c.readFederated()
	if f != nil {
		return FederatedToken{}, f
	}
	return FederatedToken{a.Issuer, a.Subject, a.Audience, a.Ends}, nil
}

// federatedParameters returns what authenticates an application with the federated token. The file is read for each request,
// because its provider replaces it before it expires.
func (c *Client) federatedParameters() (url.Values, *failure.Error) {
	a, f := c.readFederated()
	if f != nil {
		return nil, f
	}
	return url.Values{"client_assertion_type": {assertionType}, "client_assertion": {a.text.Reveal()}}, nil
}

func (c *Client) readFederated() (externalAssertion, *failure.Error) {
	unusable := func(err error) *failure.Error {
		return failure.Wrap(fmt.Errorf("reading the federated token: %w", err), failure.FederatedTokenUnusable)
	}
	text, err := readSmallFile(c.federatedFile)
	if err != nil {
		return externalAssertion{}, unusable(err)
	}
	a := externalAssertion{text: secret.New(strings.TrimSpace(text))}
	var claims struct {
		Issuer   string          `json:"iss"`
		Subject  string          `json:"sub"`
		Audience json.RawMessage `json:"aud"`
		Expires  *float64        `json:"exp"`
	}
	if !readPayload(a.text.Reveal(), &claims) || claims.Issuer == "" || claims.Subject == "" || claims.Expires == nil {
		return externalAssertion{}, unusable(errors.New("it is not a JWT with issuer, subject and end"))
	}
	a.Issuer, a.Subject, a.Ends = claims.Issuer, claims.Subject, time.Unix(int64(*claims.Expires), 0).UTC()
	var one string
	if json.Unmarshal(claims.Audience, &one) == nil {
		a.Audience = []string{one}
	} else if json.Unmarshal(claims.Audience, &a.Audience) != nil {
		return externalAssertion{}, unusable(errors.New("its audience is neither a text nor a list"))
	}
	if !c.now().Before(a.Ends.Add(clockSkew)) {
		return externalAssertion{}, unusable(fmt.Errorf("it ended at %s: its provider does not replace it", a.Ends.Format(time.RFC3339)))
	}
	return a, nil
}

// readSmallFile returns the content of a file. Its errors do not quote the content.
func readSmallFile(path string) (string, error) {
	if path == "" {
		return "", errors.New("no file is configured")
	}
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxAssertion+1))
	if err == nil && len(text) > maxAssertion {
		err = errors.New("the file is too long")
	}
	return string(bytes.TrimPrefix(text, byteOrderMark)), err
}
