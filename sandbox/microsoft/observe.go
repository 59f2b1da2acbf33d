package microsoft

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// keptRequests bounds the request log; the oldest are forgotten.
const keptRequests = 10000

// A Request is one request as the log keeps it: what tests need, and never a secret.
type Request struct {
	At        time.Time
	Host      Host
	Method    string
	Path      string
	Directory string // as in the path of the identity platform

	// Of the identity platform; Scope is the resource in version 1.
	GrantType, Scope, ClientID string
	// ClientRequestID is the header client-request-id; RequestID and CorrelationID are MS-RequestId and
	// MS-CorrelationId of Partner Center.
	ClientRequestID, RequestID, CorrelationID string
	ValidateMFA                               bool
	UserAgent                                 string

	// Status is 0 when the connection was cut before an answer.
	Status    int
	ErrorCode int // AADSTS code, 0 when there was none
	// Faulty says that a Fault answered, or spoiled the answer.
	Faulty bool
	// SecretInURL says that the query held something that belongs in the body.
	SecretInURL bool
}

// requestLog keeps what was asked. Safe for concurrent use.
type requestLog struct {
	mu      sync.Mutex // guards entries
	entries []Request
}

func (l *requestLog) add(r Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.entries) >= keptRequests {
		l.entries = slices.Delete(l.entries, 0, keptRequests/10)
	}
	l.entries = append(l.entries, r)
}

// Requests returns the request log, oldest first. A request appears when its answer has been made.
func (s *Simulator) Requests() []Request {
	s.requests.mu.Lock()
	defer s.requests.mu.Unlock()
	return slices.Clone(s.requests.entries)
}

// ForgetRequests empties the request log.
func (s *Simulator) ForgetRequests() {
	s.requests.mu.Lock()
	defer s.requests.mu.Unlock()
	s.requests.entries = nil
}

// describe notes what an identity platform request asks for, whether or not a handler will ever see it.
func (r *Request) describe(query, form url.Values) {
	from := query
	if form.Has("grant_type") {
		from = form
	}
	r.GrantType, r.Scope, r.ClientID = form.Get("grant_type"), from.Get("scope"), from.Get("client_id")
	if r.Scope == "" {
		r.Scope = from.Get("resource")
	}
}

type entryKey struct{}

// entryOf returns the log entry of a request for its handler to complete.
func entryOf(r *http.Request) *Request { return r.Context().Value(entryKey{}).(*Request) }

// secretParameters must never be in a URL.
var secretParameters = []string{"client_secret", "refresh_token", "access_token", "code", "code_verifier", "client_assertion", "password", "id_token"}

// observed wraps a host's handler: faults, common headers, the request log.
func (s *Simulator) observed(host Host, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entry := &Request{
			At: s.now(), Host: host, Method: r.Method, Path: r.URL.Path, ClientRequestID: r.Header.Get("client-request-id"),
			RequestID: r.Header.Get("MS-RequestId"), CorrelationID: r.Header.Get("MS-CorrelationId"),
			ValidateMFA: strings.EqualFold(r.Header.Get("ValidateMfa"), "true"), UserAgent: r.UserAgent(),
		}
		if host == Login {
			entry.Directory, _, _ = cutPath(r.URL.Path)
		}
		query := r.URL.Query()
		entry.SecretInURL = slices.ContainsFunc(secretParameters, func(name string) bool { return query.Has(name) })
		r = r.WithContext(context.WithValue(r.Context(), entryKey{}, entry))
		if host == Login {
			loginHeaders(w, r)
		}
		// The body is read first: a fault may go by its grant type, and net/http notices that a client has left only
		// once the body has been read.
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
		if err != nil {
			http.Error(w, "The body cannot be read.", http.StatusRequestEntityTooLarge)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if values, err := url.ParseQuery(string(body)); host == Login && err == nil {
			entry.describe(query, values)
		}
		answer := &heldAnswer{header: w.Header(), status: http.StatusOK}
		cut := s.serveWithFaults(answer, r, next)
		if !cut {
			entry.Status = answer.status
		}
		s.requests.add(*entry)
		s.cfg.Log.LogAttrs(r.Context(), slog.LevelDebug, "request", slog.String("host", string(host)), slog.String("method", r.Method),
			slog.String("path", r.URL.Path), slog.Int("status", entry.Status), slog.Int("aadsts", entry.ErrorCode))
		if cut {
			panic(http.ErrAbortHandler) // net/http then closes the connection
		}
		w.WriteHeader(answer.status)
		w.Write(answer.body.Bytes())
	})
}

// loginHeaders are what the identity platform puts on every answer (microsoft-identity.md §1.3).
func loginHeaders(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("x-ms-request-id", uuid.NewString())
	w.Header().Set("x-ms-ests-server", "2.1.0 - SIMULATED")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if strings.EqualFold(r.Header.Get("return-client-request-id"), "true") {
		w.Header().Set("client-request-id", r.Header.Get("client-request-id"))
	}
	http.SetCookie(w, &http.Cookie{Name: "fpc", Value: uuid.NewString(), Path: "/", HttpOnly: true})
}

// cutPath splits the first segment off a path.
func cutPath(path string) (first, rest string, found bool) {
	return strings.Cut(strings.TrimPrefix(path, "/"), "/")
}

// A heldAnswer keeps an answer back, so that a fault may still spoil it.
type heldAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *heldAnswer) Header() http.Header         { return a.header }
func (a *heldAnswer) WriteHeader(status int)      { a.status = status }
func (a *heldAnswer) Write(b []byte) (int, error) { return a.body.Write(b) }
