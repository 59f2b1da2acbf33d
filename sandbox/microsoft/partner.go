package microsoft

import (
	"net/http"

	"github.com/google/uuid"
)

// partnerRoutes serves a service beside the three, which an operator may add to an instance. Its one read stands for any.
func (s *Simulator) partnerRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1.0/insights", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("request-id", uuid.NewString())
		s.mu.Lock()
		defer s.mu.Unlock()
		who, fault := s.authorizeCall(r, Partner)
		switch {
		case fault != tokenGood:
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			graphError(w, http.StatusUnauthorized, "InvalidAuthenticationToken", "The access token is "+string(fault)+".")
		case !who.may("Insights.Read.All"):
			graphDenied(w)
		default:
			writeJSON(w, http.StatusOK, map[string]any{"value": []map[string]any{{"name": "Seats", "partner": who.directory.ID}}})
		}
	})
	return mux
}
