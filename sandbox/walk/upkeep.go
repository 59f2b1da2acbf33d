package walk

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"time"

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

func upgrade(ctx context.Context, w *walker) (string, error) {
	before, err := w.status(ctx, world.Rita)
	if err != nil {
		return "", err
	}
	old := w.root()
	done, err := w.world.Upgrade(ctx, nil)
	if err != nil {
		return "", err
	}
	if !done.Imported || !done.Upgraded || done.Created || done.RootID != w.rootID || done.Version != "2-2" {
		return "", fmt.Errorf("it did %+v, want an import and an upgrade to 2-2", done)
	}
	after, err := w.status(ctx, world.Rita)
	if err != nil {
		return "", err
	}
	if after.State != before.State || !reflect.DeepEqual(after.ExpiresAt, before.ExpiresAt) || !reflect.DeepEqual(after.ConsentedBy, before.ConsentedBy) {
		return "", fmt.Errorf("the status is %+v, and was %+v before", after, before)
	}
	now := w.root()
	for _, name := range []string{"cloud", "applicationId", "applicationSecretEnd", "borrowers", "renewalTask"} {
		if !reflect.DeepEqual(now[name], old[name]) {
			return "", fmt.Errorf("the setting %s is %v, and was %v before", name, now[name], old[name])
		}
	}
	again, err := w.world.Register(ctx, nil)
	if err == nil && (again.Imported || again.Created || again.Upgraded) {
		err = fmt.Errorf("registering again changed something: %+v", again)
	}
	return "fetched from the connector, from 1-1 to " + done.Version + " through the hook; token, settings and periodic task are unchanged", err
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
