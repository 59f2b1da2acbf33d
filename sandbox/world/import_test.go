package world_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/world"
)

// TestImport_FromAnotherProgram imports the refresh token of a tenant whose own was deleted, at a Microsoft that checks it as the
// real one does, and refuses one that Microsoft does not know.
func TestImport_FromAnotherProgram(t *testing.T) {
	s := newScenario(t)
	browser := world.NewBrowser()
	s.visit(browser, s.signIn(browser, s.begin(browser), right()))
	tenantID := s.TenantOf(world.Rita).ID
	g, err := s.Grant(t.Context(), tenantID)
	check(t, err)
	var answer json.RawMessage
	s.call(http.MethodPost, "forget", "", &answer)
	s.checkState("absent")

	if _, err := s.Import(t.Context(), tenantID, secret.New("invented")); !failure.Is(err, failure.ImportRefused) {
		t.Errorf("Import() of an invented token = %v, want %s", err, failure.ImportRefused)
	}
	s.checkState("absent")
	const another = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"
	check(t, s.Microsoft.AddApplication(microsoft.Application{ID: another, Name: "Another", DirectoryID: world.AlpineDirectory}))
	foreign, err := s.Microsoft.IssueRefreshToken(microsoft.RefreshToken{UPN: world.AlpineAdmin, ApplicationID: another})
	check(t, err)
	_, err = s.Import(t.Context(), tenantID, secret.New(foreign))
	if f := failure.From(err); !failure.Is(err, failure.ImportRefused) || f.Params["application"] != world.ApplicationID || f.Microsoft.Code != "700007" {
		t.Errorf("Import() of another application's token = %v, want %s with the application that it must come from", err, failure.ImportRefused)
	}
	s.checkState("absent")
	done, err := s.Import(t.Context(), tenantID, g.RefreshToken)
	if err != nil || done.ConsentedBy.Username != world.AlpineAdmin || done.Waiting {
		t.Fatalf("Import() = %+v, %v, want the administrator's", done, err)
	}
	s.checkState("active")
	imported, err := s.Grant(t.Context(), tenantID)
	check(t, err)
	if imported.Procedure != token.Imported || imported.RefreshToken == g.RefreshToken {
		t.Errorf("the grant is %s, want an imported one with the successor", imported.Procedure)
	}
}
