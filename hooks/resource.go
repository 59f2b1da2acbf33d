package hooks

import (
	"encoding/json"
	"regexp"
	"strings"
	"time"

	"azure-partner-connector/connector/clock"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
)

// dateLayout is the layout of the date on which a secret expires.
const dateLayout = "2006-01-02"

// typeIDs matches the type ids of a service: the operator may have built the package with another package id, and the
// platform may know a later minor version.
var typeIDs = map[string]*regexp.Regexp{
	appService:    regexp.MustCompile(`^http://[^ ]+/app/[1-9][0-9]*\.[0-9]+$`),
	tenantService: regexp.MustCompile(`^http://[^ ]+/tenant/[1-9][0-9]*\.[0-9]+$`),
}

// A resource is an APS resource as the platform sends it (docs/reference/aps-protocol.md §3.2). Unknown keys are ignored.
type resource struct {
	typeID          string // empty when it was not sent
	id              string // in lower case; empty when it was not sent
	apsSubscription string // aps.subscription; empty when it was not sent
	properties      map[string]json.RawMessage
}

// parseResource reads a resource of a service. A body may carry the key pair of the platform's certificate mode: it is
// ignored, because the request is signed by OAuth (docs/reference/aps-protocol.md §2.4).
func parseResource(service string, body []byte) (resource, error) {
	var properties map[string]json.RawMessage
	if err := json.Unmarshal(body, &properties); err != nil || properties == nil {
		return resource{}, badRequest("the body is not a JSON object")
	}
	out := resource{properties: properties}
	text, sent := properties["aps"]
	if !sent {
		return out, nil
	}
	var aps struct {
		Type         string          `json:"type"`
		ID           string          `json:"id"`
		Subscription json.RawMessage `json:"subscription"`
	}
	if err := json.Unmarshal(text, &aps); err != nil {
		return resource{}, badRequest("aps is not an object with a type and an id")
	}
	if aps.Type != "" && !typeIDs[service].MatchString(aps.Type) {
		return resource{}, badRequest("aps.type is not a type of the service " + service)
	}
	out.typeID = aps.Type
	if aps.ID != "" {
		var ok bool
		if out.id, ok = canonical(aps.ID); !ok {
			return resource{}, badRequest("aps.id is not a UUID")
		}
	}
	var subscription string
	if json.Unmarshal(aps.Subscription, &subscription) == nil {
		out.apsSubscription, _ = canonical(subscription)
	}
	return out, nil
}

// account returns the account that the resource is linked to, or "".
func (r resource) account() string { return r.link("account") }

// subscription returns the subscription that the resource belongs to, or "".
func (r resource) subscription() string {
	if r.apsSubscription != "" {
		return r.apsSubscription
	}
	return r.link("subscription")
}

// link returns the id of a linked resource, or "". Some platforms send it only as part of the link's address.
func (r resource) link(name string) string {
	var link struct {
		APS struct {
			ID   string `json:"id"`
			Href string `json:"href"`
		} `json:"aps"`
	}
	if json.Unmarshal(r.properties[name], &link) != nil {
		return ""
	}
	if link.APS.ID == "" {
		link.APS.ID = link.APS.Href[strings.LastIndexByte(link.APS.Href, '/')+1:]
	}
	id, _ := canonical(link.APS.ID)
	return id
}

// settings returns base changed by the properties of r. A missing property changes nothing, and neither does null, which the
// platform sends for what it does not know, unless nullRemoves. "" clears a property, except a credential, because the platform
// sends "" for every one that isn't new.
func (r resource) settings(base tenant.Settings, nullRemoves bool) (tenant.Settings, error) {
	p := reader{properties: r.properties, nullRemoves: nullRemoves}
	p.text("cloud", &base.Cloud)
	p.application(&base.Application)
	p.text("mfaRequest", &base.MFARequest)
	p.borrowers("borrowers", &base.Borrowers)
	p.text("customerDirectories", &base.CustomerDirectories)
	p.flag("skipLanding", &base.SkipLanding)
	p.flag("directLink", &base.DirectLink)
	p.flag("tenantApplication", &base.TenantApplication)
	return base, p.err
}

// tenant returns base changed by the properties of r, by the rules of settings.
func (r resource) tenant(base tenant.Tenant, nullRemoves bool) (tenant.Tenant, error) {
	p := reader{properties: r.properties, nullRemoves: nullRemoves}
	p.text("directory", &base.Directory)
	p.application(&base.Application)
	p.texts("noticeRecipients", &base.Notices.Recipients)
	p.text("noticeLanguage", &base.Notices.Language)
	return base, p.err
}

// A reader reads declared properties of a resource. After a property of the wrong type it reads nothing more.
type reader struct {
	properties  map[string]json.RawMessage
	nullRemoves bool // null removes a credential, and clears other properties
	err         error
}

func (p *reader) read(name string, into any, wanted string) (sent bool) {
	text, sent := p.properties[name]
	if !sent || p.err != nil {
		return false
	}
	if err := json.Unmarshal(text, into); err != nil {
		p.refuse(name, wanted)
		return false
	}
	return true
}

func (p *reader) refuse(name, wanted string) {
	p.err = failure.New(failure.BadRequest, "reason", "the property "+name+" must be "+wanted)
}

func (p *reader) text(name string, into *string) {
	var value *string
	switch {
	case !p.read(name, &value, "a string"), value == nil && !p.nullRemoves:
	case value == nil:
		*into = ""
	default:
		*into = strings.TrimSpace(*value) // people paste spaces
	}
}

func (p *reader) texts(name string, into *[]string) {
	var values []string
	if p.read(name, &values, "a list of strings") && (values != nil || p.nullRemoves) {
		*into = values
	}
}

func (p *reader) flag(name string, into *bool) {
	var value *bool
	if p.read(name, &value, "true or false") && (value != nil || p.nullRemoves) {
		*into = value != nil && *value
	}
}

// borrowers reads entries, and ids as package version 1 has them. An id leaves the entry of its application as it is.
func (p *reader) borrowers(name string, into *[]tenant.Borrower) {
	const wanted = "a list of applications, each with its APS instance id"
	var values []json.RawMessage
	if !p.read(name, &values, wanted) || values == nil && !p.nullRemoves {
		return
	}
	stored := tenant.Settings{Borrowers: *into}
	borrowers := make([]tenant.Borrower, 0, len(values))
	for _, value := range values {
		var entry struct {
			ID, Name          string
			APIs, Directories []string
		}
		plain := json.Unmarshal(value, &entry.ID) == nil
		if !plain && json.Unmarshal(value, &entry) != nil {
			p.refuse(name, wanted)
			return
		}
		id, ok := canonical(strings.TrimSpace(entry.ID))
		if !ok {
			p.refuse(name, wanted)
			return
		}
		b := tenant.NewBorrower(id)
		if known, ok := stored.Borrower(id); ok && plain {
			b = known
		}
		if !plain {
			b.Name = tenant.ShownName(entry.Name)
		}
		if entry.APIs != nil {
			b.APIs = entry.APIs
		}
		if entry.Directories != nil {
			b.Directories = lowerCase(entry.Directories)
		}
		borrowers = append(borrowers, b)
	}
	*into = borrowers
}

func lowerCase(values []string) []string {
	lower := make([]string, len(values))
	for i, value := range values {
		lower[i] = strings.ToLower(strings.TrimSpace(value))
	}
	return lower
}

func (p *reader) application(into *tenant.Application) {
	p.text("applicationId", &into.ID)
	p.credential(tenant.CertificateName, &into.Certificate)
	p.credential(tenant.NextCertificateName, &into.NextCertificate)
	p.secret(tenant.SecretName, &into.Secret)
	p.secret(tenant.NextSecretName, &into.NextSecret)
}

// secret reads a client secret and its expiry date, which is another property. A new secret doesn't inherit the old
// one's date.
func (p *reader) secret(name string, into *tenant.Credential) {
	p.credential(name, into)
	if !into.Value.Empty() {
		into.Ends = time.Time{}
	}
	p.date(name+"End", &into.Ends)
}

// credential reads the value of a credential. "" keeps it, because that is what the platform stores.
func (p *reader) credential(name string, into *tenant.Credential) {
	var value *string
	if !p.read(name, &value, "a string") {
		return
	}
	if value == nil {
		into.Remove = p.nullRemoves
		return
	}
	into.Value = secret.New(strings.TrimSpace(*value))
}

func (p *reader) date(name string, into *time.Time) {
	var value *string
	if !p.read(name, &value, "a string") || value == nil && !p.nullRemoves {
		return
	}
	*into = time.Time{}
	if value == nil || strings.TrimSpace(*value) == "" {
		return
	}
	for _, layout := range []string{dateLayout, time.RFC3339} {
		if at, err := time.Parse(layout, strings.TrimSpace(*value)); err == nil && clock.Storable(at) {
			*into = at.UTC()
			return
		}
	}
	p.refuse(name, "a date, for example 2027-11-23")
}
