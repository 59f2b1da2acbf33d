package microsoft

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

const (
	codeLifetime         = 10 * time.Minute
	refreshTokenLifetime = 90 * 24 * time.Hour
	spaTokenLifetime     = 24 * time.Hour
	idTokenLifetime      = time.Hour
	accessTokenLifetime  = time.Hour // the minimum; up to accessTokenSpread is added at random
)

const accessTokenSpread = 30 * time.Minute

// backdated is how far in the past iat and nbf are at most (docs/reference/microsoft-identity.md §3.9).
const backdated = 5 * time.Minute

// Codes and refresh tokens are as long as real ones, so that tests find fields and columns that are too short.
const (
	codeBytes         = 600
	refreshTokenBytes = 900
)

// opaqueValue returns a random value of the given number of bytes in Microsoft's format.
func opaqueValue(prefix string, bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b)
	return prefix + base64.RawURLEncoding.EncodeToString(b)
}

// issueCode issues an authorization code.
func (st *state) issueCode(c code) string {
	value := opaqueValue("1.AX", codeBytes)
	st.codes[digestOf(value)] = &c
	return value
}

// issueRefreshToken issues a refresh token, which lives for 90 days from t.issued.
func (st *state) issueRefreshToken(t refreshToken) string {
	return st.addRefreshToken(newRefreshToken(), t)
}

func (st *state) addRefreshToken(value string, t refreshToken) string {
	st.refresh[digestOf(value)] = &t
	return value
}

func newRefreshToken() string { return opaqueValue("1.AR", refreshTokenBytes) }

// A tokenRequest is a checked request for tokens.
type tokenRequest struct {
	app       *application
	directory *directory
	user      *user
	auth      authentication
	host      Host
	audience  string
	granted   []string // permissions of host
	certified bool     // the application authenticated with a certificate
	address   string
	nonce     string
	version   int // of the endpoint
	now       time.Time
}

// issuedAt returns a value for iat and nbf: as Microsoft's, it is up to five minutes in the past.
func (r tokenRequest) issuedAt() (int64, error) {
	back, err := upTo(backdated + time.Second)
	return r.now.Add(-back).Unix(), err
}

// upTo returns a random number of whole seconds below limit.
func upTo(limit time.Duration) (time.Duration, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(int64(limit/time.Second)))
	if err != nil {
		return 0, err
	}
	return time.Duration(n.Int64()) * time.Second, nil
}

// accessToken issues an access token. The API decides its format, which is v1.0 for all three
// (docs/reference/microsoft-identity.md §4.3).
func (s *Simulator) accessToken(r tokenRequest) (token string, life time.Duration, err error) {
	spread, err := upTo(accessTokenSpread)
	if err != nil {
		return "", 0, err
	}
	life = accessTokenLifetime + spread
	issued, err := r.issuedAt()
	if err != nil {
		return "", 0, err
	}
	proof := "1"
	if r.certified {
		proof = "2"
	}
	claims := map[string]any{
		"aud": r.audience, "iss": s.cfg.Cloud.Issuer + "/" + r.directory.ID + "/",
		"iat": issued, "nbf": issued, "exp": r.now.Add(life).Unix(),
		"acr": "1", "amr": r.auth.amr, "appid": r.app.ID, "appidacr": proof, "ipaddr": r.address,
		"name": r.user.Name, "oid": r.user.objectID, "rh": opaqueValue("1.", 24), "scp": strings.Join(r.granted, " "),
		"sub": pairwise(r.user, r.app), "tid": r.directory.ID, "tenant_region_scope": "EU",
		"unique_name": r.user.UPN, "upn": r.user.UPN, "uti": opaqueValue("", 16), "ver": "1.0",
	}
	if r.host == Graph && r.user.GlobalAdmin {
		claims["wids"] = []string{globalAdministrator}
	}
	amend(claims, s.state.odd.AccessTokenClaims)
	if s.state.odd.OpaqueAccessTokens {
		token = opaqueValue("EwB", 300)
		s.state.opaque[digestOf(token)] = claims
		return token, life, nil
	}
	token, err = s.state.keys.sign(claims)
	return token, life, err
}

// idToken issues an id_token. Only version 1 has amr (docs/reference/microsoft-identity.md §4.1).
func (s *Simulator) idToken(r tokenRequest) (string, error) {
	issued, err := r.issuedAt()
	if err != nil {
		return "", err
	}
	claims := map[string]any{
		"aud": r.app.ID, "iat": issued, "nbf": issued, "exp": r.now.Add(idTokenLifetime).Unix(),
		"name": r.user.Name, "oid": r.user.objectID, "rh": opaqueValue("1.", 24), "sub": pairwise(r.user, r.app),
		"tid": r.directory.ID, "uti": opaqueValue("", 16),
	}
	if r.version == 1 {
		claims["iss"] = s.cfg.Cloud.Issuer + "/" + r.directory.ID + "/"
		claims["amr"], claims["ver"] = r.auth.amr, "1.0"
		claims["upn"], claims["unique_name"] = r.user.UPN, r.user.UPN
	} else {
		claims["iss"] = s.LoginURL() + "/" + r.directory.ID + "/v2.0"
		claims["preferred_username"], claims["ver"] = r.user.UPN, "2.0"
	}
	if r.nonce != "" {
		claims["nonce"] = r.nonce
	}
	if r.user.Guest {
		claims["idp"] = s.cfg.Cloud.Issuer + "/" + guestHome(r.user) + "/"
	}
	if slices.Contains(r.app.OptionalClaims, "acct") {
		claims["acct"] = 0
		if r.user.Guest {
			claims["acct"] = 1
		}
	}
	amend(claims, s.state.odd.IDTokenClaims)
	return s.signIDToken(claims)
}

// signIDToken signs an id_token as Oddities.IDTokenSignature says.
func (s *Simulator) signIDToken(claims map[string]any) (string, error) {
	switch s.state.odd.IDTokenSignature {
	case Unsigned:
		header := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`))
		payload, err := json.Marshal(claims)
		return header + "." + base64.RawURLEncoding.EncodeToString(payload) + ".", err
	case SignedWithForeignKey, UnknownKey:
		foreign, err := rsa.GenerateKey(rand.Reader, keyBits)
		if err != nil {
			return "", err
		}
		kid := s.state.keys.signing.kid
		if s.state.odd.IDTokenSignature == UnknownKey {
			kid = "unpublished"
		}
		return signWith(kid, foreign, claims)
	default:
		return s.state.keys.sign(claims)
	}
}

func amend(claims, with map[string]any) {
	maps.Copy(claims, with)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
}

// pairwise returns the subject of a user, which differs between applications.
func pairwise(u *user, a *application) string {
	sum := sha256.Sum256([]byte(u.objectID + "|" + a.ID))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// guestHome returns a made-up home directory of a guest, always the same one.
func guestHome(u *user) string {
	return uuid.NewSHA1(uuid.NameSpaceDNS, []byte(u.UPN[strings.Index(u.UPN, "@")+1:])).String()
}

// clientInfo returns what identifies the account for MSAL (docs/reference/microsoft-identity.md §8.4).
func clientInfo(u *user, d *directory) string {
	b, _ := json.Marshal(map[string]string{"uid": u.objectID, "utid": d.ID})
	return base64.RawURLEncoding.EncodeToString(b)
}
