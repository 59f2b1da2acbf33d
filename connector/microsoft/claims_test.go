package microsoft_test

import (
	"testing"

	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/token"

	"github.com/google/go-cmp/cmp"
)

func TestClaims_AreReadWhereTheTokenIsReadable(t *testing.T) {
	h := newHarness(t)
	opaque := token.AccessTokenClaims{MFA: token.Unknown}
	with := func(amr any) secret.Text {
		return unsigned(t, map[string]any{"tid": "AAAAAAAA-2222-4333-8444-555555555555", "appid": "BBBBBBBB-BBBB-4CCC-8DDD-EEEEEEEEEEEE", "amr": amr})
	}
	seen := func(mfa token.Answer) token.AccessTokenClaims {
		return token.AccessTokenClaims{Readable: true, DirectoryID: "aaaaaaaa-2222-4333-8444-555555555555", ApplicationID: "bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee", MFA: mfa}
	}
	for name, tc := range map[string]struct {
		in   secret.Text
		want token.AccessTokenClaims
	}{
		"empty":           {secret.Text{}, opaque},
		"opaque":          {secret.New("EwB4A8l6BAAU"), opaque},
		"five parts":      {secret.New("a.b.c.d.e"), opaque},
		"not base64":      {secret.New("a.!.c"), opaque},
		"not JSON":        {secret.New("a.aGVsbG8.c"), opaque},
		"JSON null":       {secret.New("a.bnVsbA.c"), opaque},
		"no directory":    {unsigned(t, map[string]any{"appid": application, "amr": []string{"mfa"}}), opaque},
		"no application":  {unsigned(t, map[string]any{"tid": directory, "amr": []string{"mfa"}}), opaque},
		"tid is a number": {unsigned(t, map[string]any{"tid": 1, "appid": application}), opaque},
		"v2 token":        {unsigned(t, map[string]any{"tid": directory, "azp": application}), token.AccessTokenClaims{Readable: true, DirectoryID: directory, ApplicationID: application, MFA: token.Unknown}},
		"mfa":             {with([]string{"pwd", "mfa"}), seen(token.Yes)},
		"password only":   {with([]string{"pwd"}), seen(token.No)},
		"no method":       {with([]string{}), seen(token.No)},
		"near miss":       {with([]string{"MFA?", "xmfa"}), seen(token.No)},
		"amr null":        {with(nil), seen(token.Unknown)},
		"amr is a text":   {with("mfa"), seen(token.Unknown)},
		"amr is a map":    {with(map[string]bool{"mfa": true}), seen(token.Unknown)},
	} {
		if diff := cmp.Diff(tc.want, h.client.Claims(tc.in)); diff != "" {
			t.Errorf("Claims(%s) (-want +got):\n%s", name, diff)
		}
	}
}
