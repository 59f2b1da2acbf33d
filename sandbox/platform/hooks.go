package platform

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"azure-partner-connector/connector/platform/oauth1"
)

// Version is the simulated version of the platform, as sent in APS-Version.
const Version = "21.0.0"

// An instance is one registration of a package, or of another application of the platform.
type instance struct {
	id          string
	number      int        // in the operations API
	installed   *installed // nil for other applications
	endpoint    string
	network     string
	credentials oauth1.Credentials
	root        string // id of the root resource
	name        string // of other applications
	confined    bool   // may not act for the owners of its resources
}

// A cause is the originator of a call to a connector; zero is the platform itself.
type cause struct {
	user        string
	original    string
	account     string // the acting account
	application string // id of the calling application's instance
	locale      string // of the panel
	scheduled   string // date of a planned change
}

// A hookCall is one request to a connector.
type hookCall struct {
	method string
	path   string // below the endpoint, percent-encoded, beginning with a slash
	query  string // as it is sent
	body   any    // sent as JSON unless nil; json.RawMessage is sent unchanged
	phase  string // APS-Request-Phase; empty to send none
	cause  cause
	owner  string // account of the resource
	header map[string]string
}

// An Answer is the answer of a connector, or of the platform itself.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// hook sends one signed request to an instance's endpoint (docs/reference/aps-protocol.md §1.1). Its transaction stays open
// until the answer arrives. The caller must not hold p.mu.
func (p *Platform) hook(ctx context.Context, in *instance, call hookCall) (Answer, error) {
	var body []byte
	if call.body != nil {
		var err error
		// The platform indents bodies with tabs; connectors must not rely on another form.
		if body, err = json.MarshalIndent(call.body, "", "\t"); err != nil {
			return Answer{}, fmt.Errorf("encoding the body of a hook: %w", err)
		}
	}
	target := strings.TrimRight(in.endpoint, "/") + call.path
	if call.query != "" {
		target += "?" + call.query
	}
	req, err := http.NewRequestWithContext(ctx, call.method, target, bytes.NewReader(body))
	if err != nil {
		return Answer{}, fmt.Errorf("creating a hook: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range call.header {
		req.Header.Set(name, value)
	}
	transaction, credentials := p.openTransaction(req.Header, in, call)
	defer p.closeTransaction(transaction)
	if err := oauth1.Sign(req, credentials, p.cfg.Now(), oauth1.NewNonce()); err != nil {
		return Answer{}, err
	}
	resp, err := p.cfg.HTTP.Do(req)
	if err != nil {
		return Answer{}, refuse(http.StatusInternalServerError, "ConnectionFailure", "the application endpoint cannot be reached: %v", err)
	}
	defer resp.Body.Close()
	answer := Answer{Status: resp.StatusCode, Header: resp.Header}
	if answer.Body, err = readBody(resp.Body); err != nil {
		return Answer{}, refuse(http.StatusInternalServerError, "ConnectionFailure", "the application endpoint did not finish its answer: %v", err)
	}
	p.cfg.Log.InfoContext(ctx, "hook", "method", call.method, "path", call.path, "instance", in.id, "transaction", transaction, "status", answer.Status)
	return answer, nil
}

// openTransaction opens a transaction and sets the headers of a hook. It returns the credentials to sign with.
func (p *Platform) openTransaction(header http.Header, in *instance, call hookCall) (transaction string, c oauth1.Credentials) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.nextCall++
	transaction = fmt.Sprintf("%d-%d", 28000+in.number, p.nextCall)
	p.transactions[transaction] = true

	set := func(name, value string) {
		if value != "" {
			header.Set(name, value)
		}
	}
	set("APS-Controller-URI", p.ControllerURI())
	set("APS-Instance-ID", in.id)
	set("APS-Transaction-ID", transaction)
	set("APS-Version", Version)
	set("APS-Request-Phase", call.phase)
	set("APS-Identity-ID", call.cause.user)
	set("APS-Original-Identity-ID", call.cause.original)
	set("APS-Actor-ID", call.cause.account)
	set("APS-Application-ID", call.cause.application)
	set("APS-Account-Hierarchy", strings.Join(p.lineage(call.owner), ","))
	set("APS-Locale", call.cause.locale)
	set("APS-Scheduled-On-Date", call.cause.scheduled)
	return transaction, in.credentials
}

func (p *Platform) closeTransaction(transaction string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.transactions, transaction)
}

// refused returns the error for an answer that refuses a call, with the connector's message.
func refused(what string, a Answer) error {
	var body struct {
		Error   string          `json:"error"`
		Message string          `json:"message"`
		Details json.RawMessage `json:"details"`
	}
	if json.Unmarshal(a.Body, &body) != nil || body.Message == "" {
		body.Message = fmt.Sprintf("%s: the application answered with status %d", what, a.Status)
	}
	status := a.Status
	if status < 400 {
		status = http.StatusInternalServerError
	}
	if body.Error == "" {
		body.Error = "APS::Util::Exception"
	}
	return &Refusal{Status: status, Kind: body.Error, Message: body.Message, Details: body.Details}
}
