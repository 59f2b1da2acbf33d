package microsoft

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
)

// errorName and plainID match the names and IDs that Microsoft uses. Evidence is shown to people and logged, and a
// broken answer can contain anything, so nothing else is repeated.
var (
	errorName = regexp.MustCompile(`^[A-Za-z][A-Za-z_]{0,63}$`)
	plainID   = regexp.MustCompile(`^[0-9A-Fa-f-]{8,64}$`)
)

// leadingCode is the AADSTS number that begins an error's text (docs/reference/microsoft-identity.md §2.4).
var leadingCode = regexp.MustCompile(`^AADSTS([0-9]{4,9})\b`)

// traceInText and correlationInText match the IDs in an error's text, which are only for support tickets.
var (
	traceInText       = regexp.MustCompile(`Trace ID:\s*([0-9a-fA-F-]{36})`)
	correlationInText = regexp.MustCompile(`Correlation ID:\s*([0-9a-fA-F-]{36})`)
)

// A refusal is an error answer of Microsoft (docs/reference/microsoft-identity.md §3.5).
type refusal struct {
	name          string // error
	subName       string // suberror
	codes         []int  // error_codes; AADSTS numbers
	traceID       string
	correlationID string
	status        int
	retryAfter    time.Duration
}

// refusalOf reads an answer of the identity platform. It ignores members of an unexpected type, so that one bad member
// does not hide the others.
func (c *Client) refusalOf(answer reply) refusal {
	var body map[string]json.RawMessage
	if json.Unmarshal(answer.body(), &body) != nil {
		body = nil
	}
	r := refusal{
		name:          nameOrEmpty(text(body["error"])),
		subName:       nameOrEmpty(text(body["suberror"])),
		traceID:       idOrEmpty(text(body["trace_id"])),
		correlationID: idOrEmpty(text(body["correlation_id"])),
		status:        answer.status,
		retryAfter:    retryAfter(answer.header, c.now()),
	}
	var codes []json.RawMessage
	if json.Unmarshal(body["error_codes"], &codes) != nil {
		codes = nil
	}
	for _, raw := range codes {
		if number, err := strconv.Atoi(strings.Trim(string(raw), `"`)); err == nil && number > 0 {
			r.codes = append(r.codes, number)
		}
	}
	if r.traceID == "" {
		r.traceID = idOrEmpty(answer.header.Get("x-ms-request-id"))
	}
	return r
}

// text returns the JSON string raw, or "" if it is not a string.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// nameOrEmpty returns s if it is an error's name, else "".
func nameOrEmpty(s string) string {
	if !errorName.MatchString(s) {
		return ""
	}
	return s
}

// idOrEmpty returns s if it is an ID, else "".
func idOrEmpty(s string) string {
	if !plainID.MatchString(s) {
		return ""
	}
	return s
}

func (r refusal) evidence() *failure.Evidence {
	e := &failure.Evidence{
		Error:             r.name,
		SubError:          r.subName,
		TraceID:           r.traceID,
		CorrelationID:     r.correlationID,
		Status:            r.status,
		RetryAfterSeconds: int(math.Ceil(r.retryAfter.Seconds())),
	}
	if len(r.codes) > 0 {
		e.Code = strconv.Itoa(r.codes[0])
	}
	return e
}

// failure translates r, the answer to a redemption of grant.
func (r refusal) failure(grant grantType) *failure.Error {
	f := failure.New(r.code(grant))
	f.Microsoft = r.evidence()
	return f
}

// unreadable returns the failure of an answer of an unexpected form. It describes the answer and does not quote it.
func (c *Client) unreadable(answer reply) *failure.Error {
	f := failure.Wrap(fmt.Errorf("unexpected answer with status %d and %d bytes", answer.status, len(answer.body())), failure.MicrosoftAnswer)
	if answer.status >= http.StatusBadRequest {
		f = c.refusalOf(reply{status: answer.status, header: answer.header}).failure(anyGrant)
	}
	if f.Microsoft == nil {
		f.Microsoft = refusal{status: answer.status, traceID: idOrEmpty(answer.header.Get("x-ms-request-id"))}.evidence()
	}
	return f
}

// CallbackError implements consent.Microsoft. The error's name decides the kind of the failure; the number at the
// beginning of the description refines it (docs/reference/microsoft-identity.md §2.4).
func (c *Client) CallbackError(e consent.CallbackError) *failure.Error {
	r := refusal{
		name:          nameOrEmpty(e.Error),
		subName:       nameOrEmpty(e.SubCode),
		traceID:       submatch(traceInText, e.Description),
		correlationID: submatch(correlationInText, e.Description),
	}
	if number, err := strconv.Atoi(submatch(leadingCode, e.Description)); err == nil {
		r.codes = []int{number}
	}
	f := failure.New(r.callbackCode())
	f.Microsoft = r.evidence()
	return f
}

func submatch(pattern *regexp.Regexp, s string) string {
	if m := pattern.FindStringSubmatch(s); m != nil {
		return m[1]
	}
	return ""
}
