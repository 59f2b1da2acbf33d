package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"

	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/trace"
	"azure-partner-connector/connector/trace/otlp"
)

// lastTraces bounds how long the process waits for its last traces to be delivered.
const lastTraces = 5 * time.Second

// traces are sent to a collector, if the environment says so.
type traces struct {
	sdk *sdk.TracerProvider // nil: there are none
	log *slog.Logger
}

// startTraces reads the variables of OpenTelemetry.
func startTraces(log *slog.Logger) (traces, error) {
	cfg, on, err := otlp.FromEnvironment(os.Getenv)
	if err != nil || !on {
		return traces{}, err
	}
	cfg.Version, cfg.Instance, cfg.Log = version, random.ID(), log.With("component", "traces")
	provider, err := otlp.New(cfg)
	if err != nil {
		return traces{}, err
	}
	log.Info("sending traces", "address", cfg.Host())
	return traces{provider, log}, nil
}

// provider returns what makes spans; nil without traces.
func (t traces) provider() trace.Provider {
	if t.sdk == nil {
		return nil
	}
	return t.sdk
}

// end sends what is left.
func (t traces) end() {
	if t.sdk == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastTraces)
	defer cancel()
	if err := t.sdk.Shutdown(ctx); err != nil {
		t.log.Warn("the last traces were not delivered", "err", err)
	}
}
