package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"azure-partner-connector/connector/httpclient"
)

type healthCommand struct {
	configFile
	Live    bool          `help:"Ask only whether the process serves, not whether it is ready: for a liveness probe."`
	Timeout time.Duration `help:"Give up after so long." default:"5s" placeholder:"DURATION"`
}

// Run asks the private listener on this machine, and fails unless it answers that all is well.
func (h healthCommand) Run(c *console) error {
	cfg, err := h.load()
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(cfg.Private.Listen)
	if err != nil {
		return fmt.Errorf("private.listen: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	path := "/readyz"
	if h.Live {
		path = "/healthz"
	}
	client, err := httpclient.New(httpclient.Config{Timeout: h.Timeout, Direct: true}) // the connector is on this machine
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(c.ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+path, http.NoBody)
	if err != nil {
		return err
	}
	answer, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("the connector does not answer: %w", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 4<<10))
	if err != nil {
		return fmt.Errorf("reading the answer of the connector: %w", err)
	}
	text := strings.TrimSpace(string(body))
	if answer.StatusCode != http.StatusOK {
		return errors.New("not ready: " + text)
	}
	if text != "" {
		text = ": " + text
	}
	_, err = fmt.Fprintln(c.stdout, "ready"+text)
	return err
}
