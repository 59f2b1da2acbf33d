package microsoft

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// A PartnerCenterMode is how Partner Center handles calls for a directory. The zero mode enforces MFA on every call.
type PartnerCenterMode struct {
	// Unenforced is how many of a hundred calls without MFA succeed: Microsoft enforces MFA gradually, so that one token
	// may get both 200 and 401 (docs/reference/microsoft-identity.md §4.6).
	Unenforced int
	// Answer is the form of the 401 without MFA, which Microsoft does not publish.
	Answer MFAAnswer
	// MFAHeader is the value of isMfaCompliant; "%v" and empty stand for the true value, "-" for no header.
	MFAHeader string
	// ReportedDirectory is the tenantId of the organization profile. Default: the token's directory.
	ReportedDirectory string
}

// An MFAAnswer is a possible form of the 401 without MFA.
type MFAAnswer string

// The forms. The zero form has the code as a string.
const (
	MFACodeText    MFAAnswer = ""
	MFACodeNumber  MFAAnswer = "number"
	MFACodeNested  MFAAnswer = "nested" // under error
	MFABodyEmpty   MFAAnswer = "empty"
	MFAReasonOnly  MFAAnswer = "reason" // a sentence, no code
	MFACodeClassic MFAAnswer = "10001"  // of the older SDKs
)

func (s *Simulator) partnerCenterRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/profiles/organization", s.partnerCall(s.organizationProfile))
	mux.HandleFunc("GET /v1/profiles/legalbusiness", s.partnerCall(s.legalBusinessProfile))
	mux.HandleFunc("GET /v1/customers", s.partnerCall(s.listCustomers))
	mux.HandleFunc("POST /v1/customers/{customer}/applicationconsents", s.partnerCall(s.addApplicationConsent))
	mux.HandleFunc("DELETE /v1/customers/{customer}/applicationconsents/{application}", s.partnerCall(s.removeApplicationConsent))
	return mux
}

// partnerCall handles what all calls have in common: headers, token, MFA, roles (docs/reference/microsoft-identity.md
// §4.5, §5.5).
func (s *Simulator) partnerCall(next func(http.ResponseWriter, *http.Request, *caller)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"MS-RequestId", "MS-CorrelationId"} {
			value := r.Header.Get(name)
			if value == "" {
				value = uuid.NewString()
			}
			w.Header().Set(name, value)
		}
		w.Header().Set("MS-CV", uuid.NewString()[:16]+".0")
		w.Header().Set("MS-ServerId", "simulated")
		s.mu.Lock()
		defer s.mu.Unlock()
		who, fault := s.authorizeCall(r, PartnerCenter)
		switch fault {
		case tokenGood:
		case tokenAudience:
			partnerError(w, http.StatusUnauthorized, "900420", "The token is for another audience.")
			return
		default:
			partnerError(w, http.StatusUnauthorized, "900401", "The access token is "+string(fault)+".")
			return
		}
		s.reportMFA(w, r, who)
		switch {
		case s.wantsMFA(who):
			refuseWithoutMFA(w, who.directory.partner.Answer)
		case who.directory.NotPartner || who.directory.CustomerOf != "":
			partnerError(w, http.StatusForbidden, "2000", "The directory belongs to no partner.")
		case !who.user.GlobalAdmin && !who.user.AdminAgent && !who.user.NestedAdminAgent:
			partnerError(w, http.StatusForbidden, "400030", "The account has no role in Partner Center.")
		default:
			next(w, r, who)
		}
	}
}

// reportMFA answers the header ValidateMfa.
func (s *Simulator) reportMFA(w http.ResponseWriter, r *http.Request, who *caller) {
	if !strings.EqualFold(r.Header.Get("ValidateMfa"), "true") || who.directory.partner.MFAHeader == "-" {
		return
	}
	truth := "false"
	if who.mfa() {
		truth = "true"
	}
	value := who.directory.partner.MFAHeader
	if value == "" {
		value = "%v"
	}
	w.Header().Set("isMfaCompliant", strings.ReplaceAll(value, "%v", truth))
}

// wantsMFA reports whether a call fails because MFA is missing. Gradual enforcement is regular, so that tests can count.
func (s *Simulator) wantsMFA(who *caller) bool {
	if who.mfa() {
		return false
	}
	d := who.directory
	before := d.requests * d.partner.Unenforced / 100
	d.requests++
	return d.requests*d.partner.Unenforced/100 == before
}

func refuseWithoutMFA(w http.ResponseWriter, answer MFAAnswer) {
	w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	const message = "Multi-factor authentication is required for this request."
	switch answer {
	case MFACodeNumber:
		writeJSON(w, http.StatusUnauthorized, map[string]any{"code": 900421, "description": message, "data": []string{}, "source": "PartnerFD"})
	case MFACodeNested:
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": map[string]any{"code": "900421", "message": message}})
	case MFABodyEmpty:
		w.WriteHeader(http.StatusUnauthorized)
	case MFAReasonOnly:
		writeJSON(w, http.StatusUnauthorized, map[string]any{"message": "MFA is required."})
	case MFACodeClassic:
		partnerError(w, http.StatusUnauthorized, "10001", message)
	default:
		partnerError(w, http.StatusUnauthorized, "900421", message)
	}
}

func partnerError(w http.ResponseWriter, status int, code, description string) {
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	}
	writeJSON(w, status, map[string]any{"code": code, "description": description, "data": []string{}, "source": "PartnerFD"})
}

func (s *Simulator) organizationProfile(w http.ResponseWriter, _ *http.Request, who *caller) {
	reported := who.directory.partner.ReportedDirectory
	if reported == "" {
		reported = who.directory.ID
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"id": reported, "companyName": who.directory.Name, "tenantId": reported, "domain": who.directory.Domain, "culture": "en-US",
		"language": "en", "email": who.user.UPN, "profileType": "OrganizationProfile",
		"links":      map[string]any{"self": map[string]string{"uri": "/profiles/organization", "method": "GET"}},
		"attributes": map[string]string{"objectType": "OrganizationProfile"},
	})
}

func (s *Simulator) legalBusinessProfile(w http.ResponseWriter, _ *http.Request, who *caller) {
	writeJSON(w, http.StatusOK, map[string]any{
		"companyName": who.directory.Name, "vettingStatus": "authorized", "profileType": "LegalBusinessProfile",
		"attributes": map[string]string{"objectType": "LegalBusinessProfile"},
	})
}

// addApplicationConsent consents in a customer directory for the calling application
// (docs/reference/microsoft-identity.md §5.3).
func (s *Simulator) addApplicationConsent(w http.ResponseWriter, r *http.Request, who *caller) {
	customer := s.customerOf(w, r, who)
	if customer == nil {
		return
	}
	var body struct {
		ApplicationID string `json:"applicationId"`
		Grants        []struct {
			Application string `json:"enterpriseApplicationId"`
			Scope       string `json:"scope"`
		} `json:"applicationGrants"`
	}
	raw, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(raw, &body)
	}
	if err != nil || len(body.Grants) == 0 || !strings.EqualFold(body.ApplicationID, who.app) {
		partnerError(w, http.StatusBadRequest, "400", "The consent must name the calling application and a grant.")
		return
	}
	for _, grant := range body.Grants {
		host, ok := s.cfg.Cloud.find(grant.Application)
		names := strings.FieldsFunc(grant.Scope, func(c rune) bool { return c == ',' || c == ' ' })
		unknown := slices.ContainsFunc(names, func(name string) bool { _, known := permissions[host][name]; return !known })
		if !ok || len(names) == 0 || unknown {
			partnerError(w, http.StatusBadRequest, "400", "The grant names an API or a permission that does not exist.")
			return
		}
		if len(s.state.consents[consentKey{customer.ID, who.app, "", host}]) > 0 {
			partnerError(w, http.StatusConflict, "409", "Permission entry already exists.")
			return
		}
		s.state.consent(customer.ID, who.app, "", host, names)
	}
	writeJSON(w, http.StatusCreated, map[string]any{"applicationId": body.ApplicationID, "applicationGrants": body.Grants})
}

func (s *Simulator) removeApplicationConsent(w http.ResponseWriter, r *http.Request, who *caller) {
	customer := s.customerOf(w, r, who)
	if customer == nil {
		return
	}
	removed := false
	for _, host := range resourceHosts() {
		key := consentKey{customer.ID, strings.ToLower(r.PathValue("application")), "", host}
		removed = removed || s.state.consents[key] != nil
		delete(s.state.consents, key)
	}
	if !removed {
		partnerError(w, http.StatusNotFound, "404", "There is no such consent.")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Simulator) customerOf(w http.ResponseWriter, r *http.Request, who *caller) *directory {
	d := s.state.directory(r.PathValue("customer"))
	if d == nil || d.CustomerOf != who.directory.ID {
		partnerError(w, http.StatusNotFound, "404", "The partner has no such customer.")
		return nil
	}
	if !s.state.reaches(who.directory.ID, d.ID, s.now(), CloudApplicationAdministrator, ApplicationAdministrator, globalAdministrator) {
		partnerError(w, http.StatusForbidden, "2001", "The partner has no role in the customer's directory that allows this.")
		return nil
	}
	return d
}
