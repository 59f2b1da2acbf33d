package microsoft

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"
)

// controlRoutes serves the control API for people and programs outside this process. It has its own listener, so that it
// does not hide a path of Microsoft:
//
//	GET    /_sim/state                    the seeded data, without secrets
//	GET    /_sim/requests                 the request log
//	POST   /_sim/faults                   a Fault, as in {"host":"login","status":503,"times":2,"delay":"5s"}
//	DELETE /_sim/faults                   remove all faults
//	POST   /_sim/users/{upn}/revoke       end all sessions
//	POST   /_sim/users/{upn}/mfa          {"mfa":"none|registered|required|external|passkey"}
//	POST   /_sim/users/{upn}/refuse       {"code":530003}: sign-ins and redemptions fail with it; 0 ends that
//	POST   /_sim/users/{upn}/roles        {"globalAdmin":false,"adminAgent":true,"roleGroup":true}
//	POST   /_sim/directories/{id}/policy  {"requireMFA":true,"signInFrequency":"336h","rememberMFA":"336h","block":false}
//	POST   /_sim/directories/{id}/withdraw {"application":"…","scopes":["https://graph.microsoft.com/Directory.Read.All"]}
//	POST   /_sim/oddities                 {"byteOrderMarks":["arm"],"graphWantsMFA":true,"graphPage":1,"customersPage":1}; {} ends all
//	POST   /_sim/relationships            {"partner":"…","customer":"…","roles":["…"],"endsAt":"2027-01-01T00:00:00Z","autoExtend":false}
//	DELETE /_sim/relationships/{customer} end those with a customer
//	POST   /_sim/clock                    {"advance":"240h"}, if Config.Advance is set
//
// It answers 204, 400 for an invalid request, and 404 for an unknown user or directory.
func (s *Simulator) controlRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_sim/state", s.controlState)
	mux.HandleFunc("GET /_sim/requests", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.Requests()) })
	mux.HandleFunc("POST /_sim/faults", controlled(func(_ *http.Request, in struct {
		Fault
		Delay span `json:"delay"` // a text, not nanoseconds
	},
	) error {
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

func (s *Simulator) controlPolicy(w http.ResponseWriter, r *http.Request) {
	controlled(func(r *http.Request, in struct {
		RequireMFA      bool `json:"requireMFA"`
		SignInFrequency span `json:"signInFrequency"`
		RememberMFA     span `json:"rememberMFA"`
		Block           bool `json:"block"`
		BlockServers    bool `json:"blockServers"`
	},
	) error {
		return s.SetPolicy(r.PathValue("id"), Policy{
			RequireMFA: in.RequireMFA, SignInFrequency: time.Duration(in.SignInFrequency), RememberMFA: time.Duration(in.RememberMFA),
			Block: in.Block, BlockServers: in.BlockServers,
		})
	})(w, r)
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
		directories = append(directories, map[string]any{"id": d.ID, "domain": d.Domain, "name": d.Name, "customerOf": d.CustomerOf, "policy": d.policy})
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
