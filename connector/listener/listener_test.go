package listener_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"azure-partner-connector/connector/listener"
)

// A queue is a net.Listener that a test feeds.
type queue struct {
	arrivals chan any // net.Conn or error
	closed   chan struct{}
}

func (q *queue) Accept() (net.Conn, error) {
	select {
	case <-q.closed:
		return nil, net.ErrClosed
	case next := <-q.arrivals:
		if err, failed := next.(error); failed {
			return nil, err
		}
		return next.(net.Conn), nil
	}
}

func (q *queue) Close() error {
	close(q.closed)
	return nil
}

func (q *queue) Addr() net.Addr { return &net.TCPAddr{} }

// A dialed is the server's end of a connection of a client.
type dialed struct {
	net.Conn
	remote net.Addr
	closed int
}

func (d *dialed) RemoteAddr() net.Addr { return d.remote }

func (d *dialed) Close() error {
	d.closed++
	return nil
}

// A harness is a listener with what it reported.
type harness struct {
	*testing.T
	*listener.Listener
	queue    *queue
	accepted chan net.Conn // closed when Accept ended
	refused  map[string]int
	log      bytes.Buffer
}

// newHarness accepts what arrives, in the bubble of the test.
func newHarness(t *testing.T, cfg listener.Config) *harness {
	t.Helper()
	h := &harness{
		T: t, queue: &queue{make(chan any), make(chan struct{})}, accepted: make(chan net.Conn, 100), refused: map[string]int{},
	}
	cfg.Refused = func(reason string) { h.refused[reason]++ }
	cfg.Log = slog.New(slog.NewTextHandler(&h.log, nil))
	var err error
	if h.Listener, err = listener.New(h.queue, cfg); err != nil {
		t.Fatalf("New() = %v", err)
	}
	go func() {
		defer close(h.accepted)
		for {
			c, err := h.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				h.accepted <- c
			}
		}
	}()
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
		for range h.accepted {
		}
	})
	return h
}

// arrive lets a client connect, and returns the accepted connection; nil if it was refused or waits.
func (h *harness) arrive(address string) (*dialed, net.Conn) {
	h.Helper()
	d := &dialed{remote: &net.TCPAddr{IP: net.ParseIP(address), Port: 50000}}
	go func() {
		select {
		case h.queue.arrivals <- d:
		case <-h.queue.closed:
		}
	}()
	synctest.Wait()
	select {
	case c := <-h.accepted:
		return d, c
	default:
		return d, nil
	}
}

func TestAccept_BoundsTheConnectionsOfAClient(t *testing.T) {
	for name, tc := range map[string]struct {
		first, same, other string
	}{
		"IPv4":         {"192.0.2.7", "192.0.2.7", "192.0.2.8"},
		"IPv4 as v6":   {"192.0.2.7", "::ffff:192.0.2.7", "::ffff:192.0.2.8"},
		"IPv6 network": {"2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t, listener.Config{Max: 10, PerClient: 2})
				_, one := h.arrive(tc.first)
				_, two := h.arrive(tc.same)
				if one == nil || two == nil {
					t.Fatal("Accept() admits fewer than two connections of a client, want two")
				}
				if d, three := h.arrive(tc.same); three != nil || d.closed != 1 || h.refused[listener.TooMany] != 1 {
					t.Errorf("a third connection of a client: accepted %v, closed %d times, counted %v, want it closed and counted", three != nil, d.closed, h.refused)
				}
				if _, c := h.arrive(tc.other); c == nil {
					t.Error("a connection of another client was refused, want it accepted")
				}
				one.Close()
				one.Close() // as http.Server may
				if _, c := h.arrive(tc.same); c == nil {
					t.Error("a connection was refused although one of its client had been closed, want it accepted")
				}
				if _, c := h.arrive(tc.first); c != nil {
					t.Error("a connection that was closed twice made room for two, want room for one")
				}
				if h.Open() != 3 {
					t.Errorf("Open() = %d, want 3", h.Open())
				}
			})
		})
	}
}

func TestAccept_ExemptsProxies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, listener.Config{Max: 5, PerClient: 1, Exempt: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
		for i := range 5 {
			if _, c := h.arrive("10.0.0.1"); c == nil {
				t.Errorf("connection %d of a proxy was not accepted, want only the listener's own bound", i+1)
			}
		}
		if _, c := h.arrive("10.0.0.1"); c != nil {
			t.Error("connection 6 of a proxy was accepted, want the listener's bound")
		}
	})
}

// TestAccept_WaitsWhenItIsFull fills the listener: further connections are accepted when others end, none is refused.
func TestAccept_WaitsWhenItIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, listener.Config{Max: 2, PerClient: 2})
		_, one := h.arrive("192.0.2.1")
		h.arrive("192.0.2.2")
		d, c := h.arrive("192.0.2.3")
		if c != nil || d.closed != 0 || len(h.refused) != 0 {
			t.Errorf("a connection to a full listener: accepted %v, closed %d times, refused %v, want it to wait", c != nil, d.closed, h.refused)
		}
		if !strings.Contains(h.log.String(), "listener is full") {
			t.Errorf("log = %s, want that the listener is full", h.log.String())
		}
		one.Close()
		synctest.Wait()
		if len(h.accepted) != 1 || h.Open() != 2 {
			t.Errorf("after one connection ended, %d waiting ones were accepted and %d are open, want 1 and 2", len(h.accepted), h.Open())
		}
	})
}

func TestAccept_ReportsFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, listener.Config{Max: 2, PerClient: 2})
		for range 20 {
			h.queue.arrivals <- &net.OpError{Op: "accept", Err: syscall.EMFILE}
			synctest.Wait()
		}
		if h.refused[listener.Failed] != 20 {
			t.Errorf("%d failures to accept were counted, want 20", h.refused[listener.Failed])
		}
		if got := h.log.String(); strings.Count(got, "level=ERROR") != 1 || !strings.Contains(got, "too many open files") {
			t.Errorf("log = %s, want one error that says too many open files", got)
		}
		time.Sleep(time.Minute) // in the bubble
		h.queue.arrivals <- &net.OpError{Op: "accept", Err: syscall.EMFILE}
		synctest.Wait()
		if got := h.log.String(); strings.Count(got, "level=ERROR") != 2 || !strings.Contains(got, "skipped=19") {
			t.Errorf("log a minute later = %s, want a second error that counts the skipped ones", got)
		}
		if _, c := h.arrive("192.0.2.1"); c == nil {
			t.Error("a connection after failures was not accepted: they must give their slots back")
		}
	})
}

func TestClose_EndsAWaitingAccept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, listener.Config{Max: 1, PerClient: 1})
		h.arrive("192.0.2.1")
		h.arrive("192.0.2.2") // waits; the cleanup closes and would hang
	})
}

func TestNew_NeedsBounds(t *testing.T) {
	for _, cfg := range []listener.Config{{}, {Max: 1}, {PerClient: 1}, {Max: -1, PerClient: 1}} {
		if _, err := listener.New(&queue{}, cfg); err == nil {
			t.Errorf("New(%+v) = nil, want an error", cfg)
		}
	}
}
