package microsoft

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"

	"github.com/coreos/go-oidc/v3/oidc"
)

// clockSkew is the tolerated difference between Microsoft's clock and ours (docs/reference/microsoft-identity.md §4.2).
const clockSkew = 5 * time.Minute

// idClaims are the claims of an id_token that are used (docs/reference/microsoft-identity.md §4.2).
type idClaims struct {
	DirectoryID string          `json:"tid"`
	Issuer      string          `json:"iss"`
	ObjectID    string          `json:"oid"`
	Username    string          `json:"preferred_username"`
	Name        string          `json:"name"`
	Provider    string          `json:"idp"`
	Account     json.RawMessage `json:"acct"` // 1 for a guest, 0 for a member
	Nonce       secret.Text     `json:"nonce"`
	Expires     *float64        `json:"exp"`
	NotBefore   *float64        `json:"nbf"`
	IssuedAt    *float64        `json:"iat"`
}

// Identity implements token.Microsoft. It verifies the token with the keys of the directory that the token names, and
// only at the client's own authority. Thus it distinguishes a consent in a wrong directory from a forged token.
// Failures are id_token_invalid, or microsoft_unavailable if the keys cannot be fetched.
func (c *Client) Identity(ctx context.Context, client tenant.Client, idToken secret.Text, nonce string) (token.Identity, error) {
	profile, err := c.profile(client.Cloud)
	if err != nil {
		return token.Identity{}, err
	}
	var claimed idClaims
	if !readPayload(idToken.Reveal(), &claimed) {
		return token.Identity{}, invalidToken(errors.New("not a JWT"))
	}
	if !isGUID(claimed.DirectoryID) {
		return token.Identity{}, invalidToken(errors.New("tid is not a GUID"))
	}
	keys := &keySet{client: c, profile: profile, directory: claimed.DirectoryID}
	verifier := oidc.NewVerifier(profile.issuer(claimed.DirectoryID), keys, &oidc.Config{
		ClientID:             client.Application.ID,
		SupportedSigningAlgs: []string{oidc.RS256},
		SkipExpiryCheck:      true, // the library allows no skew for exp and ignores iat; check handles both
	})
	verified, err := verifier.Verify(ctx, idToken.Reveal())
	switch {
	case keys.outage != nil:
		return token.Identity{}, keys.outage
	case err != nil:
		return token.Identity{}, invalidToken(err)
	}
	var claims idClaims
	if err := verified.Claims(&claims); err != nil {
		return token.Identity{}, invalidToken(errors.New("claims of the wrong type"))
	}
	if err := claims.check(c.now(), nonce); err != nil {
		return token.Identity{}, invalidToken(err)
	}
	return token.Identity{
		DirectoryID: strings.ToLower(claims.DirectoryID),
		Person:      token.Person{ObjectID: claims.ObjectID, Username: claims.Username, Name: claims.Name},
		Guest:       claims.guest(profile),
	}, nil
}

func invalidToken(err error) *failure.Error {
	return failure.Wrap(fmt.Errorf("verifying the id_token: %w", err), failure.IDTokenInvalid)
}

// check verifies what go-oidc leaves to its caller.
func (claims idClaims) check(now time.Time, nonce string) error {
	if nonce != token.WithoutNonce && (nonce == "" || subtle.ConstantTimeCompare([]byte(claims.Nonce.Reveal()), []byte(nonce)) != 1) {
		return errors.New("the nonce is not ours")
	}
	if claims.ObjectID == "" {
		return errors.New("oid is missing")
	}
	early, late := float64(now.Add(-clockSkew).Unix()), float64(now.Add(clockSkew).Unix())
	switch {
	case claims.Expires == nil || *claims.Expires <= early:
		return errors.New("it has expired")
	case claims.NotBefore != nil && *claims.NotBefore > late:
		return errors.New("it is not valid yet")
	case claims.IssuedAt == nil || *claims.IssuedAt > late:
		return errors.New("it was issued in the future")
	}
	return nil
}

// guest reports whether the account belongs to another directory: acct says so, or another identity provider signed it
// in. A member's provider is the directory itself, named in either form (docs/reference/microsoft-identity.md §1.2,
// §4.2).
func (claims idClaims) guest(p Profile) bool {
	if account := strings.Trim(string(claims.Account), `"`); account == "1" {
		return true
	}
	switch claims.Provider {
	case "", claims.Issuer, p.TokenIssuer + "/" + claims.DirectoryID + "/":
		return false
	}
	return true
}
