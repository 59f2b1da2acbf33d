// Package message writes notices in people's languages, by templates that an operator can replace.
package message

import (
	"cmp"
	"strings"
	"time"

	"azure-partner-connector/connector/notify"
)

// A View is what templates read of a notice. Each text is one line.
type View struct {
	Kind     string // alarm, expiry_warning and so on
	Language string // de, en, es, fr, it, ja, nl, pt or ru
	Headline string // what happened, in one sentence
	Lines    []string
	Facts    []Fact // to find the tenant and the log's records

	Name        string // the reseller
	Marketplace string
	Instance    string
	Tenant      string // empty in a notice about the instance
	Account     string
	State       string
	Code        string // of the failure; empty without one
	Reference   string // of the log's records
	At          time.Time
	Ends        time.Time // zero if nothing ends
	Days        int       // until Ends
	Escalated   bool      // the provider is told because the reseller did nothing
	Customers   []notify.CustomerEnd
	Count       int // of all customers
}

// A Digest is what templates read of several notices in one mail.
type Digest struct {
	Language string
	Headline string // how many there are
	Count    int
	Notices  []View // in the order in which they happened
}

// A Fact is a fact about a notice with its name in the language of the notice.
type Fact struct{ Name, Value string }

// ViewOf returns what templates read of n in a language, one of Languages.
func ViewOf(n notify.Notice, language string) (View, error) {
	language = cmp.Or(language, English)
	translate, err := words(language)
	if err != nil {
		return View{}, err
	}
	v := View{
		Kind: string(n.Kind), Language: language, Headline: oneLine(n.HeadlineIn(translate)),
		Name: oneLine(n.Name), Marketplace: oneLine(n.Marketplace), Instance: n.InstanceKey, Tenant: n.TenantID, Account: n.AccountID,
		State: string(n.State), At: n.At, Ends: n.Ends, Days: n.Days, Customers: n.Customers, Count: n.Count, Escalated: n.Escalated(),
	}
	for _, line := range n.LinesIn(translate) {
		v.Lines = append(v.Lines, oneLine(line))
	}
	if n.Reason != nil {
		v.Code, v.Reference = string(n.Reason.Code), n.Reason.Reference
	}
	for _, fact := range []Fact{
		{"Marketplace", v.Marketplace}, {"Instance", v.Instance}, {"Tenant", v.Tenant}, {"State", v.State}, {"Reason", v.Code}, {"Reference", v.Reference},
	} {
		if fact.Value != "" {
			v.Facts = append(v.Facts, Fact{translate(fact.Name), oneLine(fact.Value)})
		}
	}
	return v, nil
}

// DigestOf returns what templates read of notices in a language.
func DigestOf(notices []notify.Notice, language string) (Digest, error) {
	language = cmp.Or(language, English)
	translate, err := words(language)
	if err != nil {
		return Digest{}, err
	}
	d := Digest{Language: language, Headline: notify.DigestHeadline(len(notices), translate), Count: len(notices)}
	for _, n := range notices {
		v, err := ViewOf(n, language)
		if err != nil {
			return Digest{}, err
		}
		d.Notices = append(d.Notices, v)
	}
	return d, nil
}

// oneLine returns text without line breaks: in a mail's header, they would let a name add other headers.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
