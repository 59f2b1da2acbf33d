// Package notify pushes changes of tenants' token status to the platform and notifies people of them, durably and once.
//
// Every event makes its tenant due in the database, and so does the time of the next warning. A process leases a due
// tenant, compares its status with the stored State, stores the new notices, sends them through every channel, and stores
// which ones each channel has sent. If the process is killed meanwhile, another one continues when the lease has expired.
package notify

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/length"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/token"
)

// Config is what a Service needs.
type Config struct {
	Store    Store    // required
	Statuses Statuses // required
	Platform Platform // required

	// Relationships tells when relationships with customers end. Default: nobody is warned of that.
	Relationships Relationships

	// Properties returns the properties that show a status on the platform. Required.
	Properties func(token.Status) map[string]any

	// EscalateAfter is how long a problem may continue until the provider is notified of a tenant whose reseller has recipients of
	// its own. Warnings reach the provider when less than that is left. Default: the provider is notified at once.
	EscalateAfter time.Duration

	// Digest is how long a notice waits for others of its recipient, which a Mailer then sends in one message. Default: 0, a message
	// for each.
	Digest time.Duration

	// PerHour is how many messages a Mailer sends to one recipient within an hour. Notices beyond it wait, and are then sent in one
	// message. Default: 0, no limit.
	PerHour int

	// Channels send notices to people. Default: none, only the status on the platform is kept up to date.
	Channels []Channel

	// Lease is how long one process may process one subject. When a process is killed, the subjects that it has leased wait
	// that long. Default: 5 minutes.
	Lease time.Duration

	// Workers is how many subjects one sweep processes at once. Default: 4.
	Workers int

	// Owner identifies this process in leases. Default: a random ID.
	Owner string

	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Skew returns how far a clock that is known to be right is ahead of ours. Default: unknown.
	Skew func(ctx context.Context) clock.Skew

	// Observe is called after every attempt to push or send, with the name of the channel ("push" for the platform) and the
	// result "ok", "failed" or "given_up". Default: nothing happens.
	Observe func(channel, result string)

	// Log receives one record per notice and per failure. Default: discard.
	Log *slog.Logger
}

// A Service notifies the platform and people of changes. Its methods are safe for concurrent use, in one process and across
// replicas.
type Service struct {
	cfg Config
}

// New checks cfg and fills in its defaults. It starts nothing.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil || cfg.Statuses == nil || cfg.Platform == nil || cfg.Properties == nil {
		return nil, errors.New("notify: a store, statuses, a platform and properties are required")
	}
	if cfg.Lease == 0 {
		cfg.Lease = 5 * time.Minute
	}
	if cfg.Workers == 0 {
		cfg.Workers = 4
	}
	if cfg.Owner == "" {
		cfg.Owner = random.ID()
	}
	if !length.Fits(cfg.Owner, length.ID) {
		return nil, errors.New("notify: the owner's name is too long")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Skew == nil {
		cfg.Skew = func(context.Context) clock.Skew { return clock.Skew{} }
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
)

// Results returns all results of attempts.
func Results() []string { return []string{sent, failed, givenUp} }

// Pushing is the name of the platform among the channels, for Observe.
const Pushing = "push"

// pushRetry returns the waits after consecutive failures to push. The last one repeats: the status on the platform must become
// correct eventually.
func pushRetry() []time.Duration {
	return []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour}
}

// sendRetry returns the waits after consecutive failures to send. A notice whose attempt after the last one fails is dropped:
// it is about three days old, and the screens show the status.
func sendRetry() []time.Duration {
	return []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 4 * time.Hour, 12 * time.Hour, day, day}
}

// save stores the state even when ctx has ended, so that a sent notice is not sent again.
func (s *Service) save(ctx context.Context, a Announcement) error {
	return s.cfg.Store.SaveAnnouncement(context.WithoutCancel(ctx), a)
}
