package world_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/sandbox/platform"
	"azure-partner-connector/sandbox/world"
)

// TestIntegrity_WritingToTheDatabaseGainsNoToken changes by SQL what decides who gets a token, after a token was issued and is
// cached: nothing is issued, no consent begins, the status says why, people are notified, and putting the value back repairs it.
func TestIntegrity_WritingToTheDatabaseGainsNoToken(t *testing.T) {
	const outsider = "57a40000-0000-4000-8000-000000000001"
	for name, tc := range map[string]struct {
		table, key, column, value string
	}{
		"a borrower added":   {"instances", "instance_key", "borrowers", `["` + outsider + `"]`},
		"a borrower removed": {"instances", "instance_key", "borrowers", "[]"},
		"another owner":      {"tenants", "id", "account_id", outsider},
		"another directory":  {"tenants", "id", "directory_id", outsider},
	} {
		t.Run(name, func(t *testing.T) {
			w, db := startWritable(t, world.Config{Tick: 100 * time.Millisecond})
			_, err := w.Register(t.Context(), nil)
			check(t, err)
			s := scenario{t, w}
			s.consent()
			borrower := w.Borrower().ID
			lend := func(borrower string) (status int, code string) {
				answer := w.Platform.Call(t.Context(), platform.AsApplication(borrower), http.MethodPost, s.tenant(), "accessToken", []byte(`{"api":"graph"}`))
				var refusal struct{ Details struct{ Code string } }
				check(t, json.Unmarshal(answer.Body, &refusal))
				return answer.Status, refusal.Details.Code
			}
			if status, code := lend(borrower); status != http.StatusOK {
				t.Fatalf("accessToken = %d %s, want a token", status, code)
			}
			id := map[string]string{"instances": w.Key, "tenants": s.tenant()}[tc.table]
			write := func(value string) {
				t.Helper()
				_, err := db.ExecContext(t.Context(), "UPDATE "+tc.table+" SET "+tc.column+" = ? WHERE "+tc.key+" = ?", value, id)
				check(t, err)
			}
			var before string
			check(t, db.QueryRowContext(t.Context(), "SELECT "+tc.column+" FROM "+tc.table+" WHERE "+tc.key+" = ?", id).Scan(&before))
			write(tc.value)

			if status, code := lend(borrower); status != http.StatusConflict || code != string(failure.Integrity) {
				t.Errorf("accessToken = %d %s, want 409 %s", status, code, failure.Integrity)
			}
			answer := w.As(t.Context(), world.Rita, http.MethodPost, s.tenant(), "consents", nil)
			if answer.Status != http.StatusConflict || !strings.Contains(string(answer.Body), string(failure.Integrity)) {
				t.Errorf("consents = %d %s, want 409 %s", answer.Status, answer.Body, failure.Integrity)
			}
			answer = w.As(t.Context(), world.Petra, http.MethodGet, s.tenant(), "tokenStatus", nil)
			if !strings.Contains(string(answer.Body), `"misconfigured"`) || !strings.Contains(string(answer.Body), string(failure.Integrity)) {
				t.Errorf("tokenStatus for the provider = %d %s, want misconfigured", answer.Status, answer.Body)
			}
			s.eventually("alarm", func() bool {
				var alarms int
				check(t, db.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM events WHERE action = 'integrity.violated'").Scan(&alarms))
				return alarms == 1 && strings.Contains(get(t, w.PrivateURL+"/metrics"), "connector_altered_rows 1")
			})
			s.eventually("push of the status", func() bool { return s.pushed("misconfigured") != nil })

			write(before)
			if status, code := lend(w.Borrower().ID); status != http.StatusOK {
				t.Errorf("accessToken after the right value is back = %d %s, want a token", status, code)
			}
		})
	}
}
