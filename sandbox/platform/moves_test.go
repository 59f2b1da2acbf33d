package platform_test

import (
	"slices"
	"strings"
	"testing"

	"azure-partner-connector/connector/secret"
)

// TestMove_AsksUnlinksAndLinks: the owner changes only when the connector accepts the link.
func TestMove_AsksUnlinksAndLinks(t *testing.T) {
	p, c, _ := installed(t)
	north, _ := reseller(t, p, "North", "")
	south, _ := reseller(t, p, "South", "")
	id := newTenant(t, p, north)
	owner := func() any {
		r, _ := p.Resource(id)
		return r["account"].(map[string]any)["aps"].(map[string]any)["id"]
	}
	hooks := func(act func() error) (lines []string, err error) {
		_, before := c.received()
		err = act()
		_, after := c.received()
		return after[len(before):], err
	}
	move := func() error { return p.Move(t.Context(), id, south.ID) }
	const check, unlink, link = "POST /tenant/ID/migrationPreCheck", "DELETE /tenant/ID/account/ID", "POST /tenant/ID/account"

	c.answer = func(call) (int, map[string]string, string) { return 200, nil, `{"canMigrate":false}` }
	if lines, err := hooks(move); err == nil || !strings.Contains(err.Error(), "does not let") || !slices.Equal(lines, []string{check}) || owner() != north.ID {
		t.Errorf("Move() that the connector does not let = %v after %q with the owner %v, want a refusal and no change", err, lines, owner())
	}
	c.answer = func(got call) (int, map[string]string, string) {
		if strings.HasSuffix(got.path, "/account") {
			return 409, nil, `{"message":"Not now."}`
		}
		return 200, nil, `{"canMigrate":true}`
	}
	if lines, err := hooks(move); err == nil || !strings.Contains(err.Error(), "Not now.") || !slices.Equal(lines, []string{check, unlink, link, link}) || owner() != north.ID {
		t.Errorf("Move() that the connector refuses = %v after %q with the owner %v, want the old link again", err, lines, owner())
	}
	c.answer = func(call) (int, map[string]string, string) { return 200, nil, `{"canMigrate":true}` }
	if lines, err := hooks(move); err != nil || !slices.Equal(lines, []string{check, unlink, link}) || owner() != south.ID {
		t.Errorf("Move() = %v after %q with the owner %v, want South", err, lines, owner())
	}
	for _, other := range []string{south.ID, "nobody"} {
		if err := p.Move(t.Context(), id, other); err == nil {
			t.Errorf("Move() to %s = nil, want an error", other)
		}
	}
}

// TestForgetInstance_SaysNothing: the next instance of the package has the tenants that were not lost.
func TestForgetInstance_SaysNothing(t *testing.T) {
	p, c, made := installed(t)
	north, _ := reseller(t, p, "North", "")
	south, _ := reseller(t, p, "South", "")
	kept, lost := newTenant(t, p, north), newTenant(t, p, south)
	_, before := c.received()
	if err := p.ForgetInstance(made.ID, lost); err != nil {
		t.Fatal(err)
	}
	if _, after := c.received(); len(after) != len(before) {
		t.Errorf("the connector received %q, want nothing", after[len(before):])
	}
	for _, id := range []string{made.RootID, lost} {
		if _, ok := p.Resource(id); ok {
			t.Errorf("the platform still has %s", id)
		}
	}
	if err := p.ForgetInstance(made.ID); err == nil {
		t.Error("ForgetInstance() again = nil, want an error")
	}
	again, err := p.CreateInstance(t.Context(), c.URL+"/aps", key, secret.New(sharedSecret), nil)
	if err != nil || again.RootID == made.RootID {
		t.Fatalf("CreateInstance() = %+v, %v, want another root", again, err)
	}
	r, _ := p.Resource(kept)
	if app := r["app"].(map[string]any)["aps"].(map[string]any)["id"]; app != again.RootID {
		t.Errorf("the kept tenant belongs to %v, want %s", app, again.RootID)
	}
	if err := p.Suspend(t.Context(), kept); err != nil {
		t.Errorf("Suspend() of the kept tenant = %v, want it served by the new instance", err)
	}
}
