package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"
)

// A balancer forwards requests to one listener of any running replica, as the address does that an operator configures.
type balancer struct {
	url    string
	server *http.Server
	ended  chan error
}

// balance starts a balancer for a listener of the deployment's replicas.
func (d *Deployment) balance(listener string) (*balancer, error) {
	at, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting a balancer: %w", err)
	}
	// Microsoft redirects to http addresses on localhost only (docs/reference/microsoft-identity.md §2.5).
	b := &balancer{url: fmt.Sprintf("http://localhost:%d", at.Addr().(*net.TCPAddr).Port), ended: make(chan error, 1)}
	b.server = &http.Server{Handler: d.forward(listener), ReadHeaderTimeout: waitLimit, IdleTimeout: waitLimit}
	go func() { b.ended <- b.server.Serve(at) }()
	return b, nil
}

func (d *Deployment) forward(listener string) http.Handler {
	// A connection of its own for each request: one that is kept may lead to a replica that was killed.
	transport := &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{Timeout: queryLimit}).DialContext}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		running := d.running()
		if len(running) == 0 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		address, err := running[anyOf(len(running))].address(listener)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		proxy := httputil.ReverseProxy{
			Transport: transport,
			Rewrite: func(p *httputil.ProxyRequest) {
				p.SetURL(&url.URL{Scheme: "http", Host: address})
				p.Out.Host = p.In.Host
				p.SetXForwarded()
			},
			ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
		}
		proxy.ServeHTTP(w, r)
	})
}

func (b *balancer) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := b.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = b.server.Close()
	}
	if served := <-b.ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
