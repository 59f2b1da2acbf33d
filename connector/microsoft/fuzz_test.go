package microsoft_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/microsoft"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/token"
)

// canned gives every request the same answer.
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

// Every refusal becomes one failure with a kind and short evidence.
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
		client := testClient()
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
				t.Fatalf("status %d gave no failure, want one", status)
			}
			got := failure.From(err)
			if got.Kind() == "" || got.Code == failure.InternalError {
				t.Errorf("status %d with %q gave %s, want a code of Microsoft's", status, body, got.Code)
			}
			if e := got.Microsoft; e == nil || len(e.Error)+len(e.SubError)+len(e.Code)+len(e.TraceID)+len(e.CorrelationID) > 5*64 {
				t.Errorf("status %d gave the evidence %+v, want some of bounded length", status, e)
			}
		}
	})
}

// An answer of the token endpoint becomes either a usable access token with a plausible lifetime, or a failure.
func FuzzTokenAnswer(f *testing.F) {
	for _, members := range []string{``, `,"expires_in":3600`, `,"expires_in":"3600"`, `,"expires_in":1e308`, `,"expires_in":-1`, `,"refresh_token":7`, `,"scope":["a"]`} {
		f.Add([]byte(tokens(members)))
	}
	for _, body := range []string{``, `null`, `[]`, `{}`, `<html>`, tokens(``)[:40], `{"error":"invalid_grant"}`, `{"token_type":"pop","access_token":"x"}`, `{"access_token":12}`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		client := testClient()
		client.Cloud = "global"
		got, err := cannedClient(t, 200, body).Renew(context.Background(), client, secret.New("r"), token.Graph)
		switch life := got.ExpiresAt.Sub(got.IssuedAt); {
		case err != nil && (failure.From(err).Code == failure.InternalError || !got.AccessToken.Empty()):
			t.Errorf("Renew() of %q = %v, %v, want only a failure of Microsoft's", body, got, err)
		case err == nil && (got.AccessToken.Empty() || life < 0 || life > 100*365*24*60*60*1e9):
			t.Errorf("Renew() of %q = life %v, want a token with a plausible lifetime", body, life)
		}
	})
}

// Any text can be read as a JWT; an unreadable one proves nothing.
func FuzzJWT(f *testing.F) {
	for _, jwt := range []string{"", "a.b.c", "..", "a.e30.c", "a.eyJ0aWQiOiJ4IiwiYXBwaWQiOiJ5IiwiYW1yIjpbIm1mYSJdfQ.c", "a.bnVsbA==.c"} {
		f.Add(jwt)
	}
	f.Fuzz(func(t *testing.T, jwt string) {
		client := testClient()
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

// Any answer can be read as a key set; a token is accepted only if the set contains its key.
func FuzzKeySet(f *testing.F) {
	s := newSigner(f, "k1")
	own := s.jwk("")
	valid, err := json.Marshal(map[string]any{"keys": []any{own}})
	if err != nil {
		f.Fatal(err)
	}
	for _, body := range []string{
		string(valid), ``, `{}`, `{"keys":null}`, `{"keys":[]}`, `{"keys":[7]}`, `{"keys":{"kid":"k1"}}`, `<html>`, `{"keys":[{"kty":"RSA","kid":"k1","n":"","e":""}]}`,
		`{"keys":[{"kty":"RSA","kid":"k1","n":"AQ","e":"AQ"}]}`, `{"keys":[{"kty":"oct","kid":"k1","k":"AA"}]}`, `{"keys":[{"kty":"EC","kid":"k1","crv":"P-256","x":"AA","y":"AA"}]}`,
	} {
		f.Add([]byte(body))
	}
	now := time.Now()
	idToken := s.sign(f, map[string]any{
		"aud": application, "iss": "https://login.microsoftonline.com/" + directory + "/v2.0", "tid": directory, "nonce": nonce, "oid": "o",
		"iat": now.Unix(), "exp": now.Add(24 * time.Hour).Unix(),
	})
	f.Fuzz(func(t *testing.T, body []byte) {
		client := testClient()
		client.Cloud = "global"
		_, err := cannedClient(t, http.StatusOK, body).Identity(context.Background(), client, idToken, nonce)
		if err == nil && !bytes.Contains(body, []byte(own["n"].(string)[:40])) {
			t.Errorf("Identity() with the keys %q = nil, want a failure", body)
		}
		if err != nil && failure.From(err).Code == failure.InternalError || err != nil && bytes.Equal(body, valid) {
			t.Errorf("Identity() with the keys %q = %v, want a failure of Microsoft's at most", body, err)
		}
	})
}
