package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"azure-partner-connector/connector/platform/oauth1"
	"azure-partner-connector/connector/random"
)

// publicURL is the URL for which requests are signed, whatever address they are sent to.
const publicURL = "https://connector.example.com/aps"

// A request is an unsigned hook, or the bytes of another request.
type request struct {
	method, path string // below publicURL
	body         string
	application  string // the caller; empty for the platform itself

	plain string // all of a request that is no hook
}

// raw returns the bytes of r, a hook as a signed HTTP request.
func (e *Env) raw(r request) ([]byte, error) {
	if r.plain != "" {
		return []byte(r.plain), nil
	}
	call, err := http.NewRequest(r.method, publicURL+r.path, http.NoBody)
	if err != nil {
		return nil, err
	}
	if err := oauth1.Sign(call, e.credentials, time.Now(), oauth1.NewNonce()); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\n", r.method, call.URL.RequestURI(), call.URL.Host, call.Header.Get("Authorization"))
	fmt.Fprintf(&b, "APS-Instance-ID: %s\r\nAPS-Controller-URI: %s\r\nAPS-Transaction-ID: %s\r\n", e.instance.ID, e.instance.ControllerURI, random.ID())
	if r.application != "" {
		fmt.Fprintf(&b, "APS-Application-ID: %s\r\n", r.application)
	}
	if r.body != "" {
		fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(r.body))
	}
	b.WriteString("\r\n" + r.body)
	return b.Bytes(), nil
}

// sign writes count signed requests to a file in the format that replay.lua reads.
func (e *Env) sign(file string, count int, next func(n int) request) (err error) {
	out, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("writing requests: %w", err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	w := bufio.NewWriterSize(out, 1<<20)
	for n := range count {
		raw, err := e.raw(next(n))
		if err != nil {
			return fmt.Errorf("signing a request: %w", err)
		}
		fmt.Fprintf(w, "%06d", len(raw))
		if _, err := w.Write(raw); err != nil {
			return fmt.Errorf("writing requests: %w", err)
		}
	}
	return w.Flush()
}
