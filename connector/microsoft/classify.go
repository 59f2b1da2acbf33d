package microsoft

import (
	"net/http"

	"azure-partner-connector/connector/failure"
)

// A grantType is what was redeemed. The same refusal means one thing for a code and another for a refresh token.
type grantType string

const (
	anyGrant     grantType = ""
	codeGrant    grantType = "authorization_code"
	refreshGrant grantType = "refresh_token"
	// ownGrant redeems nothing: the application asks for itself.
	ownGrant grantType = "client_credentials"
)

// code returns what r means (docs/reference/microsoft-identity.md §3.6). A status that reports an outage takes
// precedence over the body; then the number decides, and for an unknown number the error's name, as Microsoft
// recommends.
func (r refusal) code(grant grantType) failure.Code {
	switch {
	case r.status == http.StatusTooManyRequests:
		return failure.MicrosoftThrottled
	case r.status >= 500, r.status == http.StatusRequestTimeout:
		return failure.MicrosoftUnavailable
	}
	for _, number := range r.codes {
		if number == malformed && r.name == "invalid_grant" {
			continue // what is malformed is the code or the refresh token, not our request
		}
		if code, ok := codeOfNumber(number); ok {
			return forGrant(code, grant)
		}
	}
	if code, ok := codeOfSubName(r.subName); ok {
		return forGrant(code, grant)
	}
	if r.name == "invalid_grant" && grant == codeGrant {
		return failure.CodeInvalid
	}
	if code, ok := codeOfName(r.name); ok {
		return code
	}
	return failure.MicrosoftAnswer
}

// malformed is the AADSTS number of a request, or of the grant in it, that Microsoft cannot read.
const malformed = 9002313

// forGrant replaces codes that are true only of a refresh token if grant is an authorization code.
func forGrant(code failure.Code, grant grantType) failure.Code {
	if grant == codeGrant && (code == failure.GrantExpired || code == failure.GrantRevoked) {
		return failure.CodeInvalid
	}
	return code
}

// numbers are the AADSTS numbers with a meaning of their own (docs/reference/microsoft-identity.md §3.6). They come before
// families.
var numbers = map[int]failure.Code{
	// The refresh token or the authorization code.
	700082: failure.GrantExpired,
	70008:  failure.GrantRevoked,
	70000:  failure.GrantRevoked,
	50173:  failure.GrantRevoked,
	50132:  failure.GrantRevoked,
	50133:  failure.GrantRevoked,
	54005:  failure.CodeUsed,
	501481: failure.CodeInvalid,
	700005: failure.CodeInvalid,
	50089:  failure.SignInRequired,
	50058:  failure.SignInRequired,
	700007: failure.SignInRequired, // issued to another application

	// The account.
	50057: failure.AccountDisabled,
	50055: failure.AccountDisabled,
	50034: failure.AccountDisabled,
	50020: failure.AccountOutside,
	50105: failure.AccountOutside,
	50053: failure.AccountAtRisk,
	53004: failure.AccountAtRisk,
	53011: failure.AccountAtRisk,

	// Policies and devices.
	50158:   failure.ExternalMFA,
	50005:   failure.DeviceRequired,
	50097:   failure.DeviceRequired,
	50131:   failure.AccessBlocked,
	50142:   failure.AccessBlocked,
	50081:   failure.AccessBlocked,
	53000:   failure.DeviceRequired,
	53001:   failure.DeviceRequired,
	53002:   failure.DeviceRequired,
	53009:   failure.DeviceRequired,
	530001:  failure.DeviceRequired,
	530002:  failure.DeviceRequired,
	530003:  failure.DeviceRequired,
	530021:  failure.DeviceRequired,
	500212:  failure.AccessBlocked,
	500213:  failure.AccessBlocked,
	501313:  failure.AccessBlocked,
	9001011: failure.DeviceRequired,
	135011:  failure.DeviceDisabled,
	700003:  failure.DeviceDisabled,
	530084:  failure.TokenProtection,

	// The consent.
	65004: failure.ConsentDeclined,
	65005: failure.PermissionMissing,
	90094: failure.ApprovalNeeded,
	90095: failure.ApprovalRequested,
	90096: failure.ApprovalRequested,
	90097: failure.ApprovalNeeded,
	90098: failure.ApprovalNeeded,
	90099: failure.PartnerNotAuthorized,

	// The application and its credential.
	700084:  failure.RedirectType,
	7000215: failure.ClientSecretWrong,
	7000222: failure.ClientSecretExpired,
	7000218: failure.ClientCredential,
	70002:   failure.ClientCredential,
	700027:  failure.ClientCredential,
	700023:  failure.ClientCredential,
	700025:  failure.ClientCredential,
	50012:   failure.ClientCredential,
	50013:   failure.ClientCredential,
	50027:   failure.ClientCredential,
	70021:   failure.FederatedRefused,
	700211:  failure.FederatedRefused,
	700212:  failure.FederatedRefused,
	700213:  failure.FederatedRefused,
	7002137: failure.FederatedRefused,
	7002138: failure.FederatedRefused,
	700024:  failure.ClockWrong,
	700016:  failure.ApplicationUnknown,
	700011:  failure.ApplicationUnknown,
	700038:  failure.ApplicationUnknown,
	7000112: failure.ApplicationUnknown,
	70001:   failure.ApplicationUnknown,
	500011:  failure.ServiceMissing,
	500014:  failure.ServiceMissing,
	650052:  failure.ServiceMissing,
	650056:  failure.PermissionMissing,
	650057:  failure.PermissionMissing,
	70011:   failure.PermissionMissing,
	28000:   failure.PermissionMissing,
	90002:   failure.WrongCloud,
	900021:  failure.WrongCloud,
	50194:   failure.WrongCloud,
	90038:   failure.WrongCloud,
	900382:  failure.WrongCloud,
	900432:  failure.WrongCloud,
	900439:  failure.WrongCloud,

	// Microsoft.
	90033: failure.MicrosoftUnavailable,
	90006: failure.MicrosoftUnavailable,
	90012: failure.MicrosoftUnavailable,
	90024: failure.MicrosoftUnavailable,
	90055: failure.MicrosoftUnavailable,
	50033: failure.MicrosoftUnavailable,
	50087: failure.MicrosoftUnavailable,
	50088: failure.MicrosoftUnavailable,
	51005: failure.MicrosoftUnavailable,
	40010: failure.MicrosoftUnavailable,
	90090: failure.MicrosoftUnavailable,

	// Our request.
	50196:   failure.RequestLoop,
	90009:   failure.MicrosoftRequest,
	900144:  failure.MicrosoftRequest,
	9002313: failure.MicrosoftRequest,
	90014:   failure.MicrosoftRequest,
	50011:   failure.MicrosoftRequest,
	700054:  failure.MicrosoftRequest,
}

// families are ranges of AADSTS numbers, first and last included, whose unlisted numbers have a common meaning. Microsoft
// adds numbers without notice (docs/reference/microsoft-identity.md §3.6).
var families = []struct {
	first, last int
	code        failure.Code
}{
	{53000, 53099, failure.AccessBlocked},
	{530000, 530099, failure.AccessBlocked},
	{70043, 70046, failure.SignInFrequency},
	{50072, 50079, failure.MFARequired},
	{65001, 65005, failure.ConsentMissing},
	{90094, 90099, failure.ApprovalNeeded},
	{700000, 700099, failure.ApplicationRefused},
	{7000000, 7000999, failure.ApplicationRefused},
}

// codeOfNumber returns what an AADSTS number means, and whether it is known.
func codeOfNumber(number int) (failure.Code, bool) {
	if code, ok := numbers[number]; ok {
		return code, true
	}
	for _, family := range families {
		if family.first <= number && number <= family.last {
			return family.code, true
		}
	}
	return "", false
}

// codeOfSubName returns what a suberror means (docs/reference/microsoft-identity.md §3.5). bad_token and token_expired are
// not among them: only a number proves that a token was revoked or went unused for 90 days.
func codeOfSubName(subName string) (failure.Code, bool) {
	switch subName {
	case "consent_required":
		return failure.ConsentMissing, true
	case "basic_action", "additional_action", "client_mismatch":
		return failure.SignInRequired, true
	case "message_only", "protection_policy_required", "device_authentication_failed":
		return failure.AccessBlocked, true
	case "user_password_expired":
		return failure.AccountDisabled, true
	}
	return "", false
}

// codeOfName returns what an error's name means, the last row of docs/reference/microsoft-identity.md §3.6.
func codeOfName(name string) (failure.Code, bool) {
	switch name {
	case "invalid_grant", "interaction_required", "login_required":
		return failure.SignInRequired, true
	case "consent_required":
		return failure.ConsentMissing, true
	case "access_denied":
		return failure.AccessBlocked, true
	case "user_password_expired":
		return failure.AccountDisabled, true
	case "invalid_client":
		return failure.ClientCredential, true
	case "unauthorized_client":
		return failure.ApplicationUnknown, true
	case "invalid_scope", "invalid_resource":
		return failure.PermissionMissing, true
	case "invalid_tenant":
		return failure.WrongCloud, true
	case "invalid_request", "unsupported_response_type", "unsupported_grant_type":
		return failure.MicrosoftRequest, true
	case "temporarily_unavailable", "server_error":
		return failure.MicrosoftUnavailable, true
	}
	return "", false
}

// callbackCode returns what r means if it came to the redirect URI (docs/reference/microsoft-identity.md §2.4). Anybody can
// write the text in the address bar: a number may refine the meaning of the name, but not change its kind. access_denied
// has no kind of its own: Microsoft also sends it when a policy or a setting refuses.
func (r refusal) callbackCode() failure.Code {
	if r.name == "access_denied" {
		return r.deniedCode()
	}
	fallback, known := codeOfName(r.name)
	switch {
	case !known:
		return failure.MicrosoftAnswer
	case r.name == "invalid_client":
		fallback = failure.ApplicationUnknown
	}
	for _, number := range r.codes {
		if code, ok := codeOfNumber(number); ok && code.Kind() == fallback.Kind() {
			return forGrant(code, codeGrant)
		}
	}
	return fallback
}

// deniedCode returns what access_denied means at the redirect URI. Only without a number, or with the number of that, did a
// person decline.
func (r refusal) deniedCode() failure.Code {
	if r.subName == "cancel" || len(r.codes) == 0 {
		return failure.ConsentDeclined
	}
	for _, number := range r.codes {
		code, ok := codeOfNumber(number)
		if ok && (code.Kind() == failure.SignIn || code == failure.ServiceMissing || code == failure.PermissionMissing) {
			return forGrant(code, codeGrant)
		}
	}
	return failure.ConsentRefused
}
