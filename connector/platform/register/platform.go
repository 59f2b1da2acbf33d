package register

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
)

// An instance is the platform's view of one instance of our package.
type instance struct {
	number int    // in the operations API
	root   string // aps.id of its root resource

	// These fields are from the controller's list, whose form is not documented. They may be empty.
	id       string // APS-Instance-ID
	endpoint string
	key      string
	version  version
}

// A version is a version and release; zero when unknown.
type version struct{ version, release int }

func (v version) String() string { return strconv.Itoa(v.version) + "-" + strconv.Itoa(v.release) }

func (v version) newerThan(other version) bool {
	return v.version > other.version || v.version == other.version && v.release > other.release
}

// A numeral is a number or a string in JSON.
type numeral string

// UnmarshalJSON implements json.Unmarshaler.
func (n *numeral) UnmarshalJSON(text []byte) error {
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}
	switch v := v.(type) {
	case string:
		*n = numeral(v)
	case float64:
		*n = numeral(strconv.FormatFloat(v, 'f', -1, 64))
	}
	return nil
}

// versionOf returns the zero version unless both are whole numbers.
func versionOf(v, release numeral) version {
	major, err := strconv.Atoi(string(v))
	if err != nil {
		return version{}
	}
	minor, err := strconv.Atoi(string(release))
	if err != nil {
		return version{}
	}
	return version{major, minor}
}

// login obtains a token for the provider's administrator.
func (c *client) login(ctx context.Context) error {
	result, err := c.rpc(ctx, "pem.APS.getUserToken", map[string]any{"user_id": 1})
	if err != nil {
		return err
	}
	members, _ := result.(map[string]any)
	token, _ := members["aps_token"].(string)
	if token == "" {
		return c.refused("it returned no token")
	}
	c.token = secret.New(token)
	return nil
}

// instances returns the instances of our package, and the number of its application, which is 0 when the package was
// never imported.
func (c *client) instances(ctx context.Context) (application int, instances []instance, err error) {
	result, err := c.rpc(ctx, "pem.APS.getApplications", map[string]any{"aps_application_id": c.cfg.Package.ID()})
	if err != nil {
		return 0, nil, err
	}
	for _, a := range list(result) {
		if number, ok := a["application_id"].(int); ok {
			application = number
			break
		}
	}
	if application == 0 {
		return 0, nil, nil
	}
	if result, err = c.rpc(ctx, "pem.APS.getApplicationInstances", map[string]any{"app_id": application}); err != nil {
		return 0, nil, err
	}
	for _, i := range list(result) {
		number, _ := i["application_instance_id"].(int)
		root, _ := i["application_resource_id"].(string)
		instances = append(instances, instance{number: number, root: root})
	}
	if len(instances) == 0 {
		return application, nil, nil
	}
	return application, instances, c.describe(ctx, instances)
}

// list returns the structs in a list, and ignores everything else.
func list(result any) []map[string]any {
	items, _ := result.([]any)
	var members []map[string]any
	for _, i := range items {
		if m, ok := i.(map[string]any); ok {
			members = append(members, m)
		}
	}
	return members
}

// describe adds the data of the controller to instances.
func (c *client) describe(ctx context.Context, instances []instance) error {
	var listed []map[string]json.RawMessage
	if _, err := c.rest(ctx, http.MethodGet, "/aps/2/applications/", nil, &listed); err != nil {
		return err
	}
	for _, members := range listed {
		var aps struct {
			ID       string `json:"id"`
			Endpoint string `json:"endpoint"`
			Auth     struct {
				OAuth struct {
					Key string `json:"key"`
				} `json:"oauth"`
			} `json:"auth"`
			Package struct {
				Version numeral `json:"version"`
				Release numeral `json:"release"`
			} `json:"package"`
		}
		if json.Unmarshal(members["aps"], &aps) != nil {
			continue
		}
		for i := range instances {
			if rootOf(members) == instances[i].root {
				instances[i].id, instances[i].endpoint, instances[i].key = aps.ID, aps.Endpoint, aps.Auth.OAuth.Key
				instances[i].version = versionOf(aps.Package.Version, aps.Package.Release)
			}
		}
	}
	for i := range instances {
		if instances[i].version == (version{}) {
			v, err := c.versionOfRoot(ctx, instances[i].root)
			if err != nil {
				return err
			}
			instances[i].version = v
		}
	}
	return nil
}

// versionOfRoot returns the version of the package of an instance's root resource (docs/reference/aps-protocol.md
// §3.2); zero when that is unknown too.
func (c *client) versionOfRoot(ctx context.Context, root string) (version, error) {
	r, err := c.read(ctx, root)
	if failure.Is(err, failure.NotFound) || err == nil && r.APS.Package.ID == "" {
		return version{}, nil
	}
	if err != nil {
		return version{}, err
	}
	var p struct {
		Version numeral `json:"version"`
		Release numeral `json:"release"`
	}
	_, err = c.rest(ctx, http.MethodGet, "/aps/2/packages/"+url.PathEscape(r.APS.Package.ID), nil, &p)
	return versionOf(p.Version, p.Release), err
}

// rootOf returns the id of the root resource in an instance, whose key is the service of the root
// (docs/reference/aps-protocol.md §7.2).
func rootOf(members map[string]json.RawMessage) string {
	var app struct {
		APS struct {
			ID string `json:"id"`
		} `json:"aps"`
	}
	if json.Unmarshal(members["app"], &app) != nil {
		return ""
	}
	return app.APS.ID
}

// imported reports whether the platform has our version of the package; false also when that is unknown.
func (c *client) imported(ctx context.Context, want version) (bool, error) {
	var packages []struct {
		Type    string  `json:"type"`
		Version numeral `json:"version"`
		Release numeral `json:"release"`
	}
	if _, err := c.rest(ctx, http.MethodGet, "/aps/2/packages?limit(0,1000)", nil, &packages); err != nil {
		return false, err
	}
	for _, p := range packages {
		if p.Type == c.cfg.Package.ID() && versionOf(p.Version, p.Release) == want {
			return true, nil
		}
	}
	return false, nil
}

// importPackage sends the package, or the address to download it from.
func (c *client) importPackage(ctx context.Context) error {
	params := map[string]any{"package_url": c.cfg.PackageURL}
	if c.cfg.PackageURL == "" {
		archive, err := c.cfg.Package.Build()
		if err != nil {
			return err
		}
		params = map[string]any{"package_body": archive}
	}
	_, err := c.rpc(ctx, "pem.APS.importPackage", params)
	return err
}

// create creates an instance and returns the id of its root resource.
func (c *client) create(ctx context.Context) (root string, err error) {
	v, release := c.cfg.Package.Version()
	body := map[string]any{}
	for name, value := range c.cfg.Settings {
		body[name] = value
	}
	body["aps"] = map[string]any{
		"package":  map[string]any{"type": c.cfg.Package.ID(), "version": strconv.Itoa(v), "release": strconv.Itoa(release)},
		"endpoint": c.cfg.Endpoint,
		"network":  c.cfg.Network,
		"auth":     c.auth(),
	}
	var created map[string]json.RawMessage
	status, err := c.rest(ctx, http.MethodPost, "/aps/2/applications/", body, &created)
	if err != nil {
		return "", err
	}
	if status == http.StatusNotFound {
		return "", c.refused("it has no such package")
	}
	if root = rootOf(created); root == "" {
		return "", c.refused("it returned no id of the new root resource")
	}
	return root, nil
}

// auth returns the credentials of the instance.
func (c *client) auth() map[string]any {
	return map[string]any{"oauth": map[string]any{"key": c.cfg.Key, "secret": c.cfg.Secret.Reveal()}}
}

// credentials sets the key and the secret of an instance (docs/reference/aps-protocol.md §7.2).
func (c *client) credentials(ctx context.Context, id string) error {
	body := map[string]any{"aps": map[string]any{"auth": c.auth()}}
	status, err := c.rest(ctx, http.MethodPut, "/aps/2/applications/"+url.PathEscape(id), body, nil)
	if err == nil && status == http.StatusNotFound {
		err = c.refused("it has no such instance")
	}
	return err
}

// A resource is the part of a root resource that is read back.
type resource struct {
	APS struct {
		Type    string `json:"type"`
		Status  string `json:"status"`
		Package struct {
			ID string `json:"id"`
		} `json:"package"`
	} `json:"aps"`
}

// read returns a root resource, or not_found.
func (c *client) read(ctx context.Context, root string) (resource, error) {
	var r resource
	status, err := c.rest(ctx, http.MethodGet, "/aps/2/resources/"+url.PathEscape(root), nil, &r)
	if err == nil && status == http.StatusNotFound {
		err = failure.New(failure.NotFound)
	}
	return r, err
}
