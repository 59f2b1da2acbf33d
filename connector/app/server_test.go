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

// TestListeners_RefuseOptionsOfTheServer sends OPTIONS *, which is about a server and not about a path, and which Go's server answers
// with 200 unless it is told not to. It is a refusal that the handlers make and count, as of any other request without a route.
func TestListeners_RefuseOptionsOfTheServer(t *testing.T) {
	f := newFixture(t, "CONNECTOR_API__LISTEN=127.0.0.1:0", "CONNECTOR_API__PUBLICURL=http://127.0.0.1:1", "CONNECTOR_EGRESS__LISTEN=127.0.0.1:0", "CONNECTOR_EGRESS__PUBLICURL=http://127.0.0.1:2")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	f.ran = true
	go func() { ended <- f.App.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		f.must(<-ended)
	})
	for listener, want := range map[string]int{
		"hooks": http.StatusBadRequest, "onboarding": http.StatusNotFound, "api": http.StatusNotFound, "egress": http.StatusUnauthorized, "private": http.StatusBadRequest,
	} {
		t.Run(listener, func(t *testing.T) {
			connection, err := new(net.Dialer).DialContext(t.Context(), "tcp", app.Address(f.App, listener))
			f.must(err)
			defer connection.Close()
			_, err = io.WriteString(connection, "OPTIONS * HTTP/1.1\r\nHost: connector.example.com\r\nConnection: close\r\n\r\n")
			f.must(err)
			answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
			f.must(err)
			defer answer.Body.Close()
			if answer.StatusCode != want {
				t.Errorf("OPTIONS * = %d, want %d", answer.StatusCode, want)
			}
		})
	}
}
