package microsoft

import (
	"maps"
	"net/http"
	"strings"
	"time"

	"azure-partner-connector/connector/clock"
)

// A Fault changes the answers to the requests that it matches. The zero Fault matches every request and changes
// nothing. The first matching fault applies, in the order of AddFault.
type Fault struct {
	// Host, Method, Directory and GrantType must be equal if they are set; Path must be a part of the path. GrantType
	// is that of a token request; Directory is the first segment of a path of the identity platform.
	Host      Host   `json:"host,omitempty"`
	Method    string `json:"method,omitempty"`
	Path      string `json:"path,omitempty"`
	Directory string `json:"directory,omitempty"`
	GrantType string `json:"grantType,omitempty"`

	// Skip is the number of matching requests to let pass first; Times is the number to affect then, 0 for all.
	Skip  int `json:"skip,omitempty"`
	Times int `json:"times,omitempty"`

	// Delay delays the request, in real time; Hold delays it until it is closed. Both end if the client disconnects.
	Delay time.Duration   `json:"delay,omitempty"`
	Hold  <-chan struct{} `json:"-"`

	// Status, Header and Body replace the answer of the real handler. Status 0 does not replace it.
	Status int               `json:"status,omitempty"`
	Header map[string]string `json:"header,omitempty"`
	Body   string            `json:"body,omitempty"`
	// Reset closes the connection without an answer.
	Reset bool `json:"reset,omitempty"`
	// AfterProcessing processes the request before Status, Reset or Delay apply, so that only the answer is lost.
	AfterProcessing bool `json:"afterProcessing,omitempty"`
	// Truncate sends the first half of the real answer.
	Truncate bool `json:"truncate,omitempty"`
}

type activeFault struct {
	Fault
	skipped, fired int
}

// AddFault appends a fault to the others.
func (s *Simulator) AddFault(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.faults = append(s.state.faults, &activeFault{Fault: f})
}

// ClearFaults removes all faults.
func (s *Simulator) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.faults = nil
}

// Throttled is a fault that answers 429. retryAfter is the value of Retry-After: seconds, an HTTP date, or empty for
// none.
func Throttled(host Host, retryAfter string) Fault {
	f := Fault{Host: host, Status: http.StatusTooManyRequests, Header: map[string]string{}}
	if retryAfter != "" {
		f.Header["Retry-After"] = retryAfter
	}
	switch host {
	case Login:
		f.Path = "/token"
		f.Body = `{"error":"temporarily_unavailable","error_description":"AADSTS90055: There are too many requests.","error_codes":[90055]}`
	case PartnerCenter:
		f.Body = `{"statusCode":429,"message":"Rate limit is exceeded."}`
	default:
		f.Body = `{"error":{"code":"TooManyRequests","message":"There are too many requests."}}`
	}
	return f
}

// Unavailable is a fault that answers 503; the identity platform adds 90033.
func Unavailable(host Host) Fault {
	f := Fault{Host: host, Status: http.StatusServiceUnavailable, Body: `{"error":{"code":"ServiceUnavailable","message":"Try again later."}}`}
	if host == Login {
		f.Path = "/token"
		f.Body = `{"error":"temporarily_unavailable","error_description":"AADSTS90033: The service is temporarily unavailable.","error_codes":[90033]}`
	}
	return f
}

// BrokenGateway is a fault that answers 500 with an HTML page, as gateways do.
func BrokenGateway(host Host) Fault {
	return Fault{
		Host: host, Status: http.StatusInternalServerError, Header: map[string]string{"Content-Type": "text/html"},
		Body: "<html><head><title>Server Error</title></head><body><h1>500</h1></body></html>",
	}
}

// Challenged is a fault of Graph or ARM that answers 401 with a continuous access evaluation challenge.
func Challenged(host Host, claims string) Fault {
	return Fault{
		Host: host, Status: http.StatusUnauthorized,
		Header: map[string]string{"WWW-Authenticate": `Bearer realm="", error="insufficient_claims", claims="` + encodeClaims(claims) + `"`},
		Body:   `{"error":{"code":"InvalidAuthenticationToken","message":"Continuous access evaluation asks for a new sign-in."}}`,
	}
}

// serveWithFaults serves a request with the matching fault, if any, and reports whether to close the connection without
// an answer.
func (s *Simulator) serveWithFaults(w *bufferedAnswer, r *http.Request, next http.Handler) (reset bool) {
	fault := s.matchingFault(r)
	if fault == nil {
		next.ServeHTTP(w, r)
		return false
	}
	entryOf(r).Faulty = true
	processed := fault.AfterProcessing || !fault.Reset && fault.Status == 0
	if processed && fault.AfterProcessing {
		next.ServeHTTP(w, r)
	}
	if fault.Delay > 0 && clock.Sleep(r.Context(), fault.Delay) != nil {
		return true
	}
	if fault.Hold != nil {
		select {
		case <-fault.Hold:
		case <-r.Context().Done():
			return true
		}
	}
	if processed && !fault.AfterProcessing {
		next.ServeHTTP(w, r)
	}
	if fault.Reset {
		return true
	}
	if fault.Status != 0 {
		w.status = fault.Status
		w.body.Reset()
		w.body.WriteString(fault.Body)
		w.header.Set("Content-Type", "application/json; charset=utf-8")
		for name, value := range fault.Header {
			w.header.Set(name, value)
		}
	}
	if fault.Truncate {
		w.body.Truncate(w.body.Len() / 2)
	}
	return false
}

// matchingFault finds the fault for a request and counts it.
func (s *Simulator) matchingFault(r *http.Request) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry := entryOf(r)
	for _, f := range s.state.faults {
		matches := (f.Host == "" || f.Host == entry.Host) && (f.Method == "" || f.Method == r.Method) &&
			strings.Contains(r.URL.Path, f.Path) && (f.Directory == "" || strings.EqualFold(f.Directory, entry.Directory)) &&
			(f.GrantType == "" || f.GrantType == entry.GrantType)
		if !matches || f.Times > 0 && f.fired >= f.Times {
			continue
		}
		if f.skipped < f.Skip {
			f.skipped++
			continue
		}
		f.fired++
		copied := f.Fault
		copied.Header = maps.Clone(f.Header)
		return &copied
	}
	return nil
}
