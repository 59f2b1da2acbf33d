package walk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"

	"azure-partner-connector/sandbox/platform"
	"azure-partner-connector/sandbox/world"
)

// root returns the platform's copy of the root resource.
func (w *walker) root() map[string]any {
	content, _ := w.world.Platform.Resource(w.rootID)
	return content
}

// until waits until done, for work that the connector and the platform do in the background.
func until(ctx context.Context, what string, done func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, waitLimit)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return errors.New("timed out waiting until " + what)
		case <-ticker.C:
		}
	}
	return nil
}

func periodicTask(ctx context.Context, w *walker) (string, error) {
	shown := func() bool { return w.root()["renewalTask"] != nil && w.root()["renewalTask"] != "" }
	if err := until(ctx, "the platform shows the periodic task", shown); err != nil {
		return "", err
	}
	tasks := w.world.Platform.Tasks()
	if len(tasks) != 1 || tasks[0].ID != w.root()["renewalTask"] || tasks[0].ResourceID != w.rootID {
		return "", fmt.Errorf("the platform has the tasks %+v, want the one that the root shows", tasks)
	}
	return "a daily call of " + tasks[0].Path + ", made in the background, shown on the root resource", nil
}

func renameReseller(ctx context.Context, w *walker) (string, error) {
	alpine := w.world.TenantOf(world.Rita)
	const name = "Alpine Cloud Group"
	if err := w.world.Platform.RenameAccount(alpine.AccountID, name); err != nil {
		return "", err
	}
	var list []struct{ ID, Name string }
	renamed := func() bool {
		if w.call(ctx, world.Petra, http.MethodGet, w.rootID, "tenants", nil, &list) != nil {
			return false
		}
		for _, t := range list {
			if t.ID == alpine.ID && t.Name == name {
				return true
			}
		}
		return false
	}
	return "reported by an event and applied", until(ctx, "the provider's list shows the new name", renamed)
}

// typeOf returns the type of a resource.
func typeOf(resource map[string]any) string {
	aps, _ := resource["aps"].(map[string]any)
	id, _ := aps["type"].(string)
	return id
}

// atVersion checks that the platform has a version of the package everywhere, and serves its screens.
func (w *walker) atVersion(version string) error {
	if got := typeOf(w.root()); !strings.HasSuffix(got, "/app/"+version+".0") {
		return fmt.Errorf("the root resource is of type %s, want version %s", got, version)
	}
	baltic, _ := w.world.Platform.Resource(w.world.TenantOf(world.Bjorn).ID)
	if got := typeOf(baltic); !strings.HasSuffix(got, "/tenant/"+version+".0") {
		return fmt.Errorf("the tenant of Baltic IT is of type %s, want version %s", got, version)
	}
	menu, err := w.world.Platform.Menu(w.world.User(world.Bjorn).ID, platform.UX1Reseller)
	if err != nil {
		return err
	}
	if len(menu) != 1 || len(menu[0].Vars) != 1 || !strings.HasSuffix(menu[0].Vars[0].Type, "/tenant/"+version+".0") {
		return fmt.Errorf("the menu of Baltic IT is %+v, want the screens of version %s", menu, version)
	}
	return nil
}

// upgrade upgrades the instance to the package of the connector, whose types have another version. The token, the settings
// and what the borrower may do stay as they are.
func upgrade(ctx context.Context, w *walker) (string, error) {
	if err := w.atVersion("1"); err != nil {
		return "", err
	}
	if _, err := w.borrow(ctx, world.Bjorn, "graph"); err != nil {
		return "", fmt.Errorf("borrowing before the upgrade: %w", err)
	}
	before, err := w.status(ctx, world.Bjorn) // after borrowing, which may have stored a successor
	if err != nil {
		return "", err
	}
	old := w.root()
	done, err := w.world.Upgrade(ctx, nil)
	if err != nil {
		return "", err
	}
	if !done.Imported || !done.Upgraded || done.Created || done.RootID != w.rootID || done.Version != "2-1" {
		return "", fmt.Errorf("it did %+v, want an import and an upgrade to 2-1", done)
	}
	if err := w.atVersion("2"); err != nil {
		return "", err
	}
	after, err := w.status(ctx, world.Bjorn)
	if err != nil {
		return "", err
	}
	// A successor may have been stored meanwhile, with a later end.
	if after.State != before.State || after.ExpiresAt == nil || before.ExpiresAt == nil || after.ExpiresAt.Before(*before.ExpiresAt) || !reflect.DeepEqual(after.ConsentedBy, before.ConsentedBy) {
		return "", fmt.Errorf("the status is %+v, and was %+v before", after, before)
	}
	now := w.root()
	for _, name := range []string{"cloud", "applicationId", "applicationSecretEnd", "renewalTask"} {
		if !reflect.DeepEqual(now[name], old[name]) {
			return "", fmt.Errorf("the setting %s is %v, and was %v before", name, now[name], old[name])
		}
	}
	entry := map[string]any{"id": w.world.Borrower().ID, "apis": []any{"partnercenter", "graph", "arm"}, "directories": []any{"partner"}}
	if got := now["borrowers"]; !reflect.DeepEqual(got, []any{entry}) {
		return "", fmt.Errorf("the borrowers are %v, want %v", got, entry)
	}
	if _, err := w.borrow(ctx, world.Bjorn, "graph"); err != nil {
		return "", fmt.Errorf("borrowing after the upgrade: %w", err)
	}
	return "fetched from the connector, from 1-1 to " + done.Version + " through the hook, with types and screens; token, settings and periodic task are unchanged, and the borrower still borrows", nil
}

// suspension suspends a tenant with a token, and resumes it: nothing is issued meanwhile, and no consent begins.
func suspension(ctx context.Context, w *walker) (string, error) {
	id := w.world.TenantOf(world.Bjorn).ID
	if err := w.world.Platform.Suspend(ctx, id); err != nil {
		return "", err
	}
	st, err := w.status(ctx, world.Bjorn)
	if err != nil {
		return "", err
	}
	baltic, _ := w.world.Platform.Resource(id)
	if aps, _ := baltic["aps"].(map[string]any); st.State != "suspended" || aps["status"] != "aps:disabled" {
		return "", fmt.Errorf("the status is %s, and the resource is %v, want suspended and aps:disabled", st.State, aps["status"])
	}
	_, lending := w.borrow(ctx, world.Bjorn, "graph")
	for what, err := range map[string]error{
		"borrowing":       lending,
		"a consent":       w.call(ctx, world.Bjorn, http.MethodPost, id, "consents", nil, nil),
		"the manual link": w.call(ctx, world.Bjorn, http.MethodPost, id, "consentLink", nil, nil),
	} {
		var refused *refusal
		if !errors.As(err, &refused) || refused.Details.Code != "suspended" {
			return "", fmt.Errorf("%s was not refused as suspended: %w", what, err)
		}
	}
	shown := func() bool {
		baltic, _ := w.world.Platform.Resource(id)
		return baltic["tokenStatus"] == "suspended"
	}
	if err := until(ctx, "the platform shows the status", shown); err != nil {
		return "", err
	}
	if err := w.world.Platform.Resume(ctx, id); err != nil {
		return "", err
	}
	if _, err := w.borrow(ctx, world.Bjorn, "graph"); err != nil {
		return "", fmt.Errorf("borrowing after the subscription was resumed: %w", err)
	}
	_, err = w.active(ctx, world.Bjorn, world.BalticAdmin)
	return "meanwhile nothing is issued, no consent begins, and the platform shows the status; afterwards the same token works", err
}

func rotateSecret(ctx context.Context, w *walker) (string, error) {
	works := func() error {
		// This call is a signed hook, and the restarted connector, which has no cached accounts, makes a signed call to the
		// platform to look up the caller.
		_, err := w.status(ctx, world.Bjorn)
		return err
	}
	old := w.world.Secret
	if err := w.world.Rotate(ctx, works); err != nil {
		return "", err
	}
	if got := w.world.Platform.SecretOf(w.rootID); got.Reveal() == old.Reveal() {
		return "", errors.New("the platform still has the old secret")
	}
	return "both were accepted meanwhile, and no call failed", works()
}
