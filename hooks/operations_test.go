package hooks_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"azure-partner-connector/connector/audit"
	"azure-partner-connector/connector/client"
	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

func at(day, hour int) time.Time { return time.Date(2026, 11, day, hour, 0, 0, 123456789, time.UTC) }

const revoked = `{"code":"grant_revoked","kind":"signin","text":"Microsoft no longer accepts the refresh token: it was revoked, or the password was changed.","params":{},
	"message":"Microsoft no longer accepts the refresh token: it was revoked, or the password was changed.","advice":"Use Update Refresh Token, or send the link from Manual Update.",
	"adviceText":"Use Update Refresh Token, or send the link from Manual Update.","reference":"REF","microsoft":{"error":"invalid_grant","code":"50173"}}`

func revocation() *failure.Record {
	return &failure.Record{Code: failure.GrantRevoked, Reference: "REF", Microsoft: &failure.Evidence{Error: "invalid_grant", Code: "50173"}}
}

const emptyStatus = `{"state":"absent","failure":null,"issuedAt":null,"expiresAt":null,"daysLeft":0,"lastRenewal":null,"nextRenewalAt":null,
	"directory":{"id":"","name":""},"applicationId":"","secretEndsAt":null,"consentedBy":null,"consentedAt":null,"askedBy":"","procedure":"","scopes":[],
	"mfa":"unknown","globalAdmin":"unknown","adminAgent":"unknown","account":"unknown",
	"apis":[{"api":"partnercenter","works":"unknown","checkedAt":null,"failure":null},{"api":"graph","works":"unknown","checkedAt":null,"failure":null},{"api":"arm","works":"unknown","checkedAt":null,"failure":null}],
	"pending":null,"waiting":null,"tenantApplication":false,"now":"2026-11-23T08:20:00Z"}`

func TestTokenStatus_IsWholeForTheProvider(t *testing.T) {
	h := installed(t)
	read := request{method: http.MethodGet, path: "/tenant/" + tenantA + "/tokenStatus", identity: userP}
	h.tokens.status = token.Status{State: token.StateAbsent}
	same(t, h.accepted(read, http.StatusOK), emptyStatus)

	person := token.Person{ObjectID: "o", Username: "ada@fabrikam.example", Name: "Ada"}
	h.tokens.status = token.Status{
		State: token.StateActionRequired, Failure: revocation(), IssuedAt: at(1, 8), ExpiresAt: at(30, 8), ConsentedAt: at(1, 7),
		LastRenewalAt: at(11, 8), LastRenewalFailure: revocation(), NextRenewalAt: at(21, 8), DaysLeft: 6,
		DirectoryID: "d", Directory: "fabrikam.example", ApplicationID: "a", SecretEnds: at(29, 0), ConsentedBy: person, AskedBy: "Fabrikam",
		Procedure: token.Manual, Scopes: []string{"offline_access"},
		Checks: token.Checks{MFA: token.Yes, GlobalAdmin: token.No, AdminAgent: token.Unknown, APIs: map[token.API]token.Probe{
			token.Graph: {Works: token.No, At: at(11, 8), Failure: revocation()},
		}},
		Pending: &token.WaitingGrant{ConsentID: "c", Procedure: token.Manual, ConsentedBy: person, ConsentedAt: at(23, 7), ExpiresAt: at(24, 7)},
	}
	ada := `{"username":"ada@fabrikam.example","name":"Ada"}`
	same(t, h.accepted(read, http.StatusOK), `{"state":"action_required","failure":`+revoked+`,"issuedAt":"2026-11-01T08:00:00.123Z","expiresAt":"2026-11-30T08:00:00.123Z","daysLeft":6,
		"lastRenewal":{"at":"2026-11-11T08:00:00.123Z","ok":false,"failure":`+revoked+`},"nextRenewalAt":"2026-11-21T08:00:00.123Z",
		"directory":{"id":"d","name":"fabrikam.example"},"applicationId":"a","secretEndsAt":"2026-11-29T00:00:00.123Z","consentedBy":`+ada+`,"consentedAt":"2026-11-01T07:00:00.123Z",
		"askedBy":"Fabrikam","procedure":"manual","scopes":["offline_access"],"mfa":"yes","globalAdmin":"no","adminAgent":"unknown","account":"unknown",
		"apis":[{"api":"partnercenter","works":"unknown","checkedAt":null,"failure":null},{"api":"graph","works":"no","checkedAt":"2026-11-11T08:00:00.123Z","failure":`+revoked+`},{"api":"arm","works":"unknown","checkedAt":null,"failure":null}],
		"pending":{"id":"","procedure":"manual","consentedBy":`+ada+`,"consentedAt":"2026-11-23T07:00:00.123Z","expiresAt":"2026-11-24T07:00:00.123Z","replaces":null},"waiting":null,"tenantApplication":false,"now":"2026-11-23T08:20:00Z"}`)
}

func TestTokenStatus_ConsentsThatWait(t *testing.T) {
	h := installed(t)
	read := request{method: http.MethodGet, path: "/tenant/" + tenantA + "/tokenStatus", identity: userR2}
	ada := token.Person{ObjectID: "o", Username: "ada@fabrikam.example", Name: "Ada"}
	byCode := token.WaitingGrant{ConsentID: "c1", Procedure: token.Manual, ConsentedBy: token.Person{Username: "bob"}, ConsentedAt: at(23, 7), ExpiresAt: at(24, 7)}
	another, byID := byCode, byCode
	another.Replaces = &ada
	byID.ConsentID, byID.Procedure, byID.ConsentedBy, byID.Replaces = "c2", token.Automatic, token.Person{Username: "carl"}, &token.Person{ObjectID: "nameless"}
	const times = `"consentedAt":"2026-11-23T07:00:00.123Z","expiresAt":"2026-11-24T07:00:00.123Z"`
	const code = `{"id":"","procedure":"manual","consentedBy":{"username":"bob","name":""},` + times
	const id = `{"id":"c2","procedure":"automatic","consentedBy":{"username":"carl","name":""},` + times + `,"replaces":{"username":"nameless","name":""}}`
	for name, tc := range map[string]struct {
		pending, unconfirmed     *token.WaitingGrant
		wantPending, wantWaiting string
	}{
		"nothing":                        {nil, nil, `null`, `null`},
		"by its code, of the same":       {&byCode, nil, code + `,"replaces":null}`, `null`},
		"by its code, of another":        {&another, nil, code + `,"replaces":{"username":"ada@fabrikam.example","name":"Ada"}}`, code + `,"replaces":{"username":"ada@fabrikam.example","name":"Ada"}}`},
		"by its id":                      {nil, &byID, id, id},
		"one by its code, one by its id": {&byCode, &byID, code + `,"replaces":null}`, id},
	} {
		t.Run(name, func(t *testing.T) {
			h.tokens.status = token.Status{State: token.StateActive, Pending: tc.pending, Unconfirmed: tc.unconfirmed}
			var got struct{ Pending, Waiting json.RawMessage }
			if err := json.Unmarshal([]byte(h.accepted(read, http.StatusOK).text), &got); err != nil {
				t.Fatal(err)
			}
			if string(got.Pending) != tc.wantPending || string(got.Waiting) != tc.wantWaiting {
				t.Errorf("pending %s, waiting %s; want %s, %s", got.Pending, got.Waiting, tc.wantPending, tc.wantWaiting)
			}
		})
	}
}

func TestConsents_AreBegunAndFound(t *testing.T) {
	h := installed(t)
	path := "/tenant/" + tenantA
	begun := h.accepted(request{method: http.MethodPost, path: path + "/consents", identity: userR2}, http.StatusOK)
	same(t, begun, `{"id":"`+unknownID+`","url":"https://connector.example.com/consent/x","expiresAt":"2026-11-23T08:35:00Z","reference":"`+begun.header.Get("X-Reference")+`","now":"2026-11-23T08:20:00Z"}`)
	same(t, h.accepted(request{method: http.MethodPost, path: path + "/consentLink", identity: userR2, body: "{}"}, http.StatusOK),
		`{"url":"https://connector.example.com/consent/x","expiresAt":"2026-11-23T08:35:00Z","now":"2026-11-23T08:20:00Z"}`)

	for body, want := range map[string]struct {
		request   consent.Request
		procedure string
	}{
		`{}`:                       {consent.Request{}, ""},
		`{"browser":"hash"}`:       {consent.Request{Browser: "hash"}, `,"procedure":"automatic"`},
		`{"origin":"https://p.x"}`: {consent.Request{Origin: "https://p.x"}, `,"procedure":"manual"`},
	} {
		begun := h.accepted(request{method: http.MethodPost, path: path + "/consents", identity: userR2, body: body}, http.StatusOK)
		if got := begun.text; h.consents.request != want.request || strings.Contains(got, "procedure") != (want.procedure != "") || !strings.Contains(got, want.procedure) {
			t.Errorf("POST consents %s = %s for %+v, want %+v and %q", body, got, h.consents.request, want.request, want.procedure)
		}
	}
	h.refused(request{method: http.MethodPost, path: path + "/consents", identity: userR2, body: `{"browser":1}`}, failure.BadRequest)

	find := request{method: http.MethodGet, path: path + "/consents/" + unknownID, identity: userR2}
	h.consents.stored.Consent = consent.Consent{ID: unknownID, TenantID: tenantA, Procedure: token.Automatic, Status: consent.Waiting}
	h.consents.stored.Progress = consent.Opened
	same(t, h.accepted(find, http.StatusOK), `{"id":"`+unknownID+`","procedure":"automatic","status":"waiting","consentedBy":null,"failure":null,"progress":"opened"}`)
	h.consents.stored.Progress = ""
	h.consents.stored.Status, h.consents.stored.Failure, h.consents.stored.ConsentedBy = consent.Failed, revocation(), token.Person{Username: "ada@fabrikam.example"}
	same(t, h.accepted(find, http.StatusOK), `{"id":"`+unknownID+`","procedure":"automatic","status":"failed","consentedBy":{"username":"ada@fabrikam.example","name":""},"failure":`+revoked+`}`)
}

func TestRedeem_TellsAttemptsLeft(t *testing.T) {
	h := installed(t)
	h.tokens.status = token.Status{State: token.StateAbsent}
	redeem := request{method: http.MethodPost, path: "/tenant/" + tenantA + "/redeem", identity: userR2, body: `{"code":"c4n4ry-claim"}`}
	same(t, h.accepted(redeem, http.StatusOK), `{"consentedBy":{"username":"admin@fabrikam.example","name":"Ada"},"status":`+emptyStatus+`}`)
	if h.consents.input != "c4n4ry-claim" {
		t.Errorf("redeemed %q, want the code that was sent", h.consents.input)
	}
	h.consents.err = failure.New(failure.ClaimWrong, "left", "4")
	if a := h.refused(redeem, failure.ClaimWrong); !strings.Contains(a.text, "Attempts left: 4.") {
		t.Errorf("answer = %s, want the remaining attempts", a.text)
	}
}

func TestChange_AnswersStatus(t *testing.T) {
	for _, name := range []string{"renew", "check", "forget"} {
		h := installed(t)
		h.tokens.status = token.Status{State: token.StateAbsent}
		r := request{method: http.MethodPost, path: "/tenant/" + tenantA + "/" + name, identity: userR2}
		same(t, h.accepted(r, http.StatusOK), emptyStatus)
		if got, want := h.changes(), name+" "+tenantA; got != want {
			t.Errorf("POST %s changed %q, want %q", name, got, want)
		}
		h.tokens.err = failure.New(failure.RenewalRunning)
		if a := h.refused(r, failure.RenewalRunning); a.header.Get("APS-Transient-Error") != "" {
			t.Errorf("POST %s = headers %v, want it retried", name, a.header)
		}
		h.tokens.err = failure.New(failure.WrongDirectory, "seen", "aaa", "expected", "bbb")
		if a := h.refused(r, failure.WrongDirectory); a.header.Get("APS-Transient-Error") != "False" {
			t.Errorf("POST %s = headers %v, want it not retried", name, a.header)
		}
		h.tokens.err = errors.New("c4n4ry of the database")
		if a := h.refused(r, failure.InternalError); strings.Contains(a.text, "c4n4ry") {
			t.Errorf("POST %s = %s, which contains the cause", name, a.text)
		}
	}
}

func TestHistory_IsReadByPageAndPart(t *testing.T) {
	h := installed(t)
	path := "/tenant/" + tenantA + "/history"
	same(t, h.accepted(request{method: http.MethodGet, path: path, identity: userR2}, http.StatusOK), `[]`)
	h.tokens.events = []audit.Event{
		{ID: "2", At: at(23, 8), Action: audit.RenewalFailed, Actor: audit.Actor{Kind: audit.Scheduler}, Result: "wrong_directory", Reference: "REF", Details: map[string]string{"seen": "aaa", "expected": "bbb"}},
		{ID: "1", At: at(1, 8), Action: audit.ConsentGranted, Actor: audit.Actor{Kind: audit.User, ID: userR2, Name: "Fabrikam", AccountID: accountR2}, Result: audit.OK},
	}
	a := h.accepted(request{method: http.MethodGet, path: path + "?limit=7&before=2026-11-23T09:00:00.5%2B01:00", identity: userP}, http.StatusOK)
	same(t, a, `[{"id":"2","at":"2026-11-23T08:00:00.123Z","action":"grant.renewal_failed","actor":{"kind":"scheduler","name":""},"result":"wrong_directory",
		"failure":{"code":"wrong_directory","kind":"signin","text":"The consent came from the directory __seen__, but this reseller is set up for __expected__. Nothing was changed.",
			"params":{"seen":"aaa","expected":"bbb"},"message":"The consent came from the directory aaa, but this reseller is set up for bbb. Nothing was changed.",
			"advice":"Sign in with an account of the partner directory.","adviceText":"Sign in with an account of the partner directory.","reference":"REF","microsoft":null},
		"reference":"REF","details":{"seen":"aaa","expected":"bbb"}},
		{"id":"1","at":"2026-11-01T08:00:00.123Z","action":"consent.granted","actor":{"kind":"user","name":"Fabrikam"},"result":"ok","failure":null,"reference":"","details":{}}]`)
	if want := time.Date(2026, 11, 23, 8, 0, 0, 500e6, time.UTC); h.tokens.limit != 7 || !h.tokens.before.Equal(want) {
		t.Errorf("read %d events before %s, want 7 before %s", h.tokens.limit, h.tokens.before, want)
	}
	if h.tokens.lendings != token.WithLendings {
		t.Errorf("read the part %q, want the whole history", h.tokens.lendings)
	}
	for _, part := range []token.Lendings{token.NoLendings, token.OnlyLendings} {
		h.accepted(request{method: http.MethodGet, path: path + "?accessTokens=" + string(part), identity: userP}, http.StatusOK)
		if h.tokens.lendings != part {
			t.Errorf("read the part %q, want %q", h.tokens.lendings, part)
		}
	}
	h.refused(request{method: http.MethodGet, path: path + "?accessTokens=some", identity: userP}, failure.BadRequest)
	h.refused(request{method: http.MethodGet, path: path + "?before=9999-12-31T23:59:59-23:59", identity: userP}, failure.BadRequest)
	h.accepted(request{method: http.MethodGet, path: path + "?limit=100000", identity: userP}, http.StatusOK)
	if h.tokens.limit != 200 {
		t.Errorf("read %d events, want at most 200", h.tokens.limit)
	}
}

func TestAccessToken_IsForBorrowersAndNeverCached(t *testing.T) {
	h := installed(t)
	lend := request{method: http.MethodPost, path: "/tenant/" + tenantA + "/accessToken", application: borrower, body: `{"api":"partnercenter"}`}
	a := h.accepted(lend, http.StatusOK)
	same(t, a, `{"api":"partnercenter","accessToken":"c4n4ry-access","tokenType":"Bearer","expiresAt":"2026-11-23T09:20:00Z","directory":"dir"}`)
	if a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("answer has the headers %v, want no caching", a.header)
	}
	for _, body := range []string{`{"api":"exchange"}`, `{"api":""}`, `{"api":7}`, `{}`, `[]`, ``} {
		lend.body = body
		h.refused(lend, failure.BadRequest)
	}
	lend.application, lend.body = otherBorrower, `{"api":"graph"}`
	h.refused(lend, failure.BorrowerNotAllowed)
}

// TestBorrowers_HaveNames: who may borrow, and who did, is told by the name that the provider gave, to the owner only.
func TestBorrowers_HaveNames(t *testing.T) {
	h := installed(t)
	in := h.tenants.instances[keyA]
	in.Settings.Borrowers = []tenant.Borrower{{ID: borrower, Name: "Azure CSP", APIs: []string{"graph"}, Directories: []string{"partner"}}}
	h.tenants.instances[keyA] = in
	path := "/tenant/" + tenantA + "/tokenStatus"
	got := h.accepted(request{method: http.MethodGet, path: path, identity: userR2}, http.StatusOK).json(t)["borrowers"]
	want := []any{map[string]any{"id": borrower, "name": "Azure CSP", "apis": []any{"graph"}, "directories": []any{"partner"}}}
	if diff := cmp.Diff(any(want), got); diff != "" {
		t.Errorf("borrowers in the status of the owner (-want +got):\n%s", diff)
	}
	for who, r := range map[string]request{"the provider": {identity: userP}, "an application": {application: borrower}} {
		r.method, r.path = http.MethodGet, path
		if _, ok := h.accepted(r, http.StatusOK).json(t)["borrowers"]; ok {
			t.Errorf("the status of %s has borrowers, want none", who)
		}
	}
	h.accepted(request{method: http.MethodPost, path: "/tenant/" + tenantA + "/accessToken", application: borrower, body: `{"api":"graph"}`}, http.StatusOK)
	if h.tokens.lentTo != "Azure CSP" {
		t.Errorf("lent to %q, want Azure CSP", h.tokens.lentTo)
	}
}

// TestTokenStatus_HasClientsForTheOwner: which clients of the token API may get access tokens is told to the owner who asks, and to
// nobody else. When a client of several tenants was used last concerns others.
func TestTokenStatus_HasClientsForTheOwner(t *testing.T) {
	h := installed(t)
	path := "/tenant/" + tenantA + "/tokenStatus"
	scopes := func(tenants ...string) client.Scopes {
		return client.Scopes{Tenants: tenants, APIs: []string{"graph"}, Directories: []string{"partner"}, Operations: []client.Operation{client.Read, client.Forward, client.Lend}}
	}
	h.tenants.clients = []client.TenantClient{
		{Client: client.Client{Name: "billing", Scopes: scopes(tenantA)}, LastUsedAt: at(23, 8)},
		{Client: client.Client{Name: "reports", Scopes: scopes(client.Any)}, LastUsedAt: at(23, 8)},
	}
	got := h.accepted(request{method: http.MethodGet, path: path + "?clients=true", identity: userR2}, http.StatusOK).json(t)["clients"]
	row := func(name string, shared bool, used any) any {
		return map[string]any{
			"name": name, "operations": []any{"lend", "forward"}, "apis": []any{"graph"}, "directories": []any{"partner"},
			"shared": shared, "lastUsedAt": used,
		}
	}
	if diff := cmp.Diff(any([]any{row("billing", false, "2026-11-23T08:00:00.123Z"), row("reports", true, nil)}), got); diff != "" {
		t.Errorf("clients in the status of the owner (-want +got):\n%s", diff)
	}
	if want := []string{tenantA}; !slices.Equal(h.tenants.clientsOf, want) {
		t.Errorf("the clients of %q were read, want those of %q", h.tenants.clientsOf, want)
	}
	h.tenants.clientsOf = nil
	for who, r := range map[string]request{
		"the owner who does not ask": {path: path, identity: userR2},
		"the provider":               {path: path + "?clients=true", identity: userP},
		"an application":             {path: path + "?clients=true", application: borrower},
	} {
		r.method = http.MethodGet
		if _, ok := h.accepted(r, http.StatusOK).json(t)["clients"]; ok {
			t.Errorf("the status of %s has clients, want none", who)
		}
	}
	if h.tenants.clientsOf != nil {
		t.Errorf("clients were read for those who do not see them")
	}
	h.tenants.clients = nil
	if got := h.accepted(request{method: http.MethodGet, path: path + "?clients=true", identity: userR2}, http.StatusOK).json(t)["clients"]; !cmp.Equal(got, any([]any{})) {
		t.Errorf("clients = %v, want an empty list", got)
	}
}

func TestAccessToken_ForACustomer(t *testing.T) {
	const body = `{"api":"arm","directory":"customer.example"}`
	h := installed(t)
	lend := request{method: http.MethodPost, path: "/tenant/" + tenantA + "/accessToken", application: borrower, body: body}
	if got := h.accepted(lend, http.StatusOK).json(t)["directory"]; got != "customer.example" {
		t.Errorf("access token for a customer = one for %v, want the directory that was asked for", got)
	}
	lend.body = `{"api":"arm","directory":["customer.example"]}`
	h.refused(lend, failure.BadRequest)
	// An instance that was not upgraded knows no directories, and must not answer with a token for another one.
	h = atVersion1(t)
	lend.body = body
	h.refused(lend, failure.BadRequest)
	lend.body = `{"api":"arm"}`
	h.accepted(lend, http.StatusOK)
}

func TestCheckHealth_AnswersThePlatform(t *testing.T) {
	h := installed(t)
	same(t, h.accepted(request{method: http.MethodGet, path: "/app/" + rootA + "/healthCheck"}, http.StatusOK), `{"status":"ok"}`)
}
