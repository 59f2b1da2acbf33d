package microsoft

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// A ControlRequest is a request of the control API, which people and programs outside this process use. It has its own
// listener, so that it does not hide a path of Microsoft.
type ControlRequest struct {
	Request string // method and path
	Body    string // an example; empty for none
	About   string
}

// ControlRequests returns the requests of the control API.
func ControlRequests() []ControlRequest {
	return []ControlRequest{
		{"GET /_sim/{$}", "", "this list"},
		{"GET /_sim/state", "", "clock, directories with their policies, users, applications, relationships; no secrets"},
		{"GET /_sim/requests", "", "the request log, oldest first; no secrets"},
		{"POST /_sim/faults", `{"host":"login","path":"/token","status":503,"times":2,"delay":"5s"}`, "a fault for matching requests: host login, partnercenter, graph, arm or partner; method, path, directory, grantType; skip, times; delay, status, header, body, reset, afterProcessing, truncate"},
		{"DELETE /_sim/faults", "", "ends all faults"},
		{"POST /_sim/users/{upn}/revoke", "", "ends all sessions"},
		{"POST /_sim/users/{upn}/mfa", `{"mfa":"required"}`, "the second factor: none, registered, required, external or passkey"},
		{"POST /_sim/users/{upn}/refuse", `{"code":530003}`, "sign-ins and redemptions fail with this AADSTS number; 0 ends that"},
		{"POST /_sim/users/{upn}/roles", `{"globalAdmin":false,"adminAgent":true,"roleGroup":true}`, "all roles anew; a role group hides them in Graph"},
		{"POST /_sim/directories/{id}/policy", `{"requireMFA":true,"signInFrequency":"336h","rememberMFA":"336h","block":false,"blockServers":false}`, "the whole policy anew, with the members that the state shows; {} ends it"},
		{"POST /_sim/directories/{id}/withdraw", `{"application":"5a9d0b0c-0000-4000-8000-000000005a9d","scopes":["https://graph.microsoft.com/Directory.Read.All"]}`, "removes permissions from the consents"},
		{"POST /_sim/oddities", `{"byteOrderMarks":["arm"],"graphWantsMFA":true,"graphPage":1,"customersPage":1}`, "all oddities anew; {} ends them"},
		{"POST /_sim/relationships", `{"partner":"a1b1e000-0000-4000-8000-00000000a1b1","customer":"f10bd000-0000-4000-8000-0000000f10bd","roles":["158c047a-c907-4556-b7ef-446551a6b5f7"],"endsAt":"2030-01-01T00:00:00Z","autoExtend":false}`, "a relationship (GDAP) between a partner and a customer"},
		{"DELETE /_sim/relationships/{customer}", "", "ends those with a customer"},
		{"POST /_sim/clock", `{"advance":"240h"}`, "moves the clock forward, where the simulator has a clock of its own"},
	}
}

// controlIndex answers with the requests, so that nobody needs this file.
func controlIndex(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = fmt.Fprint(w, "The control API of the simulated Microsoft. It answers 200, or 204 for a change, 400 for an invalid request\nand 404 for an unknown user or directory.\n")
	for _, c := range ControlRequests() {
		_, _ = fmt.Fprintf(w, "\n%s\n    %s\n", strings.TrimSuffix(c.Request, "{$}"), c.About)
		if c.Body != "" {
			_, _ = fmt.Fprintf(w, "    %s\n", c.Body)
		}
	}
}

// controlRoutes serves the control API, which ControlRequests describes.
func (s *Simulator) controlRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_sim/{$}", controlIndex)
	mux.HandleFunc("GET /_sim/state", s.controlState)
	mux.HandleFunc("GET /_sim/requests", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.Requests()) })
	mux.HandleFunc("POST /_sim/faults", controlled(func(_ *http.Request, in struct {
		Fault
		Delay span `json:"delay"` // a text, not nanoseconds
	},
	) error {
		if in.Host != "" && in.Host != Login && !slices.Contains(resourceHosts(), in.Host) {
			return fmt.Errorf("there is no host %q", in.Host)
		}
		in.Fault.Delay = time.Duration(in.Delay)
		s.AddFault(in.Fault)
		return nil
	}))
	mux.HandleFunc("DELETE /_sim/faults", controlled(func(*http.Request, struct{}) error {
		s.ClearFaults()
		return nil
	}))
	mux.HandleFunc("POST /_sim/users/{upn}/revoke", controlled(func(r *http.Request, _ struct{}) error {
		return s.RevokeSessions(r.PathValue("upn"))
	}))
	mux.HandleFunc("POST /_sim/users/{upn}/mfa", s.controlMFA)
	mux.HandleFunc("POST /_sim/users/{upn}/refuse", controlled(func(r *http.Request, in struct {
		Code int `json:"code"`
	},
	) error {
		return s.RefuseUser(r.PathValue("upn"), in.Code)
	}))
	mux.HandleFunc("POST /_sim/users/{upn}/roles", controlled(func(r *http.Request, in struct {
		GlobalAdmin bool `json:"globalAdmin"`
		AdminAgent  bool `json:"adminAgent"`
		RoleGroup   bool `json:"roleGroup"`
	},
	) error {
		return errors.Join(s.SetRoles(r.PathValue("upn"), in.GlobalAdmin, in.AdminAgent), s.SetRoleGroup(r.PathValue("upn"), in.RoleGroup))
	}))
	mux.HandleFunc("POST /_sim/directories/{id}/policy", s.controlPolicy)
	mux.HandleFunc("POST /_sim/directories/{id}/withdraw", controlled(func(r *http.Request, in struct {
		Application string   `json:"application"`
		Scopes      []string `json:"scopes"`
	},
	) error {
		return s.RemovePermissions(r.PathValue("id"), in.Application, in.Scopes...)
	}))
	mux.HandleFunc("POST /_sim/oddities", controlled(func(_ *http.Request, in struct {
		ByteOrderMarks []Host `json:"byteOrderMarks"`
		GraphWantsMFA  bool   `json:"graphWantsMFA"`
		GraphPage      int    `json:"graphPage"`
		CustomersPage  int    `json:"customersPage"`
	},
	) error {
		s.SetOddities(Oddities{ByteOrderMarks: in.ByteOrderMarks, GraphWantsMFA: in.GraphWantsMFA, GraphPage: in.GraphPage, CustomersPage: in.CustomersPage})
		return nil
	}))
	mux.HandleFunc("POST /_sim/relationships", controlled(func(_ *http.Request, in Relationship) error { return s.SetRelationship(in) }))
	mux.HandleFunc("DELETE /_sim/relationships/{customer}", controlled(func(r *http.Request, _ struct{}) error {
		return s.EndRelationships(r.PathValue("customer"))
	}))
	if s.cfg.Advance != nil {
		mux.HandleFunc("POST /_sim/clock", s.controlClock)
	}
	return mux
}

// controlled reads an optional JSON body strictly and calls act.
func controlled[T any](act func(*http.Request, T) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in T
		if r.ContentLength != 0 {
			decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxForm))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(&in); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
		}
		if err := act(r, in); err != nil {
			status := http.StatusBadRequest
			if errors.Is(err, ErrUnknown) {
				status = http.StatusNotFound
			}
			http.Error(w, err.Error(), status)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

func (s *Simulator) controlMFA(w http.ResponseWriter, r *http.Request) {
	controlled(func(r *http.Request, in struct {
		MFA string `json:"mfa"`
	},
	) error {
		if in.MFA == "none" {
			in.MFA = ""
		}
		return s.SetMFA(r.PathValue("upn"), MFA(in.MFA))
	})(w, r)
}

// A span is a duration in Go's text form.
type span time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *span) UnmarshalText(b []byte) error {
	parsed, err := time.ParseDuration(string(b))
	*d = span(parsed)
	return err
}

// MarshalText implements encoding.TextMarshaler.
func (d span) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// policyBody is a Policy in the control API, which sets what it shows.
type policyBody struct {
	APIs                  []Host `json:"apis,omitempty"`
	RequireMFA            bool   `json:"requireMFA"`
	SignInFrequency       span   `json:"signInFrequency"`
	RememberMFA           span   `json:"rememberMFA"`
	Block                 bool   `json:"block"`
	BlockServers          bool   `json:"blockServers"`
	BlockDeviceCode       bool   `json:"blockDeviceCode"`
	AdminConsentOnly      bool   `json:"adminConsentOnly"`
	IgnoreMFAClaims       bool   `json:"ignoreMFAClaims"`
	RefuseClaims          bool   `json:"refuseClaims"`
	PasswordChangeRevokes bool   `json:"passwordChangeRevokes"`
}

func bodyOf(p Policy) policyBody {
	return policyBody{
		p.APIs, p.RequireMFA, span(p.SignInFrequency), span(p.RememberMFA), p.Block, p.BlockServers, p.BlockDeviceCode, p.AdminConsentOnly,
		p.IgnoreMFAClaims, p.RefuseClaims, p.PasswordChangeRevokes,
	}
}

func (b policyBody) policy() Policy {
	return Policy{
		b.APIs, b.RequireMFA, time.Duration(b.SignInFrequency), time.Duration(b.RememberMFA), b.Block, b.BlockServers, b.BlockDeviceCode,
		b.AdminConsentOnly, b.IgnoreMFAClaims, b.RefuseClaims, b.PasswordChangeRevokes,
	}
}

func (s *Simulator) controlPolicy(w http.ResponseWriter, r *http.Request) {
	controlled(func(r *http.Request, in policyBody) error { return s.SetPolicy(r.PathValue("id"), in.policy()) })(w, r)
}

func (s *Simulator) controlClock(w http.ResponseWriter, r *http.Request) {
	controlled(func(_ *http.Request, in struct {
		Advance span `json:"advance"`
	},
	) error {
		if in.Advance < 0 {
			return errors.New("the clock cannot go back")
		}
		s.cfg.Advance(time.Duration(in.Advance))
		return nil
	})(w, r)
}

// controlState answers with the seeded data, without passwords and secrets.
func (s *Simulator) controlState(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	directories, users, apps := []map[string]any{}, []map[string]any{}, []map[string]any{}
	for _, id := range slices.Sorted(maps.Keys(s.state.directories)) {
		d := s.state.directories[id]
		directories = append(directories, map[string]any{"id": d.ID, "domain": d.Domain, "name": d.Name, "customerOf": d.CustomerOf, "policy": bodyOf(d.policy)})
	}
	relationships := []map[string]any{}
	for _, id := range slices.Sorted(maps.Keys(s.state.relationships)) {
		r := s.state.relationships[id]
		status, ends := r.settle(s.now())
		relationships = append(relationships, map[string]any{
			"id": r.ID, "name": r.Name, "partner": r.Partner, "customer": r.Customer, "roles": r.Roles, "status": status, "endsAt": ends, "autoExtend": r.AutoExtend,
		})
	}
	for _, upn := range slices.Sorted(maps.Keys(s.state.users)) {
		u := s.state.users[upn]
		users = append(users, map[string]any{
			"upn": u.UPN, "name": u.Name, "directory": u.DirectoryID, "mfa": u.MFA, "globalAdmin": u.GlobalAdmin,
			"adminAgent": u.AdminAgent || u.NestedAdminAgent, "guest": u.Guest, "disabled": u.Disabled,
		})
	}
	for _, id := range slices.Sorted(maps.Keys(s.state.apps)) {
		a := s.state.apps[id]
		apps = append(apps, map[string]any{
			"id": a.ID, "name": a.Name, "directory": a.DirectoryID, "multiTenant": a.MultiTenant, "redirectURIs": a.RedirectURIs,
			"secrets": len(a.Secrets), "certificates": len(a.Certificates), "disabled": a.Disabled,
		})
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"now": s.now(), "cloud": s.cfg.Cloud.Name, "urls": s.urls, "directories": directories, "users": users, "applications": apps,
		"relationships": relationships,
		"faults":        len(s.state.faults), "refreshTokens": len(s.state.refresh),
	})
}
