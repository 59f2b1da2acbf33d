package webhook_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/httpclient"
	"azure-partner-connector/connector/notify"
	"azure-partner-connector/connector/notify/webhook"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/token"
)

const canary = "canary-webhook-secret"

var sentAt = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func client(t *testing.T) *http.Client {
	t.Helper()
	c, err := httpclient.New(httpclient.Config{Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newChannel(t *testing.T, url, key string) *webhook.Channel {
	t.Helper()
	c, err := webhook.New(webhook.Config{URL: url, Secret: secret.New(key), HTTP: client(t), Now: func() time.Time { return sentAt }})
	if err != nil {
		t.Fatalf("New() = %v", err)
	}
	return c
}

var alarm = notify.Notice{
	ID: "n-1", At: sentAt.Add(-time.Minute), Kind: notify.Alarm, InstanceKey: "key-1", TenantID: "t-1", Name: "Alpine Cloud", Marketplace: "Larkfield",
	AccountID: "a-1", State: token.StateActionRequired, Reason: &failure.Record{Code: failure.GrantRevoked, Reference: "ABCD"}, Ends: sentAt.AddDate(0, 0, 80), Days: 80,
}

func TestNew_Refuses(t *testing.T) {
	for name, cfg := range map[string]webhook.Config{
		"no address":      {Secret: secret.New(canary), HTTP: client(t)},
		"no secret":       {URL: "https://ops.example.com", HTTP: client(t)},
		"no client":       {URL: "https://ops.example.com", Secret: secret.New(canary)},
		"no base64":       {URL: "https://ops.example.com", Secret: secret.New("whsec_" + canary), HTTP: client(t)},
		"nothing encoded": {URL: "https://ops.example.com", Secret: secret.New("whsec_"), HTTP: client(t)},
	} {
		if _, err := webhook.New(cfg); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("New(%s) = %v, want an error without the secret", name, err)
		}
	}
}

// TestChannel_PrintsNoKey prints a channel as a debugger does; its key has several forms.
func TestChannel_PrintsNoKey(t *testing.T) {
	c := newChannel(t, "https://ops.example.com", "whsec_"+base64.StdEncoding.EncodeToString([]byte(canary)))
	for _, format := range []string{"%v", "%+v", "%#v", "%d", "%s", "%x"} {
		printed := strings.ReplaceAll(fmt.Sprintf(format+" "+format, *c, c), "0x", "")
		for _, form := range []string{canary, hex.EncodeToString([]byte(canary)), strings.Trim(fmt.Sprintf("%d", []byte(canary)), "[]"), strings.ReplaceAll(fmt.Sprintf("% x", canary), " ", ", ")} {
			if strings.Contains(printed, form) {
				t.Errorf("%s prints %s, want no key in it", format, printed)
			}
		}
	}
}

func TestSend_Fails(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		says   string
	}{
		"refused":  {http.StatusForbidden, "403"},
		"broken":   {http.StatusInternalServerError, "500"},
		"redirect": {http.StatusFound, "302"},
	} {
		t.Run(name, func(t *testing.T) {
			var requests atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				requests.Add(1)
				w.Header().Set("Location", "http://elsewhere.example.com")
				w.WriteHeader(tc.status)
			}))
			defer server.Close()
			if err := newChannel(t, server.URL, canary).Send(t.Context(), alarm); err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("Send() = %v, want an error that says %s", err, tc.says)
			}
			if n := requests.Load(); n != 1 {
				t.Errorf("Send() sent %d requests, want 1, because its caller retries", n)
			}
		})
	}
	err := newChannel(t, "http://127.0.0.1:1/"+canary, canary).Send(t.Context(), alarm)
	if err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("Send() to a port without a listener = %v, want an error without the address", err)
	}
}

func TestSend_SignsTheBody(t *testing.T) {
	for name, tc := range map[string]struct {
		secret string
		key    []byte
	}{
		"plain":  {canary, []byte(canary)},
		"base64": {"whsec_" + base64.StdEncoding.EncodeToString([]byte(canary)), []byte(canary)},
	} {
		t.Run(name, func(t *testing.T) {
			var header http.Header
			var body []byte
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				header = r.Header
				body, _ = io.ReadAll(r.Body)
				w.WriteHeader(http.StatusNoContent)
			}))
			defer server.Close()
			if err := newChannel(t, server.URL, tc.secret).Send(t.Context(), alarm); err != nil {
				t.Fatalf("Send() = %v", err)
			}
			mac := hmac.New(sha256.New, tc.key)
			mac.Write([]byte("n-1.1795420800." + string(body)))
			want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
			if header.Get("webhook-id") != "n-1" || header.Get("webhook-timestamp") != "1795420800" || header.Get("webhook-signature") != want || header.Get("Content-Type") != "application/json" {
				t.Errorf("Send() sent the headers %v, want id, timestamp and the signature %s", header, want)
			}
			checkBody(t, body)
		})
	}
}

func checkBody(t *testing.T, body []byte) {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatalf("Send() sent %s: %v", body, err)
	}
	want := map[string]any{
		"type": "token.alarm", "timestamp": "2026-11-23T07:59:00Z",
		"data": map[string]any{
			"instance": "key-1", "tenant": "t-1", "name": "Alpine Cloud", "marketplace": "Larkfield", "account": "a-1",
			"state": "action_required", "code": "grant_revoked", "reference": "ABCD", "ends": "2027-02-11T08:00:00Z", "days": 80.0,
			"headline": alarm.Headline(), "lines": []any{alarm.Lines()[0], alarm.Lines()[1]},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Send() sent (-want +got):\n%s", diff)
	}
}

// TestSend_NamesCustomers sends the customers whose relationships end.
func TestSend_NamesCustomers(t *testing.T) {
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	n := alarm
	n.Kind, n.Count = notify.RelationshipWarning, 3
	n.Customers = []notify.CustomerEnd{{Directory: "d-1", Name: "Fjord Foods", Ends: time.Date(2026, 12, 23, 8, 0, 0, 0, time.UTC)}}
	if err := newChannel(t, server.URL, canary).Send(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"type":"token.relationship_warning"`, `"customers":[{"directory":"d-1","name":"Fjord Foods","ends":"2026-12-23T08:00:00Z"}],"count":3`} {
		if !strings.Contains(string(body), want) {
			t.Errorf("Send() sent %s, want %s in it", body, want)
		}
	}
}
