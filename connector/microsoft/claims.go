package microsoft

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/token"
)

// accessClaims are the claims of an access token that are used as hints (docs/reference/microsoft-identity.md §4.3).
type accessClaims struct {
	DirectoryID     string `json:"tid"`
	AppID           string `json:"appid"` // v1.0 tokens
	AuthorizedParty string `json:"azp"`   // v2.0 tokens
	UPN             string `json:"upn"`
	UniqueName      string `json:"unique_name"`
	AMR             any    `json:"amr"`
}

// Claims implements token.Microsoft. A token without a directory or an application counts as opaque: only the api
// decides the format of its access tokens, and it may change it (docs/reference/microsoft-identity.md §4.1).
func (c *Client) Claims(accessToken secret.Text) token.AccessTokenClaims {
	unreadable := token.AccessTokenClaims{MFA: token.Unknown}
	var claims accessClaims
	if !readPayload(accessToken.Reveal(), &claims) {
		return unreadable
	}
	application := claims.AppID
	if application == "" {
		application = claims.AuthorizedParty
	}
	if claims.DirectoryID == "" || application == "" {
		return unreadable
	}
	return token.AccessTokenClaims{
		Readable:      true,
		DirectoryID:   strings.ToLower(claims.DirectoryID),
		ApplicationID: strings.ToLower(application),
		MFA:           mfaOf(claims.AMR),
		Username:      cmp.Or(claims.UPN, claims.UniqueName),
	}
}

// mfaOf reads the amr claim. An absent claim, or one of an unknown form, proves nothing.
func mfaOf(amr any) token.Answer {
	methods, ok := amr.([]any)
	if !ok {
		return token.Unknown
	}
	if slices.Contains(methods, any("mfa")) {
		return token.Yes
	}
	return token.No
}

// username returns the account's name in an access token; "" if there is none.
func username(accessToken secret.Text) string {
	var claims accessClaims
	if !readPayload(accessToken.Reveal(), &claims) {
		return ""
	}
	if claims.UPN != "" {
		return claims.UPN
	}
	return claims.UniqueName
}

// subject returns the account and directory that an answer was for. A token that cannot be read, or a claim that it lacks,
// says nothing (docs/reference/microsoft-identity.md §4.7).
func subject(idToken, accessToken string) token.Subject {
	var s token.Subject
	for _, jwt := range []string{idToken, accessToken} {
		var claims struct {
			DirectoryID string `json:"tid"`
			ObjectID    string `json:"oid"`
		}
		if !readPayload(jwt, &claims) {
			continue
		}
		s.DirectoryID = cmp.Or(s.DirectoryID, strings.ToLower(claims.DirectoryID))
		s.ObjectID = cmp.Or(s.ObjectID, strings.ToLower(claims.ObjectID))
	}
	return s
}

// readPayload decodes the payload of a JWT into claims without any verification. It reports whether jwt is a JWT.
func readPayload(jwt string, claims any) bool {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return false
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	return err == nil && json.Unmarshal(payload, claims) == nil
}
