package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
)

const (
	// maxDigest is how many notices one mail has at most.
	maxDigest = 100
	// giveUpAfter is how old a notice may become that cannot be sent.
	giveUpAfter = 3 * day
)

// OfRecipient is the kind of a subject that sends what is queued for one recipient; ID is RecipientID.
const OfRecipient = "recipient"

// A Recipient is where a Mailer writes to.
type Recipient struct {
	Address  string
	Language string
}

// A Mailer is a channel that writes to each recipient separately, and that can put several notices into one message. What it sends is
// queued for each recipient (Config.Digest, Config.PerHour).
type Mailer interface {
	Channel
	// Recipients returns who gets n now, maybe nobody.
	Recipients(ctx context.Context, n Notice) ([]Recipient, error)
	// SendTo sends notices, at least one, as one message.
	SendTo(ctx context.Context, to Recipient, notices []Notice) error
}

// A Queued is a notice that waits for its recipient.
type Queued struct {
	Recipient string // RecipientID
	Notice    Notice
	At        time.Time // when it was queued
}

// RecipientID returns the ID of a recipient of a channel. It does not show the address.
func RecipientID(channel, address string) string {
	hash := sha256.Sum256([]byte(strings.ToLower(strings.TrimSpace(address))))
	return channel + "/" + hex.EncodeToString(hash[:])
}

// queue stores n for each of its recipients.
func (s *Service) queue(ctx context.Context, m Mailer, n Notice) error {
	recipients, err := m.Recipients(ctx, n)
	if err != nil || len(recipients) == 0 {
		return err
	}
	now := s.cfg.Now()
	queued := make([]Queued, len(recipients))
	for i, r := range recipients {
		queued[i] = Queued{RecipientID(m.Name(), r.Address), n, now}
	}
	return s.cfg.Store.QueueNotices(ctx, queued, now.Add(s.cfg.Digest))
}

// processRecipient sends what waits for a recipient and may be sent now.
func (s *Service) processRecipient(ctx context.Context, a *Announcement) (time.Time, error) {
	name, _, _ := strings.Cut(a.Subject.ID, "/")
	channel, _ := s.channel(name)
	mailer, _ := channel.(Mailer)
	for {
		queued, err := s.cfg.Store.QueuedNotices(ctx, a.Subject.ID, maxDigest)
		if err != nil {
			return time.Time{}, err
		}
		now, err := s.rightTime(ctx)
		if err != nil {
			return time.Time{}, err
		}
		a.State.forgetSent(now)
		switch ready := s.ready(a.State, queued, now); {
		case len(queued) == 0 && len(a.State.Sent) > 0:
			return a.State.Sent[len(a.State.Sent)-1].Add(time.Hour), s.save(ctx, *a)
		case len(queued) == 0:
			return time.Time{}, tenant.ErrNotFound // nothing is to be remembered
		case mailer != nil && now.Before(ready):
			return ready, s.save(ctx, *a)
		}
		if err := s.sendQueued(ctx, a, mailer, queued, now); err != nil {
			return time.Time{}, err
		}
	}
}

// ready returns when something may be sent to a recipient: when the first notice has waited for others, when the limit of an hour
// allows it, and when a failure is long enough ago.
func (s *Service) ready(state State, queued []Queued, now time.Time) time.Time {
	if len(queued) == 0 {
		return now
	}
	ready := queued[0].At.Add(s.cfg.Digest)
	if queued[0].At.After(now.Add(clock.WrongFrom)) { // a clock was wrong
		ready = now
	}
	if n := len(state.Sent); s.cfg.PerHour > 0 && n >= s.cfg.PerHour {
		ready = later(ready, state.Sent[n-s.cfg.PerHour].Add(time.Hour))
	}
	if state.Send.waits(pushRetry(), now) {
		ready = later(ready, state.Send.NotBefore)
	}
	return ready
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// sendQueued sends one message: with all notices if they waited for each other, or if they are more than may be sent alone, else with
// the first one. Those that the recipient is not to get any more are dropped.
func (s *Service) sendQueued(ctx context.Context, a *Announcement, mailer Mailer, queued []Queued, now time.Time) error {
	state := &a.State
	if left := s.cfg.PerHour - len(state.Sent); s.cfg.Digest == 0 && (s.cfg.PerHour == 0 || len(queued) <= left) {
		queued = queued[:1]
	}
	notices, to, err := s.wanted(ctx, mailer, a.Subject.ID, queued)
	if err != nil {
		return err
	}
	if len(notices) > 0 {
		if err := mailer.SendTo(ctx, to, notices); err != nil {
			return s.notSent(ctx, a, mailer.Name(), queued, err)
		}
		state.Send, state.Sent = Retry{}, append(state.Sent, now)
		s.logQueued(ctx, mailer.Name(), notices)
	}
	return s.dequeue(ctx, a, queued)
}

// wanted returns those of queued that the recipient still gets, and the recipient as the last of them says.
func (s *Service) wanted(ctx context.Context, mailer Mailer, id string, queued []Queued) (notices []Notice, to Recipient, err error) {
	if mailer == nil { // the channel was removed from the configuration
		return nil, to, nil
	}
	for _, q := range queued {
		recipients, err := mailer.Recipients(ctx, q.Notice)
		if errors.Is(err, tenant.ErrNotFound) || failure.Is(err, failure.NotFound) {
			continue
		}
		if err != nil {
			return nil, to, err
		}
		if i := slices.IndexFunc(recipients, func(r Recipient) bool { return RecipientID(mailer.Name(), r.Address) == id }); i >= 0 {
			notices, to = append(notices, q.Notice), recipients[i]
		}
	}
	return notices, to, nil
}

// notSent records a failure. It gives up what is too old, or what cannot be delivered at all.
func (s *Service) notSent(ctx context.Context, a *Announcement, channel string, queued []Queued, err error) error {
	log := s.cfg.Log.With("channel", channel, "reference", failure.Reference(ctx), "err", err)
	a.State.Send.Attempts++
	a.State.Send.NotBefore = s.cfg.Now().Add(wait(pushRetry(), a.State.Send.Attempts))
	s.cfg.Observe(channel, failed)
	log.WarnContext(ctx, "sending notices failed", "attempt", a.State.Send.Attempts, "notices", len(queued))
	var given []Queued
	for _, q := range queued {
		if errors.Is(err, ErrUndeliverable) || !s.cfg.Now().Before(q.At.Add(giveUpAfter)) {
			given = append(given, q)
			s.cfg.Observe(channel, givenUp)
			log.ErrorContext(ctx, "notice given up", "tenant", q.Notice.TenantID, "notice", q.Notice.ID)
		}
	}
	return s.dequeue(ctx, a, given)
}

func (s *Service) logQueued(ctx context.Context, channel string, notices []Notice) {
	s.cfg.Observe(channel, sent)
	for _, n := range notices {
		s.cfg.Log.InfoContext(ctx, "notice sent", "tenant", n.TenantID, "notice", n.ID, "channel", channel, "kind", n.Kind, "notices", len(notices))
	}
}

// dequeue forgets queued notices and stores the state, also when ctx has ended: what was sent is not sent again.
func (s *Service) dequeue(ctx context.Context, a *Announcement, queued []Queued) error {
	return s.cfg.Store.Transact(context.WithoutCancel(ctx), func(ctx context.Context) error {
		if err := s.save(ctx, *a); err != nil {
			return err
		}
		return s.cfg.Store.DequeueNotices(ctx, queued)
	})
}

// forgetSent forgets when messages were sent that no limit counts any more, or that a wrong clock says will be sent.
func (s *State) forgetSent(now time.Time) {
	s.Sent = slices.DeleteFunc(s.Sent, func(at time.Time) bool {
		return !now.Before(at.Add(time.Hour)) || at.After(now.Add(clock.WrongFrom))
	})
}
