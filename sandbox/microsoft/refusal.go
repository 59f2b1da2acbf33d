package microsoft

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
)

// A refusal is one error of the identity platform with its AADSTS code. Pages, redirects and the token endpoint render
// the same refusal.
type refusal struct {
	code     int
	error    string
	suberror string
	status   int // of the token endpoint
	text     string
	claims   string // what the next sign-in must satisfy, JSON in a string
}

func (r *refusal) Error() string { return fmt.Sprintf("AADSTS%d: %s", r.code, r.text) }

// refuse returns the refusal with a code; it panics for an unlisted one.
func refuse(code int) *refusal {
	row, ok := refusals[code]
	if !ok {
		return &refusal{code: code, error: "server_error", status: http.StatusInternalServerError, text: "Unexpected state of the simulator."}
	}
	row.code = code
	if row.status == 0 {
		row.status = http.StatusBadRequest
	}
	return &row
}

// about replaces the text and returns r.
func (r *refusal) about(text string) *refusal {
	r.text = text
	return r
}

// missing returns 900144 with the parameter's name.
func missing(parameter string) *refusal {
	return refuse(900144).about("The request must contain the parameter '" + parameter + "'.")
}

// refusals are the errors of the simulator by AADSTS code. error, suberror and status follow
// docs/reference/microsoft-identity.md §3.5 and §3.6 and the field reports that those sections cite; the texts are not
// Microsoft's.
var refusals = map[int]refusal{
	// Of the request.
	900144:  {error: "invalid_request", text: "A required parameter is missing."},
	9002313: {error: "invalid_request", text: "The request is malformed."},
	9000411: {error: "invalid_request", text: "A parameter was sent more than once."},
	900561:  {error: "invalid_request", text: "This endpoint accepts POST only."},
	90015:   {error: "invalid_request", text: "The query string is too long."},
	90002:   {error: "invalid_request", text: "The directory was not found. Check that it exists and belongs to this cloud."},
	90038:   {error: "invalid_request", text: "The directory belongs to another cloud."},
	50194:   {error: "invalid_request", text: "The application serves one directory only; use the endpoint of that directory."},
	70003:   {error: "unsupported_grant_type", text: "The grant type is not supported."},
	700054:  {error: "unsupported_response_type", text: "The response type 'id_token' is not enabled for the application."},
	90009:   {error: "invalid_request", text: "The application is requesting a token for itself; name a scope."},
	28003:   {error: "invalid_request", text: "Name a scope; the authorization code was issued for several resources."},
	28000:   {error: "invalid_scope", text: "The scope contains more than one resource."},
	70011:   {error: "invalid_scope", text: "The scope is not valid."},
	1002012: {error: "invalid_scope", text: "An application that asks for itself names one resource, with /.default."},
	500011:  {error: "invalid_resource", text: "The resource was not found in this directory."},
	650057:  {error: "invalid_resource", text: "The application's registration lists no permission of this resource."},
	901002:  {error: "invalid_request", text: "The 'resource' parameter is not supported here; use 'scope'."},

	// Of the application.
	700016:  {error: "unauthorized_client", text: "The application was not found in the directory."},
	700038:  {error: "unauthorized_client", text: "The application's ID is not valid."},
	500014:  {error: "invalid_resource", text: "The service principal of the resource is disabled."},
	650052:  {error: "invalid_client", text: "The directory has no service principal for a service that the application needs."},
	7000112: {error: "unauthorized_client", text: "The application is disabled."},
	50011:   {error: "invalid_request", text: "The redirect URI is not one that the application has registered."},
	500112:  {error: "invalid_client", status: http.StatusUnauthorized, text: "The redirect URI is not the one that the authorization code was requested with."},
	7000218: {error: "invalid_client", status: http.StatusUnauthorized, text: "The request must contain 'client_secret' or 'client_assertion'."},
	7000215: {error: "invalid_client", status: http.StatusUnauthorized, text: "The client secret is wrong. Send the secret's value, not its id."},
	7000222: {error: "invalid_client", status: http.StatusUnauthorized, text: "The client secret has expired."},
	700027:  {error: "invalid_client", status: http.StatusUnauthorized, text: "The client assertion's key or signature is not known."},
	700023:  {error: "invalid_client", status: http.StatusUnauthorized, text: "The client assertion is for another audience."},
	700024:  {error: "invalid_client", status: http.StatusUnauthorized, text: "The client assertion is outside its time."},
	700211:  {error: "invalid_client", status: http.StatusUnauthorized, text: "No federated credential of the application has the issuer of the assertion."},
	700212:  {error: "invalid_client", status: http.StatusUnauthorized, text: "No federated credential of the application has the audience of the assertion."},
	700213:  {error: "invalid_client", status: http.StatusUnauthorized, text: "No federated credential of the application has the subject of the assertion."},
	50013:   {error: "invalid_client", status: http.StatusUnauthorized, text: "The signature of the assertion is not valid."},
	50012:   {error: "invalid_client", status: http.StatusUnauthorized, text: "The client assertion cannot be read."},

	// Of a code or a refresh token.
	54005:  {error: "invalid_grant", text: "The code was redeemed before."},
	70000:  {error: "invalid_grant", text: "The grant is not known or malformed."},
	70008:  {error: "invalid_grant", text: "The code has expired."},
	501481: {error: "invalid_grant", text: "The code verifier does not fit the code challenge."},
	700005: {error: "invalid_grant", text: "The code is being redeemed in another directory than it was issued in."},
	700007: {error: "invalid_grant", suberror: "client_mismatch", text: "The grant was issued to another application."},
	700082: {error: "invalid_grant", suberror: "bad_token", text: "The refresh token has expired for lack of use."},
	700084: {error: "invalid_grant", suberror: "bad_token", text: "The refresh token was issued to a single-page application and has ended."},
	70043:  {error: "invalid_grant", suberror: "token_expired", text: "The sign-in is older than the sign-in frequency allows."},
	50173:  {error: "invalid_grant", suberror: "bad_token", text: "The grant was revoked."},
	50196:  {error: "invalid_grant", text: "The same request was sent too often; a loop is suspected."},
	65001:  {error: "invalid_grant", suberror: "consent_required", text: "Nobody has consented to the application's use of this resource."},
	90099:  {error: "interaction_required", text: "The application has not been authorised in the customer's directory."},

	// Of the user.
	50020:  {error: "invalid_grant", text: "The account does not exist in this directory."},
	50034:  {error: "invalid_grant", text: "We know no such account in this directory."},
	50053:  {error: "invalid_grant", text: "The account is locked."},
	50055:  {error: "invalid_grant", suberror: "user_password_expired", text: "The password has expired."},
	50057:  {error: "invalid_grant", text: "The account is disabled."},
	50058:  {error: "login_required", text: "Nobody is signed in."},
	50105:  {error: "invalid_grant", text: "The account is not assigned to the application."},
	50126:  {error: "invalid_grant", text: "The account or the password is wrong."},
	500121: {error: "invalid_grant", text: "The sign-in request was denied."},
	65004:  {error: "access_denied", suberror: "cancel", text: "The person declined the consent."},
	90095:  {error: "access_denied", text: "The person asked an administrator for approval."},
	90096:  {error: "access_denied", text: "An administrator's approval is pending."},
	90094:  {error: "access_denied", text: "An administrator has to grant this consent."},
	50076:  {error: "invalid_grant", suberror: "basic_action", text: "Multi-factor authentication is required."},
	50078:  {error: "invalid_grant", suberror: "basic_action", text: "The multi-factor authentication has expired."},
	50079:  {error: "invalid_grant", suberror: "basic_action", text: "The person has to register for multi-factor authentication."},
	70044:  {error: "invalid_grant", suberror: "token_expired", text: "The session has ended by the sign-in frequency."},
	50005:  {error: "interaction_required", suberror: "message_only", text: "A policy does not support the platform of the device."},
	50131:  {error: "interaction_required", suberror: "message_only", text: "A Conditional Access policy is not satisfied."},
	53000:  {error: "interaction_required", suberror: "message_only", text: "The device is not compliant."},
	53004:  {error: "interaction_required", suberror: "message_only", text: "The sign-in is at risk; MFA cannot be registered now."},
	530002: {error: "interaction_required", suberror: "message_only", text: "The device must be compliant."},
	530003: {error: "interaction_required", suberror: "message_only", text: "The device must be managed."},
	530031: {error: "access_denied", text: "A policy does not allow that a token is issued."},
	530084: {error: "access_denied", text: "Token protection requires a token that is bound to a device."},
	500213: {error: "access_denied", text: "The policy for access between directories does not allow this access."},
	135011: {error: "invalid_grant", suberror: "bad_token", text: "The device of the authentication is disabled."},
	700003: {error: "invalid_grant", suberror: "bad_token", text: "The device of the authentication was deleted."},
	50158:  {error: "invalid_grant", suberror: "additional_action", text: "An external challenge was not satisfied."},
	53003:  {error: "invalid_grant", suberror: "message_only", text: "A Conditional Access policy blocks this access."},

	// Of Microsoft itself.
	90033: {error: "temporarily_unavailable", status: http.StatusServiceUnavailable, text: "The service is temporarily unavailable."},
	90055: {error: "temporarily_unavailable", status: http.StatusTooManyRequests, text: "There are too many requests."},
	90006: {error: "server_error", status: http.StatusInternalServerError, text: "An external service failed."},
}

// interaction returns the refusal for prompt=none and redirects: the error names what is missing.
func (r *refusal) interaction() *refusal {
	interaction := *r
	switch r.code {
	case 50076, 50078, 50079, 70043, 70044, 53003:
		interaction.error = "interaction_required"
	case 65001:
		interaction.error = "consent_required"
	}
	return &interaction
}

// An errorBody is a refusal of the token endpoint (docs/reference/microsoft-identity.md §3.5).
type errorBody struct {
	trace, correlation, timestamp string
	description                   string
}

// timestampLayout is in UTC, for example 2026-11-23 10:15:02Z.
const timestampLayout = "2006-01-02 15:04:05Z"

func (r *refusal) body(now time.Time, correlation string, lineBreaks bool) errorBody {
	if _, err := uuid.Parse(correlation); err != nil {
		correlation = uuid.NewString()
	}
	b := errorBody{trace: uuid.NewString(), correlation: correlation, timestamp: now.UTC().Format(timestampLayout)}
	separator := " "
	if lineBreaks {
		separator = "\r\n"
	}
	b.description = strings.Join([]string{r.Error(), "Trace ID: " + b.trace, "Correlation ID: " + b.correlation, "Timestamp: " + b.timestamp}, separator)
	return b
}
