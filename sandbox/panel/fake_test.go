package panel_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	azurepartner "azure-partner-connector"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/platform/pack"
	"azure-partner-connector/sandbox/panel"
	"azure-partner-connector/schemas"
	uiextension "azure-partner-connector/ui-extension"
)

const (
	packageID  = "5d1f0d6c-2f4e-4c55-9c0b-0f6f6a2f8a11"
	tenantType = "http://aps.example.com/azure-partner-connector/tenant/2.0"
	appType    = "http://aps.example.com/azure-partner-connector/app/1.0"
	appID      = "3c5d7e9f-1a2b-4c3d-8e4f-5a6b7c8d9e0f"
	otherAppID = "4d6e8fa0-2b3c-4d4e-9f50-6b7c8d9eaf10"
	tenantID   = "0b9a7a52-6a0e-4bb0-9d5e-0a6f1e6c2d01"
	resellerID = "9c1c3a0e-97c5-4a53-8f0b-6f5d6d1c1a02"
	providerID = "1f8e2b34-7a11-4d0c-8a55-2b9a3c4d5e03"
	// parentTenantID sorts after tenantID, so that code that uses the first one fails.
	parentTenantID = "0b9a7a52-6a0e-4bb0-9d5e-0a6f1e6c2dff"
	parentID       = "2a7d4c68-5b19-4e2f-9c33-7d1e0f6a8b04"
	claimCode      = "7K3M-Q2ZD-9XAB"
	// begunReference is the connector's reference of a consent that has begun; transaction is the platform's of every request.
	begunReference = "M3XJ8PWN"
	transaction    = "28789-1568"
)

// noon is the time of the fake connector.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// object is a JSON object.
type object = map[string]any

// A platform is a fake platform with a fake connector behind it.
type platform struct {
	microsoft string // address of the page in place of Microsoft

	mu sync.Mutex // guards answers
	answers
}

// answers are the answers of platform and connector, and what they have received.
type answers struct {
	status      object
	events      []object
	clients     []object // of the token API, for those who ask; nil: an earlier package
	looksAt     int      // how many events a page of the history looks at; zero: all
	newcomers   []panel.User
	tenants     []json.RawMessage // of the reseller, as resources
	parents     []json.RawMessage // of the parent reseller, as resources: its own and the one below
	apps        []json.RawMessage // of the provider, as resources
	bell        []panel.Notification
	list        []object                 // answer to tenants
	customers   object                   // answer to customers, with all of them
	consented   []string                 // what was asked of consents in customer directories
	held        map[string]chan struct{} // operation → what its answers wait for, to be closed
	late        map[string]chan struct{} // operation → what its next answer waits for, as it is by now
	noConsents  map[string]object        // directory → why a consent there is refused
	required    bool
	gone        bool              // the platform itself fails
	unreachable bool              // the platform does not reach the connector
	refuse      map[string]object // operation → FAIL
	consent     object            // answer to consents/{id}
	begun       bool              // consent began, so that the status tells of it
	link        object            // that works
	tenant      object            // the reseller's tenant as the platform stores it
	saved       object            // the last saved changes of it
	removed     []string          // credentials
	tested      []map[string]string
	procedure   string   // of the next consent; empty for a connector that does not say
	requests    []object // what consents was called with
	tries       int
	calls       map[string]int // operation → how often it was called
	panelLocale string
}

func newPlatform(t *testing.T) *platform {
	t.Helper()
	microsoft := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cross-Origin-Opener-Policy", "same-origin")
		fmt.Fprint(w, `<!DOCTYPE html><title>Sign in</title><h1>In place of Microsoft</h1><script>document.body.dataset.opener = String(window.opener)</script>`)
	}))
	t.Cleanup(microsoft.Close)
	p := &platform{microsoft: microsoft.URL}
	p.restart()
	return p
}

// restart resets p to its initial state.
func (p *platform) restart() {
	p.change(func(p *platform) {
		p.answers = answers{
			status:  wellStatus(),
			events:  someEvents(),
			clients: someClients(),
			tenants: []json.RawMessage{json.RawMessage(`{"aps":{"id":"` + tenantID + `","type":"` + tenantType + `","subscription":"s-1"}}`)},
			parents: []json.RawMessage{
				json.RawMessage(`{"aps":{"id":"` + tenantID + `","type":"` + tenantType + `","subscription":"s-1"}}`),
				json.RawMessage(`{"aps":{"id":"` + parentTenantID + `","type":"` + tenantType + `","subscription":"s-2"}}`),
			},
			apps:       []json.RawMessage{json.RawMessage(`{"aps":{"id":"` + appID + `","type":"` + appType + `"}}`)},
			list:       someTenants(),
			customers:  someCustomers(),
			noConsents: map[string]object{},
			required:   true,
			refuse:     map[string]object{},
			consent:    object{"id": "c-1", "procedure": "automatic", "status": "waiting", "consentedBy": nil, "failure": nil},
			tenant:     object{"aps": object{"id": tenantID, "type": tenantType}, "directory": "contoso-partner.onmicrosoft.com", "applicationId": "", "applicationSecretEnd": ""},
			tries:      5,
			calls:      map[string]int{},
		}
	})
}

// change changes p under its lock.
func (p *platform) change(f func(p *platform)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

// called returns how often an operation was called.
func (p *platform) called(operation string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[operation]
}

func wellStatus() object {
	at := func(days int) string { return noon.AddDate(0, 0, days).Format(time.RFC3339) }
	probe := func(api string) object {
		return object{"api": api, "works": "yes", "checkedAt": at(-4), "failure": nil}
	}
	return object{
		"state": "active", "failure": nil, "issuedAt": at(-4), "expiresAt": at(86), "daysLeft": 86,
		"lastRenewal": object{"at": at(-4), "ok": true, "failure": nil}, "nextRenewalAt": at(6),
		"directory":     object{"id": "6c9a2a4b-3c1d-4e0f-8a77-5b1f0c9d2e10", "name": "contoso-partner.onmicrosoft.com"},
		"applicationId": "3f0c8d52-9b7a-4f0e-a1c2-7d6e5f4a3b21", "secretEndsAt": at(210),
		"consentedBy": object{"username": "ada@contoso-partner.onmicrosoft.com", "name": "Ada Novak"}, "consentedAt": at(-34),
		"borrowers": []object{
			{"id": "e0000000-0000-4000-8000-000000000000", "name": "Azure CSP (NCE)", "apis": []string{"partnercenter", "graph"}, "directories": []string{"partner", "customers"}},
			{"id": "e1000000-0000-4000-8000-000000000001", "apis": []string{"arm"}, "directories": []string{"partner"}},
		},
		"askedBy": "Mara Lind", "procedure": "automatic", "scopes": []string{"https://api.partnercenter.microsoft.com/user_impersonation"},
		"mfa": "yes", "globalAdmin": "yes", "adminAgent": "yes",
		"apis":    []object{probe("partnercenter"), probe("graph"), probe("arm")},
		"pending": nil, "now": noon.Format(time.RFC3339),
	}
}

// freshStatus returns the status of a token right after its consent.
func freshStatus() object {
	at := func(days int) string { return noon.Add(-time.Minute).AddDate(0, 0, days).Format(time.RFC3339) }
	s := withStatus(object{
		"issuedAt": at(0), "expiresAt": at(90), "daysLeft": 89, "nextRenewalAt": at(10), "consentedAt": at(0),
		"lastRenewal": object{"at": at(0), "ok": true, "failure": nil},
	})
	for _, probe := range s["apis"].([]object) {
		probe["checkedAt"] = at(0)
	}
	return s
}

// someClients returns the clients of the token API that may get access tokens.
func someClients() []object {
	return []object{
		{"name": "billing", "operations": []string{"lend", "forward"}, "apis": []string{"graph", "arm"}, "directories": []string{"customers"}, "shared": false, "lastUsedAt": noon.Add(-time.Hour)},
		{"name": "idle", "operations": []string{"forward"}, "apis": []string{"arm"}, "directories": []string{"partner"}, "shared": false, "lastUsedAt": nil},
		{"name": "reports", "operations": []string{"lend"}, "apis": []string{"graph"}, "directories": []string{"partner"}, "shared": true, "lastUsedAt": nil},
	}
}

// withStatus returns wellStatus with changes.
func withStatus(changes object) object {
	s := wellStatus()
	maps.Copy(s, changes)
	return s
}

// partialStatus returns the status of a token whose consent lacks permissions, of an instance with a further service and several
// credentials.
func partialStatus() object {
	checked := noon.AddDate(0, 0, -1).Format(time.RFC3339)
	return withStatus(object{
		"apis": []object{
			{"api": "partnercenter", "works": "yes", "checkedAt": checked, "failure": nil},
			{"api": "graph", "works": "yes", "checkedAt": checked, "failure": local(failure.PermissionsMissing, "permissions", "PartnerBilling.Read.All, Directory.Read.All")},
			{"api": "arm", "works": "yes", "checkedAt": checked, "failure": nil},
			{"api": "partner", "works": "unknown", "checkedAt": checked, "failure": nil},
		},
		"credentials": []object{
			{"name": "applicationCertificate", "endsAt": noon.AddDate(0, 0, 200).Format(time.RFC3339), "used": true},
			{"name": "nextApplicationCertificate", "endsAt": noon.AddDate(1, 0, 0).Format(time.RFC3339), "used": false},
			{"name": "applicationSecret", "endsAt": noon.AddDate(0, 0, -3).Format(time.RFC3339), "used": false},
			{"name": "nextApplicationSecret", "endsAt": nil, "used": false},
			{"name": "federated", "endsAt": nil, "used": false},
		},
	})
}

// absentStatus returns the status of a tenant that never had a token.
func absentStatus() object {
	return withStatus(object{
		"state": "absent", "failure": local(failure.GrantAbsent), "issuedAt": nil, "expiresAt": nil, "daysLeft": 0, "lastRenewal": nil,
		"nextRenewalAt": nil, "consentedBy": nil, "consentedAt": nil, "askedBy": "", "mfa": "unknown", "globalAdmin": "unknown",
		"adminAgent": "unknown", "apis": []object{},
	})
}

func someEvents() []object {
	event := func(id, action string, days int, by object, f any) object {
		result := "ok"
		if f != nil {
			result = f.(object)["code"].(string)
		}
		return object{"id": id, "at": noon.AddDate(0, 0, days).Format(time.RFC3339), "action": action, "actor": by, "result": result, "failure": f, "reference": "K4T9X2QM", "details": object{}}
	}
	scheduler := object{"kind": "scheduler", "name": "renewal"}
	mara := object{"kind": "user", "name": "Mara Lind"}
	return []object{
		event("e5", "grant.renewed", -4, scheduler, nil),
		event("e4", "grant.renewal_failed", -5, scheduler, fail(failure.MicrosoftUnavailable)),
		event("e3", "grant.renewed", -14, scheduler, nil),
		event("e2", "consent.granted", -34, object{"kind": "visitor", "name": "ada@contoso-partner.onmicrosoft.com"}, nil),
		event("e1", "consent.begun", -34, mara, nil),
	}
}

// someTenants returns the provider's list, sorted by urgency.
func someTenants() []object {
	at := func(days int) string { return noon.AddDate(0, 0, days).Format(time.RFC3339) }
	return []object{
		{"id": "0b9a7a52-6a0e-4bb0-9d5e-0a6f1e6c2d03", "name": "Tidewater IT", "state": "expiring", "expiresAt": at(9), "daysLeft": 9, "directory": "", "nextRenewalAt": at(1)},
		{"id": "0b9a7a52-6a0e-4bb0-9d5e-0a6f1e6c2d02", "name": "Quay Hosting", "state": "absent", "expiresAt": nil, "daysLeft": 0, "directory": "quay.example", "nextRenewalAt": nil},
		{"id": tenantID, "name": "Harbour Cloud Resale", "state": "active", "expiresAt": at(86), "daysLeft": 86, "directory": "contoso-partner.onmicrosoft.com", "nextRenewalAt": at(6)},
	}
}

// fail returns a failure in the connector's form.
func fail(code failure.Code, pairs ...string) object {
	f := failure.New(code, pairs...)
	text, advice := code.Template()
	var seen any
	if microsoftCode := map[failure.Code]string{failure.SignInFrequency: "70043", failure.GrantRevoked: "50173", failure.ClientSecretExpired: "7000222", failure.ClientSecretWrong: "7000215"}[code]; microsoftCode != "" {
		seen = object{"code": microsoftCode}
	}
	return object{
		"code": string(code), "kind": string(f.Kind()), "text": text, "params": f.Params, "message": f.Sentence(), "advice": f.Advice(),
		"adviceText": advice, "reference": "R7W2-KD5M", "microsoft": seen,
	}
}

// local returns a failure that the connector derives from the status. It is in no log, so it has no reference.
func local(code failure.Code, pairs ...string) object {
	f := fail(code, pairs...)
	f["reference"] = ""
	return f
}

func (p *platform) Users(context.Context) ([]panel.User, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]panel.User{
		{ID: resellerID, Name: "Mara Lind", Login: "mara", Account: "Harbour Cloud Resale", AccountID: "a-1", SubscriptionID: "s-1", Role: panel.Reseller},
		{ID: parentID, Name: "Piet Vos", Login: "piet", Account: "Northern Cloud Group", AccountID: "a-2", SubscriptionID: "s-2", Role: panel.Parent},
		{ID: providerID, Name: "Olu Adeyemi", Login: "olu", Account: "Larkfield", AccountID: "a-0", Role: panel.Provider},
	}, p.newcomers...), nil
}

func (p *platform) Navigation(_ context.Context, _, plug string) ([]panel.Node, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	tenant := panel.Var{Name: "tenant", Type: tenantType, Required: p.required, Collection: true}
	app := panel.Var{Name: "app", Type: appType, Required: true, Collection: true}
	screen := func(id, label, src string, of panel.Var, below ...panel.Node) panel.Node {
		return panel.Node{Package: packageID, ID: id, Label: label, Vars: []panel.Var{of}, View: &panel.View{Src: src}, Nodes: below}
	}
	settings := func(id, src string) panel.Node {
		n := screen(id, "Settings", src, tenant)
		n.View.Controls = []panel.Control{{Handler: "Submit", Label: "Save"}, {Handler: "Cancel", Label: "Close"}}
		return n
	}
	folder := func(id, label string, of panel.Var, nodes ...panel.Node) []panel.Node {
		return []panel.Node{{Package: packageID, ID: id, Label: label, Icon: "fa-key", Vars: []panel.Var{of}, Nodes: nodes}}
	}
	const top, token, tenants, customers = "Azure Partner (NCE)", "Manage Refresh Token", "Refresh Tokens", "Customers"
	switch plug {
	case panel.PlugUX1Reseller:
		return folder("azure-partner", top, tenant, screen("token", token, "ui/ux1/token.js", tenant, settings("settings", "ui/ux1/settings.js")),
			screen("customers", customers, "ui/ux1/customers.js", tenant)), nil
	case panel.PlugClassicServices:
		own := folder("token-folder", token, tenant, screen("token-classic", token, "ui/classic/token.html", tenant, settings("settings-classic", "ui/classic/settings.html")))
		own = append(own, folder("customers-folder", customers, tenant, screen("customers-classic", customers, "ui/classic/customers.html", tenant))...)
		return folder("azure-partner-classic", top, tenant, own...), nil
	case panel.PlugUX1Provider:
		return folder("azure-partner-provider", top, app, screen("tenants", tenants, "ui/ux1/tenants.js", app)), nil
	case panel.PlugResellerTiles:
		return []panel.Node{screen("azure-partner-tile", "", "ui/plugins/token-tile.js", tenant)}, nil
	case panel.PlugClassicInstance:
		own := folder("tenants-folder", tenants, app, screen("tenants-classic", tenants, "ui/classic/tenants.html", app))
		return folder("azure-partner-provider-classic", top, app, own...), nil
	}
	return nil, nil
}

func (p *platform) Files(_ context.Context, id string) (fs.FS, error) {
	if id != packageID {
		return nil, fs.ErrNotExist
	}
	return packed()
}

// packed returns the files of the package as it is delivered, by path.
var packed = sync.OnceValues(func() (fs.FS, error) {
	p, err := pack.Load(azurepartner.Manifest(), schemas.Files, uiextension.Files())
	if err != nil {
		return nil, err
	}
	archive, err := p.Build()
	if err != nil {
		return nil, err
	}
	files, err := pack.Files(bytes.NewReader(archive), int64(len(archive)))
	found := make(fstest.MapFS)
	for name, content := range files {
		found[name] = &fstest.MapFile{Data: content}
	}
	return found, err
})

func (p *platform) Resources(_ context.Context, userID, typeID string) ([]json.RawMessage, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case userID == resellerID && typeID == tenantType:
		return p.tenants, nil
	case userID == parentID && typeID == tenantType:
		return p.parents, nil
	case userID == providerID && typeID == appType:
		return p.apps, nil
	}
	return nil, nil
}

func (p *platform) Notifications(context.Context, string) ([]panel.Notification, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bell, nil
}

func (p *platform) Call(ctx context.Context, userID string, c panel.Call) (panel.Answer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	name, _, _ := strings.Cut(c.Path, "/")
	switch {
	case c.Method == http.MethodGet && name == "consents":
		name = "findConsent"
	case name == "customers" && c.Path != name:
		name = map[string]string{http.MethodPost: "consentCustomer", http.MethodDelete: "withdrawCustomer"}[c.Method]
	case c.Path == "":
		name = map[string]string{http.MethodGet: "read", http.MethodPut: "save"}[c.Method]
	}
	p.calls[name]++
	p.panelLocale = c.Locale
	if held := p.held[name]; held != nil {
		p.mu.Unlock()
		select {
		case <-held:
		case <-ctx.Done():
		}
		p.mu.Lock()
	}
	given, err := p.respond(userID, name, c)
	if late := p.late[name]; late != nil {
		delete(p.late, name)
		p.mu.Unlock()
		select {
		case <-late:
		case <-ctx.Done():
		}
		p.mu.Lock()
	}
	return given, err
}

// respond returns the answer to an operation.
func (p *platform) respond(userID, name string, c panel.Call) (panel.Answer, error) {
	if p.gone {
		return panel.Answer{}, errors.New("connection refused")
	}
	if p.unreachable {
		a := answer(object{"code": 500, "error": "APS::Util::ConnectionFailure", "message": "the application endpoint cannot be reached: connection refused"})
		a.Status = http.StatusInternalServerError
		return a, nil
	}
	if f, ok := p.refuse[name]; ok {
		return refusal(f), nil
	}
	watching := slices.Contains([]string{"tokenStatus", "history", "check", "renew", "customers", "remind"}, name)
	switch {
	case userID == providerID && name == "tenants" && c.ResourceID == appID:
		return tenantsPage(appID, p.list, c.Query), nil
	case userID == providerID && name == "tenants" && c.ResourceID == otherAppID:
		return tenantsPage(otherAppID, []object{{"id": "0b9a7a52-6a0e-4bb0-9d5e-0a6f1e6c2d04", "name": "Lagoon Systems", "state": "expired", "expiresAt": noon.AddDate(0, 0, -1), "daysLeft": 0}}, c.Query), nil
	case userID == parentID && c.ResourceID == tenantID && name == "tokenStatus":
		return answer(object{"state": p.status["state"], "now": p.status["now"]}), nil
	case userID == parentID && c.ResourceID == parentTenantID:
		return p.operation(name, c), nil
	case c.ResourceID == tenantID && (userID == resellerID || userID == providerID && watching):
		return p.operation(name, c), nil
	}
	return refusal(fail(failure.Forbidden)), nil
}

func (p *platform) operation(name string, c panel.Call) panel.Answer {
	switch name {
	case "read":
		return answer(p.tenant)
	case "save":
		p.saved = object{}
		if err := json.Unmarshal(c.Body, &p.saved); err != nil {
			return refusal(fail(failure.BadRequest, "reason", "not JSON"))
		}
		maps.Copy(p.tenant, p.saved)
		for _, secret := range []string{"applicationSecret", "nextApplicationSecret", "applicationCertificate", "nextApplicationCertificate"} {
			delete(p.tenant, secret)
		}
		return answer(p.tenant)
	case "tokenStatus":
		s := p.withConsents()
		if c.Query == "clients=true" && p.clients != nil {
			s["clients"] = p.clients
		}
		return answer(s)
	case "check", "renew":
		return answer(p.status)
	case "remind":
		return answer(object{"at": noon})
	case "forget":
		p.status = absentStatus()
		return answer(p.status)
	case "removeCredential":
		var asked struct{ Credential string }
		if err := json.Unmarshal(c.Body, &asked); err != nil {
			return refusal(fail(failure.BadRequest, "reason", "not JSON"))
		}
		p.removed = append(p.removed, asked.Credential)
		delete(p.tenant, asked.Credential+"End")
		return answer(p.tenant)
	case "testCredentials":
		var entered map[string]string
		if err := json.Unmarshal(c.Body, &entered); err != nil {
			return refusal(fail(failure.BadRequest, "reason", "not JSON"))
		}
		p.tested = append(p.tested, entered)
		return answer(object{"credentials": triedCredentials(entered)})
	case "history":
		return answer(p.eventsPage(c.Query))
	case "customers":
		return p.customersPage(c.Query)
	case "consentCustomer", "withdrawCustomer":
		return p.changeConsent(name, strings.Split(c.Path, "/")[1])
	case "consents":
		var request object
		if err := json.Unmarshal(c.Body, &request); err != nil {
			return refusal(fail(failure.BadRequest, "reason", "not JSON"))
		}
		p.requests = append(p.requests, request)
		p.begun = true
		begun := object{"id": "c-1", "url": p.microsoft + "/consent/x", "expiresAt": noon.Add(15 * time.Minute), "reference": begunReference, "now": noon}
		if p.procedure != "" {
			begun["procedure"] = p.procedure
		}
		return answer(begun)
	case "findConsent":
		return answer(p.consent)
	case "consentLink":
		p.link = openLink()
		made := maps.Clone(p.link)
		made["now"] = noon
		return answer(made)
	case "redeem":
		return p.redeem(c.Body)
	}
	return refusal(fail(failure.NotFound))
}

// withConsents returns the status as the owner gets it: with what goes on.
func (p *platform) withConsents() object {
	var automatic object
	if p.begun {
		automatic = maps.Clone(p.consent)
		maps.Copy(automatic, object{"begunAt": noon, "expiresAt": noon.Add(15 * time.Minute), "ends": cmp.Or(p.procedure, "automatic")})
	}
	s := maps.Clone(p.status)
	s["consents"] = object{"link": p.link, "automatic": automatic}
	return s
}

// eventsPage returns a page of the history, as the connector does.
func (p *platform) eventsPage(query string) []object {
	asked, err := url.ParseQuery(query)
	if err != nil {
		return nil
	}
	limit, err := strconv.Atoi(asked.Get("limit"))
	if err != nil {
		return nil
	}
	page, part, before, seen := []object{}, asked.Get("accessTokens"), asked.Get("before"), 0
	for _, e := range p.events {
		if len(page) == limit || p.looksAt > 0 && seen == p.looksAt || before != "" && e["at"].(string) >= before {
			continue
		}
		seen++
		lent := strings.HasPrefix(e["action"].(string), "token.")
		if other := part == "none" && lent || part == "only" && !lent; !other || seen == p.looksAt { // where it stops
			page = append(page, e)
		}
	}
	return page
}

// openLink returns the link that Copy makes.
func openLink() object {
	return object{
		"url": "https://onboarding.example.com/consent/nZ4kq0Wm3rTt8yPj5sVb2xUd7cGh1fAe", "expiresAt": noon.AddDate(0, 0, 7),
		"openedAt": nil, "consentedBy": nil, "consentedAt": nil,
	}
}

func (p *platform) redeem(body []byte) panel.Answer {
	var in struct{ Code string }
	if err := json.Unmarshal(body, &in); err != nil {
		return refusal(fail(failure.BadRequest, "reason", "not JSON"))
	}
	if in.Code == "c-1" {
		p.status = freshStatus()
		p.status["consentedBy"] = object{"username": "bob@contoso-partner.onmicrosoft.com", "name": "Bob Kovar"}
		return answer(object{"consentedBy": p.status["consentedBy"], "status": p.status})
	}
	if in.Code != claimCode && !strings.Contains(in.Code, "code=") {
		p.tries--
		return refusal(fail(failure.ClaimWrong, "left", strconv.Itoa(p.tries)))
	}
	p.status, p.link = freshStatus(), nil
	return answer(object{"consentedBy": p.status["consentedBy"], "status": p.status})
}

func answer(value any) panel.Answer {
	body, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return panel.Answer{Status: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}, "Aps-Transaction-Id": {transaction}}, Body: body}
}

func refusal(f object) panel.Answer {
	a := answer(object{"code": 409, "error": "AzurePartner::Refused", "message": f["message"], "details": f})
	a.Status = http.StatusConflict
	return a
}

// triedCredentials answers a test of credentials: those of "wrong" are refused, and what is stored, if none was entered, works.
func triedCredentials(entered map[string]string) []object {
	found := []object{}
	for _, name := range []string{"applicationCertificate", "nextApplicationCertificate", "applicationSecret", "nextApplicationSecret"} {
		switch entered[name] {
		case "":
		case "wrong":
			found = append(found, object{"name": name, "works": "no", "failure": fail(failure.ClientSecretWrong)})
		default:
			found = append(found, object{"name": name, "works": "yes", "failure": nil})
		}
	}
	if len(found) == 0 {
		return []object{{"name": "applicationSecret", "works": "yes", "failure": nil}}
	}
	return found
}
