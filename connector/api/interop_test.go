package api_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/managedidentity"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// TestInterop_XOAuth2 borrows with golang.org/x/oauth2, in both styles of authentication and with the detection of the style.
func TestInterop_XOAuth2(t *testing.T) {
	h := newHarness(t)
	key := h.add("billing")
	for name, style := range map[string]oauth2.AuthStyle{"detected": oauth2.AuthStyleAutoDetect, "header": oauth2.AuthStyleInHeader, "form": oauth2.AuthStyleInParams} {
		config := clientcredentials.Config{ClientID: "billing", ClientSecret: key, TokenURL: h.server.URL + "/oauth2/token", Scopes: []string{graph + "/.default"}, AuthStyle: style}
		got, err := config.Token(t.Context())
		if err != nil || got.AccessToken != accessToken || got.Type() != "Bearer" || got.Extra("expires_in") != 3600.0 {
			t.Errorf("Token() with the style %s = %+v, %v, want the access token", name, got, err)
		}
	}
	for name, tc := range map[string]struct {
		key, scope string
		want       string
	}{
		"an invented key":     {"apck_" + strings.Repeat("A", 43), "graph", "invalid_client"},
		"an unknown resource": {key, "https://vault.azure.net/.default", "invalid_scope"},
		"another api":         {key, "partnercenter", "unauthorized_client"},
	} {
		config := clientcredentials.Config{ClientID: "billing", ClientSecret: tc.key, TokenURL: h.server.URL + "/oauth2/token", Scopes: []string{tc.scope}}
		_, err := config.Token(t.Context())
		if refused, ok := errors.AsType[*oauth2.RetrieveError](err); !ok || refused.ErrorCode != tc.want || refused.ErrorDescription == "" || refused.ErrorURI == "" {
			t.Errorf("Token() with %s = %v, want %s", name, err, tc.want)
		}
	}
}

// TestInterop_MSALManagedIdentity borrows with Microsoft's own library, which App Service's variables lead to us.
func TestInterop_MSALManagedIdentity(t *testing.T) {
	h := newHarness(t)
	key := h.add("billing")
	t.Setenv("IDENTITY_ENDPOINT", h.server.URL+"/msi/token")
	t.Setenv("IDENTITY_HEADER", key)
	if source, err := managedidentity.GetSource(); err != nil || source != managedidentity.AppService {
		t.Fatalf("GetSource() = %s, %v, want App Service", source, err)
	}
	acquire := func(id managedidentity.ID, resource string) (managedidentity.AuthResult, error) {
		t.Helper()
		c, err := managedidentity.New(id, managedidentity.WithRetryPolicyDisabled(), managedidentity.WithHTTPClient(http.DefaultClient))
		if err != nil {
			t.Fatal(err)
		}
		return c.AcquireToken(t.Context(), resource)
	}
	h.clock = h.clock.AddDate(100, 0, 0) // MSAL's clock is the real one: what it gets must not have expired
	h.tokens.ends = h.clock
	for name, id := range map[string]managedidentity.ID{"system-assigned": managedidentity.SystemAssigned(), "user-assigned": managedidentity.UserAssignedClientID(directoryA)} {
		got, err := acquire(id, graph)
		if err != nil || got.AccessToken != accessToken || got.ExpiresOn.Unix() != h.tokens.ends.Unix() {
			t.Errorf("AcquireToken() of a %s identity = %+v, %v, want the access token", name, got, err)
		}
	}
	for name, tc := range map[string]struct {
		id       managedidentity.ID
		resource string
		says     string
	}{
		"another directory":   {managedidentity.UserAssignedClientID(customer), graph, "borrower_not_allowed"},
		"a resource id":       {managedidentity.UserAssignedResourceID("/subscriptions/x"), graph, "bad_request"},
		"an object id":        {managedidentity.UserAssignedObjectID(customer), graph, "bad_request"},
		"an unknown resource": {managedidentity.UserAssignedClientID(directoryA), "https://vault.azure.net", "bad_request"},
	} {
		if _, err := acquire(tc.id, tc.resource); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("AcquireToken() with %s = %v, want %s", name, err, tc.says)
		}
	}
}

// python is Debian's own interpreter, because no other one finds Debian's package python3-oauthlib.
const python = "/usr/bin/python3"

// TestInterop_Oauthlib borrows with oauthlib, on which requests-oauthlib and many Python programs are built.
func TestInterop_Oauthlib(t *testing.T) {
	h := newHarness(t)
	key := h.add("billing")
	task := func(key, scope, style string) map[string]string {
		return map[string]string{"url": h.server.URL + "/oauth2/token", "client_id": "billing", "client_secret": key, "scope": scope, "style": style}
	}
	var input strings.Builder
	encoder := json.NewEncoder(&input)
	for _, task := range []map[string]string{
		task(key, graph+"/.default", "form"), task(key, "arm", "basic"),
		task("wrong", "graph", "form"), task(key, "graph arm", "form"), task(key, "partnercenter", "basic"),
	} {
		h.must(encoder.Encode(task))
	}
	command := exec.CommandContext(t.Context(), python, "testdata/oauthlib/judge.py")
	command.Stdin = strings.NewReader(input.String())
	var stderr strings.Builder
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("oauthlib ended with %v. `build/prerequisites.sh oauthlib` installs what it needs. Its output: %s", err, stderr.String())
	}
	decoder := json.NewDecoder(strings.NewReader(string(output)))
	type verdict struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int    `json:"expires_in"`
		Scope       string `json:"scope"`
		Error       string `json:"error"`
		Description string `json:"description"`
	}
	for i, want := range []verdict{
		{AccessToken: accessToken, ExpiresIn: 3600, Scope: graph + "/.default"},
		{AccessToken: accessToken, ExpiresIn: 3600, Scope: "arm"},
		{Error: "invalid_client"},
		{Error: "invalid_scope"},
		{Error: "unauthorized_client"},
	} {
		var got verdict
		h.must(decoder.Decode(&got))
		if described := got.Description != ""; described != (want.Error != "") {
			t.Errorf("oauthlib's answer %d has the description %q", i, got.Description)
		}
		if got.Description = ""; got != want {
			t.Errorf("oauthlib's answer %d = %+v, want %+v", i, got, want)
		}
	}
}
