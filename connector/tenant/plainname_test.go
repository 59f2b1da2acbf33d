package tenant_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"azure-partner-connector/connector/tenant"
)

func TestPlainName_HasNothingInvisible(t *testing.T) {
	for name, want := range map[string]string{
		"Fabrikam Cloud GmbH":              "Fabrikam Cloud GmbH",
		"Größe & Söhne – 株式会社 ‘A’":         "Größe & Söhne – 株式会社 ‘A’",
		"شركة السحابة":                     "شركة السحابة",
		"gro.\u202Etfosorcim\u202C":        "gro.tfosorcim",
		"\u2066A\u2069\u200E\u200F\u061CB": "AB",
		"a\u0000b\u001Bc\u0085d\u007F":     "abc d",
		"line\r\nbreak\u2028other\tend ":   "line break other end",
		"\u200B\uFEFF\u00AD\u2060":         "",
		"\u3164\u115F\u2800\uFFA0":         "",
		"bad \xff bytes":                   "bad \uFFFD bytes",
		"tag\U000E0041\uE000":              "tag",
	} {
		if got := tenant.PlainName(name); got != want {
			t.Errorf("PlainName(%+q) = %+q, want %+q", name, got, want)
		}
	}
	if got := tenant.ShownName(strings.Repeat("界", 500)); utf8.RuneCountInString(got) != 100 || !strings.HasSuffix(got, "…") {
		t.Errorf("ShownName of 500 characters has %d, want 100 with an ellipsis", utf8.RuneCountInString(got))
	}
}
