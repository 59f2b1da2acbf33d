package token_test

import (
	"strings"
	"testing"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// TestCompareSubject_NamesAnotherAccountAndDirectory compares answers that were asked for in the partner directory and in a
// customer directory.
func TestCompareSubject_NamesAnotherAccountAndDirectory(t *testing.T) {
	const customerID, customerOID = "66666666-ffff-4fff-8fff-666666666666", "oid-in-the-customer-directory"
	g := token.Grant{DirectoryID: directoryID, ConsentedBy: token.Person{ObjectID: "oid-1"}}
	for name, tc := range map[string]struct {
		asked    string // directory
		got      token.Subject
		unknown  bool // the grant does not say who consented
		want     token.Answer
		mismatch string // what the failure has seen; empty for no failure
	}{
		"partner":                        {directoryID, token.Subject{directoryID, "oid-1"}, false, token.Yes, ""},
		"partner, in upper case":         {directoryID, token.Subject{strings.ToUpper(directoryID), "OID-1"}, false, token.Yes, ""},
		"partner, asked in upper case":   {strings.ToUpper(directoryID), token.Subject{directoryID, "oid-2"}, false, token.No, "oid-2"},
		"partner, another account":       {directoryID, token.Subject{directoryID, "oid-2"}, false, token.No, "oid-2"},
		"partner, another directory":     {directoryID, token.Subject{customerID, "oid-1"}, false, token.No, customerID},
		"partner, unreadable account":    {directoryID, token.Subject{directoryID, ""}, false, token.Unknown, ""},
		"partner, unreadable directory":  {directoryID, token.Subject{"", "oid-1"}, false, token.Unknown, ""},
		"partner, nothing readable":      {directoryID, token.Subject{}, false, token.Unknown, ""},
		"partner, nobody known":          {directoryID, token.Subject{directoryID, "oid-1"}, true, token.Unknown, ""},
		"unreadable and another account": {directoryID, token.Subject{"", "oid-2"}, false, token.No, "oid-2"},
		// An account has another object ID in every directory, so that only the directory is compared.
		"customer":                        {customerID, token.Subject{customerID, customerOID}, false, token.Yes, ""},
		"customer, in upper case":         {customerID, token.Subject{strings.ToUpper(customerID), customerOID}, false, token.Yes, ""},
		"customer, unreadable account":    {customerID, token.Subject{customerID, ""}, false, token.Yes, ""},
		"customer, nobody known":          {customerID, token.Subject{customerID, customerOID}, true, token.Yes, ""},
		"customer, unreadable directory":  {customerID, token.Subject{"", customerOID}, false, token.Unknown, ""},
		"customer, the partner directory": {customerID, token.Subject{directoryID, "oid-1"}, false, token.No, directoryID},
		"customer, another customer":      {customerID, token.Subject{otherID, customerOID}, false, token.No, otherID},
	} {
		t.Run(name, func(t *testing.T) {
			g := g
			if tc.unknown {
				g.ConsentedBy = token.Person{}
			}
			got, err := token.CompareSubject(tenant.Client{DirectoryID: tc.asked}, &g, tc.got)
			if got != tc.want || (err != nil) != (tc.mismatch != "") {
				t.Fatalf("compareSubject() = %s, %v, want %s", got, err, tc.want)
			}
			if err != nil && (!failure.Is(err, failure.AccountMismatch) || failure.From(err).Params["seen"] != tc.mismatch) {
				t.Errorf("compareSubject() = %v, want %s that names %s", err, failure.AccountMismatch, tc.mismatch)
			}
		})
	}
}
