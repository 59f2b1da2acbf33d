package tenant

import (
	netmail "net/mail"
	"slices"
	"strconv"
	"strings"

	"azure-partner-connector/connector/failure"
)

const (
	// maxRecipients is how many mailboxes of a reseller receive notices: enough for a team, too few to send mail to many others.
	maxRecipients = 5
	// maxAddress is the length, in bytes, of the longest address that a mail server takes (RFC 5321 §4.5.3.1.3).
	maxAddress = 254
)

// Notices says how a reseller is notified by mail of changes of its token.
type Notices struct {
	Recipients []string `json:"recipients,omitempty"` // mail addresses; none: no mails
	Language   string   `json:"language,omitempty"`   // one of Languages; empty: that of the provider
}

// Languages returns the languages of notices, screens and onboarding pages.
func Languages() []string { return []string{"de", "en", "es", "fr", "it", "ja", "nl", "pt", "ru"} }

// checked returns n in the form in which it is stored, or what is wrong with it.
func (n Notices) checked() (Notices, error) {
	refuse := func(reason string) (Notices, error) {
		return Notices{}, failure.New(failure.BadRequest, "reason", reason)
	}
	invalid := func() (Notices, error) {
		return Notices{}, failure.New(failure.RecipientsInvalid, "most", strconv.Itoa(maxRecipients))
	}
	checked := Notices{Language: n.Language}
	if n.Language != "" && !slices.Contains(Languages(), n.Language) {
		return refuse("noticeLanguage must be empty or one of " + strings.Join(Languages(), ", "))
	}
	for _, entered := range n.Recipients {
		address := strings.TrimSpace(entered)
		if address == "" {
			continue
		}
		parsed, err := netmail.ParseAddress(address)
		if err != nil || parsed.Address != address || len(address) > maxAddress {
			return invalid()
		}
		if !slices.ContainsFunc(checked.Recipients, func(known string) bool { return strings.EqualFold(known, address) }) {
			checked.Recipients = append(checked.Recipients, address)
		}
	}
	if len(checked.Recipients) > maxRecipients {
		return invalid()
	}
	return checked, nil
}
