package listener

import (
	"context"
	"net"
	"time"

	"azure-partner-connector/connector/clock"
)

const (
	// settling is how long connections that had begun when Settle was called have to be established. In one network that takes
	// a millisecond; a processor that is busy may need longer.
	settling = 100 * time.Millisecond

	// settleTimeout bounds the wait for a full listener, which accepts nobody until others have gone.
	settleTimeout = time.Second

	settlePoll = 5 * time.Millisecond
)

// Listen opens a TCP socket for New. Multipath TCP is off: with it, Settle can do nothing.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	var plain net.ListenConfig
	plain.SetMultipathTCP(false)
	return plain.Listen(ctx, "tcp", address)
}

// Settle is called before Close. On Linux the kernel establishes connections before they are accepted, and resets those that wait
// when the listener is closed: a proxy cannot know whether their requests were carried out, and fails them. So Settle has the
// kernel ignore further requests for connections, and returns when all that it has established are accepted. A client whose
// request was ignored asks again after a second, is refused then, and goes to another replica. On other systems, and for a
// listener that Listen did not open, Settle does nothing. It returns an error when connections may still wait: they do for a
// second, or until ctx ends.
func (l *Listener) Settle(ctx context.Context) error {
	tcp, ok := l.Listener.(*net.TCPListener)
	if !ok {
		return nil
	}
	if supported, err := ignoreRequests(tcp); err != nil || !supported {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	if err := clock.Sleep(ctx, settling); err != nil {
		return err
	}
	for {
		waiting, err := waiting(tcp)
		if err != nil || waiting == 0 {
			return err
		}
		if err := clock.Sleep(ctx, settlePoll); err != nil {
			return err
		}
	}
}
