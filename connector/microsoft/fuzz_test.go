package microsoft_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/microsoft"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/token"
)

// canned answers every request with the same.
type canned struct {
	status int
	body   []byte
}

// RoundTrip implements http.RoundTripper.
func (c canned) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: c.status, Status: http.StatusText(c.status), Header: http.Header{}, Request: req,
		Body: io.NopCloser(bytes.NewReader(c.body)),
	}, nil
}

func cannedClient(t *testing.T, status int, body []byte) *microsoft.Client {
	t.Helper()
	web := &http.Client{Transport: canned{status, body}}
	c, err := microsoft.New(microsoft.Config{HTTP: web, ProbeHTTP: web})
	if err != nil {
		t.Fatalf("New() = %v, want nil", err)
	}
	return c
}

// Whatever stands in a refusal, it becomes one failure with a kind, and its evidence stays short.
func FuzzErrorBody(f *testing.F) {
	for _, body := range []string{
		`{"error":"invalid_grant","suberror":"bad_token","error_codes":[700082],"trace_id":"` + traceID + `","claims":"{}"}`,
		`{"error":{"code":"x"},"error_codes":["50076",null,{}]}`, `{"error_codes":7}`, `<html>`, `[]`, `null`, ``,
	} {
		f.Add(100, []byte(body))
		f.Add(203, []byte(body))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		status = 300 + int(uint(status)%300) // 300 to 599
		client := labClient()
		client.Cloud = "global"
		for _, call := range []func(c *microsoft.Client) error{
			func(c *microsoft.Client) error {
				_, err := c.Renew(context.Background(), client, secret.New("r"), token.Graph)
				return err
			},
			func(c *microsoft.Client) error {
				_, err := c.Redeem(context.Background(), client, authorizationCode())
				return err
			},
		} {
			err := call(cannedClient(t, status, body))
			if err == nil {
				t.Fatalf("status %d gave no failure", status)
			}
			got := failure.From(err)
			if got.Kind() == "" || got.Code == failure.InternalError {
				t.Errorf("status %d with %q gave %s, want a code of Microsoft's", status, body, got.Code)
			}
			if e := got.Microsoft; e == nil || len(e.Error)+len(e.SubError)+len(e.Code)+len(e.TraceID)+len(e.CorrelationID) > 5*64 {
				t.Errorf("status %d gave the evidence %+v, want some, and short", status, e)
			}
		}
	})
}

// An answer of the token endpoint gives either a usable access token with a sensible life, or a failure.
func FuzzTokenAnswer(f *testing.F) {
	for _, members := range []string{``, `,"expires_in":3600`, `,"expires_in":"3600"`, `,"expires_in":1e308`, `,"expires_in":-1`, `,"refresh_token":7`, `,"scope":["a"]`} {
		f.Add([]byte(tokens(members)))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		client := labClient()
		client.Cloud = "global"
		got, err := cannedClient(t, 200, body).Renew(context.Background(), client, secret.New("r"), token.Graph)
		switch life := got.ExpiresAt.Sub(got.IssuedAt); {
		case err != nil && (failure.From(err).Code == failure.InternalError || !got.AccessToken.Empty()):
			t.Errorf("Renew() of %q = %v, %v, want a failure of Microsoft's alone", body, got, err)
		case err == nil && (got.AccessToken.Empty() || life < 0 || life > 100*365*24*60*60*1e9):
			t.Errorf("Renew() of %q = life %v, want a token with a sensible one", body, life)
		}
	})
}

// The reader of JWTs takes anything; what is unreadable proves nothing.
func FuzzJWT(f *testing.F) {
	for _, jwt := range []string{"", "a.b.c", "..", "a.e30.c", "a.eyJ0aWQiOiJ4IiwiYXBwaWQiOiJ5IiwiYW1yIjpbIm1mYSJdfQ.c", "a.bnVsbA==.c"} {
		f.Add(jwt)
	}
	f.Fuzz(func(t *testing.T, jwt string) {
		client := labClient()
		client.Cloud = "global"
		c := cannedClient(t, 200, []byte(`{"keys":[]}`))
		got := c.Claims(secret.New(jwt))
		if !got.Readable && (got.MFA != token.Unknown || got.DirectoryID != "" || got.ApplicationID != "") {
			t.Errorf("Claims(%q) = %+v, want nothing of what cannot be read", jwt, got)
		}
		if got.Readable && (got.DirectoryID == "" || got.ApplicationID == "") {
			t.Errorf("Claims(%q) = %+v, want both ids", jwt, got)
		}
		if identity, err := c.Identity(context.Background(), client, secret.New(jwt), nonce); err == nil {
			t.Errorf("Identity(%q) = %+v, want a failure", jwt, identity)
		}
	})
}
