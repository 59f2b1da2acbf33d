package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// A router forwards connections to the server that accepts writes, and drops them when that is another one, as a router or a
// balancer in front of a group does.
type router struct {
	listener net.Listener
	stop     context.CancelFunc
	running  sync.WaitGroup

	mu       sync.Mutex // guards what follows
	target   string     // empty: none accepts writes
	switches int
	open     map[net.Conn]bool // both ends of each forwarded connection
}

// startRouter starts a router. find returns the address of the server that accepts writes, or an empty one.
func startRouter(find func(ctx context.Context) (string, error)) (*router, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting a router: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &router{listener: listener, stop: stop, open: map[net.Conn]bool{}}
	if r.target, err = find(ctx); err != nil || r.target == "" {
		stop()
		return nil, errors.Join(errors.New("no server accepts writes"), err, listener.Close())
	}
	r.running.Go(func() { r.follow(ctx, find) })
	r.running.Go(r.accept)
	return r, nil
}

func (r *router) dsn() string {
	return fmt.Sprintf("root@tcp(%s)/?parseTime=true&loc=UTC", r.listener.Addr())
}

// changes returns how often another server became the one that accepts writes.
func (r *router) changes() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.switches
}

func (r *router) close() error {
	r.stop()
	err := r.listener.Close()
	r.mu.Lock()
	r.target = ""
	r.mu.Unlock()
	r.drop()
	r.running.Wait()
	return err
}

// follow asks for the server until the router is closed. It keeps the last one while there is none.
func (r *router) follow(ctx context.Context, find func(ctx context.Context) (string, error)) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		target, err := find(ctx)
		if err != nil || target == "" {
			continue
		}
		if r.send(ctx, target) {
			r.drop()
		}
	}
}

// send sends new connections to a target, and reports whether it is another one than before.
func (r *router) send(ctx context.Context, target string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if target == r.target || ctx.Err() != nil {
		return false
	}
	r.target = target
	r.switches++
	return true
}

func (r *router) drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for conn := range r.open {
		_ = conn.Close() // the other end may have closed it
	}
}

func (r *router) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return // closed
		}
		r.running.Go(func() { r.forward(client) })
	}
}

func (r *router) forward(client net.Conn) {
	r.mu.Lock()
	target := r.target
	r.mu.Unlock()
	server, err := net.DialTimeout("tcp", target, queryLimit)
	if err != nil {
		_ = client.Close()
		return
	}
	if !r.keep(target, client, server) {
		return
	}
	var ends sync.WaitGroup
	for _, end := range [][2]net.Conn{{client, server}, {server, client}} {
		ends.Go(func() {
			_, _ = io.Copy(end[0], end[1]) // until either end is closed
			_ = end[0].Close()
			_ = end[1].Close()
		})
	}
	ends.Wait()
	r.mu.Lock()
	delete(r.open, client)
	delete(r.open, server)
	r.mu.Unlock()
}

// keep remembers a connection, so that it is dropped when another server accepts writes. If that is so already, it closes the
// connection and returns false.
func (r *router) keep(target string, client, server net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if target != r.target {
		_ = client.Close()
		_ = server.Close()
		return false
	}
	r.open[client], r.open[server] = true, true
	return true
}
