package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/client"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
)

// largeBody is the size of a large body in bytes, and largeBodyBar how much more memory the connector may use for one, in MiB.
const (
	largeBody    = 100 << 20
	largeBodyBar = 16.0
)

// bodies measures the memory that a large body takes, which is forwarded in both directions.
func (e *Env) bodies(ctx context.Context) (rows []Row, err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	upstream := &http.Server{Handler: http.HandlerFunc(exchangeBodies), ReadHeaderTimeout: waitLimit}
	go func() { _ = upstream.Serve(listener) }()
	defer upstream.Close()
	s, err := e.serveClients(ctx, listener.Addr().String())
	if err != nil {
		return nil, err
	}
	defer func() { err = stopAfter(err, s.process) }()
	writer, err := e.addClient(ctx, s.db, client.Client{Name: "writer", Scopes: client.Scopes{
		Tenants: []string{s.tenant}, APIs: []string{"graph"}, Directories: []string{tenant.PartnerDirectory},
		Operations: []client.Operation{client.Forward}, Forward: []client.Rule{{API: "graph", Methods: []string{"PUT"}, Path: "/v1.0/drive/**"}},
	}})
	if err != nil {
		return nil, err
	}
	const warmingUp = 1 << 20
	if _, err := s.exchange(ctx, writer, warmingUp); err != nil {
		return nil, err
	}
	taken, before := make([]float64, e.cfg.Turns), make([]float64, e.cfg.Turns)
	var took time.Duration
	for i := range taken {
		if err := s.forgetPeak(); err != nil {
			return nil, err
		}
		if before[i], err = s.memory("VmHWM:"); err != nil {
			return nil, err
		}
		if took, err = s.exchange(ctx, writer, largeBody); err != nil {
			return nil, err
		}
		after, err := s.memory("VmHWM:")
		if err != nil {
			return nil, err
		}
		taken[i] = after - before[i]
	}
	return []Row{atMost("more memory for a body of 100 MiB that is forwarded in both directions", "MiB", median(taken), largeBodyBar).doing(
		"A client sends 100 MiB through the egress to a local upstream, which answers with as much. What counts is the highest resident memory of the connector during the call (VmHWM), "+
			"less that before it.").with("The median of %d calls: %s MiB more than %s MiB; the last one took %d ms.", len(taken), joined(taken), joined(before), took.Milliseconds())}, nil
}

// exchangeBodies reads a body and answers with one of the same size.
func exchangeBodies(w http.ResponseWriter, r *http.Request) {
	size, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		return // the client has gone
	}
	_, _ = io.CopyN(w, zeros{}, size)
}

// zeros is an endless body.
type zeros struct{}

// Read implements io.Reader.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// exchange sends a body through the egress, and reads one of the same size.
func (s served) exchange(ctx context.Context, key secret.Text, size int64) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, waitLimit)
	defer cancel()
	call, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://"+s.egress+"/graph/"+s.tenant+"/v1.0/drive/file", io.LimitReader(zeros{}, size))
	if err != nil {
		return 0, err
	}
	call.ContentLength = size
	call.Header.Set("Authorization", "Bearer "+key.Reveal())
	connections := &http.Transport{}
	defer connections.CloseIdleConnections()
	began := time.Now()
	answer, err := connections.RoundTrip(call)
	if err != nil {
		return 0, fmt.Errorf("forwarding a large body: %w", err)
	}
	defer answer.Body.Close()
	got, err := io.Copy(io.Discard, answer.Body)
	if err == nil && (answer.StatusCode != http.StatusOK || got != size) {
		err = fmt.Errorf("the answer to a body of %d bytes is %s with %d bytes", size, answer.Status, got)
	}
	return time.Since(began), err
}

// forgetPeak makes the kernel begin anew with the highest memory of a process.
func (p *process) forgetPeak() error {
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.command.Process.Pid), []byte("5"), 0); err != nil {
		return fmt.Errorf("resetting the highest memory of a process: %w", err)
	}
	return nil
}

// addClient adds a client and returns its key.
func (e *Env) addClient(ctx context.Context, db database, c client.Client) (key secret.Text, err error) {
	s, err := e.open(ctx, db)
	if err != nil {
		return secret.Text{}, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	clients, err := client.New(client.Config{Store: s, Hasher: e.keyring, Refusals: audit.NewTally(s, time.Now)})
	if err != nil {
		return secret.Text{}, err
	}
	return clients.Add(ctx, c, audit.Actor{Kind: audit.Operator, ID: "bench"})
}
