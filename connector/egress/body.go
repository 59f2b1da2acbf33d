package egress

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"azure-partner-connector/connector/failure"
)

// An upload is the body of a call. It bounds its size and how long it may stand still.
type upload struct {
	body    io.ReadCloser
	control *http.ResponseController
	idle    time.Duration
	left    int64
	stall   *stall // nil while the body is read before the call is sent
	within  time.Duration

	// The transport may read the body after it has returned.
	mu     sync.Mutex // guards the fields below, and the deadline
	closed bool
	err    error // why it ended early
}

// errUploadTooLarge ends a body that is larger than it may be.
var errUploadTooLarge = errors.New("the body is larger than what is forwarded")

// Read implements io.Reader.
func (u *upload) Read(p []byte) (int, error) {
	u.deadline(time.Now().Add(u.idle))
	n, err := u.body.Read(p)
	if u.left -= int64(n); u.left < 0 {
		n, err = 0, errUploadTooLarge
	}
	u.stall.moved(u.within)
	if err != nil {
		u.finish()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		u.mu.Lock()
		u.err = err
		u.mu.Unlock()
	}
	return n, err
}

// finish removes the deadline: the server goes on reading, to learn when the client is gone.
func (u *upload) finish() { u.deadline(time.Time{}) }

// deadline bounds how long the next read may take. Tests without a connection have no deadlines.
func (u *upload) deadline(at time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.closed {
		_ = u.control.SetReadDeadline(at)
	}
}

// Close implements io.Closer.
func (u *upload) Close() error {
	u.mu.Lock()
	u.closed = true
	u.mu.Unlock()
	return u.body.Close()
}

// failed returns why the body ended early; nil if it did not.
func (u *upload) failed() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.err
}

// refusal returns why a body that ended early refuses its call.
func (u *upload) refusal(err error) error {
	switch {
	case errors.Is(u.failed(), errUploadTooLarge):
		return failure.Wrap(err, failure.BodyTooLarge)
	case errors.Is(u.failed(), os.ErrDeadlineExceeded):
		return failure.Wrap(err, failure.BadRequest, "reason", "the body stood still for too long")
	}
	return failure.Wrap(err, failure.BadRequest, "reason", "the body ended early")
}

// A download writes an answer to the client, no slower than it may.
type download struct {
	http.ResponseWriter
	control *http.ResponseController
	idle    time.Duration
}

// WriteHeader implements http.ResponseWriter. Informational answers of Microsoft end here.
func (d *download) WriteHeader(status int) {
	if status >= http.StatusOK {
		d.ResponseWriter.WriteHeader(status)
	}
}

// Write implements io.Writer.
func (d *download) Write(p []byte) (int, error) {
	_ = d.control.SetWriteDeadline(time.Now().Add(d.idle))
	return d.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController find what the connection can do.
func (d *download) Unwrap() http.ResponseWriter { return d.ResponseWriter }

// A bounded is the body of an answer. It bounds its size and how long it may stand still, and withholds trailers.
type bounded struct {
	io.ReadCloser
	answer *http.Response
	stall  *stall
	within time.Duration
	left   int64
}

// errAnswerTooLarge ends an answer that is larger than it may be.
var errAnswerTooLarge = errors.New("the answer is larger than what is forwarded")

// Read implements io.Reader. Of an answer that is too large, it returns what may be forwarded, so that the client gets the status.
func (b *bounded) Read(p []byte) (int, error) {
	b.stall.moved(b.within)
	n, err := b.ReadCloser.Read(p)
	if int64(n) > b.left {
		n, err = int(b.left), errAnswerTooLarge
	}
	b.left -= int64(n)
	if errors.Is(err, io.EOF) {
		withhold(b.answer.Trailer) // which have arrived now
	}
	return n, err
}

// closeBody reads the rest of a small body, so that its connection is used again, and closes it.
func closeBody(answer *http.Response) {
	_, _ = io.CopyN(io.Discard, answer.Body, peeked)
	_ = answer.Body.Close()
}

// A readCloser reads from one and closes the other.
type readCloser struct {
	io.Reader
	io.Closer
}

// A failing is a body that cannot be read on.
type failing struct{ err error }

// Read implements io.Reader.
func (f failing) Read([]byte) (int, error) { return 0, f.err }

// buffers are those through which bodies are copied.
type buffers struct{ pool sync.Pool }

func newBuffers() *buffers {
	return &buffers{sync.Pool{New: func() any { return new([copied]byte) }}}
}

// Get implements httputil.BufferPool.
func (b *buffers) Get() []byte { return b.pool.Get().(*[copied]byte)[:] }

// Put implements httputil.BufferPool.
func (b *buffers) Put(p []byte) { b.pool.Put((*[copied]byte)(p)) }
