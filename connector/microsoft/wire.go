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
)

const (
	maxAnswer = 1 << 20 // bytes; the largest answers we know are key sets of some 20 kB

	// maxRetryAfter is the longest wait that is sat out here; a longer one is the caller's to schedule.
	maxRetryAfter = time.Minute

	// maxRetryAfterTold bounds what is passed on, so that a broken answer cannot put off a renewal beyond a day.
	maxRetryAfterTold = 24 * time.Hour
)

// A reply is an answer that was read whole.
type reply struct {
	status  int
	reason  string // status line without the version
	header  http.Header
	body    []byte
	tooLong bool // body is only the beginning
}

// read takes the whole answer and closes it.
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
		body:    body[:min(len(body), maxAnswer)],
		tooLong: len(body) > maxAnswer,
	}, nil
}

// A recorder is the transport of one token request. It names the request to Microsoft, and keeps the answer that
// x/oauth2 would only show in part.
type recorder struct {
	next      http.RoundTripper
	requestID string
	answer    reply // status is 0 until one came
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
	resp.Body = io.NopCloser(bytes.NewReader(answer.body))
	// x/oauth2 would read any other kind as a form; Microsoft answers in JSON only.
	resp.Header = resp.Header.Clone()
	resp.Header.Set("Content-Type", "application/json")
	return resp, nil
}

// record returns a copy of client whose requests go through a new recorder.
func record(client *http.Client) (*http.Client, *recorder) {
	next := client.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	r := &recorder{next: next, requestID: random.ID()}
	wire := *client
	wire.Transport = r
	return &wire, r
}

// get sends req, which has no body, until there is an answer that is not transient trouble or patience ends.
func (c *Client) get(client *http.Client, req *http.Request) (reply, *failure.Error) {
	var answer reply
	f := c.patiently(req.Context(), func() *failure.Error {
		resp, err := client.Do(req.Clone(req.Context()))
		if err != nil {
			return unreachable(err)
		}
		if answer, err = read(resp); err != nil {
			return unreachable(err)
		}
		return c.trouble(answer)
	})
	return answer, f
}

// trouble returns the failure of an answer that tells nothing but to come back later; nil for any other.
func (c *Client) trouble(answer reply) *failure.Error {
	if answer.status != http.StatusTooManyRequests && answer.status != http.StatusRequestTimeout && answer.status < 500 {
		return nil
	}
	return c.refusalOf(answer).failure(anyGrant)
}

// patiently calls try until it succeeds, fails for good, or the retries are used up.
func (c *Client) patiently(ctx context.Context, try func() *failure.Error) *failure.Error {
	for _, pause := range c.retries {
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

// unreachable returns the failure of a request that got no answer.
func unreachable(err error) *failure.Error {
	return failure.Wrap(printable(err), failure.MicrosoftUnavailable)
}

// printable returns what may be logged of a transport's error. The address is left out, because a page link holds
// query parameters; so are errors that quote the answer, which may hold a token.
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
	return errors.New("the connection broke")
}

// retryAfter reads the header of that name, seconds or an HTTP date; 0 when there is none that makes sense.
func retryAfter(header http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(header.Get("Retry-After"))
	var wait time.Duration
	if seconds, err := strconv.Atoi(value); err == nil {
		wait = time.Duration(min(seconds, int(maxRetryAfterTold/time.Second))) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfterTold)
}
