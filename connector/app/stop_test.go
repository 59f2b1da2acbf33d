package app_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"

	"azure-partner-connector/connector/app"
)

// TestRun_AnswersWhoIsConnectedWhenItStops: the kernel connects callers before the program accepts them, and resets them when the
// listener closes.
func TestRun_AnswersWhoIsConnectedWhenItStops(t *testing.T) {
	f := newFixture(t)
	waiting := make([]net.Conn, 300)
	for i := range waiting {
		var err error
		waiting[i], err = new(net.Dialer).DialContext(t.Context(), "tcp", app.Address(f.App, "hooks"))
		f.must(err)
		t.Cleanup(func() { _ = waiting[i].Close() })
		_, err = io.WriteString(waiting[i], "GET /aps/ HTTP/1.1\r\nHost: hooks.example.com\r\nConnection: close\r\n\r\n")
		f.must(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop() // before anything is accepted
	f.ran = true
	f.must(f.App.Run(ctx))
	for i, c := range waiting {
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Errorf("caller %d, who was connected, gets no answer: %v", i+1, err)
			continue
		}
		_ = answer.Body.Close()
	}
}
