package microsoft

import (
	"slices"
	"strings"
)

// A listing is an account as the sign-in page lists it.
type listing struct{ UPN, Name, About string }

// list puts all accounts on the sign-in page, those of its directory first. The caller holds mu.
func (s *Simulator) list(v *view) {
	f := s.state.flows[v.Flow]
	if f == nil {
		return
	}
	for _, u := range s.state.users {
		one := listing{u.UPN, u.Name, u.about()}
		if f.directory == nil || f.directory.ID == u.DirectoryID {
			v.Listed = append(v.Listed, one)
			continue
		}
		if d := s.state.directories[u.DirectoryID]; d != nil {
			one.About = d.Name + ": " + one.About
		}
		v.Elsewhere = append(v.Elsewhere, one)
	}
	byAddress := func(a, b listing) int { return strings.Compare(a.UPN, b.UPN) }
	slices.SortFunc(v.Listed, byAddress)
	slices.SortFunc(v.Elsewhere, byAddress)
}

// about returns the roles of an account and its second factor.
func (u *user) about() string {
	var roles []string
	if u.Guest {
		roles = append(roles, "guest")
	}
	if u.GlobalAdmin {
		roles = append(roles, "Global admin")
	}
	if u.AdminAgent || u.NestedAdminAgent {
		roles = append(roles, "Admin agent")
	}
	if len(roles) == 0 {
		roles = []string{"no role"}
	}
	return strings.Join(roles, ", ") + "; " + map[MFA]string{
		MFANone:       "no second factor yet",
		MFARegistered: "MFA when it is required",
		MFARequired:   "MFA",
		MFAExternal:   "a third party's second factor, which does not count as MFA",
		MFAPasskey:    "passkey",
	}[u.MFA]
}
