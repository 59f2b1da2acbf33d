package chaos

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
)

// A replica with few file descriptors, and more connections than that.
const (
	fewDescriptors = 256
	floodingConns  = 260
)

// listenerFlooded opens more connections to the public listener than the replica may have file descriptors, through a
// proxy that it trusts, and keeps them idle: the replica must go on renewing, which takes descriptors for the database and
// for calls to Microsoft.
func listenerFlooded(ctx context.Context, e *Env, s Scale) (*Deployment, error) {
	d, err := e.deploy(ctx, spec{name: "listener-flooded", tenants: 12, sqlite: true})
	if err != nil {
		return nil, err
	}
	for range s.Periods {
		if err := d.renewFlooded(ctx); err != nil {
			return d, err
		}
	}
	return d, nil
}

func (d *Deployment) renewFlooded(ctx context.Context) error {
	flooded, err := d.start(ctx, replicaOptions{descriptors: fewDescriptors})
	if err != nil {
		return err
	}
	conns, err := flooded.flood(ctx)
	defer func() {
		for _, conn := range conns {
			_ = conn.Close()
		}
	}()
	if err != nil {
		return err
	}
	d.count("connections kept idle", len(conns))
	d.StartPeriod()
	if err := d.AwaitRenewals(ctx); err != nil {
		return err
	}
	if err := flooded.verifyOtherListeners(ctx); err != nil {
		return err
	}
	return flooded.stop(ctx)
}

// flood opens connections to the public listener, with a request each, and keeps them.
func (r *replica) flood(ctx context.Context) (conns []net.Conn, err error) {
	addresses, err := r.awaitAddresses(ctx)
	if err != nil {
		return nil, err
	}
	for range floodingConns {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addresses["onboarding"])
		if err != nil {
			return conns, fmt.Errorf("connecting to the public listener: %w", err)
		}
		conns = append(conns, conn)
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: onboarding.example.com\r\n\r\n") // the answers stay unread
	}
	return conns, nil
}

func (r *replica) verifyOtherListeners(ctx context.Context) error {
	addresses, err := r.addresses()
	if err != nil {
		return err
	}
	for listener, path := range map[string]string{"hooks": "/aps/", "private": "/readyz"} {
		if _, err := get(ctx, "http://"+addresses[listener]+path, http.StatusOK); err != nil {
			return fmt.Errorf("calling the listener %s: %w", listener, err)
		}
	}
	return nil
}
