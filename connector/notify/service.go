// Package notify tells platform and people what changes in the status of tenants' tokens: durably, and each thing once.
//
// Every event makes its tenant due in the database; so does the time at which the next warning falls due. Whoever holds
// a due tenant compares its status with what was told of it, writes down what is new, tells it through every channel,
// and writes down what has arrived where. A process that dies in between is taken over by another after its hold.
package notify

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/token"
)

// Config is what a Service needs.
type Config struct {
	Store    Store    // required
	Statuses Statuses // required
	Platform Platform // required

	// Properties returns what the platform stores of a status. Required.
	Properties func(token.Status) map[string]any

	// Channels bring notices to people. Default: none, the platform's copy of the status alone is kept.
	Channels []Channel

	// Hold is how long one process may be busy with one subject. One that dies delays what it held by so much.
	// Default: 5 minutes.
	Hold time.Duration

	// Workers bounds the subjects that one sweep is busy with at once. Default: 4.
	Workers int

	// Owner names this process in holds. Default: a random ID.
	Owner string

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Observe is told of every attempt to push or send, by the channel's name ("push" for the platform's copy), with
	// "ok", "failed" or "given_up". Default: nobody is.
	Observe func(channel, result string)

	// Log receives one record per notice and per failure. Default: discard.
	Log *slog.Logger
}

// A Service tells platform and people of tenants' tokens. Its methods are safe for concurrent use, in one process and
// across replicas.
type Service struct {
	cfg Config
}

// New checks cfg and fills in its defaults. It starts nothing.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil || cfg.Statuses == nil || cfg.Platform == nil || cfg.Properties == nil {
		return nil, errors.New("notify: a store, statuses, a platform and properties are required")
	}
	if cfg.Hold == 0 {
		cfg.Hold = 5 * time.Minute
	}
	if cfg.Workers == 0 {
		cfg.Workers = 4
	}
	if cfg.Owner == "" {
		cfg.Owner = random.ID()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Observe == nil {
		cfg.Observe = func(string, string) {}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{cfg}, nil
}

// Results of attempts, for Observe.
const (
	sent    = "ok"
	failed  = "failed"
	givenUp = "given_up"
	pushing = "push"
)

// pushRetry are the waits after failures to push in a row; the last one repeats, because the platform's copy must come
// right some day.
func pushRetry() []time.Duration {
	return []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour}
}

// sendRetry are the waits after failures to send in a row. After the last one a notice is given up: it is three days
// old then, and the status on the screen is true all the while.
func sendRetry() []time.Duration {
	return []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 4 * time.Hour, 12 * time.Hour, day, day}
}

// saved keeps what was told, whoever stops waiting: what has arrived must not arrive again.
func (s *Service) saved(ctx context.Context, a Announcement) error {
	return s.cfg.Store.SaveMemory(context.WithoutCancel(ctx), a)
}
