package microsoft

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/token"
)

const (
	maxAnswer = 1 << 20 // bytes; the largest known answers are key sets of about 20 kB

	// maxRetryAfter is the longest Retry-After before a retry in this package; the caller schedules longer ones.
	maxRetryAfter = time.Minute

	// maxRetryAfterReported bounds what is reported, so that a broken answer cannot delay a renewal by more than a day.
	maxRetryAfterReported = 24 * time.Hour
)

// A reply is an answer whose body was read.
type reply struct {
	status  int
	reason  string // status line without the version
	header  http.Header
	text    secret.Text // the body, which may hold tokens
	tooLong bool        // body is incomplete
}

// byteOrderMark is what Partner Center and ARM have put before JSON (docs/reference/microsoft-identity.md §9).
var byteOrderMark = []byte("\xef\xbb\xbf")

func (r reply) body() []byte { return []byte(r.text.Reveal()) }

// read reads and closes the body of an answer. It removes a byte order mark, which no decoder of JSON accepts.
func read(resp *http.Response) (reply, error) {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return reply{}, err
	}
	return reply{
		status:  resp.StatusCode,
		reason:  resp.Status,
		header:  resp.Header,
		text:    secret.New(string(bytes.TrimPrefix(body[:min(len(body), maxAnswer)], byteOrderMark))),
		tooLong: len(body) > maxAnswer,
	}, nil
}

// A recorder is the transport of one token request. It adds an ID to the request, and keeps the answer, of which x/oauth2
// returns only a part.
type recorder struct {
	next      http.RoundTripper
	requestID string
	answer    reply // status 0: no answer yet
}

// RoundTrip implements http.RoundTripper.
func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Accept", "application/json")
	req.Header.Set("client-request-id", r.requestID)
	req.Header.Set("return-client-request-id", "true")
	resp, err := r.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	answer, err := read(resp)
	if err != nil {
		return nil, err
	}
	r.answer = answer
	resp.Body = io.NopCloser(bytes.NewReader(answer.body()))
	// x/oauth2 would parse any other type as a form; Microsoft answers in JSON only.
	resp.Header = resp.Header.Clone()
	resp.Header.Set("Content-Type", "application/json")
	return resp, nil
}

// record returns a copy of client that sends its requests through a new recorder.
func record(client *http.Client) (*http.Client, *recorder) {
	next := client.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	r := &recorder{next: next, requestID: random.ID()}
	recorded := *client
	recorded.Transport = r
	return &recorded, r
}

// get sends req, which has no body, and retries transient failures. It returns every other answer.
func (c *Client) get(client *http.Client, req *http.Request) (reply, *failure.Error) {
	var answer reply
	f := c.retry(req.Context(), func() *failure.Error {
		again := req.Clone(req.Context())
		if req.GetBody != nil {
			var err error
			if again.Body, err = req.GetBody(); err != nil {
				return unreachable(err)
			}
		}
		resp, err := client.Do(again)
		if err != nil {
			return unreachable(err)
		}
		if answer, err = read(resp); err != nil {
			return unreachable(err)
		}
		return c.transient(answer)
	})
	return answer, f
}

// transient returns the failure of an answer that only says to retry later; nil for any other.
func (c *Client) transient(answer reply) *failure.Error {
	if answer.status != http.StatusTooManyRequests && answer.status != http.StatusRequestTimeout && answer.status < 500 {
		return nil
	}
	return c.refusalOf(answer).failure(anyGrant)
}

// retry calls try until it succeeds, fails permanently, or Config.Retries ends. It calls try once if the caller retries
// itself (docs/explanation/retries.md).
func (c *Client) retry(ctx context.Context, try func() *failure.Error) *failure.Error {
	retries := c.retries
	if !token.RetriesAllowed(ctx) {
		retries = nil
	}
	for _, pause := range retries {
		f := try()
		if f == nil || f.Kind() != failure.Transient {
			return f
		}
		if f.Microsoft != nil {
			asked := time.Duration(f.Microsoft.RetryAfterSeconds) * time.Second
			if asked > maxRetryAfter {
				return f
			}
			pause = max(pause, asked)
		}
		if c.wait(ctx, pause) != nil {
			return f
		}
	}
	return try()
}

// unreachable returns the failure of a request without an answer.
func unreachable(err error) *failure.Error {
	return failure.Wrap(printable(err), failure.MicrosoftUnavailable)
}

// printable returns what may be logged of a transport's error. It omits the address, because a page link has query
// parameters, and errors that quote the answer, because an answer may contain a token.
func printable(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return err
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return err
	}
	for _, plain := range []error{context.Canceled, context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF} {
		if errors.Is(err, plain) {
			return plain
		}
	}
	return errors.New("the connection failed")
}

// retryAfter reads the header Retry-After, in seconds or as an HTTP date; 0 if it is absent or invalid.
func retryAfter(header http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(header.Get("Retry-After"))
	var wait time.Duration
	if seconds, err := strconv.Atoi(value); err == nil {
		wait = time.Duration(min(seconds, int(maxRetryAfterReported/time.Second))) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		if date := dateOf(header); !date.IsZero() {
			now = date // both on Microsoft's clock
		}
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfterReported)
}
