// Package listener accepts the connections of one handler. It bounds how many there are at once, in all and of one
// client, so that nobody can use up the file descriptors that the other handlers, the database and calls out need.
package listener

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"azure-partner-connector/connector/peer"
	"azure-partner-connector/connector/sampling"
)

// recordEvery is how often a record of one kind is logged: whoever floods a listener must not flood the log.
const recordEvery = 10 * time.Second

// Why a connection was not served.
const (
	TooMany = "client" // its client has as many as it may have
	Failed  = "error"  // the operating system could not accept it
)

// Config says how many connections a Listener admits.
type Config struct {
	// Max is how many connections there may be at once. A further one waits, and its client with it, until another is
	// closed. Required.
	Max int

	// PerClient is how many connections one client may have at once, by its address (peer.Client). A further one is closed
	// without an answer. Required.
	PerClient int

	// Exempt are the networks of proxies, which connect for many clients: only Max bounds them. Default: none.
	Exempt []netip.Prefix

	// Refused is called for every connection that was not served, with the reason. It must not block. Default: nothing
	// happens.
	Refused func(reason string)

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Log receives what was not served: refused clients and a full listener as warnings, failures to accept as errors, at
	// most one of each in ten seconds. Default: discard.
	Log *slog.Logger
}

// A Listener is a net.Listener with bounds. It is safe for concurrent use.
type Listener struct {
	net.Listener
	cfg    Config
	slots  chan struct{} // one for each connection, and one for an Accept that waits
	end    sync.Once     // closes closed
	closed chan struct{}

	full, refused, failed *sampling.Sampler

	silent atomic.Int64 // connections of which no handler has had a request

	mu       sync.Mutex           // guards byClient
	byClient map[netip.Prefix]int // client → its open connections; none is 0
}

// New returns a listener that admits connections of l within bounds. Closing it closes l.
func New(l net.Listener, cfg Config) (*Listener, error) {
	if cfg.Max < 1 || cfg.PerClient < 1 {
		return nil, fmt.Errorf("listener: %d connections, %d of one client: both must be at least 1", cfg.Max, cfg.PerClient)
	}
	if cfg.Refused == nil {
		cfg.Refused = func(string) {}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Listener{
		Listener: l, cfg: cfg, slots: make(chan struct{}, cfg.Max), closed: make(chan struct{}), byClient: map[netip.Prefix]int{},
		full: sampling.New(1, recordEvery, cfg.Now), refused: sampling.New(1, recordEvery, cfg.Now), failed: sampling.New(1, recordEvery, cfg.Now),
	}, nil
}

// Open returns how many connections are open.
func (l *Listener) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	open := 0
	for _, n := range l.byClient {
		open += n
	}
	return open
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		if !l.take() {
			return nil, net.ErrClosed
		}
		accepted, err := l.Listener.Accept()
		if err != nil {
			<-l.slots
			l.report(err)
			return nil, err
		}
		client := peer.Address(accepted.RemoteAddr())
		if l.admit(client) {
			l.silent.Add(1)
			return &conn{Conn: accepted, begin: func() { l.silent.Add(-1) }, release: func() { l.release(client) }}, nil
		}
		accepted.Close()
		<-l.slots
		l.cfg.Refused(TooMany)
		if ok, skipped := l.refused.Allow(); ok {
			l.cfg.Log.LogAttrs(context.Background(), slog.LevelWarn,
				"closing connections of a client that has too many: if it is a proxy, list it in trustedProxies",
				slog.String("client", client.String()), slog.Int("per_client", l.cfg.PerClient), slog.Int("skipped", skipped))
		}
	}
}

// Close implements net.Listener. It does not close connections.
func (l *Listener) Close() error {
	l.end.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// take waits for a free slot; it returns false once the listener is closed.
func (l *Listener) take() bool {
	select {
	case l.slots <- struct{}{}:
		return true
	default:
	}
	if ok, skipped := l.full.Allow(); ok {
		l.cfg.Log.LogAttrs(context.Background(), slog.LevelWarn, "listener is full: further connections wait",
			slog.Int("max", l.cfg.Max), slog.Int("skipped", skipped))
	}
	select {
	case l.slots <- struct{}{}:
		return true
	case <-l.closed:
		return false
	}
}

// report counts and logs that accepting failed, for want of a file descriptor for example.
func (l *Listener) report(err error) {
	if errors.Is(err, net.ErrClosed) {
		return
	}
	l.cfg.Refused(Failed)
	if ok, skipped := l.failed.Allow(); ok {
		l.cfg.Log.LogAttrs(context.Background(), slog.LevelError, "accepting a connection failed",
			slog.Any("err", err), slog.Int("skipped", skipped))
	}
}

func (l *Listener) admit(address netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	client := peer.Client(address)
	if l.byClient[client] >= l.cfg.PerClient && !peer.In(l.cfg.Exempt, address) {
		return false
	}
	l.byClient[client]++
	return true
}

func (l *Listener) release(address netip.Addr) {
	l.mu.Lock()
	client := peer.Client(address)
	if l.byClient[client]--; l.byClient[client] == 0 {
		delete(l.byClient, client) // as many as there are connections, not as many as there ever were clients
	}
	l.mu.Unlock()
	<-l.slots
}

// A conn gives its slot back when it is closed.
type conn struct {
	net.Conn
	begun   sync.Once
	begin   func()
	once    sync.Once
	release func()
}

// Close implements net.Conn.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.begun.Do(c.begin)
	c.once.Do(c.release)
	return err
}

// CloseWrite ends what we send. http.Server calls it before it closes a connection whose request it did not read to the
// end, so that the client still gets the answer.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
