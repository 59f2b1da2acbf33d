package notify

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// A Kind is the kind of a notice. Receivers branch on it, so the names never change their meaning.
type Kind string

// The kinds of notice.
const (
	Alarm             Kind = "alarm"              // renewal fails, or a person must act
	ExpiryWarning     Kind = "expiry_warning"     // the token expires soon
	CredentialWarning Kind = "credential_warning" // a credential of the application expires soon
	Recovery          Kind = "recovery"           // a problem that people were notified of has ended
	ConsentWaiting    Kind = "consent_waiting"    // a consent waits for its confirmation or its claim code
	Incident          Kind = "incident"           // something happened that the provider has to know
	Test              Kind = "test"               // an operator tries the channels
	// RelationshipWarning is for relationships with customers that end soon.
	RelationshipWarning Kind = "relationship_warning"
	Reminder            Kind = "reminder" // the provider reminds the reseller that somebody has to act
)

// Kinds returns all kinds.
func Kinds() []Kind {
	return []Kind{Alarm, ExpiryWarning, CredentialWarning, Recovery, ConsentWaiting, Incident, Test, RelationshipWarning, Reminder}
}

// A Notice is one message to people. It contains no secret.
type Notice struct {
	ID   string    `json:"id"` // unique; the same if the notice is sent again
	At   time.Time `json:"at"`
	Kind Kind      `json:"kind"`

	InstanceKey string `json:"instance"`
	// TenantID is empty in a notice about the instance, which is for the provider.
	TenantID    string `json:"tenant,omitempty"`
	Name        string `json:"name,omitempty"` // of the tenant
	Marketplace string `json:"marketplace,omitempty"`
	// AccountID is the platform account of the tenant; empty if unknown.
	AccountID string `json:"account,omitempty"`
	// Provider says that the notice is for the provider, not for the tenant's account.
	Provider bool `json:"provider,omitempty"`

	State  token.State     `json:"state,omitempty"`
	Reason *failure.Record `json:"reason,omitempty"` // nil without a problem
	Ends   time.Time       `json:"ends,omitzero"`    // of the token, of the credential in its warning, or of the wait for a consent
	Days   int             `json:"days,omitempty"`   // until Ends, rounded up
	// Credential is the name of the credential in its warning: applicationSecret and so on.
	Credential string `json:"credential,omitempty"`
	// Customers are those whose relationships end soon, the first to end first, in a RelationshipWarning; Count counts them all.
	Customers []CustomerEnd `json:"customers,omitempty"`
	Count     int           `json:"count,omitempty"`

	// Since is when the reseller alone was notified of the problem, in the alarm that tells the provider that it continues; zero in
	// any other notice.
	Since time.Time `json:"since,omitzero"`

	// By is who asked for a Reminder.
	By string `json:"by,omitempty"`
}

// Escalated reports whether n tells the provider of a problem that the reseller has known for a while.
func (n Notice) Escalated() bool { return !n.Since.IsZero() }

// daysUntil returns the days from now to ends, 0 when ends is zero or has passed. It rounds up, so that a warning that is sent
// a minute late still has its number of days.
func daysUntil(ends, now time.Time) int {
	if ends.IsZero() || !now.Before(ends) {
		return 0
	}
	return int(math.Ceil(float64(ends.Sub(now)) / float64(day)))
}

// Texts of notices, with __NAME__ placeholders. The sentences of failure codes say what happened to a token and what to do.
const (
	headActionRequired = "The refresh token of __name__ needs a new sign-in."
	headMisconfigured  = "The refresh token of __name__ can't be renewed until a setting is changed."
	headRenewalFailing = "The refresh token of __name__ couldn't be renewed for more than a day. We'll keep trying."
	headExpired        = "The refresh token of __name__ has expired."
	headSuspended      = "The subscription of __name__ is suspended: no access token is issued until it is resumed."
	headUnserved       = "The marketplace lost the subscription of __name__, or its account: no access token is issued."
	headExpires        = "The refresh token of __name__ expires in __days__ days."
	headExpiresNow     = "The refresh token of __name__ expires within a day."
	headDisowned       = "A consent for __name__ (account __account__) was taken back right after it was granted."
	headIncident       = "Something happened at __name__ that needs the provider's attention."
	headRecovered      = "The refresh token of __name__ works again."
	headCredential     = "The __credential__ of the Microsoft application of __name__ expires in __days__ days."
	headCredentialNow  = "The __credential__ of the Microsoft application of __name__ expires within a day."
	headTest           = "This is a test of the notices of the Azure Partner connector."
	headWaiting        = "A consent for the refresh token of __name__ is waiting for you until __date__."

	headReminder = "Your provider reminds you: the refresh token of __name__ needs your attention."

	headDigest = "Notices of the Azure Partner connector: __count__."

	headRelationships = "Relationships (GDAP) of __name__ with customers end soon: __count__."

	lineCustomer = "__customer__: until __date__."
	lineMore     = "Further customers: __more__."
	adviceExtend = "Renew these relationships in Partner Center, or turn on automatic extension. Once one has ended, access tokens for its customer are refused."

	lineReminder   = "__by__ asked for this reminder."
	lineEscalated  = "The reseller was notified on __since__, and the problem continues."
	lineEnds       = "Without another renewal, it expires on __date__."
	lineTest       = "Someone requested it with connector notify test. Notices about refresh tokens arrive the same way."
	adviceRecovery = "There's nothing to do."
	adviceRenew    = "Use Renew Now. If that fails, use Update Refresh Token."
	adviceAdd      = "Unless another credential takes over, add a client secret or certificate to the app registration and enter it in the settings. The refresh token stays valid."
)

// Texts returns the English texts of notices, which translations have as keys.
func Texts() []string {
	texts := []string{
		headActionRequired, headMisconfigured, headRenewalFailing, headExpired, headSuspended, headUnserved, headExpires, headExpiresNow, headDisowned, headIncident,
		headRecovered, headCredential, headCredentialNow, headTest, headWaiting, headRelationships, headReminder, headDigest,
		lineCustomer, lineMore, lineReminder, lineEscalated, lineEnds, lineTest, adviceExtend, adviceRecovery, adviceRenew, adviceAdd, lastCredential,
	}
	return append(texts, slices.Sorted(maps.Values(credentialNames()))...)
}

// Headline returns n in one sentence.
func (n Notice) Headline() string { return n.HeadlineIn(english) }

// HeadlineIn is Headline in the language of translate, which translates texts with __name__ placeholders.
func (n Notice) HeadlineIn(translate func(text string) string) string {
	return failure.Fill(translate(n.headline()), n.params(translate))
}

// DigestHeadline returns the headline of a message with several notices, in the language of translate.
func DigestHeadline(count int, translate func(text string) string) string {
	return failure.Fill(translate(headDigest), map[string]string{"count": strconv.Itoa(count)})
}

func english(text string) string { return text }

func (n Notice) headline() string {
	switch n.Kind {
	case ExpiryWarning:
		return either(n.Days <= 1, headExpiresNow, headExpires)
	case CredentialWarning:
		return either(n.Days <= 1, headCredentialNow, headCredential)
	case Recovery:
		return headRecovered
	case ConsentWaiting:
		return headWaiting
	case Incident:
		return headIncident
	case Test:
		return headTest
	case RelationshipWarning:
		return headRelationships
	case Reminder:
		return headReminder
	}
	if n.Reason != nil && n.Reason.Code == failure.ConsentDisowned {
		return headDisowned
	}
	switch n.State {
	case token.StateExpired:
		return headExpired
	case token.StateMisconfigured:
		return headMisconfigured
	case token.StateSuspended:
		if n.Reason != nil && n.Reason.Code != failure.Suspended {
			return headUnserved
		}
		return headSuspended
	case token.StateRenewalFailing:
		return headRenewalFailing
	}
	return headActionRequired
}

// Lines returns one sentence or more each for the reason, the deadline and the advice.
func (n Notice) Lines() []string { return n.LinesIn(english) }

// LinesIn is Lines in the language of translate.
func (n Notice) LinesIn(translate func(text string) string) []string {
	var lines []string
	advice := adviceRenew
	switch n.Kind {
	case Test:
		return []string{translate(lineTest), translate(adviceRecovery)}
	case RelationshipWarning:
		return n.relationshipLines(translate)
	case Recovery:
		advice = adviceRecovery
	case CredentialWarning:
		advice = adviceAdd
	}
	advice = translate(advice)
	if n.Kind == Reminder {
		lines = append(lines, failure.Fill(translate(lineReminder), n.params(translate)))
	}
	// The headline or the deadline already says that a token is about to expire.
	if n.Reason != nil && n.Reason.Code != failure.GrantExpiring {
		sentence, whatToDo := n.Reason.Code.Template()
		lines, advice = append(lines, failure.Fill(translate(sentence), n.Reason.Params)), failure.Fill(translate(whatToDo), n.Reason.Params)
	}
	if n.Escalated() {
		lines = append(lines, failure.Fill(translate(lineEscalated), n.params(translate)))
	}
	// A token that Microsoft does not accept any more has no deadline.
	if n.Days > 0 && n.Kind != CredentialWarning && n.Kind != ConsentWaiting && n.State != token.StateActionRequired {
		lines = append(lines, failure.Fill(translate(lineEnds), n.params(translate)))
	}
	return append(lines, advice)
}

// relationshipLines returns a line for each named customer, how many others there are, and the advice.
func (n Notice) relationshipLines(translate func(text string) string) []string {
	var lines []string
	for _, c := range n.Customers {
		lines = append(lines, failure.Fill(translate(lineCustomer), map[string]string{"customer": c.Name, "date": ShownTime(c.Ends)}))
	}
	if more := n.Count - len(n.Customers); more > 0 {
		lines = append(lines, failure.Fill(translate(lineMore), map[string]string{"more": strconv.Itoa(more)}))
	}
	return append(lines, translate(adviceExtend))
}

// ShownTime returns a time as notices write it.
func ShownTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func (n Notice) params(translate func(text string) string) map[string]string {
	return map[string]string{
		"credential": translate(cmp.Or(credentialNames()[n.Credential], lastCredential)),
		"name":       n.Name, "account": cmp.Or(n.AccountID, "?"), "days": strconv.Itoa(n.Days), "date": ShownTime(n.Ends), "count": strconv.Itoa(n.Count),
		"since": ShownTime(n.Since), "by": n.By,
	}
}

// lastCredential is a credential in sentences of programs that did not name it.
const lastCredential = "last credential"

// credentialNames returns what credentials are called in sentences.
func credentialNames() map[string]string {
	return map[string]string{
		tenant.CertificateName: "certificate", tenant.NextCertificateName: "next certificate",
		tenant.SecretName: "client secret", tenant.NextSecretName: "next client secret",
	}
}

func either(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}
