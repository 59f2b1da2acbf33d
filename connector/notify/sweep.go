package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/tenant"
)

// sweepBatch is how many due subjects are read at once, per worker.
const sweepBatch = 16

// maxOutbox bounds what waits to be sent about one subject. Older notices go first.
const maxOutbox = 32

// Sweep looks at every subject that is due and returns when none is left that it has not looked at. Any number of
// replicas may sweep at once. What goes wrong with one subject is in the log and tried again, not in the error.
func (s *Service) Sweep(ctx context.Context) error {
	seen := map[Subject]bool{}
	for {
		due, err := s.cfg.Store.DueAnnouncements(ctx, s.cfg.Now(), s.cfg.Workers*sweepBatch)
		if err != nil {
			return err
		}
		var workers errgroup.Group
		workers.SetLimit(s.cfg.Workers)
		fresh := 0
		for _, subject := range due {
			if seen[subject] || ctx.Err() != nil {
				continue
			}
			seen[subject] = true
			fresh++
			workers.Go(func() error {
				s.visit(ctx, subject)
				return nil
			})
		}
		if err := workers.Wait(); err != nil {
			return err
		}
		if fresh == 0 || ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// visit looks at one subject while it holds it.
func (s *Service) visit(ctx context.Context, subject Subject) {
	ctx = failure.WithReference(ctx, random.Reference())
	now := s.cfg.Now()
	a, err := s.cfg.Store.HoldAnnouncement(ctx, subject, s.cfg.Owner+"/"+random.ID(), now, now.Add(s.cfg.Hold))
	if errors.Is(err, ErrHeld) {
		return // another replica was faster
	}
	var next time.Time
	if err == nil {
		next, err = s.look(ctx, &a)
	}
	ends := ctx.Err() != nil
	// The hold must be given back even when the program ends.
	ctx = context.WithoutCancel(ctx)
	switch {
	case ends: // who comes next goes on at once
		err = s.cfg.Store.ReleaseAnnouncement(ctx, a, now)
	case err == nil:
		err = s.cfg.Store.ReleaseAnnouncement(ctx, a, next)
	case errors.Is(err, ErrHeld):
		return // it took too long and another has taken over, or the subject was deleted meanwhile
	case errors.Is(err, tenant.ErrNotFound), failure.Is(err, failure.NotFound):
		err = s.cfg.Store.DropAnnouncement(ctx, a)
	default:
		err = errors.Join(err, s.cfg.Store.ReleaseAnnouncement(ctx, a, now.Add(s.cfg.Hold)))
	}
	if err != nil {
		s.cfg.Log.ErrorContext(ctx, "looking for what to announce failed", "subject", subject.ID, "reference", failure.Reference(ctx), "err", err)
	}
}

// look tells what is new about a subject and returns when to look again.
func (s *Service) look(ctx context.Context, a *Announcement) (time.Time, error) {
	calls, cancel := context.WithTimeout(ctx, s.cfg.Hold*4/5)
	defer cancel()
	if a.Subject.Kind == OfInstance {
		return s.lookAtInstance(calls, a)
	}
	return s.lookAtTenant(calls, a)
}

func (s *Service) lookAtTenant(ctx context.Context, a *Announcement) (time.Time, error) {
	t, err := s.cfg.Store.Tenant(ctx, a.Subject.ID)
	if err != nil {
		return time.Time{}, err
	}
	in, err := s.cfg.Store.Instance(ctx, t.InstanceKey)
	if err != nil {
		return time.Time{}, err
	}
	status, err := s.cfg.Statuses.Status(ctx, tenant.Resolved{Tenant: t, Instance: in})
	if err != nil {
		return time.Time{}, err
	}
	now := s.cfg.Now()
	own := in.Settings.TenantApplication && t.Application.ID != ""
	about := Notice{InstanceKey: in.Key, TenantID: t.ID, Name: named(t.Name, t.ID), Marketplace: t.Marketplace, AccountID: t.AccountID, State: status.State}
	if found := a.Memory.compare(status, own, now); len(found) > 0 {
		s.post(&a.Memory, about, found, now)
	}
	if err := s.saved(ctx, *a); err != nil {
		return time.Time{}, err
	}
	if err := s.push(ctx, a, in, t.ID, s.cfg.Properties(status)); err != nil {
		return time.Time{}, err
	}
	if err := s.deliver(ctx, a); err != nil {
		return time.Time{}, err
	}
	return a.Memory.next(status, own, now), nil
}

// lookAtInstance looks at the credentials that all tenants without an application of their own share.
func (s *Service) lookAtInstance(ctx context.Context, a *Announcement) (time.Time, error) {
	in, err := s.cfg.Store.Instance(ctx, a.Subject.ID)
	if err == nil && !in.RemovedAt.IsZero() {
		err = tenant.ErrNotFound
	}
	if err != nil {
		return time.Time{}, err
	}
	now := s.cfg.Now()
	ends := in.Settings.Application.Ends(now)
	if found := a.Memory.credential(ends, now); len(found) > 0 {
		s.post(&a.Memory, Notice{InstanceKey: in.Key, Name: "instance " + in.Key}, found, now)
	}
	if err := s.saved(ctx, *a); err != nil {
		return time.Time{}, err
	}
	if err := s.deliver(ctx, a); err != nil {
		return time.Time{}, err
	}
	return a.Memory.earliest(ahead(ends, credentialDays()), now), nil
}

// named returns a name for people.
func named(name, id string) string {
	if name == "" {
		return id
	}
	return name
}

// post puts a notice for each finding into the outbox, once per channel.
func (s *Service) post(m *Memory, about Notice, found []finding, now time.Time) {
	for _, f := range found {
		n := about
		n.ID, n.At, n.Kind, n.Reason, n.Ends, n.Days = random.ID(), now, f.kind, f.reason, f.ends, daysUntil(f.ends, now)
		for _, c := range s.cfg.Channels {
			m.Outbox = append(m.Outbox, Delivery{Channel: c.Name(), Notice: n})
		}
		s.cfg.Log.Info("notice", "tenant", n.TenantID, "instance", n.InstanceKey, "notice", n.ID, "kind", n.Kind, "state", n.State)
	}
	if extra := len(m.Outbox) - maxOutbox; extra > 0 {
		m.Outbox = slices.Delete(m.Outbox, 0, extra)
	}
}

// push gives the platform the properties that it does not have. Only a failure of ours is an error.
func (s *Service) push(ctx context.Context, a *Announcement, in tenant.Instance, tenantID string, properties map[string]any) error {
	wanted, err := json.Marshal(properties)
	if err != nil {
		return fmt.Errorf("writing the properties of %s: %w", tenantID, err)
	}
	m := &a.Memory
	switch now := s.cfg.Now(); {
	case m.Pushed == string(wanted):
		m.Push = Retry{}
		return nil
	case now.Before(m.Push.NotBefore):
		return nil
	}
	if err := s.cfg.Platform.PushTenant(ctx, in, tenantID, properties); err != nil {
		m.Push.Attempts++
		m.Push.NotBefore = s.cfg.Now().Add(wait(pushRetry(), m.Push.Attempts))
		s.cfg.Observe(pushing, failed)
		s.cfg.Log.WarnContext(ctx, "pushing the status failed", "tenant", tenantID, "attempt", m.Push.Attempts,
			"reference", failure.Reference(ctx), "err", err)
	} else {
		m.Pushed, m.Push = string(wanted), Retry{}
		s.cfg.Observe(pushing, sent)
	}
	return s.saved(ctx, *a)
}

// deliver sends what is due in the outbox, in its order in each channel. A channel that fails holds up none but itself.
// What has arrived is written down before anything else is sent.
func (s *Service) deliver(ctx context.Context, a *Announcement) error {
	m := &a.Memory
	held := map[string]bool{} // channels in which an earlier notice waits
	for i := 0; i < len(m.Outbox); {
		if err := ctx.Err(); err != nil {
			return err
		}
		d := &m.Outbox[i]
		channel, known := s.channel(d.Channel)
		if known && (held[d.Channel] || s.cfg.Now().Before(d.Retry.NotBefore)) {
			held[d.Channel] = true
			i++
			continue
		}
		done := true // a channel that was taken out of the configuration has nothing to do any more
		if known {
			done = s.send(ctx, channel, d)
		}
		if done {
			m.Outbox = slices.Delete(m.Outbox, i, i+1)
		} else {
			held[d.Channel] = true
			i++
		}
		if err := s.saved(ctx, *a); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) channel(name string) (Channel, bool) {
	i := slices.IndexFunc(s.cfg.Channels, func(c Channel) bool { return c.Name() == name })
	if i < 0 {
		return nil, false
	}
	return s.cfg.Channels[i], true
}

// send tries to deliver d once, and reports whether nothing is left to be done for it.
func (s *Service) send(ctx context.Context, c Channel, d *Delivery) (done bool) {
	log := s.cfg.Log.With("tenant", d.Notice.TenantID, "notice", d.Notice.ID, "channel", c.Name())
	err := c.Send(ctx, d.Notice)
	if err == nil {
		s.cfg.Observe(c.Name(), sent)
		log.InfoContext(ctx, "notice sent", "kind", d.Notice.Kind)
		return true
	}
	d.Retry.Attempts++
	if errors.Is(err, ErrUndeliverable) || d.Retry.Attempts > len(sendRetry()) {
		s.cfg.Observe(c.Name(), givenUp)
		log.ErrorContext(ctx, "notice given up", "attempt", d.Retry.Attempts, "reference", failure.Reference(ctx), "err", err)
		return true
	}
	d.Retry.NotBefore = s.cfg.Now().Add(wait(sendRetry(), d.Retry.Attempts))
	s.cfg.Observe(c.Name(), failed)
	log.WarnContext(ctx, "sending a notice failed", "attempt", d.Retry.Attempts, "reference", failure.Reference(ctx), "err", err)
	return false
}

// wait returns how long to wait after so many failures in a row.
func wait(waits []time.Duration, failures int) time.Duration {
	return waits[min(failures, len(waits))-1]
}
