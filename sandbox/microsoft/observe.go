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

// maxRequests bounds the request log; the oldest entries are removed.
const maxRequests = 10000

// A Request is one entry of the request log. It contains no secrets.
type Request struct {
	At        time.Time `json:"at"`
	Host      Host      `json:"host"`
	Method    string    `json:"method"`
	Path      string    `json:"path"`
	Directory string    `json:"directory,omitempty"` // in the path of the identity platform

	// GrantType, Scope and ClientID are those of a request to the identity platform. In version 1, Scope is the resource.
	GrantType string `json:"grantType,omitempty"`
	Scope     string `json:"scope,omitempty"`
	ClientID  string `json:"clientId,omitempty"`
	// ClientRequestID is the header client-request-id; RequestID and CorrelationID are MS-RequestId and
	// MS-CorrelationId of Partner Center.
	ClientRequestID string `json:"clientRequestId,omitempty"`
	RequestID       string `json:"requestId,omitempty"`
	CorrelationID   string `json:"correlationId,omitempty"`
	ValidateMFA     bool   `json:"validateMFA,omitempty"`
	UserAgent       string `json:"userAgent,omitempty"`

	// Status is 0 if the connection was closed without an answer.
	Status    int `json:"status"`
	ErrorCode int `json:"errorCode,omitempty"` // AADSTS code; 0: none
	// Faulty says that a Fault applied.
	Faulty bool `json:"faulty,omitempty"`
	// SecretInURL says that the query contained a secret, which belongs in the body.
	SecretInURL bool `json:"secretInURL,omitempty"`
}

// A requestLog keeps the latest requests. It is safe for concurrent use.
type requestLog struct {
	mu      sync.Mutex // guards entries
	entries []Request
}

func (l *requestLog) add(r Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.entries) >= maxRequests {
		l.entries = slices.Delete(l.entries, 0, maxRequests/10)
	}
	l.entries = append(l.entries, r)
}

// Requests returns the request log, oldest first. A request appears in it before its answer is sent.
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

// describe records the parameters of a request to the identity platform, even if a fault answers it.
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
		// The body is read first: a fault may depend on its grant type, and net/http detects that a client has
		// disconnected only after the body has been read.
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
		if err != nil {
			http.Error(w, "The body cannot be read.", http.StatusRequestEntityTooLarge)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if values, err := url.ParseQuery(string(body)); host == Login && err == nil {
			entry.describe(query, values)
		}
		answer := &bufferedAnswer{header: w.Header(), status: http.StatusOK}
		reset := s.serveWithFaults(answer, r, s.dated(next))
		s.date(w.Header())
		if !reset {
			entry.Status = answer.status
		}
		s.requests.add(*entry)
		s.cfg.Log.LogAttrs(r.Context(), slog.LevelDebug, "request", slog.String("host", string(host)), slog.String("method", r.Method),
			slog.String("path", r.URL.Path), slog.Int("status", entry.Status), slog.Int("aadsts", entry.ErrorCode))
		if reset {
			panic(http.ErrAbortHandler) // net/http then closes the connection
		}
		body = answer.body.Bytes()
		if len(body) > 0 && s.marks(host) {
			body = append([]byte("\ufeff"), body...)
			w.Header().Del("Content-Length")
		}
		w.WriteHeader(answer.status)
		w.Write(body)
	})
}

// marks reports whether the answers of host begin with a byte order mark.
func (s *Simulator) marks(host Host) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.state.odd.ByteOrderMarks, host)
}

// dated sets the header Date to the time at which next begins: a fault that delays the answer leaves it as it is, as the
// network does.
func (s *Simulator) dated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.date(w.Header())
		next.ServeHTTP(w, r)
	})
}

// date sets the header Date from the simulator's clock, unless it is set. net/http would use the machine's.
func (s *Simulator) date(header http.Header) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state.odd.OmitDate:
		header["Date"] = nil // omits it
	case header.Get("Date") == "":
		header.Set("Date", s.now().Format(http.TimeFormat))
	}
}

// loginHeaders sets the headers of every answer of the identity platform (docs/reference/microsoft-identity.md §1.3).
func loginHeaders(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("x-ms-request-id", uuid.NewString())
	w.Header().Set("x-ms-ests-server", "2.1.0 - SIMULATED")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if strings.EqualFold(r.Header.Get("return-client-request-id"), "true") {
		w.Header().Set("client-request-id", r.Header.Get("client-request-id"))
	}
	http.SetCookie(w, &http.Cookie{Name: "fpc", Value: uuid.NewString(), Path: "/", HttpOnly: true})
}

// cutPath returns the first segment of a path, and the rest.
func cutPath(path string) (first, rest string, found bool) {
	return strings.Cut(strings.TrimPrefix(path, "/"), "/")
}

// A bufferedAnswer is an answer that is not sent yet, so that a fault can change it.
type bufferedAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *bufferedAnswer) Header() http.Header         { return a.header }
func (a *bufferedAnswer) WriteHeader(status int)      { a.status = status }
func (a *bufferedAnswer) Write(b []byte) (int, error) { return a.body.Write(b) }
