package main_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
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
