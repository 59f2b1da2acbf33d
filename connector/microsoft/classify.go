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

// forGrant replaces codes that are true only of a refresh token if grant is an authorization code.
func forGrant(code failure.Code, grant grantType) failure.Code {
	if grant == codeGrant && (code == failure.GrantExpired || code == failure.GrantRevoked) {
		return failure.CodeInvalid
	}
	return code
}

// codeOfNumber returns what an AADSTS number means, and whether it is known. The groups are the rows of
// docs/reference/microsoft-identity.md §3.6, whose classes are the kinds of the codes.
func codeOfNumber(number int) (failure.Code, bool) {
	for _, of := range []func(int) failure.Code{signInCode, configurationCode, transientCode, internalCode} {
		if code := of(number); code != "" {
			return code, true
		}
	}
	return "", false
}

// signInCode returns the code for a number of kind signin: a person must sign in again.
func signInCode(number int) failure.Code {
	switch number {
	case 700082:
		return failure.GrantExpired
	case 70008, 70000, 50173, 50132, 50133:
		return failure.GrantRevoked
	case 70043:
		return failure.SignInFrequency
	case 50076, 50079, 50072, 50074, 50078, 50158:
		return failure.MFARequired
	case 50057, 50055, 50053, 50034:
		return failure.AccountDisabled
	case 50020, 50105:
		return failure.AccountOutside
	case 50089, 50058:
		return failure.SignInRequired
	case 53000, 53001, 53003, 530032, 530034, 530035:
		return failure.AccessBlocked
	case 65001:
		return failure.ConsentMissing
	case 65004:
		return failure.ConsentDeclined
	case 90094:
		return failure.ApprovalNeeded
	case 54005:
		return failure.CodeUsed
	case 501481, 700005:
		return failure.CodeInvalid
	}
	return ""
}

// configurationCode returns the code for a number of kind configuration: only a change of settings repairs it.
func configurationCode(number int) failure.Code {
	switch number {
	case 700084:
		return failure.RedirectType
	case 7000215:
		return failure.ClientSecretWrong
	case 7000222:
		return failure.ClientSecretExpired
	case 7000218, 70002, 700027, 700023, 700024, 700025, 50012:
		return failure.ClientCredential
	case 700016, 700011, 7000112, 70001:
		return failure.ApplicationUnknown
	case 500011, 650052, 650056, 650057, 70011, 28000:
		return failure.PermissionMissing
	case 90002, 900021, 50194, 90038, 900382, 900432, 900439:
		return failure.WrongCloud
	case 90099:
		return failure.PartnerNotAuthorized
	}
	return ""
}

// transientCode returns the code for a number of kind transient: a retry repairs it.
func transientCode(number int) failure.Code {
	switch number {
	case 90033, 90006, 90012, 90024, 90055, 50033, 50087, 50088, 51005, 40010, 90090:
		return failure.MicrosoftUnavailable
	}
	return ""
}

// internalCode returns the code for a number of kind internal: a defect of this product.
func internalCode(number int) failure.Code {
	switch number {
	case 50196:
		return failure.RequestLoop
	case 90009, 900144, 9002313, 90014, 50011, 700054:
		return failure.MicrosoftRequest
	}
	return ""
}

// codeOfSubName returns what a suberror means (docs/reference/microsoft-identity.md §3.5).
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
	case "bad_token":
		return failure.GrantRevoked, true
	case "token_expired":
		return failure.GrantExpired, true
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

// callbackCode returns what r means if it came to the redirect URI (docs/reference/microsoft-identity.md §2.4).
func (r refusal) callbackCode() failure.Code {
	if r.name == "access_denied" && r.subName == "cancel" {
		return failure.ConsentDeclined
	}
	fallback, known := codeOfName(r.name)
	switch {
	case !known:
		return failure.MicrosoftAnswer
	case r.name == "access_denied":
		fallback = failure.ConsentDeclined
	case r.name == "invalid_client":
		fallback = failure.ApplicationUnknown
	}
	for _, number := range r.codes {
		// Anybody can write the text in the address bar: it may refine the meaning of the name, but not change its
		// kind.
		if code, ok := codeOfNumber(number); ok && code.Kind() == fallback.Kind() {
			return forGrant(code, codeGrant)
		}
	}
	return fallback
}
