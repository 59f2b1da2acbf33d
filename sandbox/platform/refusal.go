package platform

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// A Refusal is an error in the platform's form (docs/reference/aps-protocol.md §1.6).
type Refusal struct {
	Status  int             `json:"code"`
	Kind    string          `json:"error"` // for example APS::Util::Exception
	Message string          `json:"message"`
	Details json.RawMessage `json:"details,omitempty"`
}

// Error implements error.
func (r *Refusal) Error() string { return fmt.Sprintf("%d %s: %s", r.Status, r.Kind, r.Message) }

func refuse(status int, kind, format string, args ...any) *Refusal {
	return &Refusal{Status: status, Kind: "APS::Util::" + kind, Message: fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) *Refusal {
	return refuse(http.StatusBadRequest, "Exception", format, args...)
}

func notFound(what, id string) *Refusal {
	return refuse(http.StatusNotFound, "ObjectNotFound", "%s %s is not found", what, id)
}

func forbidden(format string, args ...any) *Refusal {
	return refuse(http.StatusForbidden, "AccessViolation", format, args...)
}

func unauthorized(format string, args ...any) *Refusal {
	return refuse(http.StatusUnauthorized, "AccessViolation", format, args...)
}

func conflict(format string, args ...any) *Refusal {
	return refuse(http.StatusConflict, "Exception", format, args...)
}

// asRefusal returns err in the platform's form.
func asRefusal(err error) *Refusal {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r
	}
	return refuse(http.StatusInternalServerError, "Exception", "%v", err)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	// An error means that the connection is closed.
	_ = json.NewEncoder(w).Encode(v)
}

func (p *Platform) writeError(w http.ResponseWriter, r *http.Request, err error) {
	refusal := asRefusal(err)
	p.cfg.Log.InfoContext(r.Context(), "request refused", "method", r.Method, "path", r.URL.Path, "status", refusal.Status, "message", refusal.Message)
	writeJSON(w, refusal.Status, refusal)
}
