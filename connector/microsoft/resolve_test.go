package microsoft_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/microsoft"
)

const discoveryPath = "/login/contoso.onmicrosoft.com/v2.0/.well-known/openid-configuration"

// Only a possible name of a directory becomes part of an address.
func TestResolveDirectory_RefusesWithoutARequest(t *testing.T) {
	h := newHarness(t)
	for name, want := range map[string]failure.Code{
		"":                              failure.DirectoryMissing,
		" \t":                           failure.DirectoryMissing,
		"common":                        failure.DirectoryUnknown,
		"organizations":                 failure.DirectoryUnknown,
		"contoso.com/../evil":           failure.DirectoryUnknown,
		"..":                            failure.DirectoryUnknown,
		"contoso.com/":                  failure.DirectoryUnknown,
		"contoso.com?x=1":               failure.DirectoryUnknown,
		"contoso.com#x":                 failure.DirectoryUnknown,
		"contoso.com\r\nHost: evil":     failure.DirectoryUnknown,
		"user@contoso.com":              failure.DirectoryUnknown,
		"contoso..com":                  failure.DirectoryUnknown,
		"-contoso.com":                  failure.DirectoryUnknown,
		"contoso%2ecom.":                failure.DirectoryUnknown,
		"cöntoso.com":                   failure.DirectoryUnknown,
		strings.Repeat("a.", 200) + "a": failure.DirectoryUnknown,
		strings.Repeat("a", 64) + ".a":  failure.DirectoryUnknown,
		"{" + directory + "}":           failure.DirectoryUnknown,
		"urn:uuid:" + directory:         failure.DirectoryUnknown,
	} {
		if got, err := h.client.ResolveDirectory(context.Background(), "test", name); codeOf(err) != want {
			t.Errorf("ResolveDirectory(%q) = %q, %v, want %s", name, got, err, want)
		}
	}
	if _, err := h.client.ResolveDirectory(context.Background(), "moon", directory); codeOf(err) != failure.CloudUnknown {
		t.Errorf("ResolveDirectory(moon) = %v, want %s", err, failure.CloudUnknown)
	}
	if len(h.requests) > 0 {
		t.Errorf("ResolveDirectory() sent %d requests, want none", len(h.requests))
	}
}

func TestResolveDirectory_ByGUID(t *testing.T) {
	h := newHarness(t)
	got, err := h.client.ResolveDirectory(context.Background(), "test", " ABCDEF11-2222-4333-8444-555555555555 ")
	if want := "abcdef11-2222-4333-8444-555555555555"; err != nil || got != want {
		t.Errorf("ResolveDirectory() = %q, %v, want %q", got, err, want)
	}
	if len(h.requests) > 0 {
		t.Errorf("ResolveDirectory() sent %d requests, want none", len(h.requests))
	}
}

func TestResolveDirectory_ByDomain(t *testing.T) {
	h := newHarness(t)
	h.route(discoveryPath, respond(200, `{"issuer":"`+issuerOf(h, strings.ToUpper(directory))+`"}`))
	for _, name := range []string{"Contoso.OnMicrosoft.com", "contoso.onmicrosoft.com"} {
		if got, err := h.client.ResolveDirectory(context.Background(), "test", name); err != nil || got != directory {
			t.Errorf("ResolveDirectory(%q) = %q, %v, want %q", name, got, err, directory)
		}
	}
	if got := len(h.seen(discoveryPath)); got != 1 {
		t.Errorf("ResolveDirectory() sent %d requests, want 1", got)
	}
}

func TestResolveDirectory_LooksUpAgainAfterADay(t *testing.T) {
	h := newHarness(t)
	h.route(discoveryPath, respond(200, `{"issuer":"`+issuerOf(h, directory)+`"}`))
	for _, want := range []int{1, 1, 2} { // requests so far
		if _, err := h.client.ResolveDirectory(t.Context(), "test", "contoso.onmicrosoft.com"); err != nil {
			t.Fatal(err)
		}
		if got := len(h.seen(discoveryPath)); got != want {
			t.Errorf("ResolveDirectory() sent %d requests, want %d", got, want)
		}
		h.advance(12 * time.Hour)
	}
}

func TestResolveDirectory_Answers(t *testing.T) {
	for name, tc := range map[string]struct {
		answer func(h *harness) http.HandlerFunc
		want   failure.Code
	}{
		"unknown": {func(*harness) http.HandlerFunc {
			return respond(400, `{"error":"invalid_tenant","error_codes":[90002]}`)
		}, failure.DirectoryUnknown},
		"unknown by code": {func(*harness) http.HandlerFunc {
			return respond(400, `{"error":"invalid_request","error_codes":[90002]}`)
		}, failure.DirectoryUnknown},
		"wrong cloud": {func(*harness) http.HandlerFunc {
			return respond(400, `{"error":"invalid_request","error_codes":[90038]}`)
		}, failure.WrongCloud},
		"down":      {func(*harness) http.HandlerFunc { return respond(503, ``) }, failure.MicrosoftUnavailable},
		"throttled": {func(*harness) http.HandlerFunc { return respond(429, ``) }, failure.MicrosoftThrottled},
		"page":      {func(*harness) http.HandlerFunc { return respond(200, `<html>`) }, failure.MicrosoftAnswer},
		"too long": {func(h *harness) http.HandlerFunc {
			return respond(200, `{"issuer":"`+issuerOf(h, directory)+`"}`+strings.Repeat(" ", 2<<20))
		}, failure.MicrosoftAnswer},
		"template": {func(h *harness) http.HandlerFunc { return respond(200, `{"issuer":"`+issuerOf(h, "{tenantid}")+`"}`) }, failure.MicrosoftAnswer},
		"foreign issuer": {func(*harness) http.HandlerFunc {
			return respond(200, `{"issuer":"https://evil.example/`+directory+`/v2.0"}`)
		}, failure.MicrosoftAnswer},
		"issuer of v1": {func(h *harness) http.HandlerFunc {
			return respond(200, `{"issuer":"`+h.server.URL+`/sts/`+directory+`/"}`)
		}, failure.MicrosoftAnswer},
		"issuer is a path": {func(h *harness) http.HandlerFunc { return respond(200, `{"issuer":"`+issuerOf(h, directory+"/x")+`"}`) }, failure.MicrosoftAnswer},
		"no issuer":        {func(*harness) http.HandlerFunc { return respond(200, `{}`) }, failure.MicrosoftAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, func(c *microsoft.Config) { c.Wait = nil })
			h.route(discoveryPath, tc.answer(h))
			if got, err := h.client.ResolveDirectory(context.Background(), "test", "contoso.onmicrosoft.com"); codeOf(err) != tc.want {
				t.Errorf("ResolveDirectory() = %q, %v, want %s", got, err, tc.want)
			}
			h.route(discoveryPath, respond(200, `{"issuer":"`+issuerOf(h, directory)+`"}`))
			if got, err := h.client.ResolveDirectory(context.Background(), "test", "contoso.onmicrosoft.com"); err != nil || got != directory {
				t.Errorf("ResolveDirectory() afterwards = %q, %v, want %q: a failure is not cached", got, err, directory)
			}
		})
	}
}
