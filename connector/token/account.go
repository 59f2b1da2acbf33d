package token

import (
	"context"
	"strings"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
)

// sameAccount reports whether two consents are of one person. Names change; an account without an object ID is unknown,
// which is not the same person.
func sameAccount(a, b Person) bool {
	return a.ObjectID != "" && strings.EqualFold(a.ObjectID, b.ObjectID)
}

// compareSubject compares what a redemption was for with g: in the directory of g the account and the directory, in a
// customer directory, where accounts have other object IDs, only the directory that asked names. It returns yes, or unknown
// when anything of it could not be read, or the failure account_mismatch when something differs.
func compareSubject(asked tenant.Client, g *Grant, got Subject) (Answer, error) {
	comparisons := [][2]string{{got.DirectoryID, asked.DirectoryID}}
	if strings.EqualFold(asked.DirectoryID, g.DirectoryID) {
		comparisons = append(comparisons, [2]string{got.ObjectID, g.ConsentedBy.ObjectID})
	}
	answer := Yes
	for _, c := range comparisons {
		seen, expected := c[0], c[1]
		switch {
		case seen == "" || expected == "":
			answer = Unknown
		case !strings.EqualFold(seen, expected):
			return No, failure.New(failure.AccountMismatch, "seen", seen, "expected", expected)
		}
	}
	return answer, nil
}

// redeemFor redeems a refresh token of g for api and refuses an answer for another account or directory.
func (s *Service) redeemFor(ctx context.Context, c tenant.Client, g *Grant, refreshToken secret.Text, api API) (Redemption, error) {
	redeemed, err := s.cfg.Microsoft.Renew(ctx, c, refreshToken, api)
	if err != nil {
		return Redemption{}, err
	}
	if err := storable(redeemed); err != nil {
		return Redemption{}, err
	}
	if _, err := compareSubject(c, g, redeemed.Subject); err != nil {
		f := failure.From(err)
		s.cfg.Log.ErrorContext(ctx, "Microsoft answered for another account or directory; nothing of it is stored", "tenant", g.TenantID,
			"api", api, "seen", f.Params["seen"], "expected", f.Params["expected"], "reference", failure.Reference(ctx))
		return Redemption{}, err
	}
	return redeemed, nil
}
