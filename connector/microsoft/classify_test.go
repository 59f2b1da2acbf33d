package microsoft_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/microsoft"
	"azure-partner-connector/connector/token"

	"github.com/google/go-cmp/cmp"
)

// classes are the letters of docs/reference/microsoft-identity.md §3.6.
var classes = map[string]failure.Kind{"U": failure.SignIn, "C": failure.Configuration, "T": failure.Transient, "X": failure.Internal}

// table is docs/reference/microsoft-identity.md §3.6: numbers, error, class, and the code.
func table() []struct {
	numbers, name, class string
	want                 map[string]failure.Code // "" for all others
} {
	type codes = map[string]failure.Code
	return []struct {
		numbers, name, class string
		want                 map[string]failure.Code
	}{
		{"700082", "invalid_grant", "U", codes{"": failure.GrantExpired}},
		{"70008 70000", "invalid_grant", "U", codes{"": failure.GrantRevoked}},
		{"700084", "invalid_grant", "C", codes{"": failure.RedirectType}},
		{"70043 70044 70045 70046", "interaction_required", "U", codes{"": failure.SignInFrequency}},
		{"50173", "invalid_grant", "U", codes{"": failure.GrantRevoked}},
		{"50076 50079 50072 50074 50078 50073 50075 50077", "interaction_required", "U", codes{"": failure.MFARequired}},
		{"50158", "invalid_grant", "U", codes{"": failure.ExternalMFA}},
		{"50132 50133 50089 50057 50055 50034 50020 50105", "invalid_grant", "U", codes{
			"50132": failure.GrantRevoked, "50133": failure.GrantRevoked, "50089": failure.SignInRequired,
			"50020": failure.AccountOutside, "50105": failure.AccountOutside, "": failure.AccountDisabled,
		}},
		{"50053 53004 53011", "invalid_grant", "U", codes{"": failure.AccountAtRisk}},
		{"53000 53001 53002 53009 530001 530002 530003 530021 50005 50097 9001011", "interaction_required", "U", codes{"": failure.DeviceRequired}},
		{"53003 53008 53010 53099 530000 530031 530032 530033 530034 530035 530099 50131 50142 50081 500212 500213 501313", "access_denied", "U", codes{"": failure.AccessBlocked}},
		{"530084", "access_denied", "U", codes{"": failure.TokenProtection}},
		{"135011 700003", "invalid_grant", "U", codes{"": failure.DeviceDisabled}},
		{"65001 65002 65003", "invalid_grant", "U", codes{"": failure.ConsentMissing}},
		{"65004", "access_denied", "U", codes{"": failure.ConsentDeclined}},
		{"65005", "invalid_grant", "C", codes{"": failure.PermissionMissing}},
		{"90094 90097 90098", "interaction_required", "U", codes{"": failure.ApprovalNeeded}},
		{"90095 90096", "interaction_required", "U", codes{"": failure.ApprovalRequested}},
		{"54005 501481 700005", "invalid_grant", "U", codes{"54005": failure.CodeUsed, "": failure.CodeInvalid}},
		{"50196", "invalid_grant", "X", codes{"": failure.RequestLoop}},
		{"7000215", "invalid_client", "C", codes{"": failure.ClientSecretWrong}},
		{"7000222", "invalid_client", "C", codes{"": failure.ClientSecretExpired}},
		{"7000218 70002", "invalid_client", "C", codes{"": failure.ClientCredential}},
		{"700024", "invalid_client", "C", codes{"": failure.ClockWrong}},
		{"700027 700023 700025 50012 50013 50027", "invalid_client", "C", codes{"": failure.ClientCredential}},
		{"70021 700211 700212 700213 7002137 7002138", "invalid_client", "C", codes{"": failure.FederatedRefused}},
		{"700016 700011 700038 7000112 70001", "unauthorized_client", "C", codes{"": failure.ApplicationUnknown}},
		{"700000 700030 700099 7000000 7000229 7000999", "unauthorized_client", "C", codes{"": failure.ApplicationRefused}},
		{"650056 650057 70011 28000", "invalid_resource", "C", codes{"": failure.PermissionMissing}},
		{"500011 500014 650052", "invalid_resource", "C", codes{"": failure.ServiceMissing}},
		{"90002 900021 50194 90038 900382 900432 900439", "invalid_request", "C", codes{"": failure.WrongCloud}},
		{"50058", "interaction_required", "U", codes{"": failure.SignInRequired}},
		{"700007", "invalid_grant", "U", codes{"": failure.SignInRequired}},
		{"50011 700054", "invalid_request", "X", codes{"": failure.MicrosoftRequest}},
		{"90009", "invalid_grant", "X", codes{"": failure.MicrosoftRequest}},
		{"900144 9002313 90014", "invalid_request", "X", codes{"": failure.MicrosoftRequest}},
		{"90099", "interaction_required", "C", codes{"": failure.PartnerNotAuthorized}},
		{"90033 90006 90012 90024 90055 50033 50087 50088 51005 40010 90090", "server_error", "T", codes{"": failure.MicrosoftUnavailable}},
	}
}

func TestClassification_Table(t *testing.T) {
	for _, row := range table() {
		for number := range strings.FieldsSeq(row.numbers) {
			t.Run(number, func(t *testing.T) {
				want, ok := row.want[number]
				if !ok {
					want = row.want[""]
				}
				h := newHarness(t, func(c *microsoft.Config) { c.Wait = nil })
				h.route(tokenPath, respond(400, `{"error":"`+row.name+`","error_codes":[`+number+`]}`))
				_, err := renew(h, token.Graph)
				f := failure.From(err)
				if f.Code != want || f.Kind() != classes[row.class] {
					t.Errorf("Renew() = %s of kind %s, want %s of kind %s", f.Code, f.Kind(), want, classes[row.class])
				}
				if f.Microsoft.Code != number || f.Microsoft.Error != row.name {
					t.Errorf("evidence = %+v, want number %s of %s", f.Microsoft, number, row.name)
				}
			})
		}
	}
}

// TestClassification_TableIsComplete: the tables of the reference and of the client have no number that the test lacks.
func TestClassification_TableIsComplete(t *testing.T) {
	tested := map[string]bool{}
	for _, row := range table() {
		for number := range strings.FieldsSeq(row.numbers) {
			tested[number] = true
		}
	}
	text, err := os.ReadFile("../../docs/reference/microsoft-identity.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n### 3.6 ")
	section, _, _ = strings.Cut(section, "\n### ")
	known := microsoft.Numbers()
	documented := len(known)
	for line := range strings.Lines(section) {
		if cells := strings.Split(line, "|"); len(cells) == 6 {
			known = append(known, regexp.MustCompile(`\b[0-9]{5,7}\b`).FindAllString(cells[1], -1)...)
		}
	}
	if documented = len(known) - documented; documented < 100 {
		t.Errorf("the reference has %d numbers, want its table read", documented)
	}
	for _, number := range known {
		if !tested[number] {
			t.Errorf("the number %s is not tested", number)
		}
	}
}

// If the number is unknown or missing, the names decide (docs/reference/microsoft-identity.md §3.6, last row). If they
// are unknown too, the failure is transient.
func TestClassification_Fallback(t *testing.T) {
	for body, want := range map[string]failure.Code{
		`{"error":"invalid_grant"}`:                               failure.SignInRequired,
		`{"error":"invalid_grant","error_codes":[1]}`:             failure.SignInRequired,
		`{"error":"invalid_grant","error_codes":[9002313]}`:       failure.SignInRequired,
		`{"error":"interaction_required"}`:                        failure.SignInRequired,
		`{"error":"login_required"}`:                              failure.SignInRequired,
		`{"error":"consent_required"}`:                            failure.ConsentMissing,
		`{"error":"user_password_expired"}`:                       failure.AccountDisabled,
		`{"error":"access_denied"}`:                               failure.AccessBlocked,
		`{"error":"invalid_client"}`:                              failure.ClientCredential,
		`{"error":"unauthorized_client"}`:                         failure.ApplicationUnknown,
		`{"error":"invalid_scope"}`:                               failure.PermissionMissing,
		`{"error":"invalid_resource"}`:                            failure.PermissionMissing,
		`{"error":"invalid_tenant"}`:                              failure.WrongCloud,
		`{"error":"invalid_request"}`:                             failure.MicrosoftRequest,
		`{"error":"unsupported_grant_type"}`:                      failure.MicrosoftRequest,
		`{"error":"temporarily_unavailable"}`:                     failure.MicrosoftUnavailable,
		`{"error":"server_error"}`:                                failure.MicrosoftUnavailable,
		`{"error":"something_new"}`:                               failure.MicrosoftAnswer,
		`{}`:                                                      failure.MicrosoftAnswer,
		`{"error":"invalid_grant","suberror":"consent_required"}`: failure.ConsentMissing,
		// Without a number that says so, nothing proves that the token was revoked, went unused, or what a policy wants.
		`{"error":"invalid_grant","suberror":"bad_token"}`:                            failure.SignInRequired,
		`{"error":"invalid_grant","suberror":"bad_token","error_codes":[799999]}`:     failure.SignInRequired,
		`{"error":"invalid_grant","suberror":"token_expired"}`:                        failure.SignInRequired,
		`{"error":"invalid_grant","suberror":"token_expired","error_codes":[799999]}`: failure.SignInRequired,
		`{"error":"invalid_grant","suberror":"basic_action"}`:                         failure.SignInRequired,
		`{"error":"invalid_grant","suberror":"client_mismatch"}`:                      failure.SignInRequired,
		`{"error":"invalid_grant","suberror":"message_only"}`:                         failure.AccessBlocked,
		`{"error":"invalid_grant","suberror":"protection_policy_required"}`:           failure.AccessBlocked,
		`{"error":"invalid_grant","suberror":"user_password_expired"}`:                failure.AccountDisabled,
		// The text is never read, and members of an unexpected type do not hide the others.
		`{"error":"invalid_grant","error_description":"AADSTS7000222: the secret expired"}`:             failure.SignInRequired,
		`{"error":"invalid_grant","error_codes":["50076"]}`:                                             failure.MFARequired,
		`{"error":"invalid_grant","error_codes":[1,50076]}`:                                             failure.MFARequired,
		`{"error":"invalid_grant","error_codes":"50076"}`:                                               failure.SignInRequired,
		`{"error":"invalid_grant","error_codes":[{}],"suberror":7}`:                                     failure.SignInRequired,
		`{"error":7,"error_codes":[50076]}`:                                                             failure.MFARequired,
		`{"error":"invalid_grant","claims":"{\"access_token\":{\"capolids\":{}}}","access_token":null}`: failure.SignInRequired,
	} {
		t.Run(body, func(t *testing.T) {
			h := newHarness(t, func(c *microsoft.Config) { c.Wait = nil })
			h.route(tokenPath, respond(400, body))
			if _, err := renew(h, token.Graph); codeOf(err) != want {
				t.Errorf("Renew() = %v, want %s", err, want)
			}
		})
	}
}

// A status that reports an outage takes precedence over the body.
func TestClassification_ByStatus(t *testing.T) {
	for status, want := range map[int]failure.Code{
		408: failure.MicrosoftUnavailable, 429: failure.MicrosoftThrottled, 500: failure.MicrosoftUnavailable,
		502: failure.MicrosoftUnavailable, 503: failure.MicrosoftUnavailable, 504: failure.MicrosoftUnavailable,
		403: failure.GrantRevoked, 401: failure.GrantRevoked,
	} {
		h := newHarness(t, func(c *microsoft.Config) { c.Wait = nil })
		h.route(tokenPath, respond(status, `{"error":"invalid_grant","error_codes":[50173]}`))
		_, err := renew(h, token.Graph)
		f := failure.From(err)
		if f.Code != want || f.Microsoft.Status != status {
			t.Errorf("Renew() with status %d = %s with status %d, want %s", status, f.Code, f.Microsoft.Status, want)
		}
	}
}

// Microsoft refuses an assertion outside its time (700024): the failure tells by how much our clock differs, in either direction.
func TestClassification_ClockDifference(t *testing.T) {
	for date, want := range map[string]string{
		"Mon, 23 Nov 2026 10:07:00 GMT": "7m",
		"Mon, 23 Nov 2026 09:20:00 GMT": "40m",
		"":                              "?",
		"tomorrow":                      "?",
	} {
		h := newHarness(t, func(c *microsoft.Config) { c.Wait = nil })
		h.route(tokenPath, respond(401, `{"error":"invalid_client","error_codes":[700024]}`, "Date", date))
		_, err := renew(h, token.Graph)
		f := failure.From(err)
		if got := f.Params["skew"]; f.Code != failure.ClockWrong || !strings.HasPrefix(got, want) {
			t.Errorf("Renew() with the date %q = %s, %q, want %s with %q", date, f.Code, got, failure.ClockWrong, want)
		}
	}
}

func TestEvidence_IsWhatMicrosoftAnswered(t *testing.T) {
	h := newHarness(t)
	h.route(tokenPath, respond(400, `{"error":"invalid_grant","suberror":"bad_token","error_codes":[700082],"trace_id":"`+traceID+`","correlation_id":"`+correlation+`"}`))
	_, err := renew(h, token.Graph)
	want := &failure.Evidence{Error: "invalid_grant", SubError: "bad_token", Code: "700082", TraceID: traceID, CorrelationID: correlation, Status: 400}
	if diff := cmp.Diff(want, failure.From(err).Microsoft); diff != "" {
		t.Errorf("evidence (-want +got):\n%s", diff)
	}
}

// What does not look like a name or an ID is not repeated.
func TestEvidence_ContainsNoSecret(t *testing.T) {
	for member := range strings.FieldsSeq("error suberror trace_id correlation_id error_description error_uri claims") {
		h := newHarness(t, func(c *microsoft.Config) { c.Wait = nil })
		h.route(tokenPath, respond(400, `{"`+member+`":"`+canaryRefresh+`","error_codes":["`+canaryRefresh+`"]}`, "X-Ms-Request-Id", canaryRefresh))
		_, err := renew(h, token.Graph)
		h.checkRedacted(err)
	}
}

func TestCallbackError_IsNamedByItsNumber(t *testing.T) {
	for name, tc := range map[string]struct {
		in   consent.CallbackError
		want failure.Code
	}{
		"cancelled":           {consent.CallbackError{Error: "access_denied", SubCode: "cancel", Description: "AADSTS65004: x"}, failure.ConsentDeclined},
		"cancelled, no text":  {consent.CallbackError{Error: "access_denied", SubCode: "cancel"}, failure.ConsentDeclined},
		"cancelled approval":  {consent.CallbackError{Error: "access_denied", SubCode: "cancel", Description: "AADSTS90094: x"}, failure.ConsentDeclined},
		"declined":            {consent.CallbackError{Error: "access_denied", Description: "AADSTS65004: User declined."}, failure.ConsentDeclined},
		"denied":              {consent.CallbackError{Error: "access_denied"}, failure.ConsentDeclined},
		"approval needed":     {consent.CallbackError{Error: "access_denied", Description: "AADSTS90094: x"}, failure.ApprovalNeeded},
		"blocked":             {consent.CallbackError{Error: "access_denied", Description: "AADSTS53003: x"}, failure.AccessBlocked},
		"approval requested":  {consent.CallbackError{Error: "access_denied", Description: "AADSTS90095: x"}, failure.ApprovalRequested},
		"approval pending":    {consent.CallbackError{Error: "access_denied", Description: "AADSTS90096: x"}, failure.ApprovalRequested},
		"token issuance":      {consent.CallbackError{Error: "access_denied", Description: "AADSTS530031: x"}, failure.AccessBlocked},
		"cross-tenant access": {consent.CallbackError{Error: "access_denied", Description: "AADSTS500213: x"}, failure.AccessBlocked},
		"service":             {consent.CallbackError{Error: "access_denied", Description: "AADSTS650052: x"}, failure.ServiceMissing},
		"unknown number":      {consent.CallbackError{Error: "access_denied", Description: "AADSTS799999: x"}, failure.ConsentRefused},
		"foreign number":      {consent.CallbackError{Error: "access_denied", Description: "AADSTS7000222: x"}, failure.ConsentRefused},
		"consent required":    {consent.CallbackError{Error: "consent_required", Description: "AADSTS65001: x"}, failure.ConsentMissing},
		"interaction":         {consent.CallbackError{Error: "interaction_required"}, failure.SignInRequired},
		"login":               {consent.CallbackError{Error: "login_required", Description: "AADSTS50058: x"}, failure.SignInRequired},
		"application":         {consent.CallbackError{Error: "unauthorized_client", Description: "AADSTS700016: x"}, failure.ApplicationUnknown},
		"application, client": {consent.CallbackError{Error: "invalid_client"}, failure.ApplicationUnknown},
		"request":             {consent.CallbackError{Error: "invalid_request", Description: "AADSTS900144: x"}, failure.MicrosoftRequest},
		"scope":               {consent.CallbackError{Error: "invalid_scope", Description: "AADSTS70011: x"}, failure.PermissionMissing},
		"resource":            {consent.CallbackError{Error: "invalid_resource", Description: "AADSTS650057: x"}, failure.PermissionMissing},
		"response type":       {consent.CallbackError{Error: "unsupported_response_type", Description: "AADSTS700054: x"}, failure.MicrosoftRequest},
		"server":              {consent.CallbackError{Error: "server_error", Description: "AADSTS90033: x"}, failure.MicrosoftUnavailable},
		"unavailable":         {consent.CallbackError{Error: "temporarily_unavailable"}, failure.MicrosoftUnavailable},
		"unknown":             {consent.CallbackError{Error: "something_new", Description: "AADSTS50173: x"}, failure.MicrosoftAnswer},
		"empty":               {consent.CallbackError{}, failure.MicrosoftAnswer},
		// The text refines the meaning of the name and never changes its kind.
		"number of another kind": {consent.CallbackError{Error: "server_error", Description: "AADSTS7000222: x"}, failure.MicrosoftUnavailable},
		"number inside the text": {consent.CallbackError{Error: "access_denied", Description: "see AADSTS90094"}, failure.ConsentDeclined},
	} {
		t.Run(name, func(t *testing.T) {
			if got := newHarness(t).client.CallbackError(tc.in); got.Code != tc.want {
				t.Errorf("CallbackError(%+v) = %s, want %s", tc.in, got.Code, tc.want)
			}
		})
	}
}

func TestCallbackError_Evidence(t *testing.T) {
	h := newHarness(t)
	for _, separator := range []string{" ", "\r\n"} {
		f := h.client.CallbackError(consent.CallbackError{
			Error: "access_denied", SubCode: "cancel",
			Description: fmt.Sprintf("AADSTS65004: x.%[1]sTrace ID: %[2]s%[1]sCorrelation ID: %[3]s%[1]sTimestamp: 2026-11-23 10:15:02Z", separator, traceID, correlation),
		})
		want := &failure.Evidence{Error: "access_denied", SubError: "cancel", Code: "65004", TraceID: traceID, CorrelationID: correlation}
		if diff := cmp.Diff(want, f.Microsoft); diff != "" {
			t.Errorf("evidence (-want +got):\n%s", diff)
		}
	}
	f := h.client.CallbackError(consent.CallbackError{Error: canaryCode, SubCode: canaryCode, Description: "AADSTS65004: " + canaryCode})
	h.checkRedacted(f)
}
