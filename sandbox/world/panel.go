package world

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"azure-partner-connector/sandbox/panel"
	"azure-partner-connector/sandbox/platform/backend"
)

// panels returns the origins of all panels as members of a YAML list.
func (w *World) panels() string {
	var all []string
	for _, origin := range append([]string{w.PanelURL}, w.cfg.Panels...) {
		all = append(all, quoted(origin))
	}
	return strings.Join(all, ", ")
}

func (w *World) startPanel(ctx context.Context) error {
	cfg := panel.Config{Backend: touredBackend{backend.New(w.Platform), w}, Brand: brand, Log: w.cfg.Log.With("component", "panel")}
	if w.connector != nil { // a rehearsed connector has its own clock and its own operator
		cfg.Drawer = w
	}
	handler, err := panel.New(cfg)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	w.running.Go(func() error {
		if err := server.Serve(w.panel); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving the panel: %w", err)
		}
		return nil
	})
	context.AfterFunc(ctx, func() {
		if err := server.Close(); err != nil {
			w.cfg.Log.Error("closing the panel", "err", err)
		}
	})
	return nil
}
