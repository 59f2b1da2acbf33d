package doctor_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/doctor"
	"azure-partner-connector/connector/secret"
)

// TestExamine_Channels has servers for notices that answer, and some that do not.
func TestExamine_Channels(t *testing.T) {
	h := newHarness(t)
	cfg, err := h.load()
	h.must(err)
	var asked []string
	answering := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method)
		w.WriteHeader(http.StatusMethodNotAllowed)
	}))
	defer answering.Close()
	const canary = "canary-in-the-address"
	secrets := secret.New("a-secret-of-the-webhook")
	mails := config.Mail{Server: "127.0.0.1:1", Encryption: config.MailOff, From: "a@example.com", To: []string{"b@example.com"}, Language: "en"}
	cfg.Notify = config.Notify{
		Webhook: config.Webhook{URL: secret.New(answering.URL + "/" + canary), Secret: secrets},
		Chat:    config.Chat{URL: secret.New("http://127.0.0.1:1/" + canary), Format: "slack", Language: "en"},
		Mail:    mails,
	}
	report := h.examine("", func(d *doctor.Config) { d.Load = loaded(cfg) })
	checkFinding(t, report, doctor.OK, "notices by webhook", "its server answers")
	checkFinding(t, report, doctor.Failed, "notices by chat", "onnection refused", "notify.chat", "connector notify test")
	checkFinding(t, report, doctor.Failed, "notices by mail", "onnection refused", "notify.mail")
	for _, f := range report.Findings {
		if text := f.String(); strings.Contains(text, canary) {
			t.Errorf("a finding has the address: %s", text)
		}
	}
	if len(asked) != 1 || asked[0] != http.MethodHead {
		t.Errorf("the webhook was called with %q, want only HEAD: a notice would wake people", asked)
	}
}
