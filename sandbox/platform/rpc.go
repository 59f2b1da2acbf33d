package platform

import (
	"context"
	"crypto/subtle"
	"encoding/xml"
	"errors"
	"maps"
	"net/http"
	"slices"

	"azure-partner-connector/connector/platform/register/xmlrpc"
	"azure-partner-connector/connector/random"
)

// serveRPC serves the operations API: XML-RPC with one struct as the parameter and {status, result | error_message} as the
// answer (docs/reference/aps-protocol.md §7.1).
func (p *Platform) serveRPC(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	userOK := subtle.ConstantTimeCompare([]byte(user), []byte(p.cfg.AdminUser))
	passwordOK := subtle.ConstantTimeCompare([]byte(password), []byte(p.cfg.AdminPassword.Reveal()))
	if userOK&passwordOK != 1 {
		w.Header().Set("WWW-Authenticate", `Basic realm="operations"`)
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
		return
	}
	// A package is sent as base64, which is a third larger.
	body, err := readBody(http.MaxBytesReader(w, r.Body, maxBody*3/2))
	if err != nil {
		http.Error(w, "the message is too large", http.StatusRequestEntityTooLarge)
		return
	}
	var answer []byte
	method, params, err := xmlrpc.DecodeCall(body)
	if err == nil {
		var result any
		result, err = p.operate(r.Context(), method, params)
		p.cfg.Log.InfoContext(r.Context(), "operations API", "method", method, "err", err)
		fault, isFault := errors.AsType[*xmlrpc.Fault](err)
		switch {
		case isFault:
			answer, err = xmlrpc.EncodeFault(fault)
		case err != nil:
			answer, err = xmlrpc.EncodeAnswer(map[string]any{"status": -1, "error_message": asRefusal(err).Message})
		default:
			answer, err = xmlrpc.EncodeAnswer(map[string]any{"status": 0, "result": result})
		}
	} else {
		answer, err = xmlrpc.EncodeFault(&xmlrpc.Fault{Code: -32700, Message: err.Error()})
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	_, _ = w.Write(answer)
}

func (p *Platform) operate(ctx context.Context, method string, params []any) (any, error) {
	methods := map[string]func(context.Context, map[string]any) (any, error){
		"pem.statistics.getStatisticsReport": p.rpcReport,
		"pem.setSystemProperty":              p.rpcSetProperty,
		"pem.APS.getUserToken":               p.rpcUserToken,
		"pem.APS.importPackage":              p.rpcImport,
		"pem.APS.getApplications":            p.rpcApplications,
		"pem.APS.getApplicationInstances":    p.rpcInstances,
		"pem.APS.upgradeApplicationInstance": p.rpcUpgrade,
		"pem.addResourceType":                p.rpcAddResourceType,
		"pem.getResourceTypesByClass":        p.rpcResourceTypes,
		"pem.addServiceTemplate":             p.rpcAddServiceTemplate,
		"pem.setSTRTLimits":                  p.rpcSetLimits,
	}
	call, ok := methods[method]
	if !ok {
		return nil, &xmlrpc.Fault{Code: -32601, Message: "method " + method + " is not found"}
	}
	members := map[string]any{}
	if len(params) > 0 {
		if members, ok = params[0].(map[string]any); !ok || len(params) > 1 {
			return nil, &xmlrpc.Fault{Code: -32602, Message: "exactly one struct is expected"}
		}
	}
	return call(ctx, members)
}

// rpcReport answers the report that a client asks for first: the history of builds, or what the installer of 2017 reads the
// version from (docs/reference/aps-protocol.md §7.3, §7.4).
func (p *Platform) rpcReport(_ context.Context, m map[string]any) (any, error) {
	name := "BuildHistory"
	if list, _ := m["reports"].([]any); len(list) > 0 {
		if first, _ := list[0].(map[string]any); first["name"] != nil {
			name, _ = first["name"].(string)
		}
	}
	switch name {
	case "BuildHistory":
	case "report-for-cep":
		text, err := xml.Marshal(struct {
			XMLName xml.Name `xml:"Report"`
			Version string   `xml:"ClientVersion"`
		}{Version: p.cfg.Build})
		return []any{map[string]any{"name": name, "value": string(text)}}, err
	default:
		return nil, notFound("report", name)
	}
	report := struct {
		XMLName xml.Name `xml:"BuildHistory"`
		Build   struct {
			Build string `xml:"Build"`
		} `xml:"Build"`
	}{}
	report.Build.Build = p.cfg.Build
	text, err := xml.Marshal(report)
	return []any{map[string]any{"name": name, "value": string(text)}}, err
}

func (p *Platform) rpcSetProperty(_ context.Context, m map[string]any) (any, error) {
	on, ok := m["bool_value"].(bool)
	if m["name"] != "APS_DEVEL_MODE" || m["account_id"] != 1 || !ok {
		return nil, badRequest("the property %v of account %v cannot be set", m["name"], m["account_id"])
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.development = on
	return map[string]any{}, nil
}

// rpcUserToken creates a token for user 1, the provider's administrator.
func (p *Platform) rpcUserToken(_ context.Context, m map[string]any) (any, error) {
	if m["user_id"] != 1 {
		return nil, notFound("user", "")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	token := random.Token()
	p.tokens[token] = p.provider().ID
	return map[string]any{"aps_token": token}, nil
}

func (p *Platform) rpcImport(ctx context.Context, m map[string]any) (any, error) {
	archive, isBody := m["package_body"].([]byte)
	address, isURL := m["package_url"].(string)
	if isBody == isURL {
		return nil, badRequest("either package_url or package_body is expected")
	}
	if isURL {
		var err error
		if archive, err = p.fetch(ctx, address); err != nil {
			return nil, err
		}
	}
	made, err := p.Import(ctx, archive)
	if err != nil {
		return nil, err
	}
	return map[string]any{"application_id": made.Application, "package_version": made.Version + "-" + made.Release}, nil
}

func (p *Platform) rpcApplications(_ context.Context, m map[string]any) (any, error) {
	id, _ := m["aps_application_id"].(string)
	p.mu.Lock()
	defer p.mu.Unlock()
	list := []any{}
	if i := p.newest(id, "", ""); i != nil {
		list = append(list, map[string]any{"application_id": i.application, "aps_application_id": i.packageID})
	}
	return list, nil
}

func (p *Platform) rpcInstances(_ context.Context, m map[string]any) (any, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := []any{}
	for _, id := range slices.Sorted(maps.Keys(p.instances)) {
		in := p.instances[id]
		if in.installed != nil && in.installed.application == m["app_id"] {
			list = append(list, map[string]any{"application_instance_id": in.number, "application_resource_id": in.root})
		}
	}
	return list, nil
}

func (p *Platform) rpcUpgrade(ctx context.Context, m map[string]any) (any, error) {
	p.mu.Lock()
	id := ""
	for _, in := range p.instances {
		if in.installed != nil && in.number == m["application_instance_id"] {
			id = in.id
		}
	}
	p.mu.Unlock()
	if id == "" {
		return nil, notFound("application instance", "")
	}
	return map[string]any{}, p.Upgrade(ctx, id)
}
