package hooks

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/once"
	"azure-partner-connector/connector/random"
)

// Bounds of header values that are stored or logged, in characters.
const (
	maxTransaction = 128
	maxController  = 1024
	maxHierarchy   = 32 // accounts
)

// headers are the APS headers of a request (docs/reference/aps-protocol.md §1.1). Ids are in lower case.
type headers struct {
	instance    string   // APS-Instance-ID
	controller  string   // APS-Controller-URI; may be empty outside lifecycle calls
	transaction string   // APS-Transaction-ID; empty when it can't be sent back
	identity    string   // APS-Identity-ID; empty when no panel user is calling
	actor       string   // APS-Actor-ID: the acting account or user; may be empty
	original    string   // APS-Original-Identity-ID
	application string   // APS-Application-ID; empty when no other application is calling
	hierarchy   []string // APS-Account-Hierarchy, provider first; nil when it is missing or malformed
	scheduled   bool     // APS-Scheduled-On-Date
}

func badRequest(reason string) error { return failure.New(failure.BadRequest, "reason", reason) }

// parseHeaders reads the APS headers of a verified request. The signature doesn't cover them. Those that say who calls, and
// where, must be there once and readable: a blank or malformed one must not count as one that is missing, because fewer
// names mean more rights. Others are ignored when they are malformed.
func parseHeaders(h http.Header) (headers, error) {
	out := headers{
		transaction: printable(h.Get("APS-Transaction-ID"), maxTransaction),
		hierarchy:   parseHierarchy(h.Values("APS-Account-Hierarchy")),
		scheduled:   slices.ContainsFunc(h.Values("APS-Scheduled-On-Date"), func(v string) bool { return strings.TrimSpace(v) != "" }),
	}
	for _, id := range []struct {
		name string
		into *string
	}{
		{"APS-Instance-ID", &out.instance},
		{"APS-Identity-ID", &out.identity},
		{"APS-Actor-ID", &out.actor},
		{"APS-Original-Identity-ID", &out.original},
		{"APS-Application-ID", &out.application},
	} {
		value, sent, err := once.Header(h, id.name)
		if err != nil {
			return headers{}, err
		}
		if !sent {
			continue
		}
		var ok bool
		if *id.into, ok = canonical(value); !ok {
			return headers{}, badRequest("the header " + id.name + " is not a UUID")
		}
	}
	if out.instance == "" {
		return headers{}, badRequest("the header APS-Instance-ID is missing")
	}
	if out.original != "" && out.identity == "" && out.actor == "" {
		return headers{}, badRequest("the header APS-Original-Identity-ID comes without APS-Identity-ID")
	}
	value, sent, err := once.Header(h, "APS-Controller-URI")
	if err != nil {
		return headers{}, err
	}
	if sent && !isControllerURI(value) {
		return headers{}, badRequest("the header APS-Controller-URI is not an absolute http or https URL")
	}
	out.controller = value
	return out, nil
}

func isControllerURI(value string) bool {
	u, err := url.Parse(value)
	return err == nil && len(value) <= maxController && (u.Scheme == "https" || u.Scheme == "http") &&
		u.Hostname() != "" && u.User == nil && u.RawQuery == "" && u.Fragment == ""
}

// parseHierarchy returns the accounts of a hierarchy, or nil for a missing, repeated or malformed one.
func parseHierarchy(values []string) []string {
	if len(values) != 1 || strings.TrimSpace(values[0]) == "" || strings.Count(values[0], ",") >= maxHierarchy {
		return nil
	}
	var accounts []string
	for element := range strings.SplitSeq(values[0], ",") {
		id, ok := canonical(strings.TrimSpace(element))
		if !ok {
			return nil
		}
		accounts = append(accounts, id)
	}
	return accounts
}

// canonical returns an APS id in lower case. ok is false unless it is a UUID in its usual form.
func canonical(id string) (string, bool) { return random.ParseID(id) }

// printable returns text if it is printable ASCII without spaces and has at most limit characters, and "" otherwise.
func printable(text string, limit int) string {
	if len(text) > limit {
		return ""
	}
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return ""
		}
	}
	return text
}
