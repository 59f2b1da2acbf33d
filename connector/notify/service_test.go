package notify_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

func TestNew_RequiresItsPorts(t *testing.T) {
	if _, err := notify.New(notify.Config{}); err == nil {
		t.Error("New(empty) = nil, want an error")
	}
}

func TestSweep_SendsNothingWithoutTrouble(t *testing.T) {
	each(t, func(h *harness) {
		for range 9 {
			h.sweep()
			h.advance(10 * day)
			h.granted()
		}
		h.checkSent()
		if got := h.takePushed(); fmt.Sprint(got) != "[active]" {
			h.Errorf("pushed %q, want active once", got)
		}
	})
}

// TestSweep_SendsEveryWarningOnce lets a token expire without any event, and restarts the process before each sweep.
func TestSweep_SendsEveryWarningOnce(t *testing.T) {
	each(t, func(h *harness) {
		warnings := map[int]string{60: "expiry_warning 30", 76: "expiry_warning 14", 83: "expiry_warning 7", 87: "expiry_warning 3", 89: "expiry_warning 1", 90: "alarm 0 grant_expired"}
		for age := range 95 {
			for range 2 {
				h.restart()
				h.sweep()
			}
			want := []string{}
			if warnings[age] != "" {
				want = append(want, warnings[age])
			}
			h.checkSent(want...)
			h.advance(day)
		}
		if got := h.takePushed(); fmt.Sprint(got) != "[active expiring expired]" {
			h.Errorf("pushed %q, want every state once", got)
		}
	})
}

func TestSweep_SendsTheLastOfSeveralMissedWarnings(t *testing.T) {
	each(t, func(h *harness) {
		h.sweep()
		h.advance(85 * day)
		h.sweep()
		h.checkSent("expiry_warning 5")
		h.advance(2 * day)
		h.sweep()
		h.checkSent("expiry_warning 3")
	})
}

func TestSweep_AlarmAndRecovery(t *testing.T) {
	each(t, func(h *harness) {
		h.advance(10 * day)
		h.fails(token.StateActionRequired, failure.GrantRevoked)
		h.sweep()
		h.checkSent("alarm 80 grant_revoked")
		h.fails(token.StateActionRequired, failure.GrantRevoked) // Renew Now
		h.restart()
		h.sweep()
		h.checkSent()
		h.fails(token.StateMisconfigured, failure.ClientSecretExpired) // another reason is a new alarm
		h.sweep()
		h.checkSent("alarm 80 client_secret_expired")
		h.advance(day)
		h.granted()
		h.sweep()
		h.checkSent("recovery 90")
		h.happen(audit.GrantChecked)
		h.sweep()
		h.checkSent()
		if got := h.takePushed(); fmt.Sprint(got) != "[action_required misconfigured active]" {
			h.Errorf("pushed %q, want every change", got)
		}
	})
}

func TestSweep_SuspensionAndResumption(t *testing.T) {
	each(t, func(h *harness) {
		h.advance(10 * day)
		h.fails(token.StateSuspended, failure.Suspended)
		h.sweep()
		h.checkSent("alarm 80 suspended")
		h.fails(token.StateSuspended, failure.Suspended) // a renewal in the meantime
		h.sweep()
		h.checkSent()
		h.granted()
		h.sweep()
		h.checkSent("recovery 90")
		if got := h.takePushed(); fmt.Sprint(got) != "[suspended active]" {
			h.Errorf("pushed %q, want every change", got)
		}
	})
}

func TestSweep_RecoveryAfterAWarning(t *testing.T) {
	each(t, func(h *harness) {
		h.sweep()
		h.advance(62 * day)
		h.sweep()
		h.checkSent("expiry_warning 28")
		h.granted()
		h.sweep()
		h.checkSent("recovery 90")
		h.advance(60 * day) // a new countdown
		h.sweep()
		h.checkSent("expiry_warning 30")
	})
}

func TestSweep_AlarmsAfterADayOfTransientFailures(t *testing.T) {
	each(t, func(h *harness) {
		h.fails(token.StateRenewalFailing, failure.MicrosoftUnavailable)
		h.sweep()
		h.advance(23 * time.Hour)
		h.fails(token.StateRenewalFailing, failure.MicrosoftThrottled)
		h.sweep()
		h.checkSent()
		h.advance(time.Hour) // without any event
		h.sweep()
		h.checkSent("alarm 89 microsoft_throttled")
		h.fails(token.StateRenewalFailing, failure.MicrosoftAnswer)
		h.advance(2 * day)
		h.sweep()
		h.checkSent()
		h.granted()
		h.sweep()
		h.checkSent("recovery 90")
	})
}

func TestSweep_IgnoresShortTransientFailures(t *testing.T) {
	each(t, func(h *harness) {
		for range 3 {
			h.fails(token.StateRenewalFailing, failure.MicrosoftUnavailable)
			h.sweep()
			h.advance(20 * time.Hour)
			h.granted()
			h.sweep()
			h.advance(time.Hour)
		}
		h.checkSent()
	})
}

func TestSweep_NoAlarmWithoutAToken(t *testing.T) {
	each(t, func(h *harness) {
		for state, code := range map[token.State]failure.Code{
			token.StateAbsent: failure.GrantAbsent, token.StateMisconfigured: failure.DirectoryMissing, token.StatePending: failure.ClaimWaiting,
		} {
			h.become(func(s *token.Status) { *s = token.Status{State: state, Failure: &failure.Record{Code: code}} }, audit.GrantForgotten)
			h.sweep()
		}
		h.checkSent()
	})
}

func TestSweep_RetriesAFailingChannelWithBackoff(t *testing.T) {
	each(t, func(h *harness) {
		h.mail.fail(errDown)
		h.fails(token.StateActionRequired, failure.GrantRevoked)
		h.sweep()
		h.checkSentBy(h.panel, "alarm 90 grant_revoked")
		tries := 1
		for _, wait := range []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 4 * time.Hour, 12 * time.Hour} {
			h.advance(wait - time.Second)
			h.happen(audit.GrantChecked) // an event does not bring a retry forward
			h.restart()
			h.sweep()
			if h.mail.tries != tries {
				h.Errorf("a second before %s mail was tried %d times, want %d", wait, h.mail.tries, tries)
			}
			h.advance(time.Second)
			h.sweep()
			if tries++; h.mail.tries != tries {
				h.Errorf("after %s mail was tried %d times, want %d", wait, h.mail.tries, tries)
			}
		}
		h.granted() // a later notice waits
		h.sweep()
		h.checkSentBy(h.panel, "recovery 90")
		h.checkSentBy(h.mail)
		h.mail.fail(nil)
		h.advance(day)
		h.sweep()
		h.checkSentBy(h.mail, "alarm 90 grant_revoked", "recovery 90")
		h.checkSentBy(h.panel)
	})
}

func TestSweep_GivesUpANoticeAfterDays(t *testing.T) {
	each(t, func(h *harness) {
		h.mail.fail(errDown)
		h.fails(token.StateActionRequired, failure.GrantRevoked)
		for range 20 {
			h.sweep()
			h.advance(day)
		}
		if h.mail.tries != 9 {
			h.Errorf("mail was tried %d times, want 9", h.mail.tries)
		}
		h.mail.fail(fmt.Errorf("%w: no such mailbox", notify.ErrUndeliverable))
		h.granted()
		for range 3 {
			h.sweep()
			h.advance(day)
		}
		if h.mail.tries != 10 {
			h.Errorf("mail was tried %d times, want 10: an undeliverable notice once", h.mail.tries)
		}
		h.mail.fail(nil)
		h.fails(token.StateActionRequired, failure.GrantRevoked)
		h.sweep()
		h.checkSentBy(h.mail, "alarm 87 grant_revoked")
	})
}

func TestSweep_ReplicasSendOnce(t *testing.T) {
	each(t, func(h *harness) {
		h.fails(token.StateActionRequired, failure.GrantRevoked)
		var replicas errgroup.Group
		for range 4 {
			replica := h.replica(h.panel, h.mail)
			replicas.Go(func() error { return replica.Sweep(h.Context()) })
		}
		h.must(replicas.Wait())
		h.checkSent("alarm 90 grant_revoked")
		if got := h.takePushed(); fmt.Sprint(got) != "[action_required]" {
			h.Errorf("pushed %q, want once", got)
		}
	})
}

// A stopping is a channel that cancels the sweep while it sends.
type stopping struct {
	*channel
	end context.CancelFunc
}

func (c stopping) Send(ctx context.Context, _ notify.Notice) error {
	c.end()
	return ctx.Err()
}

func TestSweep_LeavesUnsentNoticesToTheNextProcess(t *testing.T) {
	each(t, func(h *harness) {
		h.fails(token.StateActionRequired, failure.GrantRevoked)
		ctx, end := context.WithCancel(h.Context())
		if err := h.replica(h.panel, stopping{h.mail, end}).Sweep(ctx); !errors.Is(err, context.Canceled) {
			h.Errorf("Sweep() = %v, want %v", err, context.Canceled)
		}
		h.checkSentBy(h.panel, "alarm 90 grant_revoked")
		h.advance(time.Minute) // less than a lease
		h.sweep()
		h.checkSentBy(h.panel)
		h.checkSentBy(h.mail, "alarm 90 grant_revoked")
	})
}

func TestSweep_RetriesPushes(t *testing.T) {
	each(t, func(h *harness) {
		h.sweep()
		h.takePushed()
		h.refusePushes(failure.New(failure.PlatformUnavailable))
		h.fails(token.StateActionRequired, failure.GrantRevoked)
		h.sweep()
		h.checkSent("alarm 90 grant_revoked") // people are notified nevertheless
		for range 30 {
			h.advance(time.Hour)
			h.sweep()
		}
		h.refusePushes(nil)
		h.advance(time.Hour)
		h.sweep()
		if got := h.takePushed(); fmt.Sprint(got) != "[action_required]" {
			h.Errorf("pushed %q, want action_required once", got)
		}
		h.checkSent()
	})
}

func TestSweep_WarnsOfATenantsCredential(t *testing.T) {
	each(t, func(h *harness) {
		ends := start.Add(70 * day)
		h.changeInstance(func(in *tenant.Instance) { in.Settings.TenantApplication = true })
		h.changeTenant(func(t *tenant.Tenant) { t.Application = application(ends) })
		h.become(func(s *token.Status) { s.Credentials = application(ends).CredentialEnds() }, audit.TenantConfigured)
		warnings := map[int]string{10: "credential_warning 60", 40: "credential_warning 30", 56: "credential_warning 14", 63: "credential_warning 7", 69: "credential_warning 1"}
		for age := range 75 {
			h.granted()
			h.sweep()
			want := []string{}
			if warnings[age] != "" {
				want = append(want, warnings[age])
			}
			h.checkSent(want...)
			h.advance(day)
		}
	})
}

func TestSweep_WarnsTheProviderOfTheInstancesCredential(t *testing.T) {
	each(t, func(h *harness) {
		ends := start.Add(60 * day)
		h.become(func(s *token.Status) { s.Credentials = application(ends).CredentialEnds() }, audit.GrantChecked)
		h.changeInstance(func(in *tenant.Instance) { in.Settings.Application = application(ends) })
		h.sweep()
		h.panel.mu.Lock()
		sent := h.panel.sent
		h.panel.mu.Unlock()
		if len(sent) != 1 || sent[0].TenantID != "" || sent[0].AccountID != "" || sent[0].Kind != notify.CredentialWarning {
			h.Fatalf("sent %+v, want one warning of the instance", sent)
		}
		h.checkSent("credential_warning 60")
		h.advance(30 * day)
		h.sweep()
		h.checkSent("credential_warning 30")
		h.changeInstance(func(in *tenant.Instance) { in.Settings.Application = application(ends.AddDate(1, 0, 0)) })
		h.advance(23 * day)
		h.sweep()
		h.checkSent()
	})
}

// The provider is alarmed of a consent that was taken back, once, and even if the tenant has another token by then.
func TestSweep_AlarmsTheProviderOfADisownedConsent(t *testing.T) {
	each(t, func(h *harness) {
		h.sweep()
		h.checkSent()
		h.happen(audit.ConsentDisowned)
		h.granted()
		h.sweep()
		h.panel.mu.Lock()
		sent := h.panel.sent
		h.panel.mu.Unlock()
		if len(sent) != 1 || !sent[0].Provider || sent[0].AccountID != "account-1" || sent[0].Headline() != "A consent for Alpine Cloud (account account-1) was taken back right after it was granted." {
			h.Fatalf("sent %+v, want one alarm for the provider that names the account", sent)
		}
		h.checkSent("alarm 0 consent_disowned")
		h.happen(audit.GrantChecked)
		h.restart()
		h.sweep()
		h.checkSent()
		h.advance(time.Minute)
		h.happen(audit.ConsentDisowned)
		h.sweep()
		h.checkSent("alarm 0 consent_disowned")
	})
}

func TestSweep_DropsDeletedSubjects(t *testing.T) {
	each(t, func(h *harness) {
		h.changeInstance(func(in *tenant.Instance) { in.RemovedAt = h.now() })
		h.sweep()
		h.must(h.store.DeleteTenant(h.Context(), h.tenantID))
		h.sweep()
		h.advance(100 * day)
		due, err := h.store.DueAnnouncements(h.Context(), h.now(), 10)
		if err != nil || len(due) != 0 {
			h.Errorf("DueAnnouncements() = %v, %v, want none", due, err)
		}
		h.checkSent()
	})
}

func TestSweep_DropsNoticesOfRemovedChannels(t *testing.T) {
	each(t, func(h *harness) {
		h.mail.fail(errDown)
		h.fails(token.StateActionRequired, failure.GrantRevoked)
		h.sweep()
		renamed := &channel{name: "other"}
		mail := h.mail
		h.mail = renamed
		h.restart()
		h.advance(time.Minute)
		h.sweep()
		h.mail = mail
		h.mail.fail(nil)
		h.restart()
		h.advance(10 * day)
		h.sweep()
		h.checkSentBy(h.mail)
		h.checkSentBy(renamed)
	})
}

// TestSweep_NotifiesOfAWaitingConsentOnce has a consent by another person, and one that waits for its claim code.
func TestSweep_NotifiesOfAWaitingConsentOnce(t *testing.T) {
	each(t, func(h *harness) {
		ada, bob := token.Person{ObjectID: "oid-1", Username: "ada@alpine.example"}, token.Person{ObjectID: "oid-2", Name: "Bob"}
		h.sweep()
		h.become(func(s *token.Status) {
			s.Unconfirmed = &token.WaitingGrant{
				ConsentID: "consent-1", Procedure: token.Automatic, ConsentedBy: bob, ConsentedAt: h.clock, ExpiresAt: h.clock.Add(day), Replaces: &ada,
			}
			s.Pending = &token.WaitingGrant{
				ConsentID: "consent-2", Procedure: token.Manual, ConsentedBy: ada, ConsentedAt: h.clock, ExpiresAt: h.clock.Add(day),
			}
		}, audit.ConsentGranted)
		h.sweep()
		h.panel.mu.Lock()
		if len(h.panel.sent) == 1 && (h.panel.sent[0].Reason.Params["username"] != "Bob" || h.panel.sent[0].Reason.Params["before"] != ada.Username) {
			h.Errorf("the notice says %v, want both persons", h.panel.sent[0].Reason.Params)
		}
		h.panel.mu.Unlock()
		h.checkSent("consent_waiting 1 confirmation_waiting")
		h.advance(time.Hour - time.Minute)
		h.restart()
		h.sweep()
		h.checkSent()
		h.advance(time.Minute) // without any event
		h.sweep()
		h.checkSent("consent_waiting 1 claim_waiting")
		h.happen(audit.TokenLent)
		h.advance(time.Hour)
		h.restart()
		h.sweep()
		h.checkSent()

		// Both end, and another consent by another person is another notice.
		h.become(func(s *token.Status) { s.Unconfirmed, s.Pending = nil, nil }, audit.ConsentConfirmed)
		h.sweep()
		h.checkSent()
		h.become(func(s *token.Status) {
			s.Unconfirmed = &token.WaitingGrant{ConsentID: "consent-3", ConsentedBy: bob, ConsentedAt: h.clock, ExpiresAt: h.clock.Add(day), Replaces: &ada}
		}, audit.ConsentGranted)
		h.sweep()
		h.checkSent("consent_waiting 1 confirmation_waiting")
	})
}

// TestSweep_TellsTheProviderOfIncidents appends events of the instance that the provider has to know.
func TestSweep_TellsTheProviderOfIncidents(t *testing.T) {
	each(t, func(h *harness) {
		h.sweep()
		h.checkSent()
		h.incident("tenant-2")
		h.sweep()
		h.checkSent("incident 0")
		h.restart()
		h.sweep()
		h.advance(day)
		h.happen(audit.TenantConfigured)
		h.sweep()
		h.checkSent()
		h.incident("tenant-3")
		h.incident("tenant-4")
		h.sweep()
		h.panel.mu.Lock()
		last := h.panel.sent[len(h.panel.sent)-1]
		h.panel.mu.Unlock()
		if text := fmt.Sprint(last.Headline(), last.Lines()); last.TenantID != "" || !strings.Contains(text, "tenant-4") || !strings.Contains(text, "the-owner") {
			t.Errorf("the last notice is about %q: %s, want one of the instance about tenant-4", last.TenantID, text)
		}
		h.checkSent("incident 0", "incident 0")
		h.must(h.store.AppendEvent(h.Context(), audit.Event{
			ID: random.ID(), At: h.now(), InstanceKey: instanceKey, Action: audit.TokensExported, Result: string(failure.TokensExported),
			Details: map[string]string{"count": "7", "operator": "olga", "recipients": "age1somebody"},
		}))
		h.sweep()
		h.panel.mu.Lock()
		last = h.panel.sent[len(h.panel.sent)-1]
		h.panel.mu.Unlock()
		if text := fmt.Sprint(last.Headline(), last.Lines()); !strings.Contains(text, "7, by olga on the command line, encrypted for age1somebody") {
			t.Errorf("the notice of an export is %s, want how many, who did it and for which recipients", text)
		}
		h.checkSent("incident 0")
	})
}

func (h *harness) incident(tenantID string) {
	h.Helper()
	h.must(h.store.AppendEvent(h.Context(), audit.Event{
		ID: random.ID(), At: h.now(), InstanceKey: instanceKey, Action: audit.DirectoryDisputed, Result: string(failure.DirectoryDisputed),
		Details: map[string]string{"directory": "alpine.example", "tenant": tenantID, "owner": "the-owner"},
	}))
}

// TestSweep_WarnsOfEachCredential rotates: the old secret ends while the new one, and a certificate, go on.
func TestSweep_WarnsOfEachCredential(t *testing.T) {
	each(t, func(h *harness) {
		old := application(start.Add(10 * day))
		old.NextSecret = tenant.Credential{Value: secret.New("next"), Ends: start.Add(40 * day)}
		old.NextCertificate = tenant.Credential{Value: secret.New("certificate"), Ends: start.AddDate(1, 0, 0)}
		h.changeInstance(func(in *tenant.Instance) { in.Settings.Application = old })
		h.sweep()
		h.panel.mu.Lock()
		var names []string
		for _, n := range h.panel.sent {
			names = append(names, n.Credential)
		}
		h.panel.mu.Unlock()
		if slices.Sort(names); !slices.Equal(names, []string{tenant.SecretName, tenant.NextSecretName}) {
			h.Fatalf("warned of %v, want both secrets", names)
		}
		h.checkSent("credential_warning 10", "credential_warning 40")
		h.advance(4 * day)
		h.sweep()
		h.checkSent("credential_warning 6")
		h.changeInstance(func(in *tenant.Instance) { in.Settings.Application.Secret = tenant.Credential{} })
		h.advance(6 * day)
		h.sweep()
		h.checkSent("credential_warning 30")
	})
}

// TestState_TakesOverTheCountdownOfEarlierPrograms does not warn again of what was warned of.
func TestState_TakesOverTheCountdownOfEarlierPrograms(t *testing.T) {
	each(t, func(h *harness) {
		ends := start.Add(20 * day)
		h.changeInstance(func(in *tenant.Instance) { in.Settings.Application = application(ends) })
		h.keepState(notify.State{Credential: notify.Countdown{Ends: ends, Notified: 30}})
		h.sweep()
		h.checkSent()
		h.advance(6 * day)
		h.sweep()
		h.checkSent("credential_warning 14")
	})
}
