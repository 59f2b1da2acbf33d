package api_test

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/token"
)

// TestProtocols_LendFromMemory: what is in memory is lent without Lend, by an answer that has its length, also when it is longer than
// what net/http buffers to find it.
func TestProtocols_LendFromMemory(t *testing.T) {
	h := newHarness(t)
	key := h.add("billing")
	long := strings.Repeat("c4n4ry", 1000)
	h.tokens.cached = token.Loan{API: token.Graph, AccessToken: secret.New(long), ExpiresAt: h.tokens.ends, DirectoryID: directoryA}
	for name, got := range map[string]answer{
		"OAuth":            h.post("/oauth2/token", credentials("billing", key)),
		"managed identity": h.identity("/msi/token", key, "resource", graph),
	} {
		if got.status != http.StatusOK || got.text("access_token") != long || got.header.Get("Content-Length") != strconv.Itoa(len(got.body)) {
			t.Errorf("%s = %d with %d bytes and the headers %v, want the access token in memory with its length", name, got.status, len(got.body), got.header)
		}
	}
	h.checkNothingLent()
}

// TestProtocols_LendNothingWithoutItsEvent has memory fail to store the event of a lending.
func TestProtocols_LendNothingWithoutItsEvent(t *testing.T) {
	h := newHarness(t)
	key := h.add("billing")
	h.tokens.cachedErr = errors.New("the database is gone")
	for name, got := range map[string]answer{
		"OAuth":            h.post("/oauth2/token", credentials("billing", key)),
		"managed identity": h.identity("/msi/token", key, "resource", graph),
	} {
		if got.status != http.StatusInternalServerError || strings.Contains(string(got.body), "database") {
			t.Errorf("%s = %d %s, want an internal error", name, got.status, got.body)
		}
	}
	h.checkNothingLent()
}
