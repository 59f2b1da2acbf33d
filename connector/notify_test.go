package main_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/notify/message"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/sandbox/world"
)

// TestNotifyTest_TellsWhichChannelsWork has a panel and a webhook that work, and a mail server that nobody can reach.
func TestNotifyTest_TellsWhichChannelsWork(t *testing.T) {
	d := newDeployment(t)
	var received atomic.Value
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body struct{ Type string }
		_ = json.NewDecoder(r.Body).Decode(&body)
		received.Store(body.Type)
	}))
	defer hook.Close()
	none := append(slices.Clone(d.environ), "CONNECTOR_NOTIFY__PANEL=false", "CONNECTOR_NOTIFY__MAIL__SERVER=", "CONNECTOR_NOTIFY__MAIL__FROM=", "CONNECTOR_NOTIFY__MAIL__TO=", "CONNECTOR_NOTIFY__MAIL__ENCRYPTION=")
	run := func(args ...string) output {
		return d.run(append([]string{"notify", "test", "--config", d.config}, args...)...)
	}

	d.environ = append(d.environ, "CONNECTOR_NOTIFY__WEBHOOK__URL="+hook.URL, "CONNECTOR_NOTIFY__WEBHOOK__SECRET=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	d.check("notify test", run(), 0, "panel: sent", "webhook: sent")
	if got := received.Load(); got != "token.test" {
		t.Errorf("the webhook received %v, want token.test", got)
	}
	shown := d.world.Platform.Notifications(d.world.Platform.Provider().ID)
	if len(shown) == 0 || shown[len(shown)-1].Message.Message != "This is a test of the notices of the Azure Partner connector." {
		t.Errorf("the panel shows %+v, want the test", shown)
	}

	d.environ = append(d.environ, "CONNECTOR_NOTIFY__MAIL__SERVER=127.0.0.1:1", "CONNECTOR_NOTIFY__MAIL__FROM=ops@example.com", "CONNECTOR_NOTIFY__MAIL__TO=night@example.com")
	d.check("notify test with a mail server that is down", run(), 1, "panel: sent", "webhook: sent", "mail: failed: ", "connection refused", "1 of 3 channels failed")
	d.check("notify test of an unknown instance", run("--instance", "other"), 1, `no instance "other"`)

	d.environ = none
	d.check("notify test without channels", run(), 1, "no channel is configured")
}

// TestNotify_WebhookHasTheProvidersLanguage: the webhook is the provider's, so notify.language decides. The language in the settings
// of a reseller is for what the reseller reads, such as the panel.
func TestNotify_WebhookHasTheProvidersLanguage(t *testing.T) {
	d := newDeployment(t)
	received := make(chan []string, 1)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body struct {
			Data struct {
				Headline string
				Lines    []string
			}
		}
		_ = json.NewDecoder(r.Body).Decode(&body)
		received <- append([]string{body.Data.Headline}, body.Data.Lines...)
	}))
	defer hook.Close()
	services := d.services()
	defer services.Close()
	cfg := config.Notify{Panel: true, Webhook: config.Webhook{URL: secret.New(hook.URL), Secret: secret.New(d.hide())}}
	alarm := notify.Notice{
		ID: "n-1", At: time.Now(), Kind: notify.Alarm, InstanceKey: d.world.Key, TenantID: d.tenant(), Name: "Alpine Cloud",
		AccountID: d.world.TenantOf(world.Rita).AccountID, State: token.StateActionRequired, Reason: &failure.Record{Code: failure.GrantRevoked},
	}
	in := func(language string) []string {
		translate, err := message.WordsOf(language)("")
		d.must(err)
		return append([]string{alarm.HeadlineIn(translate)}, alarm.LinesIn(translate)...)
	}
	if in("en")[0] == in("de")[0] || in("de")[0] == in("fr")[0] {
		t.Fatalf("the alarm is %q in German and %q in French, want three languages", in("de"), in("fr"))
	}
	for _, tc := range []struct{ provider, reseller, webhook, panel string }{
		{"", "", "en", "en"},
		{"de", "", "de", "de"},
		{"de", "fr", "de", "fr"},
		{"", "fr", "en", "fr"},
	} {
		cfg.Language = tc.provider
		d.must(d.world.Platform.Configure(t.Context(), d.world.User(world.Rita).ID, d.tenant(), map[string]any{"noticeLanguage": tc.reseller}))
		channels, err := services.Channels(cfg, time.Now)
		d.must(err)
		for _, channel := range channels {
			d.must(channel.Send(t.Context(), alarm))
		}
		if got := <-received; !slices.Equal(got, in(tc.webhook)) {
			t.Errorf("with the language %q of notices and %q of the reseller, the webhook got %q, want %q", tc.provider, tc.reseller, got, in(tc.webhook))
		}
		shown := d.world.Platform.Notifications(alarm.AccountID)
		if last := shown[len(shown)-1].Message.Message; last != in(tc.panel)[0] {
			t.Errorf("with the language %q of notices and %q of the reseller, the panel shows %q, want %q", tc.provider, tc.reseller, last, in(tc.panel)[0])
		}
	}
}
