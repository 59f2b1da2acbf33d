package listener

import (
	"context"
	"crypto/tls"
	"net"

	"azure-partner-connector/connector/clock"
)

// connKey is the key of a connection in the context of its requests.
type connKey struct{}

// WithConn is for http.Server's ConnContext: Begun finds the connection in what it returns.
func WithConn(ctx context.Context, c net.Conn) context.Context {
	if over, ok := c.(*tls.Conn); ok {
		c = over.NetConn()
	}
	accepted, ok := c.(*conn)
	if !ok {
		return ctx
	}
	return context.WithValue(ctx, connKey{}, accepted)
}

// Begun says that a handler has a request of the connection in ctx (WithConn).
func Begun(ctx context.Context) {
	if c, ok := ctx.Value(connKey{}).(*conn); ok {
		c.begun.Do(c.begin)
	}
}

// AwaitBegun is called after Settle and before http.Server's Shutdown, which closes connections without an answer whose first request
// has not been read to the end. It returns when a handler has a request of every connection that was accepted, or a second later: some
// callers connect in advance and send nothing.
func (l *Listener) AwaitBegun(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	for l.silent.Load() > 0 {
		if clock.Sleep(ctx, settlePoll) != nil {
			return
		}
	}
}
