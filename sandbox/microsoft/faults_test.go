package microsoft_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"azure-partner-connector/sandbox/microsoft"
)

func TestS15_ThrottlingWithAndWithoutRetryAfter(t *testing.T) {
	w := newWorld(t)
	token := w.grant().text("refresh_token")
	for _, retryAfter := range []string{"17", epoch.Add(time.Minute).Format(http.TimeFormat), ""} {
		f := microsoft.Throttled(microsoft.Login, retryAfter)
		f.Times = 1
		w.AddFault(f)
		got := w.renew(token)
		w.checkRefused("renewing when throttled", got, http.StatusTooManyRequests, "temporarily_unavailable", 90055)
		if got.header.Get("Retry-After") != retryAfter {
			t.Errorf("Retry-After = %q, want %q", got.header.Get("Retry-After"), retryAfter)
		}
	}
	w.checkOK("renewing after three faults of one time each", w.renew(token))
}

func TestS15_OutagesByHostPathDirectoryAndGrant(t *testing.T) {
	w := newWorld(t)
	token := w.grant().text("refresh_token")
	w.AddFault(microsoft.Unavailable(microsoft.Login))
	w.checkRefused("renewing in an outage", w.renew(token), http.StatusServiceUnavailable, "temporarily_unavailable", 90033)
	w.checkOK("discovery in an outage of the token endpoint", w.get(w.LoginURL()+"/"+contoso+"/v2.0/.well-known/openid-configuration"))
	w.ClearFaults()
	w.checkOK("renewing after the outage", w.renew(token))

	w.AddFault(microsoft.Fault{Directory: fabrikam, Status: 500})
	w.AddFault(microsoft.Fault{Method: http.MethodGet, Path: "/token", Status: 500})
	w.AddFault(microsoft.Fault{Host: microsoft.Graph, Status: 500})
	w.AddFault(microsoft.Fault{GrantType: "authorization_code", Status: 500})
	w.checkOK("renewing beside faults of others", w.renew(token))
	if got := w.redeem(w.code(willing(admin))); got.status != 500 {
		t.Errorf("redeeming a code with a fault of its grant = %d, want 500", got.status)
	}
	w.ClearFaults()
	w.AddFault(microsoft.BrokenGateway(microsoft.Login))
	if got := w.renew(token); got.status != 500 || !strings.HasPrefix(got.header.Get("Content-Type"), "text/html") {
		t.Errorf("renewing through a broken gateway = %d %s, want 500 and HTML", got.status, got.header.Get("Content-Type"))
	}
}

func TestS15_APIsHaveTheirOwnErrorFormats(t *testing.T) {
	w := newWorld(t)
	refresh := w.grant().text("refresh_token")
	calls := map[microsoft.Host]func() answer{
		microsoft.PartnerCenter: func() answer { return w.profile(w.access(refresh, partnerCenterScope)) },
		microsoft.Graph:         func() answer { return w.graph(w.access(refresh, graphScope), "/me") },
		microsoft.ARM:           func() answer { return w.arm(w.access(refresh, armScope), "/tenants?api-version=2022-12-01") },
	}
	for host, call := range calls {
		for want, fault := range map[int]microsoft.Fault{
			http.StatusTooManyRequests: microsoft.Throttled(host, "17"), http.StatusServiceUnavailable: microsoft.Unavailable(host),
			http.StatusInternalServerError: microsoft.BrokenGateway(host),
		} {
			w.AddFault(fault)
			if got := call(); got.status != want || (want == 429) != (got.header.Get("Retry-After") == "17") {
				t.Errorf("%s in trouble = %d, Retry-After %q, want %d", host, got.status, got.header.Get("Retry-After"), want)
			}
			w.ClearFaults()
		}
		w.checkOK(string(host)+" out of trouble", call())
	}
}

func TestS15_SkipAndTimesCount(t *testing.T) {
	w := newWorld(t)
	token := w.grant().text("refresh_token")
	w.AddFault(microsoft.Fault{Host: microsoft.Login, Skip: 1, Times: 2, Status: 502})
	var got []int
	for range 4 {
		got = append(got, w.renew(token).status)
	}
	if got[0] != 200 || got[1] != 502 || got[2] != 502 || got[3] != 200 {
		t.Errorf("statuses with Skip 1, Times 2 = %v, want 200 502 502 200", got)
	}
}

func TestS15_ConnectionResetBeforeAndAfterProcessing(t *testing.T) {
	w := newWorld(t)
	cut := func(after bool) string {
		code := w.code(willing(admin))
		w.AddFault(microsoft.Fault{Host: microsoft.Login, Path: "/token", Reset: true, AfterProcessing: after, Times: 1})
		if got, err := w.try(w.tokenRequest(codeForm(code))); err == nil {
			t.Errorf("redeeming through a cut connection = %d, want an error", got.status)
		}
		return code
	}
	w.checkOK("the code after a cut before processing", w.redeem(cut(false)))
	w.checkRefused("the code after a cut after processing", w.redeem(cut(true)), 400, "invalid_grant", 54005)
	log := w.Requests()
	if last := log[len(log)-2]; last.Status != 0 || !last.Faulty {
		t.Errorf("log of the cut request = %+v, want status 0, faulty", last)
	}
}

func TestS15_AnswerLostAfterProcessing(t *testing.T) {
	w := newWorld(t)
	code := w.code(willing(admin))
	w.AddFault(microsoft.Fault{Host: microsoft.Login, Path: "/token", Status: 503, AfterProcessing: true, Times: 1})
	if got := w.redeem(code); got.status != 503 || strings.Contains(got.raw, "refresh_token") {
		t.Errorf("redeeming with the answer lost = %d %s, want 503 and nothing of the answer", got.status, got.raw)
	}
	w.checkRefused("the code whose answer was lost", w.redeem(code), 400, "invalid_grant", 54005)
}

func TestS15_TruncatedAnswerIsInvalidJSON(t *testing.T) {
	w := newWorld(t)
	token := w.grant().text("refresh_token")
	w.AddFault(microsoft.Fault{Host: microsoft.Login, Truncate: true, Times: 1})
	got := w.renew(token)
	if got.status != http.StatusOK || got.raw == "" || json.Valid([]byte(got.raw)) {
		t.Errorf("truncated answer = %d %q, want 200 and half a document", got.status, got.raw)
	}
}

func TestS15_DelayEndsWhenTheClientDisconnects(t *testing.T) {
	for name, fault := range map[string]microsoft.Fault{
		"delayed":   {Host: microsoft.Login, Delay: time.Hour},
		"held back": {Host: microsoft.Login, Hold: make(chan struct{})},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			token := w.grant().text("refresh_token")
			w.AddFault(fault)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err := w.try(w.tokenRequest(refreshForm(token)).WithContext(ctx))
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("renewing when %s = %v, want the client's deadline", name, err)
			}
		})
	}
}

func TestS15_HoldDelaysTheAnswer(t *testing.T) {
	w := newWorld(t)
	token := w.grant().text("refresh_token")
	release := make(chan struct{})
	w.AddFault(microsoft.Fault{Host: microsoft.Login, Hold: release, Times: 1})
	done := make(chan answer)
	go func() {
		got, _ := w.try(w.tokenRequest(refreshForm(token)))
		done <- got
	}()
	close(release)
	w.checkOK("the released request", <-done)
}

func TestS16_VersionOneGivesStringsAndVersionTwoNumbers(t *testing.T) {
	w := newWorld(t)
	token := w.grant().text("refresh_token")
	second := w.renew(token)
	for _, name := range []string{"expires_in", "ext_expires_in"} {
		if _, number := second.body[name].(float64); !number {
			t.Errorf("%s of version 2 = %v, want a number", name, second.body[name])
		}
	}
	if _, there := second.body["expires_on"]; there {
		t.Error("version 2 has expires_on, want none")
	}
	if got, want := second.text("scope"), partnerCenterScope+" openid"; got != want {
		t.Errorf("scope of version 2 = %q, want %q", got, want)
	}
	first := w.renew(token, "v1", "scope", "resource=https://api.partnercenter.microsoft.com")
	for _, name := range []string{"expires_in", "ext_expires_in", "expires_on", "not_before", "resource", "scope", "refresh_token", "id_token"} {
		if first.text(name) == "" {
			t.Errorf("%s of version 1 = %v, want a string", name, first.body[name])
		}
	}
	if first.text("scope") != "user_impersonation" {
		t.Errorf("scope of version 1 = %q, want the short name", first.text("scope"))
	}
	w.checkOK("version 1 without resource", w.renew(token, "v1", "scope"))
	w.checkRefused("version 1 for an unknown API", w.renew(token, "v1", "scope", "resource=https://graph.windows.net"), 400, "invalid_resource", 500011)
	w.checkOK("renewing version 1's token with version 2", w.renew(first.text("refresh_token")))
}

func TestS16_ErrorsHaveTheDocumentedMembers(t *testing.T) {
	w := newWorld(t)
	const correlation = "7b1e0000-0000-4000-8000-000000000001"
	r := w.tokenRequest(refreshForm("nonsense"))
	r.Header.Set("client-request-id", correlation)
	r.Header.Set("return-client-request-id", "true")
	got := w.do(r)
	if got.text("correlation_id") != correlation || got.header.Get("client-request-id") != correlation {
		t.Errorf("correlation_id = %q, header %q, want the request's", got.text("correlation_id"), got.header.Get("client-request-id"))
	}
	if got.text("timestamp") != "2026-11-23 10:15:02Z" || got.text("trace_id") != got.header.Get("x-ms-request-id") {
		t.Errorf("timestamp, trace_id = %q, %q, want the clock's and x-ms-request-id", got.text("timestamp"), got.text("trace_id"))
	}
	if want := w.LoginURL() + "/error?code=70000"; got.text("error_uri") != want {
		t.Errorf("error_uri = %q, want %q", got.text("error_uri"), want)
	}
	if d := got.text("error_description"); strings.Contains(d, "\r\n") || !strings.HasSuffix(d, "Timestamp: 2026-11-23 10:15:02Z") {
		t.Errorf("error_description = %q, want spaces between its parts", d)
	}
	w.SetOddities(microsoft.Oddities{LineBreaks: true, ExtraFields: true, OmitOptional: true})
	got = w.do(w.tokenRequest(refreshForm("nonsense")))
	if strings.Count(got.text("error_description"), "\r\n") != 3 || got.text("error_uri") != "" || got.text("trace_id") != "" {
		t.Errorf("odd error = %s, want CRLF and no optional member", got.raw)
	}
}

func TestS16_AnswersWithExtraAndMissingMembers(t *testing.T) {
	w := newWorld(t)
	token := w.grant().text("refresh_token")
	w.SetOddities(microsoft.Oddities{ExtraFields: true, OmitOptional: true})
	got := w.renew(token)
	if got.body["xms_surprise"] == nil || got.body["ext_expires_in"] != nil || got.body["scope"] != nil || got.text("access_token") == "" {
		t.Errorf("odd answer = %s, want an extra member, no optional one, and the token", got.raw)
	}
}
