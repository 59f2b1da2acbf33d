package chat_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/httpclient"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/notify/chat"
	"azure-partner-connector/connector/notify/message"
	"azure-partner-connector/connector/secret"
)

const canary = "canary-chat-webhook"

func connections(t *testing.T) *http.Client {
	t.Helper()
	c, err := httpclient.New(httpclient.Config{Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func alarm() notify.Notice { return message.Samples()[1] }

func TestNew_Refuses(t *testing.T) {
	url := secret.New("https://chat.example.com/" + canary)
	for name, cfg := range map[string]chat.Config{
		"no address":                  {Format: chat.Slack},
		"no format":                   {URL: url},
		"an unknown format":           {URL: url, Format: "irc"},
		"an unknown language":         {URL: url, Format: chat.Slack, Language: "eo"},
		"no template":                 {URL: url, Format: chat.Template},
		"a template nobody reads":     {URL: url, Format: chat.Slack, Template: "{}"},
		"a template with a fault":     {URL: url, Format: chat.Template, Template: "{{.Headline"},
		"an unknown field":            {URL: url, Format: chat.Template, Template: `{"text": {{json .Title}}}`},
		"no JSON":                     {URL: url, Format: chat.Template, Template: `{"text": {{.Headline}}}`},
		"more than a message":         {URL: url, Format: chat.Template, Template: `{"text": {{json (printf "%2000000s" .Name)}}}`},
		"no JSON for one of the kind": {URL: url, Format: chat.Template, Template: `{"text": {{if eq .Kind "recovery"}}x{{else}}1{{end}}}`},
	} {
		cfg.HTTP = connections(t)
		if _, err := chat.New(cfg); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("New(%s) = %v, want an error without the address", name, err)
		}
	}
}

// post sends n and returns what the chat received.
func post(t *testing.T, cfg chat.Config, n notify.Notice) string {
	t.Helper()
	var got []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, _ = io.ReadAll(r.Body)
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("Send() sent %s with %v, want a POST of JSON", r.Method, r.Header)
		}
		w.WriteHeader(http.StatusAccepted) // a workflow of Teams answers so
	}))
	defer server.Close()
	cfg.URL, cfg.HTTP = secret.New(server.URL), connections(t)
	c, err := chat.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Send(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	return string(got)
}

func TestSend_Slack(t *testing.T) {
	n := alarm()
	n.Name = "<!channel> & *Sons*"
	var got struct{ Text string }
	if err := json.Unmarshal([]byte(post(t, chat.Config{Format: chat.Slack, Language: "de"}, n)), &got); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(got.Text, "\n")
	if want := "*Das Aktualisierungstoken von &lt;!channel&gt; &amp; ∗Sons∗ erfordert eine neue Anmeldung.*"; lines[0] != want {
		t.Errorf("the message begins with %q, want %q: a name must not notify a channel", lines[0], want)
	}
	if last := lines[len(lines)-1]; !strings.Contains(last, "Grund: grant_revoked · Referenz: 7K3MQ2ZD") {
		t.Errorf("the message ends with %q, want the facts", last)
	}
}

func TestSend_Teams(t *testing.T) {
	n := alarm()
	n.Name = "[free](https://evil.example)"
	var got struct {
		Type        string
		Attachments []struct {
			ContentType string
			Content     struct {
				Type, Version string
				Body          []struct {
					Type, Text string
					Facts      []struct{ Title, Value string }
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(post(t, chat.Config{Format: chat.Teams}, n)), &got); err != nil {
		t.Fatal(err)
	}
	if got.Type != "message" || len(got.Attachments) != 1 || got.Attachments[0].ContentType != "application/vnd.microsoft.card.adaptive" {
		t.Fatalf("Send() sent %+v, want a message with a card", got)
	}
	body := got.Attachments[0].Content.Body
	if want := `The refresh token of \[free\](https://evil.example) needs a new sign-in`; !strings.HasPrefix(body[0].Text, want) {
		t.Errorf("the card begins with %q, want %q: a name must not be a link", body[0].Text, want)
	}
	if last := body[len(body)-1]; last.Type != "FactSet" || len(last.Facts) != 6 || last.Facts[0].Value != "Larkfield" {
		t.Errorf("the card ends with %+v, want the facts", last)
	}
}

func TestSend_Template(t *testing.T) {
	const own = `{"summary": {{json .Headline}}, "severity": "{{if eq .Kind "alarm"}}critical{{else}}info{{end}}", "details": {{json (join " " .Lines)}}}`
	var got struct{ Summary, Severity, Details string }
	if err := json.Unmarshal([]byte(post(t, chat.Config{Format: chat.Template, Template: own}, alarm())), &got); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(got.Summary, "Alpine Cloud") || got.Severity != "critical" || !strings.Contains(got.Details, "Update Refresh Token") {
		t.Errorf("Send() sent %+v, want what the template says", got)
	}
}

func TestSend_FailsWithoutTheAddress(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }))
	defer server.Close()
	for address, says := range map[string]string{server.URL + "/" + canary: "410", "http://127.0.0.1:1/" + canary: "refused"} {
		c, err := chat.New(chat.Config{URL: secret.New(address), Format: chat.Slack, HTTP: connections(t)})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Send(t.Context(), alarm()); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), canary) {
			t.Errorf("Send() = %v, want an error that says %s, without the address", err, says)
		}
	}
}
