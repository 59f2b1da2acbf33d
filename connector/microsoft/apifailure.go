package microsoft

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/token"
)

// partnerCenterMFA finds Partner Center's code for a token without MFA anywhere in an answer, but not inside a longer
// number or an ID. The exact form of the answer is not published (docs/reference/microsoft-identity.md §4.6).
var partnerCenterMFA = regexp.MustCompile(`(^|[^0-9A-Za-z-])900421($|[^0-9A-Za-z-])`)

// mfaWords finds the refusal in its older form, without a code, in the body or in the status line.
var mfaWords = regexp.MustCompile(`(?i)\bmfa\b|multi-?\s?factor`)

// stepUp matches the challenge of Conditional Access: the sign-in needs another step, which only a person can take.
var stepUp = regexp.MustCompile(`(?i)\berror="?insufficient_claims|\bclaims="`)

// missingMFA is the code by which Graph's endpoints for partners say that the sign-in was made without MFA
// (docs/reference/microsoft-identity.md §9).
const missingMFA = "Unauthorized_MissingMFA"

// mfaDemanded reports whether Partner Center refused a call because the sign-in was made without MFA.
func mfaDemanded(answer reply) bool {
	if apiCode(answer.body()) == missingMFA {
		return true
	}
	if answer.status != http.StatusUnauthorized {
		return false
	}
	challenge := strings.Join(answer.header.Values("WWW-Authenticate"), " ")
	for _, text := range []string{string(answer.body()), answer.reason, challenge} {
		if partnerCenterMFA.MatchString(text) || mfaWords.MatchString(text) {
			return true
		}
	}
	return mfaHeader(answer.header) == token.No
}

// WantsToken reports whether an answer with status 401 asks for another access token: a challenge for claims, or Partner Center's
// code for a token without MFA. The body is its beginning.
func (c *Client) WantsToken(header http.Header, body []byte) bool {
	challenge := strings.Join(header.Values("WWW-Authenticate"), " ")
	return stepUp.MatchString(challenge) || partnerCenterMFA.MatchString(challenge) || partnerCenterMFA.Match(body)
}

// apiRefusal translates an answer of an api that is neither a success nor a transient failure.
func (c *Client) apiRefusal(api token.API, answer reply) *failure.Error {
	if apiCode(answer.body()) == missingMFA {
		return c.apiFailure(failure.MFARequired, answer)
	}
	switch answer.status {
	case http.StatusUnauthorized:
		for _, challenge := range answer.header.Values("WWW-Authenticate") {
			if stepUp.MatchString(challenge) {
				return c.apiFailure(failure.SignInRequired, answer)
			}
		}
		return c.apiFailure(failure.APIRefused, answer, "api", apiName(api))
	case http.StatusForbidden:
		return c.apiFailure(failure.APIRefused, answer, "api", apiName(api))
	}
	return c.apiFailure(failure.MicrosoftAnswer, answer)
}

// apiName returns the name of api on screens.
func apiName(api token.API) string {
	switch api {
	case token.PartnerCenter:
		return "Partner Center"
	case token.Graph:
		return "Microsoft Graph"
	case token.ARM:
		return "Azure Resource Manager"
	}
	return string(api)
}

// apiFailure returns a failure with the evidence of an api's answer. Partner Center's code is a number, sometimes as a
// string; those of Graph and ARM are words below "error" (docs/reference/microsoft-identity.md §5.5).
func (c *Client) apiFailure(code failure.Code, answer reply, params ...string) *failure.Error {
	r := c.refusalOf(reply{status: answer.status, header: answer.header})
	evidence := r.evidence()
	for _, name := range []string{"request-id", "x-ms-request-id", "MS-RequestId"} {
		if evidence.TraceID == "" {
			evidence.TraceID = idOrEmpty(answer.header.Get(name))
		}
	}
	for _, name := range []string{"MS-CorrelationId", "x-ms-correlation-request-id", "client-request-id"} {
		if evidence.CorrelationID == "" {
			evidence.CorrelationID = idOrEmpty(answer.header.Get(name))
		}
	}
	if code := apiCode(answer.body()); digits.MatchString(code) {
		evidence.Code = code
	} else {
		evidence.Error = nameOrEmpty(code)
	}
	f := failure.New(code, params...)
	f.Microsoft = evidence
	return f
}

var digits = regexp.MustCompile(`^[0-9]{1,9}$`)

// apiCode returns the code in an api's answer, at the top level or below "error"; "" if there is none.
func apiCode(body []byte) string {
	var object struct {
		Code  json.RawMessage `json:"code"`
		Error json.RawMessage `json:"error"`
	}
	if json.Unmarshal(body, &object) != nil {
		return ""
	}
	var nested struct {
		Code json.RawMessage `json:"code"`
	}
	if len(object.Code) == 0 && json.Unmarshal(object.Error, &nested) == nil {
		object.Code = nested.Code
	}
	return string(bytes.Trim(object.Code, `"`))
}
