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

// What cannot be a directory's name never gets into an address.
func TestResolveDirectoryRefusesWithoutNetwork(t *testing.T) {
	l := newLab(t)
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
		if got, err := l.client.ResolveDirectory(context.Background(), "lab", name); codeOf(err) != want {
			t.Errorf("ResolveDirectory(%q) = %q, %v, want %s", name, got, err, want)
		}
	}
	if _, err := l.client.ResolveDirectory(context.Background(), "moon", directory); codeOf(err) != failure.CloudUnknown {
		t.Errorf("ResolveDirectory(moon) = %v, want %s", err, failure.CloudUnknown)
	}
	if len(l.requests) > 0 {
		t.Errorf("ResolveDirectory() sent %d requests, want none", len(l.requests))
	}
}

func TestResolveDirectoryByGUID(t *testing.T) {
	l := newLab(t)
	got, err := l.client.ResolveDirectory(context.Background(), "lab", " ABCDEF11-2222-4333-8444-555555555555 ")
	if want := "abcdef11-2222-4333-8444-555555555555"; err != nil || got != want {
		t.Errorf("ResolveDirectory() = %q, %v, want %q", got, err, want)
	}
	if len(l.requests) > 0 {
		t.Errorf("ResolveDirectory() sent %d requests, want none", len(l.requests))
	}
}

func TestResolveDirectoryByDomain(t *testing.T) {
	l := newLab(t)
	l.route(discoveryPath, respond(200, `{"issuer":"`+issuerOf(l, strings.ToUpper(directory))+`"}`))
	for _, name := range []string{"Contoso.OnMicrosoft.com", "contoso.onmicrosoft.com"} {
		if got, err := l.client.ResolveDirectory(context.Background(), "lab", name); err != nil || got != directory {
			t.Errorf("ResolveDirectory(%q) = %q, %v, want %q", name, got, err, directory)
		}
	}
	if got := len(l.seen(discoveryPath)); got != 1 {
		t.Errorf("ResolveDirectory() asked %d times, want once", got)
	}
}

func TestResolveDirectory_LooksUpAgainAfterADay(t *testing.T) {
	l := newLab(t)
	l.route(discoveryPath, respond(200, `{"issuer":"`+issuerOf(l, directory)+`"}`))
	for _, want := range []int{1, 1, 2} { // requests so far
		if _, err := l.client.ResolveDirectory(t.Context(), "lab", "contoso.onmicrosoft.com"); err != nil {
			t.Fatal(err)
		}
		if got := len(l.seen(discoveryPath)); got != want {
			t.Errorf("ResolveDirectory() sent %d requests, want %d", got, want)
		}
		l.advance(12 * time.Hour)
	}
}

func TestResolveDirectoryAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		answer func(l *lab) http.HandlerFunc
		want   failure.Code
	}{
		"unknown":         {func(*lab) http.HandlerFunc { return respond(400, `{"error":"invalid_tenant","error_codes":[90002]}`) }, failure.DirectoryUnknown},
		"unknown by code": {func(*lab) http.HandlerFunc { return respond(400, `{"error":"invalid_request","error_codes":[90002]}`) }, failure.DirectoryUnknown},
		"wrong cloud":     {func(*lab) http.HandlerFunc { return respond(400, `{"error":"invalid_request","error_codes":[90038]}`) }, failure.WrongCloud},
		"down":            {func(*lab) http.HandlerFunc { return respond(503, ``) }, failure.MicrosoftUnavailable},
		"throttled":       {func(*lab) http.HandlerFunc { return respond(429, ``) }, failure.MicrosoftThrottled},
		"page":            {func(*lab) http.HandlerFunc { return respond(200, `<html>`) }, failure.MicrosoftAnswer},
		"too long": {func(l *lab) http.HandlerFunc {
			return respond(200, `{"issuer":"`+issuerOf(l, directory)+`"}`+strings.Repeat(" ", 2<<20))
		}, failure.MicrosoftAnswer},
		"template": {func(l *lab) http.HandlerFunc { return respond(200, `{"issuer":"`+issuerOf(l, "{tenantid}")+`"}`) }, failure.MicrosoftAnswer},
		"foreign issuer": {func(*lab) http.HandlerFunc {
			return respond(200, `{"issuer":"https://evil.example/`+directory+`/v2.0"}`)
		}, failure.MicrosoftAnswer},
		"issuer of v1":     {func(l *lab) http.HandlerFunc { return respond(200, `{"issuer":"`+l.server.URL+`/sts/`+directory+`/"}`) }, failure.MicrosoftAnswer},
		"issuer is a path": {func(l *lab) http.HandlerFunc { return respond(200, `{"issuer":"`+issuerOf(l, directory+"/x")+`"}`) }, failure.MicrosoftAnswer},
		"no issuer":        {func(*lab) http.HandlerFunc { return respond(200, `{}`) }, failure.MicrosoftAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, func(c *microsoft.Config) { c.Wait = nil })
			l.route(discoveryPath, tc.answer(l))
			if got, err := l.client.ResolveDirectory(context.Background(), "lab", "contoso.onmicrosoft.com"); codeOf(err) != tc.want {
				t.Errorf("ResolveDirectory() = %q, %v, want %s", got, err, tc.want)
			}
			l.route(discoveryPath, respond(200, `{"issuer":"`+issuerOf(l, directory)+`"}`))
			if got, err := l.client.ResolveDirectory(context.Background(), "lab", "contoso.onmicrosoft.com"); err != nil || got != directory {
				t.Errorf("ResolveDirectory() afterwards = %q, %v, want %q: a failure is not remembered", got, err, directory)
			}
		})
	}
}
