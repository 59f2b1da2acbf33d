package platform

import (
	"net/http"
	"strings"

	"azure-partner-connector/connector/platform/oauth1"
	"azure-partner-connector/connector/secret"
)

// A client is the sender of a request to the controller.
type client struct {
	audience audience
	session  *Session // of a panel; nil for others
	admin    bool     // sent an APS-Token of the operations API
}

// identifyClient authenticates a client: an application by its signature, an administrator's tool by its token, or a panel
// by its session (docs/reference/aps-protocol.md §1.3, §1.4, §5.3).
func (p *Platform) identifyClient(r *http.Request) (client, error) {
	if strings.HasPrefix(r.Header.Get("Authorization"), "OAuth ") {
		return p.application(r)
	}
	if session, ok := p.Session(r); ok {
		if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Header.Get("APS-Token") != session.Token {
			return client{}, forbidden("APS-Token is missing or not that of the session")
		}
		u, ok := p.User(session.UserID)
		if !ok {
			return client{}, unauthorized("the session's user was removed")
		}
		return client{audience: audience{account: u.AccountID}, session: &session}, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if account, ok := p.tokens[r.Header.Get("APS-Token")]; ok {
		return client{audience: audience{account: account}, admin: true}, nil
	}
	return client{}, unauthorized("the request is not authenticated")
}

// application verifies a signed request, its transaction and its impersonation.
func (p *Platform) application(r *http.Request) (client, error) {
	params, err := oauth1.Parse(r.Header.Get("Authorization"))
	if err != nil {
		return client{}, unauthorized("%v", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var in *instance
	var secrets []secret.Text
	for _, other := range p.instances {
		if other.credentials.Key == params.Key() {
			in, secrets = other, []secret.Text{other.credentials.Secret}
		}
	}
	now := p.cfg.Now()
	if err := oauth1.Verify(&params, r.Method, p.url+r.URL.RequestURI(), secrets, now, oauth1.DefaultWindow); err != nil {
		return client{}, unauthorized("%v", err)
	}
	nonce := params.Key() + " " + params.Nonce()
	if _, used := p.nonces[nonce]; used {
		return client{}, unauthorized("the nonce was used before")
	}
	for old, at := range p.nonces {
		if now.Sub(at) > 2*oauth1.DefaultWindow {
			delete(p.nonces, old)
		}
	}
	p.nonces[nonce] = now

	if id := r.Header.Get("APS-Transaction-ID"); id != "" && !p.transactions[id] {
		return client{}, badRequest("Transaction not found by id %s", id)
	}
	c := client{audience: audience{instance: in.id, own: true}}
	if id := r.Header.Get("APS-Resource-ID"); id != "" {
		resource := p.resources[id]
		if resource == nil || resource.instance != in.id {
			return client{}, forbidden("resource %s is none of the application's", id)
		}
		if in.confined {
			return client{}, forbidden("the impersonation level of application %s was not accepted", in.id)
		}
		c.audience.own, c.audience.account = false, resource.owner
	}
	return c, nil
}

// forgetNonce lets the signature of a request be used again.
func (p *Platform) forgetNonce(r *http.Request) {
	params, err := oauth1.Parse(r.Header.Get("Authorization"))
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.nonces, params.Key()+" "+params.Nonce())
}

// sees reports whether a client may see a resource. Applications see the singletons in any context. The caller holds
// p.mu.
func (p *Platform) sees(a audience, r *resource) bool {
	return p.role(a, r) != "" || r.typeID == notificationType && a.instance != ""
}
