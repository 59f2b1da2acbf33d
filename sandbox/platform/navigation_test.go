package platform_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"azure-partner-connector/connector/secret"
	"azure-partner-connector/sandbox/panel"
	"azure-partner-connector/sandbox/platform"
	"azure-partner-connector/sandbox/platform/backend"

	"github.com/google/go-cmp/cmp"
)

func TestNavigation_IsThatOfTheManifest(t *testing.T) {
	p, _, _ := installed(t)
	trees := p.Navigation(platform.UX1Reseller)
	if len(trees) != 1 || trees[0].Label != "Azure Partner (NCE)" || len(trees[0].Children) != 2 || trees[0].Children[1].Src != "ui/ux1/customers.js" {
		t.Fatalf("Navigation(UX1) = %+v, want one tree with two views", trees)
	}
	view := trees[0].Children[0]
	if view.Src != "ui/ux1/token.js" || view.Label != "Manage Refresh Token" || view.Privilege != "manage-refresh-token" || len(view.Vars) != 1 || !view.Vars[0].Required {
		t.Errorf("view = %+v, want that of the manifest with its variable", view)
	}
	items := p.Navigation(platform.ClassicServices)
	if len(items) != 1 || items[0].Kind != "item" || len(items[0].Children) != 2 || items[0].Children[0].Children[0].Src != "ui/classic/token.html" || items[0].Children[1].Children[0].Src != "ui/classic/customers.html" {
		t.Errorf("Navigation(classic) = %+v, want item › item › view, twice", items)
	}
	provider := p.Navigation(platform.UX1Provider)
	if len(provider) != 1 || len(provider[0].Children) != 1 || provider[0].Children[0].Src != "ui/ux1/tenants.js" {
		t.Errorf("Navigation(provider) = %+v, want one tree with the list of tenants", provider)
	}
}

func TestMenu_HidesWhatUserMayNotSee(t *testing.T) {
	p, _, _ := installed(t)
	account, user := reseller(t, p, "North", "")
	clerk, err := p.AddUser(platform.User{Login: "clerk", Password: secret.New("x"), AccountID: account.ID, Restricted: true})
	if err != nil {
		t.Fatal(err)
	}
	keeper, err := p.AddUser(platform.User{Login: "keeper", Password: secret.New("x"), AccountID: account.ID, Restricted: true, Privileges: []string{"manage-refresh-token"}})
	if err != nil {
		t.Fatal(err)
	}
	admin, err := p.AddUser(platform.User{Login: "admin", Password: secret.New("x"), AccountID: p.Provider().ID})
	if err != nil {
		t.Fatal(err)
	}
	menu := func(userID, place string) int {
		nodes, err := p.Menu(userID, place)
		if err != nil {
			t.Fatalf("Menu() = %v", err)
		}
		return len(nodes)
	}
	if got := menu(user.ID, platform.UX1Reseller); got != 0 {
		t.Errorf("Menu() without a tenant = %d entries, want none", got)
	}
	newTenant(t, p, account)
	for name, tc := range map[string]struct {
		userID, place string
		want          int
	}{
		"administrator":         {user.ID, platform.UX1Reseller, 1},
		"administrator classic": {user.ID, platform.ClassicServices, 1},
		"without privilege":     {clerk.ID, platform.UX1Reseller, 0},
		"with privilege":        {keeper.ID, platform.UX1Reseller, 1},
		"provider":              {admin.ID, platform.UX1Provider, 1},
		"provider in services":  {admin.ID, platform.ClassicServices, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got := menu(tc.userID, tc.place); got != tc.want {
				t.Errorf("Menu() = %d entries, want %d", got, tc.want)
			}
		})
	}
	if _, err := p.Menu("x", platform.UX1Reseller); err == nil {
		t.Error("Menu() of nobody = nil, want an error")
	}
}

func TestServePackage_Files(t *testing.T) {
	p, _, made := installed(t)
	root, _ := p.Resource(made.RootID)
	href, _ := root["aps"].(map[string]any)["package"].(map[string]any)["href"].(string)
	for path, want := range map[string]int{
		"/ui/bootstrapApp.html": 200, "/ui/ux1/token.js": 200, "/i18n/de_DE.json": 200, "/images/icon.png": 200,
		"/schemas/app.schema": 404, "/ui/nothing.js": 404,
	} {
		if status, header, _ := request(t, p, "GET", href+path, "", nil, "", ""); status != want || status == 200 && header.Get("Content-Type") == "" {
			t.Errorf("GET %s = %d %s, want %d with a type", path, status, header.Get("Content-Type"), want)
		}
	}
	p.Mount(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	for path, want := range map[string]int{"/": 418, "/aps/2/ui/runtime/client/aps/aps.js": 418, "/aps/2/resources": 401, "/aps": 200} {
		if status, _, _ := request(t, p, "GET", path, "", nil, "", ""); status != want {
			t.Errorf("GET %s = %d, want %d", path, status, want)
		}
	}
}

func TestBackend_OfPanel(t *testing.T) {
	p, c, _ := installed(t)
	account, user := reseller(t, p, "North", "")
	customer, err := p.AddAccount(platform.Account{Name: "Customer", Type: platform.Client, ParentID: account.ID})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.AddUser(platform.User{Login: "customer", Password: secret.New("x"), AccountID: customer.ID}); err != nil {
		t.Fatal(err)
	}
	id := newTenant(t, p, account)
	b := backend.New(p)

	users, err := b.Users(t.Context())
	if err != nil || len(users) != 1 || users[0].ID != user.ID || users[0].Role != panel.Reseller || users[0].SubscriptionID == "" {
		t.Errorf("Users() = %+v, %v, want the reseller's user", users, err)
	}
	nodes, err := b.Navigation(t.Context(), user.ID, panel.PlugUX1Reseller)
	if err != nil || len(nodes) != 1 || len(nodes[0].Nodes) != 2 || nodes[0].Nodes[0].View == nil || nodes[0].Nodes[0].View.Src != "ui/ux1/token.js" {
		t.Errorf("Navigation() = %+v, %v, want the token's screen", nodes, err)
	}
	files, err := b.Files(t.Context(), nodes[0].Package)
	if err != nil {
		t.Fatalf("Files() = %v", err)
	}
	if _, err := fs.Stat(files, "ui/ux1/token.js"); err != nil {
		t.Errorf("Files() = %v, want the screen", err)
	}
	if _, err := b.Files(t.Context(), "other"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Files() of another package = %v, want fs.ErrNotExist", err)
	}
	resources, err := b.Resources(t.Context(), user.ID, nodes[0].Nodes[0].Vars[0].Type)
	if err != nil || len(resources) != 1 || !strings.Contains(string(resources[0]), id) || strings.Contains(string(resources[0]), "canary") {
		t.Errorf("Resources() = %s, %v, want the tenant without its secret", resources, err)
	}
	read, err := b.Call(t.Context(), user.ID, panel.Call{Method: "GET", ResourceID: id})
	var resource struct{ APS struct{ ID string } }
	if err != nil || read.Status != 200 || json.Unmarshal(read.Body, &resource) != nil || resource.APS.ID != id {
		t.Errorf("Call() of the resource = %d %s, %v, want it", read.Status, read.Body, err)
	}
	called, err := b.Call(t.Context(), user.ID, panel.Call{Method: "GET", ResourceID: id, Path: "history", Query: "limit=5", Locale: "de_DE"})
	if err != nil || called.Status != 200 {
		t.Errorf("Call() = %d, %v, want 200", called.Status, err)
	}
	calls, lines := c.received()
	if diff := cmp.Diff("GET /tenant/ID/history?limit=5", lines[len(lines)-1]); diff != "" || calls[len(calls)-1].header.Get("APS-Locale") != "de_DE" {
		t.Errorf("last hook differs (-want +got):\n%s", diff)
	}
}

func TestAddAccount_Refuses(t *testing.T) {
	p := start(t)
	one, user := reseller(t, p, "One", "")
	two, _ := reseller(t, p, "Two", one.ID)
	three, _ := reseller(t, p, "Three", two.ID)
	customer, err := p.AddAccount(platform.Account{Name: "Customer", Type: platform.Client, ParentID: three.ID})
	if err != nil {
		t.Fatal(err)
	}
	for name, a := range map[string]platform.Account{
		"second provider":    {Name: "x", Type: platform.Admin},
		"unknown parent":     {Name: "x", ParentID: "x"},
		"below a customer":   {Name: "x", ParentID: customer.ID},
		"fourth level":       {Name: "x", ParentID: three.ID},
		"account unnamed":    {},
		"account of no type": {Name: "x", Type: "PARTNER"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := p.AddAccount(a); err == nil {
				t.Errorf("AddAccount(%+v) = %+v, want an error", a, got)
			}
		})
	}
	for name, u := range map[string]platform.User{
		"login taken":     {Login: user.Login, Password: secret.New("x"), AccountID: one.ID},
		"no password":     {Login: "x", AccountID: one.ID},
		"unknown account": {Login: "x", Password: secret.New("x"), AccountID: "x"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := p.AddUser(u); err == nil {
				t.Errorf("AddUser(%+v) = %+v, want an error", u, got)
			}
		})
	}
	if _, err := p.LoginAs(user.ID, user.ID); err == nil {
		t.Error("LoginAs() of oneself = nil, want an error")
	}
}
