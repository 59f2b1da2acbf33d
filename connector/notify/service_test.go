package notify_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

func TestNewRefusesToGoWithoutItsPorts(t *testing.T) {
	if _, err := notify.New(notify.Config{}); err == nil {
		t.Error("New(empty) = nil, want an error")
	}
}

func TestNothingIsToldWhileAllIsWell(t *testing.T) {
	each(t, func(w *world) {
		for range 9 {
			w.sweep()
			w.advance(10 * day)
			w.granted()
		}
		w.checkSent()
		if got := w.takePushed(); fmt.Sprint(got) != "[active]" {
			w.Errorf("pushed %q, want active once", got)
		}
	})
}

// TestEveryWarningComesOnce lets a token run out, with a process that is replaced all the time and no event at all.
func TestEveryWarningComesOnce(t *testing.T) {
	each(t, func(w *world) {
		told := map[int]string{60: "expiry_warning 30", 76: "expiry_warning 14", 83: "expiry_warning 7", 87: "expiry_warning 3", 89: "expiry_warning 1", 90: "alarm 0 grant_expired"}
		for age := range 95 {
			for range 2 {
				w.restart()
				w.sweep()
			}
			want := []string{}
			if told[age] != "" {
				want = append(want, told[age])
			}
			w.checkSent(want...)
			w.advance(day)
		}
		if got := w.takePushed(); fmt.Sprint(got) != "[active expiring expired]" {
			w.Errorf("pushed %q, want every state once", got)
		}
	})
}

func TestOfSeveralWarningsThatWereMissedTheLastIsTold(t *testing.T) {
	each(t, func(w *world) {
		w.sweep()
		w.advance(85 * day)
		w.sweep()
		w.checkSent("expiry_warning 5")
		w.advance(2 * day)
		w.sweep()
		w.checkSent("expiry_warning 3")
	})
}

func TestAnAlarmAndItsRecovery(t *testing.T) {
	each(t, func(w *world) {
		w.advance(10 * day)
		w.fails(token.StateActionRequired, failure.GrantRevoked)
		w.sweep()
		w.checkSent("alarm 80 grant_revoked")
		w.fails(token.StateActionRequired, failure.GrantRevoked) // Renew Now
		w.restart()
		w.sweep()
		w.checkSent()
		w.fails(token.StateMisconfigured, failure.ClientSecretExpired) // another reason is news
		w.sweep()
		w.checkSent("alarm 80 client_secret_expired")
		w.advance(day)
		w.granted()
		w.sweep()
		w.checkSent("recovery 90")
		w.happen(audit.GrantChecked)
		w.sweep()
		w.checkSent()
		if got := w.takePushed(); fmt.Sprint(got) != "[action_required misconfigured active]" {
			w.Errorf("pushed %q, want every change", got)
		}
	})
}

func TestARecoveryAfterAWarning(t *testing.T) {
	each(t, func(w *world) {
		w.sweep()
		w.advance(62 * day)
		w.sweep()
		w.checkSent("expiry_warning 28")
		w.granted()
		w.sweep()
		w.checkSent("recovery 90")
		w.advance(60 * day) // and it starts over
		w.sweep()
		w.checkSent("expiry_warning 30")
	})
}

func TestTransientTroubleIsToldWhenItLastsADay(t *testing.T) {
	each(t, func(w *world) {
		w.fails(token.StateRenewalFailing, failure.MicrosoftUnavailable)
		w.sweep()
		w.advance(23 * time.Hour)
		w.fails(token.StateRenewalFailing, failure.MicrosoftThrottled)
		w.sweep()
		w.checkSent()
		w.advance(time.Hour) // without any event
		w.sweep()
		w.checkSent("alarm 89 microsoft_throttled")
		w.fails(token.StateRenewalFailing, failure.MicrosoftAnswer)
		w.advance(2 * day)
		w.sweep()
		w.checkSent()
		w.granted()
		w.sweep()
		w.checkSent("recovery 90")
	})
}

func TestTransientTroubleThatHealsIsNotTold(t *testing.T) {
	each(t, func(w *world) {
		for range 3 {
			w.fails(token.StateRenewalFailing, failure.MicrosoftUnavailable)
			w.sweep()
			w.advance(20 * time.Hour)
			w.granted()
			w.sweep()
			w.advance(time.Hour)
		}
		w.checkSent()
	})
}

func TestATenantWithoutATokenAlarmsNobody(t *testing.T) {
	each(t, func(w *world) {
		for state, code := range map[token.State]failure.Code{
			token.StateAbsent: failure.GrantAbsent, token.StateMisconfigured: failure.DirectoryMissing, token.StatePending: failure.ClaimWaiting,
		} {
			w.become(func(s *token.Status) { *s = token.Status{State: state, Failure: &failure.Record{Code: code}} }, audit.GrantForgotten)
			w.sweep()
		}
		w.checkSent()
	})
}

func TestAFailingChannelIsTriedEverMoreSeldomAndHoldsUpNoOther(t *testing.T) {
	each(t, func(w *world) {
		w.mail.fail(errDown)
		w.fails(token.StateActionRequired, failure.GrantRevoked)
		w.sweep()
		w.checkSentBy(w.panel, "alarm 90 grant_revoked")
		tries := 1
		for _, wait := range []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 4 * time.Hour, 12 * time.Hour} {
			w.advance(wait - time.Second)
			w.happen(audit.GrantChecked) // an event hastens no retry
			w.restart()
			w.sweep()
			if w.mail.tries != tries {
				w.Errorf("a second before %s were over mail was tried %d times, want %d", wait, w.mail.tries, tries)
			}
			w.advance(time.Second)
			w.sweep()
			if tries++; w.mail.tries != tries {
				w.Errorf("after %s mail was tried %d times, want %d", wait, w.mail.tries, tries)
			}
		}
		w.granted() // what comes later waits its turn
		w.sweep()
		w.checkSentBy(w.panel, "recovery 90")
		w.checkSentBy(w.mail)
		w.mail.fail(nil)
		w.advance(day)
		w.sweep()
		w.checkSentBy(w.mail, "alarm 90 grant_revoked", "recovery 90")
		w.checkSentBy(w.panel)
	})
}

func TestANoticeIsGivenUpAfterDays(t *testing.T) {
	each(t, func(w *world) {
		w.mail.fail(errDown)
		w.fails(token.StateActionRequired, failure.GrantRevoked)
		for range 20 {
			w.sweep()
			w.advance(day)
		}
		if w.mail.tries != 9 {
			w.Errorf("mail was tried %d times, want 9", w.mail.tries)
		}
		w.mail.fail(fmt.Errorf("%w: no such mailbox", notify.ErrUndeliverable))
		w.granted()
		for range 3 {
			w.sweep()
			w.advance(day)
		}
		if w.mail.tries != 10 {
			w.Errorf("mail was tried %d times, want only once what cannot be delivered", w.mail.tries)
		}
		w.mail.fail(nil)
		w.fails(token.StateActionRequired, failure.GrantRevoked)
		w.sweep()
		w.checkSentBy(w.mail, "alarm 87 grant_revoked")
	})
}

func TestTwoReplicasSendOnce(t *testing.T) {
	each(t, func(w *world) {
		w.fails(token.StateActionRequired, failure.GrantRevoked)
		var replicas errgroup.Group
		for range 4 {
			replica := w.replica(w.panel, w.mail)
			replicas.Go(func() error { return replica.Sweep(w.Context()) })
		}
		w.must(replicas.Wait())
		w.checkSent("alarm 90 grant_revoked")
		if got := w.takePushed(); fmt.Sprint(got) != "[action_required]" {
			w.Errorf("pushed %q, want once", got)
		}
	})
}

// An ending channel ends the program while it sends.
type ending struct {
	*channel
	end context.CancelFunc
}

func (c ending) Send(ctx context.Context, _ notify.Notice) error {
	c.end()
	return ctx.Err()
}

func TestAProgramThatEndsLeavesTheRestToTheNext(t *testing.T) {
	each(t, func(w *world) {
		w.fails(token.StateActionRequired, failure.GrantRevoked)
		ctx, end := context.WithCancel(w.Context())
		if err := w.replica(w.panel, ending{w.mail, end}).Sweep(ctx); !errors.Is(err, context.Canceled) {
			w.Errorf("Sweep() = %v, want %v", err, context.Canceled)
		}
		w.checkSentBy(w.panel, "alarm 90 grant_revoked")
		w.advance(time.Minute) // less than a hold
		w.sweep()
		w.checkSentBy(w.panel)
		w.checkSentBy(w.mail, "alarm 90 grant_revoked")
	})
}

func TestAPlatformThatDoesNotAnswerIsToldLater(t *testing.T) {
	each(t, func(w *world) {
		w.sweep()
		w.takePushed()
		w.refusePushes(failure.New(failure.PlatformUnavailable))
		w.fails(token.StateActionRequired, failure.GrantRevoked)
		w.sweep()
		w.checkSent("alarm 90 grant_revoked") // people are told all the same
		for range 30 {
			w.advance(time.Hour)
			w.sweep()
		}
		w.refusePushes(nil)
		w.advance(time.Hour)
		w.sweep()
		if got := w.takePushed(); fmt.Sprint(got) != "[action_required]" {
			w.Errorf("pushed %q, want what was missed", got)
		}
		w.checkSent()
	})
}

func TestTheEndOfATenantsOwnCredentialIsTold(t *testing.T) {
	each(t, func(w *world) {
		ends := start.Add(70 * day)
		w.changeInstance(func(in *tenant.Instance) { in.Settings.TenantApplication = true })
		w.changeTenant(func(t *tenant.Tenant) { t.Application = application(ends) })
		w.become(func(s *token.Status) { s.SecretEnds = ends }, audit.TenantConfigured)
		told := map[int]string{10: "credential_warning 60", 40: "credential_warning 30", 56: "credential_warning 14", 63: "credential_warning 7", 69: "credential_warning 1"}
		for age := range 75 {
			w.granted()
			w.sweep()
			want := []string{}
			if told[age] != "" {
				want = append(want, told[age])
			}
			w.checkSent(want...)
			w.advance(day)
		}
	})
}

func TestTheEndOfTheInstancesCredentialIsToldToTheProviderOnce(t *testing.T) {
	each(t, func(w *world) {
		ends := start.Add(60 * day)
		w.become(func(s *token.Status) { s.SecretEnds = ends }, audit.GrantChecked)
		w.changeInstance(func(in *tenant.Instance) { in.Settings.Application = application(ends) })
		w.sweep()
		w.panel.mu.Lock()
		sent := w.panel.sent
		w.panel.mu.Unlock()
		if len(sent) != 1 || sent[0].TenantID != "" || sent[0].AccountID != "" || sent[0].Kind != notify.CredentialWarning {
			w.Fatalf("sent %+v, want one warning of the instance", sent)
		}
		w.checkSent("credential_warning 60")
		w.advance(30 * day)
		w.sweep()
		w.checkSent("credential_warning 30")
		w.changeInstance(func(in *tenant.Instance) { in.Settings.Application = application(ends.AddDate(1, 0, 0)) })
		w.advance(23 * day)
		w.sweep()
		w.checkSent()
	})
}

func TestWhatIsGoneIsForgotten(t *testing.T) {
	each(t, func(w *world) {
		w.changeInstance(func(in *tenant.Instance) { in.RemovedAt = w.now() })
		w.sweep()
		w.must(w.store.DeleteTenant(w.Context(), w.tenantID))
		w.sweep()
		w.advance(100 * day)
		due, err := w.store.DueAnnouncements(w.Context(), w.now(), 10)
		if err != nil || len(due) != 0 {
			w.Errorf("DueAnnouncements() = %v, %v, want none", due, err)
		}
		w.checkSent()
	})
}

func TestAChannelThatWasTakenAwayIsForgotten(t *testing.T) {
	each(t, func(w *world) {
		w.mail.fail(errDown)
		w.fails(token.StateActionRequired, failure.GrantRevoked)
		w.sweep()
		renamed := &channel{name: "other"}
		mail := w.mail
		w.mail = renamed
		w.restart()
		w.advance(time.Minute)
		w.sweep()
		w.mail = mail
		w.mail.fail(nil)
		w.restart()
		w.advance(10 * day)
		w.sweep()
		w.checkSentBy(w.mail)
		w.checkSentBy(renamed)
	})
}
