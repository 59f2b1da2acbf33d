package listener_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"azure-partner-connector/connector/listener"
)

// TestAwaitBegun_WaitsForTheFirstRequest: a connection whose request a handler has, or that is closed, is not waited for, and one that
// stays silent for a second only.
func TestAwaitBegun_WaitsForTheFirstRequest(t *testing.T) {
	for name, then := range map[string]func(net.Conn){
		"a handler has a request": func(c net.Conn) { listener.Begun(listener.WithConn(context.Background(), c)) },
		"it is closed":            func(c net.Conn) { c.Close() },
		"it stays silent":         nil,
	} {
		t.Run(name, func(t *testing.T) {
			l := loopback(t)
			dialled, err := dial(t, l)
			if err != nil {
				t.Fatal(err)
			}
			defer dialled.Close()
			accepted, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer accepted.Close()
			synctest.Test(t, func(t *testing.T) {
				done := make(chan struct{})
				go func() {
					defer close(done)
					l.AwaitBegun(t.Context())
				}()
				synctest.Wait()
				select {
				case <-done:
					t.Fatal("AwaitBegun() returned although nothing had come of the connection")
				default:
				}
				began := time.Now()
				if then != nil {
					then(accepted)
				}
				<-done
				if took := time.Since(began); (took >= time.Second) != (then == nil) {
					t.Errorf("AwaitBegun() returned %v later, want a second only for a silent connection", took)
				}
			})
		})
	}
}
