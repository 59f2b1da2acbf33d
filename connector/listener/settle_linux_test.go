package listener_test

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"

	"azure-partner-connector/connector/listener"
)

// loopback returns a listener of TCP that serves: it echoes what it gets.
func loopback(t *testing.T) *listener.Listener {
	t.Helper()
	opened, err := listener.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := listener.New(opened, listener.Config{Max: 100, PerClient: 100})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func dial(t *testing.T, l *listener.Listener) (net.Conn, error) {
	t.Helper()
	return new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
}

// echo answers with what it reads, until the listener is closed.
func echo(l *listener.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			_, _ = io.Copy(c, c)
		}()
	}
}

func TestSettle_ServesWhoWaits(t *testing.T) {
	l := loopback(t)
	waiting := make([]net.Conn, 20) // established by the kernel, accepted by nobody
	for i := range waiting {
		var err error
		if waiting[i], err = dial(t, l); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { waiting[i].Close() })
	}
	go echo(l)
	if err := errors.Join(l.Settle(t.Context()), l.Close()); err != nil {
		t.Fatalf("Settle() and Close() = %v", err)
	}
	for _, c := range waiting {
		b := make([]byte, 1)
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, b); err != nil || b[0] != 'x' {
			t.Errorf("who waited reads %q, %v, want an answer", b, err)
		}
	}
}

// TestSettle_RefusesWhoAsksLater: a refused connection carried no request, so a proxy sends the request to another replica.
func TestSettle_RefusesWhoAsksLater(t *testing.T) {
	l := loopback(t)
	go echo(l)
	if err := l.Settle(t.Context()); err != nil {
		t.Fatalf("Settle() = %v", err)
	}
	results := make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 5 {
		go func() {
			c, err := new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
			if err == nil {
				c.Close()
			}
			results <- err
		}()
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if err := <-results; !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("who asks later gets %v, want %v", err, syscall.ECONNREFUSED)
		}
	}
}

func TestSettle_SaysThatSomeMayWait(t *testing.T) {
	l := loopback(t)
	c, err := dial(t, l)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := l.Settle(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Settle() while nobody accepts = %v, want %v", err, context.DeadlineExceeded)
	}
}
