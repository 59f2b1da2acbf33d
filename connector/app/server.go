package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"azure-partner-connector/connector/certificate"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/listener"
)

// An endpoint is what the configuration says about one listener.
type endpoint struct {
	name        string
	opened      net.Listener // nil: listen is opened
	listen      string
	tls         config.TLS
	connections config.Connections
	proxies     []netip.Prefix
	handler     http.Handler
	streams     bool // bodies may take long; the handler bounds how long they may stand still
	clients     bool // the handler recognises clients by their certificates
}

// A server serves one handler on its listener.
type server struct {
	name     string
	listener *listener.Listener
	http     *http.Server
	pair     *certificate.Pair // nil: plain HTTP
}

// listen opens all listeners. What it has opened is in a.servers, also when it fails.
func (a *App) listen(ctx context.Context, endpoints []endpoint) error {
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "connector_connections_refused_total",
		Help: "Connections that were not served, by listener and reason: client (too many of one) or error.",
	}, []string{"listener", "reason"})
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "connector_requests_total",
		Help: "Answered requests, by listener and status.",
	}, []string{"listener", "status"})
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "connector_request_duration_seconds", Help: "How long requests took to answer, by listener.", Buckets: durationBuckets(),
	}, []string{"listener"})
	a.registry.MustRegister(refused, requests, durations)
	share := descriptors() / 2 / len(endpoints) // of one listener; the other half is for everything else
	for _, e := range endpoints {
		for _, reason := range []string{listener.TooMany, listener.Failed} {
			refused.WithLabelValues(e.name, reason)
		}
		e.handler = measured(requests, durations, e.name, e.handler)
		if a.traces != nil && e.name != "private" {
			e.handler = traced(a.traces, e.name, e.handler)
		}
		s, err := a.server(ctx, e, share, refused)
		if err != nil {
			return fmt.Errorf("listening for %s: %w", e.name, err)
		}
		a.servers = append(a.servers, s)
		a.measure(s)
	}
	return nil
}

func (a *App) server(ctx context.Context, e endpoint, share int, refused *prometheus.CounterVec) (*server, error) {
	log := a.log.With("listener", e.name)
	most := e.connections.Max
	if share > 0 && share < most {
		log.WarnContext(ctx, "the operating system allows few file descriptors: fewer connections than configured",
			"max", share, "configured", most)
		most = share
	}
	s := &server{name: e.name, http: &http.Server{
		Handler: begun(e.handler), ConnContext: listener.WithConn, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 2 * time.Minute,
		IdleTimeout: e.connections.Idle, MaxHeaderBytes: 64 << 10, DisableGeneralOptionsHandler: true,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
	if e.streams {
		s.http.ReadTimeout, s.http.WriteTimeout = 0, 0
	}
	var err error
	if e.tls.Enabled() {
		s.pair, err = certificate.Load(certificate.Config{CertFile: e.tls.CertFile, KeyFile: e.tls.KeyFile, Now: a.now, Log: log})
		if err != nil {
			return nil, err
		}
		s.pair.Reload(ctx) // warns of one that ends soon
		s.http.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.pair.Get}
		if e.clients {
			s.http.TLSConfig.ClientAuth = tls.RequestClientCert // the handler decides which it accepts
		}
	}
	opened := e.opened
	if opened == nil {
		if opened, err = listener.Listen(ctx, e.listen); err != nil {
			return nil, fmt.Errorf("%w; set %s.listen to an address of this machine that no other program uses", err, e.name)
		}
	}
	s.listener, err = listener.New(opened, listener.Config{
		Max: most, PerClient: e.connections.PerClient, Exempt: e.proxies,
		Refused: func(reason string) { refused.WithLabelValues(e.name, reason).Inc() },
		Now:     a.now, Log: log,
	})
	if err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	return s, nil
}

// begun tells the listener of a connection that the handler has a request of it.
func begun(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		listener.Begun(r.Context())
		next.ServeHTTP(w, r)
	})
}

// measure registers the metrics of a server.
func (a *App) measure(s *server) {
	gauge := func(name, help string, value func() float64) {
		a.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: name, Help: help, ConstLabels: prometheus.Labels{"listener": s.name},
		}, value))
	}
	gauge("connector_connections", "Open connections of a listener.", func() float64 { return float64(s.listener.Open()) })
	if s.pair == nil {
		return
	}
	gauge("connector_certificate_end_timestamp_seconds", "When the certificate that a listener serves ends.", func() float64 {
		return float64(s.pair.Ends().Unix())
	})
	gauge("connector_certificate_usable", "Whether the files of a listener's certificate can be used: 0 means that an older one is served.", func() float64 {
		if s.pair.Usable() {
			return 1
		}
		return 0
	})
}

// Reload serves certificates that were replaced, and warns of those that end soon.
func (a *App) Reload(ctx context.Context) {
	for _, s := range a.servers {
		if s.pair != nil {
			s.pair.Reload(ctx)
		}
	}
}

func (s *server) serve(log *slog.Logger) error {
	log.Info("listening", "listener", s.name, "address", s.listener.Addr().String(), "tls", s.pair != nil)
	var err error
	if s.pair != nil {
		err = s.http.ServeTLS(s.listener, "", "")
	} else {
		err = s.http.Serve(s.listener)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving %s: %w", s.name, err)
}
