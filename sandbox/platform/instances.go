package platform

import (
	"context"
	"net/url"
	"slices"

	"azure-partner-connector/connector/platform/oauth1"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
)

// foreignType is the type of the root resource of other applications: that of the Azure CSP application
// (docs/reference/azure-csp-application.md §3.5), which borrows access tokens.
const foreignType = "http://www.odin.com/app/azure-csp/app/1.0"

// An InstanceRequest describes a new instance (docs/reference/aps-protocol.md §7.2).
type InstanceRequest struct {
	PackageID string // URI
	Version   string // empty: the newest
	Release   string // empty: the newest
	Endpoint  string
	Network   string // proxy (default), public or backnet
	Key       string
	Secret    secret.Text
	Settings  map[string]any // properties of the root resource
}

// A CreatedInstance identifies a new instance.
type CreatedInstance struct {
	ID     string // APS-Instance-ID
	Number int    // in the operations API
	RootID string // aps.id of the root resource
}

// CreateInstance registers the newest version of the only imported package at endpoint. If several packages are imported,
// use Create.
func (p *Platform) CreateInstance(ctx context.Context, endpoint, key string, sharedSecret secret.Text, settings map[string]any) (CreatedInstance, error) {
	p.mu.Lock()
	ids := make(map[string]bool)
	var id string
	for _, i := range p.packages {
		id = i.packageID
		ids[id] = true
	}
	p.mu.Unlock()
	if len(ids) != 1 {
		return CreatedInstance{}, badRequest("%d packages are imported; one must be named", len(ids))
	}
	return p.Create(ctx, InstanceRequest{PackageID: id, Endpoint: endpoint, Key: key, Secret: sharedSecret, Settings: settings})
}

// Create creates an instance and provisions its root resource by POST {endpoint}/{root}. When the connector refuses, it
// undoes everything, and the error has the connector's message.
func (p *Platform) Create(ctx context.Context, q InstanceRequest) (CreatedInstance, error) {
	in, err := p.addInstance(q)
	if err != nil {
		return CreatedInstance{}, err
	}
	if err := p.provision(ctx, in, in.root, cause{}); err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.instances, in.id)
		return CreatedInstance{}, err
	}
	p.cfg.Log.InfoContext(ctx, "instance created", "instance", in.id, "endpoint", in.endpoint)
	return CreatedInstance{ID: in.id, Number: in.number, RootID: in.root}, nil
}

// addInstance checks a request and stores the instance with its root, so that the connector can call back while it
// provisions.
func (p *Platform) addInstance(q InstanceRequest) (*instance, error) {
	if q.Network == "" {
		q.Network = "proxy"
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.newest(q.PackageID, q.Version, q.Release)
	if i == nil {
		return nil, notFound("package", q.PackageID+" "+q.Version+"-"+q.Release)
	}
	if err := p.checkEndpoint(q); err != nil {
		return nil, err
	}
	if err := p.checkCredentials(q.Key, q.Secret, ""); err != nil {
		return nil, err
	}
	settings := merged(q.Settings, nil)
	t := i.services[i.root]
	if err := checkCreated(t, settings); err != nil {
		return nil, err
	}
	in := &instance{
		id: random.ID(), number: p.number(), installed: i, endpoint: q.Endpoint, network: q.Network, root: random.ID(),
		credentials: oauth1.Credentials{Key: q.Key, Secret: q.Secret},
	}
	p.instances[in.id] = in
	p.store(&resource{
		id: in.root, typeID: t.ID, status: provisioning, owner: p.provider().ID, instance: in.id,
		service: i.root, properties: settings,
	})
	p.adopt(in)
	return in, nil
}

func (p *Platform) checkEndpoint(q InstanceRequest) error {
	u, err := url.Parse(q.Endpoint)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "":
		return badRequest("the endpoint %q is not an absolute address", q.Endpoint)
	case u.Scheme == "http" && !p.development:
		return badRequest("the endpoint %s is not https; only a platform in development mode accepts that", q.Endpoint)
	case !slices.Contains([]string{"proxy", "public", "backnet"}, q.Network):
		return badRequest("there is no network type %q", q.Network)
	}
	return nil
}

// checkCredentials refuses missing credentials, and a key that an instance other than except uses.
func (p *Platform) checkCredentials(key string, sharedSecret secret.Text, except string) error {
	if key == "" || sharedSecret.Empty() {
		return badRequest("the key or the secret of the instance is missing")
	}
	for _, other := range p.instances {
		if other.credentials.Key == key && other.id != except {
			return conflict("the key is used by another instance")
		}
	}
	return nil
}

// Rotate sets new credentials of an instance.
func (p *Platform) Rotate(instanceID, key string, sharedSecret secret.Text) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	in := p.instances[instanceID]
	if in == nil {
		return notFound("application instance", instanceID)
	}
	if err := p.checkCredentials(key, sharedSecret, instanceID); err != nil {
		return err
	}
	in.credentials = oauth1.Credentials{Key: key, Secret: sharedSecret}
	return nil
}

// SecretOf returns the secret that the platform signs calls to an instance with, for tests; empty for an unknown root.
func (p *Platform) SecretOf(rootID string) secret.Text {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, in := range p.instances {
		if in.root == rootID {
			return in.credentials.Secret
		}
	}
	return secret.Text{}
}

// InstanceOf returns the ID of the instance with a root resource, for tests; empty for an unknown root.
func (p *Platform) InstanceOf(rootID string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, in := range p.instances {
		if in.root == rootID {
			return in.id
		}
	}
	return ""
}

// DeleteInstance removes an instance. It refuses if the instance has resources other than its root.
func (p *Platform) DeleteInstance(ctx context.Context, id string) error {
	p.mu.Lock()
	in := p.instances[id]
	if in == nil {
		p.mu.Unlock()
		return notFound("application instance", id)
	}
	for _, r := range p.resources {
		if r.instance == id && r.id != in.root {
			p.mu.Unlock()
			return conflict("the instance still has resources, among them %s", r.id)
		}
	}
	foreign := in.installed == nil
	p.mu.Unlock()
	if !foreign {
		if err := p.unprovision(ctx, in, in.root, cause{}); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget(in.root)
	delete(p.instances, id)
	return nil
}

// AllowImpersonation sets whether an instance may act for the owners of its resources, which the operator accepts when the
// instance is created (docs/reference/aps-protocol.md §5.3). New instances may.
func (p *Platform) AllowImpersonation(instanceID string, allowed bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	in := p.instances[instanceID]
	if in == nil {
		return notFound("application instance", instanceID)
	}
	in.confined = !allowed
	return nil
}

// AddApplication adds another application of the platform, for example one that borrows access tokens. It can call the
// platform with its own key and secret, and connectors see its instance id.
func (p *Platform) AddApplication(name, key string, sharedSecret secret.Text) (CreatedInstance, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.checkCredentials(key, sharedSecret, ""); err != nil {
		return CreatedInstance{}, err
	}
	in := &instance{
		id: random.ID(), number: p.number(), name: name, root: random.ID(),
		credentials: oauth1.Credentials{Key: key, Secret: sharedSecret},
	}
	p.instances[in.id] = in
	p.store(&resource{
		id: in.root, typeID: foreignType, status: ready, owner: p.provider().ID, instance: in.id, service: "app",
		properties: map[string]any{"name": name},
	})
	return CreatedInstance{ID: in.id, Number: in.number, RootID: in.root}, nil
}

// Link links another application with a resource, which makes the application a referrer.
func (p *Platform) Link(instanceID, resourceID string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	in := p.instances[instanceID]
	if in == nil || in.installed != nil {
		return notFound("application instance", instanceID)
	}
	if p.resources[resourceID] == nil {
		return notFound("resource", resourceID)
	}
	root := p.resources[in.root]
	root.links = mergedLinks(root.links, "uses", resourceID)
	return nil
}

func mergedLinks(links map[string][]string, relation, id string) map[string][]string {
	if links == nil {
		links = make(map[string][]string)
	}
	if !slices.Contains(links[relation], id) {
		links[relation] = append(slices.Clone(links[relation]), id)
	}
	return links
}
